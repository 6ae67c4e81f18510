"""code, order, and what ledger verify says of them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

from posthouse.payments.codes import redeem
from posthouse.payments.orders import create_order
from posthouse.testing.stores import store_in

Cli = Callable[..., Result]
Ask = Callable[..., Any]
UNIT = 1_000_000_000


def test_codes_are_made_shown_once_and_withdrawn(cli: Cli, ask: Ask) -> None:
    lines = cli("code", "create", "5", "--name", "autumn", "--count", "3", "--expires", "30d").stdout.split()
    assert len(set(lines)) == 3
    listed = cli("code", "list").stdout
    assert "autumn" in listed
    assert not [line for line in lines if line in listed]
    (batch,) = ask("code", "list")
    assert (batch["amount_nanos"], batch["count"], batch["redeemed"]) == (5 * UNIT, 3, 0)
    assert "3 codes were left" in cli("code", "withdraw", batch["id"]).stdout
    assert "withdrawn" in cli("code", "list").stdout
    assert "posthouse code list" in cli("code", "withdraw", "bat_none", status=1).stderr


def test_a_code_of_the_command_line_can_be_redeemed(cli: Cli, ask: Ask, tmp_path: Path) -> None:
    cli("account", "create", "ann@example.org")
    (code,) = cli("code", "create", "5", "--name", "one", "--per-account", "1").stdout.split()
    store = store_in(tmp_path / "data")
    redeem(store, "ann@example.org", code)
    store.close()
    assert ask("account", "show", "ann@example.org")["balance_nanos"] == 5 * UNIT
    assert "all redeemed" in cli("code", "list").stdout


def test_orders_are_paid_and_cancelled(cli: Cli, ask: Ask, tmp_path: Path) -> None:
    cli("account", "create", "ann@example.org")
    store = store_in(tmp_path / "data")
    made = [
        create_order(store, "ann@example.org", 10 * UNIT, min_nanos=UNIT, max_nanos=100 * UNIT) for _ in "ab"
    ]
    store.close()
    assert "10.00 USD: paid" in cli("order", "pay", made[0].id, "--reference", "bank").stdout
    assert "cancelled" in cli("order", "cancel", made[1].id, "--reason", "a mistake").stdout
    assert "was paid" in cli("order", "cancel", made[0].id, status=1).stderr
    assert [one["status"] for one in ask("order", "list", "--status", "paid")] == ["paid"]
    assert "a mistake" in cli("order", "list", "--account", "ann@example.org").stdout
    assert ask("account", "show", "ann@example.org")["balance_nanos"] == 10 * UNIT
    assert "posthouse order list" in cli("order", "cancel", "ord_none", status=1).stderr


def test_verify_names_an_order_that_does_not_agree(cli: Cli, ask: Ask, tmp_path: Path) -> None:
    test_orders_are_paid_and_cancelled(cli, ask, tmp_path)
    assert "nothing differs" in cli("ledger", "verify").stdout
    with sqlite3.connect(f"{tmp_path}/data/posthouse.db") as connection:
        connection.execute("UPDATE orders SET amount_nanos = 1 WHERE status = 'paid'")
    connection.close()
    (difference,) = ask("ledger", "verify", status=1)["differences"]
    assert (difference["what"], difference["expected"], difference["actual"]) == ("order", 1, 10 * UNIT)


def test_a_credit_takes_no_key_of_an_order(cli: Cli) -> None:
    cli("account", "create", "ann@example.org")
    key = ("--idempotency-key", "order:ord_1")
    refused = cli("credit", "ann@example.org", "1", "--reason", "x", *key, status=1)
    assert "belongs to an order" in refused.stderr
