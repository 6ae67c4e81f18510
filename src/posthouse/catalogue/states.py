"""Channels and credentials that are set apart from use. Two may say so, each takes back only its own word:

    by hand     enabled → draining | disabled → enabled         outlives `apply`, restarts and upgrades
    the relay   enabled → out → enabled                         the upstream no longer takes a credential

`draining`: no new calls but those that belong to the channel, and those under way end by themselves.
`disabled`: no calls at all but those under way. What is set by hand goes before what the relay thinks: a
credential that is enabled by hand is no longer out, and one that is disabled stays so. Each change is an
event, and running servers hear of it.
"""

from collections.abc import Collection
from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, delete, insert, select

from posthouse.catalogue.events import ChannelEvent, EventKind, add_events
from posthouse.store.changes import announce
from posthouse.store.engine import Store
from posthouse.store.schema import channel_states
from posthouse.store.upsert import insert_if_absent

State = Literal["enabled", "draining", "disabled", "out"]


class ChannelState(Struct, frozen=True):
    """One that is set apart: since when, and why. `credential` is empty where it is the whole channel."""

    channel: str
    credential: str
    state: State
    reason: str
    since_ms: int


def read_states(connection: Connection) -> dict[tuple[str, str], ChannelState]:
    """All that are set apart, by channel and credential; what is not in it is enabled."""
    rows = connection.execute(select(channel_states))
    return {(row.channel, row.credential): ChannelState(*row) for row in rows}


def load_states(store: Store) -> dict[tuple[str, str], ChannelState]:
    """The same in a transaction of its own. Raises StoreDown."""
    with store.read() as connection:
        return read_states(connection)


def note_by_hand(
    connection: Connection, channel: str, credential: str, state: State, *, reason: str, now_ms: int
) -> State:
    """Somebody enables, drains or disables; what it was before. Told to servers in any case: they forget what
    they hold against what is enabled."""
    before = _state(connection, channel, credential)
    after = ChannelState(channel, credential, state, reason, now_ms)
    _put(connection, after)
    _tell(connection, "state", after, before)
    return before


def note_out(
    connection: Connection, channel: str, credential: str, *, reason: str, process_id: str, now_ms: int
) -> bool:
    """The relay takes a credential out of its pool; False where it is set apart already."""
    out = ChannelState(channel, credential, "out", reason, now_ms)
    if not insert_if_absent(connection, channel_states, asdict(out)):  # two processes may find out at once
        return False
    _tell(connection, "credential", out, "enabled", process_id)
    return True


def note_back(
    connection: Connection, channel: str, credential: str, *, reason: str, process_id: str, now_ms: int
) -> bool:
    """The relay puts a credential back into its pool; False where it was not the relay that took it out."""
    before = _state(connection, channel, credential)
    if before != "out":
        return False
    back = ChannelState(channel, credential, "enabled", reason, now_ms)
    _put(connection, back)
    _tell(connection, "credential", back, before, process_id)
    return True


def forget_gone(connection: Connection, channel: str, kept: Collection[str]) -> None:
    """Some of a channel's credentials, or (without "" among the `kept`) the channel itself, are gone: later
    ones of the same names begin anew."""
    gone = channel_states.c.credential.not_in(kept)
    connection.execute(delete(channel_states).where(channel_states.c.channel == channel, gone))


def _state(connection: Connection, channel: str, credential: str) -> State:
    query = select(channel_states.c.state).filter_by(channel=channel, credential=credential)
    found: State | None = connection.execute(query.with_for_update()).scalar()
    return found or "enabled"


def _put(connection: Connection, state: ChannelState) -> None:
    connection.execute(delete(channel_states).filter_by(channel=state.channel, credential=state.credential))
    if state.state != "enabled":
        connection.execute(insert(channel_states).values(asdict(state)))


def _tell(
    connection: Connection, kind: EventKind, after: ChannelState, before: State, process_id: str = ""
) -> None:
    event = ChannelEvent(
        at_ms=after.since_ms,
        process_id=process_id,
        channel=after.channel,
        credential=after.credential,
        kind=kind,
        before=before,
        after=after.state,
        reason=after.reason,
    )
    add_events(connection, [event] if before != after.state else [])
    # Named is what was enabled by hand: servers forget what they hold against it.
    is_enabled = kind == "state" and after.state == "enabled"
    announce(connection, "channel", after.channel if is_enabled else "", after.since_ms)
