"""credit, debit, usage, ledger."""

import asyncio
import csv
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from posthouse.kernel.clock import now_ms
from posthouse.kernel.ids import new_request_id
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.ledger.service import Ledger
from posthouse.ledger.settlement import Snapshot
from posthouse.metering.prices import PriceLine, Tariff
from posthouse.testing.stores import store_in

Cli = Callable[..., Result]
Ask = Callable[..., Any]

CHARGE_NANOS = 1_234_567
TARIFF = Tariff([PriceLine("output", "1M tokens", CHARGE_NANOS * 200_000)])  # of 5 tokens
PRICE = Snapshot(TARIFF.id, TARIFF.lines_json.decode())


def call(cli: Cli, ask: Ask, data: Path, *, calls: int, **fields: Any) -> None:
    """Make a paid account with a key unless it is there, and settle calls of it as a server would."""
    if not ask("account", "list"):
        cli("account", "create", "ann@example.org")
        cli("key", "create", "--account", "ann@example.org")
        cli("credit", "ann@example.org", "1", "--reason", "start")
    account = ask("account", "show", "ann@example.org")["id"]
    key = ask("key", "list", "--account", account)[0]["id"]

    async def settle() -> None:
        store = store_in(data)
        ledger = Ledger(store)
        await ledger.start()
        for _ in range(calls):
            wallet = await ledger.load_wallet(account)
            started_ms = fields.get("started_ms", now_ms())
            outcome = Outcome(
                request_id=f"req_{started_ms:012x}{new_request_id()[16:]}",
                ending=fields.get("ending", Ending.COMPLETED),
                http_status=200,
                account_id=account,
                key_id=key,
                plan="paid",
                model=fields.get("model", "gpt-4o-mini"),
                endpoint="chat/completions",
                channel="main",
                quantities={"input": 9, "output": 5},
                prompt_tokens=9,
                completion_tokens=5,
                charge_nanos=CHARGE_NANOS,
                price_id=PRICE.price_id,
                started_ms=started_ms,
            )
            await ledger.settle(wallet.hold(CHARGE_NANOS), outcome, snapshot=PRICE)
        await ledger.stop()
        store.close()

    asyncio.run(settle())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_top_up_adds_and_moves_to_the_paid_plan(configured: Cli, ask: Ask) -> None:
    assert ask("account", "create", "ann@example.org")["plan"] == "free"
    done = ask("credit", "ann@example.org", "12.5", "--reason", "invoice 7")
    assert (done["amount_nanos"], done["kind"], done["reason"]) == (12_500_000_000, "topup", "invoice 7")
    account = ask("account", "show", "ann@example.org")
    assert (account["plan"], account["balance_nanos"]) == ("paid", 12_500_000_000)
    told = configured(
        "credit", "ann@example.org", "0.000000001", "--reason", "gift", "--kind", "promotion"
    ).stdout
    assert told == "credited 0.000000001 USD: ann@example.org has 12.500000001 USD on plan paid\n"


def test_the_same_idempotency_key_moves_nothing_again(configured: Cli, ask: Ask) -> None:
    configured("account", "create", "ann@example.org")
    again = ("credit", "ann@example.org", "5", "--reason", "r", "--idempotency-key", "payment 9")
    assert ask(*again) == ask(*again)
    assert ask("account", "show", "ann@example.org")["balance_nanos"] == 5_000_000_000
    other = ("credit", "ann@example.org", "6", "--reason", "r", "--idempotency-key", "payment 9")
    assert "another transfer" in configured(*other, status=1).stderr


def test_a_debit_takes_no_more_than_there_is(configured: Cli, ask: Ask) -> None:
    configured("account", "create", "ann@example.org")
    configured("credit", "ann@example.org", "5", "--reason", "r")
    assert "does not cover" in configured("debit", "ann@example.org", "6", "--reason", "r", status=1).stderr
    assert (
        ask("debit", "ann@example.org", "2", "--reason", "r", "--kind", "correction")["kind"] == "correction"
    )
    assert ask("account", "show", "ann@example.org")["debited_nanos"] == 2_000_000_000


@pytest.mark.parametrize("amount", ["x", "1e-10", "", "1,5"])
def test_what_is_no_amount_is_refused(cli: Cli, amount: str) -> None:
    assert "12.50" in cli("credit", "ann@example.org", amount, "--reason", "r", status=2).stderr


def test_credit_for_nobody_says_where_to_look(cli: Cli) -> None:
    assert (
        "posthouse account list" in cli("credit", "nobody@example.org", "1", "--reason", "r", status=1).stderr
    )
    assert "--reason" in cli("credit", "nobody@example.org", "1", status=2).stderr


def test_usage_is_listed_newest_first(configured: Cli, ask: Ask, data: Path) -> None:
    assert ask("usage", "list") == []
    assert configured("usage", "list").stdout == "no calls\n"
    call(configured, ask, data, calls=3)
    records = ask("usage", "list", "--account", "ann@example.org")
    assert [one["charge_nanos"] for one in records] == [CHARGE_NANOS] * 3
    ids = [one["request_id"] for one in records]
    assert ids == sorted(ids, reverse=True)
    assert records[0]["estimated"] is False
    assert records[0]["quantities"] == {"input": 9, "output": 5}
    assert [one["request_id"] for one in ask("usage", "list", "--limit", "2")] == ids[:2]
    table = configured("usage", "list", "--limit", "1").stdout.splitlines()
    assert len(table) == 2
    assert ids[0] in table[1]
    assert "0.001234567" in table[1]


def test_usage_is_filtered(configured: Cli, ask: Ask, data: Path) -> None:
    call(configured, ask, data, calls=1, started_ms=now_ms() - 3 * 86_400_000)
    call(configured, ask, data, calls=1, model="gpt-4o", ending=Ending.BROKEN)
    assert len(ask("usage", "list", "--since", "48h")) == 1
    assert len(ask("usage", "list", "--until", "1d")) == 1
    assert len(ask("usage", "list", "--since", "2020-01-01")) == 2
    assert [one["model"] for one in ask("usage", "list", "--ending", "broken")] == ["gpt-4o"]
    assert len(ask("usage", "list", "--model", "gpt-4o-mini")) == 1
    assert ask("usage", "list", "--key", "key_none") == []
    assert len(ask("usage", "list", "--channel", "main", "--status", "200")) == 2
    assert ask("usage", "list", "--status", "429") == []
    assert "no account" in configured("usage", "list", "--account", "no@example.org", status=1).stderr
    assert "is no time" in configured("usage", "list", "--since", "yesterday", status=2).stderr


def test_usage_is_exported(configured: Cli, ask: Ask, data: Path, tmp_path: Path) -> None:
    call(configured, ask, data, calls=2, model="=cmd()")
    rows = list(csv.DictReader(configured("usage", "export").stdout.splitlines()))
    assert [row["charge"] for row in rows] == ["0.001234567"] * 2
    assert json.loads(rows[0]["quantities"]) == {"input": 9, "output": 5}
    assert {row["model"] for row in rows} == {"'=cmd()"}
    assert ask("usage", "export") == [row | {"model": "=cmd()"} for row in rows]
    file = tmp_path / "usage.csv"
    assert configured("usage", "export", "--output", str(file)).stdout == ""
    assert list(csv.DictReader(file.read_text("utf-8").splitlines())) == rows


def test_the_books_are_proven(configured: Cli, ask: Ask, data: Path) -> None:
    call(configured, ask, data, calls=2)
    assert ask("ledger", "verify") == {"differences": [], "ok": True}
    assert configured("ledger", "verify").stdout == "✓ nothing differs\n"
    assert ask("account", "show", "ann@example.org")["balance_nanos"] == 1_000_000_000 - 2 * CHARGE_NANOS

    with sqlite3.connect(data / "posthouse.db") as books:
        books.execute("UPDATE ledger_accounts SET balance_nanos = balance_nanos + 1 WHERE kind = 'member'")
    books.close()
    found = ask("ledger", "verify", status=1)
    assert found["ok"] is False
    assert found["differences"][0]["what"] == "balance"
    assert found["differences"][0]["actual"] - found["differences"][0]["expected"] == 1
    told = configured("ledger", "verify", status=1)
    assert "0.997530867" in told.stdout
    assert "differences: 1" in told.stderr
