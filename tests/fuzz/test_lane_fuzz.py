"""However a caller's bytes are cut into segments, the lane understands the same requests and gives the same
answers; whatever the bytes are, no callback raises, nothing hangs and nothing stays behind."""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import msgspec
import pytest
import uvicorn
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.e2e.caller import CONTINUE, Reply, chunked, parse_reply
from uvicorn.server import ServerState

from posthouse.kernel.errors import Refusal
from posthouse.kernel.settings import Settings
from posthouse.relay.answers import render_refusal
from posthouse.relay.pipeline import Relay
from posthouse.relay.values import Door, RelayRequest
from posthouse.server.addresses import Addresses
from posthouse.server.lane import Lane

SETTINGS = Settings(head_bytes_max=2048, headers_max=20, body_bytes_max=4096, bodies_bytes_max=65536)
END_S = 10.0  # whatever takes so long hangs


class Echo(Relay):
    """In the pipeline's place: tells what it was given, at once, later, or as a stream."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []

    async def handle(self, request: RelayRequest, door: Door) -> None:
        try:
            if "late" in request.path:
                await asyncio.sleep(0)
            if "early" in request.path:
                door.respond(401, b"", b"early")
                return
            body = await door.read_body()
        except Refusal as refusal:
            door.respond(*render_refusal(refusal, request.headers, request.request_id))
            return
        self.seen.append((request.method, request.path, body))
        told = hashlib.sha256(
            msgspec.json.encode(
                (request.method, request.path, sorted(request.headers.items()), body, request.address)
            )
        )
        if "stream" not in request.path:
            door.respond(200, b"", told.hexdigest().encode())
            return
        door.begin(200, b"", Free())
        for digit in told.hexdigest():
            door.write(digit.encode())
            await asyncio.sleep(0)
        door.end(b"!")


class Free:
    """A Flow that needs no pausing."""

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def detach(self) -> None:
        pass


class Line(asyncio.Transport):
    """A connection in memory: keeps what is written, and ends as a socket's does, in a later turn of the
    loop."""

    def __init__(self, protocol: asyncio.BaseProtocol, address: str) -> None:
        super().__init__({"peername": (address, 1234), "sockname": ("192.0.2.2", 80)})
        self.protocol: Any = protocol
        self.written = bytearray()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.is_ended = False
        self.has_ended = asyncio.Event()
        self.has_written_eof = False
        self.protocol.connection_made(self)

    def write(self, data: Any) -> None:
        assert not self.has_written_eof, "nothing is written behind the end"
        if not self.is_ended:
            self.written += data

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def pause_reading(self) -> None:
        self.may_send.clear()

    def resume_reading(self) -> None:
        self.may_send.set()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_written_eof = True

    def is_closing(self) -> bool:
        return self.is_ended

    def close(self) -> None:
        if not self.is_ended:
            self.is_ended = True
            self.may_send.set()
            asyncio.get_running_loop().call_soon(self._end)

    abort = close

    def _end(self) -> None:
        self.protocol.connection_lost(None)
        self.has_ended.set()


class Heard(msgspec.Struct):
    """What came of one connection: the answers, and the requests that reached the pipeline."""

    replies: list[Reply]
    seen: list[tuple[str, str, bytes]]
    is_closed: bool


async def page(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI app that paths other than the relay's go to."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"page"})


def a_lane(*trusted: str) -> Lane:
    return Lane(Echo(), SETTINGS, Addresses(b"key", trusted))


async def converse(
    segments: list[bytes],
    *,
    patiently: bool = False,
    lane: Lane | None = None,
    address: str = "192.0.2.1",
) -> Heard:
    """Send the segments, each when the one before has been taken, or when all that it brought is answered;
    then hang up."""
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    server = ServerState()
    lane = lane or a_lane()
    lane.relay = echo = Echo()
    config = uvicorn.Config(page, lifespan="off", ws="none", log_config=None, access_log=False)
    config.load()
    line = Line(lane.protocol(config, server, {}), address)
    async with asyncio.timeout(END_S):
        for segment in segments:
            await line.may_send.wait()
            if line.is_ended:
                break
            line.protocol.data_received(segment)
            await (quiet(line) if patiently else asyncio.sleep(0))
        await quiet(line)
        is_closed = line.is_ended or line.has_written_eof
        line.protocol.eof_received()
        line.close()
        await line.has_ended.wait()
        if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks)
    assert faults == []
    assert lane.body_bytes == 0
    assert lane.connections == server.connections == set()
    return Heard(list(replies_in(bytes(line.written))), echo.seen, is_closed)


async def quiet(line: Line) -> None:
    """Until nothing has been written for a while."""
    unchanged, size = 0, 0
    while unchanged < 20:
        await asyncio.sleep(0)
        unchanged = unchanged + 1 if len(line.written) == size else 0
        size = len(line.written)


def replies_in(data: bytes) -> Iterator[Reply]:
    data = data.replace(CONTINUE, b"")
    while data:
        parsed = parse_reply(data)
        assert parsed is not None
        reply, data = parsed
        assert reply.whole or reply.headers["connection"] == "close"  # a stream in HTTP/1.0
        yield reply


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


def essence(reply: Reply) -> tuple[int, bytes]:
    return reply.status, re.sub(rb"req_\w+", b"", reply.body)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    starts = [0, *ends]
    return [data[start:end] for start, end in zip(starts, ends, strict=False) if start < end]


PATHS = [
    "/v1/chat/completions",
    "/v1/late",
    "/v1/stream",
    "/v1/late/stream?a=b",
    "http://a/v1/models",
    "/healthz",
]
HEADERS = [
    *("x-a: 1", "x-a: 2", "X-LONG: " + "y" * 300, "expect: 100-continue", "accept: */*", "x-empty:"),
    *("user-agent: a (b; c)", "cookie: a=\xe4", "connection: keep-alive"),
]


@st.composite
def sound_request(draw: st.DrawFn) -> bytes:
    """A request that every server understands."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "OPTIONS"]))
    lines = [
        f"{method} {draw(st.sampled_from(PATHS))} HTTP/1.1",
        "host: a",
        *draw(st.lists(st.sampled_from(HEADERS), max_size=4)),
    ]
    pieces = draw(st.lists(st.binary(max_size=60), max_size=3)) if method in ("POST", "PUT") else []
    if pieces and draw(st.booleans()):
        lines.append("transfer-encoding: chunked")
        body = chunked(*filter(None, pieces))
    else:
        body = b"".join(pieces)
        lines += [f"content-length: {len(body)}"] * (method in ("POST", "PUT"))
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


ODD = [
    b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /v1/models HTTP/1.0\r\n\r\n",
    b"POST /v1/early HTTP/1.1\r\nhost: a\r\ncontent-length: 9000\r\n\r\n" + b"x" * 500,
    b"POST /v1/large HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    + chunked(b"x" * 3000, b"x" * 3000),
    b"POST /v1/h2c HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
    b"content-length: 5\r\n\r\nhello",
    b"POST /v1/trailer HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /v1/close HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    b"GET /v1/flood HTTP/1.1\r\nhost: a\r\n" + b"x: 1\r\n" * 30 + b"\r\n",
    b"GET /v1/long HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 5000 + b"\r\n\r\n",
    b"GET /v1/no-host HTTP/1.1\r\n\r\n",
    b"POST /v1/both HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"\r\n\r\n",
    b"\x16\x03\x01\x00\xca\x01\x00\x00\xc6\x03\x03",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Sound and odd requests with some bytes changed, left out or put in."""
    data = bytearray(b"".join(draw(st.lists(sound_request() | st.sampled_from(ODD), min_size=1, max_size=4))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        new = draw(
            st.sampled_from([b"", b"\r\n", b"\n", b"\x00", b" ", b":", b"0\r\n\r\n", b"\xff", b"GET "])
        )
        data[at : at + draw(st.integers(0, 3))] = new
    return bytes(data)


PLACES = st.lists(st.integers(0, 10_000), max_size=12)


@given(requests=st.lists(sound_request(), min_size=1, max_size=6), places=PLACES)
def test_sound_requests_are_answered_alike_however_they_are_cut(
    loop: asyncio.Runner, requests: list[bytes], places: list[int]
) -> None:
    data = b"".join(requests)
    whole = loop.run(converse([data]))
    parts = loop.run(converse(cut(data, places)))
    assert len(whole.replies) == len(whole.seen) == len(requests)
    assert list(map(essence, parts.replies)) == list(map(essence, whole.replies))
    assert parts.seen == whole.seen
    assert not whole.is_closed
    assert not parts.is_closed


# Heads of one client: nearly always the first, sometimes one that could be taken for it.
CLIENT_HEADS = [
    "POST /v1/late HTTP/1.1\r\nhost: a\r\ncontent-length: %s\r\nx-a: 1\r\n\r\n",
    "POST /v1/late HTTP/1.1\r\nhost: a\r\ncontent-length: %s\r\nx-a: 2\r\n\r\n",
    "POST /v1/late HTTP/1.1\r\nhost: a\r\nContent-Length:%s \r\nx-a: 1\r\n\r\n",
    "POST /v1/late HTTP/1.1\r\nhost: a\r\ncontent-length: 0%s\r\nx-a: 1\r\n\r\n",
    "POST /v1/late HTTP/1.1\r\nhost: a\r\nx: content-length: 1\r\ncontent-length: %s\r\n\r\n",
]
CLIENT_BODIES = st.binary(max_size=12) | st.just((CLIENT_HEADS[0] % 2).encode() + b"{}")


@given(
    requests=st.lists(
        st.tuples(st.sampled_from([CLIENT_HEADS[0], *CLIENT_HEADS]), CLIENT_BODIES), max_size=6
    ),
    places=PLACES,
    apart=st.booleans(),
)
def test_a_head_that_is_known_again_means_what_it_means_to_the_parser(
    loop: asyncio.Runner, requests: list[tuple[str, bytes]], places: list[int], apart: bool
) -> None:
    """One request after the other, cut anywhere, against all at once: there each head is parsed."""
    whole = [(head % len(body)).encode() + body for head, body in requests]
    ends = list(accumulate(map(len, whole))) if apart else []
    parsed = loop.run(converse([b"".join(whole)]))
    known = loop.run(converse(cut(b"".join(whole), places[:4] + ends), patiently=True))
    assert list(map(essence, known.replies)) == list(map(essence, parsed.replies))
    assert known.seen == parsed.seen
    assert len(known.seen) == len(requests)


@pytest.mark.parametrize("trusted", [(), ("192.0.2.0/24",)])
@given(head=st.sampled_from(CLIENT_HEADS), body=CLIENT_BODIES, times=st.integers(1, 3), places=PLACES)
def test_a_head_that_another_connection_has_sent_means_the_same(
    loop: asyncio.Runner, trusted: tuple[str, ...], head: str, body: bytes, times: int, places: list[int]
) -> None:
    """The first request of a connection, its head known to the process against read by the parser; the caller
    is the one at its own end, or whom its own proxy names."""
    heads = [one.replace("host: a", "host: a\r\nx-forwarded-for: 203.0.113.5") for one in CLIENT_HEADS]
    lane = a_lane(*trusted)
    for one in heads:
        loop.run(converse([(one % 2).encode() + b"{}"], lane=lane, address="198.51.100.7"))
    data = times * ((heads[CLIENT_HEADS.index(head)] % len(body)).encode() + body)
    known = loop.run(converse(cut(data, places[:3]), lane=lane))
    parsed = loop.run(converse([data], lane=a_lane(*trusted)))
    assert known.seen == parsed.seen
    assert list(map(essence, known.replies)) == list(map(essence, parsed.replies))


@pytest.mark.parametrize("length", [b"", b"5000", b"1x", b"+2", b"2\r\ncontent-length: 3", b"99999999999999"])
def test_a_length_that_is_none_is_refused_behind_a_known_head_too(
    loop: asyncio.Runner, length: bytes
) -> None:
    before, after = CLIENT_HEADS[0].encode().split(b"%s")
    sound = before + b"2" + after + b"{}"
    heard = loop.run(converse([sound, sound, before + length + after + b"{}"], patiently=True))
    assert [reply.status for reply in heard.replies[:2]] == [200, 200]
    assert all(reply.status in (400, 413) for reply in heard.replies[2:])
    assert len(heard.seen) == 2
    assert heard.is_closed


def test_a_known_head_within_another_request_is_a_part_of_that(loop: asyncio.Runner) -> None:
    sound = (CLIENT_HEADS[0] % 2).encode() + b"{}"
    begun = b"GET /v1/models HTTP/1.1\r\nx-b: "
    heard = loop.run(converse([sound + begun, sound], patiently=True))
    assert heard == loop.run(converse([sound + begun + sound]))
    assert heard.seen[1:] == [("GET", "/v1/models", b"{}")]


@pytest.mark.parametrize("at", [1, 4, 28])
def test_the_rest_of_a_head_begun_behind_another_request_is_no_head(loop: asyncio.Runner, at: int) -> None:
    sound = (CLIENT_HEADS[0] % 2).encode() + b"{}"
    heard = loop.run(converse([sound + sound[:at], sound[at:], sound[at:], sound], patiently=True))
    assert [reply.status for reply in heard.replies] == [200, 200, 400]
    assert len(heard.seen) == 2
    assert heard.is_closed


def test_every_single_cut_and_one_byte_at_a_time(loop: asyncio.Runner) -> None:
    data = b"".join(one for one in ODD[4:6]) + ODD[0]
    whole = loop.run(converse([data]))
    assert [reply.status for reply in whole.replies][:2] == [200, 200]
    for segments in ([bytes([byte]) for byte in data], *(cut(data, [place]) for place in range(len(data)))):
        parts = loop.run(converse(segments))
        check_alike(whole, parts)


def check_alike(one: Heard, other: Heard) -> None:
    """The same requests in the same order, as far as both got: what spoils a connection may come in the same
    segment as a request before it, or later. And the same answers to them."""
    shorter = min(len(one.seen), len(other.seen))
    assert one.seen[:shorter] == other.seen[:shorter]
    both = list(zip(one.replies, other.replies, strict=False))
    for left, right in both[: len(both) - 1]:
        assert essence(left) == essence(right)
    for heard in (one, other):
        for reply in heard.replies:
            assert reply.status in (200, 400, 401, 413)


@settings(max_examples=400)
@given(data=mutated(), places=PLACES)
@example(data=ODD[0] + ODD[4], places=[])
@example(data=ODD[4] + ODD[4], places=[])
@example(data=ODD[6], places=[3])
@example(data=ODD[1] * 2, places=[])
@example(data=ODD[5] * 20, places=[])
@example(data=ODD[9] + ODD[0], places=[100, 3000])
def test_whatever_comes_nothing_breaks_or_hangs(loop: asyncio.Runner, data: bytes, places: list[int]) -> None:
    check_alike(loop.run(converse([data])), loop.run(converse(cut(data, places))))


@given(data=st.binary(max_size=300), places=PLACES)
def test_noise(loop: asyncio.Runner, data: bytes, places: list[int]) -> None:
    check_alike(loop.run(converse([data])), loop.run(converse(cut(data, places))))


@pytest.mark.slow
@settings(max_examples=1000)
@given(data=mutated(), places=PLACES)
def test_whatever_comes_at_length(loop: asyncio.Runner, data: bytes, places: list[int]) -> None:
    check_alike(loop.run(converse([data])), loop.run(converse(cut(data, places))))
