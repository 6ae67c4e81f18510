"""A small real HTTP proxy on loopback: CONNECT and the absolute form, Basic authentication, and wrong on
purpose where its `says` has it so. It keeps every head that it was sent.

    with ScriptedProxy(credential="user:password") as proxy:
        ...                                      # call through f"http://user:password@{proxy.address}"
        assert proxy.heads[0].method == "CONNECT"
"""

import asyncio
import base64
import contextlib
import re
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from posthouse.testing.http1 import Connection, Head, Server

READY_TIMEOUT_S = 10.0  # a loop starts in milliseconds; past this the machine is in trouble

_REFUSED = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'proxy-authenticate: Basic realm="proxy"\r\ncontent-length: 0\r\n\r\n'
)
_NOWHERE = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
_CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Meant for the proxy alone (RFC 9110, 7.6.1).
_HOP_BY_HOP = frozenset(("proxy-authorization", "proxy-connection", "connection", "keep-alive"))


class ScriptedProxy:
    """The proxy, in a thread with a loop of its own. `credential`: "user:password" that it asks for. `says`:
    these bytes instead of its answer to any request; after them it is silent, or closes where `closes`."""

    def __init__(self, *, credential: str = "", says: bytes | None = None, closes: bool = False) -> None:
        self.heads: list[Head] = []
        self._expected = "Basic " + base64.b64encode(credential.encode()).decode() if credential else None
        self._says = says
        self._closes = closes
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(READY_TIMEOUT_S):
            raise TimeoutError("the scripted proxy did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(READY_TIMEOUT_S)

    @property
    def address(self) -> str:
        """e.g. 127.0.0.1:40001; a URL is made of it with the user and password that the test wants."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def connections_open(self) -> int:
        return len(self._server.connections)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._server = Server(self._serve)
        self.port = await self._server.start("127.0.0.1", 0)
        self._ready.set()
        await self._stopped.wait()
        await self._server.close()

    async def _serve(self, connection: Connection, head: Head) -> None:
        self.heads.append(head)
        if self._says is not None:
            await connection.write(self._says)
            if self._closes:
                connection.close()
            await connection.gone.wait()
        elif self._expected is not None and head.header("proxy-authorization") != self._expected:
            await connection.read_body(head)
            await connection.write(_REFUSED)
        elif head.method == "CONNECT":
            await self._tunnel(connection, *urlsplit(f"//{head.target}").netloc.rsplit(":", 1))
        else:
            await self._forward(connection, head)

    async def _tunnel(self, connection: Connection, host: str, port: str) -> None:
        """Carry bytes both ways until either side closes."""
        try:
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except OSError:
            await connection.write(_NOWHERE)
            return
        outward = asyncio.ensure_future(self._carry_out(connection, writer))
        try:
            await connection.write(_CONNECTED)
            while data := await reader.read(65536):
                await connection.write(data)
        finally:
            outward.cancel()
            writer.close()
            connection.close()

    async def _carry_out(self, connection: Connection, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await connection.read_some():
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _forward(self, connection: Connection, head: Head) -> None:
        """One request in the absolute form, to its origin over a connection of its own. Its answer needs a
        content-length."""
        url = urlsplit(head.target)
        body = await connection.read_body(head)
        try:
            reader, writer = await asyncio.open_connection(url.hostname, url.port or 80)
        except OSError:
            await connection.write(_NOWHERE)
            return
        lines = [f"{name}: {value}" for name, value in head.headers if name.lower() not in _HOP_BY_HOP]
        text = "\r\n".join([f"{head.method} {url.path} HTTP/1.1", *lines, "connection: close", "", ""])
        writer.write(text.encode("latin-1") + body)
        try:
            answer = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(answer)
            await connection.write(answer + await reader.readexactly(int(length[1]) if length else 0))
        finally:
            writer.close()
