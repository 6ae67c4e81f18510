"""A stream of Anthropic's read as it passes, and the usage that it reports in two places."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.metering.anthropic import AnthropicMeter, texts_of_anthropic
from posthouse.metering.usage import Usage
from posthouse.wire.sse import EventSplitter

START = {
    "input_tokens": 10,
    "cache_read_input_tokens": 7,
    "cache_creation_input_tokens": 3,
    "output_tokens": 1,
}


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


def text(piece: str, index: int = 0) -> bytes:
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})


STOP = event("message_stop")


def delta(**fields: Any) -> bytes:
    return event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, **fields)


def test_a_stream_passes_unchanged_but_for_its_last_event() -> None:
    meter = AnthropicMeter()
    events = [
        event("message_start", message={"id": "msg_1", "usage": START}),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        b": comment\n\n",
        text("Hello"),
        text(" you"),
        event("content_block_stop", index=0),
        delta(usage={"output_tokens": 5}),
    ]
    assert meter.feed(events) == b"".join(events)
    assert (meter.saw_finish, meter.saw_done) == (True, False)
    assert meter.feed([STOP]) == b""
    assert (meter.saw_done, meter.last) == (True, STOP)
    assert meter.usage == Usage({"cache_write": 3, "cached_input": 7, "input": 10, "output": 5}, 20, 5)
    assert not meter.usage_is_stale
    assert meter.take_text() == ["Hello you"]


def start(**block: Any) -> bytes:
    return event("content_block_start", index=0, content_block=block)


@pytest.mark.parametrize(
    "first",
    [
        text("Hello"),
        start(type="thinking", thinking=""),
        start(type="tool_use", name="f", input={}),
        start(type="text", text="Hello"),
        event("content_block_start"),
        event("message_start", message={"content": [{"type": "text"}]}),
        event("error", error={"type": "overloaded_error"}),
        delta(),
        b"data: 7\n\n",
    ],
)
def test_only_what_is_known_to_say_nothing_is_an_opening(first: bytes) -> None:
    meter = AnthropicMeter()
    for message in ({}, {"message": None}, {"message": {"content": []}}, {"message": {"usage": START}}):
        meter.feed([event("message_start", **message)])
    openings = [event("ping"), b": comment\n\n", b"data: {\n\n", start(type="text", text="")]
    meter.feed(openings)
    assert meter.is_opening
    meter.feed([first])
    assert not meter.is_opening


def test_the_later_report_replaces_what_it_repeats() -> None:
    meter = AnthropicMeter()
    meter.feed([event("message_start", message={"usage": {**START, "service_tier": "priority"}})])
    meter.feed([delta(usage={"output_tokens": 4}), delta(usage={"input_tokens": 30, "output_tokens": 9})])
    assert meter.usage == Usage(
        {"cache_write": 3, "cached_input": 7, "input": 30, "output": 9}, 40, 9, "priority"
    )


def test_of_a_stream_that_breaks_the_first_report_is_stale() -> None:
    meter = AnthropicMeter()
    meter.feed([event("message_start", message={"usage": START}), text("Hello")])
    assert meter.usage_is_stale
    assert meter.usage is not None
    assert meter.usage.completion_tokens == 1


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event("message_start")],
        [event("message_start", message={"usage": None}), delta()],
        [event("message_start", message={"usage": {"input_tokens": -1}})],
    ],
    ids=["nothing", "no message", "null", "malformed"],
)
def test_no_usage_and_malformed_usage_are_none(events: list[bytes]) -> None:
    meter = AnthropicMeter()
    meter.feed(events)
    assert meter.usage is None


def test_all_delivered_text_is_kept_by_block() -> None:
    meter = AnthropicMeter()
    meter.feed(
        [
            event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}),
            event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"}),
            text("so", 1),
            event(
                "content_block_start", index=2, content_block={"type": "tool_use", "name": "f", "input": {}}
            ),
            event("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": '{"a"'}),
            event("content_block_start", index=3),
        ]
    )
    assert meter.take_text() == ["hm", "so", 'f{"a"']


def test_errors_and_what_is_no_json_pass() -> None:
    meter = AnthropicMeter()
    odd = [
        event("error", error={"type": "overloaded_error"}),
        b"data: no json\n\n",
        b'data: {"index":"x"}\n\n',
    ]
    assert meter.feed(odd) == b"".join(odd)
    assert (meter.error_seen, meter.saw_finish) == (True, False)
    assert meter.shape is None


def test_the_end_of_nothing_says_nothing() -> None:
    meter = AnthropicMeter()
    meter.feed([event("ping"), STOP, text("Hello")])
    assert (meter.is_opening, meter.saw_done, meter.take_text()) == (True, True, [])


def test_an_error_in_openais_shape_is_one() -> None:
    meter = AnthropicMeter()
    meter.feed([b'data: {"error":{"message":"no","code":500}}\n\n'])
    assert meter.error_seen


def test_the_text_of_a_whole_answer() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    ]
    assert texts_of_anthropic(json.dumps({"content": blocks}).encode()) == ["hm", "so", 'f{"a": 1}']
    assert texts_of_anthropic(b"{}") == []
    assert texts_of_anthropic(b"no json") == []


@given(st.lists(st.integers(0, 1000), max_size=8))
def test_any_splits_are_metered_alike(cuts: list[int]) -> None:
    stream = b"".join(
        [
            event("message_start", message={"usage": START}),
            text("Hello"),
            text(" 你好", 1),
            delta(usage={"output_tokens": 5}),
            STOP,
        ]
    )
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    meter, splitter = AnthropicMeter(), EventSplitter()
    shown = b"".join(meter.feed(splitter.feed(stream[start:end])) for start, end in pairwise(places))
    assert shown + meter.last == stream
    assert meter.saw_done
    assert meter.usage == Usage({"cache_write": 3, "cached_input": 7, "input": 10, "output": 5}, 20, 5)
    assert meter.take_text() == ["Hello", " 你好"]
