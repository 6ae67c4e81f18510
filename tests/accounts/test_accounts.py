import json
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from tests.accounts.entries import an_entry

from posthouse.accounts import queries, service
from posthouse.accounts.errors import (
    EmailTaken,
    KeyHeld,
    KeyRevoked,
    TooManyKeys,
    UnknownAccount,
    UnknownKey,
)
from posthouse.accounts.rules import (
    DELETED_COUNTS_MS,
    hint_of,
    parse_budget,
    parse_email,
    parse_name,
    parse_networks,
    parse_overlap,
    parse_period,
    parse_prefix,
    parse_scope,
)
from posthouse.kernel.clock import now_ms
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import hash_key, is_key_shaped
from posthouse.store.engine import Store
from posthouse.store.schema import changes
from posthouse.store.schema_desk import audit_log


@pytest.mark.parametrize(
    ("parse", "value", "parsed"),
    [
        (parse_email, " Ada@Example.ORG ", "ada@example.org"),
        (parse_name, " laptop ", "laptop"),
        (parse_prefix, "sk-proj_1", "sk-proj_1"),
        (parse_scope, None, None),
        (parse_scope, ("b", "a", " a ", ""), ("a", "b")),
        (parse_networks, None, None),
        (parse_networks, ("10.1.2.3/8", "::1"), ("10.0.0.0/8", "::1/128")),
        (parse_budget, None, None),
        (parse_budget, 0, 0),
        (parse_period, "day", "day"),
        (parse_overlap, 30 * 86_400_000, 30 * 86_400_000),
    ],
)
def test_what_a_field_may_be(parse: Callable[[Any], Any], value: object, parsed: object) -> None:
    assert parse(value) == parsed


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (parse_email, "ada"),
        (parse_email, "a b@example.org"),
        (parse_email, "a@" + "x" * 255),
        (parse_name, "x" * 101),
        (parse_name, "a\nb"),
        (parse_prefix, "s k"),
        (parse_scope, ()),
        (parse_scope, (" ",)),
        (parse_scope, tuple(map(str, range(201)))),
        (parse_networks, ("10.0.0.0/99",)),
        (parse_budget, -1),
        (parse_budget, 2**63),
        (parse_period, "week"),
        (parse_overlap, -1),
        (parse_overlap, 30 * 86_400_000 + 1),
    ],
)
def test_what_a_field_may_not_be(parse: Callable[[Any], Any], value: object) -> None:
    with pytest.raises(UnfitValue):
        parse(value)


def test_a_hint_tells_little() -> None:
    assert hint_of("sk-0123456789abcdef", "sk-") == "sk-0123…cdef"


@pytest.mark.parametrize(
    ("networks", "address", "may"),
    [
        (None, "10.1.2.3", True),
        (None, "", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::1", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("10.0.0.0/8",), "2001:db8::1", False),
        (("0.0.0.0/0",), "a socket", False),
    ],
)
def test_from_where_a_key_may_be_used(networks: tuple[str, ...] | None, address: str, may: bool) -> None:
    entry = an_entry(networks=None if networks is None else tuple(map(ip_network, networks)))
    assert entry.is_for(address) is may


def test_an_account_is_found_by_id_and_email(store: Store) -> None:
    account = service.create_account(store, "Ada@example.org", plan="paid")
    assert queries.get_account(store, account.id) == queries.get_account(store, "ADA@example.org") == account
    assert (account.plan, account.status) == ("paid", "active")
    with pytest.raises(EmailTaken):
        service.create_account(store, "ada@EXAMPLE.org")
    with pytest.raises(UnknownAccount):
        queries.get_account(store, "bob@example.org")


def test_accounts_are_listed_in_pages(store: Store) -> None:
    for name in "cab":
        service.create_account(store, f"{name}@example.org")
    page = queries.list_accounts(store, limit=2)
    rest = queries.list_accounts(store, after=page[-1].email)
    assert [account.email[0] for account in [*page, *rest]] == ["a", "b", "c"]


def test_an_account_is_frozen_and_moved(store: Store) -> None:
    account = service.create_account(store, "ada@example.org")
    assert service.freeze_account(store, account.id).status == "frozen"
    assert service.unfreeze_account(store, account.id).status == "active"
    assert service.set_plan(store, account.email, "paid").plan == "paid"
    assert queries.get_account(store, account.id).plan == "paid"


def test_a_key_is_stored_as_its_hash_only(store: Store) -> None:
    account = service.create_account(store, "ada@example.org")
    made = service.create_key(store, account.id, name="laptop")
    assert is_key_shaped(made.key)
    entry = queries.find_entry(store, hash_key(made.key.encode()))
    assert entry is not None
    assert (entry.key_id, entry.account_id, entry.name) == (made.id, account.id, "laptop")
    database = store.engine.url.database
    store.close()
    assert database is not None
    for name in (database, f"{database}-wal"):
        try:
            with open(name, "rb") as file:
                assert made.key.encode() not in file.read()
        except FileNotFoundError:
            continue


def test_a_keys_life(store: Store) -> None:
    account = service.create_account(store, "ada@example.org")
    key_id = service.create_key(store, account.id, models=("gpt-4o",), budget_nanos=5).id
    assert service.freeze_key(store, key_id).status == "frozen"
    assert service.unfreeze_key(store, key_id).status == "active"
    change = service.KeyChange(
        name="desk",
        expires_ms=9,
        budget_nanos=None,
        models=None,
        endpoints=("/v1/embeddings",),
        addresses=("10.0.0.1",),
    )
    key = service.update_key(store, key_id, change)
    assert (key.name, key.expires_ms, key.budget_nanos, key.models) == ("desk", 9, None, None)
    assert (key.endpoints, key.addresses) == (("/v1/embeddings",), ("10.0.0.1/32",))
    assert service.update_key(store, key_id, service.KeyChange()) == key
    assert service.revoke_key(store, key_id).status == "revoked"
    with pytest.raises(KeyRevoked):
        service.unfreeze_key(store, key_id)
    assert queries.list_keys(store, account.email) == [queries.get_key(store, key_id)]


def test_a_keys_life_is_in_the_audit_log_without_its_secret(store: Store) -> None:
    account = service.create_account(store, "ada@example.org")
    made = service.create_key(store, account.id, name="laptop", actor=account.id)
    change = service.KeyChange(budget_nanos=7, budget_period="month")
    service.update_key(store, made.id, change, actor=account.id)
    rotated = service.rotate_key(store, made.id, overlap_ms=1000, actor="acc_x/tok_y")
    service.delete_key(store, made.id)
    with store.read() as connection:
        query = select(audit_log).where(audit_log.c.subject == f"key:{made.id}").order_by(audit_log.c.id)
        rows = connection.execute(query).all()
    assert [(row.action, row.actor) for row in rows] == [
        ("key.create", account.id),
        ("key.update", account.id),
        ("key.rotate", "acc_x/tok_y"),
        ("key.delete", "cli"),
    ]
    assert json.loads(rows[1].before) == {"budget_nanos": None, "budget_period": "total"}
    assert json.loads(rows[1].after) == {"budget_nanos": 7, "budget_period": "month"}
    told = "".join(map(str, rows))
    for key in (made.key, rotated.key):
        assert key not in told
        assert hash_key(key.encode()).hex() not in told


def test_a_rotated_key_keeps_all_but_its_secret(store: Store) -> None:
    account = service.create_account(store, "ada@example.org")
    first = service.create_key(store, account.id, name="laptop", budget_nanos=5, expires_ms=2**50)
    before = queries.get_key(store, first.id)
    second = service.rotate_key(store, first.id, overlap_ms=60_000)
    third = service.rotate_key(store, first.id)
    after = queries.get_key(store, first.id)
    assert (after.hint, after.old_until_ms) == (hint_of(third.key, "sk-"), None)
    assert msgspec.structs.replace(after, hint=before.hint) == before
    found = [queries.find_entry(store, hash_key(one.key.encode())) for one in (first, second, third)]
    assert [entry is not None for entry in found] == [False, False, True]
    service.revoke_key(store, first.id)
    with pytest.raises(KeyRevoked):
        service.rotate_key(store, first.id)


def test_a_deleted_key_is_hidden_and_refused(store: Store) -> None:
    account = service.create_account(store, "ada@example.org")
    made = service.create_key(store, account.id)
    assert service.delete_key(store, made.id).status == "revoked"
    assert queries.list_keys(store, account.id) == []
    entry = queries.find_entry(store, hash_key(made.key.encode()))
    assert entry is not None
    assert entry.key_status == "revoked"


def test_only_the_operator_lifts_what_the_operator_froze(store: Store) -> None:
    account = service.create_account(store, "ada@example.org")
    key_id = service.create_key(store, account.id).id
    service.freeze_key(store, key_id, by="owner")
    assert service.unfreeze_key(store, key_id, by="owner").frozen_by is None
    service.freeze_key(store, key_id)
    assert service.freeze_key(store, key_id, by="owner").frozen_by == "operator"
    with pytest.raises(KeyHeld):
        service.unfreeze_key(store, key_id, by="owner")
    assert service.unfreeze_key(store, key_id).status == "active"


def test_only_so_many_keys(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    account = service.create_account(store, "ada@example.org")
    first = service.create_key(store, account.id, keys_max=1)
    service.issue_playground_key(store, account.id, lifetime_ms=1000)
    with pytest.raises(TooManyKeys):
        service.create_key(store, account.id, keys_max=1)
    service.delete_key(store, first.id)
    with pytest.raises(TooManyKeys):  # its quotas are still counted
        service.create_key(store, account.id, keys_max=1)
    tomorrow_ms = now_ms() + DELETED_COUNTS_MS
    monkeypatch.setattr(service, "now_ms", lambda: tomorrow_ms)
    service.create_key(store, account.id, keys_max=1)
    with pytest.raises(UnknownAccount):
        service.issue_playground_key(store, "acc_x", lifetime_ms=1000)


def test_the_playgrounds_key_keeps_its_id_and_is_in_no_list(store: Store) -> None:
    account = service.create_account(store, "ada@example.org")
    first, second = (service.issue_playground_key(store, account.id, lifetime_ms=60_000) for _ in range(2))
    assert first.id == second.id
    assert queries.list_keys(store, account.id) == []
    for one in (first, second):  # another tab has the first
        entry = queries.find_entry(store, hash_key(one.key.encode()))
        assert entry is not None
        assert entry.expires_ms is not None
        assert 0 < entry.expires_ms - now_ms() <= 60_000


def test_the_playground_is_limited_as_the_accounts_oldest_key(store: Store) -> None:
    """So nobody has one allowance more through it; where all keys are gone, as the one that went last."""
    account = service.create_account(store, "ada@example.org")
    mine = service.issue_playground_key(store, account.id, lifetime_ms=60_000)

    def limited_as() -> str:
        entry = queries.find_entry(store, hash_key(mine.key.encode()))
        assert entry is not None
        assert queries.playground_limits(store).get(mine.id, mine.id) == entry.limited_as
        return entry.limited_as

    assert limited_as() == mine.id
    first, second = (service.create_key(store, account.id) for _ in range(2))
    assert limited_as() == first.id
    service.delete_key(store, first.id)
    with store.read() as connection:  # servers hear that they have to look again
        query = select(changes.c.subject).order_by(changes.c.id.desc()).limit(2)
        assert set(connection.execute(query).scalars()) == {first.id, mine.id}
    assert limited_as() == second.id
    service.delete_key(store, second.id)
    assert limited_as() == second.id
    service.create_key(store, account.id)
    assert limited_as() not in (first.id, second.id, mine.id)


def test_unknown_keys(store: Store) -> None:
    with pytest.raises(UnknownKey):
        service.freeze_key(store, "key_x")
    with pytest.raises(UnknownKey):
        service.update_key(store, "key_x", service.KeyChange(name="name"))
    with pytest.raises(UnknownAccount):
        service.create_key(store, "nobody@example.org")
