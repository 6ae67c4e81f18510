"""What goes wrong is told in one line, with what to do next, and never as a traceback."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from posthouse.cli import account, output
from posthouse.testing.stores import store_in

Cli = Callable[..., Result]
POSTHOUSE = [sys.executable, "-c", "from posthouse.cli import main; main()"]


def test_a_data_directory_that_can_not_be_made(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = cli("account", "list", "--data", str(tmp_path / "file" / "data"), status=1).stderr
    assert told.startswith("error: Not a directory: ")


def test_a_database_that_is_none(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/posthouse.db").write_text("this is a text, and no database at all" * 100)
    assert "posthouse doctor" in cli("account", "list", status=1).stderr
    assert "no store" in cli("account", "list", "--database", "mysql://x/y", status=1).stderr


def test_a_database_that_is_none_to_a_server(cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = ("--port", str(one.getsockname()[1]), "--ops-port", str(two.getsockname()[1]))
    assert "no store" in cli("serve", "--database", "mysql://x/y", *ports, status=1).stderr
    (tmp_path / "data/posthouse.db").write_text("this is a text, and no database at all" * 100)
    assert "not a database" in cli("serve", *ports, status=1).stderr


def test_a_mistyped_data_directory_does_not_pass_for_empty_books(cli: Cli, tmp_path: Path) -> None:
    mistyped = tmp_path / "dta"
    assert f"there was no {mistyped}/posthouse.db" in cli("ledger", "verify", "--data", str(mistyped)).stderr
    assert cli("ledger", "verify", "--data", str(mistyped)).stderr == ""


def test_a_long_row_is_not_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.print_table(
        ("id", ">charge", "where"), [("req_" + "1" * 28, "0.5", "中文"), ("b", "12", None)], empty=""
    )
    assert capsys.readouterr().out.splitlines() == [
        "id                                charge  where",
        "req_1111111111111111111111111111     0.5  中文",
        "b                                     12",
    ]


def test_a_setting_that_is_wrong(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTHOUSE_PORT", "http")
    assert "POSTHOUSE_PORT='http' is no int" in cli("account", "list", status=1).stderr


def test_a_fault_of_ours_is_one_line_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(desk: object) -> None:
        raise KeyError("broken")

    monkeypatch.setattr(account, "_all", fail)
    told = cli("account", "list", status=70).stderr
    assert told.startswith("error: unexpected KeyError: 'broken'\n")
    assert "POSTHOUSE_TRACEBACK=1" in told


def test_help_is_there_for_every_command(cli: Cli) -> None:
    for group in ("account", "key", "channel", "model", "usage", "ledger"):
        assert "Usage" in cli(group, "--help").stdout
    assert "posthouse 0." in cli("--version").stdout


def test_a_reader_who_has_had_enough_ends_it_quietly(tmp_path: Path) -> None:
    environment = {**os.environ, "POSTHOUSE_DATA": str(tmp_path)}
    store_in(tmp_path).close()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*POSTHOUSE, "account", "list"], stdout=writer, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(writer)
    assert done.stderr == b""


def test_the_data_directory_is_private(cli: Cli, tmp_path: Path) -> None:
    cli("account", "list")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_master_key_that_is_none(configured: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data/master.key").write_text("no hex")
    assert "master.key is not 64 hex digits" in configured("channel", "list", status=1).stderr
    monkeypatch.setenv("POSTHOUSE_MASTER_KEY", "also none")
    told = configured("serve", status=1).stderr
    assert "POSTHOUSE_MASTER_KEY is not 64 hex digits" in told
    assert "also none" not in told


def test_a_terminal_without_the_characters(tmp_path: Path) -> None:
    environment = {**os.environ, "POSTHOUSE_DATA": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*POSTHOUSE, "ledger", "verify"], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (0, b"? nothing differs\n")
