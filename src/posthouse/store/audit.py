"""The log of changes: who changed what and when, written in the transaction of the change itself, so that there
is no change without its line and no line without its change."""

import msgspec
from sqlalchemy import Connection, insert

from posthouse.store.schema_desk import audit_log


def note(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    before: object = None,
    after: object = None,
    at_ms: int,
) -> None:
    """Add a line. `actor` is an account's id, with a token's behind a slash, or "cli"; `action` names noun and
    verb ("account.freeze"), `subject` what was changed ("account:acc_…"). `before` and `after` are whatever
    JSON can say of the two states; no key, password or credential belongs in them. Raises TypeError for what
    JSON can't say, such as a SecretText."""
    connection.execute(
        insert(audit_log).values(
            at_ms=at_ms,
            actor=actor,
            action=action,
            subject=subject,
            before=msgspec.json.encode(before).decode(),
            after=msgspec.json.encode(after).decode(),
        )
    )
