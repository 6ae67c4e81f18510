"""How the channels stand in each serving process, for whoever asks: the asker empties the table and announces
"watch", every process answers with one row. So nothing is written while nobody looks, and no two machines'
clocks are compared."""

import time

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select

from posthouse.store.changes import announce
from posthouse.store.engine import Store
from posthouse.store.schema import channel_standings, processes

POLL_S = 0.05  # between two looks for answers


class ModelStanding(Struct, frozen=True):
    """One channel for one model. `state`: of its breaker; `until_ms`: when an open one is tried again, or 0.
    `error_rate` is of the `calls` in the breaker's window; the times to the first byte are 0 where none was
    measured."""

    model: str
    state: str
    why: str
    until_ms: int
    error_rate: float
    calls: int
    in_flight: int
    ttft_p50_ms: int
    ttft_p99_ms: int


class CredentialStanding(Struct, frozen=True):
    """One of a channel's credentials. `requests` and `tokens`: of the last minute, counted where they have a
    ceiling. `resting`: models that it rests for."""

    name: str
    state: str
    why: str
    in_flight: int
    requests: int
    tokens: int
    resting: tuple[str, ...] = ()


class ChannelStanding(Struct, frozen=True):
    """One channel; models that were never asked for are not in it."""

    channel: str
    models: tuple[ModelStanding, ...]
    credentials: tuple[CredentialStanding, ...]


class Report(Struct, frozen=True):
    """How the channels stand in one process."""

    process_id: str
    at_ms: int
    channels: tuple[ChannelStanding, ...]


class Answers(Struct, frozen=True):
    """The reports that came, and how many processes that count as alive sent none in time."""

    reports: tuple[Report, ...]
    silent: int


def write_report(connection: Connection, report: Report) -> None:
    """Answer; what processes that are gone have answered goes."""
    gone = channel_standings.c.process_id.not_in(select(processes.c.id))
    own = channel_standings.c.process_id == report.process_id
    connection.execute(delete(channel_standings).where(gone | own))
    standings = msgspec.json.encode(report.channels).decode()
    row = {"process_id": report.process_id, "at_ms": report.at_ms, "standings": standings}
    connection.execute(insert(channel_standings).values(row))


def ask_reports(store: Store, *, now_ms: int, patience_s: float) -> Answers:
    """Ask every process that is alive, and wait for the answers; at once where there is none. Blocks. Raises
    StoreDown."""
    with store.begin() as connection:
        alive = set(
            connection.execute(select(processes.c.id).where(processes.c.expires_ms > now_ms)).scalars()
        )
        connection.execute(delete(channel_standings))
        announce(connection, "watch", "", now_ms)
    reports: tuple[Report, ...] = ()
    give_up_s = time.monotonic() + patience_s
    while alive - {one.process_id for one in reports} and time.monotonic() < give_up_s:
        time.sleep(POLL_S)  # the answers are rows that other processes write: a store wakes nobody
        reports = _reports(store)
    return Answers(reports, len(alive - {one.process_id for one in reports}))


def _reports(store: Store) -> tuple[Report, ...]:
    with store.read() as connection:
        rows = connection.execute(select(channel_standings)).all()
    return tuple(
        Report(
            row.process_id, row.at_ms, msgspec.json.decode(row.standings, type=tuple[ChannelStanding, ...])
        )
        for row in rows
    )
