"""A caller who reads slowly slows the upstream down, and costs no memory."""

import asyncio

import pytest
from tests.relay.forwarding import in_order, new_forwarder, offer
from tests.upstream.stage import Play

from posthouse.relay.ask import read_ask
from posthouse.relay.endpoints import CHAT
from posthouse.relay.router import Trip
from posthouse.relay.stream import EventStream
from posthouse.relay.values import Flow
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import until
from posthouse.upstream.client import UpstreamClient
from posthouse.wire.chunks import data_of_chunk

STREAM = b'{"model":"gpt-4o-mini","messages":[],"stream":true,"stream_options":{"include_usage":true}}'
HEADERS = {b"content-type": b"application/json"}
EVENT = b'data: {"choices":[],"padding":"%b"}\n\n' % (b"x" * 50_000)
EVENTS = 1000  # 50 MB in all
DONE = b"data: [DONE]\n\n"
HIGH_BYTES, LOW_BYTES = 64 * 1024, 16 * 1024  # as a socket's write buffer
# What one read of the upstream's socket can add before the pause takes hold.
READ_BYTES = 512 * 1024
# What both kernels' buffers and the scripted upstream's own hold on loopback; the rest has to wait unsent.
BUFFERED_BYTES = 30_000_000


class SlowDoor:
    """A caller's side that takes only what `read` is told to, and pauses the flow as a transport would."""

    def __init__(self) -> None:
        self.taken_bytes = 0
        self.waiting_bytes = 0
        self.peak_bytes = 0
        self.ends_right = True
        self._flow: Flow | None = None
        self._is_paused = False

    @property
    def is_open(self) -> bool:
        return self._flow is not None

    async def read_body(self) -> bytes:
        return STREAM

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        raise AssertionError("a stream was asked for")

    def begin(self, status: int, headers: bytes, flow: Flow) -> None:
        self._flow = flow

    def write(self, data: bytes) -> None:
        self.ends_right = self.ends_right and (not data or data.endswith(b"\n\n"))
        self.waiting_bytes += len(data)
        self.peak_bytes = max(self.peak_bytes, self.waiting_bytes)
        if self.waiting_bytes > HIGH_BYTES and not self._is_paused:
            assert self._flow is not None
            self._is_paused = True
            self._flow.pause()

    def write_chunk(self, chunk: bytes) -> None:
        self.write(data_of_chunk(chunk))

    def end(self, data: bytes) -> None:
        self.write(data)

    def abort(self, data: bytes) -> None:
        self.write(data)

    def read(self, size: int) -> None:
        """The caller reads so much, where it is there."""
        size = min(size, self.waiting_bytes)
        self.waiting_bytes -= size
        self.taken_bytes += size
        if self._is_paused and self.waiting_bytes < LOW_BYTES:
            assert self._flow is not None
            self._is_paused = False
            self._flow.resume()


async def opened(client: UpstreamClient, upstream: ScriptedUpstream, door: SlowDoor) -> EventStream:
    upstream.default = Script(events=(EVENT,) * EVENTS + (DONE,))
    ask = read_ask(CHAT, HEADERS, STREAM, "", 1_000_000)
    lineup = in_order((offer("first", upstream),))
    trip = Trip(ask.model)
    answer = await new_forwarder(client).fetch(ask, HEADERS, lineup, trip, output_cap=None, attempts=[])
    assert answer.stream is not None
    answer.stream.open(door, 200, b"")
    return answer.stream


async def settled(upstream: ScriptedUpstream) -> int:
    """How many bytes the upstream could send, once it can send no more."""
    before = -1
    while before != upstream.received[0].sent_bytes:
        before = upstream.received[0].sent_bytes
        await asyncio.sleep(0.15)  # longer than any pause of one that still sends
    return before


def test_who_reads_nothing_stops_the_upstream(play: Play, first: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        door = SlowDoor()
        stream = await opened(client, first, door)
        assert await settled(first) < BUFFERED_BYTES
        assert not first.received[0].finished.is_set()
        assert door.peak_bytes < HIGH_BYTES + READ_BYTES
        assert not stream.kept
        stream.exchange.abandon()  # the caller leaves

    play(scenario)
    assert first.received[0].gone.wait(5)


def test_who_reads_slowly_gets_all_of_it_and_costs_little(play: Play, first: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        door = SlowDoor()
        stream = await opened(client, first, door)
        while not stream.is_over:
            door.read(200_000)
            await asyncio.sleep(0)
        assert stream.fault is None
        door.read(HIGH_BYTES + READ_BYTES)
        assert door.taken_bytes == EVENTS * len(EVENT)
        assert stream.meter.last == DONE
        assert door.ends_right  # only whole events
        assert door.peak_bytes < HIGH_BYTES + READ_BYTES
        await until(lambda: stream.exchange.complete)

    play(scenario)


@pytest.mark.parametrize("reading", [True, False])
def test_a_paused_stream_ends_when_the_upstream_breaks_off(
    play: Play, first: ScriptedUpstream, reading: bool
) -> None:
    async def scenario(client: UpstreamClient) -> None:
        door = SlowDoor()
        stream = await opened(client, first, door)
        await settled(first)
        client.close()
        if reading:
            door.read(HIGH_BYTES + READ_BYTES)
        await asyncio.wait_for(stream.wait_over(), 5)
        assert stream.fault is not None

    play(scenario)
