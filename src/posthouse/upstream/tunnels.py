"""Tunnels through an outbound proxy: HTTP's CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, 1929).

A `Line` is a connection that is still being opened: what is said on it goes in turns, so a tunnel's opening
reads top to bottom. Afterwards the socket is handed on to whoever speaks HTTP or TLS over it.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import re
import socket
from urllib.parse import SplitResult, unquote

from posthouse.upstream.errors import Fault, UpstreamFault

ANSWER_BYTES_MAX = 16 * 1024  # of a proxy; real ones say under 1 KB
# Reasoning models are silent for minutes, and networks on the way forget connections on which nothing passes:
# after 350 s (AWS) or 240 s (Azure). The providers' own clients keep theirs alive like this.
KEEP_ALIVE_S = 60
_KEEP_ALIVE = [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", KEEP_ALIVE_S), ("TCP_KEEPINTVL", KEEP_ALIVE_S), ("TCP_KEEPCNT", 5))
    if hasattr(socket, name)  # not every system has them
]

_CONNECTED = re.compile(rb"HTTP/1\.[01] 2\d\d(?: |\r\n|$)")

_NO_AUTHENTICATION, _USER_AND_PASSWORD = 0, 2
_REPLIES = {
    1: "general failure",
    2: "not allowed",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class Line(asyncio.Protocol):
    """A connection that is being opened. What comes is kept until it is read."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport | None = None
        self.received = b""
        self._loop = loop
        self._is_closed = False
        self._arrival: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        return not self._is_closed and self.transport is not None and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    async def read(self, count: int) -> bytes:
        """Exactly so many bytes. Raises UpstreamFault (PROXY) when they don't come."""
        while len(self.received) < count:
            await self._more()
        read, self.received = self.received[:count], self.received[count:]
        return read

    async def read_to(self, end: bytes) -> bytes:
        """Up to these bytes, without them. Raises UpstreamFault (PROXY) when they don't come."""
        while end not in self.received:
            await self._more()
        read, _, self.received = self.received.partition(end)
        return read

    def close(self) -> None:
        """Close at once. uvloop may still call connection_made afterwards, so it is remembered."""
        self._is_closed = True
        if self.transport is not None:
            self.transport.abort()

    async def _more(self) -> None:
        if not self.is_open:
            raise UpstreamFault(Fault.PROXY, "closed")
        self._arrival = self._loop.create_future()
        await self._arrival

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports share no base class
        if self._is_closed:
            self.close()
            return
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in _KEEP_ALIVE:
            sock.setsockopt(*option)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if len(self.received) > ANSWER_BYTES_MAX:
            self.received = b""
            self.close()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        self._wake()


async def http_connect(line: Line, proxy: SplitResult, host: str, port: int) -> None:
    """Have an HTTP proxy connect the line to host and port. Raises UpstreamFault (PROXY)."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    authorization = f"proxy-authorization: {basic(proxy)}\r\n" if proxy.username is not None else ""
    line.write(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{authorization}\r\n".encode("latin-1"))
    answer = await line.read_to(b"\r\n\r\n")
    if not _CONNECTED.match(answer):
        is_user = answer[8:12] == b" 407"
        raise UpstreamFault(Fault.PROXY, "authentication" if is_user else "CONNECT was refused")


async def socks5_connect(line: Line, proxy: SplitResult, host: str, port: int) -> None:
    """Have a SOCKS5 proxy connect the line to host (a name or an address) and port. Raises UpstreamFault
    (PROXY)."""
    methods = [_NO_AUTHENTICATION] if proxy.username is None else [_NO_AUTHENTICATION, _USER_AND_PASSWORD]
    line.write(bytes((5, len(methods), *methods)))
    version, method = await line.read(2)
    if version != 5:
        raise UpstreamFault(Fault.PROXY, "it does not speak SOCKS5")
    if method not in methods:
        raise UpstreamFault(Fault.PROXY, "authentication")
    if method == _USER_AND_PASSWORD:
        line.write(
            b"\x01" + _counted(unquote(proxy.username or "")) + _counted(unquote(proxy.password or ""))
        )
        if (await line.read(2))[1] != 0:
            raise UpstreamFault(Fault.PROXY, "authentication")
    line.write(b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
    _, reply, _, kind = await line.read(4)
    if reply != 0:
        raise UpstreamFault(Fault.PROXY, _REPLIES.get(reply, "refused"))
    lengths = {1: 4, 4: 16}
    bound_bytes = lengths[kind] if kind in lengths else (await line.read(1))[0]
    await line.read(bound_bytes + 2)  # the proxy's own address and port: nothing to us


def basic(proxy: SplitResult) -> str:
    """The value of a proxy-authorization header."""
    pair = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return b"\x03" + _counted(host.encode("idna").decode("ascii"))
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


def _counted(text: str) -> bytes:
    """A text with its length in one byte before it."""
    data = text.encode()
    if len(data) > 255:
        raise UpstreamFault(Fault.PROXY, "SOCKS5 takes 255 bytes of a name, user or password")
    return bytes((len(data),)) + data
