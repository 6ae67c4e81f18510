"""doctor: each line is true, and tells what to do where something is missing."""

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from posthouse.catalogue.states import note_out
from posthouse.kernel.clock import now_ms
from posthouse.testing.stores import store_in

Cli = Callable[..., Result]
Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports that nothing else on the machine listens on."""
    for name in ("POSTHOUSE_PORT", "POSTHOUSE_OPS_PORT"):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            monkeypatch.setenv(name, str(one.getsockname()[1]))


def faults(ask: Ask) -> dict[str, str]:
    return {one["check"]: one["detail"] for one in ask("doctor", status=1) if not one["ok"]}


def test_all_is_well(configured: Cli, ask: Ask) -> None:
    findings = ask("doctor")
    assert [one["check"] for one in findings] == [
        "settings", "data directory", "master key", "database", "catalogue", "channel main", "tokenizer",
        "ledger", "clock", "port", "ops port",
    ]  # fmt: skip
    text = configured("doctor").stdout
    assert text.count("✓") == len(findings)
    assert "canary" not in text


def test_a_fresh_directory_lacks_something_to_sell(cli: Cli, ask: Ask) -> None:
    assert set(faults(ask)) == {"catalogue", "channels"}
    assert "    posthouse apply examples/minimal.toml" in cli("doctor", status=1).stdout


def test_a_variable_that_nothing_reads(configured: Cli, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTHOUSE_PROT", "8001")
    assert faults(ask) == {"settings": "nothing reads POSTHOUSE_PROT"}


def test_files_that_others_can_read(configured: Cli, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "data/master.key").chmod(0o644)
    (tmp_path / "data").chmod(0o755)
    assert set(faults(ask)) == {"data directory", "master key"}
    assert f"chmod 700 {tmp_path}/data" in configured("doctor", status=1).stdout


def test_a_master_key_that_opens_nothing(configured: Cli, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "data/master.key").write_text("00" * 32)
    assert "does not open with this master key" in faults(ask)["channels"]
    (tmp_path / "data/master.key").write_text("no hex")
    assert "master key" in faults(ask)


def test_a_master_key_from_the_environment(
    configured: Cli, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTHOUSE_MASTER_KEY", "11" * 32)
    (key,) = [one for one in ask("doctor", status=1) if one["check"] == "master key"]
    assert key["detail"] == "from POSTHOUSE_MASTER_KEY"


def test_a_database_that_is_away(cli: Cli, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTHOUSE_DATABASE", "postgresql://127.0.0.1:1/none")
    assert {"database", "catalogue", "channels", "ledger", "clock"} <= set(faults(ask))


def test_books_that_differ_and_a_clock_that_went_back(configured: Cli, ask: Ask, tmp_path: Path) -> None:
    configured("account", "create", "ann@example.org")
    with sqlite3.connect(tmp_path / "data/posthouse.db") as books:
        books.execute("UPDATE ledger_accounts SET balance_nanos = 1 WHERE kind = 'member'")
        books.execute("UPDATE changes SET at_ms = ?", (now_ms() + 3_600_000,))
    books.close()
    found = faults(ask)
    assert found["ledger"] == "differences: 1"
    assert "ahead of this machine's clock" in found["clock"]


def test_a_model_that_no_channel_offers_or_no_plan_sells(cli: Cli, ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "operator.toml"
    file.write_text(
        '[models.priced]\nprice = { input = "1", output = "1" }\n[models.unpriced]\n'
        '[plans.paid]\nkind = "paid"\n'
        '[channels.main]\nbase_url = "http://127.0.0.1:1/v1"\nmodels = ["unpriced"]\n'
    )
    cli("apply", str(file))
    assert faults(ask) == {"catalogue": "not for sale: unpriced", "channels": "none offers priced"}


def test_a_port_that_something_else_has(configured: Cli, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("POSTHOUSE_OPS_PORT", str(other.getsockname()[1]))
        assert "taken by something else" in faults(ask)["ops port"]


def test_what_is_set_apart(configured: Cli, ask: Ask, tmp_path: Path) -> None:
    configured("channel", "drain", "main", "--reason", "the bill")
    (found,) = [one for one in ask("doctor") if one["remedy"].startswith("to use it again")]
    assert found["remedy"] == "to use it again: posthouse channel enable main"
    assert found["detail"].startswith("is draining since ")
    assert found["detail"].endswith(": the bill")
    store = store_in(tmp_path / "data")
    with store.begin() as connection:
        note_out(connection, "main", "default", reason="quota", process_id="prc_1", now_ms=now_ms())
    store.close()
    assert faults(ask)["channel main"].startswith("its credential default is out since ")
    assert "posthouse channel enable main --credential default" in configured("doctor", status=1).stdout


def test_a_rotation_that_was_not_finished(configured: Cli, ask: Ask, tmp_path: Path) -> None:
    key = tmp_path / "data/master.key"
    (tmp_path / "data/master.key.old").write_text(key.read_text())
    assert faults(ask)["master key"] == "a rotation was not finished"
    configured("secrets", "rotate")
    configured("doctor")
