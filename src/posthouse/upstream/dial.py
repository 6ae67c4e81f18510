"""Opening a connection to an upstream, directly or through a proxy.

    name -> addresses -> the first that connects [-> the proxy's tunnel] -> [TLS] -> Connection
    `------------------------ connect_s -------------------------------'   `tls_s'

Several addresses race (RFC 8305, "happy eyeballs"): the next one is tried when the last has failed, or has
not connected within NEXT_ADDRESS_S, so that a broken IPv6 costs a quarter of a second once, and nothing while
the address that worked is remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from urllib.parse import SplitResult

from msgspec import Struct

from posthouse.upstream.connection import Connection, Deadlines
from posthouse.upstream.errors import Fault, UpstreamFault
from posthouse.upstream.names import Names
from posthouse.upstream.phases import Phases
from posthouse.upstream.tunnels import Line, http_connect, socks5_connect

NEXT_ADDRESS_S = 0.25  # RFC 8305, 8: recommended
_PROXY_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}


class Way(Struct, frozen=True):
    """Where a connection goes: to host and port, with TLS or without, through at most one proxy."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    proxy: SplitResult | None = None

    def __repr__(self) -> str:  # a proxy's URL may hold a password
        return f"Way({self.host}:{self.port})"

    @property
    def is_tunnelled(self) -> bool:
        """Whether the proxy only carries bytes. An HTTP proxy is asked for a plain-HTTP URL instead."""
        return self.proxy is not None and (self.tls is not None or self.proxy.scheme != "http")


class Dialler:
    """Opens connections; shares one memory of names."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._names = Names(loop)

    async def open(self, way: Way, connection: Connection, deadlines: Deadlines, phases: Phases) -> None:
        """Make `connection` one to the way's end, and note in `phases` what took how long. Leaves nothing
        behind when it fails. Raises UpstreamFault."""
        line: Line | None = None
        late = Fault.TIMEOUT_CONNECT
        try:
            async with asyncio.timeout(deadlines.connect_s):
                line = await self._reach(way, phases)
            if way.tls is None:
                _hand_over(line, connection)
                return
            late = Fault.TIMEOUT_TLS
            async with asyncio.timeout(deadlines.tls_s):
                with phases.timing("tls_ms"):
                    await self._encrypt(line, connection, way.host, way.tls)
        except BaseException as error:
            if line is not None:
                line.close()
            connection.discard()
            raise _as_fault(error, late) from None

    async def _reach(self, way: Way, phases: Phases) -> Line:
        """A line whose other end is the way's, or the proxy that is to be asked for it."""
        proxy = way.proxy
        if proxy is None:
            return await self._connect(way.host, way.port, phases)
        if not way.is_tunnelled:
            return await self._connect_proxy(proxy, phases)
        targets = [way.host]
        if proxy.scheme == "socks5":
            with phases.timing("dns_ms"):
                targets = (await self._names.addresses(way.host))[:2]  # one of each family
        for target in targets[:-1]:
            with contextlib.suppress(UpstreamFault):
                return await self._tunnel(proxy, target, way, phases)
        return await self._tunnel(proxy, targets[-1], way, phases)

    async def _tunnel(self, proxy: SplitResult, target: str, way: Way, phases: Phases) -> Line:
        line = await self._connect_proxy(proxy, phases)
        open_tunnel = http_connect if proxy.scheme == "http" else socks5_connect
        try:
            with phases.timing("proxy_ms"):
                await open_tunnel(line, proxy, target, way.port)
            if line.received:  # the upstream does not speak first: these are the proxy's own
                raise UpstreamFault(Fault.PROXY, "more than an answer")
        except BaseException:
            line.close()
            raise
        self._names.worked(way.host, target)
        return line

    async def _connect_proxy(self, proxy: SplitResult, phases: Phases) -> Line:
        return await self._connect(proxy.hostname or "", proxy.port or _PROXY_PORTS[proxy.scheme], phases)

    async def _connect(self, host: str, port: int, phases: Phases) -> Line:
        with phases.timing("dns_ms"):
            addresses = await self._names.addresses(host)
        with phases.timing("connect_ms"):
            try:
                phases.address, line = await self._race(addresses, port)
            except OSError:
                self._names.failed(host)
                raise
        self._names.worked(host, phases.address)
        return line

    async def _race(self, addresses: list[str], port: int) -> tuple[str, Line]:
        """The first address that connects, and its line; what else came about is closed. Raises the last
        one's error when none does."""
        if len(addresses) == 1:
            return await self._attempt(addresses[0], port)
        waiting = addresses[::-1]
        attempts: list[asyncio.Task[tuple[str, Line]]] = []
        running: set[asyncio.Task[tuple[str, Line]]] = set()
        winner: asyncio.Task[tuple[str, Line]] | None = None
        error: BaseException = OSError("no address")
        try:
            while waiting or running:
                if waiting:
                    attempts.append(self.loop.create_task(self._attempt(waiting.pop(), port)))
                    running.add(attempts[-1])
                patience_s = NEXT_ADDRESS_S if waiting else None
                done, running = await asyncio.wait(
                    running, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
                )
                for attempt in done:
                    failure = attempt.exception()
                    if failure is None:
                        winner = attempt
                        return attempt.result()
                    error = failure
            raise error
        finally:
            for attempt in attempts:
                if attempt is not winner:
                    _withdraw(attempt)

    async def _attempt(self, address: str, port: int) -> tuple[str, Line]:
        line = Line(self.loop)
        try:
            await self.loop.create_connection(lambda: line, address, port)
        except BaseException:
            line.close()
            raise
        return address, line

    async def _encrypt(self, line: Line, connection: Connection, host: str, tls: ssl.SSLContext) -> None:
        if line.received or not line.is_open:
            raise UpstreamFault(Fault.CLOSED)
        assert line.transport is not None
        transport = await self.loop.start_tls(line.transport, connection, tls, server_hostname=host)
        if transport is None or transport.is_closing():  # gone right after the handshake
            raise UpstreamFault(Fault.CLOSED)
        connection.connection_made(transport)


def _hand_over(line: Line, connection: Connection) -> None:
    """Let the connection have the line's socket. Raises UpstreamFault when it is gone, or spoke first."""
    if line.received or not line.is_open:
        raise UpstreamFault(Fault.CLOSED)
    assert line.transport is not None
    line.transport.set_protocol(connection)
    connection.connection_made(line.transport)


def _withdraw(attempt: asyncio.Task[tuple[str, Line]]) -> None:
    """Close what a lost attempt opened, or keep it from opening anything."""
    if not attempt.cancel() and not attempt.cancelled() and attempt.exception() is None:
        attempt.result()[1].close()


def _as_fault(error: BaseException, late: Fault) -> BaseException:
    """Foreign errors of opening a connection, translated in this one place; `late`: the deadline then."""
    match error:
        case TimeoutError():
            return UpstreamFault(late)
        case ssl.SSLCertVerificationError():
            return UpstreamFault(Fault.TLS, error.verify_message)
        case ssl.SSLError():
            return UpstreamFault(Fault.TLS, error.reason or type(error).__name__)
        case OSError() | ValueError():  # ValueError: a name that no certificate can have
            return UpstreamFault(Fault.CONNECT, type(error).__name__)
        case _:
            return error
