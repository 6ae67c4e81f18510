"""account, key."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from posthouse.kernel.clock import now_ms
from posthouse.kernel.secrets import is_key_shaped

Cli = Callable[..., Result]
Ask = Callable[..., Any]
ANN = "ann@example.org"
DAY_MS = 86_400_000


@pytest.fixture
def key_id(configured: Cli, ask: Ask) -> str:
    configured("account", "create", ANN)
    made: str = ask("key", "create", "--account", ANN, "--name", "laptop")["id"]
    return made


def test_an_account_is_made_shown_and_frozen(configured: Cli, ask: Ask) -> None:
    made = ask("account", "create", "Ann@Example.org ", "--plan", "paid")
    assert (made["email"], made["plan"], made["status"], made["balance_nanos"]) == (ANN, "paid", "active", 0)
    assert ask("account", "show", made["id"]) == ask("account", "show", ANN) == made
    assert ask("account", "freeze", ANN)["status"] == "frozen"
    assert ask("account", "unfreeze", ANN)["status"] == "active"
    assert ask("account", "move", ANN, "--plan", "free")["plan"] == "free"
    assert configured("account", "list").stdout.splitlines()[1].split()[:5] == [
        made["id"], ANN, "free", "active", "0.00",
    ]  # fmt: skip
    shown = dict(line.split(maxsplit=1) for line in configured("account", "show", ANN).stdout.splitlines())
    assert shown["balance"].strip() == "0.00 USD"


def test_what_an_account_can_not_be(configured: Cli) -> None:
    configured("account", "create", ANN)
    assert "is taken" in configured("account", "create", ANN.upper(), status=1).stderr
    assert "not an email" in configured("account", "create", "ann", status=1).stderr
    assert (
        "plans: free, paid"
        in configured("account", "create", "b@example.org", "--plan", "gold", status=1).stderr
    )
    assert "plans: free, paid" in configured("account", "move", ANN, "--plan", "gold", status=1).stderr
    assert "posthouse account list" in configured("account", "show", "nobody", status=1).stderr


def test_no_accounts_and_no_plans_say_what_to_do(cli: Cli) -> None:
    assert "posthouse account create" in cli("account", "list").stdout
    assert "posthouse apply" in cli("account", "create", ANN, "--plan", "gold", status=1).stderr


def test_a_key_is_shown_once(configured: Cli, ask: Ask) -> None:
    configured("account", "create", ANN)
    made = configured("key", "create", "--account", ANN)
    key = made.stdout.strip()
    assert key.startswith("sk-")
    assert is_key_shaped(key)
    assert "never shown again" in made.stderr
    again = configured("key", "list", "--account", ANN).output + str(ask("key", "list", "--account", ANN))
    assert key not in again
    assert f"{key[:7]}…{key[-4:]}" in again


def test_a_key_is_limited_as_told(configured: Cli, ask: Ask, key_id: str) -> None:
    scope = ("--model", "gpt-4o,gpt-4o-mini", "--endpoint", "embeddings", "--address", "10.1.2.3/8")
    key = ask("key", "update", key_id, "--name", "server", "--expires", "30d", "--budget", "7.5", *scope)
    assert (key["name"], key["budget_nanos"]) == ("server", 7_500_000_000)
    assert abs(key["expires_ms"] - now_ms() - 30 * DAY_MS) < 60_000
    assert (key["models"], key["endpoints"]) == (["gpt-4o", "gpt-4o-mini"], ["embeddings"])
    assert key["addresses"] == ["10.0.0.0/8"]

    key = ask("key", "update", key_id, "--model", "any", "--expires", "never", "--budget", "none")
    assert (key["models"], key["expires_ms"], key["budget_nanos"]) == (None, None, None)
    assert key["endpoints"] == ["embeddings"]
    assert "embeddings, 10.0.0.0/8" in configured("key", "list", "--account", ANN).stdout


def test_a_key_is_made_limited(ask: Ask, configured: Cli) -> None:
    configured("account", "create", ANN)
    ask("key", "create", "--account", ANN, "--model", "gpt-4o", "--expires", "2100-01-01", "--budget", "1")
    (key,) = ask("key", "list", "--account", ANN)
    assert (key["models"], key["expires_ms"], key["budget_nanos"]) == (
        ["gpt-4o"],
        4102444800000,
        1_000_000_000,
    )


def test_a_key_has_a_budget_by_day(ask: Ask, configured: Cli, key_id: str) -> None:
    key = ask("key", "update", key_id, "--budget", "2", "--budget-period", "day")
    assert (key["budget_nanos"], key["budget_period"]) == (2_000_000_000, "day")
    assert "2.00 a day" in configured("key", "list", "--account", ANN).stdout
    assert ask("key", "update", key_id, "--budget", "3")["budget_period"] == "day"
    assert (
        "total, day, month" in configured("key", "update", key_id, "--budget-period", "week", status=1).stderr
    )


def test_a_key_is_rotated_and_deleted(ask: Ask, configured: Cli, key_id: str) -> None:
    made = ask("key", "rotate", key_id, "--overlap", "24h")
    assert made["id"] == key_id
    assert is_key_shaped(made["key"])
    (key,) = ask("key", "list", "--account", ANN)
    assert abs(key["old_until_ms"] - now_ms() - DAY_MS) < 60_000
    assert "30 days" in configured("key", "rotate", key_id, "--overlap", "31d", status=1).stderr
    assert ask("key", "delete", key_id)["status"] == "revoked"
    assert ask("key", "list", "--account", ANN) == []


def test_a_key_is_frozen_and_revoked(configured: Cli, ask: Ask, key_id: str) -> None:
    assert ask("key", "freeze", key_id)["status"] == "frozen"
    assert ask("key", "unfreeze", key_id)["status"] == "active"
    assert "revoked" in configured("key", "revoke", key_id).stdout
    assert "revoked for good" in configured("key", "unfreeze", key_id, status=1).stderr


def test_what_a_key_can_not_be(configured: Cli, key_id: str) -> None:
    assert "posthouse key list" in configured("key", "freeze", "key_none", status=1).stderr
    assert "is no time" in configured("key", "update", key_id, "--expires", "soon", status=2).stderr
    assert "an address or network" in configured("key", "update", key_id, "--address", "x", status=1).stderr
    assert "over already" in configured("key", "update", key_id, "--expires", "2020-01-01", status=2).stderr
    told = configured("key", "update", key_id, "--endpoint", "embedding", status=1).stderr
    assert "did you mean 'embeddings'?" in told
    assert "12.50" in configured("key", "update", key_id, "--budget", "much", status=2).stderr
    assert "no account" in configured("key", "create", "--account", "nobody", status=1).stderr


def test_an_account_without_keys_says_how_to_make_one(configured: Cli) -> None:
    configured("account", "create", ANN)
    assert f"posthouse key create --account {ANN}" in configured("key", "list", "--account", ANN).stdout
