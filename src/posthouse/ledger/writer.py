"""The one thread per process that writes money. Settlements that are waiting go to disk as one group; whoever
waits is told when the group is durable. Jobs (functions in a transaction) keep their place in the queue.

The loop hands over a group when the thread has none; what comes meanwhile is the next. A hand-over costs two
thread switches and a commit whatever the group's size, so while many calls run it waits for company, as
PostgreSQL's commit_delay and commit_siblings do: GATHER_S, or, up to GATHER_S_MAX, a hundredth of the time
that each of those that wait has taken. A lone call is never kept waiting.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import groupby
from queue import SimpleQueue
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from posthouse.kernel.clock import monotonic_s
from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.outcome import Outcome
from posthouse.ledger.claims import Claim
from posthouse.ledger.owned import Owned
from posthouse.ledger.settlement import AllowanceLost, Charged, GroupSql, Late, Snapshot, settle_one
from posthouse.ledger.wallet import Hold
from posthouse.store.engine import Store
from posthouse.store.errors import StoreDown

PATIENCE_S = 10.0  # how long a write is tried while the store is busy or away, before those who wait are told
BACK_OFF_S = 0.05  # between two tries; doubled each time
BACK_OFF_S_MAX = 1.0
GATHER_S = 0.001  # nothing beside a model's answer; many callers at once fill groups by themselves
GATHER_S_MAX = 0.02  # nothing at the end of a stream of two seconds, and at 400 streams/s eight of them
SIBLINGS_MIN = 5  # so many calls must be running for a settlement to expect company
REFUSED = (AllowanceLost, Late, PosthouseError)  # not the store's fault: trying again gives the same

T = TypeVar("T")


class Settling(Charged, eq=False):
    """A settlement on its way to disk, and who waits for it. Afterwards `outcome` is what is on disk."""

    hold: Hold | None
    report: Callable[[Outcome], object] | None
    future: asyncio.Future[Outcome]
    spent_nanos: int
    gather_s: float
    error: Exception | None = None

    def tell(self) -> bool:
        """On the loop, when it is known whether it is on disk. False: not as the wallet had it."""
        outcome, hold, future = self.outcome, self.hold, self.future
        if self.error is not None:
            if hold is not None:
                hold.settled(self.spent_nanos, 0)
            if not future.done():
                future.set_exception(self.error)
                future.exception()  # the ledger reports it, also where nobody awaits it
            elif self.report is not None:  # who would have told of the call has left
                self.report(replace(outcome, charge_nanos=0))
            return False
        if hold is not None:
            hold.settled(self.spent_nanos, outcome.charge_nanos)
        if self.report is not None:
            self.report(outcome)
        if not future.done():  # its caller may have left
            future.set_result(outcome)
        return outcome.charge_nanos == self.spent_nanos


class Job(Struct, eq=False):
    """A function to run in a transaction of its own, and who waits for its result."""

    function: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    gather_s: float = GATHER_S
    result: Any = None
    error: Exception | None = None

    def tell(self) -> bool:
        """On the loop, when it has ended."""
        if self.future.done():
            pass
        elif self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)
        return True


Write = Settling | Job


class Writer:
    """Start it on the event loop; `put` and `run` are called there too."""

    def __init__(self, store: Store, process_id: str) -> None:
        self._store = store
        self._process_id = process_id
        self._sql = GroupSql(store.engine.dialect, process_id)
        self._queue: SimpleQueue[list[Write] | None] = SimpleQueue()
        self._waiting: list[Write] = []
        self._gather_s = GATHER_S_MAX  # the least that one of them would wait for company
        self._is_busy = False  # a hand-over is arranged, or the thread has a group
        self._handing: asyncio.TimerHandle | None = None  # the hand-over that waits for company
        self.running: Callable[[], int] = lambda: 0  # calls that may settle soon
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        # Told, on the loop, of accounts whose wallets may differ from the store, and of what was not written.
        self.on_lost: Callable[[set[str]], None] = lambda account_ids: None
        self.on_error: Callable[[Exception], None] = lambda error: None
        dbapi: Any = store.engine.dialect.loaded_dbapi
        self._transient: tuple[type[Exception], ...] = (
            dbapi.OperationalError,
            dbapi.InterfaceError,
            StoreDown,
        )

    def start(self) -> None:
        """Begin to write, for the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Write all that is queued, then end."""
        self._queue.put(self._waiting)
        self._queue.put(None)
        self._waiting = []
        await asyncio.to_thread(self._thread.join)

    def settle(
        self,
        outcome: Outcome,
        snapshot: Snapshot | None,
        claim: Claim | None,
        hold: Hold | None,
        made: Owned | None,
        report: Callable[[Outcome], object] | None,
    ) -> "asyncio.Future[Outcome]":
        """Queue a settlement. The future has the outcome as written, or StoreDown when it is not on disk."""
        assert self._loop is not None, "the writer is started first"
        future: asyncio.Future[Outcome] = self._loop.create_future()
        gather_s = outcome.duration_ms / 100_000
        gather_s = GATHER_S if gather_s <= GATHER_S else min(gather_s, GATHER_S_MAX)
        spent_nanos = outcome.charge_nanos
        self._put(Settling(outcome, snapshot, claim, made, hold, report, future, spent_nanos, gather_s))
        return future

    def run(self, function: Callable[[Connection], T]) -> "asyncio.Future[T]":
        """Queue a function to run in a transaction of its own. It may be called again when the store breaks
        off. The future has its result, its exception, or StoreDown."""
        assert self._loop is not None, "the writer is started first"
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(Job(function, future))
        return future

    def _put(self, write: Write) -> None:
        self._waiting.append(write)
        is_sooner = write.gather_s < self._gather_s
        if is_sooner:
            self._gather_s = write.gather_s
        if not self._is_busy:
            self._arrange()
        elif is_sooner and self._handing is not None:
            self._handing.cancel()
            self._arrange()

    def _arrange(self) -> None:
        """Have what is waiting handed over."""
        assert self._loop is not None, "the writer is started first"
        self._is_busy = bool(self._waiting)
        if self._is_busy and self.running() >= SIBLINGS_MIN:
            self._handing = self._loop.call_later(self._gather_s, self._hand_over)
        elif self._is_busy:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        writes, self._waiting = self._waiting, []
        self._handing, self._gather_s = None, GATHER_S_MAX
        self._queue.put(writes)

    def _work(self) -> None:
        while (writes := self._queue.get()) is not None:
            for grouped, group in groupby(writes, self._is_grouped):
                self._write(list(group), grouped)
            self._on_loop(partial(self._written, writes))
        self._drop()

    def _written(self, writes: list[Write]) -> None:
        self._tell_all(writes)
        self._arrange()

    def _is_grouped(self, write: Write) -> bool:
        """Settlements go to disk together; by itself goes a job, a settlement that ends a claim, and one
        whose record may be late for the sums."""
        return isinstance(write, Settling) and write.claim is None and not self._sql.is_late(write.outcome)

    def _write(self, group: list[Write], grouped: bool) -> None:
        """Write them together where that goes, else one by one."""
        give_up_s = monotonic_s() + PATIENCE_S
        if not grouped or not self._written_together(group, give_up_s):
            for write in group:
                write.error = self._patiently(self._write_one, write, give_up_s)

    def _written_together(self, group: list[Write], give_up_s: float) -> bool:
        charged = [write for write in group if isinstance(write, Settling)]
        error = self._patiently(self._write_group, charged, give_up_s)
        if isinstance(error, AllowanceLost):
            self._on_loop(partial(self.on_lost, {one.outcome.account_id for one in charged}))
        return error is None

    def _patiently(self, step: Callable[[T], None], argument: T, give_up_s: float) -> Exception | None:
        """Try until it is done, refused, or patience ends; returns why it is not done."""
        back_off_s = BACK_OFF_S
        while True:
            try:
                step(argument)
                return None
            except Exception as error:  # whatever it is, those who wait must be told
                self._drop()
                if isinstance(error, AllowanceLost | Late | PosthouseError) and not isinstance(
                    error, StoreDown
                ):
                    return error
                cause = error.orig if isinstance(error, DBAPIError) else error
                if not isinstance(cause, self._transient) or monotonic_s() >= give_up_s:
                    return StoreDown(f"not written: {type(cause).__name__}: {cause}")
            time.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, BACK_OFF_S_MAX)

    def _write_group(self, group: list[Settling]) -> None:
        self._sql.write(self._connect().connection.driver_connection, group)

    def _write_one(self, write: Write) -> None:
        connection = self._connect()
        with connection.begin():
            if isinstance(write, Settling):
                write.outcome = settle_one(connection, self._process_id, write)
            else:
                write.result = write.function(connection)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._store.engine.connect()
        return self._connection

    def _drop(self) -> None:
        """Close the connection, whatever state it is in; the next write opens a fresh one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()

    def _on_loop(self, function: Callable[[], None]) -> None:
        assert self._loop is not None, "the writer is started first"
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed: nobody waits any more, and what was written stays written
            return

    def _tell_all(self, group: list[Write]) -> None:
        for write in group:
            if not write.tell() and isinstance(write, Settling) and write.hold is not None:
                self.on_lost({write.outcome.account_id})
                if write.error is not None:
                    self.on_error(write.error)
