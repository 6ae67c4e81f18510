"""Tells running servers what another process changed: a row in `changes`, read by a thread of each."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Literal

from sqlalchemy import Connection, delete, func, insert, select, text

from posthouse.kernel.periods import HOUR_MS
from posthouse.store.engine import Store
from posthouse.store.errors import StoreDown
from posthouse.store.schema import changes

ChangeKind = Literal["account", "key", "balance", "configuration", "recall", "channel", "watch"]
Listener = Callable[[ChangeKind, str], Awaitable[None]]

POLL_S = 0.2  # a change reaches every process within a second
KEPT_MS = HOUR_MS  # how long a server may be out of reach of the store and still hear of everything
_CHANGES_LOCK = 0x6368616E  # "chan"


def announce(connection: Connection, kind: ChangeKind, subject: str, now_ms: int) -> None:
    """Add a notice to the transaction that makes the change. `subject` is the id or name of what changed.

    On PostgreSQL a lock makes notices commit in the order of their ids, so that a reader who has seen id 7
    never misses id 6."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CHANGES_LOCK})
    connection.execute(insert(changes).values(kind=kind, subject=subject, at_ms=now_ms))


def prune(connection: Connection, now_ms: int) -> None:
    """Delete notices that every living server has long read."""
    connection.execute(delete(changes).where(changes.c.at_ms < now_ms - KEPT_MS))


class ChangeFeed:
    """Delivers notices, in order, to async listeners on the event loop that `start` ran on. Start it before
    anything that it keeps fresh is loaded. A listener's exception goes to `on_error` and stops nothing."""

    def __init__(self, store: Store, *, poll_s: float = POLL_S) -> None:
        self._store = store
        self._poll_s = poll_s
        self._listeners: list[Listener] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen = 0
        self.on_error: Callable[[Exception], None] = lambda error: None

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def start(self) -> None:
        """Begin to deliver what is announced from now on. Raises StoreDown."""
        loop = asyncio.get_running_loop()
        self._seen = await asyncio.to_thread(self._newest)
        self._thread = threading.Thread(target=self._poll, args=(loop,), name="changes", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _newest(self) -> int:
        with self._store.read() as connection:
            return connection.execute(select(func.max(changes.c.id))).scalar() or 0

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        behind = True
        with _watcher(self._store) as changed:
            while not self._stopping.wait(self._poll_s):
                behind = changed() or behind
                if not behind:
                    continue
                try:
                    notices = self._unseen()
                except StoreDown as error:  # serve on with what is known; what was missed is read later
                    loop.call_soon_threadsafe(self.on_error, error)
                    continue
                behind = False
                if notices and not self._deliver(loop, notices):
                    return

    def _unseen(self) -> list[tuple[ChangeKind, str]]:
        query = select(changes.c.id, changes.c.kind, changes.c.subject).where(changes.c.id > self._seen)
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(changes.c.id)).all()
        if rows:
            self._seen = rows[-1].id
        return [(row.kind, row.subject) for row in rows]

    def _deliver(self, loop: asyncio.AbstractEventLoop, notices: list[tuple[ChangeKind, str]]) -> bool:
        """Wait until the listeners have taken them; False when the loop is closed."""
        coroutine = self._tell(notices)
        try:
            asyncio.run_coroutine_threadsafe(coroutine, loop).result()
        except RuntimeError:  # the loop was closed without stop()
            coroutine.close()
            return False
        return True

    async def _tell(self, notices: list[tuple[ChangeKind, str]]) -> None:
        for kind, subject in dict.fromkeys(notices):  # ten notices of one key are one
            for listener in self._listeners:
                try:
                    await listener(kind, subject)
                except Exception as error:  # a listener's fault must not deafen the others
                    self.on_error(error)


@contextmanager
def _watcher(store: Store) -> Iterator[Callable[[], bool]]:
    """A function that tells whether anything may have changed since its last call. SQLite tells for next to
    nothing whether another connection has committed."""
    if not store.is_sqlite:
        yield lambda: True
        return
    version = -1

    def changed() -> bool:
        nonlocal version
        before = version
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        return bool(before != version)

    with closing(sqlite3.connect(str(store.engine.url.database), isolation_level=None)) as connection:
        yield changed
