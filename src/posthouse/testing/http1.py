"""A small HTTP/1.1 server for our stand-ins of a provider: it reads requests strictly, keeps what it read as
it came, and leaves every byte of the answer to its handler, so that one can answer wrongly on purpose."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import msgspec

HEAD_BYTES_MAX = 64 * 1024  # far above what a client sends; a runaway test ends here
BODY_BYTES_MAX = 256 * 1024 * 1024  # room for the "100 MB body" tests with headroom


class BadRequest(Exception):
    """What came is no HTTP/1.1 request that this server reads."""


class Head(msgspec.Struct, frozen=True):
    """The head of one request. `headers` keeps order, spelling and duplicates; `raw` is every byte of it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name in any spelling, None when it is absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def path(self) -> str:
        """The target without its query, also of the absolute form that a forward proxy is asked for."""
        path = self.target.partition("?")[0]
        return "/" + path.split("/", 3)[3] if "://" in path else path


Handler = Callable[["Connection", Head], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One client connection. The handler is called for each request head, one after another; it reads the
    body with `read_body`, answers with `write`, and ends the connection with `close`, if at all."""

    def __init__(self, handler: Handler, number: int, connections: "set[Connection]") -> None:
        self.number = number
        self.gone = asyncio.Event()  # the client closed its side, or the connection broke
        self._handler = handler
        self._connections = connections
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.add(self)
        self.task = asyncio.ensure_future(self._serve())
        self.task.add_done_callback(lambda _: self._transport.close())  # also when it never got to begin

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()

    def eof_received(self) -> None:
        self.gone.set()
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self.gone.set()
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Send, and wait while the client does not read; ConnectionResetError once it is gone."""
        await self._writable.wait()
        if self.gone.is_set() or self._transport.is_closing():
            raise ConnectionResetError("the client has left")
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the operating system has taken so much that writing may go on."""
        await self._writable.wait()

    def close(self, *, reset: bool = False) -> None:
        """End the connection after what was written: with FIN, or at once with RST."""
        if not reset:
            self._transport.close()
            return
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def read_body(self, head: Head) -> bytes:
        """The whole body, chunks joined. Says 100 Continue first where the client waits for it."""
        if (head.header("expect") or "").lower() == "100-continue":
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length, coding = head.header("content-length"), head.header("transfer-encoding")
        if coding is None:
            return await self._take(int(length or 0))
        if coding.lower() != "chunked" or length is not None:
            raise BadRequest("a body is either chunked or has a content-length")
        body = bytearray()
        while size := int(await self._take_line(), 16):
            body += await self._take(size)
            await self._take_line()
        while await self._take_line():
            pass  # trailers
        return bytes(body)

    async def read_some(self) -> bytes:
        """What has come and was not read yet, b"" once the client has closed: for a tunnel."""
        while not self._buffer:
            if self.gone.is_set():
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        taken = bytes(self._buffer)
        self._buffer.clear()
        return taken

    async def _serve(self) -> None:
        try:
            while (head := await self._read_head()) is not None:
                await self._handler(self, head)
                if self._transport.is_closing():
                    return
        except (ConnectionError, BadRequest, ValueError):
            pass  # a client that left or talks nonsense gets a closed connection; tests see it there

    async def _read_head(self) -> Head | None:
        """The next request's head; None when the client closed between two requests."""
        while not self._buffer:
            if self.gone.is_set():
                return None
            await self._more()
        raw = await self._take_until(b"\r\n\r\n", HEAD_BYTES_MAX)
        request_line, *lines = raw[:-4].decode("latin-1").split("\r\n")
        method, target, version = request_line.split(" ")
        if version != "HTTP/1.1":
            raise BadRequest(version)
        fields = [line.partition(":") for line in lines]
        return Head(method, target, tuple((name, value.strip(" \t")) for name, _, value in fields), raw)

    async def _take_line(self) -> bytes:
        return (await self._take_until(b"\r\n", HEAD_BYTES_MAX))[:-2]

    async def _take_until(self, end: bytes, bytes_max: int) -> bytes:
        while (at := self._buffer.find(end)) < 0:
            if len(self._buffer) > bytes_max:
                raise BadRequest("the head has no end")
            await self._more()
        return await self._take(at + len(end))

    async def _take(self, size: int) -> bytes:
        if size > BODY_BYTES_MAX:
            raise BadRequest(f"a body of {size} bytes")
        while len(self._buffer) < size:
            await self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _more(self) -> None:
        if self.gone.is_set():
            raise ConnectionResetError("the client left within a request")
        self._arrived.clear()
        await self._arrived.wait()


class Server:
    """Listens on one address and serves each connection with `handler`. `close` ends all of them at once."""

    def __init__(self, handler: Handler) -> None:
        self.connections: set[Connection] = set()
        self.connections_made = 0
        self._handler = handler

    async def start(self, host: str, port: int, ssl_context: ssl.SSLContext | None = None) -> int:
        """Listen; port 0 takes a free one. Returns the port."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._connect, host, port, ssl=ssl_context, backlog=4096)
        return int(self._listener.sockets[0].getsockname()[1])

    @asynccontextmanager
    async def serving(
        self, host: str = "127.0.0.1", ssl_context: ssl.SSLContext | None = None
    ) -> AsyncIterator[int]:
        """Listens while it is open. Yields the port."""
        port = await self.start(host, 0, ssl_context)
        try:
            yield port
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop listening, break what is open, and wait for the handlers to end."""
        loop = asyncio.get_running_loop()
        for listening in self._listener.sockets:
            loop.remove_reader(listening.fileno())
        for _ in range(3):
            # What was accepted by now becomes a connection within three turns; asyncio loses it where the
            # listener is closed before that.
            await asyncio.sleep(0)
        self._listener.close()
        tasks = [connection.task for connection in self.connections]
        for connection in list(self.connections):
            connection.close(reset=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _connect(self) -> Connection:
        self.connections_made += 1
        return Connection(self._handler, self.connections_made, self.connections)
