"""`posthouse serve`, as its own process."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.cli.conftest import Cli

from posthouse.cli.serve import _address, _where
from posthouse.kernel.settings import Settings
from posthouse.server.console import is_built

ROOT = Path(__file__).parents[2]
POSTHOUSE = [sys.executable, "-m", "posthouse"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(data: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTHOUSE_")}
    return {**kept, "POSTHOUSE_DATA": str(data), "PYTHONPATH": str(ROOT / "src")}


def failing(data: Path, *arguments: str) -> str:
    """What a command that must fail says."""
    done = subprocess.run(
        [*POSTHOUSE, *arguments],
        env=environment(data),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


@contextmanager
def serving(data: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", Any]]:
    """A server that is ready, and its greeting."""
    ports = ("--port", str(free_port()), "--ops-port", str(free_port()))
    command = [*POSTHOUSE, "serve", *ports, "--json", *arguments]
    with subprocess.Popen(command, env=environment(data), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            lines = []
            for line in server.stdout:
                lines.append(line)
                if line == "}\n":
                    break
            yield server, json.loads("".join(lines))
        finally:
            server.terminate()
            server.wait(30)


def test_a_first_call_works_right_after_the_start(cli: Cli, ask: Callable[..., Any], tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--demo") as (server, greeting):
        with openai.OpenAI(
            base_url=greeting["api"], api_key=greeting["demo"]["key"], max_retries=0
        ) as client:
            answer = client.chat.completions.create(
                model=greeting["model"], messages=[{"role": "user", "content": "Hello"}]
            )
        assert "simulated" in str(answer.choices[0].message.content)
        with urllib.request.urlopen(greeting["metrics"]) as metrics:
            assert b"posthouse_requests_total" in metrics.read()
        with urllib.request.urlopen(greeting["console"]) as console:
            assert console.status == 200
        sign_in = urllib.request.Request(
            greeting["console"] + "api/v1/session",
            json.dumps(
                {"email": greeting["demo"]["account"], "password": greeting["demo"]["password"]}
            ).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(sign_in) as signed_in:
            assert json.load(signed_in)["email"] == greeting["demo"]["account"]
        assert greeting["shows_mail"]
        assert greeting["has_console"] is is_built()

        (record,) = ask("usage", "list", "--account", greeting["demo"]["account"])
        assert record["charge_nanos"] > 0
        refused = failing(tmp_path / "data", "serve", "--port", str(free_port()))
        assert "already works on" in refused
        taken = failing(tmp_path / "other", "serve", "--port", greeting["api"].split(":")[2].split("/")[0])
        assert "choose another with --host and --port" in taken

        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    cli("ledger", "verify")
    assert ask("channel", "list") == []
    with closing(sqlite3.connect(tmp_path / "data" / "posthouse.db")) as store:
        ((kept,),) = store.execute("SELECT password_hash FROM profiles WHERE password_hash IS NOT NULL")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")  # what tests in one process make cheaper


def test_a_demo_is_never_mixed_with_real_channels(cli: Cli, tmp_path: Path) -> None:
    cli("channel", "add", "real", "--base-url", "http://127.0.0.1:1/v1", "--no-credential")
    ports = ("--port", str(free_port()), "--ops-port", str(free_port()))
    assert "real channels" in failing(tmp_path / "data", "serve", "--demo", *ports)


def test_without_a_channel_it_says_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, greeting):
        assert "has_channels" in greeting
        assert greeting["has_channels"] is False
        # Whoever can read this becomes the owner; from then on it is told no more.
        base, _, token = greeting["setup"].partition("setup?token=")
        assert base == greeting["console"]
        body = json.dumps({"token": token, "email": "ann@example.org", "password": "correct horse battery"})
        request = urllib.request.Request(
            f"{base}api/v1/setup", body.encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 201
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    with serving(tmp_path) as (_, greeting):
        assert "setup" not in greeting


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("relay.test", "http://relay.test:1"),
    ],
)
def test_an_address_that_can_be_opened(host: str, address: str) -> None:
    assert _address(host, 1) == address


def test_the_database_password_is_not_printed() -> None:
    assert _where(Settings(database="postgresql://me:secret@db/x")) == ' --database "$POSTHOUSE_DATABASE"'
    assert _where(Settings(database="postgresql://me@db/x")) == " --database postgresql://me@db/x"
