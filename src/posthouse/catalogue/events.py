"""What happened to channels, and why: insert-only rows, the newest EVENTS_MAX of them."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select

from posthouse.store.engine import Store
from posthouse.store.schema import channel_events

EVENTS_MAX = 100_000  # years of a quiet relay, a day of fifty channels that flap without end

# breaker: a channel's breaker for one model changed its state. credential: one left its pool, or came back.
# state: somebody enabled, drained or disabled something. model: the upstream says that it has no such model.
EventKind = Literal["breaker", "credential", "state", "model"]


class ChannelEvent(Struct, frozen=True, kw_only=True):
    """`model` and `credential` are empty where it is about the whole channel; `process_id` is empty where a
    command did it. `before` and `after` are states; `reason` never holds text of a call. `id` is the row's,
    0 before it has one."""

    id: int = 0
    at_ms: int
    process_id: str = ""
    channel: str
    model: str = ""
    credential: str = ""
    kind: EventKind
    before: str = ""
    after: str = ""
    reason: str = ""


def add_events(connection: Connection, events: Sequence[ChannelEvent]) -> None:
    """Write them, and delete those that are too old to keep."""
    rows = [msgspec.structs.asdict(event) for event in events]
    for row in rows:
        del row["id"]
    if rows:
        connection.execute(insert(channel_events), rows)
        newest = select(func.max(channel_events.c.id)).scalar_subquery()
        connection.execute(delete(channel_events).where(channel_events.c.id <= newest - EVENTS_MAX))


def list_events(
    store: Store, *, channel: str = "", since_ms: int = 0, below_id: int = 0, limit: int
) -> list[ChannelEvent]:
    """The newest first, those before the row `below_id` (0: from the newest). Raises StoreDown."""
    query = select(channel_events).order_by(channel_events.c.id.desc()).limit(limit)
    if channel:
        query = query.where(channel_events.c.channel == channel)
    if since_ms:
        query = query.where(channel_events.c.at_ms >= since_ms)
    if below_id:
        query = query.where(channel_events.c.id < below_id)
    with store.read() as connection:
        return [ChannelEvent(**row) for row in connection.execute(query).mappings()]
