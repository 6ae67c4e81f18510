"""Events out of bytes: the same ones however the bytes are split."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posthouse.wire.sse import EventSplitter, EventTooLarge, data_of


def split(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = EventSplitter()
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    return events, splitter.tail


def test_a_stream_as_openai_sends_it() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b'data: {"a":1}\n\n') == [b'data: {"a":1}\n\n']
    assert splitter.feed(b"data: 2\n\ndata: 3\n\n") == [b"data: 2\n\n", b"data: 3\n\n"]
    assert splitter.feed(b"data: [DO") == []
    assert splitter.tail == b"data: [DO"
    assert splitter.feed(b"NE]\n\n") == [b"data: [DONE]\n\n"]
    assert splitter.tail == b""


@pytest.mark.parametrize(
    ("stream", "events", "tail"),
    [
        (b"a\n\nb\n\n", [b"a\n\n", b"b\n\n"], b""),
        (b"a\r\n\r\nb\r\n\r\n", [b"a\r\n\r\n", b"b\r\n\r\n"], b""),
        (b"a\r\rb\r\r", [b"a\r\r"], b"b\r\r"),
        (b"a\n\r\nb\r\n\nc", [b"a\n\r\n", b"b\r\n\n"], b"c"),
        (b"a\r\n\rb\n\r", [b"a\r\n\r"], b"b\n\r"),
        (b"a\r\nb\nc\rd", [], b"a\r\nb\nc\rd"),
        (b"a\n\n\nb\n\n", [b"a\n\n", b"\nb\n\n"], b""),
        (b"a\n\n\n", [b"a\n\n"], b"\n"),
        (b"\n\n", [b"\n\n"], b""),
        (b"", [], b""),
    ],
)
def test_every_kind_of_line_end(stream: bytes, events: list[bytes], tail: bytes) -> None:
    assert split([stream]) == (events, tail)


streams = st.lists(
    st.sampled_from([b"data: x", b"\n", b"\r", b"\r\n", b"\n\n", b":", b"a"]), max_size=24
).map(b"".join)


@example(b"a\r\n\r\nb\r\rc\n\n\n\r\n")
@given(streams)
def test_any_single_split_gives_the_same_events(stream: bytes) -> None:
    whole = split([stream])
    for at in range(len(stream) + 1):
        assert split([stream[:at], stream[at:]]) == whole
    assert split([bytes([byte]) for byte in stream]) == whole
    assert b"".join(whole[0]) + whole[1] == stream


@given(streams, st.lists(st.integers(0, 100), max_size=6))
def test_any_splits_give_the_same_events(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(places)]
    assert split(chunks) == split([stream])


@pytest.mark.parametrize(
    "chunks",
    [[b"123456789\n\n"], [b"12345", b"6789012"], [b"1\n\n123456789\n\n"], [b"1\r\n\r\n123456789\r\n\r\n"]],
)
def test_an_event_over_the_limit_is_refused(chunks: list[bytes]) -> None:
    splitter = EventSplitter(event_bytes_max=10)
    with pytest.raises(EventTooLarge):
        [splitter.feed(chunk) for chunk in chunks]


def test_many_events_together_may_exceed_what_one_may_not() -> None:
    assert EventSplitter(event_bytes_max=10).feed(b"12345678\n\n" * 3) == [b"12345678\n\n"] * 3


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data: x\r\n\r\n", b"x"),
        (b"data: x\r\r", b"x"),
        (b"data: x\ry\n\n", b"x"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"event: message\nid: 1\ndata: x\n\n", b"x"),
        (b"\ndata: x\n\n", b"x"),
        (b"\xef\xbb\xbfdata: x\n\n", b"x"),
        (b"data\n\n", b""),
        (b"data: \n\n", b""),
        (b": ping\n\n", None),
        (b"event: ping\n\n", None),
        (b"dataset: x\n\n", None),
        (b"\n\n", None),
    ],
)
def test_data_of(event: bytes, data: bytes | None) -> None:
    assert data_of(event) == data
