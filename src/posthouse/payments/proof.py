"""Proves that orders, codes and their transfers agree, and the books with them; changes nothing."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, func, select

from posthouse.ledger.queries import DIFFERENCES_MAX, Difference
from posthouse.ledger.queries import verify as verify_books
from posthouse.store.engine import Store
from posthouse.store.schema import transfers
from posthouse.store.schema_payments import code_batches, codes, orders


def verify_all(store: Store) -> list[Difference]:
    """All that `ledger verify` looks at: the books, and what brought their transfers."""
    return [*verify_books(store), *verify(store)]


def verify(store: Store) -> list[Difference]:
    """What differs, in one snapshot: each paid order and each redeemed code is the one transfer of its amount
    to its account, each transfer of theirs has its order or code, each batch has the codes that it counts."""
    with store.read() as connection:
        checks = (_orders, _codes, _batches)
        found = (difference for check in checks for difference in check(connection))
        return [difference for difference, _ in zip(found, range(DIFFERENCES_MAX), strict=False)]


def _orders(connection: Connection) -> Iterator[Difference]:
    key = "order:" + orders.c.id
    query = select(orders.c.id, orders.c.amount_nanos, transfers.c.amount_nanos.label("moved"))
    query = query.outerjoin(
        transfers,
        (transfers.c.id == orders.c.transfer_id)
        & (transfers.c.idempotency_key == key)
        & (transfers.c.credit == orders.c.account_id),
    )
    for one in _unequal(connection, query.where(orders.c.status == "paid")):
        yield Difference("order", *one)
    for one in _alone(connection, "order:ord_", orders.c.transfer_id):
        yield Difference("order", *one)


def _codes(connection: Connection) -> Iterator[Difference]:
    query = select(
        codes.c.hint.label("id"), code_batches.c.amount_nanos, transfers.c.amount_nanos.label("moved")
    )
    query = query.join(code_batches, code_batches.c.id == codes.c.batch_id)
    query = query.outerjoin(
        transfers, (transfers.c.id == codes.c.transfer_id) & (transfers.c.credit == codes.c.account_id)
    )
    for one in _unequal(connection, query.where(codes.c.account_id.is_not(None))):
        yield Difference("code", *one)
    for one in _alone(connection, "code:bat_", codes.c.transfer_id):
        yield Difference("code", *one)


def _batches(connection: Connection) -> Iterator[Difference]:
    """A batch counts its codes, and those that were redeemed."""
    query = select(
        code_batches.c.id,
        code_batches.c.count,
        code_batches.c.redeemed,
        func.count(codes.c.hash).label("made"),
        func.count(codes.c.account_id).label("gone"),
    )
    query = query.outerjoin(codes, codes.c.batch_id == code_batches.c.id).group_by(code_batches.c.id)
    for row in connection.execute(query):
        if row.made != row._mapping["count"]:
            yield Difference("batch", row.id, row.made, row._mapping["count"])
        if row.gone != row.redeemed:
            yield Difference("batch", row.id, row.gone, row.redeemed)


def _unequal(connection: Connection, query: Select[Any]) -> Iterator[tuple[str, int, int]]:
    """Of rows of (id, amount_nanos, moved) those whose amount was not moved: id, expected, actual."""
    for row in connection.execute(query):
        if row.moved != row.amount_nanos:
            yield row.id, row.amount_nanos, row.moved or 0


def _alone(connection: Connection, prefix: str, column: Any) -> Iterator[tuple[str, int, int]]:
    """Transfers that say to be of an order or a code that there is not: id, expected, actual."""
    known = select(column).where(column == transfers.c.id).exists()
    named = transfers.c.idempotency_key.startswith(prefix, autoescape=True)
    query = select(transfers.c.id, transfers.c.amount_nanos).where(named, ~known)
    for row in connection.execute(query):
        yield row.id, 0, row.amount_nanos
