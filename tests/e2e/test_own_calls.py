"""What the relay answers itself: models, the key's page, the balance as chat clients ask for it, health."""

import http.client
import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import openai
import pytest
from tests.e2e.calls import MODEL, Reply, chat, get, post, send

from posthouse.accounts.service import create_key
from posthouse.kernel.errors import RelayCode
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import eventually

CHARGE = 9 * 150 + 5 * 600
CONFIGURATION = """
[operator]
currency = "CNY"
timezone = "Asia/Shanghai"
default_plan = "paid"
[families]
small = { kind = "standard" }
other = { kind = "premium" }
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
aliases = ["mini"]
family = "small"
[models."vendor/chat:free"]
list = "openai/gpt-4o-mini"
family = "other"
owned_by = "vendor"
[models."text-embedding-3-small"]
list = "openai/text-embedding-3-small"
[models.priceless]
[models.nowhere]
list = "openai/gpt-4o-mini"
[plans.paid]
kind = "paid"
models = ["*"]
[plans.few]
kind = "free"
models = ["gpt-4o-mini", "vendor/*"]
endpoints = ["models", "chat/completions"]
[[plans.few.limits]]
requests = 5
tokens = 1000
[plans.blind]
kind = "free"
endpoints = ["chat/completions"]
[channels.main]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
models = ["*", "!nowhere"]
"""


@pytest.fixture(scope="module")
def relay(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    with ServedRelay(tmp_path_factory.mktemp("own"), upstream.base_url, CONFIGURATION) as relay:
        yield relay


def model_ids(reply: Reply) -> list[str]:
    return [model["id"] for model in reply.json["data"]]


# -- models ----------------------------------------------------------------------------------------------


def test_the_list_has_what_the_key_may_use_and_nothing_else(
    relay: ServedRelay, key: str, email: str, upstream: ScriptedUpstream
) -> None:
    everything = [MODEL, "mini", "text-embedding-3-small", "vendor/chat:free"]
    assert model_ids(get(relay, "/v1/models", key)) == everything
    few = relay.member(f"few-{email}", plan="few")
    assert model_ids(get(relay, "/v1/models", few)) == [MODEL, "mini", "vendor/chat:free"]
    one = create_key(relay.store, email, models=("text-embedding-3-small", "nowhere")).key
    assert model_ids(get(relay, "/v1/models", one)) == ["text-embedding-3-small"]
    assert upstream.received == []


def test_every_listed_model_can_be_called_and_no_other(relay: ServedRelay, email: str) -> None:
    few = relay.member(email, plan="few")
    listed = model_ids(get(relay, "/v1/models", few))
    for name in listed:
        assert chat(relay, few, name).status == 200
    for name in ("text-embedding-3-small", "priceless", "nowhere", "gpt-9"):
        assert name not in listed
        assert chat(relay, few, name).status in (403, 404)


def test_the_keys_page_names_only_what_there_is(relay: ServedRelay, key: str) -> None:
    """Though the plan allows all endpoints that there will ever be."""
    named = get(relay, "/v1/key", key).json["endpoints"]
    assert named == sorted(
        (
            *("chat/completions", "completions", "embeddings", "models"),
            *("messages", "messages/count_tokens"),
            *("generateContent", "streamGenerateContent", "countTokens"),
            *("embedContent", "batchEmbedContents"),
        )
    )


def test_a_plan_without_the_list(relay: ServedRelay, email: str) -> None:
    reply = get(relay, "/v1/models", relay.member(email, plan="blind"))
    assert reply.relay_code == RelayCode.MODEL_NOT_ALLOWED


def test_one_model(relay: ServedRelay, key: str, client: openai.OpenAI) -> None:
    shape = {"id": MODEL, "object": "model", "created": 0, "owned_by": "openai"}
    assert get(relay, f"/v1/models/{MODEL}", key).json == shape
    assert get(relay, "/v1/models/mini", key).json == {**shape, "id": "mini"}
    for path in ("vendor/chat:free", "vendor%2Fchat%3Afree"):
        assert get(relay, f"/v1/models/{path}", key).json["owned_by"] == "vendor"
    assert client.models.retrieve("vendor/chat:free").id == "vendor/chat:free"
    for unknown in ("gpt-9", "priceless", "nowhere", "%00", "%ff", "../key"):
        assert get(relay, f"/v1/models/{unknown}", key).relay_code == RelayCode.MODEL_NOT_FOUND


def test_head_and_trailing_slash(relay: ServedRelay, key: str) -> None:
    reply = send(relay, "HEAD", "/v1/models", key=key)
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["content-length"]) == len(get(relay, "/v1/models", key).body)
    assert get(relay, "/v1/models/", key).json == get(relay, "/v1/models", key).json


# -- the key ---------------------------------------------------------------------------------------------


def test_the_keys_page(relay: ServedRelay, email: str) -> None:
    key = relay.member(email, plan="few", credit="2.5")
    for number in range(2):
        assert chat(relay, key, ("mini", "vendor/chat:free")[number]).status == 200
    page = get(relay, "/v1/key", key).json
    assert page.pop("id").startswith("key_")
    limits = page.pop("limits")
    assert all(limit.pop("reset").endswith("s") for limit in limits)
    common = {"rule": "few/*/1 hour", "window_s": 3600}
    assert page == {
        "object": "key",
        "name": "",
        "plan": "few",
        "streaming": True,
        "currency": "CNY",
        "balance": "2.50",
        "budget": None,
        "expires_at": None,
        "models": [MODEL, "vendor/chat:free"],
        "endpoints": ["chat/completions", "models"],
    }
    assert [limit for limit in limits if limit["per"] == "key"] == [
        {**common, "per": "key", "measure": "requests", "limit": 5, "remaining": 3},
        {**common, "per": "key", "measure": "tokens", "limit": 1000, "remaining": 1000 - 28},
    ]
    assert [limit["per"] for limit in limits] == ["key"] * 2 + ["address"] * 2


def test_the_page_of_a_key_with_bounds(relay: ServedRelay, email: str) -> None:
    relay.member(email, credit="1")
    key = create_key(
        relay.store,
        email,
        name="bot",
        expires_ms=4_000_000_000_999,
        budget_nanos=10**8,
        endpoints=("embeddings", "models"),
    ).key
    page = get(relay, "/v1/key", key).json
    assert (page["name"], page["expires_at"]) == ("bot", 4_000_000_000)
    assert page["budget"] == {"limit": "0.10", "remaining": "0.10", "period": "total", "resets_at": None}
    assert page["endpoints"] == ["embeddings", "models"]
    assert page["limits"] == []


# -- the balance, as chat clients ask for it ------------------------------------------------------------


def exact(reply: Reply) -> Any:
    """The answer with its numbers as they stand."""
    return json.loads(reply.body, parse_float=Decimal)


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_billing_adds_up(relay: ServedRelay, email: str, prefix: str) -> None:
    key = relay.member(email, credit="12.345678901")
    for _ in range(3):
        chat(relay, key)
    spent = Decimal(3 * CHARGE) / 10**9
    subscription = exact(get(relay, f"{prefix}/dashboard/billing/subscription", key))
    assert subscription["object"] == "billing_subscription"
    assert subscription["hard_limit_usd"] == subscription["soft_limit_usd"] == Decimal("12.345678901")
    assert subscription["system_hard_limit_usd"] == Decimal("12.345678901")
    assert (subscription["has_payment_method"], subscription["currency"]) == (True, "CNY")
    assert subscription["plan"] == {"title": "paid", "id": "paid"}
    assert subscription["access_until"] > 4_000_000_000
    usage = exact(get(relay, f"{prefix}/dashboard/billing/usage", key))
    assert usage["total_usage"] == 100 * spent
    items = [item for day in usage["daily_costs"] for item in day["line_items"]]  # of two days at midnight
    assert {item["name"] for item in items} == {MODEL}
    assert sum(item["cost"] for item in items) == 100 * spent
    grants = exact(get(relay, f"{prefix}/dashboard/billing/credit_grants", key))
    assert grants["total_granted"] == Decimal("12.345678901")
    assert (grants["total_used"], grants["total_available"]) == (spent, Decimal("12.345678901") - spent)
    # What clients show as left: the limit less what was used.
    assert subscription["hard_limit_usd"] - usage["total_usage"] / 100 == grants["total_available"]


def test_usage_between_dates_is_by_the_operators_day(relay: ServedRelay, email: str) -> None:
    key = relay.member(email, credit="1")
    chat(relay, key)
    began = datetime.fromtimestamp(relay.usage(email)[0].started_ms / 1000, UTC)
    local = (began + timedelta(hours=8)).date()  # Shanghai's
    usage = "/v1/dashboard/billing/usage"

    def total(start: object, end: object) -> Any:
        return exact(get(relay, f"{usage}?start_date={start}&end_date={end}", key))

    today = total(local, local + timedelta(days=1))
    assert today["total_usage"] == Decimal(100 * CHARGE) / 10**9
    midnight = datetime(local.year, local.month, local.day, tzinfo=UTC) - timedelta(hours=8)
    assert today["daily_costs"][0]["timestamp"] == int(midnight.timestamp())
    assert total(local - timedelta(days=1), local)["daily_costs"] == []  # the end is not included
    assert total(local + timedelta(days=1), local)["total_usage"] == 0
    assert total("0001-01-01", "9999-12-31") == today  # at most a year, and none of it is yet to come


@pytest.mark.parametrize(
    "query", ["start_date=yesterday", "end_date=2026-13-01", "end_date=0001-01-01", "start_date=%00"]
)
def test_dates_that_are_none(relay: ServedRelay, key: str, query: str) -> None:
    reply = get(relay, f"/v1/dashboard/billing/usage?{query}", key)
    assert (reply.status, reply.relay_code) == (400, RelayCode.EMPTY_REQUEST)


def test_these_calls_need_a_key_and_cost_nothing(relay: ServedRelay, email: str) -> None:
    key = relay.member(email, plan="few", credit="1")
    paths = [
        "/v1/models",
        f"/v1/models/{MODEL}",
        "/v1/key",
        "/dashboard/billing/usage",
        "/v1/dashboard/billing/subscription",
        "/v1/dashboard/billing/credit_grants",
    ]
    for path in paths:
        assert get(relay, path).relay_code == RelayCode.MISSING_API_KEY
        assert get(relay, path, key).status == 200
        assert post(relay, key, path, {}).relay_code == RelayCode.ENDPOINT_NOT_SUPPORTED
    assert relay.usage(email) == []
    assert get(relay, "/v1/key", key).json["limits"][0]["remaining"] == 5


def test_the_members_see_their_own_balance_only(relay: ServedRelay, key: str, email: str) -> None:
    other = relay.member(f"other-{email}")
    chat(relay, key)
    assert get(relay, "/v1/dashboard/billing/usage", other).json["total_usage"] == 0
    assert get(relay, "/v1/key", other).json["balance"] == "0.00"


# -- legacy forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "upstream_path"),
    [
        (f"/v1/engines/{MODEL}/chat/completions", b'{"messages":[]}', "/v1/chat/completions"),
        (f"/v1/engines/{MODEL}/completions", b'{"prompt":"Hello"}', "/v1/completions"),
        ("/v1/engines/text-embedding-3-small/embeddings", b'{"input":"Hello"}', "/v1/embeddings"),
        ("/v1/engines/mini/completions", b'{"prompt":"Hello"}', "/v1/completions"),
        ("/v1/engines/vendor%2Fchat%3Afree/completions", b'{"prompt":"Hello"}', "/v1/completions"),
    ],
)
def test_the_engine_in_the_path_is_the_model(
    relay: ServedRelay,
    key: str,
    email: str,
    upstream: ScriptedUpstream,
    path: str,
    body: bytes,
    upstream_path: str,
) -> None:
    reply = send(relay, "POST", path, key=key, body=body)
    assert reply.status == 200, reply
    (received,), (record,) = upstream.received, relay.usage(email)
    assert received.head.path == upstream_path
    assert received.json["model"] == record.model
    assert record.model in ("vendor/chat:free", MODEL, "text-embedding-3-small")
    assert record.endpoint == upstream_path.removeprefix("/v1/")


def test_the_path_goes_before_the_bodys_model(
    relay: ServedRelay, key: str, upstream: ScriptedUpstream
) -> None:
    body = b'{"model":"gpt-9","prompt":"Hello"}'
    assert send(relay, "POST", f"/v1/engines/{MODEL}/completions", key=key, body=body).status == 200
    assert upstream.received[0].body == body.replace(b"gpt-9", MODEL.encode())


# -- the process -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_key(relay: ServedRelay, path: str) -> None:
    assert get(relay, path).json == {"status": "ok"}
    assert send(relay, "HEAD", path).status == 200


def test_metrics_are_on_their_own_port_only(relay: ServedRelay, key: str) -> None:
    for path in ("/metrics", "/v1/metrics"):
        assert get(relay, path, key).status == 404
    assert "posthouse_requests_running" in relay.metrics()
    # And nothing else is there.
    with urllib.request.urlopen(f"http://127.0.0.1:{relay.ops_port}/v1/key", timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/plain")


def test_metrics_count_what_happened(relay: ServedRelay, email: str, upstream: ScriptedUpstream) -> None:
    key = relay.member(email, plan="blind")

    def counted() -> list[str]:
        """This plan's only: other tests' calls are still being counted."""
        lines = relay.metrics().splitlines()
        return [line for line in lines if line.startswith("posthouse_requests_total") and 'n="blind"' in line]

    upstream.enqueue(Script(), Script(), Script(status=500))
    for _ in range(3):
        chat(relay, key)
    lines = eventually(counted, lambda lines: sum(float(line.split()[-1]) for line in lines) == 3)
    assert sorted((line.partition('status="')[2][:3], line.split()[-1]) for line in lines) == [
        ("200", "2.0"),
        ("500", "1.0"),
    ]


def test_the_relay_stops_in_good_order(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Told to stop while a call runs: the call ends as if nothing were, and is charged."""
    with ServedRelay(tmp_path_factory.mktemp("stop"), upstream.base_url) as stopping:
        key = stopping.member("m@example.org", credit="1")
        upstream.enqueue(Script(stall_after=3))
        connection = http.client.HTTPConnection("127.0.0.1", stopping.port, timeout=20)
        body = json.dumps({"model": MODEL, "messages": [], "stream": True})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        os.kill(stopping.pid, signal.SIGTERM)
        upstream.resume()
        assert answer.read().endswith(b"data: [DONE]\n\n")
        connection.close()
        stopping.stop()
        (record,) = stopping.usage("m@example.org")
        assert (record.ending, record.charge_nanos) == ("completed", CHARGE)
        assert stopping.differences() == []


def test_a_call_that_outlasts_the_graceful_stop_is_charged_for_what_came(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The process ends in time all the same: nothing waits for a ledger that has gone."""
    patience = {"POSTHOUSE_GRACEFUL_STOP_S": "1"}
    with ServedRelay(tmp_path_factory.mktemp("cut"), upstream.base_url, environment=patience) as stopping:
        key = stopping.member("m@example.org", credit="1")
        upstream.enqueue(Script(stall_after=3))
        connection = http.client.HTTPConnection("127.0.0.1", stopping.port, timeout=20)
        body = json.dumps({"model": MODEL, "messages": [], "stream": True})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.readline()
        stopping.stop()
        connection.close()
        (record,) = stopping.usage("m@example.org")
        assert (record.ending, record.estimated) == ("cancelled", True)
        assert record.charge_nanos > 0
        assert stopping.differences() == []
