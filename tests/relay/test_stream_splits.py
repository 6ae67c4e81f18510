"""A stream from the upstream's bytes to the caller's: the same however they are cut, whether an event is
known by its shape or parsed."""

import json
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.upstream.wire import Wire, a_loop

from posthouse.metering.stream import StreamMeter
from posthouse.relay.stream import EventStream
from posthouse.relay.values import Flow
from posthouse.wire.chunks import LAST_CHUNK, data_of_chunk, framed
from posthouse.wire.sse import EventSplitter

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class OpenDoor:
    """A caller's side that keeps what it is given."""

    is_open = True

    def __init__(self) -> None:
        self.given = b""

    async def read_body(self) -> bytes:
        return b""

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        raise AssertionError("a stream was asked for")

    def begin(self, status: int, headers: bytes, flow: Flow) -> None:
        assert not self.given

    def write(self, data: bytes) -> None:
        self.given += data

    def write_chunk(self, chunk: bytes) -> None:
        assert framed(data_of_chunk(chunk)) == chunk
        self.write(data_of_chunk(chunk))

    def end(self, data: bytes) -> None:
        raise AssertionError("that is the pipeline's to say")

    abort = end


def event(delta: dict[str, str], **fields: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    whole = {"id": "x", "choices": [choice], "usage": None} | fields
    return b"data: " + json.dumps(whole, separators=(",", ":")).encode() + b"\n\n"


USAGE = {"prompt_tokens": 3, "completion_tokens": 2}
TEXTS = ["a", "it", " is", "中", "", 'a "', "\n", "\\", "x" * 300, "y" * 5000]
EVENTS = [event({"content": text}) for text in TEXTS] + [
    event({"role": "assistant", "content": ""}),
    event({"content": "tail"}, choices=[]),
    event({}, choices=[], usage=USAGE),
    event({"content": "z"}).replace(b"\n", b"\r\n"),
    b": ping\n\n",
]
ENDS = [[], [b"data: [DONE]\n\n"]]
FIRST = event({"content": "first"})


def passed(
    events: list[bytes], cuts: set[int], *, by_chunk: bool, together: bool, hide_usage: bool
) -> tuple[object, ...]:
    """What becomes of the stream when it is cut in those places and, with `by_chunk`, between its chunks;
    `together` puts all events into one chunk."""
    parts = [framed(b"".join(events))] if together and events else [framed(one) for one in events]
    raw = b"".join((*parts, LAST_CHUNK))
    ends = (set(accumulate(map(len, parts))) if by_chunk else set()) | {c for c in cuts if 0 < c < len(raw)}
    with a_loop() as loop:
        wire, door, meter = Wire(loop), OpenDoor(), StreamMeter("gpt-4o", hide_usage=hide_usage)
        stream = EventStream(wire.ask(), meter, EventSplitter())
        wire.feed([HEAD + framed(FIRST)])
        stream.exchange.consume(stream)
        stream.open(door, 200, b"")
        wire.feed([raw[start:end] for start, end in pairwise([0, *sorted(ends), len(raw)])])
        fault = stream.fault and stream.fault.fault
        told = (
            *(meter.usage, meter.saw_finish, meter.error_seen, meter.last, meter.text_bytes),
            meter.service_tier,
        )
        return door.given, stream.is_over, fault, told, meter.take_text(), wire.seen().alive


@given(
    st.lists(st.sampled_from(EVENTS), max_size=8),
    st.sampled_from(ENDS),
    st.sets(st.integers(0, 3000), max_size=6),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_stream_is_passed_on_the_same_however_it_is_cut(
    events: list[bytes], end: list[bytes], cuts: set[int], by_chunk: bool, together: bool, hide_usage: bool
) -> None:
    events = events + end
    whole = passed(events, set(), by_chunk=False, together=True, hide_usage=hide_usage)
    assert passed(events, cuts, by_chunk=by_chunk, together=together, hide_usage=hide_usage) == whole
    assert passed(events, set(), by_chunk=True, together=False, hide_usage=hide_usage) == whole


def test_the_last_tier_counts_also_where_it_was_known_by_its_shape() -> None:
    standard = [event({"content": text}, service_tier="default") for text in "abc"]
    events = [*standard[:2], event({"refusal": "no"}, service_tier="flex"), standard[2], *ENDS[1]]
    whole = passed(events, set(), by_chunk=False, together=True, hide_usage=False)
    assert passed(events, set(), by_chunk=True, together=False, hide_usage=False) == whole


def test_what_comes_in_known_shapes_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would compare one way with itself."""
    with a_loop() as loop:
        wire, door = Wire(loop), OpenDoor()
        stream = EventStream(wire.ask(), StreamMeter("gpt-4o", hide_usage=True), EventSplitter())
        wire.feed([HEAD + framed(FIRST)])
        stream.exchange.consume(stream)
        stream.open(door, 200, b"")
        monkeypatch.setattr("posthouse.metering.stream._decode_chunk", None)
        wire.feed([framed(event({"content": "alone"}))])
        wire.feed([framed(event({"content": "two"})) + framed(event({"content": "at once"}))])
        assert stream.meter.take_text() == ["firstalonetwoat once"]
        assert b"usage" not in door.given
