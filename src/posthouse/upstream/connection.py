"""One connection to an upstream: HTTP/1.1, one exchange at a time, parsed by llhttp (httptools).

    IDLE --send()--> WAITING --answer's head--> ANSWERING --last byte--> IDLE   (or CLOSED, when not reusable)

Nothing here awaits per chunk: body bytes go straight from the socket's callback to the exchange's consumer,
which is what makes a streamed chunk cheap.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import httptools
from msgspec import Struct

from posthouse.upstream.errors import Fault, UpstreamFault
from posthouse.wire.headers import answer_header_block

if TYPE_CHECKING:
    from posthouse.upstream.client import Origin

# An answer's head; OpenAI's are under 3 KB. As many bytes between two pieces of its body are no use either:
# an endless trailer or chunk extension.
HEAD_BYTES_MAX = 64 * 1024

# Encodings of an answer that are undone here; it was asked for without any.
PACKED = frozenset((b"gzip", b"x-gzip", b"deflate"))
# What tells the parser of an answer in chunks whose head it has not seen.
_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
_GZIP_OR_ZLIB = 47  # zlib's window bits: whichever of the two the first bytes say


class Deadlines(Protocol):
    """Seconds; what an exchange may take. A channel's definition has them.

    `connect_s`: name, connection and the proxy's tunnel. `tls_s`: the handshake. `header_s`, `first_byte_s`:
    from the request's last byte to the end of the answer's head, and to its body's first byte. `idle_s`:
    between two pieces of the body. `total_s`: all of it."""

    @property
    def connect_s(self) -> float: ...
    @property
    def tls_s(self) -> float: ...
    @property
    def header_s(self) -> float: ...
    @property
    def first_byte_s(self) -> float: ...
    @property
    def idle_s(self) -> float: ...
    @property
    def total_s(self) -> float: ...


class Consumer(Protocol):
    """Takes an answer's body as it comes; `ended` is the last call, with what went wrong if anything did.
    `take_chunk` is asked first for what may be one whole chunk of HTTP's framing, and says whether it was;
    something quicker may be put before it, `Exchange.take`."""

    def take_chunk(self, chunk: bytes) -> bool: ...
    def feed(self, piece: bytes) -> None: ...
    def ended(self, fault: UpstreamFault | None) -> None: ...


class Exchange(Struct, eq=False):
    """One request and its answer.

    `head` resolves when status and headers are there, `done` when the last body byte is (both raise
    UpstreamFault). Body bytes are kept in `pieces` unless `consume` names who takes them.
    """

    head: asyncio.Future[None]
    deadlines: Deadlines
    answer_bytes_max: int
    started_s: float
    done: asyncio.Future[None] | None = None
    fault: UpstreamFault | None = None
    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    header_block: bytes = b""  # of those that the caller gets
    pieces: list[bytes] = []
    bytes_received: int = 0
    began_s: float = 0.0  # there was a connection
    sent_s: float = 0.0  # the request was out, as far as the system's buffers tell
    touched_s: float = 0.0  # the last bytes came; 0: none of the answer yet
    head_s: float = 0.0  # the answer's head was whole
    first_s: float = 0.0  # its body's first byte came
    unpacker: zlib._Decompress | None = None  # of an answer that is packed although that was not asked for
    connection: Connection | None = None
    consumer: Consumer | None = None
    take: Callable[[bytes], bool] | None = None  # is asked even before the consumer's `take_chunk`

    @property
    def complete(self) -> bool:
        """The whole answer has arrived (its connection is back in the pool or closed)."""
        return self.connection is None and self.fault is None

    def header(self, name: bytes) -> bytes:
        """The first value of a header, b"" when absent; `name` in lower case."""
        return dict(reversed(self.headers)).get(name, b"")

    @property
    def has_length(self) -> bool:
        """Whether the answer says where it ends; else the end of the connection is its end."""
        return any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    def consume(self, consumer: Consumer) -> None:
        """Hand what has come and what comes to `consumer`, called synchronously with each piece and at the
        end."""
        self.consumer = consumer
        pieces, self.pieces = self.pieces, []
        is_over = self.connection is None
        for piece in pieces:
            if is_over or self.connection is not None:  # else the consumer has given up, and was told the end
                consumer.feed(piece)
        if is_over:
            consumer.ended(self.fault)

    async def wait_done(self) -> None:
        """Until the last byte; raises UpstreamFault when it never comes."""
        if self.connection is not None:
            self.done = asyncio.get_running_loop().create_future()
            await self.done
        if self.fault is not None:
            raise self.fault

    def pause(self) -> None:
        """Stop reading from the upstream: the caller is slower than it."""
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        if self.connection is not None:
            self.connection.resume()

    def detach(self) -> None:
        """Let the rest of the answer run out unread, so that its connection can be used again."""
        self.consumer, self.take = _NOBODY, None
        self.pieces = []
        self.resume()

    def abandon(self) -> None:
        """Give the answer up: closes the connection unless the exchange had ended. Safe to call at any
        time."""
        if self.connection is not None:
            self.connection.fail(Fault.CLOSED)

    def overdue(self, now_s: float) -> Fault | None:
        """The deadline that has passed by now, if any."""
        deadlines = self.deadlines
        if now_s - self.started_s > deadlines.total_s:
            return Fault.TIMEOUT_TOTAL
        if not self.first_s:
            waited_s = now_s - self.sent_s
            if not self.head_s and waited_s > deadlines.header_s:
                return Fault.TIMEOUT_HEADER
            return Fault.TIMEOUT_FIRST_BYTE if waited_s > deadlines.first_byte_s else None
        connection = self.connection
        if connection is not None:
            if connection.is_heard:
                connection.is_heard, self.touched_s = False, now_s
                return None
            if connection.paused:
                return None  # the caller is slow, not the upstream; the total deadline still holds
        return Fault.TIMEOUT_IDLE if now_s - self.touched_s > deadlines.idle_s else None

    # -- called by the connection --------------------------------------------------------------------

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.headers = headers
        self.head_s = self.touched_s
        if self.header(b"content-encoding").lower() in PACKED:
            self.unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
            self.headers = [header for header in headers if header[0] != b"content-encoding"]
        self.header_block = answer_header_block(self.headers)
        if not self.head.done():
            self.head.set_result(None)

    def on_known(
        self, headers: list[tuple[bytes, bytes]], header_block: bytes, body: bytes | None = None
    ) -> None:
        """The head of a good answer has come, and with `body` all of it."""
        self.status = 200
        self.headers, self.header_block = headers, header_block
        self.head_s = self.touched_s
        if body is not None:
            self.pieces.append(body)
            self.first_s = self.touched_s
            self.connection = None
        if not self.head.done():
            self.head.set_result(None)

    def take_chunk(self, chunk: bytes) -> bool:
        return self.consumer is not None and self.consumer.take_chunk(chunk)

    def on_piece(self, piece: bytes) -> None:
        if self.unpacker is not None:
            piece = self._unpacked(self.unpacker, piece)
            if self.connection is None:
                return
        if self.consumer is not None:
            self.consumer.feed(piece)
            return
        self.bytes_received += len(piece)
        if self.bytes_received > self.answer_bytes_max:
            assert self.connection is not None
            self.connection.fail(Fault.TOO_LARGE)
            return
        self.pieces.append(piece)

    def _unpacked(self, unpacker: zlib._Decompress, piece: bytes) -> bytes:
        assert self.connection is not None
        try:
            unpacked = unpacker.decompress(piece, self.answer_bytes_max)
        except zlib.error:
            self.connection.fail(Fault.MALFORMED, "not packed as it says")
            return b""
        if unpacker.unconsumed_tail:
            self.connection.fail(Fault.TOO_LARGE, "unpacked")
            return b""
        return unpacked

    def on_end(self, fault: UpstreamFault | None) -> None:
        if fault is None and self.unpacker is not None and not self.unpacker.eof:
            fault = UpstreamFault(Fault.MALFORMED, "packed, and cut off")
        self.connection = None
        self.fault = fault
        if self.consumer is not None:
            self.consumer.ended(fault)
        if not self.head.done():
            _resolve(self.head, fault)
        if self.done is not None and not self.done.done():
            _resolve(self.done, fault)


def _resolve(future: asyncio.Future[None], fault: UpstreamFault | None) -> None:
    if fault is None:
        future.set_result(None)
    else:
        future.set_exception(fault)


class _Nobody:
    """Takes everything and keeps nothing."""

    def take_chunk(self, chunk: bytes) -> bool:
        return False

    def feed(self, piece: bytes) -> None:
        pass

    def ended(self, fault: UpstreamFault | None) -> None:
        pass


_NOBODY = _Nobody()


class Connection(asyncio.Protocol):
    """The socket side. `reusable` once an exchange has ended cleanly and neither side asked to close."""

    __slots__ = (
        "_exchange",
        "_headers",
        "_is_between_chunks",
        "_is_discarded",
        "_keep_alive",
        "_parser",
        "_pieces",
        "_transport",
        "_useless_bytes",
        "idle_since_s",
        "is_heard",
        "loop",
        "on_body",
        "origin",
        "paused",
        "reused",
    )

    def __init__(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> None:
        self.origin = origin
        self.loop = loop
        self.paused = False
        self.reused = False
        self.idle_since_s = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._exchange: Exchange | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []  # of the body, in what is being read
        self.on_body = self._pieces.append  # for llhttp, as the methods at the end
        self._useless_bytes = 0  # since the answer's head or the last piece of its body
        self._keep_alive = False
        self._is_between_chunks = False  # what comes next begins a chunk, as far as the parser tells
        self._is_discarded = False
        self.is_heard = False  # since the last sweep, which will note when: a chunk pays for no clock

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def exchange(self) -> Exchange | None:
        """The one that is under way."""
        return self._exchange

    def send(self, exchange: Exchange, request: bytes, body: bytes) -> None:
        """Start an exchange; `request` is the head with its blank line."""
        assert self._exchange is None
        assert self._transport is not None
        self._exchange = exchange
        self._useless_bytes = 0
        exchange.connection = self
        exchange.began_s = exchange.sent_s = self.loop.time()
        # One segment for a small request; a large body is not copied for it.
        if len(body) < 65536:
            self._transport.write(request + body)
        else:
            self._transport.write(request)
            self._transport.write(body)

    def fail(self, fault: Fault, detail: str = "") -> None:
        """End the running exchange with a fault and close."""
        if self._pieces:
            self._hand_on()
        exchange, self._exchange = self._exchange, None
        self.close()
        if exchange is not None:
            exchange.on_end(UpstreamFault(fault, detail))

    def _end(self, exchange: Exchange, *, keep_alive: bool) -> None:
        """The answer is whole: keep the connection for another one."""
        self._exchange = None
        # An answer that came before the request was out leaves bytes behind: not a connection to use again.
        if keep_alive and self._transport is not None and self._transport.get_write_buffer_size() == 0:
            self.idle_since_s = exchange.touched_s  # its last bytes have just come
            self.origin.idle.append(self)
        else:
            self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def discard(self) -> None:
        """Opening it failed or is no longer waited for. uvloop may then still call connection_made, and may
        never call connection_lost."""
        self._is_discarded = True
        self.close()
        self.connection_lost(None)

    def pause(self) -> None:
        if not self.paused and self.is_open:
            self.paused = True
            assert self._transport is not None
            self._transport.pause_reading()

    def resume(self) -> None:
        if self.paused and self.is_open:
            self.paused = False
            if self._exchange is not None and self._exchange.touched_s:
                self._exchange.touched_s = self.loop.time()  # the wait was the caller's doing
            assert self._transport is not None
            self._transport.resume_reading()

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._is_discarded:
            transport.abort()  # type: ignore[attr-defined]  # a Transport
            return
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports share no base class
        self.origin.connections.add(self)

    def resume_writing(self) -> None:
        exchange = self._exchange
        if exchange is not None and not exchange.touched_s:
            exchange.sent_s = self.loop.time()  # a large request took its time: the answer's begins now

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()  # bytes nobody asked for: whatever comes next could not be trusted
            return
        if self._is_between_chunks:
            self.is_heard = True
            take = exchange.take
            if (take is not None and take(data)) or exchange.take_chunk(data):
                return  # the parser would be where it is now after it, too
        is_first = not exchange.touched_s
        exchange.touched_s = self.loop.time()
        if is_first:
            data = self._take_known(exchange, data)
            if not data:
                return
            is_first = not exchange.status
        self._useless_bytes += len(data)
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(Fault.MALFORMED, "upgrade")
        except httptools.HttpParserCallbackError as error:
            self.fail(Fault.MALFORMED, "callback")
            raise error.__context__ or error from None  # ours to mend, not the upstream's: the loop logs it
        except httptools.HttpParserError as error:
            self.fail(Fault.MALFORMED, type(error).__name__)
        else:
            if self._pieces:
                self._hand_on()
            # Of what is packed no chunk is taken; where no line ends the next chunk's size has begun.
            if self._is_between_chunks and (exchange.unpacker is not None or not data.endswith(b"\r\n")):
                self._is_between_chunks = False
            if self._useless_bytes > HEAD_BYTES_MAX and self._exchange is not None:
                self.fail(Fault.MALFORMED, "head")
            if is_first and exchange.status == 200 and exchange.fault is None and exchange.has_length:
                self.origin.learn(data)

    def _take_known(self, exchange: Exchange, data: bytes) -> bytes:
        """Take in an answer whose head is known; returns what is left for the parser, which is between two
        answers, and does not miss a whole one."""
        if len(data) > exchange.answer_bytes_max:
            return data
        for known in self.origin.known:
            read = known.read(data)
            if read is None:
                continue
            if known.length is None:
                headers, header_block, body = read
                exchange.on_known(headers, header_block)
                return _CHUNKED + body
            self._end(exchange, keep_alive=True)
            exchange.on_known(*read)
            return b""
        return data

    def _hand_on(self) -> None:
        """Hand on what a read has brought of the body in one piece: events that come together go together."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        self._useless_bytes = 0
        exchange = self._exchange
        if exchange is None:
            return
        if not exchange.first_s:
            exchange.first_s = exchange.touched_s
        exchange.on_piece(body)

    def eof_received(self) -> bool:
        exchange = self._exchange
        if exchange is not None and exchange.status and not exchange.has_length:
            self._keep_alive = False
            self.on_message_complete()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        if self._exchange is not None:
            self.fail(Fault.CLOSED)
        self.origin.on_lost(self)

    # -- llhttp --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._headers = []
        if self._exchange is None:
            self.close()  # another answer behind the last one's end: it would be taken for the next call's

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        exchange, parser = self._exchange, self._parser
        if exchange is None or parser is None:
            return
        if exchange.status:  # the head was known
            self._keep_alive = True
            return
        status = parser.get_status_code()
        if status < 200:
            return  # 100 Continue and its kin; the real answer follows
        if status > 599:
            self.fail(Fault.MALFORMED, "status")
            return
        self._useless_bytes = 0
        self._keep_alive = parser.should_keep_alive()
        headers, self._headers = self._headers, []  # for the trailers, which are too late to mean anything
        exchange.on_head(status, headers)

    def on_chunk_header(self) -> None:
        self._is_between_chunks = False

    def on_chunk_complete(self) -> None:
        self._is_between_chunks = True

    def on_message_complete(self) -> None:
        if self._pieces:
            self._hand_on()
        exchange = self._exchange
        if exchange is None or not exchange.status:
            return
        self._is_between_chunks = False
        if self.paused:
            self.resume()
        self._end(exchange, keep_alive=self._keep_alive)
        exchange.on_end(None)
