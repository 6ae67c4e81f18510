"""A real inference server, relayed end to end: what it says was used is what is recorded and charged, and
what it answers is what the caller gets."""

import json
import urllib.request
from typing import Any

import openai
import pytest
from tests.e2e.calls import Reply, post

from posthouse.kernel.outcome import Ending, Outcome
from posthouse.testing.served import ServedRelay
from posthouse.testing.waiting import eventually

pytestmark = pytest.mark.model

INPUT_NANOS, CACHED_NANOS, OUTPUT_NANOS = 1_000, 250, 3_000  # of one token
CHAT = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Name three colours."}],
    "max_tokens": 12,
    "temperature": 0,
    "seed": 7,
}
STREAM = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}


def record_of(relay: ServedRelay, email: str) -> Outcome:
    """The one record of the member's one call."""
    (record,) = eventually(lambda: relay.usage(email), bool)
    return record


def ask(inference: str, path: str, fields: object = None) -> Any:
    """The server itself, without a relay; JSON."""
    data = None if fields is None else json.dumps(fields).encode()
    request = urllib.request.Request(inference + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def check_charged(relay: ServedRelay, email: str, usage: dict[str, Any]) -> Outcome:
    """The record says what the server said; the charge is its price, to the nano."""
    record = record_of(relay, email)
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    completion = usage.get("completion_tokens", 0)
    assert (record.ending, record.estimated) == (Ending.COMPLETED, False)
    assert record.prompt_tokens == usage["prompt_tokens"]
    assert record.completion_tokens == completion
    assert record.charge_nanos == (
        (usage["prompt_tokens"] - cached) * INPUT_NANOS + cached * CACHED_NANOS + completion * OUTPUT_NANOS
    )
    assert relay.balance(email) == 10 * 10**9 - record.charge_nanos
    return record


def text_of(events: list[dict[str, Any]]) -> str:
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_a_chat(relay: ServedRelay, email: str, client: openai.OpenAI, inference: str) -> None:
    answer = client.chat.completions.create(**CHAT)
    record = check_charged(relay, email, answer.usage.model_dump())
    direct = ask(inference, "/v1/chat/completions", CHAT)
    assert answer.choices[0].message.content == direct["choices"][0]["message"]["content"]
    assert (record.prompt_tokens, record.completion_tokens) == (
        direct["usage"]["prompt_tokens"],
        direct["usage"]["completion_tokens"],
    )


def test_a_stream(relay: ServedRelay, email: str, key: str, inference: str) -> None:
    reply = post(relay, key, "/v1/chat/completions", STREAM)
    assert reply.events[-1] == "[DONE]"
    events = [json.loads(data) for data in reply.events[:-1]]
    check_charged(relay, email, events[-1]["usage"])
    direct = ask(inference, "/v1/chat/completions", CHAT)
    assert text_of(events) == direct["choices"][0]["message"]["content"]


def test_a_stream_whose_caller_asks_for_no_usage_is_charged_by_it_all_the_same(
    relay: ServedRelay, email: str, key: str, inference: str
) -> None:
    asked = {name: value for name, value in STREAM.items() if name != "stream_options"}
    reply = post(relay, key, "/v1/chat/completions", asked)
    events = [json.loads(data) for data in reply.events[:-1]]
    assert all("usage" not in event and event["choices"] for event in events)
    record = record_of(relay, email)
    direct = ask(inference, "/v1/chat/completions", CHAT)["usage"]
    assert (record.prompt_tokens, record.completion_tokens, record.estimated) == (
        direct["prompt_tokens"],
        direct["completion_tokens"],
        False,
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion(relay: ServedRelay, email: str, key: str, stream: bool) -> None:
    fields = {"model": "smollm2", "prompt": "Once upon a time", "max_tokens": 8, "temperature": 0}
    if stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    reply = post(relay, key, "/v1/completions", fields)
    last = json.loads(reply.events[-2]) if stream else reply.json
    record = check_charged(relay, email, last["usage"])
    assert record.completion_tokens == 8


def test_embeddings(relay: ServedRelay, email: str, client: openai.OpenAI, inference: str) -> None:
    texts = ["A short text.", "Another one, a little longer than the first."]
    answer = client.embeddings.create(model="smollm2-vectors", input=texts)
    direct = ask(inference, "/v1/embeddings", {"model": "smollm2-vectors", "input": texts})
    for ours, theirs in zip(answer.data, direct["data"], strict=True):
        assert ours.embedding == pytest.approx(theirs["embedding"], abs=1e-6)
    record = record_of(relay, email)
    assert record.prompt_tokens == direct["usage"]["prompt_tokens"] > 0
    assert record.charge_nanos == record.prompt_tokens * INPUT_NANOS


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_dialect(relay: ServedRelay, email: str, key: str, inference: str, stream: bool) -> None:
    """The same server speaks it too; it tells the tokens read from its cache apart from the others."""
    fields = {name: CHAT[name] for name in ("model", "messages", "max_tokens", "temperature")}
    reply = post(relay, key, "/v1/messages", {**fields, "stream": stream})
    if stream:
        events = [json.loads(data) for data in reply.events]
        assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
        used = {**events[0]["message"]["usage"], **events[-2]["usage"]}
        text = "".join(one["delta"].get("text", "") for one in events if one["type"] == "content_block_delta")
    else:
        used, text = reply.json["usage"], reply.json["content"][0]["text"]
    record = record_of(relay, email)
    cached = used.get("cache_read_input_tokens", 0)
    assert record.estimated is False
    assert (record.prompt_tokens, record.completion_tokens) == (
        used["input_tokens"] + cached,
        used["output_tokens"],
    )
    assert record.charge_nanos == (
        used["input_tokens"] * INPUT_NANOS + cached * CACHED_NANOS + used["output_tokens"] * OUTPUT_NANOS
    )
    direct = ask(inference, "/v1/chat/completions", CHAT)
    assert text == direct["choices"][0]["message"]["content"]
    assert record.prompt_tokens == direct["usage"]["prompt_tokens"]


def test_anthropics_count_is_free(relay: ServedRelay, email: str, key: str, inference: str) -> None:
    fields = {name: CHAT[name] for name in ("model", "messages")}
    reply = post(relay, key, "/v1/messages/count_tokens", fields)
    assert reply.json == ask(inference, "/v1/messages/count_tokens", fields)
    assert record_of(relay, email).charge_nanos == 0


def test_a_prompt_that_is_too_long_is_the_callers_and_free(
    relay: ServedRelay, email: str, key: str, inference: str
) -> None:
    reply: Reply = post(
        relay,
        key,
        "/v1/chat/completions",
        {**CHAT, "messages": [{"role": "user", "content": "many words " * 400}]},
    )
    assert reply.status == 400
    assert reply.json["error"]["type"] == "exceed_context_size_error"
    record = record_of(relay, email)
    assert (record.http_status, record.charge_nanos, len(record.attempts)) == (400, 0, 1)


def test_a_caller_who_leaves_stops_the_servers_work(
    relay: ServedRelay, email: str, key: str, inference: str
) -> None:
    asked = {**STREAM, "max_tokens": 400, "ignore_eos": True}
    request = urllib.request.Request(
        relay.base_url + "/chat/completions",
        json.dumps(asked).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.readline()
    eventually(lambda: ask(inference, "/slots"), lambda slots: not any(one["is_processing"] for one in slots))
    record = record_of(relay, email)
    assert record.ending is Ending.CANCELLED
    assert record.completion_tokens < 400
    assert 0 < record.charge_nanos < 400 * OUTPUT_NANOS
