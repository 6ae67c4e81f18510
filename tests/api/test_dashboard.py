"""What a member sees of their account after real calls: dashboard, limits, refusals, playground, balance."""

from typing import Any

import pytest
from tests.api.conftest import Api, Browser, Statements
from tests.e2e.calls import chat_body

from posthouse.accounts import service
from posthouse.accounts.queries import list_keys
from posthouse.api import balance as balance_routes
from posthouse.api import playground as playground_routes
from posthouse.kernel.clock import now_ms
from posthouse.kernel.money import format_nanos
from posthouse.ledger.transfers import credit
from posthouse.people.throttles import Throttle
from posthouse.testing.waiting import eventually

HOUR_MS = 3_600_000
CONFIGURATION = """
[operator]
currency = "CNY"
default_plan = "paid"
timezone = "Asia/Shanghai"
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
[plans.paid]
kind = "paid"
[[plans.paid.limits]]
window = "1 hour"
requests = 3
per = ["key"]
[[plans.paid.limits]]
window = "2 hours"
requests = 1000
per = ["address"]
[[plans.paid.limits]]
window = "1 day"
spend = "5"
per = ["account"]
[channels.main]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
"""


@pytest.fixture(scope="module", autouse=True)
def _configured(api: Api) -> None:
    api.relay.apply(CONFIGURATION)
    api.relay.run(_heard(api))


def _heard(api: Api) -> Any:
    async def heard() -> None:
        await api.relay.app.market.on_change("configuration", "")

    return heard


@pytest.fixture
def member(api: Api) -> Browser:
    member = api.as_("member")
    credit(api.store, member.account_id, 10**10, kind="topup", reason="for tests")
    return member


def key_of(member: Browser, **fields: Any) -> tuple[str, str]:
    new = member.post("/keys", fields).json()
    return new["id"], new["key"]


def call(api: Api, key: str, model: str = "gpt-4o-mini", **headers: str) -> Any:
    with api.visitor().http as client:
        url = f"{api.relay.base_url}/chat/completions"
        sent = {"authorization": f"Bearer {key}", **headers}
        return client.post(url, json=chat_body(model), headers=sent)


def test_the_dashboard_is_right_to_the_nano(api: Api, member: Browser) -> None:
    before = member.get("/dashboard").json()
    assert (before["balance"], before["keys"], before["plan"]) == ("10.00", 0, "paid")
    assert not before["has_called"]
    assert before["today"]["requests"] == before["month"]["requests"] == 0
    _, key = key_of(member, name="laptop")
    for _ in range(2):
        assert call(api, key).status_code == 200
    charged = sum(outcome.charge_nanos for outcome in api.relay.usage(member.email))
    assert charged > 0
    seen = member.get("/dashboard", params={"time_zone": "UTC"}).json()
    assert seen["has_called"]
    assert seen["balance"] == format_nanos(10**10 - charged)
    for sums in (seen["today"], seen["month"]):
        assert (sums["requests"], sums["errors"], sums["charge"]) == (2, 0, format_nanos(charged))


@pytest.mark.parametrize("zone", ["Nowhere", "../etc/passwd", "/etc/passwd", "Asia", "\u00e9"])
def test_a_time_zone_that_is_none(member: Browser, zone: str) -> None:
    answer = member.get("/dashboard", params={"time_zone": zone})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "time_zone"


def test_limits_tell_what_is_used_and_when_it_frees(api: Api, member: Browser) -> None:
    items = member.get("/dashboard/limits").json()["items"]
    (unused,) = (one for one in items if one["subject"] == "key")
    assert (unused["used"], unused["frees_ms"], unused["key_id"]) == ("0", 0, "")
    key_id, key = key_of(member, name="laptop")
    unused_id, _ = key_of(member)
    assert call(api, key).status_code == 200
    items = member.get("/dashboard/limits").json()["items"]
    by_key = {one["key_id"]: one for one in items if one["subject"] == "key"}
    used = by_key[key_id]
    assert (used["used"], used["limit"], used["permille"], used["window_ms"]) == ("1", "3", 333, HOUR_MS)
    assert 0 < used["frees_ms"] <= HOUR_MS
    assert (used["key_name"], used["measure"], used["families"]) == ("laptop", "requests", [])
    assert unused_id not in by_key
    (spent,) = (one for one in items if one["subject"] == "account")
    (outcome,) = api.relay.usage(member.email)
    assert (spent["measure"], spent["limit"]) == ("spend", "5.00")
    assert spent["used"] == format_nanos(outcome.charge_nanos)
    assert [one["subject"] for one in items].count("address") == 1


def test_refused_calls_say_why_to_their_account_alone(api: Api, member: Browser) -> None:
    key_id, key = key_of(member, name="laptop")
    told = call(api, key, "gpt-9", **{"accept-language": "en"}).json()["error"]["message"]
    service.freeze_key(api.store, key_id, by="owner")
    eventually(lambda: call(api, key, "gpt-9").status_code == 403)
    items = member.get("/dashboard/refusals", headers={"accept-language": "en"}).json()["items"]
    assert [one["code"] for one in items[:2]] == ["key_frozen", "model_not_found"]
    assert {one["key_id"] for one in items} == {key_id}
    assert items[-1]["message"] == told
    assert {one["key_name"] for one in items} == {"laptop"}
    assert api.as_("member").get("/dashboard/refusals").json()["items"] == []


def test_the_playground_calls_as_the_member(api: Api, member: Browser) -> None:
    first, second = (member.post("/playground/key").json() for _ in range(2))
    assert first["id"] == second["id"]
    assert 0 < first["expires_ms"] - now_ms() <= HOUR_MS
    for key in (first["key"], second["key"]):
        assert call(api, key).status_code == 200
    assert {outcome.key_id for outcome in api.relay.usage(member.email)} == {first["id"]}
    assert list_keys(api.store, member.account_id) == []
    assert {one["key_kind"] for one in member.get("/usage").json()["items"]} == {"playground"}


def test_the_playground_is_no_allowance_besides(api: Api, member: Browser) -> None:
    """Three calls an hour with each key: the playground's count with those of the only key."""
    key_id, key = key_of(member)
    playground = member.post("/playground/key").json()["key"]
    assert [call(api, one).status_code for one in (key, playground, key)] == [200, 200, 200]
    assert [call(api, one).status_code for one in (key, playground)] == [429, 429]
    limits = [one for one in member.get("/dashboard/limits").json()["items"] if one["subject"] == "key"]
    assert [(one["key_id"], one["used"]) for one in limits] == [(key_id, "3")]


def test_the_playgrounds_keys_are_not_for_hoarding(member: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    few = Throttle("playground", tries=2, window_ms=HOUR_MS)
    monkeypatch.setattr(playground_routes, "KEYS_OF_ACCOUNT", few)
    statuses = [member.post("/playground/key").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_whoever_has_a_key_sees_what_is_left(api: Api, member: Browser) -> None:
    _, key = key_of(member, name="laptop", budget="2", budget_period="day")
    for _ in range(2):
        call(api, key)
    page = api.visitor().post("/balance", {"key": key}).json()
    outcomes = api.relay.usage(member.email)
    charged = sum(outcome.charge_nanos for outcome in outcomes)
    assert (page["name"], page["plan"], page["status"]) == ("laptop", "paid", "active")
    assert (page["balance"], page["spent"]) == (format_nanos(10**10 - charged), format_nanos(charged))
    assert [one["request_id"] for one in page["records"]] == [one.request_id for one in outcomes[::-1]]
    assert {one["used"] for one in page["limits"] if one["subject"] == "key"} == {"2"}
    assert key not in str(page)


def test_a_key_that_may_not_be_used_shows_nothing(api: Api, member: Browser) -> None:
    visitor = api.visitor()
    _, elsewhere = key_of(member, addresses=["203.0.113.9"])
    deleted_id, deleted = key_of(member)
    member.delete(f"/keys/{deleted_id}")
    rotated_id, rotated = key_of(member)
    member.post(f"/keys/{rotated_id}/rotate", {})
    for key in (elsewhere, deleted, rotated, rotated[:-1] + "!", "sk-", "x" * 150):
        answer = visitor.post("/balance", {"key": key})
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_key")
        assert key not in answer.text
    assert visitor.post("/balance", {"key": "x" * 201}).status_code == 422


def test_guessing_keys_is_slowed_down(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balance_routes, "LOOKS_OF_ADDRESS", Throttle("guesses", tries=2, window_ms=HOUR_MS))
    answers = [api.visitor().post("/balance", {"key": "sk-guess"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_how_many_statements_the_pages_cost(member: Browser, statements: Statements) -> None:
    counts = {}
    for path in ("/dashboard", "/dashboard/limits", "/dashboard/refusals"):
        member.get(path)
        with statements() as asked:
            member.get(path)
        counts[path] = [one for one in asked if not one.startswith("BEGIN")]
    pinned = {"/dashboard": 11, "/dashboard/limits": 4, "/dashboard/refusals": 2}
    assert {path: len(asked) for path, asked in counts.items()} == pinned, counts
