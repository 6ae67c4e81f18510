"""The least that a relay in Python does: uvloop and httptools on both sides, callbacks only, the body passed
on as it came. It knows no keys, limits, prices or records, and no deadlines or errors either: a floor to hold
the relay against, not a relay.

    python -m bench.bare PORT UPSTREAM_PORT
"""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

_PASSED = (b"content-type", b"content-length", b"transfer-encoding", b"x-request-id")


class Upstream(asyncio.Protocol):
    """One kept-alive connection: sends one caller's request, passes its answer on, waits for the next."""

    def __init__(self, caller: "Caller") -> None:
        self._caller = caller
        self._parser = httptools.HttpResponseParser(self)
        self._head: list[bytes] = []
        self._chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.send(self._caller)

    def send(self, caller: "Caller") -> None:
        self._caller = caller
        self._transport.write(caller.request())

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _PASSED:
            self._head.append(b"%b: %b\r\n" % (name, value))

    def on_headers_complete(self) -> None:
        self._chunked = b"transfer-encoding: chunked\r\n" in self._head
        status = self._parser.get_status_code()
        self._caller.write(b"HTTP/1.1 %d OK\r\n%b\r\n" % (status, b"".join(self._head)))
        self._head.clear()

    def on_body(self, data: bytes) -> None:
        self._caller.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def on_message_complete(self) -> None:
        if self._chunked:
            self._caller.write(b"0\r\n\r\n")
        self._caller.idle.append(self)


class Caller(asyncio.Protocol):
    """One caller's connection: reads a request, has it answered, reads the next."""

    def __init__(self, upstream_port: int, idle: list[Upstream]) -> None:
        self.idle = idle
        self._upstream_port = upstream_port
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._url = self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        if self.idle:
            self.idle.pop().send(self)
            return
        loop = asyncio.get_running_loop()
        opening = loop.create_connection(lambda: Upstream(self), "127.0.0.1", self._upstream_port)
        self._opening = loop.create_task(opening)

    def request(self) -> bytes:
        """What the upstream is asked."""
        head = b"host: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(
            self._body
        )
        return b"POST %b HTTP/1.1\r\n%b\r\n%b" % (self._url, head, self._body)


async def serve(port: int, upstream_port: int) -> None:
    """Serve until the process is ended. Connections that the upstream has closed are not noticed."""
    loop, idle = asyncio.get_running_loop(), []
    server = await loop.create_server(lambda: Caller(upstream_port, idle), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
