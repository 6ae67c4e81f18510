"""What serves tests from a thread with a loop of its own."""

import asyncio
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self

from posthouse.testing.http1 import Handler, Server

START_TIMEOUT_S = STOP_TIMEOUT_S = 60.0  # a loop starts in milliseconds; past this the machine is in trouble


class Threaded(ABC):
    """A context manager, for plain and async tests. What fails in its thread is raised in theirs."""

    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    port: int

    def __enter__(self) -> Self:
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        assert self._ready.wait(START_TIMEOUT_S), f"{self._thread.name} did not start"
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(STOP_TIMEOUT_S)
        if kind is not None:
            return
        assert not self._thread.is_alive(), f"{self._thread.name} did not stop"
        if self._failure is not None:
            raise self._failure

    @property
    def address(self) -> str:
        """e.g. 127.0.0.1:40001"""
        return f"127.0.0.1:{self.port}"

    @abstractmethod
    def _serving(self) -> AbstractAsyncContextManager[None]:
        """Serves while it is open, on `port`. Runs on the loop."""

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self.loop_factory) as runner:
                runner.run(self._until_stopped())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _until_stopped(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        async with self._serving():
            self._ready.set()
            await self._stopped.wait()


class ThreadedServer(Threaded):
    """An HTTP server on loopback whose requests `handler` answers, over TLS with a context for that."""

    def __init__(self, handler: Handler, ssl_context: ssl.SSLContext | None = None) -> None:
        self._server = Server(handler)
        self._ssl_context = ssl_context

    @property
    def origin(self) -> str:
        return f"{'https' if self._ssl_context else 'http'}://{self.address}"

    @property
    def base_url(self) -> str:
        """What a client is given: the origin and /v1."""
        return self.origin + "/v1"

    @property
    def connections_open(self) -> int:
        return len(self._server.connections)

    @property
    def connections_made(self) -> int:
        return self._server.connections_made

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        async with self._server.serving(ssl_context=self._ssl_context) as self.port:
            yield
