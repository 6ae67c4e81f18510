"""The command line as a person meets it: the real commands on a data directory of their own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from posthouse.cli import app
from posthouse.testing.stores import store_in

Cli = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Runs a command; `status` is what it must end with, 0 unless told otherwise."""
    monkeypatch.setenv("POSTHOUSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()

    def run(*arguments: str, status: int = 0, stdin: str | None = None) -> Result:
        result = runner.invoke(app, arguments, input=stdin)
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output
        return result

    yield run
    structlog.reset_defaults()  # `serve` sets it up with the runner's standard error, which is closed by now


@pytest.fixture
def ask(cli: Cli) -> Callable[..., Any]:
    """Runs a command with --json and returns what it printed, decoded."""
    return lambda *arguments, **options: json.loads(cli(*arguments, "--json", **options).stdout)


@pytest.fixture
def configured(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line with examples/minimal.toml applied, on an upstream where nobody listens."""
    monkeypatch.setenv("UPSTREAM_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("UPSTREAM_API_KEY", "canary-credential")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    store_in(data).close()
    cli("apply", str(ROOT / "examples/minimal.toml"))
    return cli
