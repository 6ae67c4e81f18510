"""channel credential add, list, remove; secrets rotate."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from posthouse.kernel.secrets import load_master_keys

Cli = Callable[..., Result]
Ask = Callable[..., Any]


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Where a credential is read from."""
    monkeypatch.setenv("SECOND", "canary-second")
    return ("--credential-env", "SECOND")


def test_a_pool_of_two(configured: Cli, ask: Ask, second: tuple[str, str]) -> None:
    said = configured("channel", "credential", "add", "main", "b", *second, "--concurrency", "3").stdout
    assert 'credentials.b: (default) -> "(new)"' in said
    one, two = ask("channel", "credential", "list", "main")
    assert (one["name"], one["stored"], one["state"], one["concurrency"]) == ("default", True, "in", None)
    assert (two["name"], two["stored"], two["weight"], two["concurrency"]) == ("b", True, 1, 3)
    assert ask("channel", "list")[0]["credentials"] == ["default", "b"]
    shown = configured("channel", "credential", "list").stdout
    assert "canary" not in said + shown
    assert shown.split()[:4] == ["channel", "name", "stored", "state"]

    configured("channel", "disable", "main", "--credential", "b", "--reason", "the bill")
    assert [one["state"] for one in ask("channel", "credential", "list")] == ["in", "disabled"]
    configured("channel", "credential", "remove", "main", "default")
    assert [one["name"] for one in ask("channel", "credential", "list")] == ["b"]


def test_ceilings_change_and_the_secret_stays(configured: Cli, ask: Ask) -> None:
    url = ("channel", "credential", "add", "main", "default", "--keep")
    assert ask(*url, "--tokens-per-minute", "1000", "--dry-run")["changes"]
    assert ask("channel", "credential", "list")[0]["tokens_per_minute"] is None
    configured(*url, "--tokens-per-minute", "1000")
    assert ask("channel", "credential", "list")[0]["tokens_per_minute"] == 1000


def test_what_is_not_there(configured: Cli, second: tuple[str, str]) -> None:
    command = ("channel", "credential")
    assert "no channel 'mian'" in configured(*command, "add", "mian", "b", *second, status=1).stderr
    assert "its secret is missing" in configured(*command, "add", "main", "b", "--keep", status=1).stderr
    assert "none named 'b'" in configured(*command, "remove", "main", "b", status=1).stderr
    assert "no credentials" in configured(*command, "list", "mian").stdout


def test_the_master_key_is_replaced(configured: Cli, ask: Ask, tmp_path: Path) -> None:
    before = load_master_keys(tmp_path / "data")
    assert ask("secrets", "rotate") == {"secrets": 1}
    (after,) = load_master_keys(tmp_path / "data")
    assert after not in before
    assert ask("channel", "credential", "list")[0]["stored"]
    assert "keep a copy" in configured("secrets", "rotate").stderr


def test_a_key_of_the_environment_is_replaced_by_the_one_before_it(
    configured: Cli, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,), new = load_master_keys(tmp_path / "data"), b"n" * 32
    monkeypatch.setenv("POSTHOUSE_MASTER_KEY", old.hex())
    assert "NEW,OLD" in configured("secrets", "rotate", status=1).stderr
    monkeypatch.setenv("POSTHOUSE_MASTER_KEY", f"{new.hex()},{old.hex()}")
    assert "take the old key out" in configured("secrets", "rotate").stderr
    monkeypatch.setenv("POSTHOUSE_MASTER_KEY", new.hex())
    assert ask("channel", "credential", "list")[0]["stored"]
