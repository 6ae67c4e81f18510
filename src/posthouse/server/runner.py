"""Runs the server: uvicorn on uvloop with the lane as its protocol, metrics on their own port."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable

import uvicorn
import uvloop

from posthouse.bootstrap import App, running
from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.settings import Settings
from posthouse.observe.log import configure
from posthouse.observe.observer import serve_metrics

# Connections waiting to be accepted: what a burst of clients opens at once.
BACKLOG = 2048
# Garbage collection looks at young objects after so many, not 700: a call makes dozens that die by count
# alone.
GC_THRESHOLD = 50_000


class CannotListen(PosthouseError):
    """The address is taken or not ours."""


OnReady = Callable[[App], Awaitable[None]]


def serve(settings: Settings, on_ready: OnReady) -> None:
    """Serve until SIGINT or SIGTERM; running calls get `graceful_stop_s` to end. `on_ready` is awaited once
    the sockets listen. Raises CannotListen and what bootstrap.running raises."""
    configure(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, on_ready))


async def _serve(settings: Settings, on_ready: OnReady) -> None:
    sockets = [_listen(settings.host, settings.port)]
    try:
        async with running(settings) as app:
            stop_metrics = _start_metrics(app, settings)
            try:
                await _run_uvicorn(app, settings, sockets, on_ready)
            finally:
                stop_metrics()
    finally:
        for listener in sockets:
            listener.close()


async def _run_uvicorn(app: App, settings: Settings, sockets: list[socket.socket], on_ready: OnReady) -> None:
    config = uvicorn.Config(
        app.asgi,
        http=app.lane.protocol,  # type: ignore[arg-type]  # uvicorn only calls it to make a protocol
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to believe is Addresses' to decide
        backlog=BACKLOG,
        timeout_keep_alive=int(settings.keep_alive_s),
        timeout_graceful_shutdown=int(settings.graceful_stop_s),
    )
    server = _Server(config, app, on_ready)
    sweeping = asyncio.create_task(app.lane.sweep())
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)
    try:
        await server.serve(sockets)
    finally:
        sweeping.cancel()
        app.lane.cut()  # whom the graceful stop did not see end


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: App, on_ready: OnReady) -> None:
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self._on_ready(self._app)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.is_stopping = True
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, before anything else is begun: a taken port should cost nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --host and --port"
        ) from None
    return listener


def _start_metrics(app: App, settings: Settings) -> Callable[[], None]:
    try:
        return serve_metrics(app.observer, settings.ops_host, settings.ops_port)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {settings.ops_host}:{settings.ops_port} for metrics: {error.strerror}; "
            "choose another with --ops-port"
        ) from None
