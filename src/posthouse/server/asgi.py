"""The ASGI app: the relay's other door, for any ASGI server, and the door of the console.

In our own server it answers what the lane hands on; the relay's paths reach it there when a connection first
asked for another path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from posthouse.api.visit import VISIT, Visit
from posthouse.kernel.clock import monotonic_s, now_ms
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.ids import new_request_id
from posthouse.kernel.settings import Settings
from posthouse.relay.pipeline import Relay
from posthouse.relay.values import Flow, RelayRequest
from posthouse.server.addresses import Addresses
from posthouse.server.console import Console, path_on_wire
from posthouse.wire.chunks import data_of_chunk
from posthouse.wire.headers import header_pairs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

API_PATHS = "/api/"
# What may wait for a slow caller before the upstream is told to pause.
QUEUED_BYTES_MAX = 64 * 1024


class AsgiApp:
    """`is_relay_path` tells the relay's paths from the API's and the console's. `api` makes the REST API when
    it is first asked for."""

    def __init__(
        self,
        relay: Relay,
        settings: Settings,
        addresses: Addresses,
        is_relay_path: Callable[[str], bool],
        api: Asgi,
    ) -> None:
        self._relay = relay
        self._settings = settings
        self._addresses = addresses
        self._is_relay_path = is_relay_path
        self._api = api
        self._console = Console()
        self.body_bytes = 0  # of all requests in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = path_on_wire(scope)
        if self._is_relay_path(path):
            await self._relay_call(scope, path, receive, send)
        elif path.startswith(API_PATHS):
            scope[VISIT] = self._visit(scope)
            await self._api(scope, receive, send)
        else:
            await self._console(scope, send)

    def _visit(self, scope: Scope) -> Visit:
        headers = _joined(scope)
        peer = (scope.get("client") or ("",))[0]
        address = self._addresses.caller(peer, headers.get(b"x-forwarded-for", b""))
        is_secure = self._addresses.is_secure(peer, scope["scheme"], headers.get(b"x-forwarded-proto", b""))
        return Visit(address, self._addresses.hashed(address), is_secure)

    async def _relay_call(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        headers = _joined(scope)
        peer = (scope.get("client") or ("",))[0]
        address = self._addresses.caller(peer, headers.get(b"x-forwarded-for", b""))
        request = RelayRequest(
            new_request_id(),
            scope["method"],
            path,
            scope["query_string"].decode("latin-1"),
            headers,
            address,
            self._addresses.hashed(address),
            now_ms(),
            monotonic_s(),
        )
        door = AsgiDoor(self, receive, send, self._settings)
        try:
            await door.run(asyncio.create_task(self._relay.handle(request, door)))
        finally:
            self.body_bytes -= door.body_bytes


def _joined(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers by name; what came twice in one."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


class AsgiDoor:
    """relay.values.Door over ASGI: what the pipeline writes synchronously waits in a queue that `run`
    sends."""

    def __init__(self, app: AsgiApp, receive: Receive, send: Send, settings: Settings) -> None:
        self._app = app
        self._receive = receive
        self._send = send
        self._settings = settings
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._queued_bytes = 0
        self._flow: Flow | None = None
        self._paused = False
        self._aborted = False
        self._task: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.body_bytes = 0
        self.is_open = False

    async def read_body(self) -> bytes:
        pieces: list[bytes] = []
        more = True
        while more:
            message = await self._receive_piece()
            pieces.append(message.get("body", b""))
            self._count(len(pieces[-1]))
            more = message.get("more_body", False)
        self._watch_caller()
        return b"".join(pieces)

    async def _receive_piece(self) -> Message:
        seconds = self._settings.body_timeout_s
        try:
            message = await asyncio.wait_for(self._receive(), seconds)
        except TimeoutError:
            raise Refusal(RelayCode.EMPTY_REQUEST, "body_too_slow", seconds=f"{seconds:g}") from None
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        return message

    def _count(self, size: int) -> None:
        """Raises Refusal when this body, or all bodies together, are too large."""
        settings, app = self._settings, self._app
        self.body_bytes += size
        app.body_bytes += size
        if self.body_bytes > settings.body_bytes_max:
            limit_mb = settings.body_bytes_max // (1024 * 1024)
            raise Refusal(RelayCode.REQUEST_TOO_LARGE, limit_mb=limit_mb)
        if app.body_bytes > settings.bodies_bytes_max:
            raise Refusal(RelayCode.OVERLOADED, "uploads", retry_after_s=1)

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        length = b"" if status == HTTPStatus.NO_CONTENT else b"content-length: %d\r\n" % len(body)
        self._start(status, headers + length)
        self._put({"type": "http.response.body", "body": body})
        self._queue.put_nowait(None)

    def begin(self, status: int, headers: bytes, flow: Flow) -> None:
        self._flow = flow
        self._start(status, headers)

    def write(self, data: bytes) -> None:
        if data:
            self._put({"type": "http.response.body", "body": data, "more_body": True})

    def write_chunk(self, chunk: bytes) -> None:
        self.write(data_of_chunk(chunk))

    def end(self, data: bytes) -> None:
        self._put({"type": "http.response.body", "body": data})
        self._queue.put_nowait(None)

    def abort(self, data: bytes) -> None:
        self.write(data)
        self._aborted = True
        self._queue.put_nowait(None)

    async def run(self, task: asyncio.Task[None]) -> None:
        """Send what is written until the answer ends; cancel the pipeline when the caller goes. Raises
        ConnectionAbortedError for an aborted answer, which makes the server cut the connection."""
        self._task = task
        try:
            while (message := await self._next(task)) is not None:
                self._watch_caller()  # what is left of the body by now, nobody wants any more
                await self._send(message)
                self._on_sent(len(message.get("body", b"")))
        except OSError:
            self._caller_left(task)
        except asyncio.CancelledError:
            task.cancel()  # the server stops
            raise
        finally:
            if self._watcher is not None:
                self._watcher.cancel()
            await asyncio.wait((task,))
        if self._aborted:
            raise ConnectionAbortedError("the upstream broke off")

    async def _next(self, task: asyncio.Task[None]) -> Message | None:
        """The next message to send; None at the answer's end or when the pipeline ended without one."""
        getter = asyncio.ensure_future(self._queue.get())
        await asyncio.wait((getter, task), return_when=asyncio.FIRST_COMPLETED)
        if getter.done() or not self._queue.empty():
            return await getter
        getter.cancel()
        return None

    def _watch_caller(self) -> None:
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self._caller_left(self._task)

    def _caller_left(self, task: asyncio.Task[None]) -> None:
        if self._flow is not None:
            self._flow.detach()
        task.cancel()

    def _start(self, status: int, headers: bytes) -> None:
        self.is_open = True
        self._put({"type": "http.response.start", "status": status, "headers": header_pairs(headers)})

    def _put(self, message: Message) -> None:
        self._queued_bytes += len(message.get("body", b""))
        self._queue.put_nowait(message)
        if self._flow is not None and not self._paused and self._queued_bytes > QUEUED_BYTES_MAX:
            self._paused = True
            self._flow.pause()

    def _on_sent(self, size: int) -> None:
        self._queued_bytes -= size
        if self._flow is not None and self._paused and self._queued_bytes <= QUEUED_BYTES_MAX:
            self._paused = False
            self._flow.resume()
