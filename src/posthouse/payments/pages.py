"""Pages of a list, newest first: no page costs more than the one before, however far down."""

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, Select, Table, tuple_

from posthouse.payments.errors import InvalidPayment

PAGE_MAX = 200
T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """Items, and what to pass as `after` for those that follow; "" at the end."""

    items: list[T]
    next: str


def read_page(
    connection: Connection, query: Select[Any], table: Table, *, after: str, limit: int
) -> tuple[Sequence[Row[Any]], str]:
    """A page of the query's rows by when they were made, and the next one's `after`. The query selects
    `created_ms` and `id`. Raises InvalidPayment for an `after` that none of these gave."""
    made = (table.c.created_ms, table.c.id)
    if after:
        query = query.where(tuple_(*made) < tuple_(*_parsed(after)))
    limit = max(1, min(limit, PAGE_MAX))
    query = query.order_by(*(column.desc() for column in made)).limit(limit + 1)
    rows = connection.execute(query).all()
    more = len(rows) > limit
    return rows[:limit], f"{rows[limit - 1].created_ms}.{rows[limit - 1].id}" if more else ""


def _parsed(after: str) -> tuple[int, str]:
    made, _, row_id = after.partition(".")
    if not (made.isascii() and made.isdigit() and len(made) < 16 and row_id):
        raise InvalidPayment("no page begins there")
    return int(made), row_id
