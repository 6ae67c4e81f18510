"""channel test: what an upstream says, to which credential, and where the time goes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from posthouse.testing.upstream import Script, ScriptedUpstream

Cli = Callable[..., Result]
Ask = Callable[..., Any]

FILE = """
[channels.main]
base_url = "{url}"
models = ["gpt-4o*"]
model_map = {{ "gpt-4o" = "upstream-4o" }}
[[channels.main.credentials]]
name = "one"
credential = "sk-canary-one"
[[channels.main.credentials]]
name = "two"
credential = "sk-canary-two"
[[channels.main.credentials]]
name = "wrong"
credential = "sk-canary-wrong"
"""


@pytest.fixture
def upstream(cli: Cli, tmp_path: Path) -> Iterator[ScriptedUpstream]:
    """Of a channel with three credentials, of which it takes two."""
    with ScriptedUpstream(credential=("sk-canary-one", "sk-canary-two")) as upstream:
        file = tmp_path / "operator.toml"
        file.write_text(FILE.format(url=upstream.base_url))
        cli("apply", str(file))
        yield upstream


def test_each_phase_is_shown(cli: Cli, ask: Ask, upstream: ScriptedUpstream) -> None:
    shown = cli("channel", "test", "main").stdout.splitlines()
    assert shown[0].startswith("✓ main: 200 in ")
    phases = [line.rsplit(maxsplit=2)[0].strip() for line in shown[1:-1]]
    assert phases == [
        *("name", "connection", "request sent", "answer's head", "first byte", "rest of the answer")
    ]
    assert all(line.rstrip().endswith(" ms") for line in shown[1:-1])
    assert shown[-1].split() == ["address", "127.0.0.1"]
    found = ask("channel", "test", "main")
    assert found["verdict"] == "ok"
    assert found["phases"]["connect_ms"] > 0
    assert found["phases"]["tls_ms"] is None
    upstream.default = Script(status=404)
    assert "ask a --model to be sure" in cli("channel", "test", "main").stdout


def test_a_credential_by_name(cli: Cli, upstream: ScriptedUpstream) -> None:
    cli("channel", "test", "main", "--credential", "two")
    assert upstream.received[-1].header("authorization") == "Bearer sk-canary-two"
    refused = cli("channel", "test", "main", "--credential", "wrong", status=1)
    assert "401: set the channel's credential again" in refused.stdout
    unknown = cli("channel", "test", "main", "--credential", "three", status=1)
    assert "there is none named 'three': one, two, wrong" in unknown.stderr
    assert "canary" not in refused.output + unknown.output


def test_a_model_is_asked_for_one_token(cli: Cli, ask: Ask, upstream: ScriptedUpstream) -> None:
    assert "gpt-4o is there" in cli("channel", "test", "main", "--model", "gpt-4o").stdout
    body = json.loads(upstream.received[-1].body)
    assert (body["model"], body["max_completion_tokens"]) == ("upstream-4o", 1)
    upstream.enqueue(Script(error="model_not_found"))
    missing = cli("channel", "test", "main", "--model", "gpt-4o-mini", status=1).stdout
    assert "it does not have this model" in missing
    not_offered = cli("channel", "test", "main", "--model", "claude", status=1).stderr
    assert "the channel 'main' does not offer 'claude'" in not_offered


def test_an_account_that_is_used_up_and_an_upstream_that_fails(cli: Cli, upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(error="insufficient_quota"))
    used_up = cli("channel", "test", "main", "--model", "gpt-4o", status=1).stdout
    assert "the credential's account is used up" in used_up
    upstream.enqueue(Script(status=503))
    assert "(overloaded)" in cli("channel", "test", "main", status=1).stdout


def test_what_took_how_long_until_it_failed(configured: Cli, ask: Ask) -> None:
    shown = configured("channel", "test", "main", status=1).stdout
    assert "check base URL, network and proxy" in shown
    found = ask("channel", "test", "main", status=1)
    assert found["verdict"] == "unreachable"
    assert found["phases"]["connect_ms"] is not None
    assert found["phases"]["header_ms"] is None


def test_a_channel_that_is_set_apart_is_tested_all_the_same(cli: Cli, upstream: ScriptedUpstream) -> None:
    cli("channel", "disable", "main")
    assert cli("channel", "test", "main", "--model", "gpt-4o").stdout.startswith("✓")
