"""Owned objects: what calls have made and upstreams keep, whose it is and where it must go back to. Only ids
and what a later call needs to find its way; never what is in an object.

A row is written by the settlement of the call that made its object, so whoever has the whole answer can rely
on it. All members share the operator's credentials upstream: this table is what keeps them apart.
"""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Dialect, delete, or_, select, tuple_

from posthouse.store.engine import Store
from posthouse.store.schema import owned_objects

_columns = owned_objects.c


class Owned(NamedTuple):
    """One object, as its row. `credential`: the name of the channel's that made it, since what one upstream
    account keeps another does not have. `expires_ms` None: kept until it is deleted."""

    id: str
    channel: str
    kind: str
    account_id: str
    credential: str
    model: str
    created_ms: int
    expires_ms: int | None


# An object that is used again may live longer. One that another account has there already stays that one's.
_INSERT = """
    INSERT INTO owned_objects (id, channel, kind, account_id, credential, model, created_ms, expires_ms)
    VALUES ({mark}, {mark}, {mark}, {mark}, {mark}, {mark}, {mark}, {mark})
    ON CONFLICT (id, channel) DO UPDATE SET expires_ms = excluded.expires_ms
    WHERE owned_objects.account_id = excluded.account_id"""


def insert_sql(dialect: Dialect) -> str:
    """The statement that writes an Owned down, whose values are its fields."""
    return _INSERT.replace("{mark}", "?" if dialect.name == "sqlite" else "%s")


def record(connection: Connection, made: Owned) -> None:
    """Write down that an object was made, within the caller's transaction."""
    connection.exec_driver_sql(insert_sql(connection.dialect), tuple(made))


def find(store: Store, account_id: str, ids: Collection[str], now_ms: int) -> dict[str, Owned]:
    """Those of the ids that the account owns, by id; of one that several channels gave, the newest. Raises
    StoreDown."""
    query = select(owned_objects).where(
        _columns.id.in_(ids), _columns.account_id == account_id, _is_kept(now_ms)
    )
    with store.read() as connection:
        rows = connection.execute(query.order_by(_columns.created_ms)).all()
    return {row.id: Owned(*row) for row in rows}


def page(
    store: Store,
    account_id: str,
    kind: str,
    now_ms: int,
    *,
    limit: int,
    after: Owned | None = None,
    newest_first: bool = False,
    model: str = "",
) -> list[Owned]:
    """The account's objects of a kind in the order in which they were made: at most `limit`, those that
    follow `after`, of one `model` where it is named. Raises StoreDown."""
    query = select(owned_objects).where(
        _columns.account_id == account_id, _columns.kind == kind, _is_kept(now_ms)
    )
    place = tuple_(_columns.created_ms, _columns.id)
    if after is not None:
        reached = tuple_(after.created_ms, after.id)
        query = query.where(place < reached if newest_first else place > reached)
    if model:
        query = query.where(_columns.model == model)
    order = [column.desc() if newest_first else column for column in (_columns.created_ms, _columns.id)]
    with store.read() as connection:
        return [Owned(*row) for row in connection.execute(query.order_by(*order).limit(limit))]


def forget(connection: Connection, gone: Owned) -> None:
    """The upstream has it no longer."""
    mine = (_columns.id == gone.id, _columns.channel == gone.channel)
    connection.execute(delete(owned_objects).where(*mine, _columns.account_id == gone.account_id))


def prune(connection: Connection, now_ms: int) -> None:
    """Delete what upstreams have forgotten by now."""
    connection.execute(delete(owned_objects).where(_columns.expires_ms <= now_ms))


def _is_kept(now_ms: int) -> ColumnElement[bool]:
    return or_(_columns.expires_ms.is_(None), _columns.expires_ms > now_ms)
