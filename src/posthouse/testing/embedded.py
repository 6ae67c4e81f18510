"""A relay within the test's own process: the whole of it behind a real socket, in a thread with a loop of its
own, so that a test can look at what a call left behind.

with ScriptedUpstream() as upstream, EmbeddedRelay(tmp_path, upstream.base_url) as relay:
    key = relay.member("ada@example.org", credit="10")
    ...                                      # call relay.base_url
    relay.check_nothing_left()
    assert [outcome.ending for outcome in relay.outcomes] == ...
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import uvicorn
import uvloop

from posthouse.bootstrap import App, running
from posthouse.kernel.outcome import Outcome
from posthouse.kernel.settings import Settings
from posthouse.testing.operated import MINIMAL, Operated
from posthouse.testing.threaded import STOP_TIMEOUT_S, Threaded
from posthouse.testing.waiting import eventually, until

T = TypeVar("T")
GRACEFUL_STOP_S = 1
logger = logging.getLogger(__name__)
# What calls move while they run, and nothing else does.
GAUGES = ("requests_running", "connections", "held_nanos", "request_bodies_bytes", "upstream_exchanges")


class EmbeddedRelay(Threaded, Operated):
    """`settings` besides where its data is. `outcomes` has every one that the relay reported, in order."""

    loop_factory = staticmethod(uvloop.new_event_loop)

    def __init__(
        self,
        directory: Path,
        upstream_url: str,
        configuration: str = MINIMAL,
        *,
        upstream_key: str = "sk-upstream-credential",
        database: str = "",
        **settings: Any,
    ) -> None:
        super().__init__(directory, upstream_url, configuration, upstream_key=upstream_key, database=database)
        logger.setLevel(logging.INFO)
        self.outcomes: list[Outcome] = []
        self.complaints: list[dict[str, Any]] = []  # of the loop: exceptions that nobody looked at
        self._settings = Settings(data=self.data, host="127.0.0.1", database=database, **settings)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """AssertionError where a task outlived the relay, or the loop complained."""
        with contextlib.closing(self.store):
            super().__exit__(kind, error, traceback)
        gc.collect()  # an exception that nobody looked at is told of when its future is collected
        assert kind is not None or self.complaints == []

    def leftovers(self) -> dict[str, Any]:
        """What calls took and have not given back: gauges that are not at zero, places in limits, channels
        and credentials, connections that are neither closed nor idle in the pool, and tasks. Empty when all
        is as before any call."""
        return self.run(self._leftovers)

    def check_nothing_left(self) -> None:
        """AssertionError with what is left, where it does not go away by itself."""
        eventually(self.leftovers, lambda left: not left)

    def run(self, job: Callable[[], Awaitable[T]]) -> T:
        """What it returns, run on the relay's own loop."""
        return asyncio.run_coroutine_threadsafe(_awaited(job), self._loop).result(STOP_TIMEOUT_S)

    async def _leftovers(self) -> dict[str, Any]:
        gauges = self.app.observer.gauges
        found: dict[str, Any] = {name: gauges[f"posthouse_{name}"][1]() for name in GAUGES}
        relay = self.app.relay
        tables = relay._limiter._tables.values()  # type: ignore[attr-defined]  # nothing else needs the sum
        found["limits"] = sum(counter.running for table in tables for counter in table.values())
        forwarder = relay._forwarder
        standings = forwarder._router._health.standings(self._loop.time())
        found["channels"] = sum(one.in_flight for one in standings)
        pools = [pool.standings(self._loop.time()) for pool in self.app.market.pools.values()]
        found["credentials"] = sum(one.in_flight for pool in pools for one in pool)
        origins = forwarder._client._origins.values()
        found["sockets"] = sum(one.open_count - len(one.idle) + one.opening_count for one in origins)
        tasks = asyncio.all_tasks() - self._own_tasks - {asyncio.current_task()}
        found["tasks"] = [repr(task) for task in tasks]
        return {name: value for name, value in found.items() if value}

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        self._loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        async with running(self._settings) as self.app:
            self._listen_in()
            async with _listening(self.app) as self.port:
                await asyncio.sleep(0)
                self._own_tasks = asyncio.all_tasks()
                yield
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    def _listen_in(self) -> None:
        """Note every Outcome on its way to the log and the metrics. Log lines go where pytest shows them with
        a test that fails: what a thread writes to standard error between two tests reaches the terminal."""
        observer = self.app.observer
        report = observer.finished
        observer._write = lambda lines: logger.info(lines.decode())

        def finished(outcome: Outcome) -> None:
            self.outcomes.append(outcome)
            report(outcome)

        observer.finished = finished


async def _awaited(job: Callable[[], Awaitable[T]]) -> T:
    return await job()


@asynccontextmanager
async def _listening(app: App) -> AsyncIterator[int]:
    """Serve as server.runner does, but for what it does to a whole process. Yields the port."""
    config = uvicorn.Config(
        app.asgi,
        http=app.lane.protocol,  # type: ignore[arg-type]  # uvicorn only calls it to make a protocol
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(app.settings.keep_alive_s),
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
    )
    sweeping = asyncio.create_task(app.lane.sweep())
    try:
        async with listening(config) as port:
            yield port
    finally:
        sweeping.cancel()
        app.lane.cut()


@asynccontextmanager
async def listening(config: uvicorn.Config) -> AsyncIterator[int]:
    """Serve on a port that is free. Yields the port."""
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        await until(lambda: server.started)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving
