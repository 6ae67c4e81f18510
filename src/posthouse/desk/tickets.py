"""Tickets: what members ask, and what the operator's people answer. `open` waits for the desk, `answered` for
the member; whoever writes to a closed one opens it again."""

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy import Connection, Select, func, insert, select, tuple_, update

from posthouse.desk import rules
from posthouse.desk.errors import TicketFull, TooManyTickets, UnknownThing
from posthouse.desk.rules import TicketStatus
from posthouse.kernel.errors import Language
from posthouse.kernel.ids import new_id
from posthouse.kernel.secrets import SecretBox
from posthouse.mail.letters import write
from posthouse.mail.outbox import post
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_desk import ticket_messages, tickets
from posthouse.store.schema_people import profiles

Place = tuple[int, str]  # where a page of tickets ended: updated_ms and id


class Ticket(Struct, frozen=True, kw_only=True):
    """A ticket without its messages. `email` is the member's."""

    id: str
    account_id: str
    email: str
    subject: str
    status: TicketStatus
    messages: int
    created_ms: int
    updated_ms: int


class Message(Struct, frozen=True, kw_only=True):
    """One message, as plain text. `number` counts from 1."""

    number: int
    author_id: str
    author_email: str
    is_staff: bool
    text: str
    at_ms: int


_TICKET = select(tickets, accounts.c.email).join(accounts, accounts.c.id == tickets.c.account_id)


def open_ticket(
    store: Store, account_id: str, subject: str, text: str, *, now_ms: int, actor: str = "cli"
) -> Ticket:
    """A member asks. Raises UnfitValue, TooManyTickets."""
    subject = rules.parse_line("subject", subject, rules.SUBJECT_CHARS_MAX)
    text = rules.parse_text("text", text, rules.MESSAGE_CHARS_MAX)
    with store.begin() as connection:
        _refuse_flood(connection, account_id)
        ticket_id = new_id("tkt")
        row = {
            "id": ticket_id,
            "account_id": account_id,
            "subject": subject,
            "status": "open",
            "messages": 0,
            "created_ms": now_ms,
            "updated_ms": now_ms,
        }
        connection.execute(insert(tickets).values(row))
        ticket = _find(connection, ticket_id)
        note(connection, actor=actor, action="ticket.open", subject=f"ticket:{ticket.id}", at_ms=now_ms)
        return _add(connection, ticket, account_id, text, is_staff=False, now_ms=now_ms)


def reply(
    store: Store, ticket_id: str, account_id: str, text: str, *, now_ms: int, actor: str = "cli"
) -> Ticket:
    """The member goes on. Raises UnfitValue, TicketFull, UnknownThing also for another member's ticket."""
    text = rules.parse_text("text", text, rules.MESSAGE_CHARS_MAX)
    with store.begin() as connection:
        ticket = _own(_find(connection, ticket_id, lock=True), account_id)
        note(connection, actor=actor, action="ticket.reply", subject=f"ticket:{ticket_id}", at_ms=now_ms)
        return _add(connection, ticket, account_id, text, is_staff=False, now_ms=now_ms)


def answer(
    store: Store,
    ticket_id: str,
    author_id: str,
    text: str,
    *,
    now_ms: int,
    tell: Callable[[Connection, Ticket], None],
    actor: str = "cli",
) -> Ticket:
    """Somebody of the operator's people answers; `tell` writes to the member in the same transaction. Raises
    UnfitValue, TicketFull, UnknownThing."""
    text = rules.parse_text("text", text, rules.MESSAGE_CHARS_MAX)
    with store.begin() as connection:
        ticket = _find(connection, ticket_id, lock=True)
        answered = _add(connection, ticket, author_id, text, is_staff=True, now_ms=now_ms)
        note(
            connection,
            actor=actor,
            action="ticket.answer",
            subject=f"ticket:{ticket_id}",
            before={"status": ticket.status},
            after={"status": answered.status},
            at_ms=now_ms,
        )
        tell(connection, answered)
        return answered


def close(
    store: Store, ticket_id: str, *, account_id: str | None = None, now_ms: int, actor: str = "cli"
) -> Ticket:
    """Nothing is left to say; None: whoever's it is. Closing a closed one changes nothing. Raises
    UnknownThing."""
    with store.begin() as connection:
        ticket = _find(connection, ticket_id, lock=True)
        if account_id is not None:
            _own(ticket, account_id)
        if ticket.status == "closed":
            return ticket
        note(
            connection,
            actor=actor,
            action="ticket.close",
            subject=f"ticket:{ticket_id}",
            before={"status": ticket.status},
            after={"status": "closed"},
            at_ms=now_ms,
        )
        statement = update(tickets).where(tickets.c.id == ticket_id)
        connection.execute(statement.values(status="closed", updated_ms=now_ms))
        return _find(connection, ticket_id)


def read_ticket(
    store: Store, ticket_id: str, *, account_id: str | None = None
) -> tuple[Ticket, list[Message]]:
    """A ticket with all its messages; None: whoever's it is. Raises UnknownThing."""
    with store.read() as connection:
        ticket = _find(connection, ticket_id)
        if account_id is not None:
            _own(ticket, account_id)
        query = (
            select(ticket_messages, accounts.c.email)
            .outerjoin(accounts, accounts.c.id == ticket_messages.c.author_id)
            .where(ticket_messages.c.ticket_id == ticket_id)
            .order_by(ticket_messages.c.number)
        )
        return ticket, [
            Message(
                number=row.number,
                author_id=row.author_id,
                author_email=row.email or "",
                is_staff=bool(row.is_staff),
                text=row.text,
                at_ms=row.at_ms,
            )
            for row in connection.execute(query)
        ]


def list_tickets(
    store: Store,
    *,
    account_id: str | None = None,
    status: TicketStatus | None = None,
    after: Place | None = None,
    limit: int,
) -> list[Ticket]:
    """Those written to last first; None: of all members, in any state."""
    query = _TICKET.order_by(tickets.c.updated_ms.desc(), tickets.c.id.desc()).limit(limit)
    if account_id is not None:
        query = query.where(tickets.c.account_id == account_id)
    if status is not None:
        query = query.where(tickets.c.status == status)
    if after is not None:
        query = query.where(tuple_(tickets.c.updated_ms, tickets.c.id) < after)
    with store.read() as connection:
        return _tickets(connection, query)


def mail_answer(
    connection: Connection, box: SecretBox, ticket: Ticket, *, site: str, origin: str, now_ms: int
) -> None:
    """Write to the member that there is an answer, in their language; only to an address that was confirmed,
    so that nobody has strangers written to, and not to a member who is gone. Raises OSError, ValueError (see
    mail.outbox.post)."""
    query = select(profiles.c.language).filter_by(account_id=ticket.account_id, deleted_ms=None)
    known = connection.execute(query.where(profiles.c.email_verified_ms.is_not(None))).scalar()
    if known is None:
        return
    language: Language = "zh" if known == "zh" else "en"
    link = f"{origin}/tickets/{ticket.id}"
    letter = write("ticket_answered", language, ticket.email, site=site, subject=ticket.subject, link=link)
    post(connection, box, letter, now_ms=now_ms)


def _refuse_flood(connection: Connection, account_id: str) -> None:
    waiting = (
        select(func.count())
        .select_from(tickets)
        .where(tickets.c.account_id == account_id, tickets.c.status == "open")
    )
    if connection.execute(waiting).scalar_one() >= rules.OPEN_TICKETS_MAX:
        raise TooManyTickets


def _add(
    connection: Connection, ticket: Ticket, author_id: str, text: str, *, is_staff: bool, now_ms: int
) -> Ticket:
    if ticket.messages >= rules.TICKET_MESSAGES_MAX:
        raise TicketFull
    number = ticket.messages + 1
    row = {"ticket_id": ticket.id, "number": number, "author_id": author_id, "is_staff": int(is_staff)}
    connection.execute(insert(ticket_messages).values(**row, text=text, at_ms=now_ms))
    status: TicketStatus = "answered" if is_staff else "open"
    statement = update(tickets).where(tickets.c.id == ticket.id)
    connection.execute(statement.values(status=status, messages=number, updated_ms=now_ms))
    return _find(connection, ticket.id)


def _find(connection: Connection, ticket_id: str, *, lock: bool = False) -> Ticket:
    query = _TICKET.where(tickets.c.id == ticket_id)
    found = _tickets(connection, query.with_for_update(of=tickets) if lock else query)
    if not found:
        raise UnknownThing(f"there is no ticket {ticket_id!r}")
    return found[0]


def _own(ticket: Ticket, account_id: str) -> Ticket:
    if ticket.account_id != account_id:
        raise UnknownThing(f"there is no ticket {ticket.id!r}")
    return ticket


def _tickets(connection: Connection, query: Select[tuple[object, ...]]) -> list[Ticket]:
    return [Ticket(**row._mapping) for row in connection.execute(query)]
