"""A stream read as it passes: what is forwarded, what is withheld, what is remembered."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.metering.passing import passed
from tests.unit.nesting import DEPTH

from posthouse.metering.meter import TEXT_BYTES_MAX
from posthouse.metering.shape import LENGTHS_MAX, PIECE_BYTES_MAX
from posthouse.metering.stream import StoredMeter, StreamMeter, texts_of_answer
from posthouse.metering.usage import Usage
from posthouse.wire.chunks import data_of_chunk, framed
from posthouse.wire.objects import Made
from posthouse.wire.sse import EventSplitter

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields, separators=(",", ":")).encode() + b"\n\n"


def chunk(content: str | None = None, *, index: int = 0, **fields: Any) -> bytes:
    choice = {
        "index": index,
        "delta": {"content": content},
        "finish_reason": fields.pop("finish_reason", None),
    }
    return event(id="x", choices=[choice], **fields)


def test_a_stream_whose_caller_asked_for_usage_passes_unchanged() -> None:
    meter = StreamMeter("gpt-4o")
    events = [chunk("Hello", usage=None), chunk(" you", usage=None), event(choices=[], usage=USAGE), DONE]
    assert meter.feed(events[:-1]) == b"".join(events[:-1])
    assert not meter.saw_done
    assert meter.feed(events[-1:]) == b""
    assert (meter.saw_done, meter.last) == (True, DONE)
    assert meter.usage == Usage({"input": 10, "output": 5}, 10, 5)
    assert meter.take_text() == ["Hello you"]


def test_usage_that_only_the_relay_asked_for_is_withheld() -> None:
    meter = StreamMeter("gpt-4o", hide_usage=True)
    asked = [
        chunk("Hi", usage=None),
        chunk(finish_reason="stop", usage=None),
        event(choices=[], usage=USAGE),
        DONE,
    ]
    assert meter.feed(asked) == chunk("Hi") + chunk(finish_reason="stop")
    assert meter.usage == Usage({"input": 10, "output": 5}, 10, 5)
    assert meter.saw_finish
    assert meter.feed([event(choices=[], usage=USAGE)]) == b""


def test_what_would_be_there_without_asking_stays() -> None:
    meter = StreamMeter(hide_usage=True)
    events = [
        event(choices=[], prompt_filter_results=[]),
        chunk("with the last text", usage=USAGE),
        chunk('say ,"usage":null', usage={"prompt_tokens": 1}),
        event(choices=[{"index": 0, "delta": {}, "usage": None}], a=1, usage=None),
        b": comment\n\n",
    ]
    assert meter.feed(events) == b"".join(events)


def test_null_for_usage_is_withheld_however_it_is_written() -> None:
    meter = StreamMeter(hide_usage=True)
    loose = [b"data: %b\n\n" % json.dumps(json.loads(chunk(text, usage=None)[6:])).encode() for text in "abc"]
    assert meter.feed(loose) == b"".join(loose).replace(b', "usage": null', b"")


def test_the_last_usage_counts_and_is_never_added() -> None:
    meter = StreamMeter()
    meter.feed([chunk("a", usage={"prompt_tokens": 10, "completion_tokens": n}) for n in range(1, 4)])
    meter.feed([chunk("b", usage=None), chunk("c")])
    assert meter.usage == Usage({"input": 10, "output": 3}, 10, 3)


def test_no_usage_and_malformed_usage_are_none() -> None:
    meter = StreamMeter()
    meter.feed([chunk("a")])
    assert meter.usage is None
    meter.feed([event(choices=[], usage={"prompt_tokens": -1})])
    assert meter.usage is None


def test_the_service_tier_that_was_served_goes_with_the_usage() -> None:
    meter = StreamMeter()
    meter.feed([chunk("a", service_tier="flex"), event(choices=[], usage=USAGE)])
    assert meter.usage == Usage({"input": 10, "output": 5}, 10, 5, "flex")


@pytest.mark.parametrize(
    "last",
    [
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]),
        event(choices=[], x_groq={"usage": USAGE}),
        event(choices=[{"index": 0, "delta": {"content": [{"type": "text"}]}}], usage=USAGE),
    ],
    ids=["moonshot", "groq", "another shape"],
)
def test_finds_usage_where_providers_put_it(last: bytes) -> None:
    meter = StreamMeter()
    assert meter.feed([last]) == last
    assert meter.usage == Usage({"input": 10, "output": 5}, 10, 5)


def test_all_delivered_text_is_kept_by_choice() -> None:
    meter = StreamMeter()
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        {"content": "a"},
        {"reasoning_content": "b"},
        {"reasoning": "c"},
        {"refusal": "d"},
        {"function_call": {"name": "e", "arguments": "f"}},
        {"tool_calls": [{"index": 0, "function": {"name": "g", "arguments": "h"}}, {"index": 1}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "i"}}]},
    ]
    for delta in deltas:
        meter.feed([event(choices=[{"index": 0, "delta": delta}])])
    meter.feed(
        [chunk("other", index=1), event(choices=[{"index": 0, "text": "j"}]), event(choices=[{"text": None}])]
    )
    assert meter.text_bytes == 15
    assert meter.take_text() == ["abcdefghij", "other"]
    assert meter.take_text() == []
    assert meter.text_bytes == 0


def test_text_of_another_shape_is_kept_too() -> None:
    meter = StreamMeter()
    strange = event(choices=[{"delta": {"content": [{"text": "Bonjour"}, 1, None]}}])
    assert meter.feed([strange]) == strange
    assert meter.take_text() == ["Bonjour"]


def said(**members: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": {}, **members}])


SAYS_NOTHING = {
    "a comment": b": processing\n\n",
    "no choices": event(choices=[], prompt_filter_results=[{"prompt_index": 0}]),
    "a role": said(delta={"role": "assistant", "content": "", "refusal": None}, logprobs=None),
    "an empty text": said(delta=None, text=""),
    "empty lists": said(delta={"content": None, "tool_calls": [], "audio": {}}, content_filter_results={}),
    "usage": event(choices=[], usage=USAGE),
    "an end": said(finish_reason="stop"),
    "no JSON": b"data: {\n\n",
    "done": DONE,
}
SAYS_SOMETHING = {
    "content": said(delta={"content": "a"}),
    "a text": event(choices=[{"index": 0, "text": "a"}]),
    "a tool call": said(delta={"role": "assistant", "tool_calls": [{"index": 0, "id": "call_1"}]}),
    "a function": said(delta={"function_call": {"name": "f"}}),
    "a refusal": said(delta={"refusal": "No"}),
    "reasoning": said(delta={"content": "", "reasoning_content": "Well"}),
    "audio": said(delta={"audio": {"id": "audio_1"}}),
    "what is not known": said(delta={"images": [{}]}),
    "beside the delta": said(message={"citations": ["a"]}),
    "the second choice": event(choices=[{"index": 0, "delta": {}}, {"index": 1, "delta": {"content": "a"}}]),
    "a filter": said(finish_reason="content_filter"),
    "an error": event(choices=[], error={"message": "no"}),
    "no list": event(output={"text": "a"}),
    "another shape": said(delta={"content": [{"type": "text"}]}),
    "no UTF-8": b'data: {"choices":[],"x":"\xff"}\n\n',
}


def test_what_says_nothing_is_an_opening() -> None:
    meter = StreamMeter()
    for one in SAYS_NOTHING.values():
        meter.feed([one])
        assert meter.is_opening, one


@pytest.mark.parametrize("first", SAYS_SOMETHING.values(), ids=SAYS_SOMETHING.keys())
def test_whatever_may_say_something_ends_the_opening(first: bytes) -> None:
    meter = StreamMeter()
    meter.feed([*(one for one in SAYS_NOTHING.values() if one != DONE), first])
    assert not meter.is_opening
    meter.feed([said(delta={"role": "assistant"})])
    assert not meter.is_opening


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        (
            {"choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]},
            ["Hello"],
        ),
        ({"choices": [{"index": 0, "text": "a"}, {"index": 1, "text": "b"}], "usage": None}, ["a", "b"]),
        (
            {
                "choices": [
                    {"message": {"tool_calls": [{"id": "x", "function": {"name": "f", "arguments": "{}"}}]}}
                ]
            },
            ["f{}"],
        ),
        (
            {"choices": [{"message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}}]},
            ["Hi"],
        ),
        ({"data": []}, []),
        ([], []),
    ],
)
def test_texts_of_a_whole_answer(answer: object, texts: list[str]) -> None:
    assert texts_of_answer(json.dumps(answer, indent=1).encode()) == texts


def test_long_text_asks_to_be_taken() -> None:
    meter = StreamMeter()
    meter.feed([chunk("x" * TEXT_BYTES_MAX)])
    assert not meter.text_is_long
    meter.feed([chunk("x")])
    assert meter.text_is_long
    assert len(meter.take_text()[0]) == TEXT_BYTES_MAX + 1
    assert not meter.text_is_long


@pytest.mark.parametrize(
    ("last", "seen"),
    [
        (event(error={"message": "overloaded"}), True),
        (b"event: error\r\n" + event(error="overloaded").replace(b"\n", b"\r\n"), True),
        (event(error={"message": "x"}, choices="none"), True),
        (event(error=None, choices=[]), False),
        (event(error=None, choices="none"), False),
        (chunk("error"), False),
    ],
)
def test_sees_errors(last: bytes, seen: bool) -> None:
    meter = StreamMeter()
    meter.feed([event(error={}), chunk("a")] if seen else [chunk("a")])
    assert meter.feed([last]) == last
    assert meter.error_seen is seen


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {\n\n",
        b"data: ping\n\n",
        b"data: []\n\n",
        b'data: {"choices":' + b"[" * DEPTH + b"]" * DEPTH + b"}\n\n",
        b'data: {"choices":' + b"[" * 700 + b"]" * 700 + b',"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}\n\n",
        b'data: {"service_tier":"\xff","choices":"\xff"}\n\n',
    ],
)
def test_forwards_what_it_can_not_read(broken: bytes) -> None:
    meter = StreamMeter()
    assert meter.feed([broken, chunk("a")]) == broken + chunk("a")
    assert meter.take_text() == ["a"]


events = st.lists(
    st.one_of(
        st.builds(chunk, st.text(max_size=5), index=st.integers(0, 1), usage=st.sampled_from([None, USAGE])),
        st.builds(chunk, st.text(max_size=5), finish_reason=st.sampled_from([None, "stop"])),
        st.sampled_from(
            [
                DONE,
                event(choices=[], usage=USAGE),
                event(error={}),
                b"data: {\n\n",
                b": ping\n\n",
                b"data: 1\r\n\r\n",
            ]
        ),
    ),
    max_size=8,
)


def metered(feeds: list[list[bytes]], *, hide_usage: bool) -> tuple[object, ...]:
    meter = StreamMeter(hide_usage=hide_usage)
    forwarded = b"".join([meter.feed(feed) for feed in feeds])
    seen = (meter.saw_done, meter.saw_finish, meter.error_seen, meter.text_bytes)
    return forwarded, meter.last, meter.usage, seen, meter.take_text()


@given(events, st.lists(st.integers(0, 2000), max_size=6), st.booleans())
def test_the_same_result_for_every_split(all_events: list[bytes], cuts: list[int], hide_usage: bool) -> None:
    stream = b"".join(all_events)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    splitter = EventSplitter()
    feeds = [splitter.feed(stream[start:end]) for start, end in pairwise(places)]
    assert metered(feeds, hide_usage=hide_usage) == metered([all_events], hide_usage=hide_usage)


@given(events)
def test_without_hiding_every_byte_passes_up_to_the_last_event(all_events: list[bytes]) -> None:
    end = all_events.index(DONE) if DONE in all_events else len(all_events)
    expected = b"".join(all_events[:end]), b"".join(all_events[end : end + 1])
    assert metered([all_events], hide_usage=False)[:2] == expected


def fed_piece_by_piece(pieces: list[bytes], *, hide_usage: bool) -> tuple[list[bytes], StreamMeter]:
    """As the relay feeds a meter: by shape where that goes, else event by event."""
    meter, splitter = StreamMeter("gpt-4o", hide_usage=hide_usage), EventSplitter()
    forwarded = []
    for piece in pieces:
        out = passed(meter, framed(piece)) if splitter.is_between else None
        forwarded.append(meter.feed(splitter.feed(piece)) if out is None else data_of_chunk(out))
    return forwarded, meter


ODD_TEXTS = [
    "",
    "plain",
    'a "quote"',
    "back\\slash",
    "line\nend",
    "ends in \\",
    "中文",
    "\U0001f600",
    '"},"finish_reason":"stop',
]
CONTENT_TWICE = chunk("said", usage=None).replace(b'"usage":null', b'"x":{"content":"not said"}')
SHAPED = [chunk(text, usage=None) for text in ODD_TEXTS] + [
    chunk(None, usage=None),
    chunk("tail", usage=None, finish_reason="stop"),
    chunk("other id").replace(b'"id":"x"', b'"id":"y"'),
    chunk("second", index=1, usage=None),
    chunk("last", usage=USAGE),
    chunk("one", usage=None) + chunk("two", usage=None),
    chunk("cut", usage=None)[:-9],
    chunk("cut", usage=None)[-9:],
    chunk("spaced", usage=None).replace(b":", b": "),
    event(choices=[], usage=USAGE),
    event(error={"message": "broke"}),
    b": keep-alive\n\n",
    b"\n\n",
    chunk("\r", usage=None).replace(b"\\r", b"\r"),
    chunk("\n", usage=None).replace(b"\\n", b"\n\n"),
    CONTENT_TWICE,
]


@given(st.lists(st.sampled_from(SHAPED), max_size=12), st.booleans())
def test_an_event_known_by_its_shape_means_the_same_as_parsed(pieces: list[bytes], hide_usage: bool) -> None:
    forwarded, known = fed_piece_by_piece(pieces, hide_usage=hide_usage)
    parsed = StreamMeter("gpt-4o", hide_usage=hide_usage)
    splitter = EventSplitter()
    assert forwarded == [parsed.feed(splitter.feed(piece)) for piece in pieces]
    assert known.text_bytes >= parsed.text_bytes  # bytes of a text, which are at least its characters
    for field in ("usage", "saw_done", "saw_finish", "error_seen"):
        assert getattr(known, field) == getattr(parsed, field)
    assert known.take_text() == parsed.take_text()


@pytest.mark.parametrize("hide_usage", [False, True])
def test_a_chunk_of_any_length_is_known_by_its_shape(hide_usage: bool) -> None:
    """Also where the line before it gets a digit longer, or the one that is shown; but for very long ones."""
    meter = StreamMeter("gpt-4o", hide_usage=hide_usage)
    meter.feed([chunk("a", usage=None)])
    sizes = [*range(PIECE_BYTES_MAX + 2), 0, 4000]
    assert len(sizes) > LENGTHS_MAX
    for size in sizes:
        event = chunk("x" * size, usage=None)
        shown = framed(chunk("x" * size) if hide_usage else event)
        meter.take_text()
        assert passed(meter, framed(event)) == (shown if size <= PIECE_BYTES_MAX else None)
    assert passed(meter, framed(chunk(usage=None))) is None  # shorter than any
    assert passed(meter, b"x" * (4095 + 7)) is None  # no chunk is so long, its line and all


@pytest.mark.parametrize(
    ("piece", "texts"),
    [
        (CONTENT_TWICE, ["saidsaid"]),
        (chunk("a", usage=None).replace(b'"usage":null', b'"error":{"message":"broke"}'), ["aa"]),
        (event(choices=[{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {}}]), ["aa"]),
    ],
    ids=["its last content is not its text", "an error", "two choices"],
)
def test_an_event_that_has_no_shape(piece: bytes, texts: list[str]) -> None:
    meter = StreamMeter("gpt-4o")
    for _ in range(2):
        assert passed(meter, framed(piece)) is None
        assert meter.feed([piece]) == piece
    assert meter.take_text() == texts


def test_events_of_one_shape_are_parsed_once() -> None:
    meter = StreamMeter("gpt-4o", hide_usage=True)
    first = chunk("", usage=None).replace(b'"delta":{', b'"delta":{"role":"assistant",')
    assert passed(meter, framed(first)) is None
    assert meter.feed([first]) == first.replace(b',"usage":null', b"")
    assert passed(meter, framed(chunk("Hello", usage=None))) is None
    meter.feed([chunk("Hello", usage=None)])
    for text in (" you", ' "and"\n', "\\", "\U0001f600 in escapes"):
        assert passed(meter, framed(chunk(text, usage=None))) == framed(chunk(text))
    assert meter.take_text() == ['Hello you "and"\n\\\U0001f600 in escapes']


def test_an_event_nested_almost_too_deeply_passes() -> None:
    """To look for its shape takes more of the stack than to read it."""
    for depth in range(800, 1000):
        event = b'data: {"choices":[{"delta":{"content":"a"}}],"a":%b%b}\n\n' % (b"[" * depth, b"]" * depth)
        assert StreamMeter().feed([event]) == event


def test_the_first_event_with_an_id_names_what_the_upstream_keeps() -> None:
    meter = StoredMeter()
    meter.feed([b": wait\n\n", event(choices=[]), event(id="chatcmpl-1", choices=[]), event(id="chatcmpl-2")])
    assert meter.made == Made("chat_completion", "chatcmpl-1")


def test_events_of_one_shape_pass_without_being_parsed_however_they_came() -> None:
    meter = StreamMeter(hide_usage=True)
    meter.feed([chunk("Hi", usage=None)])
    shape = meter.shape
    assert shape is not None
    assert shape.take_event(chunk(" you", usage=None)) == chunk(" you")
    assert meter.feed([chunk(", you", usage=None), chunk(usage=None), DONE]) == chunk(", you") + chunk()
    assert meter.take_text() == ["Hi you, you"]


def test_an_event_with_more_than_a_text_leaves_the_shape_as_it_is() -> None:
    meter = StreamMeter()
    meter.feed([chunk("Hi", usage=None)])
    shape = meter.shape
    more = chunk("a", usage=None).replace(b'"a"', b'"a","by":"b"')
    assert meter.feed([more]) == more
    assert meter.shape is shape
    assert meter.take_text() == ["Hia"]
