"""Who seals something takes its turn with a rotation of the master key."""

from sqlalchemy import Connection, text

from posthouse.kernel.secrets import SecretBox

_SEALING_LOCK = 0x7365616C  # "seal"


def lock_sealing(connection: Connection) -> None:
    """Until the transaction ends nobody else seals, so that a rotation sees all that there is. SQLite has one
    writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SEALING_LOCK})


def seal(connection: Connection, box: SecretBox, name: str, plain: str) -> bytes:
    """Seal within a transaction that writes, with the key as it is while nobody can replace it. Raises
    OSError, ValueError where the key can't be read."""
    lock_sealing(connection)
    box.reload()
    return box.seal(name, plain)
