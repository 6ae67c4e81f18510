"""An upstream's answer comes to the same however the network cuts it, and nothing unsound passes for one."""

import gzip
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.upstream.wire import Loose, Seen, Taker, Wire, a_loop, an_origin, answer_of

from posthouse.upstream.connection import HEAD_BYTES_MAX, Connection
from posthouse.upstream.errors import Fault, UpstreamFault

JSON = (b"content-type", b"application/json")
EXTENDED = b'4;a=b;c="d"\r\n{"a"\r\n1\r\n:\r\n2\r\n1}\r\n0;last\r\nx-trailer: t\r\ncontent-type: no\r\n\r\n'


class Sound:
    """An answer that is right, and what it comes to; `eof`: the end of the connection is its end."""

    def __init__(self, raw: bytes, seen: Seen, *, eof: bool = False) -> None:
        self.raw, self.seen, self.eof = raw, seen, eof


def seen(
    status: int = 200,
    body: bytes = b'{"a":1}',
    *headers: tuple[bytes, bytes],
    fault: Fault | None = None,
    alive: bool = True,
) -> Seen:
    return Seen(status, headers, body, fault, alive)


LENGTH_7, CLOSE = (b"content-length", b"7"), (b"connection", b"close")
CHUNKED = (b"transfer-encoding", b"chunked")
SOUND = {
    "length": Sound(
        b'HTTP/1.1 200 OK\r\nContent-Type:application/json\r\ncontent-LENGTH: 7\r\n\r\n{"a":1}',
        seen(200, b'{"a":1}', JSON, LENGTH_7),
    ),
    "chunked": Sound(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n" + EXTENDED,
        seen(200, b'{"a":1}', JSON, CHUNKED),
    ),
    "until-eof": Sound(
        b'HTTP/1.1 200 OK\r\nx: 1\r\n\r\n{"a":1}', seen(200, b'{"a":1}', (b"x", b"1"), alive=False), eof=True
    ),
    "http-1.0": Sound(
        b'HTTP/1.0 200 OK\r\ncontent-length: 7\r\n\r\n{"a":1}', seen(200, b'{"a":1}', LENGTH_7, alive=False)
    ),
    "close": Sound(
        b'HTTP/1.1 429 Too Many\r\nconnection: close\r\ncontent-length: 7\r\n\r\n{"a":1}',
        seen(429, b'{"a":1}', CLOSE, LENGTH_7, alive=False),
    ),
    "interim": Sound(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        b'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"a":1}',
        seen(200, b'{"a":1}', LENGTH_7),
    ),
    "204": Sound(b"HTTP/1.1 204 No Content\r\nx: 1\r\n\r\n", seen(204, b"", (b"x", b"1"))),
    "304": Sound(b"HTTP/1.1 304 Not Modified\r\netag: 1\r\n\r\n", seen(304, b"", (b"etag", b"1"))),
    "empty": Sound(b"HTTP/1.1 500 \r\ncontent-length: 0\r\n\r\n", seen(500, b"", (b"content-length", b"0"))),
    "no-reason": Sound(b'HTTP/1.1 200\r\ncontent-length: 7\r\n\r\n{"a":1}', seen(200, b'{"a":1}', LENGTH_7)),
    "repeated": Sound(
        b'HTTP/1.1 200 OK\r\nset-cookie: a\r\nset-cookie: b\r\nx: \xe9\r\ncontent-length: 7\r\n\r\n{"a":1}',
        seen(200, b'{"a":1}', (b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"x", b"\xe9"), LENGTH_7),
    ),
}
PACKED = gzip.compress(b'{"a":1}', mtime=0)
SOUND["gzip"] = Sound(
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(PACKED) + PACKED,
    seen(200, b'{"a":1}', (b"content-length", b"%d" % len(PACKED))),
)
each_sound = pytest.mark.parametrize("sound", SOUND.values(), ids=SOUND.keys())


def in_two(raw: bytes) -> Iterator[list[bytes]]:
    return ([raw[:at], raw[at:]] for at in range(len(raw) + 1))


def singly(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


@each_sound
def test_an_answer_is_the_same_however_it_is_cut(sound: Sound) -> None:
    for pieces in [*in_two(sound.raw), singly(sound.raw)]:
        assert answer_of(pieces, eof=sound.eof) == sound.seen, pieces


@given(st.sampled_from(sorted(SOUND)), st.lists(st.integers(0, 200)))
def test_any_cutting_comes_to_the_same(name: str, cuts: list[int]) -> None:
    raw = SOUND[name].raw
    ends = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[start:end] for start, end in pairwise(ends)]
    assert answer_of(pieces, eof=SOUND[name].eof) == SOUND[name].seen


@each_sound
def test_a_consumer_gets_what_would_have_been_collected(sound: Sound) -> None:
    for pieces in [*in_two(sound.raw), singly(sound.raw)]:
        taker = Taker()
        with a_loop() as loop:
            wire = Wire(loop)
            exchange = wire.ask()
            for piece in pieces:
                wire.feed([piece])
                if exchange.head.done() and exchange.consumer is None:
                    exchange.consume(taker)
            if sound.eof:
                wire.end()
        assert b"".join(taker.pieces) == sound.seen.body
        assert taker.ends == [None]
        assert exchange.pieces == []


@each_sound
def test_an_answer_that_ends_too_early_is_none(sound: Sound) -> None:
    """The connection is closed or broken after each byte but the last."""
    head_bytes = sound.raw.rindex(b"\r\n\r\n" if b"chunked" not in sound.raw else b"chunked\r\n\r\n") + 4
    for at in range(len(sound.raw)):
        for lost in (None, ConnectionResetError()):
            met = answer_of([sound.raw[:at]], eof=True, lost=lost)
            assert not met.alive
            if sound.eof and lost is None and at >= head_bytes:
                assert met.fault is None  # nothing tells that this was not the end
            else:
                assert met.fault is Fault.CLOSED, (sound.raw[:at], lost)


def test_an_answer_until_the_end_that_is_broken_off_is_none() -> None:
    raw = SOUND["until-eof"].raw
    assert answer_of([raw], lost=ConnectionResetError()).fault is Fault.CLOSED


HEAD = b"HTTP/1.1 200 OK\r\n"
MALFORMED = {
    "nonsense": b"SSH-2.0-OpenSSH_9.6\r\n",
    "tls-alert": b"\x15\x03\x03\x00\x02\x02\x46",
    "html": b"<html><body>502 Bad Gateway</body></html>",
    "request": b"GET / HTTP/1.1\r\n\r\n",
    "no-version": b"HTTP 200 OK\r\n\r\n",
    "version": b"HTTP/x.1 200 OK\r\n\r\n",
    "http-2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "status-letters": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "status-short": b"HTTP/1.1 20 OK\r\n\r\n",
    "status-long": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status-600": b"HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n",
    "status-999": b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "two-lengths": HEAD + b"content-length: 7\r\ncontent-length: 8\r\n\r\n12345678",
    "same-length-twice": HEAD + b"content-length: 7\r\ncontent-length: 7\r\n\r\n1234567",
    "length-list": HEAD + b"content-length: 7, 7\r\n\r\n1234567",
    "length-negative": HEAD + b"content-length: -1\r\n\r\n",
    "length-plus": HEAD + b"content-length: +7\r\n\r\n1234567",
    "length-hex": HEAD + b"content-length: 0x7\r\n\r\n1234567",
    "length-huge": HEAD + b"content-length: 99999999999999999999999\r\n\r\n",
    "length-and-chunked": HEAD + b"content-length: 7\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-and-length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 7\r\n\r\n0\r\n\r\n",
    "chunk-size": HEAD + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
    "chunk-size-huge": HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "chunk-too-long": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    "header-name": HEAD + b"a b: c\r\n\r\n",
    "header-blank": HEAD + b"content-length : 7\r\n\r\n1234567",
    "header-nul": HEAD + b"x: a\x00b\r\n\r\n",
    "header-cr": HEAD + b"x: a\rb\r\n\r\n",
    "header-colon": HEAD + b"just words\r\n\r\n",
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_sound_http_is_no_answer(raw: bytes) -> None:
    for pieces in [*in_two(raw), singly(raw)]:
        met = answer_of(pieces, eof=True)
        assert met.fault is Fault.MALFORMED, pieces
        assert not met.alive


LEFTOVER = {
    "byte": b"x",
    "blank-line-and-byte": b"\r\nx",
    "answer": b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
    "half-answer": b"HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\nbad",
    "letter-of-an-answer": b"H",
    "timeout": b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n",
}


@pytest.mark.parametrize("leftover", LEFTOVER.values(), ids=LEFTOVER.keys())
@pytest.mark.parametrize("name", ["length", "chunked", "204", "close"])
def test_more_than_was_announced_is_not_taken_and_ends_the_connection(name: str, leftover: bytes) -> None:
    sound = SOUND[name]
    raw = sound.raw + leftover
    for pieces in [*in_two(raw), singly(raw)]:
        assert answer_of(pieces) == sound.seen._replace(alive=False), pieces


def flood(head: bytes, line: bytes) -> Iterator[bytes]:
    """More than any answer has outside of its body, in pieces of a kilobyte."""
    yield head
    for _ in range(4 * HEAD_BYTES_MAX // 1024):
        yield (line * 1024)[:1024]


CHUNKS = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (HEAD, b"a: b\r\n"),
        (HEAD + b"x: ", b"y"),
        (HEAD, b"n"),
        (b"HTTP/1.1 200 ", b"OK"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nx: 12345\r\n\r\n"),
        (b"", b"\r\n"),
        (CHUNKS + b"0\r\n", b"a: b\r\n"),
        (CHUNKS + b"0\r\nx: ", b"y"),
        (CHUNKS + b"3;x=", b"y"),
    ],
    ids=["headers", "value", "name", "reason", "interim", "lines", "trailers", "trailer", "extension"],
)
def test_a_flood_outside_of_the_body_ends_the_answer(head: bytes, line: bytes) -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        exchange = wire.ask()
        taken_bytes = 0
        for piece in flood(head, line):
            if wire.transport.closing:
                break
            taken_bytes += len(piece)
            wire.feed([piece])
        met = wire.seen()
    assert met.fault in (Fault.TOO_LARGE, Fault.MALFORMED)
    assert taken_bytes <= HEAD_BYTES_MAX + 2048
    assert sum(len(name) + len(value) for name, value in exchange.headers) < 100


def test_a_long_head_with_a_long_body_in_one_read_is_taken() -> None:
    value, body = b"y" * (HEAD_BYTES_MAX - 1000), b"z" * 200_000
    raw = HEAD + b"x: %b\r\ncontent-length: %d\r\n\r\n%b" % (value, len(body), body)
    assert answer_of([raw]).body == body
    assert answer_of([raw[:-1], raw[-1:]]).fault is None


@pytest.mark.parametrize("pieces", [[b"0123456789x"], [b"01234", b"56789x"], [b"0123456789", b"x"]])
def test_an_answer_over_the_bound_is_given_up(pieces: list[bytes]) -> None:
    head = HEAD + b"content-length: 11\r\n\r\n"
    met = answer_of([head, *pieces], answer_bytes_max=10)
    assert (met.fault, met.alive) == (Fault.TOO_LARGE, False)
    assert len(met.body) <= 10
    assert answer_of([head, *pieces], answer_bytes_max=11).body == b"0123456789x"


def test_the_bound_is_not_for_who_consumes() -> None:
    with a_loop() as loop:
        wire, taker = Wire(loop), Taker()
        exchange = wire.ask(answer_bytes_max=10)
        wire.feed([HEAD + b"content-length: 30\r\n\r\n"])
        exchange.consume(taker)
        wire.feed([b"0123456789"] * 3)
        assert wire.seen().alive
    assert b"".join(taker.pieces) == b"0123456789" * 3


# --- one connection, one exchange after another ---


def test_a_connection_carries_one_exchange_after_another() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        for name in ("chunked", "length", "204", "interim", "empty", "repeated", "length"):
            wire.ask()
            wire.feed(singly(SOUND[name].raw))
            assert wire.seen() == SOUND[name].seen
        assert wire.transport.written.count(b"POST ") == 7


def test_an_answer_before_the_request_was_out_ends_the_connection() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        wire.ask()
        wire.transport.unsent_bytes = 1
        wire.feed([SOUND["length"].raw])
        assert wire.seen() == SOUND["length"].seen._replace(alive=False)
        assert wire.transport.closing


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        wire.feed([b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
        assert wire.transport.closing


def test_a_connection_that_is_made_after_it_was_given_up_is_closed_and_not_counted() -> None:
    with a_loop() as loop:
        origin, transport = an_origin(loop), Loose()
        connection = Connection(origin, loop)
        connection.discard()
        connection.connection_made(transport)
        assert transport.closing
        assert origin.open_count == 0
        connection.connection_lost(None)
        assert origin.open_count == 0


def test_what_comes_after_an_exchange_was_given_up_is_not_looked_at() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        exchange = wire.ask()
        wire.feed([SOUND["length"].raw[:-1]])
        exchange.abandon()
        exchange.abandon()
        wire.connection.data_received(b"}")  # was on its way
        assert wire.seen().fault is Fault.CLOSED
        assert wire.origin.active == set()
        assert not exchange.complete


def test_an_answer_left_to_run_out_gives_its_connection_back() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        exchange = wire.ask(answer_bytes_max=3)
        wire.feed([HEAD + b"content-length: 7\r\n\r\n1"])
        exchange.pause()
        assert not wire.transport.reading
        exchange.detach()
        assert wire.transport.reading
        wire.feed([b"23456", b"7"])
        assert wire.seen() == seen(200, b"", LENGTH_7)


def test_pausing_reaches_the_socket_and_ends_with_the_exchange() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        exchange = wire.ask()
        wire.feed([HEAD + b"content-length: 7\r\n\r\n1"])
        exchange.pause()
        exchange.pause()
        assert not wire.transport.reading
        wire.feed([b"234567"])  # what had been read before
        assert wire.transport.reading  # the next exchange on this connection is not paused
        exchange.pause()
        assert wire.transport.reading  # no longer this exchange's


class Choosy(Taker):
    """A consumer that has had enough at the first piece."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire

    def feed(self, piece: bytes) -> None:
        super().feed(piece)
        self.wire.connection.fail(Fault.TOO_LARGE, "event")


@pytest.mark.parametrize("early", [True, False])
def test_a_consumer_may_give_up_while_it_is_fed(early: bool) -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        exchange, choosy = wire.ask(), Choosy(wire)
        wire.feed([HEAD + b"content-length: 9\r\n\r\n", *([] if early else [b"123", b"456"])])
        exchange.consume(choosy)
        wire.feed([b"123", b"456"])
        assert choosy.pieces == [b"123"]
        assert [end and end.fault for end in choosy.ends] == [Fault.TOO_LARGE]


def test_who_consumes_late_hears_how_it_ended() -> None:
    for raw, end in ((SOUND["length"].raw, None), (SOUND["length"].raw[:-2], Fault.CLOSED)):
        with a_loop() as loop:
            wire, taker = Wire(loop), Taker()
            exchange = wire.ask()
            wire.feed([raw])
            if end is not None:
                wire.end()
            exchange.consume(taker)
        assert b"".join(taker.pieces) == raw.partition(b"\r\n\r\n")[2]
        assert [fault and fault.fault for fault in taker.ends] == [end]


def test_a_fault_tells_no_text_of_the_answer() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        exchange = wire.ask()
        wire.feed([b"HTTP/1.1 200 OK\r\ncanary canary\r\n\r\n"])
        wire.seen()
        assert isinstance(exchange.fault, UpstreamFault)
        assert "canary" not in repr(exchange.fault) + str(exchange.fault)
