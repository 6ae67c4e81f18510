"""Mails that wait: written in the transaction of what they tell of, sealed, deleted once they are out."""

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from posthouse.kernel.ids import new_id
from posthouse.kernel.periods import DAY_MS
from posthouse.kernel.secrets import SecretBox
from posthouse.mail.letters import Letter
from posthouse.store.engine import Store
from posthouse.store.schema_people import mails
from posthouse.store.sealing import seal

KEPT_MS = DAY_MS  # what could not be sent for a day is no longer worth reading
CLAIMED_MS = 300_000  # more than a mail server gets to take a mail; then another process tries


class Waiting(msgspec.Struct, frozen=True):
    """A mail that is due, still sealed. `tries`: how often it was tried before."""

    id: str
    sealed: bytes
    tries: int
    due_ms: int
    expires_ms: int


def post(connection: Connection, box: SecretBox, letter: Letter, *, now_ms: int) -> None:
    """Write a mail into the outbox. One to nobody is written like any other, so that asking about an address
    that nobody has costs what asking about a member's does. Raises OSError, ValueError."""
    mail_id = new_id("mail")
    sealed = seal(connection, box, mail_id, msgspec.json.encode(letter).decode())
    connection.execute(
        insert(mails).values(id=mail_id, sealed=sealed, due_ms=now_ms, expires_ms=now_ms + KEPT_MS)
    )


def opened(box: SecretBox, mail: Waiting) -> Letter:
    """What is in it. Raises UnreadableSecret, OSError, ValueError."""
    return msgspec.json.decode(box.open(mail.id, mail.sealed).reveal(), type=Letter)


def due(store: Store, *, now_ms: int, limit: int) -> list[Waiting]:
    """Those that may be sent now, the longest due first."""
    columns = (mails.c[name] for name in Waiting.__struct_fields__)
    query = select(*columns).where(mails.c.due_ms <= now_ms).order_by(mails.c.due_ms).limit(limit)
    with store.read() as connection:
        return [Waiting(**row._mapping) for row in connection.execute(query)]


def claim(store: Store, mail: Waiting, *, now_ms: int) -> bool:
    """Take it for this process, for a while; False: another one was quicker."""
    mine = update(mails).where(mails.c.id == mail.id, mails.c.due_ms == mail.due_ms)
    with store.begin() as connection:
        done = connection.execute(mine.values(due_ms=now_ms + CLAIMED_MS, tries=mail.tries + 1))
    return done.rowcount == 1


def postpone(store: Store, mail_id: str, *, due_ms: int) -> None:
    """Try it again then."""
    with store.begin() as connection:
        connection.execute(update(mails).where(mails.c.id == mail_id).values(due_ms=due_ms))


def remove(store: Store, mail_id: str) -> None:
    """It is out, or never will be."""
    with store.begin() as connection:
        connection.execute(delete(mails).where(mails.c.id == mail_id))
