"""Pages of a list, newest first: no page costs more than the one before, however far down."""

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, Select, Table, tuple_

PAGE_MAX = 200
T = TypeVar("T")


class Place(NamedTuple):
    """A row of a list: the next page begins after it."""

    created_ms: int
    id: str


class Page(NamedTuple, Generic[T]):
    """Items, and after which place those that follow begin; None: there are none."""

    items: list[T]
    next: Place | None


def read_page(
    connection: Connection, query: Select[Any], table: Table, *, after: Place | None, limit: int
) -> tuple[Sequence[Row[Any]], Place | None]:
    """A page of the query's rows by when they were made, and the next one's place. The query selects
    `created_ms` and `id`."""
    made = (table.c.created_ms, table.c.id)
    if after is not None:
        query = query.where(tuple_(*made) < tuple_(*after))
    limit = max(1, min(limit, PAGE_MAX))
    query = query.order_by(*(column.desc() for column in made)).limit(limit + 1)
    rows = connection.execute(query).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], None if last is None else Place(last.created_ms, last.id)
