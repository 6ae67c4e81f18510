"""Members, orders and codes for tests, and many threads at once. One store serves a session: each test has
its own members."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import update

from posthouse.kernel.clock import now_ms
from posthouse.kernel.money import NANOS
from posthouse.ledger.queries import get_balance
from posthouse.ledger.queries import verify as verify_ledger
from posthouse.payments.codes import NewBatch, create_batch
from posthouse.payments.orders import create_order
from posthouse.payments.proof import verify
from posthouse.payments.rules import Order
from posthouse.store.engine import Store
from posthouse.store.schema_people import profiles
from posthouse.store.upsert import insert_if_absent
from posthouse.testing.check_store import new_member

T = TypeVar("T")
UNIT = NANOS


def member(store: Store, *, invited_by: str = "", balance_nanos: int = 0, **profile: object) -> str:
    """A member's id."""
    account_id = new_member(store, balance_nanos).account_id
    with store.begin() as connection:
        insert_if_absent(connection, profiles, {"account_id": account_id, "created_ms": now_ms()})
        values = {"invited_by": invited_by or None, **profile}
        connection.execute(update(profiles).where(profiles.c.account_id == account_id).values(values))
    return account_id


def order(store: Store, account_id: str, units: int = 10) -> Order:
    return create_order(store, account_id, units * UNIT, min_nanos=UNIT, max_nanos=1000 * UNIT)


def batch(store: Store, count: int = 1, **fields: object) -> NewBatch:
    known: dict[str, object] = {"name": "autumn", "amount_nanos": 5 * UNIT}
    return create_batch(store, count=count, **{**known, **fields})  # type: ignore[arg-type]  # the test's own


def balance(store: Store, account_id: str) -> int:
    return get_balance(store, account_id).balance_nanos


def prove(store: Store) -> None:
    """The books and the payments' rows agree."""
    assert verify_ledger(store) == []
    assert verify(store) == []


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each call returned or raised; all begin at the same moment, each in its thread."""
    barrier = threading.Barrier(len(calls))
    ends: list[T | Exception] = [RuntimeError("did not run")] * len(calls)

    def run(index: int) -> None:
        barrier.wait()
        try:
            ends[index] = calls[index]()
        except Exception as error:
            ends[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends
