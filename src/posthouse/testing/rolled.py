"""Rolls usage up at once, which a server does only when the records are minutes old."""

from posthouse.ledger.rollups import promise, roll_slice
from posthouse.store.engine import Store


def roll_all(store: Store, up_to: str = "req_z") -> None:
    """Add all records below that id to the sums; for a store in which nothing is settled meanwhile."""
    with store.begin() as connection:
        promise(connection, up_to)
    more = True
    while more:
        with store.begin() as connection:
            more = roll_slice(connection, up_to)
