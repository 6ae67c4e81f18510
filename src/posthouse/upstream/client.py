"""The HTTP client to upstreams: a pool of connections per origin, deadlines by one sweep.

asyncio's own timers cost more than the rest of an exchange, so deadlines are looked at by one sweep ten times
a second: they are exact to 0.1 s, and a chunk pays nothing but noting when it came.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from posthouse.routing.channels import ChannelSpec
from posthouse.upstream.connection import Connection, Deadlines, Exchange
from posthouse.upstream.dial import Dialler, Way
from posthouse.upstream.errors import Fault, UpstreamFault
from posthouse.upstream.phases import Phases
from posthouse.upstream.tunnels import basic
from posthouse.wire.known_answer import KnownAnswer, known_answer

SWEEP_S = 0.1
# A connection that the other side has closed says so within a round trip, the longest of which is under 1 s.
STALE_S = 1.0
# Heads of answers that an origin is known by: those of its models and endpoints differ a little. Of one whose
# answers are all different no more is learned after a while.
KNOWN_MAX = 4
LEARNED_MAX = 100


class PoolCounts(Struct, frozen=True):
    """Connections: waiting for a call, carrying one, being opened."""

    idle: int = 0
    active: int = 0
    opening: int = 0


class Origin:
    """Connections to one scheme, host and port on one way: with or without TLS, through at most one proxy."""

    def __init__(
        self,
        url: SplitResult,
        way: Way,
        dialler: Dialler,
        *,
        connections_max: int,
        connection_idle_s: float,
    ) -> None:
        self.url = url
        self.way = way
        self.loop = dialler.loop
        self.connections: set[Connection] = set()  # all that are open
        self.idle: list[Connection] = []
        self.opening_count = 0
        self.is_closed = False
        self.known: tuple[KnownAnswer, ...] = ()
        self._learned = 0
        self._dialler = dialler
        self._connections_max = connections_max
        self._connection_idle_s = connection_idle_s

    @property
    def host_header(self) -> str:
        return self.url.netloc.rpartition("@")[2]

    @property
    def absolute_form(self) -> str:
        """What precedes the path in the request line: a plain-HTTP proxy wants the whole URL."""
        return f"http://{self.host_header}" if self.way.proxy and not self.way.is_tunnelled else ""

    @property
    def proxy_authorization(self) -> str:
        """Header line for the plain-HTTP proxy form, "" where none is needed."""
        proxy = self.way.proxy
        if not self.absolute_form or proxy is None or proxy.username is None:
            return ""
        return f"proxy-authorization: {basic(proxy)}\r\n"

    @property
    def open_count(self) -> int:
        return len(self.connections)

    @property
    def active(self) -> set[Exchange]:
        return {one.exchange for one in self.connections if one.exchange is not None}

    @property
    def counts(self) -> PoolCounts:
        return PoolCounts(len(self.idle), len(self.active), self.opening_count)

    async def send(
        self,
        request: bytes,
        body: bytes,
        deadlines: Deadlines,
        *,
        answer_bytes_max: int,
        phases: Phases | None = None,
    ) -> Exchange:
        """Send over a pooled or new connection and return when the answer's head is there. What took how long
        is noted in `phases`, also when it fails.

        A pooled connection that dies within STALE_S, before any byte of an answer, is replaced once: the
        other side had closed it while it was idle, and has not seen the request. Later the request may be at
        work there, and is not sent again here. Raises UpstreamFault.
        """
        started_s = self.loop.time()
        connection = self._pooled()
        while True:
            if connection is None:
                connection = await self._connect(deadlines, phases)
            exchange = Exchange(self.loop.create_future(), deadlines, answer_bytes_max, started_s)
            connection.send(exchange, request, body)
            try:
                await exchange.head
            except asyncio.CancelledError:
                exchange.abandon()
                raise
            except UpstreamFault as fault:
                died_idle = connection.reused and fault.fault is Fault.CLOSED and not exchange.touched_s
                if not died_idle or self.is_closed or self.loop.time() - started_s > STALE_S:
                    raise
                connection = None
                continue
            finally:
                if phases is not None:
                    phases.note(exchange, self.loop.time())
            if exchange.status == 407 and self.absolute_form:  # the proxy's answer, not the upstream's
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

    async def _connect(self, deadlines: Deadlines, phases: Phases | None) -> Connection:
        if self.open_count + self.opening_count >= self._connections_max:
            raise UpstreamFault(Fault.FULL, f"{self._connections_max} connections are open")
        connection = Connection(self, self.loop)
        self.opening_count += 1
        try:
            await self._dialler.open(self.way, connection, deadlines, phases or Phases())
        finally:
            self.opening_count -= 1
        if self.is_closed or not connection.is_open:  # or lost since it was opened
            connection.close()
            raise UpstreamFault(Fault.CLOSED)
        return connection

    def learn(self, answer: bytes) -> None:
        """Know the next answer whose head is like this sound one's."""
        if self._learned < LEARNED_MAX:
            self._learned += 1
            known = known_answer(answer)
            if known is not None and known not in self.known:
                self.known = (known, *self.known[: KNOWN_MAX - 1])

    def on_lost(self, connection: Connection) -> None:
        self.connections.discard(connection)
        with contextlib.suppress(ValueError):
            self.idle.remove(connection)

    def sweep(self, now_s: float) -> None:
        """Fail what is overdue, close what idled too long."""
        for exchange in self.active:
            fault = exchange.overdue(now_s)
            if fault is not None and exchange.connection is not None:
                exchange.connection.fail(fault)
        while self.idle and now_s - self.idle[0].idle_since_s > self._connection_idle_s:
            self.idle.pop(0).close()

    def close(self) -> None:
        self.is_closed = True
        for connection in list(self.connections):
            connection.close()


class UpstreamClient:
    """All origins. `origin()` is cheap and may be called for each attempt."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dialler = Dialler(loop)
        self._origins: dict[tuple[object, ...], Origin] = {}
        self._tls: dict[tuple[object, ...], ssl.SSLContext] = {}
        self._timer: asyncio.TimerHandle | None = loop.call_later(SWEEP_S, self._sweep)

    def origin(self, spec: ChannelSpec) -> Origin:
        """Where a channel leads; channels that lead there alike share it, until their CA file is replaced.
        Raises UpstreamFault (TLS) when it can't be read."""
        url = urlsplit(spec.base_url)
        bounds = (spec.connections_max, spec.connection_idle_s)
        trust = (spec.tls_verify, spec.ca_file, _version(spec.ca_file))
        key = (url.scheme, url.netloc, spec.proxy, trust, *bounds)
        origin = self._origins.get(key)
        if origin is None:
            is_secure = url.scheme == "https"
            way = Way(
                host=url.hostname or "",
                port=url.port or (443 if is_secure else 80),
                tls=self._tls_context(*trust) if is_secure else None,
                proxy=urlsplit(spec.proxy) if spec.proxy else None,
            )
            origin = self._origins[key] = Origin(
                url,
                way,
                self._dialler,
                connections_max=spec.connections_max,
                connection_idle_s=spec.connection_idle_s,
            )
        return origin

    def _tls_context(self, verify: bool, ca_file: str, version: tuple[int, ...]) -> ssl.SSLContext:
        """One for all origins that trust alike: reading the machine's certificates takes 20 ms."""
        context = self._tls.get((verify, ca_file, version))
        if context is None:
            try:
                context = ssl.create_default_context(cafile=ca_file or None)
            except OSError as error:
                raise UpstreamFault(Fault.TLS, f"CA file: {error.strerror}") from None
            if ca_file:  # Python 3.13's default refuses an authority as most make it, without a key usage
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            if not verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls[verify, ca_file, version] = context
        return context

    def counts(self) -> dict[str, PoolCounts]:
        """Each upstream's connections, by "host:port"; different ways to one host are added up."""
        found: dict[str, PoolCounts] = {}
        for origin in self._origins.values():
            name = f"{origin.way.host}:{origin.way.port}"
            one, sum_ = origin.counts, found.get(name, PoolCounts())
            found[name] = PoolCounts(
                sum_.idle + one.idle, sum_.active + one.active, sum_.opening + one.opening
            )
        return found

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


def _version(path: str) -> tuple[int, ...]:
    """What differs once a file was written anew; () where there is none."""
    if not path:
        return ()
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
