"""Every provider's spelling of usage, as disjoint quantities."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.nesting import DEPTH

from posthouse.metering.prices import INPUTS, OUTPUTS
from posthouse.metering.usage import TOKENS_MAX, Usage, usage_of_answer, usage_of_object


def usage_of(usage: dict[str, Any]) -> Usage | None:
    return usage_of_answer(json.dumps({"id": "x", "choices": [], "usage": usage}).encode())


@pytest.mark.parametrize(
    ("usage", "quantities", "prompt", "completion"),
    [
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            {"input": 10, "output": 5},
            10,
            5,
            id="plain",
        ),
        pytest.param({"prompt_tokens": 8, "total_tokens": 8}, {"input": 8}, 8, 0, id="embeddings"),
        pytest.param({"prompt_tokens": 8}, {"input": 8}, 8, 0, id="prompt only"),
        pytest.param(
            {"prompt_tokens": 8, "total_tokens": 11},
            {"input": 8, "output": 3},
            8,
            3,
            id="completion left out",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 60,
                "total_tokens": 160,
                "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 10,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 4,
                    "rejected_prediction_tokens": 6,
                },
            },
            {"cached_input": 64, "input": 36, "reasoning_output": 10, "output": 50},
            100,
            60,
            id="openai chat",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {
                    "cached_tokens": 50,
                    "audio_tokens": 40,
                    "image_tokens": 20,
                    "cached_tokens_details": {"audio_tokens": 30, "image_tokens": 5},
                },
                "completion_tokens_details": {"audio_tokens": 30, "image_tokens": 5},
            },
            {
                "audio_input": 10,
                "image_input": 15,
                "audio_cached_input": 30,
                "image_cached_input": 5,
                "cached_input": 15,
                "input": 25,
                "audio_output": 30,
                "image_output": 5,
                "output": 15,
            },
            100,
            50,
            id="audio and images",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "prompt_tokens_details": {"audio_tokens": 8, "cached_tokens": 8},
            },
            {"audio_input": 8, "cached_input": 2, "output": 1},
            10,
            1,
            id="overlapping parts",
        ),
        pytest.param(
            {
                "input_tokens": 75,
                "output_tokens": 20,
                "input_tokens_details": {"cached_tokens": 50},
                "output_tokens_details": {"reasoning_tokens": 15},
            },
            {"cached_input": 50, "input": 25, "reasoning_output": 15, "output": 5},
            75,
            20,
            id="openai responses",
        ),
        pytest.param(
            {
                "input_tokens": 10,
                "output_tokens": 20,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 50,
                "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
                "server_tool_use": {"web_search_requests": 2},
            },
            {
                "cache_write_1h": 20,
                "cache_write": 30,
                "cached_input": 100,
                "input": 10,
                "output": 20,
                "web_search": 2,
            },
            160,
            20,
            id="anthropic",
        ),
        pytest.param(
            {"input_tokens": 10, "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 15}},
            {"input": 10, "reasoning_output": 15, "output": 5},
            10,
            20,
            id="anthropic thinking",
        ),
        pytest.param(
            {
                "input_tokens": 10,
                "output_tokens": 20,
                "cache_creation_input_tokens": 5,
                "cache_creation": {"ephemeral_1h_input_tokens": 5},
                "iterations": [
                    {"type": "message", "input_tokens": 10, "output_tokens": 20},
                    {
                        "type": "compaction",
                        "input_tokens": 100,
                        "output_tokens": 7,
                        "cache_read_input_tokens": 30,
                        "cache_creation_input_tokens": 4,
                        "cache_creation": {"ephemeral_1h_input_tokens": 1},
                    },
                    {"type": "advisor_message", "output_tokens": 3},
                ],
            },
            {"cache_write_1h": 6, "cache_write": 3, "cached_input": 30, "input": 110, "output": 30},
            149,
            30,
            id="anthropic compaction and advisor",
        ),
        pytest.param(
            {"input_tokens": 1, "output_tokens": 2, "iterations": [{"type": "compaction"}]},
            {"input": 1, "output": 2},
            1,
            2,
            id="anthropic empty iteration",
        ),
        pytest.param(
            {
                "input_tokens": 10,
                "output_tokens": 20,
                "cache_creation_input_tokens": 5,
                "server_tool_use": {},
            },
            {"cache_write": 5, "input": 10, "output": 20},
            15,
            20,
            id="anthropic, five minutes",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 0, "prompt_tokens_details": {"cache_write_tokens": 4}},
            {"cache_write": 4, "input": 5},
            9,
            0,
            id="cache writes in details",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
            {"cached_input": 64, "input": 36, "output": 5},
            100,
            5,
            id="deepseek",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 40,
                "completion_tokens_details": {"reasoning_tokens": 25},
            },
            {"input": 10, "reasoning_output": 25, "output": 5},
            10,
            30,
            id="xai",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
            {"input": 10, "reasoning_output": 25, "output": 5},
            10,
            30,
            id="gemini",
        ),
        pytest.param(
            {
                "prompt_tokens": 1,
                "completion_tokens": 1,
                "prompt_tokens_details": None,
                "completion_tokens_details": {},
            },
            {"input": 1, "output": 1},
            1,
            1,
            id="nulls",
        ),
    ],
)
def test_reads(usage: dict[str, Any], quantities: dict[str, int], prompt: int, completion: int) -> None:
    assert usage_of(usage) == Usage(quantities, prompt, completion)
    assert usage_of_object(json.dumps(usage).encode()) == Usage(quantities, prompt, completion)


def test_reads_the_service_tier_that_was_served() -> None:
    body = b'{"service_tier":"flex","usage":{"prompt_tokens":1,"completion_tokens":1}}'
    assert usage_of_answer(body) == Usage({"input": 1, "output": 1}, 1, 1, "flex")


def test_the_last_of_two_reports_counts() -> None:
    body = b'{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2,"prompt_tokens":3}}'
    assert usage_of_answer(body) == Usage({"input": 3}, 3, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"usage":null}',
        b'{"usage":{}}',
        b'{"usage":[]}',
        b'{"usage":{"total_tokens":5}}',
        b'{"usage":{"prompt_tokens":-1,"completion_tokens":5}}',
        b'{"usage":{"prompt_tokens":1.5}}',
        b'{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}',
        b'{"usage":{"prompt_tokens":"1"}}',
        b'{"usage":{"prompt_tokens":1,"completion_tokens":99999999999999999999}}',
        b'{"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":-1}}}',
        b'{"usage":{"prompt_tokens":%d}}' % (TOKENS_MAX + 1),
        b'{"service_tier":"\xff","usage":{"prompt_tokens":1}}',
        b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    ],
)
def test_absent_malformed_or_absurd_is_none(body: bytes) -> None:
    assert usage_of_answer(body) is None


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"prompt_tokens":-1}', b'{"a":' + b"[" * DEPTH])
def test_a_malformed_usage_object_is_none(raw: bytes) -> None:
    assert usage_of_object(raw) is None


counts = st.none() | st.integers(0, 50)


def fields(*names: str, **inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={**dict.fromkeys(names, counts), **inner})


prompt_details = fields(
    "cached_tokens",
    "cache_write_tokens",
    "audio_tokens",
    "image_tokens",
    cached_tokens_details=fields("audio_tokens", "image_tokens"),
)
completion_details = fields("reasoning_tokens", "audio_tokens", "image_tokens")


@given(
    fields(
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "prompt_cache_hit_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        prompt_tokens_details=prompt_details,
        input_tokens_details=prompt_details,
        completion_tokens_details=completion_details,
        output_tokens_details=completion_details,
        cache_creation=fields("ephemeral_1h_input_tokens"),
    )
)
def test_quantities_always_sum_to_the_totals(usage: dict[str, Any]) -> None:
    got = usage_of(usage)
    if got is None:
        assert not usage.get("prompt_tokens")
        assert usage.get("prompt_tokens") == 0 or not usage.get("input_tokens")
        return
    assert sum(got.quantities.get(component, 0) for component in INPUTS) == got.prompt_tokens
    assert sum(got.quantities.get(component, 0) for component in OUTPUTS) == got.completion_tokens
    assert all(tokens > 0 for tokens in got.quantities.values())


@pytest.mark.parametrize(
    ("fields", "tier"),
    [
        ({}, ""),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": "standard", "speed": "standard"}, "standard"),
    ],
)
def test_anthropic_names_the_tier_within_the_usage(fields: dict[str, str], tier: str) -> None:
    usage = usage_of({"input_tokens": 1, "output_tokens": 2, **fields})
    assert usage is not None
    assert usage.service_tier == tier
