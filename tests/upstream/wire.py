"""A connection to an upstream without a socket: bytes go in as a transport would bring them, and what came of
the exchange is read off. Fast enough to try every split of an answer."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from posthouse.routing.channels import ChannelSpec
from posthouse.upstream.client import Origin
from posthouse.upstream.connection import Connection, Exchange
from posthouse.upstream.dial import Dialler, Way
from posthouse.upstream.errors import Fault, UpstreamFault
from posthouse.wire.chunks import unframed

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: u\r\ncontent-length: 2\r\n\r\n"
DEADLINES = ChannelSpec(name="wire", base_url="http://u/v1")


class Seen(NamedTuple):
    """What became of an answer. `alive`: its connection can be used again."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    fault: Fault | None
    alive: bool


class Loose(asyncio.Transport):
    """A transport with nothing behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent_bytes = 0
        self.closing = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Taker:
    """A consumer that keeps what it was fed, and checks that the end is the end."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[UpstreamFault | None] = []

    def take_chunk(self, chunk: bytes) -> bool:
        piece = unframed(chunk)
        if piece is not None:
            self.feed(piece)
        return piece is not None

    def feed(self, piece: bytes) -> None:
        assert not self.ends
        self.pieces.append(piece)

    def ended(self, fault: UpstreamFault | None) -> None:
        self.ends.append(fault)


class Wire:
    """One connection and, after `ask`, the exchange that runs on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.origin = an_origin(loop)
        self.connection = Connection(self.origin, loop)
        self.transport = Loose()
        self.connection.connection_made(self.transport)

    def ask(self, answer_bytes_max: int = 1_000_000) -> Exchange:
        if self.connection in self.origin.idle:
            self.origin.idle.remove(self.connection)
        self.exchange = Exchange(self.loop.create_future(), DEADLINES, answer_bytes_max, self.loop.time())
        self.connection.send(self.exchange, REQUEST, b"{}")
        return self.exchange

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Bring these, as long as the connection is not closed from this side."""
        for piece in pieces:
            if piece and not self.transport.closing:
                self.connection.data_received(piece)

    def end(self, error: Exception | None = None) -> None:
        """The other side closes, or with an error breaks, the connection."""
        if error is None and not self.transport.closing:
            self.connection.eof_received()
        self.connection.connection_lost(error)

    def seen(self) -> Seen:
        exchange = self.exchange
        if exchange.head.done():
            exchange.head.exception()
        return Seen(
            exchange.status,
            tuple(exchange.headers),
            b"".join(exchange.pieces),
            exchange.fault.fault if exchange.fault else None,
            self.connection in self.origin.idle and not self.transport.closing,
        )


def an_origin(loop: asyncio.AbstractEventLoop) -> Origin:
    return Origin(urlsplit("http://u"), Way("u", 80), Dialler(loop), connections_max=10, connection_idle_s=45)


@contextmanager
def a_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that gives futures and the time, and never runs."""
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.close()


def answer_of(
    pieces: Iterable[bytes],
    *,
    eof: bool = False,
    lost: Exception | None = None,
    answer_bytes_max: int = 1_000_000,
) -> Seen:
    """What a whole answer in these pieces comes to, collected."""
    with a_loop() as loop:
        wire = Wire(loop)
        wire.ask(answer_bytes_max)
        wire.feed(pieces)
        if eof or lost is not None:
            wire.end(lost)
        return wire.seen()
