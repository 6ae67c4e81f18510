"""The HTTP client to upstreams: a pool per origin, deadlines by one sweep, outbound proxies.

asyncio's own timers cost more than the rest of an exchange, so deadlines are looked at by one sweep ten times
a second: they are exact to 0.1 s, and a chunk pays nothing but noting when it came.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

from posthouse.upstream.connection import Connection, Deadlines, Exchange
from posthouse.upstream.errors import Fault, UpstreamFault

SWEEP_S = 0.1
# Below what upstreams' balancers keep (OpenAI's front: 90 s and more; nginx: 75 s; many: 60 s), so that a
# pooled connection is seldom one that the other side has just closed.
IDLE_EXPIRY_S = 45.0
# A connection that the other side has closed says so within a round trip, the longest of which is under 1 s.
STALE_S = 1.0
# Per origin; HTTP/1.1 carries one call a connection, and 4,096 calls to one upstream fill any account's
# limits.
CONNECTIONS_MAX = 4096


class Origin:
    """Connections to one scheme, host and port through at most one proxy."""

    def __init__(
        self,
        url: str,
        *,
        proxy: str = "",
        tls_verify: bool = True,
        ca_file: str = "",
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.url: SplitResult = urlsplit(url)
        self.proxy: SplitResult | None = urlsplit(proxy) if proxy else None
        self.loop = loop
        self.host = self.url.hostname or ""
        self.port = self.url.port or (443 if self.url.scheme == "https" else 80)
        self.proxy_host = (self.proxy.hostname or "") if self.proxy else ""
        self.tls = _tls_context(tls_verify, ca_file) if self.url.scheme == "https" else None
        self.idle: list[Connection] = []
        self.active: set[Exchange] = set()
        self.open_count = 0
        self.opening_count = 0
        self.is_closed = False

    @property
    def host_header(self) -> str:
        return self.url.netloc.rpartition("@")[2]

    @property
    def absolute_form(self) -> str:
        """What precedes the path in the request line: a plain-HTTP proxy wants the whole URL."""
        return f"http://{self.host_header}" if self.proxy and not self.tls else ""

    @property
    def proxy_authorization(self) -> str:
        """Header line for the plain-HTTP proxy form, "" where none is needed."""
        if not self.absolute_form or self.proxy is None or self.proxy.username is None:
            return ""
        return f"proxy-authorization: {_basic(self.proxy)}\r\n"

    async def send(
        self, request: bytes, body: bytes, deadlines: Deadlines, *, answer_bytes_max: int
    ) -> Exchange:
        """Send over a pooled or new connection and return when the answer's head is there.

        A pooled connection that dies within STALE_S, before any byte of an answer, is replaced once: the
        other side had closed it while it was idle, and has not seen the request. Later the request may be at
        work there, and is not sent again here. Raises UpstreamFault.
        """
        exchange = Exchange(self.loop.create_future(), deadlines, answer_bytes_max, self.loop.time())
        connection = self._pooled()
        if connection is None:
            connection = await self._connect(deadlines.connect_s)
        try:
            return await self._exchange(connection, exchange, request, body)
        except UpstreamFault as fault:
            died_idle = connection.reused and fault.fault is Fault.CLOSED and not exchange.touched_s
            if not died_idle or self.is_closed or self.loop.time() - exchange.started_s > STALE_S:
                raise
        exchange = Exchange(self.loop.create_future(), deadlines, answer_bytes_max, exchange.started_s)
        return await self._exchange(await self._connect(deadlines.connect_s), exchange, request, body)

    async def _exchange(
        self, connection: Connection, exchange: Exchange, request: bytes, body: bytes
    ) -> Exchange:
        if not connection.is_open:  # lost between its opening and this
            raise UpstreamFault(Fault.CLOSED)
        self.active.add(exchange)
        connection.send(exchange, request, body)
        try:
            await exchange.head
        except asyncio.CancelledError:
            exchange.abandon()
            raise
        if exchange.status == 407 and self.proxy is not None:  # no upstream's answer, whatever it says
            exchange.abandon()
            raise UpstreamFault(Fault.PROXY, "authentication")
        return exchange

    def _pooled(self) -> Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if connection.is_open:
                connection.reused = True
                return connection
        return None

    async def _connect(self, connect_s: float) -> Connection:
        if self.open_count + self.opening_count >= CONNECTIONS_MAX:
            raise UpstreamFault(Fault.CONNECT, "connections to this upstream are used up")
        connection = Connection(self, self.loop)
        self.opening_count += 1
        try:
            async with asyncio.timeout(connect_s):
                await self._open(connection)
        except BaseException as error:
            connection.discard()
            raise _as_fault(error) from None
        finally:
            self.opening_count -= 1
        if self.is_closed:
            connection.close()
            raise UpstreamFault(Fault.CLOSED)
        return connection

    async def _open(self, connection: Connection) -> None:
        if self.proxy is None:
            await self.loop.create_connection(
                lambda: connection,
                self.host,
                self.port,
                ssl=self.tls,
                server_hostname=self.host if self.tls else None,
            )
            return
        proxy_port = self.proxy.port or (443 if self.proxy.scheme == "https" else 80)
        if self.tls is None:
            await self.loop.create_connection(lambda: connection, self.proxy_host, proxy_port)
            return
        tunnel = _Tunnel(self.loop, self.host, self.port, self.proxy)
        try:
            transport, _ = await self.loop.create_connection(lambda: tunnel, self.proxy_host, proxy_port)
            await tunnel.opened
            tls = await self.loop.start_tls(transport, connection, self.tls, server_hostname=self.host)
        except BaseException:
            tunnel.close()
            raise
        if tls is None or tls.is_closing():  # gone right after the handshake
            raise UpstreamFault(Fault.CLOSED)
        connection.connection_made(tls)

    def on_made(self) -> None:
        self.open_count += 1

    def on_ended(self, connection: Connection, exchange: Exchange, *, reusable: bool) -> None:
        self.active.discard(exchange)
        if reusable:
            connection.idle_since_s = self.loop.time()
            self.idle.append(connection)
        else:
            connection.close()

    def on_lost(self, connection: Connection) -> None:
        self.open_count -= 1
        with contextlib.suppress(ValueError):
            self.idle.remove(connection)

    def sweep(self, now_s: float) -> None:
        """Fail what is overdue, close what idled too long."""
        for exchange in list(self.active):
            fault = exchange.overdue(now_s)
            if fault is not None and exchange.connection is not None:
                exchange.connection.fail(fault)
        while self.idle and now_s - self.idle[0].idle_since_s > IDLE_EXPIRY_S:
            self.idle.pop(0).close()

    def close(self) -> None:
        self.is_closed = True
        for connection in [*self.idle, *(e.connection for e in self.active if e.connection)]:
            connection.close()


class UpstreamClient:
    """All origins. `origin()` is cheap and may be called for each attempt."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._origins: dict[tuple[str, str, bool, str], Origin] = {}
        self._timer: asyncio.TimerHandle | None = loop.call_later(SWEEP_S, self._sweep)

    def origin(self, base_url: str, proxy: str, tls_verify: bool, ca_file: str) -> Origin:
        """The origin of a base URL; raises UpstreamFault (TLS) when its CA file can't be read."""
        key = (base_url, proxy, tls_verify, ca_file)
        origin = self._origins.get(key)
        if origin is None:
            try:
                origin = Origin(
                    base_url, proxy=proxy, tls_verify=tls_verify, ca_file=ca_file, loop=self._loop
                )
            except OSError as error:
                raise UpstreamFault(Fault.TLS, f"CA file: {error.strerror}") from None
            self._origins[key] = origin
        return origin

    @property
    def active_count(self) -> int:
        return sum(len(origin.active) for origin in self._origins.values())

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(SWEEP_S, self._sweep)
        now_s = self._loop.time()
        for origin in self._origins.values():
            origin.sweep(now_s)

    def close(self) -> None:
        """Close every connection; running exchanges end with CLOSED."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for origin in self._origins.values():
            origin.close()


class _Tunnel(asyncio.Protocol):
    """CONNECT through an HTTP proxy; `opened` resolves when the proxy said 2xx."""

    ANSWER_BYTES_MAX = 16 * 1024

    def __init__(self, loop: asyncio.AbstractEventLoop, host: str, port: int, proxy: SplitResult) -> None:
        self.opened: asyncio.Future[None] = loop.create_future()
        self.opened.add_done_callback(_retrieve)
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._authorization = (
            f"proxy-authorization: {_basic(proxy)}\r\n" if proxy.username is not None else ""
        )
        self._answer = b""
        self._transport: asyncio.Transport | None = None
        self._is_closed = False

    def close(self) -> None:
        """Close at once, also when it is only now being opened."""
        self._is_closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports share no base class
        assert self._transport is not None
        if self._is_closed:
            self._transport.abort()
            return
        head = f"CONNECT {self._target} HTTP/1.1\r\nhost: {self._target}\r\n{self._authorization}\r\n"
        self._transport.write(head.encode("latin-1"))

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            return
        self._answer += data
        head, blank, rest = self._answer.partition(b"\r\n\r\n")
        if len(head) > self.ANSWER_BYTES_MAX:
            self.opened.set_exception(UpstreamFault(Fault.PROXY, "endless answer"))
        elif not blank:
            return
        elif not _CONNECTED.match(head):
            self.opened.set_exception(UpstreamFault(Fault.PROXY, "CONNECT was refused"))
        elif rest:  # the upstream does not speak before our handshake: these are the proxy's own
            self.opened.set_exception(UpstreamFault(Fault.PROXY, "more than an answer"))
        else:
            self.opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(UpstreamFault(Fault.PROXY, "closed"))


_CONNECTED = re.compile(rb"HTTP/1\.[01] 2\d\d(?: |\r\n|$)")


def _retrieve(opened: asyncio.Future[None]) -> None:
    """A fault that nobody waits for any more is none: the call was cancelled while connecting."""
    if not opened.cancelled():
        opened.exception()


def _basic(proxy: SplitResult) -> str:
    pair = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _tls_context(verify: bool, ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _as_fault(error: BaseException) -> BaseException:
    """Foreign errors of opening a connection, translated in this one place."""
    match error:
        case TimeoutError():
            return UpstreamFault(Fault.TIMEOUT_CONNECT)
        case ssl.SSLError() | ssl.CertificateError():
            return UpstreamFault(Fault.TLS, type(error).__name__)
        case OSError() | ValueError():  # ValueError: a host name that none can have
            return UpstreamFault(Fault.CONNECT, type(error).__name__)
        case _:
            return error
