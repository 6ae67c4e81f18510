"""Small real proxies on loopback, wrong on purpose where their `says` has it so. The HTTP one knows CONNECT,
the absolute form and Basic authentication, and keeps every head that it was sent; the SOCKS5 one knows users
and passwords, and keeps what it was asked for.

    with ScriptedProxy(credential="user:password") as proxy:
        ...                                      # call through f"http://user:password@{proxy.address}"
        assert proxy.heads[0].method == "CONNECT"
"""

import asyncio
import base64
import contextlib
import ipaddress
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from posthouse.testing.http1 import Connection, Head
from posthouse.testing.threaded import Threaded, ThreadedServer

_REFUSED = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'proxy-authenticate: Basic realm="proxy"\r\ncontent-length: 0\r\n\r\n'
)
_NOWHERE = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
_CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Meant for the proxy alone (RFC 9110, 7.6.1).
_HOP_BY_HOP = frozenset(("proxy-authorization", "proxy-connection", "connection", "keep-alive"))


class ScriptedProxy(ThreadedServer):
    """The HTTP proxy. `credential`: "user:password" that it asks for. `says`: these bytes instead of its
    answer to any request; after them it is silent, or closes where `closes`."""

    def __init__(self, *, credential: str = "", says: bytes | None = None, closes: bool = False) -> None:
        super().__init__(self._serve)
        self.heads: list[Head] = []
        self._expected = "Basic " + base64.b64encode(credential.encode()).decode() if credential else None
        self._says = says
        self._closes = closes

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


class Asked(Struct, frozen=True):
    """What a SOCKS5 proxy was asked for. `kind`: how the host was named."""

    kind: Literal["ipv4", "name", "ipv6"]
    host: str
    port: int
    credential: str  # "user:password", "" where none was said


_KINDS: dict[int, Literal["ipv4", "name", "ipv6"]] = {1: "ipv4", 3: "name", 4: "ipv6"}
_LENGTHS = {1: 4, 4: 16}


class ScriptedSocks(Threaded):
    """The SOCKS5 proxy (RFC 1928, 1929). `credential`: "user:password" that it asks for. `hosts`: where names
    lead. `says`: these bytes instead of its answer to a step ("method", "user", "reply"); after them it is
    silent, or closes where `closes`; with `refused` the reply is so only for these hosts. `bound`: the
    address that a good reply names. What it says by itself goes out byte by byte."""

    def __init__(
        self,
        *,
        credential: str = "",
        hosts: dict[str, str] | None = None,
        says: dict[str, bytes] | None = None,
        closes: bool = False,
        refused: set[str] | None = None,
        bound: bytes = b"\x01\0\0\0\0\0\0",
    ) -> None:
        self.asked: list[Asked] = []
        self.connections_open = 0
        self._expected = credential
        self._hosts = hosts or {}
        self._says = says or {}
        self._closes = closes
        self._refused = refused
        self._bound = bound
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield
        for _ in range(3):  # what was accepted by now is served within three turns of the loop
            await asyncio.sleep(0)
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # its sockets are closed in the next one

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections_open += 1
        try:
            asked = await self._opening(reader, writer)
            await self._carry(self._hosts.get(asked.host, asked.host), asked.port, reader, writer)
        except (OSError, EOFError):
            pass  # the client left, or was sent away
        finally:
            self.connections_open -= 1
            self._tasks.discard(task)
            writer.close()
            if self._stopped.is_set():
                writer.transport.abort()

    async def _opening(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
        """What the client wants, once it has said all that this proxy asks for."""
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        wanted = 2 if self._expected else 0
        await self._say(
            self._says.get("method"), bytes((5, wanted if wanted in methods else 255)), reader, writer
        )
        credential = ""
        if self._expected and wanted in methods:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            credential = f"{user.decode()}:{password.decode()}"
            await self._say(self._says.get("user"), bytes((1, credential != self._expected)), reader, writer)
        kind = (await reader.readexactly(4))[3]
        length = _LENGTHS[kind] if kind in _LENGTHS else (await reader.readexactly(1))[0]
        named = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2), "big")
        host = named.decode() if kind == 3 else str(ipaddress.ip_address(named))
        asked = Asked(_KINDS[kind], host, port, credential)
        self.asked.append(asked)
        is_refused = self._refused is None or host in self._refused
        said = self._says.get("reply") if is_refused else None
        await self._say(said, b"\x05\0\0" + self._bound, reader, writer)
        return asked

    async def _say(
        self, said: bytes | None, right: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer a step. EOFError once the client is not to go on."""
        if said is not None:
            writer.write(said)
            while not self._closes and await reader.read(65536):
                pass
            raise EOFError
        for byte in right:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0)

    async def _carry(
        self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Bytes both ways until either side closes."""
        far_reader, far_writer = await asyncio.open_connection(host, port)
        outward = asyncio.ensure_future(_copy(reader, far_writer))
        try:
            await _copy(far_reader, writer)
        finally:
            outward.cancel()
            far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
