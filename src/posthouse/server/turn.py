"""One request on one of the lane's connections, and the way back: what the pipeline knows as its Door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec import Struct

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.relay.values import Flow, RelayRequest
from posthouse.wire.chunks import LAST_CHUNK, data_of_chunk, framed

if TYPE_CHECKING:
    from posthouse.kernel.settings import Settings
    from posthouse.server.lane import Lane, RelayProtocol

_NO_CONTENT = 204
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, 'Status')}\r\n".encode() for status in range(200, 600)
}


class Turn(Struct, eq=False):
    """One request on a connection, and the way back: implements relay.values.Door."""

    protocol: RelayProtocol
    lane: Lane
    request: RelayRequest
    keep_alive: bool
    version_1_1: bool
    expects_continue: bool
    refusal: Refusal | None = None
    body: bytes | list[bytes] = b""  # one piece, as nearly always, or many
    body_bytes: int = 0
    body_complete: bool = False
    body_wanted: asyncio.Future[None] | None = None
    flow: Flow | None = None
    is_open: bool = False

    @property
    def is_plain(self) -> bool:
        """Nothing but its body is to come, and another request may follow."""
        return self.keep_alive and not self.expects_continue and b"upgrade" not in self.request.headers

    # -- the request's body ------------------------------------------------------------------------------

    async def read_body(self) -> bytes:
        if not self.body_complete and self.refusal is None:
            self.body_wanted = self.protocol.loop.create_future()
            self.protocol.want_body(self)
            try:
                await self.body_wanted
            finally:
                self.body_wanted = None
        if self.refusal is not None:
            raise self.refusal
        body = self.body
        return b"".join(body) if isinstance(body, list) else body

    def add_body(self, piece: bytes) -> None:
        if self.refusal is not None:
            return
        self.body_bytes += len(piece)
        self.lane.body_bytes += len(piece)
        settings = self.lane.settings
        if self.body_bytes > settings.body_bytes_max:
            self.refuse(too_large(settings))
        elif self.lane.body_bytes > settings.bodies_bytes_max:
            self.refuse(Refusal(RelayCode.OVERLOADED, "uploads", retry_after_s=1))
        elif isinstance(self.body, list):
            self.body.append(piece)
        else:
            self.body = [self.body, piece] if self.body else piece

    def refuse(self, refusal: Refusal) -> None:
        """The body will not be had: `read_body` raises this."""
        self.refusal = refusal
        self.body = b""
        self._wake()

    def complete_body(self) -> None:
        self.body_complete = True
        self._wake()

    def _wake(self) -> None:
        if self.body_wanted is not None and not self.body_wanted.done():
            self.body_wanted.set_result(None)

    # -- the answer --------------------------------------------------------------------------------------

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        framing = b"\r\n" if status == _NO_CONTENT else b"content-length: %d\r\n\r\n" % len(body)
        if self.request.method == "HEAD":
            body = b""
        protocol = self.protocol
        if len(body) < 65536:
            protocol.write(self._head(status, headers, framing, body))
        else:  # not copied for its head
            protocol.write(self._head(status, headers, framing))
            protocol.write(body)
        protocol.on_answered(self)

    def begin(self, status: int, headers: bytes, flow: Flow) -> None:
        self.flow = flow
        if self.version_1_1:
            self.protocol.write(self._head(status, headers, b"transfer-encoding: chunked\r\n\r\n"))
        else:
            self.keep_alive = False  # HTTP/1.0 knows no chunks: the end of the connection ends the answer
            self.protocol.write(self._head(status, headers, b"\r\n"))
        if self.protocol.is_stalled:  # the caller has not read the answer before this one
            flow.pause()

    def write(self, data: bytes) -> None:
        transport = self.protocol.transport
        if data and transport is not None:
            transport.write(framed(data) if self.version_1_1 else data)

    @property
    def write_chunk(self) -> Callable[[bytes], object]:
        transport = self.protocol.transport
        if transport is not None and self.version_1_1:
            return transport.write
        return lambda chunk: self.write(data_of_chunk(chunk))

    def end(self, data: bytes) -> None:
        if not self.version_1_1:
            self.protocol.write(data)
        elif data:
            self.protocol.write(framed(data) + LAST_CHUNK)
        else:
            self.protocol.write(LAST_CHUNK)
        self.protocol.on_answered(self)

    def abort(self, data: bytes) -> None:
        self.write(data)
        self.keep_alive = False
        self.protocol.on_answered(self)

    def _head(self, status: int, headers: bytes, framing: bytes, body: bytes = b"") -> bytes:
        """The answer's head, of which `framing` is the last line with its end, and behind it a body."""
        if not self.body_complete:
            self.keep_alive = False
        self.is_open = True
        lane, server_state = self.lane, self.protocol.server_state
        connection = b"" if self.keep_alive else b"connection: close\r\n"
        date = lane.default_headers(server_state.default_headers)
        return b"".join((STATUS_LINES[status], date, headers, connection, framing, body))


def too_large(settings: Settings) -> Refusal:
    return Refusal(RelayCode.REQUEST_TOO_LARGE, limit_mb=settings.body_bytes_max // (1024 * 1024))
