"""Tickets over a real store: whose turn it is, and who may see what."""

import pytest
from sqlalchemy import Connection, insert
from tests.desk.conftest import NOW_MS

from posthouse.desk import rules
from posthouse.desk.errors import TicketFull, TooManyTickets, UnknownThing
from posthouse.desk.tickets import (
    Ticket,
    answer,
    close,
    list_tickets,
    mail_answer,
    open_ticket,
    read_ticket,
    reply,
)
from posthouse.kernel.secrets import SecretBox
from posthouse.mail.outbox import due, opened
from posthouse.store.engine import Store
from posthouse.store.schema_people import profiles


def tell_nobody(connection: Connection, ticket: Ticket) -> None:
    pass


def answered(store: Store, ticket: Ticket, staff: str, text: str = "Look here") -> Ticket:
    return answer(store, ticket.id, staff, text, now_ms=NOW_MS + 5, tell=tell_nobody, actor=staff)


def test_a_ticket_goes_to_and_fro(store: Store, ann: str, staff: str) -> None:
    ticket = open_ticket(store, ann, "No credit", "I paid 10.", now_ms=NOW_MS)
    assert (ticket.status, ticket.messages, ticket.email) == ("open", 1, "ann@example.org")
    assert answered(store, ticket, staff).status == "answered"
    assert reply(store, ticket.id, ann, "Thanks", now_ms=NOW_MS + 9).status == "open"
    assert close(store, ticket.id, account_id=ann, now_ms=NOW_MS + 10).status == "closed"
    assert reply(store, ticket.id, ann, "One more", now_ms=NOW_MS + 11).status == "open"
    ticket, messages = read_ticket(store, ticket.id, account_id=ann)
    assert (ticket.messages, ticket.updated_ms) == (4, NOW_MS + 11)
    assert [(one.number, one.is_staff, one.text) for one in messages] == [
        (1, False, "I paid 10."),
        (2, True, "Look here"),
        (3, False, "Thanks"),
        (4, False, "One more"),
    ]
    assert messages[1].author_email == "desk@example.org"


def test_another_members_ticket_is_none(store: Store, ann: str, ben: str) -> None:
    ticket = open_ticket(store, ann, "Mine", "text", now_ms=NOW_MS)
    for touch in (
        lambda: read_ticket(store, ticket.id, account_id=ben),
        lambda: reply(store, ticket.id, ben, "hello", now_ms=NOW_MS),
        lambda: close(store, ticket.id, account_id=ben, now_ms=NOW_MS),
        lambda: read_ticket(store, "tkt_none"),
    ):
        with pytest.raises(UnknownThing):
            touch()
    assert list_tickets(store, account_id=ben, limit=10) == []


def test_the_member_hears_of_an_answer_in_its_transaction(store: Store, ann: str, staff: str) -> None:
    ticket = open_ticket(store, ann, "Mine", "text", now_ms=NOW_MS)

    def fail(connection: Connection, told: Ticket) -> None:
        assert (told.id, told.status) == (ticket.id, "answered")
        raise OSError("no outbox")

    with pytest.raises(OSError, match="no outbox"):
        answer(store, ticket.id, staff, "An answer", now_ms=NOW_MS, tell=fail)
    assert read_ticket(store, ticket.id)[0].status == "open"


def test_pages_of_tickets_neither_repeat_nor_leave_out(store: Store, ann: str, ben: str) -> None:
    made = [
        open_ticket(store, who, f"{i}", "text", now_ms=NOW_MS + i // 3).id
        for i in range(9)
        for who in (ann, ben)
    ]
    seen: list[Ticket] = []
    while page := list_tickets(store, after=(seen[-1].updated_ms, seen[-1].id) if seen else None, limit=4):
        seen += page
    assert sorted(one.id for one in seen) == sorted(made)
    assert [one.updated_ms for one in seen] == sorted((one.updated_ms for one in seen), reverse=True)


def test_lists_are_by_state(store: Store, ann: str, staff: str) -> None:
    first, second = (open_ticket(store, ann, name, "text", now_ms=NOW_MS) for name in "ab")
    answered(store, first, staff)
    assert [one.id for one in list_tickets(store, status="open", limit=9)] == [second.id]


def test_a_member_who_floods_the_desk_is_stopped(
    store: Store, ann: str, ben: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "OPEN_TICKETS_MAX", 1)
    monkeypatch.setattr(rules, "TICKET_MESSAGES_MAX", 2)
    ticket = open_ticket(store, ann, "a", "text", now_ms=NOW_MS)
    with pytest.raises(TooManyTickets):
        open_ticket(store, ann, "b", "text", now_ms=NOW_MS)
    open_ticket(store, ben, "b", "text", now_ms=NOW_MS)
    reply(store, ticket.id, ann, "2", now_ms=NOW_MS)
    with pytest.raises(TicketFull):
        reply(store, ticket.id, ann, "3", now_ms=NOW_MS)


def test_closing_twice_is_closing_once(store: Store, ann: str) -> None:
    ticket = open_ticket(store, ann, "a", "text", now_ms=NOW_MS)
    close(store, ticket.id, now_ms=NOW_MS + 1)
    assert close(store, ticket.id, now_ms=NOW_MS + 2).updated_ms == NOW_MS + 1


@pytest.mark.parametrize(("language", "subject"), [("en", "was answered"), ("zh", "回复了您的工单")])
def test_an_answer_is_mailed_in_the_members_language(
    store: Store, ann: str, staff: str, language: str, subject: str
) -> None:
    box = SecretBox(bytes(32))
    told(store, ann, language=language, email_verified_ms=NOW_MS)
    ticket = open_ticket(store, ann, "{link} 100%", "text", now_ms=NOW_MS)

    def tell(connection: Connection, about: Ticket) -> None:
        mail_answer(connection, box, about, site="S", origin="https://s.example", now_ms=NOW_MS)

    answer(store, ticket.id, staff, "Look again", now_ms=NOW_MS, tell=tell)
    (letter,) = [opened(box, one) for one in due(store, now_ms=NOW_MS, limit=9)]
    assert letter.to == "ann@example.org"
    assert subject in letter.subject
    assert "{link} 100%" in letter.subject
    assert f"https://s.example/tickets/{ticket.id}" in letter.text
    assert "Look again" not in letter.text


@pytest.mark.parametrize(
    "profile",
    [{"email_verified_ms": NOW_MS, "deleted_ms": NOW_MS}, {"email_verified_ms": None}],
    ids=["gone", "unconfirmed"],
)
def test_nobody_is_written_to_who_is_gone_or_a_stranger(
    store: Store, ann: str, profile: dict[str, int | None]
) -> None:
    box = SecretBox(bytes(32))
    told(store, ann, **profile)
    ticket = open_ticket(store, ann, "a", "text", now_ms=NOW_MS)
    with store.begin() as connection:
        mail_answer(connection, box, ticket, site="S", origin="https://s.example", now_ms=NOW_MS)
    assert due(store, now_ms=NOW_MS, limit=9) == []


def told(store: Store, account_id: str, **values: object) -> None:
    """Give a member a profile."""
    with store.begin() as connection:
        connection.execute(insert(profiles).values(account_id=account_id, created_ms=NOW_MS, **values))
