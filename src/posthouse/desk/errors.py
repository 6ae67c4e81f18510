"""What a person asked of the desk that can't be done.

DeskError
├── UnknownThing    no such ticket, announcement, page or image
├── UnfitText       a text, a time or an image that can't be one
├── TooManyTickets  the member has that many open tickets already
└── TicketFull      the ticket has that many messages already
"""

from posthouse.kernel.errors import PosthouseError


class DeskError(PosthouseError):
    """Base of these."""


class UnknownThing(DeskError):
    """No such ticket, announcement, page or image."""


class UnfitText(DeskError):
    """A text, a time or an image that can't be one. `field` names it; `kind` says what is wrong, as
    data/problems.json names it, and `context` fills that text."""

    def __init__(self, field: str, kind: str, **context: object) -> None:
        super().__init__(f"{field}: {kind}")
        self.field = field
        self.kind = kind
        self.context = context


class TooManyTickets(DeskError):
    """The member has that many open tickets already."""


class TicketFull(DeskError):
    """The ticket has that many messages already; a new one goes on."""
