"""Idempotency-Key: the same key and body within 24 hours is charged once. Each function is a step of the
caller's transaction.

A claim is made before the call and ended by its settlement or by a release; one whose process died is taken
over by the next who asks.
"""

import msgspec
from sqlalchemy import Connection, delete, select, update

from posthouse.kernel.outcome import Ending, Outcome
from posthouse.kernel.periods import DAY_MS
from posthouse.ledger.errors import ClaimOfOtherBody, ClaimRunning
from posthouse.store.schema import idempotency, processes
from posthouse.store.upsert import insert_if_absent

KEPT_MS = DAY_MS


class Claim(msgspec.Struct, frozen=True):
    """A call's right to use an Idempotency-Key, and what earlier calls with it were charged."""

    account_id: str
    key_hash: bytes
    body_hash: bytes
    request_id: str
    charged_nanos: int = 0
    completed: int = 0  # how many of them got a whole answer


def claim(connection: Connection, process_id: str, wanted: Claim, now_ms: int) -> Claim:
    """Make the claim. Raises ClaimRunning, ClaimOfOtherBody."""
    which = {"account_id": wanted.account_id, "key_hash": wanted.key_hash}
    fresh = idempotency.c.created_ms >= now_ms - KEPT_MS
    row = connection.execute(select(idempotency).filter_by(**which).where(fresh).with_for_update()).first()
    running = {"request_id": wanted.request_id, "process_id": process_id}
    if row is None:
        connection.execute(delete(idempotency).filter_by(**which))
        values = {**which, **running, "body_hash": wanted.body_hash, "created_ms": now_ms}
        if not insert_if_absent(connection, idempotency, {**values, "charged_nanos": 0, "completed": 0}):
            raise ClaimRunning("another process was first")
        return wanted
    if bytes(row.body_hash) != wanted.body_hash:
        raise ClaimOfOtherBody("used with another body")
    is_again = row.request_id == wanted.request_id  # this very claim, after a broken commit
    if not is_again and row.process_id and _lives(connection, row.process_id):
        raise ClaimRunning("still running")
    connection.execute(update(idempotency).filter_by(**which).values(**running))
    return msgspec.structs.replace(wanted, charged_nanos=row.charged_nanos, completed=row.completed)


def release(connection: Connection, ended: Claim) -> None:
    """End a claim whose call was not charged; unless an earlier one was, the key is as if never used."""
    connection.execute(delete(idempotency).filter_by(**_which(ended), charged_nanos=0, completed=0))
    connection.execute(update(idempotency).filter_by(**_which(ended)).values(process_id=""))


def settle(connection: Connection, ended: Claim, outcome: Outcome) -> None:
    """End a claim with what its call was charged. A call that failed outright leaves the key as unused."""
    if outcome.ending is Ending.FAILED:
        release(connection, ended)
        return
    is_whole = outcome.ending is Ending.COMPLETED and outcome.http_status < 400
    completed = ended.completed + int(is_whole)
    charged = idempotency.c.charged_nanos + outcome.charge_nanos
    values = {"process_id": "", "charged_nanos": charged, "completed": completed}
    connection.execute(update(idempotency).filter_by(**_which(ended)).values(values))


def prune(connection: Connection, now_ms: int) -> None:
    """Delete claims older than 24 hours."""
    connection.execute(delete(idempotency).where(idempotency.c.created_ms < now_ms - KEPT_MS))


def _which(claimed: Claim) -> dict[str, str | bytes]:
    """The claim's row, as long as it is still its own."""
    return {
        "account_id": claimed.account_id,
        "key_hash": claimed.key_hash,
        "request_id": claimed.request_id,
    }


def _lives(connection: Connection, process_id: str) -> bool:
    return connection.execute(select(processes.c.id).where(processes.c.id == process_id)).first() is not None
