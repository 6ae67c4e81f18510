"""Tickets: what members ask, and what the operator's people answer."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from sqlalchemy import Connection

from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.own_site import OwnSite
from posthouse.api.permissions import Permission
from posthouse.api.values import After, Answer, Body, Limit, Listing, Ms, cursor_parts, cut
from posthouse.desk import tickets
from posthouse.desk.rules import MESSAGE_CHARS_MAX, SUBJECT_CHARS_MAX, TicketStatus
from posthouse.desk.tickets import Message, Place, Ticket

router = Router("tickets")
TicketId = Annotated[str, Path(description="The ticket's id.")]

Status = Annotated[TicketStatus | None, Query(description="Only those in this state.")]


class TicketAnswer(Answer):
    """A ticket without its messages."""

    id: str = Field(description="The ticket's id.")
    subject: str = Field(description="What it is about.")
    status: TicketStatus = Field(
        description="open: waits for an answer; answered: waits for the member; closed: nothing left to say."
    )
    messages: int = Field(description="How many messages it has.")
    created_ms: Ms
    updated_ms: Ms


class DeskTicket(TicketAnswer):
    """A ticket as the operator's people see it."""

    account_id: str = Field(description="Whose it is.")
    email: str = Field(description="That member's email.")


class MessageAnswer(Answer):
    """A message of a ticket, as plain text."""

    number: int = Field(description="From 1.")
    is_staff: bool = Field(description="Written by the operator's people, not by the member.")
    text: str = Field(description="What it says.")
    at_ms: Ms


class DeskMessage(MessageAnswer):
    """A message as the operator's people see it."""

    author_id: str = Field(description="Whose account wrote it.")
    author_email: str = Field(description="That account's email; empty: it is gone.")


class Thread(Answer):
    """A ticket with all its messages, the oldest first."""

    ticket: TicketAnswer = Field(description="How it stands.")
    messages: list[MessageAnswer] = Field(description="The oldest first.")


class DeskThread(Answer):
    """A ticket with all its messages, as the operator's people see it."""

    ticket: DeskTicket = Field(description="How it stands.")
    messages: list[DeskMessage] = Field(description="The oldest first.")


class NewTicket(Body):
    """A question."""

    subject: str = Field(min_length=1, max_length=SUBJECT_CHARS_MAX, description="In one line.")
    text: str = Field(min_length=1, max_length=MESSAGE_CHARS_MAX, description="As plain text.")


class NewMessage(Body):
    """One more message."""

    text: str = Field(min_length=1, max_length=MESSAGE_CHARS_MAX, description="As plain text.")


@router.get("/tickets", Permission.OWN_READ)
def list_own_tickets(
    here: Here, who: Who, status: Status = None, after: After = "", limit: Limit = 50
) -> Listing[TicketAnswer]:
    """List one's own tickets, the last written to first."""
    place = _place(after)
    found = tickets.list_tickets(
        here.store, account_id=who.account_id, status=status, after=place, limit=limit + 1
    )
    shown, more = cut(found, limit, _where)
    return Listing[TicketAnswer](items=[TicketAnswer.model_validate(one) for one in shown], next=more)


@router.post("/tickets", Permission.TICKETS_WRITE, status=201)
def open_ticket(here: Here, who: Who, body: NewTicket) -> TicketAnswer:
    """Ask the operator's people something."""
    made = tickets.open_ticket(
        here.store, who.account_id, body.subject, body.text, now_ms=here.now_ms(), actor=who.actor
    )
    return TicketAnswer.model_validate(made)


@router.get("/tickets/{ticket_id}", Permission.OWN_READ)
def read_own_ticket(here: Here, who: Who, ticket_id: TicketId) -> Thread:
    """Read one of one's own tickets."""
    ticket, messages = tickets.read_ticket(here.store, ticket_id, account_id=who.account_id)
    return Thread(
        ticket=TicketAnswer.model_validate(ticket),
        messages=[MessageAnswer.model_validate(one) for one in messages],
    )


@router.post("/tickets/{ticket_id}/messages", Permission.TICKETS_WRITE, status=201)
def reply_to_ticket(here: Here, who: Who, ticket_id: TicketId, body: NewMessage) -> TicketAnswer:
    """Write to one of one's own tickets.

    A closed one is opened again."""
    ticket = tickets.reply(
        here.store, ticket_id, who.account_id, body.text, now_ms=here.now_ms(), actor=who.actor
    )
    return TicketAnswer.model_validate(ticket)


@router.post("/tickets/{ticket_id}/close", Permission.TICKETS_WRITE)
def close_own_ticket(here: Here, who: Who, ticket_id: TicketId) -> TicketAnswer:
    """Close one of one's own tickets."""
    ticket = tickets.close(
        here.store, ticket_id, account_id=who.account_id, now_ms=here.now_ms(), actor=who.actor
    )
    return TicketAnswer.model_validate(ticket)


@router.get("/admin/tickets", Permission.TICKETS_ANSWER)
def list_tickets(
    here: Here,
    status: Status = None,
    account_id: Annotated[str, Query(max_length=40, description="Only this member's.")] = "",
    after: After = "",
    limit: Limit = 50,
) -> Listing[DeskTicket]:
    """List all members' tickets, the last written to first."""
    place = _place(after)
    found = tickets.list_tickets(
        here.store, account_id=account_id or None, status=status, after=place, limit=limit + 1
    )
    shown, more = cut(found, limit, _where)
    return Listing[DeskTicket](items=[DeskTicket.model_validate(one) for one in shown], next=more)


@router.get("/admin/tickets/{ticket_id}", Permission.TICKETS_ANSWER)
def read_ticket(here: Here, ticket_id: TicketId) -> DeskThread:
    """Read a member's ticket."""
    return _desk_thread(*tickets.read_ticket(here.store, ticket_id))


@router.post("/admin/tickets/{ticket_id}/messages", Permission.TICKETS_ANSWER, status=201)
def answer_ticket(here: Here, who: Who, site: OwnSite, ticket_id: TicketId, body: NewMessage) -> DeskTicket:
    """Answer a member's ticket.

    The member is told by mail."""
    now_ms = here.now_ms()

    def tell(connection: Connection, ticket: Ticket) -> None:
        tickets.mail_answer(connection, here.box, ticket, site=site.name, origin=site.url, now_ms=now_ms)

    ticket = tickets.answer(
        here.store, ticket_id, who.own_id, body.text, now_ms=now_ms, tell=tell, actor=who.actor
    )
    here.mailer.wake()
    return DeskTicket.model_validate(ticket)


@router.post("/admin/tickets/{ticket_id}/close", Permission.TICKETS_ANSWER)
def close_ticket(here: Here, who: Who, ticket_id: TicketId) -> DeskTicket:
    """Close a member's ticket."""
    ticket = tickets.close(here.store, ticket_id, now_ms=here.now_ms(), actor=who.actor)
    return DeskTicket.model_validate(ticket)


def _desk_thread(ticket: Ticket, messages: list[Message]) -> DeskThread:
    return DeskThread(
        ticket=DeskTicket.model_validate(ticket),
        messages=[DeskMessage.model_validate(one) for one in messages],
    )


def _place(after: str) -> Place | None:
    return cursor_parts(after, int, str) if after else None


def _where(ticket: Ticket) -> tuple[int, str]:
    return ticket.updated_ms, ticket.id
