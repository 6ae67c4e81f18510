"""The desk: audit log, tickets, announcements, pages."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
