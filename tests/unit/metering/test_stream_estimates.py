"""What a stream's own report leaves out: what was delivered since, and text that is not to be kept."""

import json
from typing import Any

import pytest
from tests.unit.metering.passing import passed

from posthouse.metering.shape import PIECE_BYTES_MAX, PIECES_MAX
from posthouse.metering.stream import StreamMeter
from posthouse.metering.usage import Usage, at_least
from posthouse.wire.chunks import framed


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields, separators=(",", ":")).encode() + b"\n\n"


def delta(**fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields}])


def test_a_report_is_stale_once_text_follows() -> None:
    meter = StreamMeter()
    meter.feed([delta(content="a"), event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1})])
    assert not meter.usage_is_stale
    meter.take_text()
    assert not meter.usage_is_stale
    meter.feed([delta(content="b")])
    assert meter.usage_is_stale
    meter.take_text()
    assert meter.usage_is_stale
    meter.feed([event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2})])
    assert not meter.usage_is_stale


def test_a_report_beside_the_text_that_it_counts_is_not_stale() -> None:
    meter = StreamMeter()
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    meter.feed([event(choices=[{"index": 0, "delta": {"content": "a"}}], usage=usage)])
    assert not meter.usage_is_stale


def test_texts_are_put_together_in_time() -> None:
    """However alike the events are: memory for a stream stays constant."""
    meter = StreamMeter()
    meter.feed([delta(content="x")])
    event = delta(content="y" * PIECE_BYTES_MAX)
    for waiting in (0, 2):  # what came with the piece that was one too many
        count = waiting
        while passed(meter, framed(event)) is not None:
            count += 1
        assert count == PIECES_MAX
        meter.feed([event, delta(content="z")])
    assert meter.text_is_long
    first, second = ("y" * PIECE_BYTES_MAX * count for count in (PIECES_MAX + 1, PIECES_MAX - 1))
    assert meter.take_text() == [f"x{first}z{second}z"]
    assert passed(meter, framed(event)) == framed(event)


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_calls": [{"index": 0, "type": "custom", "custom": {"input": "said"}}]},
        {"tool_calls": [{"index": 0, "type": "function", "function": {"arguments": "said"}}]},
        {"audio": {"id": "a", "data": "AAAA", "transcript": "said"}},
    ],
)
def test_what_is_said_in_other_places_is_text_too(fields: dict[str, Any]) -> None:
    meter = StreamMeter()
    meter.feed([delta(**fields)])
    assert meter.take_text() == ["said"]


def test_a_usage_counts_no_less_than_was_delivered() -> None:
    reported = Usage({"input": 5, "reasoning_output": 3}, 5, 3, "flex")
    assert at_least(reported, 3) is reported
    expected = Usage({"input": 5, "reasoning_output": 3, "output": 7}, 5, 10, "flex", estimated=True)
    assert at_least(reported, 10) == expected
