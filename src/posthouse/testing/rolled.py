"""Rolls usage up at once, which a server does only when the records are minutes old."""

from posthouse.kernel.ids import new_request_id
from posthouse.ledger.rollups import promise, roll_slice
from posthouse.store.engine import Store


def roll_all(store: Store, up_to: str = "") -> None:
    """Add all records below that id to the sums, else all that there are; for a store in which nothing is
    settled meanwhile."""
    up_to = up_to or new_request_id()
    with store.begin() as connection:
        promise(connection, up_to)
    more = True
    while more:
        with store.begin() as connection:
            more = roll_slice(connection, up_to)
