"""`posthouse owner` and `posthouse account role`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.cli.conftest import Cli

from posthouse.people.passwords import is_password
from posthouse.store.schema import accounts
from posthouse.store.schema_people import profiles
from posthouse.testing.stores import store_in

PASSWORD = "correct horse battery"


def stored(tmp_path: Path, email: str) -> Any:
    """The account's row with its profile's."""
    store = store_in(tmp_path / "data")
    query = select(accounts.c.id, profiles).join(profiles, profiles.c.account_id == accounts.c.id)
    with store.read() as connection:
        row = connection.execute(query.where(accounts.c.email == email)).one()
    store.close()
    return row


def test_an_owner_is_made_and_gets_a_new_password(
    cli: Cli, ask: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWNERS_PASSWORD", PASSWORD)
    made = ask("owner", "create", "Ann@example.org", "--password-env", "OWNERS_PASSWORD")
    row = stored(tmp_path, "ann@example.org")
    assert made == {"id": row.id, "email": "ann@example.org", "role": "owner"}
    assert row.role == "owner"
    assert is_password(row.password_hash, PASSWORD)
    shown = cli("owner", "create", "ann@example.org", "--password-file", "-", stdin="another long one\n")
    assert "another" not in shown.output
    assert is_password(stored(tmp_path, "ann@example.org").password_hash, "another long one")


def test_a_password_that_is_missing_or_weak_makes_nobody(cli: Cli) -> None:
    assert "--password-env" in cli("owner", "create", "ann@example.org", status=1).output
    short = cli("owner", "create", "ann@example.org", "--password-file", "-", stdin="short", status=1)
    assert "10 to 200 characters" in short.output
    assert "no account" in cli("account", "show", "ann@example.org", status=1).output


def test_roles_are_given_and_an_owner_stays(cli: Cli, ask: Callable[..., Any], tmp_path: Path) -> None:
    cli("account", "create", "bob@example.org")
    assert ask("account", "role", "bob@example.org", "operator")["role"] == "operator"
    assert stored(tmp_path, "bob@example.org").role == "operator"
    cli("account", "role", "bob@example.org", "emperor", status=2)
    cli("account", "role", "bob@example.org", "owner")
    assert "must be an owner" in cli("account", "role", "bob@example.org", "member", status=1).output
    assert "no account" in cli("account", "role", "nobody@example.org", "support", status=1).output
