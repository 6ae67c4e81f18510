"""A stream of Gemini's read as it passes, in both its forms."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.metering.gemini import GeminiMeter, texts_of_gemini, usage_of_gemini_answer
from posthouse.metering.usage import Usage
from posthouse.wire.json_array import ArraySplitter, element_of
from posthouse.wire.sse import EventSplitter

USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}


def answer(*texts: str, index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "index": index,
        "content": {"role": "model", "parts": [{"text": one} for one in texts]},
    }
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **fields}


def event(value: object) -> bytes:
    return b"data: %b\r\n\r\n" % json.dumps(value).encode()


def test_the_last_event_with_a_reason_to_finish_is_held_back() -> None:
    meter = GeminiMeter()
    first, last = event(answer("Hel")), event(answer("lo", finish="STOP", usageMetadata=USAGE))
    assert meter.feed([first]) == first
    assert not meter.saw_finish
    assert meter.feed([last]) == b""
    assert (meter.saw_finish, meter.saw_done, meter.last) == (True, False, last)
    assert meter.usage == Usage({"input": 10, "output": 5}, 10, 5)
    assert not meter.usage_is_stale
    assert meter.take_text() == ["Hello"]


@pytest.mark.parametrize(
    "later", [event(answer("b", index=1, finish="STOP")), b": comment\n\n", b"data: no json\n\n"]
)
def test_what_comes_after_takes_its_place(later: bytes) -> None:
    meter = GeminiMeter()
    first = event(answer("a", finish="STOP"))
    assert meter.feed([first, later]) == first
    assert meter.last == later


@pytest.mark.parametrize("first", [event({}), b"data: 7\n\n"])
def test_any_answer_ends_the_opening(first: bytes) -> None:
    meter = GeminiMeter()
    meter.feed([b": comment\n\n", b"data: no json\n\n"])
    assert meter.is_opening
    meter.feed([first])
    assert not meter.is_opening


def test_a_blocked_prompt_is_an_answers_end() -> None:
    meter = GeminiMeter()
    meter.feed([event({"promptFeedback": {}}), event({"promptFeedback": {"blockReason": "SAFETY"}})])
    assert meter.saw_finish


def test_of_an_array_the_closing_bracket_is_held_back_too() -> None:
    array = json.dumps([answer("a"), answer("b", finish="STOP", usageMetadata=USAGE)]).encode()
    meter = GeminiMeter(element_of)
    shown = meter.feed(ArraySplitter().feed(array))
    assert meter.saw_done
    assert shown == b"[" + json.dumps(answer("a")).encode()
    assert shown + meter.last == array


def test_an_early_report_counts_the_prompt_alone() -> None:
    meter = GeminiMeter()
    meter.feed([event(answer("Hello", usageMetadata={"promptTokenCount": 10, "totalTokenCount": 10}))])
    assert meter.usage == Usage({"input": 10}, 10, 0)
    assert meter.usage_is_stale


def test_errors_and_what_is_no_json_pass() -> None:
    meter = GeminiMeter()
    odd = [event({"error": {"code": 503}}), b"data: no json\n\n", b": comment\n\n"]
    assert meter.feed(odd) == b"".join(odd)
    assert meter.error_seen


def test_all_delivered_text_is_kept_by_candidate() -> None:
    meter = GeminiMeter()
    parts = [
        {"text": "hm", "thought": True},
        {"functionCall": {"name": "f", "args": {"a": 1}}},
        {"functionCall": {"name": "g"}},
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]
    meter.feed([event({"candidates": [{"content": {"parts": parts}}]}), event(answer("b", index=1))])
    meter.feed([event({"candidates": [{"content": {}}, {}]})])
    assert meter.take_text() == ['hmf{"a": 1}g1+12', "b"]


@pytest.mark.parametrize(
    ("version", "searches"), [("gemini-2.5-flash", 1), ("gemini-3-flash-preview", 2), ("", 2)]
)
def test_searches_are_billed_beside_the_tokens(version: str, searches: int) -> None:
    def grounded(*queries: str, **fields: Any) -> dict[str, Any]:
        body = answer("a", modelVersion=version, **fields)
        body["candidates"][0]["groundingMetadata"] = {"webSearchQueries": queries}
        return body

    expected = Usage({"input": 10, "output": 5, "web_search": searches}, 10, 5)
    whole = json.dumps(grounded("one", "", "two", "one", usageMetadata=USAGE)).encode()
    assert usage_of_gemini_answer(whole) == expected
    meter = GeminiMeter()
    meter.feed(
        [event(grounded("one")), event(grounded("one", "two", usageMetadata=USAGE)), event(answer("b"))]
    )
    assert meter.usage == expected


def test_a_whole_answer() -> None:
    body = json.dumps(answer("Hel", "lo", finish="STOP", usageMetadata=USAGE)).encode()
    assert usage_of_gemini_answer(body) == Usage({"input": 10, "output": 5}, 10, 5)
    assert texts_of_gemini(body) == ["Hello"]


@pytest.mark.parametrize("read", [usage_of_gemini_answer, lambda body: texts_of_gemini(body) or None])
@pytest.mark.parametrize("body", [b"{}", b"no json", b"[]", b'{"usageMetadata":{"promptTokenCount":-1}}'])
def test_an_answer_that_says_nothing(read: Callable[[bytes], object], body: bytes) -> None:
    assert read(body) is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(
            {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 40,
                "candidatesTokenCount": 20,
                "thoughtsTokenCount": 30,
                "toolUsePromptTokenCount": 7,
                "totalTokenCount": 157,
            },
            Usage({"cached_input": 40, "input": 67, "reasoning_output": 30, "output": 20}, 107, 50),
            id="cached, thoughts and tools",
        ),
        pytest.param(
            {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 40,
                "candidatesTokenCount": 20,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 50},
                    {"modality": "AUDIO", "tokenCount": 30},
                    {"modality": "IMAGE", "tokenCount": 20},
                ],
                "cacheTokensDetails": [
                    {"modality": "AUDIO", "tokenCount": 10},
                    {"modality": "IMAGE", "tokenCount": 5},
                    {"modality": "TEXT", "tokenCount": 25},
                ],
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 15}],
                "serviceTier": "FLEX",
            },
            Usage(
                {
                    "audio_input": 20,
                    "image_input": 15,
                    "audio_cached_input": 10,
                    "image_cached_input": 5,
                    "cached_input": 25,
                    "input": 25,
                    "image_output": 15,
                    "output": 5,
                },
                100,
                20,
                "flex",
            ),
            id="modalities",
        ),
        pytest.param({"promptTokenCount": 4}, Usage({"input": 4}, 4, 0), id="embedding"),
        pytest.param(
            {"promptTokenCount": 4, "promptTokensDetails": None, "serviceTier": None},
            Usage({"input": 4}, 4, 0),
            id="nulls, as some resellers write them",
        ),
        pytest.param({"totalTokenCount": 4}, None, id="no prompt"),
    ],
)
def test_disjoint_quantities(usage: dict[str, Any], expected: Usage | None) -> None:
    assert usage_of_gemini_answer(json.dumps({"usageMetadata": usage}).encode()) == expected


@given(st.booleans(), st.lists(st.integers(0, 1000), max_size=8))
def test_any_splits_are_metered_alike(as_array: bool, cuts: list[int]) -> None:
    answers = [answer("Hello"), answer(" 你好"), answer("!", finish="STOP", usageMetadata=USAGE)]
    stream = json.dumps(answers, indent=1).encode() if as_array else b"".join(map(event, answers))
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    meter = GeminiMeter(element_of) if as_array else GeminiMeter()
    splitter = ArraySplitter() if as_array else EventSplitter()
    shown = b"".join(meter.feed(splitter.feed(stream[start:end])) for start, end in pairwise(places))
    assert shown + meter.last == stream
    assert (meter.saw_finish, meter.saw_done) == (True, as_array)
    assert meter.usage == Usage({"input": 10, "output": 5}, 10, 5)
    assert meter.take_text() == ["Hello 你好!"]
