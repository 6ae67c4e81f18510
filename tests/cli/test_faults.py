"""What goes wrong is told in one line, with what to do next, and never as a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from posthouse.cli import account

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
