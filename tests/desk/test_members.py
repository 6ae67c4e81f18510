"""How the operator's people find members and keys, and what looks like abuse."""

import hashlib

import pytest
from sqlalchemy import insert, select, update
from tests.desk.conftest import NOW_MS

from posthouse.accounts.errors import UnknownAccount
from posthouse.accounts.queries import get_account
from posthouse.accounts.service import create_account, create_key, freeze_account, revoke_key
from posthouse.desk import abuse
from posthouse.desk.members import Member, find_keys, list_members, read_member, set_note
from posthouse.desk.rules import Thresholds
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.transfers import credit
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, keys
from posthouse.store.schema_desk import audit_log
from posthouse.store.schema_people import profiles
from posthouse.store.schema_rollups import address_days

DAY = NOW_MS // 86_400_000


def emails(found: list[Member]) -> list[str]:
    return sorted(one.email for one in found)


def test_members_are_found_by_email_name_and_id(store: Store, ann: str, ben: str, staff: str) -> None:
    def search(text: str) -> list[str]:
        return emails(list_members(store, search=text, limit=9))

    assert search("ANN@") == ["ann@example.org"]
    assert search("dana") == ["desk@example.org"]
    assert search(ben) == ["ben@example.org"]
    assert search("%") == []
    assert search("nobody") == []
    assert len(search("")) == 3


def test_members_are_filtered(store: Store, ann: str, ben: str, staff: str) -> None:
    freeze_account(store, ben)
    with store.begin() as connection:
        connection.execute(update(accounts).where(accounts.c.id == ann).values(plan="paid"))
    assert emails(list_members(store, status="frozen", limit=9)) == ["ben@example.org"]
    assert emails(list_members(store, plan="paid", limit=9)) == ["ann@example.org"]
    assert emails(list_members(store, role="support", limit=9)) == ["desk@example.org"]
    assert emails(list_members(store, role="member", limit=9)) == ["ann@example.org", "ben@example.org"]


def test_a_line_tells_balance_and_keys(store: Store, ann: str) -> None:
    credit(store, ann, 5_000_000_000, reason="paid")
    create_key(store, ann)
    revoke_key(store, create_key(store, ann).id)
    (line,) = list_members(store, search=ann, limit=1)
    assert (line.balance_nanos, line.keys, line.role) == (5_000_000_000, 1, "member")


def test_pages_of_members_neither_repeat_nor_leave_out(store: Store) -> None:
    for i in range(7):
        create_account(store, f"{i}@example.org")
    with store.begin() as connection:
        connection.execute(update(accounts).values(created_ms=NOW_MS))  # all at once
    seen: list[Member] = []
    while page := list_members(store, after=(NOW_MS, seen[-1].id) if seen else None, limit=3):
        seen += page
    assert emails(seen) == [f"{i}@example.org" for i in range(7)]


def test_a_note_is_kept_for_members_without_a_profile_too(store: Store, ann: str) -> None:
    set_note(store, ann, "Pays by\r\ninvoice", now_ms=NOW_MS, actor="acc_x")
    assert read_member(store, ann)[0].note == "Pays by\ninvoice"
    set_note(store, ann, " ", now_ms=NOW_MS)
    member, detail = read_member(store, ann)
    assert member.note == ""
    assert (detail.has_password, detail.seen_ms, detail.providers) == (False, None, ())
    with store.read() as connection:
        query = select(audit_log.c.after).where(audit_log.c.action == "account.note")
        logged = connection.execute(query.order_by(audit_log.c.id)).scalars().all()
    assert logged == ['{"note":"Pays by\\ninvoice"}', '{"note":""}']
    for touch in (lambda: set_note(store, "acc_no", "x", now_ms=1), lambda: read_member(store, "acc_no")):
        with pytest.raises(UnknownAccount):
            touch()


def test_keys_are_found_by_hint_id_name_and_hash(store: Store, ann: str, ben: str) -> None:
    made, other = create_key(store, ann, name="laptop"), create_key(store, ben, name="server")
    digest = hashlib.sha256(made.key.encode()).hexdigest()
    for text in (made.key[-4:], made.key[:7], made.key[:12], made.id, "lapt", digest, digest[:9].upper()):
        assert [one.id for one in find_keys(store, search=text, limit=9)] == [made.id], text
    assert find_keys(store, search="0" * 64, limit=9) == []
    assert [one.id for one in find_keys(store, account_id=ben, limit=9)] == [other.id]
    revoke_key(store, other.id)
    assert [one.email for one in find_keys(store, status="revoked", limit=9)] == ["ben@example.org"]
    assert len(find_keys(store, limit=9)) == 2
    assert find_keys(store, after=(0, ""), limit=9) == []


# -- abuse ---------------------------------------------------------------------------------------------------

LOW = Thresholds(keys_of_address=2, accounts_of_address=2, addresses_of_key=2, registrations=2)


def called(store: Store, address: bytes, account_id: str, key_id: str, *, day: int = DAY) -> None:
    row = {"day": day, "address_hash": address, "account_id": account_id, "key_id": key_id, "requests": 7}
    with store.begin() as connection:
        connection.execute(insert(address_days).values(row))


def registered(store: Store, account_id: str, address: bytes, at_ms: int = NOW_MS) -> None:
    row = {"account_id": account_id, "address_hash": address, "created_ms": at_ms}
    with store.begin() as connection:
        connection.execute(insert(profiles).values(row))


def signals(store: Store) -> dict[str, abuse.Suspicion]:
    return {one.finding.signal: one for one in abuse.suspicions(store, LOW, now_ms=NOW_MS)}


def test_accounts_that_share_an_address_are_shown_with_their_people(store: Store, ann: str, ben: str) -> None:
    for account_id in (ann, ben):
        called(store, b"\x07", account_id, create_key(store, account_id).id)
    found = signals(store)["accounts_of_address"]
    assert (found.finding.subject, found.finding.size, found.finding.requests) == ("07", 2, 14)
    assert sorted(one.email for one in found.people) == ["ann@example.org", "ben@example.org"]


def test_a_key_on_many_addresses_is_shown_with_its_hint(store: Store, ann: str) -> None:
    made = create_key(store, ann)
    for address in (b"\x01", b"\x02"):
        called(store, address, ann, made.id)
    found = signals(store)["addresses_of_key"]
    assert found.key_hint.endswith(made.key[-4:])
    assert found.key_status == "active"


def test_registrations_from_one_address_are_shown(store: Store, ann: str, ben: str) -> None:
    registered(store, ann, b"\x09")
    assert signals(store) == {}
    registered(store, ben, b"\x09")
    assert signals(store)["registrations"].finding.account_ids == tuple(sorted((ann, ben)))


def test_of_a_burst_all_can_be_frozen(store: Store, staff: str) -> None:
    """Not only those who are shown; whoever runs the service shares its address."""
    ids = [create_account(store, f"burst{n}@example.org").id for n in range(abuse.PEOPLE_MAX + 2)]
    for account_id in ids:
        registered(store, account_id, b"\x09")
    called(store, b"\x09", ids[0], "key_x")
    called(store, b"\x09", staff, "key_y")
    assert signals(store)["accounts_of_address"].freezable == (ids[0],)
    found = signals(store)["registrations"]
    assert (len(found.people), sorted(found.freezable)) == (abuse.PEOPLE_MAX, sorted(ids))
    first = [one.id for one in found.people]
    abuse.freeze_members(store, first, reason="burst", now_ms=NOW_MS)
    rest = signals(store)["registrations"]
    assert {one.id for one in rest.people[:2]} == set(rest.freezable) == set(ids) - set(first)


def test_what_is_long_ago_is_no_signal(store: Store, ann: str, ben: str) -> None:
    for account_id in (ann, ben):
        registered(store, account_id, b"\x09", NOW_MS - 8 * 86_400_000)
        called(store, b"\x07", account_id, "key_x", day=DAY - 8)
    assert signals(store) == {}


def test_what_was_dismissed_stays_away_for_a_while(store: Store, ann: str, ben: str) -> None:
    for account_id in (ann, ben):
        registered(store, account_id, b"\x09")
    for _ in range(2):
        abuse.dismiss(store, "registrations", "09", now_ms=NOW_MS)
    assert signals(store) == {}
    abuse.dismiss(store, "registrations", "08", now_ms=NOW_MS + abuse.DISMISSED_MS)
    assert "registrations" in signals(store)


def test_freezing_many_passes_over_staff_and_says_why(store: Store, ann: str, ben: str, staff: str) -> None:
    freeze_account(store, ben)
    assert abuse.freeze_members(store, [ann, ben, staff, "acc_no"], reason="burst", now_ms=NOW_MS) == [ann]
    assert get_account(store, ann).status == "frozen"
    assert get_account(store, staff).status == "active"
    with store.read() as connection:
        query = select(audit_log.c.subject, audit_log.c.action).order_by(audit_log.c.id.desc()).limit(2)
        assert connection.execute(query).all() == [
            ("abuse", "abuse.freeze"),
            (f"account:{ann}", "account.freeze"),
        ]
        reason = connection.execute(select(audit_log.c.after).where(audit_log.c.subject == "abuse")).scalar()
        assert reason == f'{{"accounts":["{ann}"],"reason":"burst"}}'
    with pytest.raises(UnfitValue):
        abuse.freeze_members(store, [ann], reason="", now_ms=NOW_MS)


def test_a_key_that_is_gone_is_no_hint(store: Store, ann: str) -> None:
    for address in (b"\x01", b"\x02"):
        called(store, address, ann, "key_gone")
    with store.read() as connection:
        assert connection.execute(select(keys.c.id)).all() == []
    assert signals(store)["addresses_of_key"].key_hint == ""
