"""What a call through the served relay costs, to the nano, and what of its body is changed: nothing that need
not be."""

import json
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.e2e.calls import Reply, at_once, chat, chat_body, command, get, post, send

from posthouse.kernel.errors import RelayCode
from posthouse.kernel.outcome import Ending
from posthouse.metering.ceilings import prompt_tokens_bound
from posthouse.metering.tokens import TokenCounter
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream, event
from posthouse.testing.waiting import eventually

RATE, MULTIPLIER = Fraction("7.2"), Fraction(1, 3)
CONFIGURATION = """
[operator]
currency = "CNY"
exchange_rate = 7.2
default_plan = "free"
topup_plan = "paid"

[models.all]
aliases = ["everything", "alles"]
[[models.all.price]]
input = 1000
cached_input = 100
cache_write = 1250
cache_write_1h = 2000
output = 4000
reasoning_output = 5000
audio_input = 30000
audio_output = 60000
audio_cached_input = 3000
image_input = 8000
image_output = 40000
image_cached_input = 2000
web_search = 0.07
[[models.all.price]]
prompt_tokens_over = 200
input = 2000
output = 8000
[[models.all.price]]
service_tier = "flex"
input = 500
output = 2000
[[models.all.price]]
service_tier = "priority"
input = 3000
output = 9000
[models.plain]
price = { input = 1, output = 4 }
[models.third]
price = { input = 0.000000001, output = 0.000000001 }
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
[models."gpt-5"]
list = "openai/gpt-5"
[models."gemini-2.5-pro"]
list = "gemini/gemini-2.5-pro"
[models."claude-sonnet-4-5"]
list = "anthropic/claude-sonnet-4-5"
[models.o1]
price = { input = 1, output = 4 }
[models.unpriced]
[models.cheap-line]
price = { input = 1, output = 4 }

[plans.free]
kind = "free"
[plans.paid]
kind = "paid"
multiplier = "1/3"

[channels.main]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
models = ["*", "!cheap-*"]
[channels.mapped]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
models = ["cheap-*"]
model_map = { "cheap-*" = "vendor/\\"*\\"-v2" }
"""
MICRO = 1000  # nanos: what a token costs at 1 per million


@pytest.fixture(scope="module")
def relay(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    with ServedRelay(tmp_path_factory.mktemp("money"), upstream.base_url, CONFIGURATION) as relay:
        yield relay


@pytest.fixture(scope="module", autouse=True)
def _books(relay: ServedRelay) -> Iterator[None]:
    yield
    assert relay.differences() == []


@pytest.fixture(scope="module")
def rich(relay: ServedRelay) -> str:
    """A key that can pay anything."""
    return relay.member("rich@example.org", credit="100000")


def last(relay: ServedRelay, email: str = "rich@example.org") -> Any:
    return relay.usage(email)[-1]


def answered(model: str, usage: dict[str, Any], tier: str = "", *, stream: bool = False) -> Script:
    """An upstream's answer with this usage."""
    answer = {"id": "x", "object": "chat.completion", "model": model, "usage": usage}
    if tier:
        answer["service_tier"] = tier
    if stream:
        delta = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
        return Script(events=(event(delta), event({**answer, "choices": []}), event("[DONE]")))
    message = {"role": "assistant", "content": "Hi"}
    return Script(
        body=json.dumps({**answer, "choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    )


def tokens(
    prompt: int, completion: int, inputs: Any = None, outputs: Any = None, **more: Any
) -> dict[str, Any]:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, **more}
    if inputs:
        usage["prompt_tokens_details"] = inputs
    if outputs:
        usage["completion_tokens_details"] = outputs
    return usage


# -- each component --------------------------------------------------------------------------------------

# Usage, service tier, and what it costs in units of 1000 per million tokens.
CHARGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "input and output": (tokens(10, 5), "", "10*1 + 5*4"),
    "cached input": (tokens(10, 5, {"cached_tokens": 4}), "", "6*1 + 4*0.1 + 5*4"),
    "all cached": (tokens(10, 0, {"cached_tokens": 10}), "", "10*0.1"),
    "more cached than there is": (tokens(10, 0, {"cached_tokens": 99}), "", "10*0.1"),
    "deepseek's cache": (tokens(10, 5, prompt_cache_hit_tokens=4), "", "6*1 + 4*0.1 + 5*4"),
    "cache write": (
        {"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 20},
        "",
        "10*1 + 20*1.25 + 5*4",
    ),
    "cache write for an hour": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 8,
            "cache_creation_input_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15},
        },
        "",
        "10*1 + 8*0.1 + 5*1.25 + 15*2 + 5*4",
    ),
    "reasoning": (tokens(10, 50, None, {"reasoning_tokens": 30}), "", "10*1 + 20*4 + 30*5"),
    "reasoning beside the output": (tokens(10, 20, total_tokens=60), "", "10*1 + 20*4 + 30*5"),
    "audio": (
        tokens(100, 50, {"audio_tokens": 40}, {"audio_tokens": 45}),
        "",
        "60*1 + 40*30 + 5*4 + 45*60",
    ),
    "cached audio": (
        tokens(
            100,
            0,
            {"audio_tokens": 40, "cached_tokens": 30, "cached_tokens_details": {"audio_tokens": 10}},
        ),
        "",
        "40*1 + 30*30 + 10*3 + 20*0.1",
    ),
    "images": (
        tokens(100, 50, {"image_tokens": 90}, {"image_tokens": 50}),
        "",
        "10*1 + 90*8 + 50*40",
    ),
    "cached images": (
        tokens(
            100,
            0,
            {"image_tokens": 90, "cached_tokens": 50, "cached_tokens_details": {"image_tokens": 50}},
        ),
        "",
        "10*1 + 40*8 + 50*2",
    ),
    "prompt at the step": (tokens(200, 5), "", "200*1 + 5*4"),
    "prompt over the step": (tokens(201, 5), "", "201*2 + 5*8"),
    "prompt over the step, cached": (
        tokens(300, 5, {"cached_tokens": 100}),
        "",
        "200*2 + 100*0.1 + 5*8",
    ),
    "flex": (tokens(10, 5), "flex", "10*0.5 + 5*2"),
    "flex, cached": (tokens(10, 5, {"cached_tokens": 4}), "flex", "6*0.5 + 4*0.1 + 5*2"),
    "priority": (tokens(10, 5), "priority", "10*3 + 5*9"),
    "default said": (tokens(10, 5), "default", "10*1 + 5*4"),
    "unknown tier": (tokens(10, 5), "scale", "10*1 + 5*4"),
    "searches": (tokens(10, 0, server_tool_use={"web_search_requests": 3}), "", "10*1 + 3*70"),
}


def worth(sum_of_products: str) -> int:
    """Nanos of "10*1 + 4*0.1" at 1000 per million tokens each."""
    products = (product.split("*") for product in sum_of_products.split(" + "))
    exact = sum((Fraction(one[0]) * Fraction(one[-1] if len(one) > 1 else 1) for one in products), Fraction())
    return ceil(exact * 1000 * MICRO)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", CHARGES)
def test_each_component_is_charged_exactly(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream, name: str, stream: bool
) -> None:
    usage, tier, expected = CHARGES[name]
    before = relay.balance("rich@example.org")
    upstream.enqueue(answered("all", usage, tier, stream=stream))
    reply = chat(relay, rich, "all", stream=stream)
    assert reply.status == 200
    record = last(relay)
    assert record.charge_nanos == worth(expected)
    assert relay.balance("rich@example.org") == before - record.charge_nanos
    assert (record.estimated, record.shortfall_nanos) == (False, 0)
    # A tier that the tariff does not know may be any text, and is not written down.
    assert record.service_tier == ("" if tier == "scale" else tier)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_upstream_that_reports_zeros_reports_nothing(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.enqueue(answered("all", tokens(0, 0), stream=stream))
    assert chat(relay, rich, "all", stream=stream).status == 200
    record = last(relay)
    assert record.estimated
    assert record.charge_nanos > 0


def test_a_charge_is_rounded_up_once(relay: ServedRelay, rich: str, upstream: ScriptedUpstream) -> None:
    """A millionth of a nano each: 1,000,001 tokens in all cost two nanos, however they are split."""
    upstream.enqueue(answered("third", tokens(500_001, 500_000)), answered("third", tokens(1, 0)))
    for expected in (2, 1):
        chat(relay, rich, "third")
        assert last(relay).charge_nanos == expected


def listed(usd: str) -> Fraction:
    """Nanos for a token of a list price in USD per million: rate and ratio exact, rounded half up once."""
    per_million = Fraction(usd) * RATE * MULTIPLIER * 10**9
    return Fraction(int(per_million + Fraction(1, 2)), 10**6)


@pytest.mark.parametrize(
    ("model", "usage", "tier", "expected"),
    [
        ("gpt-4o-mini", tokens(7, 3), "", 7 * listed("0.15") + 3 * listed("0.6")),
        ("gpt-5", tokens(7, 3), "flex", 7 * listed("0.625") + 3 * listed("5")),
        ("gpt-5", tokens(7, 0, {"cached_tokens": 4}), "", 3 * listed("1.25") + 4 * listed("0.125")),
        ("gemini-2.5-pro", tokens(200_000, 1), "", 200_000 * listed("1.25") + listed("10")),
        ("gemini-2.5-pro", tokens(200_001, 1), "", 200_001 * listed("2.5") + listed("15")),
        (
            "claude-sonnet-4-5",
            {"input_tokens": 7, "output_tokens": 3, "cache_creation_input_tokens": 11},
            "",
            7 * listed("3") + 11 * listed("3.75") + 3 * listed("15"),
        ),
    ],
)
def test_a_list_price_times_exchange_rate_and_the_plans_ratio(
    relay: ServedRelay,
    rich: str,
    upstream: ScriptedUpstream,
    model: str,
    usage: dict[str, Any],
    tier: str,
    expected: Fraction,
) -> None:
    upstream.enqueue(answered(model, usage, tier))
    assert chat(relay, rich, model).status == 200
    assert last(relay).charge_nanos == ceil(expected)


def test_what_the_upstream_takes_is_recorded_too(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(answered("gpt-4o-mini", tokens(1000, 0)))
    chat(relay, rich)
    record = last(relay)
    assert (record.charge_nanos, record.cost_nanos) == (360_000, 1_080_000)


def test_a_free_member_pays_nothing_and_needs_no_balance(relay: ServedRelay, email: str) -> None:
    key = relay.member(email)
    assert chat(relay, key, "all").status == 200
    assert (last(relay, email).charge_nanos, relay.balance(email)) == (0, 0)


# -- too little ------------------------------------------------------------------------------------------

# `plain` costs 1 a token of prompt and 4 a token of answer, in MICRO nanos.


def test_the_answer_is_capped_at_what_the_balance_affords(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    raw = b' {"model" : "plain","messages":[ {"role":"user","content":"\\u4f60 \xe5\xa5\xbd"} ],"x":1e3 }'
    counted = TokenCounter().count_prompt("plain", raw, "chat/completions")
    key = relay.member(email, credit=f"0.{(counted + 4 * 20) * MICRO:09d}")
    reply = send(relay, "POST", "/v1/chat/completions", key=key, body=raw)
    assert reply.status == 200
    assert reply.headers["x-posthouse-max-tokens"] == "20"
    assert upstream.received[0].body == raw.replace(b"{", b'{"max_tokens":20,', 1)


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("plain", {"max_tokens": 5000}, {"max_tokens": 20}),
        ("plain", {"max_completion_tokens": 5000}, {"max_completion_tokens": 20}),
        (
            "plain",
            {"max_tokens": 6000, "max_completion_tokens": 5000},
            {"max_tokens": 20, "max_completion_tokens": 20},
        ),
        ("plain", {"n": 4}, {"n": 4, "max_tokens": 20}),
        ("plain", {"max_tokens": 0}, {"max_tokens": 20}),
        ("plain", {"max_completion_tokens": -1}, {"max_completion_tokens": 20}),
        (
            "plain",
            {"max_tokens": -1, "max_completion_tokens": 5},
            {"max_tokens": 20, "max_completion_tokens": 20},
        ),
        ("plain", {"max_tokens": 1_000_000}, {"max_tokens": 20}),
        ("o1", {}, {"max_completion_tokens": 20}),
    ],
)
def test_the_field_that_caps(
    relay: ServedRelay,
    email: str,
    upstream: ScriptedUpstream,
    model: str,
    asked: dict[str, int],
    sent: dict[str, int],
) -> None:
    body = chat_body(model, **asked)
    counted = TokenCounter().count_prompt(model, json.dumps(body).encode(), "chat/completions")
    answers_nanos = 4 * 20 * asked.get("n", 1) * MICRO
    key = relay.member(email, credit=f"0.{counted * MICRO + answers_nanos:09d}")
    reply = post(relay, key, "/v1/chat/completions", body)
    assert reply.status == 200, reply
    received = upstream.received[0].json
    assert {name: received[name] for name in received if "tokens" in name or name == "n"} == sent


def test_more_than_most_models_give_is_held_where_the_model_tells_no_maximum(
    relay: ServedRelay, email: str
) -> None:
    """`plain` may give as many as it is asked for: a balance for 20,000 tokens caps what asks for more."""
    counted = TokenCounter().count_prompt(
        "plain", json.dumps(chat_body("plain")).encode(), "chat/completions"
    )
    key = relay.member(email, credit=f"0.{(counted + 4 * 20_000) * MICRO:09d}")
    reply = chat(relay, key, "plain", max_tokens=100_000)
    assert reply.headers["x-posthouse-max-tokens"] == "20000"


def test_a_cap_leaves_room_for_rejected_prediction_tokens(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    """They are charged beyond the limit that is sent."""
    body = chat_body("plain", prediction={"type": "content", "content": "x" * 1000})
    raw = json.dumps(body).encode()
    counted = TokenCounter().count_prompt("plain", raw, "chat/completions")
    key = relay.member(email, credit=f"0.{(counted + 4 * (len(raw) + 20)) * MICRO:09d}")
    reply = send(relay, "POST", "/v1/chat/completions", key=key, body=raw)
    assert (reply.status, upstream.received[0].json["max_tokens"]) == (200, 20)


def test_a_file_that_is_only_named_is_never_taken_for_a_small_one(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    part = {"type": "file", "file": {"file_url": "https://example.org/1.pdf"}}
    reply = post(
        relay,
        relay.member(email, credit="0.1"),
        "/v1/chat/completions",
        {"model": "plain", "messages": [{"role": "user", "content": [part]}], "max_tokens": 20},
    )
    assert reply.relay_code == RelayCode.INSUFFICIENT_QUOTA
    assert upstream.received == []


def test_the_cap_leaves_alone_what_is_affordable(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    """A balance of exactly the ceiling: nothing is changed, and nothing refused."""
    raw = json.dumps(chat_body("plain", max_tokens=50)).encode()
    exact = (prompt_tokens_bound(raw) + 4 * 50) * MICRO
    reply = send(
        relay, "POST", "/v1/chat/completions", key=relay.member(email, credit=f"0.{exact:09d}"), body=raw
    )
    assert reply.status == 200
    assert "x-posthouse-max-tokens" not in reply.headers
    assert upstream.received[0].body == raw


def test_too_little_for_prompt_and_a_short_answer_is_refused(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    raw = json.dumps(chat_body("plain")).encode()
    counted = TokenCounter().count_prompt("plain", raw, "chat/completions")
    key = relay.member(email, credit=f"0.{(counted + 4 * 16) * MICRO - 1:09d}")
    reply = send(relay, "POST", "/v1/chat/completions", key=key, body=raw)
    assert reply.relay_code == RelayCode.INSUFFICIENT_QUOTA
    assert upstream.received == []
    assert relay.usage(email) == []
    relay.credit(email, "0.000000001")
    capped = eventually(
        lambda: send(relay, "POST", "/v1/chat/completions", key=key, body=raw), lambda one: one.status == 200
    )
    assert capped.headers["x-posthouse-max-tokens"] == "16"


def test_200_calls_at_once_on_a_balance_for_20(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    charge = (9 + 5 * 4) * MICRO
    key = relay.member(email, credit=f"0.{20 * charge:09d}")

    def call() -> Reply:
        return chat(relay, key, "plain", max_tokens=16)

    replies = at_once([call] * 200, threads=100)
    assert {reply.relay_code for reply in replies} <= {None, RelayCode.INSUFFICIENT_QUOTA}
    served = sum(reply.status == 200 for reply in replies)
    assert 1 <= served <= 20
    assert len(upstream.received) == served
    assert relay.balance(email) == (20 - served) * charge
    while (reply := call()).status == 200:
        served += 1
    assert reply.relay_code == RelayCode.INSUFFICIENT_QUOTA
    assert relay.balance(email) == (20 - served) * charge >= 0
    assert relay.differences() == []


def test_an_answer_dearer_than_all_there_is_takes_what_there_is(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    """The upstream ignores the cap: the balance never goes below zero, and the rest is on record."""
    key = relay.member(email, credit="0.001")
    upstream.enqueue(answered("plain", tokens(10, 100_000)))
    assert chat(relay, key, "plain").status == 200
    record = last(relay, email)
    assert (record.charge_nanos, relay.balance(email)) == (1_000_000, 0)
    assert record.shortfall_nanos == (10 + 400_000) * MICRO - 1_000_000


def test_any_top_up_moves_to_the_operators_plan(relay: ServedRelay, email: str) -> None:
    key = relay.member(email)
    command(relay, "credit", email, "5", "--reason", "a gift", "--kind", "promotion")
    assert get(relay, "/v1/key", key).json["plan"] == "free"
    command(relay, "credit", email, "0.01", "--reason", "first top-up")
    assert command(relay, "account", "show", email)["plan"] == "paid"
    eventually(lambda: get(relay, "/v1/key", key).json["plan"], lambda plan: plan == "paid")
    chat(relay, key, "plain")
    assert last(relay, email).charge_nanos == (9 + 5 * 4) * MICRO


# -- where the upstream does not say ---------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("text", ["Hello there.", "你好，世界！ " * 50, "word " * 2000])
def test_without_usage_it_is_counted_and_marked(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream, stream: bool, text: str
) -> None:
    upstream.enqueue(Script(usage="never", text=text))
    body = json.dumps(chat_body("gpt-4o-mini", "你好 " * 5, stream=stream)).encode()
    assert send(relay, "POST", "/v1/chat/completions", key=rich, body=body).status == 200
    counter, record = TokenCounter(), last(relay)
    assert record.estimated
    assert record.prompt_tokens == counter.count_prompt("gpt-4o-mini", body, "chat/completions")
    if stream:  # counted piece by piece or joined: never more than each piece by itself
        assert (
            0
            < record.completion_tokens
            <= sum(counter.count_text("gpt-4o-mini", piece) for piece in text.replace(" ", "\0 ").split("\0"))
        )
    else:
        assert record.completion_tokens == counter.count_text("gpt-4o-mini", text)
    expected = record.prompt_tokens * listed("0.15") + record.completion_tokens * listed("0.6")
    assert record.charge_nanos == ceil(expected)


@pytest.mark.parametrize(
    "usage",
    [None, {}, [], tokens(-5, 3), {"prompt_tokens": 2**40}, {"prompt_tokens": "9"}],
)
def test_absurd_usage_is_not_believed(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream, usage: Any
) -> None:
    upstream.enqueue(answered("plain", usage))
    assert chat(relay, rich, "plain").status == 200
    record = last(relay)
    assert record.estimated
    assert 0 < record.charge_nanos < 1000 * MICRO


def test_a_stream_cut_short_costs_what_was_delivered(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(cut_after=4))  # role, "Hello", " from", " the"
    reply = chat(relay, rich, "plain", stream=True)
    assert reply.is_cut
    record = last(relay)
    assert (record.ending, record.estimated, record.completion_tokens) == (Ending.BROKEN, True, 3)


def test_a_stream_cut_short_has_the_price_of_its_service_tier(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream
) -> None:
    piece = event({"service_tier": "priority", "choices": [{"index": 0, "delta": {"content": "one two"}}]})
    upstream.enqueue(Script(events=(piece,) * 4, cut_after=4))
    chat(relay, rich, "all", stream=True, service_tier="priority")
    record = eventually(lambda: last(relay), lambda one: one.ending == Ending.BROKEN)
    assert record.service_tier == "priority"
    expected = (record.prompt_tokens * 3000 + record.completion_tokens * 9000) * MICRO
    assert record.charge_nanos == expected > 0


def test_a_stream_cut_short_costs_no_less_than_was_delivered(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream
) -> None:
    """Its only report came with the first word."""
    choices = [{"index": 0, "delta": {"content": "one"}}]
    first = event({"choices": choices, "usage": {"prompt_tokens": 9, "completion_tokens": 1}})
    piece = event({"choices": [{"index": 0, "delta": {"content": " two three"}}]})
    upstream.enqueue(Script(events=(first, *(piece,) * 50), cut_after=50))
    chat(relay, rich, "plain", stream=True)
    record = eventually(lambda: last(relay), lambda one: one.prompt_tokens == 9)
    assert record.ending == Ending.BROKEN
    assert record.completion_tokens > 90


def test_an_upstream_error_costs_nothing(relay: ServedRelay, rich: str, upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(status=400))
    assert chat(relay, rich, "plain").status == 400
    assert last(relay).charge_nanos == 0


# -- bodies ----------------------------------------------------------------------------------------------

BODIES = {
    "unknown fields": b'{"model":"plain","messages":[],"quantum":{"a":[1,{"b":null}]}}',
    "big numbers": b'{"model":"plain","messages":[],"seed":12345678901234567890123,"x":1e400,"y":-0.0}',
    "repeated keys": b'{"model":"plain","messages":[],"a":1,"a":2,"b":{"model":1,"model":2}}',
    "spaces": b' \n{\t"model" :\r\n "plain" , "messages" : [ ] }\n ',
    "unicode": '{"model":"plain","messages":[{"role":"user","content":"你好 🐎 \u2028 é"}]}'.encode(),
    "escapes": rb'{"model":"plain","messages":[{"content":"\u4f60\ud83d\udc0e\/\b\f\u0000\\"}],"\u0061":1}',
    "lone surrogates": rb'{"model":"plain","messages":[{"content":"\ud800 \udc00"}]}',
    "an escaped model": rb'{"mod\u0065l":"pl\u0061in","messages":[]}',
    "deep": b'{"model":"plain","messages":[],"d":' + b"[" * 200 + b"]" * 200 + b"}",
    "governed fields": b'{"model":"plain","n":1,"max_tokens":20,"stream":false,"stream_options":null}',
    "nulls": b'{"model":"plain","messages":[],"max_tokens":null,"n":null,"stream":null,"service_tier":null}',
    "a stream that asks": b'{"model":"plain","stream":true,"stream_options":{"include_usage" :true }}',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_passes_byte_for_byte(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream, name: str
) -> None:
    upstream.enqueue(Script(body=b'{"id":1}'))
    assert send(relay, "POST", "/v1/chat/completions", key=rich, body=BODIES[name]).status == 200
    assert upstream.received[0].body == BODIES[name]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    extra=st.dictionaries(st.text(min_size=1).map("x_".__add__), _values, max_size=5), ascii_=st.booleans()
)
def test_any_body_passes_byte_for_byte(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream, extra: dict[str, Any], ascii_: bool
) -> None:
    text = json.dumps({"model": "plain", **extra, "messages": []}, ensure_ascii=ascii_)
    body = text.encode("utf-8", "surrogatepass")
    upstream.reset()
    upstream.enqueue(Script(body=b'{"id":1}'))
    assert send(relay, "POST", "/v1/chat/completions", key=rich, body=body).status == 200
    assert upstream.received[0].body == body


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (
            b'{ "model":"cheap-line","messages":[],"x":"cheap-line" }',
            b'{ "model":"vendor/\\"line\\"-v2","messages":[],"x":"cheap-line" }',
        ),
        (b'{"messages":[],"model":"everything","z":1.0}', b'{"messages":[],"model":"all","z":1.0}'),
        (
            b'{"model":"plain","messages":[],"stream":true}',
            b'{"stream_options":{"include_usage":true},"model":"plain","messages":[],"stream":true}',
        ),
        (
            b'{"model":"plain","stream_options":{"include_obfuscation":false},"messages":[],"stream":true}',
            b'{"model":"plain","stream_options":{"include_usage":true,"include_obfuscation":false},'
            b'"messages":[],"stream":true}',
        ),
        (
            b'{"model":"plain","messages":[],"stream":true,"stream_options":{"include_usage":false}, "a":1}',
            b'{"model":"plain","messages":[],"stream":true,"stream_options":{"include_usage":true}, "a":1}',
        ),
        (
            b'{"model":"all","messages":[],"model":"plain"}',
            b'{"messages":[],"model":"plain"}',
        ),
    ],
    ids=["mapped", "alias", "usage asked", "stream options kept", "usage asked against", "repeated model"],
)
def test_only_what_must_change_changes(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream, sent: bytes, arrives: bytes
) -> None:
    assert send(relay, "POST", "/v1/chat/completions", key=rich, body=sent).status == 200
    assert upstream.received[0].body == arrives


def test_an_alias_is_charged_and_recorded_as_its_model(relay: ServedRelay, rich: str) -> None:
    chat(relay, rich, "alles")
    record = last(relay)
    assert (record.model, record.charge_nanos) == ("all", worth("9*1 + 5*4"))


def test_a_model_without_a_price_is_not_for_sale(
    relay: ServedRelay, rich: str, upstream: ScriptedUpstream
) -> None:
    reply = chat(relay, rich, "unpriced")
    assert (reply.status, reply.relay_code) == (404, RelayCode.MODEL_NOT_FOUND)
    assert "unpriced" not in {model["id"] for model in get(relay, "/v1/models", rich).json["data"]}
    assert upstream.received == []


# -- Idempotency-Key -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_same_key_and_body_is_charged_once(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream, stream: bool
) -> None:
    key = relay.member(email, credit="1")
    headers = {"idempotency-key": "once"}
    replies = [chat(relay, key, "plain", headers=headers, stream=stream) for _ in range(3)]
    assert [reply.body for reply in replies] == [replies[0].body] * 3
    assert [reply.headers.get("idempotency-replayed") for reply in replies] == [None, "true", "true"]
    assert replies[1].headers["content-type"] == replies[0].headers["content-type"]
    assert len(upstream.received) == 1
    assert sum(record.charge_nanos for record in relay.usage(email)) == (9 + 5 * 4) * MICRO
    other = chat(relay, key, "plain", headers=headers, stream=stream, seed=1)
    assert (other.status, other.relay_code) == (409, RelayCode.IDEMPOTENCY_CONFLICT)


def test_another_account_has_its_own_keys(relay: ServedRelay, email: str, upstream: ScriptedUpstream) -> None:
    headers = {"idempotency-key": "shared"}
    for who in (email, f"other-{email}"):
        assert (
            "idempotency-replayed"
            not in chat(relay, relay.member(who, credit="1"), "plain", headers=headers).headers
        )
    assert len(upstream.received) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_duplicates_at_once_are_charged_once(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream, stream: bool
) -> None:
    key = relay.member(email, credit="1")
    upstream.enqueue(Script(delay_s=0.2))
    replies = at_once(
        [lambda: chat(relay, key, "plain", headers={"idempotency-key": "race"}, stream=stream)] * 8
    )
    assert {reply.status for reply in replies} <= {200, 409}
    assert sum(reply.status == 200 for reply in replies) >= 1
    assert {reply.relay_code for reply in replies if reply.status == 409} <= {RelayCode.IDEMPOTENCY_CONFLICT}
    assert len(upstream.received) == 1
    assert relay.balance(email) == 10**9 - (9 + 5 * 4) * MICRO


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_after_a_restart_it_is_asked_again_and_still_charged_once(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream, how: str
) -> None:
    key = relay.member(email, credit="1")
    calls = [{"stream": False}, {"stream": True}]
    for number, fields in enumerate(calls):
        assert chat(relay, key, "plain", headers={"idempotency-key": str(number)}, **fields).status == 200
    getattr(relay, how)()
    relay.start()
    for number, fields in enumerate(calls):
        reply = chat(relay, key, "plain", headers={"idempotency-key": str(number)}, **fields)
        assert (reply.status, reply.headers.get("idempotency-replayed")) == (200, None)
    assert len(upstream.received) == 4
    assert relay.balance(email) == 10**9 - 2 * (9 + 5 * 4) * MICRO
    other = chat(relay, key, "plain", headers={"idempotency-key": "0"}, seed=1)
    assert other.relay_code == RelayCode.IDEMPOTENCY_CONFLICT


def test_an_answer_too_long_to_keep_is_not_given_for_nothing_for_ever(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    key = relay.member(email, credit="1")
    upstream.for_model("plain", Script(body=LONG_ANSWER))
    replies = [chat(relay, key, "plain", headers={"idempotency-key": "long"}) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 409]
    assert replies[3].relay_code == RelayCode.IDEMPOTENCY_CONFLICT
    assert replies[3].headers["x-should-retry"] == "false"
    assert relay.balance(email) == 10**9 - (9 + 5 * 4) * MICRO


# More than the relay keeps of one answer, with the usage of a short one.
LONG_ANSWER = (
    b'{"choices":[{"index":0,"message":{"content":"' + b"long " * 300_000 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}'
)


def test_what_failed_can_be_sent_again_with_its_key(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    key = relay.member(email, credit="1")
    headers = {"idempotency-key": "again"}
    upstream.enqueue(Script(cut_at=5), Script(status=500), Script())
    statuses = [chat(relay, key, "plain", headers=headers).status for _ in range(4)]
    assert statuses == [502, 500, 200, 200]
    assert len(upstream.received) == 3
    assert relay.balance(email) == 10**9 - (9 + 5 * 4) * MICRO


def test_a_broken_stream_is_charged_no_more_than_once_in_all(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    """What a broken answer cost is taken off the whole one that follows."""
    key = relay.member(email, credit="1")
    headers = {"idempotency-key": "broken"}
    upstream.enqueue(Script(cut_after=4), Script())
    assert chat(relay, key, "plain", headers=headers, stream=True).is_cut
    assert not chat(relay, key, "plain", headers=headers, stream=True).is_cut
    assert relay.balance(email) == 10**9 - (9 + 5 * 4) * MICRO
