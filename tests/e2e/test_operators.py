"""Every row of the two reference operators' tables, against a running relay that their example file was
applied to. tests/catalogue/test_operators.py holds the same rows against the catalogue."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from tests.e2e.calls import Reply, at_once, chat, command, get, post

from posthouse.accounts.service import create_account, create_key
from posthouse.catalogue.sealed import address_key
from posthouse.kernel.clock import now_ms
from posthouse.kernel.errors import RelayCode
from posthouse.kernel.ids import new_request_id
from posthouse.kernel.money import parse_nanos
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.ledger.settlement import usage_row
from posthouse.metering.official import official_models
from posthouse.server.addresses import Addresses
from posthouse.store.schema import usage_records
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import eventually

ROOT = Path(__file__).parents[2]
FACTS = json.loads((ROOT / "tests" / "data" / "reference_operators.json").read_text())
A, B = FACTS["A"], FACTS["B"]
LATER = A["later"]
# (plan, model, subject) -> email, key, address
Nearly = dict[tuple[str, str, str], tuple[str, str, str]]
TRUSTING = {"POSTHOUSE_TRUSTED_PROXIES": "127.0.0.1"}

_addresses = count(1)


def address() -> str:
    """A caller's address that nobody else has."""
    number = next(_addresses)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def example(name: str) -> str:
    """An example file whose channels all lead to the scripted upstream."""
    text = (ROOT / "examples" / name).read_text()
    text = re.sub(r'(?m)^(base_url|preset) = ".*?"', 'base_url = "${UPSTREAM_BASE_URL}"', text)
    return re.sub(r"\$\{\w+_API_KEY\}", "${UPSTREAM_API_KEY}", text)


def operated(upstream: ScriptedUpstream, directory: Path, name: str, has_model: str) -> Iterator[ServedRelay]:
    """A relay that runs, to which the operator's file is then applied."""
    with ServedRelay(directory, upstream.base_url, environment=TRUSTING) as relay:
        relay.apply(example(name))
        probe = relay.member("probe@example.org", plan="paid")
        eventually(lambda: get(relay, f"/v1/models/{has_model}", probe).status, lambda status: status == 200)
        yield relay
        assert relay.differences() == []


@pytest.fixture(scope="module")
def a(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    yield from operated(upstream, tmp_path_factory.mktemp("a"), "operator-a.toml", "gpt-4")


@pytest.fixture(scope="module")
def later(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    yield from operated(upstream, tmp_path_factory.mktemp("later"), "operator-a-2026.toml", "gpt-4o-ca")


@pytest.fixture(scope="module")
def b(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    yield from operated(upstream, tmp_path_factory.mktemp("b"), "operator-b.toml", "dall-e-2")


@pytest.fixture(scope="module")
def nearly(b: ServedRelay) -> Nearly:
    """Members whose quotas are nearly full: by records in the store, which a start counts again."""
    made = fill_quotas(b)
    b.stop()
    b.start()
    return made


def ask(
    relay: ServedRelay, key: str, path: str, body: dict[str, Any], origin: str = "", **headers: str
) -> Reply:
    return post(relay, key, path, body, x_forwarded_for=origin or address(), **headers)


def talk(relay: ServedRelay, key: str, model: str, *, origin: str = "", **fields: Any) -> Reply:
    return chat(relay, key, model, headers={"x-forwarded-for": origin or address()}, **fields)


def charged(relay: ServedRelay, email: str) -> int:
    return relay.usage(email)[-1].charge_nanos


def used(prompt: int, completion: int = 0, **more: Any) -> Script:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, **more}
    return Script(body=json.dumps({"choices": [], "usage": usage}).encode())


def listed(name: str, component: str, over: int = 0) -> Fraction:
    """USD per million tokens, or each."""
    wanted = (component, over, "default")
    lines = official_models()[name].lines
    return next(
        Fraction(line.usd)
        for line in lines
        if (line.component, line.prompt_tokens_over, line.service_tier) == wanted
    )


# -- operator A, 2023 ------------------------------------------------------------------------------------

A_FREE = {
    "embeddings": ("/v1/embeddings", {"model": "text-embedding-ada-002", "input": "hello"}),
    "text-davinci": ("/v1/completions", {"model": "text-davinci-003", "prompt": "hello"}),
    "gpt-3.5-turbo": ("/v1/chat/completions", {"model": "gpt-3.5-turbo", "messages": []}),
    "gpt-3.5-turbo-16k": ("/v1/chat/completions", {"model": "gpt-3.5-turbo-16k", "messages": []}),
}


def test_a_members_start_free_with_a_key_of_its_prefix_and_upgrade_by_any_top_up(
    a: ServedRelay, email: str
) -> None:
    key = a.member(email)
    assert key.startswith(A["key_prefix"])
    shown = get(a, "/v1/key", key).json
    assert (shown["plan"], shown["currency"]) == ("free", A["currency"])
    command(a, "credit", email, "1", "--reason", "test")
    eventually(lambda: get(a, "/v1/key", key).json["plan"], lambda plan: plan == "paid")


def test_a_free_members_have_120_calls_an_hour_all_models_together(
    a: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    limit = A["plans"]["free"]["requests_all_models_together"]
    assert A["plans"]["free"]["models"] == ["models list", *A_FREE]
    key, origin = a.member(email), address()
    calls = list(A_FREE.values())
    replies = at_once([partial(ask, a, key, *calls[number % 4], origin) for number in range(limit)])
    assert {reply.status for reply in replies} == {200}
    for path, body in calls:
        refused = ask(a, key, path, body)
        assert refused.relay_code == RelayCode.FREE_STANDARD_REQUESTS  # not 45011: it is the plan's quota
        assert refused.headers["x-ratelimit-limit-requests"] == str(limit)
        assert "x-should-retry" in refused.headers
    assert get(a, "/v1/models", key).status == 200  # the list is no call of a model
    another = create_key(a.store, email).key
    assert "per address" in ask(a, another, *calls[0], origin).json["error"]["message"]
    assert ask(a, another, *calls[0]).status == 200  # its own key, from elsewhere
    assert {record.charge_nanos for record in a.usage(email)} == {0}
    # Both hosts take their part.
    assert len({record.channel for record in a.usage(email)}) == A["hosts"]


@pytest.mark.parametrize("model", ["gpt-4", "gpt-4-0613", "dall-e-2", "dall-e-3", "whisper-1"])
def test_a_free_members_may_not(a: ServedRelay, email: str, model: str) -> None:
    reply = talk(a, a.member(email), model)
    assert (reply.status, reply.relay_code) == (403, RelayCode.MODEL_NOT_ALLOWED)
    assert "paid" in reply.json["error"]["message"]


@pytest.mark.parametrize(
    ("model", "ratio"),
    [
        ("gpt-4", "0.8"),
        ("gpt-4-0613", "0.8"),
        ("gpt-4-32k", "0.8"),
        ("gpt-3.5-turbo", "1/7"),
        ("gpt-3.5-turbo-16k", "1/7"),
        ("text-davinci-003", "1/7"),
        ("text-embedding-ada-002", "1/7"),
    ],
)
def test_a_paid_members_pay_a_ratio_of_the_official_price_and_have_no_limit(
    a: ServedRelay, email: str, upstream: ScriptedUpstream, model: str, ratio: str
) -> None:
    key = a.member(email, credit="100")
    path = {"text-em": "/v1/embeddings", "text-da": "/v1/completions"}.get(model[:7], "/v1/chat/completions")
    body = {"model": model, "input": "x", "prompt": "x", "messages": []}
    output = 0 if path.endswith("embeddings") else 50
    upstream.enqueue(used(100, output))
    reply = ask(a, key, path, body)
    assert reply.status == 200, reply
    assert not any(name.startswith("x-ratelimit") for name in reply.headers)
    nanos = [
        amount * int(listed(f"openai/{model}", part) * 7 * Fraction(ratio) * 10**9 + Fraction(1, 2))
        for part, amount in (("input", 100), ("output", output))
        if amount
    ]
    assert charged(a, email) == ceil(Fraction(sum(nanos), 10**6))


def test_a_streams_are_counted_locally_where_the_upstream_says_nothing(
    a: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    key = a.member(email, credit="1")
    upstream.enqueue(Script(usage="never"), Script())
    for estimated in (True, False):
        assert talk(a, key, "gpt-3.5-turbo", stream=True, functions=[]).status == 200
        assert a.usage(email)[-1].estimated is estimated


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/audio/transcriptions"])
def test_a_images_and_speech_come_later(a: ServedRelay, path: str) -> None:
    """Their prices and plans are in the file; the relay has no such endpoint yet."""
    reply = ask(a, a.member(f"{path[4:8]}@example.org"), path, {"model": "dall-e-2"})
    assert reply.relay_code == RelayCode.ENDPOINT_NOT_SUPPORTED


# -- operator A, 2026 ------------------------------------------------------------------------------------

A_LATER_ROWS = {
    "flagship (gpt-5, gpt-4o, gpt-4.1)": ["gpt-5", "gpt-4o", "gpt-4.1"],
    "deepseek": ["deepseek-chat", "deepseek-reasoner"],
    "small (4o-mini, 3.5, 4.1-mini/nano, 5-mini/nano)": [
        *("gpt-4o-mini", "gpt-3.5-turbo", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5-mini", "gpt-5-nano")
    ],
    "embeddings": ["text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"],
}


def embed_or_talk(relay: ServedRelay, key: str, model: str, origin: str = "") -> Reply:
    if "embedding" in model:
        return ask(relay, key, "/v1/embeddings", {"model": model, "input": "x"}, origin)
    return talk(relay, key, model, origin=origin)


@pytest.mark.parametrize("row", LATER["free_per_day"])
def test_a_later_free_calls_by_the_day_and_class(later: ServedRelay, email: str, row: str) -> None:
    limit, models = LATER["free_per_day"][row], A_LATER_ROWS[row]
    key = later.member(email)
    calls = [partial(embed_or_talk, later, key, models[n % len(models)]) for n in range(limit)]
    replies = at_once(calls)
    assert {reply.status for reply in replies} == {200}
    for model in models:
        refused = embed_or_talk(later, key, model)
        assert refused.relay_code == RelayCode.FREE_STANDARD_REQUESTS
        assert 23 * 3600 < int(refused.headers["retry-after"]) <= 24 * 3600
    others = [name for name in A_LATER_ROWS if name != row]
    assert [embed_or_talk(later, key, A_LATER_ROWS[name][0]).status for name in others] == [200] * 3


def test_a_later_caps_free_prompts(later: ServedRelay, email: str) -> None:
    key = later.member(email)
    long = "word " * 5000
    refused = talk(later, key, "gpt-4o-mini", content=long)
    assert refused.relay_code == RelayCode.CONTEXT_LENGTH_EXCEEDED
    later.credit(email, "10")
    eventually(lambda: talk(later, key, "gpt-4o-mini", content=long).status, lambda status: status == 200)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "o3"),
        ("deepseek", "deepseek-chat"),
        ("anthropic", "claude-sonnet-4-5"),
        ("gemini", "gemini-2.5-pro"),
        ("xai", "grok-4.20"),
        ("qwen", "qwen-max"),
        ("kimi", "kimi-k3"),
        ("minimax", "MiniMax-M2"),
    ],
)
def test_a_later_providers(later: ServedRelay, email: str, provider: str, model: str) -> None:
    assert provider in LATER["providers"]
    assert talk(later, later.member(email, credit="100"), model).status == 200
    record = later.usage(email)[-1]
    assert record.channel == provider
    assert record.charge_nanos > 0


def test_a_later_prices_by_prompt_length_and_a_fee_for_each_search(
    later: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    assert (LATER["tiered_prices"], LATER["search_fee"]) == (True, True)
    key = later.member(email, credit="1000")
    searches = {"server_tool_use": {"web_search_requests": 2}}
    upstream.enqueue(used(200_000), used(200_001), used(0, 0, **searches))
    rate = 7 * 10**9
    for model, usd in (
        ("gemini-2.5-pro", 200_000 * listed("gemini/gemini-2.5-pro", "input") / 10**6),
        ("gemini-2.5-pro", 200_001 * listed("gemini/gemini-2.5-pro", "input", 200_000) / 10**6),
        ("claude-sonnet-4-5", 2 * listed("anthropic/claude-sonnet-4-5", "web_search")),
    ):
        assert talk(later, key, model).status == 200
        assert charged(later, email) == ceil(usd * rate)


def test_a_later_second_price_line(later: ServedRelay, email: str, upstream: ScriptedUpstream) -> None:
    key = later.member(email, credit="10")
    upstream.enqueue(used(1000), used(1000))
    talk(later, key, "gpt-4o")
    talk(later, key, "gpt-4o-ca")
    full, cheap = later.usage(email)
    assert cheap.charge_nanos == full.charge_nanos * 4 // 10
    assert [received.json["model"] for received in upstream.received] == ["gpt-4o", "gpt-4o"]
    assert (full.channel, cheap.channel, cheap.model) == ("openai", "cheap", "gpt-4o-ca")
    assert talk(later, later.member(f"free-{email}"), "gpt-4o-ca").relay_code == RelayCode.MODEL_NOT_ALLOWED


# -- operator B ------------------------------------------------------------------------------------------

B_MODELS = pytest.mark.parametrize("row", B["models"], ids=lambda row: row["model"])
B_QUOTAS = [
    (row["model"], plan, row[f"{plan}_per_hour"])
    for row in B["models"]
    for plan in ("free", "paid")
    if row[plan]
]
FULL_REQUESTS = {
    ("free", "standard"): RelayCode.FREE_STANDARD_REQUESTS,
    ("free", "premium"): RelayCode.FREE_PREMIUM_REQUESTS,
    ("paid", "standard"): RelayCode.PAID_STANDARD_REQUESTS,
    ("paid", "premium"): RelayCode.PAID_PREMIUM_REQUESTS,
}
FAMILIES = {row["model"]: row["family"] for row in B["models"]}


def fill_quotas(relay: ServedRelay) -> Nearly:
    """Make a member for each model, plan and subject, who may make one more call in this hour, counted by the
    key or by the address: (plan, model, subject) -> email, key, address. One with subject "tokens" has none
    left of them."""
    addresses = Addresses(address_key(relay.store, relay.box, now_ms=now_ms()), ("127.0.0.1",))
    made: Nearly = {}
    rows: list[list[Any]] = []
    quotas = [(*quota, subject) for quota in B_QUOTAS for subject in ("key", "address")]
    quotas.append(("gpt-3.5-turbo", "free", 2, "tokens"))
    for model, plan, limit, subject in quotas:
        email, origin = f"{subject}-{plan}-{model}@example.org", address()
        account = create_account(relay.store, email, plan=plan)
        if plan == "paid":
            relay.credit(email, "100")
        key, other = create_key(relay.store, email), create_key(relay.store, email)
        made[plan, model, subject] = email, key.key, origin
        past = Outcome(
            request_id="",
            ending=Ending.COMPLETED,
            http_status=200,
            account_id=account.id,
            key_id=other.id if subject == "address" else key.id,
            plan=plan,
            family=FAMILIES[model],
            model=model,
            address_hash=addresses.hashed(origin if subject == "address" else address()),
            prompt_tokens=B["plans"]["free"]["standard"]["tokens"] - 1 if subject == "tokens" else 0,
            started_ms=now_ms() - 60_000,
        )
        rows += [usage_row(past)] * (limit - 1)
    names = [column.name for column in usage_records.columns]
    values = [{**dict(zip(names, row, strict=True)), "request_id": new_request_id()} for row in rows]
    with relay.store.begin() as connection:
        connection.execute(insert(usage_records), values)
    return made


@B_MODELS
def test_b_prices_and_who_may_use_what(
    b: ServedRelay, email: str, upstream: ScriptedUpstream, row: dict[str, Any]
) -> None:
    paying = b.member(email, plan="paid", credit="100")
    upstream.enqueue(used(1000, 0), used(0, 1000), used(1, 1))
    for price in (row["in_per_1k"], row["out_per_1k"]):
        assert talk(b, paying, row["model"], max_tokens=16).status == 200
        assert charged(b, email) == parse_nanos(price)
    assert talk(b, paying, row["model"], max_tokens=16).status == 200
    assert charged(b, email) == (parse_nanos(row["in_per_1k"]) + parse_nanos(row["out_per_1k"])) // 1000
    free = b.member(f"free-{email}")
    reply = talk(b, free, row["model"])
    assert reply.relay_code == (None if row["free"] else RelayCode.MODEL_NOT_ALLOWED)
    assert [one.charge_nanos for one in b.usage(f"free-{email}")] == [0] * row["free"]


@pytest.mark.parametrize("subject", ["key", "address"])
@pytest.mark.parametrize(("model", "plan", "limit"), B_QUOTAS)
def test_b_request_quotas(
    b: ServedRelay, nearly: Nearly, model: str, plan: str, limit: int, subject: str
) -> None:
    email, key, origin = nearly[plan, model, subject]
    passed = talk(b, key, model, origin=origin, max_tokens=16)
    assert passed.status == 200, passed
    assert passed.headers["x-ratelimit-limit-requests"] == str(limit)
    assert passed.headers["x-ratelimit-remaining-requests"] == "0"
    if subject == "key":
        origin = address()
    else:
        key = create_key(b.store, email).key
    refused = talk(b, key, model, origin=origin, max_tokens=16)
    assert refused.relay_code == FULL_REQUESTS[plan, FAMILIES[model]]
    assert f"per {subject}" in refused.json["error"]["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 3600


def test_b_token_quotas(b: ServedRelay, nearly: Nearly, email: str) -> None:
    _, key, origin = nearly["free", "gpt-3.5-turbo", "tokens"]
    refused = talk(b, key, "gpt-3.5-turbo", origin=origin)
    assert refused.relay_code == RelayCode.FREE_STANDARD_TOKENS
    assert str(B["plans"]["free"]["standard"]["tokens"]) in refused.json["error"]["message"]
    # Of premium models there is one call an hour: only its own tokens can be too many.
    limit = B["plans"]["free"]["premium"]["tokens"]
    too_long = talk(b, b.member(email), "gpt-4-1106-preview", content="word " * limit)
    assert too_long.relay_code == RelayCode.FREE_PREMIUM_TOKENS
    assert "retry-after" not in too_long.headers


def test_b_more_keys_add_no_quota(b: ServedRelay, email: str) -> None:
    """A free member's second key, from the same address: the hour's one premium call is used."""
    model, origin = "gpt-4-1106-preview", address()
    first = b.member(email)
    assert talk(b, first, model, origin=origin).status == 200
    second = create_key(b.store, email).key
    assert talk(b, second, model, origin=origin).relay_code == RelayCode.FREE_PREMIUM_REQUESTS
    assert talk(b, second, "gpt-3.5-turbo", origin=origin).status == 200


def test_b_keys_top_up_and_streams(b: ServedRelay, email: str) -> None:
    key = b.member(email)
    assert key.startswith(B["key_prefix"])
    shown = get(b, "/v1/key", key).json
    assert (shown["plan"], shown["currency"]) == ("free", B["currency"])
    assert talk(b, key, "gpt-3.5-turbo", stream=True).status == 200
    command(b, "credit", email, B["topup"]["min"], "--reason", "wechat")
    eventually(
        lambda: get(b, "/v1/key", key).json["plan"],
        lambda plan: plan == B["topup"]["any_topup_upgrades_to"],
    )
    # A key that is looked up anew has its plan at once; the money follows with the next notice.
    eventually(lambda: talk(b, key, "gpt-3.5-turbo", stream=True).status, lambda status: status == 200)
    assert charged(b, email) > 0


def test_b_bounds_a_call_by_the_models_own_context(b: ServedRelay, email: str) -> None:
    key = b.member(email, credit="100")
    window = official_models()["openai/gpt-3.5-turbo-0613"].max_input_tokens
    assert window is not None
    fits, exceeds = ("word " * (window + off) for off in (-100, 100))
    assert talk(b, key, "gpt-3.5-turbo-0613", content=fits).status == 200
    assert talk(b, key, "gpt-3.5-turbo-0613", content=exceeds).relay_code == RelayCode.CONTEXT_LENGTH_EXCEEDED


@pytest.mark.parametrize("model", B["not_supported"])
def test_b_does_not_sell(b: ServedRelay, email: str, model: str) -> None:
    assert talk(b, b.member(email, credit="1"), model).relay_code == RelayCode.MODEL_NOT_FOUND


@pytest.mark.parametrize("model", ["dall-e-3", "dall-e-2"])
def test_b_images_are_for_paid_members_and_not_to_be_had_as_a_chat(
    b: ServedRelay, email: str, model: str, upstream: ScriptedUpstream
) -> None:
    """The image endpoints come later; until then no other way leads to them, which would cost nothing."""
    assert talk(b, b.member(email), model).relay_code == RelayCode.MODEL_NOT_ALLOWED
    paying = b.member(f"paid-{email}", credit="1")
    assert model in {one["id"] for one in get(b, "/v1/models", paying).json["data"]}
    assert talk(b, paying, model).relay_code == RelayCode.MODEL_NOT_FOUND
    body = {"model": model, "prompt": "a horse"}
    assert ask(b, paying, "/v1/images/generations", body).relay_code == RelayCode.ENDPOINT_NOT_SUPPORTED
    assert upstream.received == []
