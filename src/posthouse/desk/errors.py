"""What a person asked of the desk that can't be done; a text, a time or an image that can't be one is an
UnfitValue.

Unknown
└── UnknownThing    no such ticket, announcement, page or image
Declined
├── TooManyTickets  the member has that many open tickets already
└── TicketFull      the ticket has that many messages already
"""

from posthouse.kernel.problems import Declined, Unknown


class UnknownThing(Unknown):
    """No such ticket, announcement, page or image."""


class TooManyTickets(Declined):
    """The member has that many open tickets already."""

    code = "too_many_tickets"


class TicketFull(Declined):
    """The ticket has that many messages already; a new one goes on."""

    code = "ticket_full"
