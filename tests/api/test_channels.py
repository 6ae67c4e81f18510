"""Channels by the API: nothing secret comes out, nobody overwrites another, and what is changed is in use."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from tests.api.conftest import Api, Browser, Statements

from posthouse.catalogue.queries import load_configuration
from posthouse.catalogue.sealed import load_credentials
from posthouse.kernel.clock import now_ms
from posthouse.kernel.periods import MINUTE_MS
from posthouse.routing.channels import DEFAULT_CREDENTIAL
from posthouse.store.schema_desk import audit_log
from posthouse.testing.upstream import ScriptedUpstream

KEPT_FIELDS = {"headers": {"x-org": "canary-header"}, "proxy": "http://user:canary-proxy@p.example:8080"}


@pytest.fixture(scope="module")
def operator(api: Api) -> Browser:
    return api.as_("operator")


@pytest.fixture
def channel(operator: Browser, api_upstream: ScriptedUpstream) -> Iterator[str]:
    """The name of a channel of its own, that nothing prefers to the module's one."""
    name = f"own-{time.monotonic_ns()}"
    definition = {"base_url": api_upstream.base_url, "priority": 9, "models": ["gpt-4o*"]}
    body = {"version": "", "definition": definition, "credential": "sk-upstream-credential"}
    assert operator.put(f"/channels/{name}", body).status_code == 200
    yield name
    found = operator.get(f"/channels/{name}")
    if found.status_code == 200:
        operator.delete(f"/channels/{name}", params={"version": found.json()["version"]})


def test_a_channel_is_added_shown_changed_and_removed(api: Api, operator: Browser, channel: str) -> None:
    shown = operator.get(f"/channels/{channel}").json()
    assert (shown["state"], shown["credentials"][0]["is_stored"]) == ("enabled", True)
    definition = shown["definition"] | {"weight": 3}
    body = {"version": shown["version"], "definition": definition}
    planned = operator.put(f"/channels/{channel}", body, params={"dry_run": True}).json()
    expected = [{"field": "weight", "before": None, "after": 3}]
    assert planned["changes"][0]["fields"] == expected
    assert operator.get(f"/channels/{channel}").json()["version"] == shown["version"]
    assert operator.put(f"/channels/{channel}", body).json()["changes"] == planned["changes"]
    now = operator.get(f"/channels/{channel}").json()
    assert now["definition"]["weight"] == 3
    assert load_credentials(api.store, api.relay.box)[channel, DEFAULT_CREDENTIAL]
    removed = operator.delete(f"/channels/{channel}", params={"version": now["version"]})
    assert removed.json()["changes"][0]["action"] == "remove"
    assert operator.get(f"/channels/{channel}").status_code == 404
    assert (channel, DEFAULT_CREDENTIAL) not in load_credentials(api.store, api.relay.box)


def test_what_was_changed_meanwhile_is_not_overwritten(operator: Browser, channel: str) -> None:
    seen = operator.get(f"/channels/{channel}").json()
    body = {"version": seen["version"], "definition": seen["definition"] | {"weight": 2}}
    assert operator.put(f"/channels/{channel}", body).status_code == 200
    for late in (
        operator.put(f"/channels/{channel}", body),
        operator.put(f"/channels/{channel}", {**body, "version": ""}),
    ):
        assert (late.status_code, late.json()["code"]) == (409, "changed_meanwhile")
    assert operator.delete(f"/channels/{channel}", params={"version": seen["version"]}).status_code == 409


def test_nothing_secret_comes_out(api: Api, operator: Browser, channel: str) -> None:
    shown = operator.get(f"/channels/{channel}").json()
    body = {
        "version": shown["version"],
        "definition": shown["definition"] | KEPT_FIELDS,
        "credential": "canary-credential",
    }
    said = [operator.put(f"/channels/{channel}", body, params={"dry_run": True})]
    said.append(operator.put(f"/channels/{channel}", body))
    said += [operator.get(path) for path in (f"/channels/{channel}", "/channels", "/configuration", "/audit")]
    shown = operator.get(f"/channels/{channel}").json()
    assert shown["definition"]["headers"] == {"x-org": "(kept)"}
    assert shown["definition"]["proxy"] == "http://(kept)@p.example:8080"
    again = {"version": shown["version"], "definition": shown["definition"] | {"weight": 5}}
    said.append(operator.put(f"/channels/{channel}", again))
    stored = load_configuration(api.store).channels[channel]
    assert (stored.headers, stored.proxy, stored.weight) == (*KEPT_FIELDS.values(), 5)
    shown = operator.get(f"/channels/{channel}").json()
    elsewhere = shown["definition"] | {"proxy": "http://(kept)@elsewhere.example:1"}
    refused = operator.put(f"/channels/{channel}", {"version": shown["version"], "definition": elsewhere})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "proxy"
    bad = operator.put(f"/channels/{channel}", {**again, "credential": "canary-bad\r\nx: 1"})
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "credential")
    with api.store.read() as connection:
        noted = repr(connection.execute(select(audit_log)).all())
    assert "canary" not in noted + "".join(one.text for one in (*said, refused, bad))


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({"base_url": "nowhere"}, "base_url"),
        ({"base_url": "http://u", "preset": "opnai"}, "preset"),
        ({"base_url": "http://u", "costs": {"m": [{"input": "1"}, {"input": "2"}]}}, "costs.m"),
        ({"base_url": "http://u", "health": {"error_rate": 2}}, "definition.health.error_rate"),
        ({"base_url": "http://u", "is_admin": True}, "definition.is_admin"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(operator: Browser, definition: Any, field: str) -> None:
    refused = operator.put("/channels/wrong", {"version": "", "definition": definition})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
    assert operator.get("/channels/wrong").status_code == 404


def test_a_state_by_hand_is_noted_with_its_reason(operator: Browser, channel: str) -> None:
    assert (
        operator.put(f"/channels/{channel}/state", {"state": "draining", "reason": "slow"}).status_code == 204
    )
    shown = operator.get(f"/channels/{channel}").json()
    assert (shown["state"], shown["reason"]) == ("draining", "slow")
    operator.put(f"/channels/{channel}/state", {"state": "disabled", "credential": "default"})
    assert operator.get(f"/channels/{channel}").json()["credentials"][0]["state"] == "disabled"
    assert operator.put(f"/channels/{channel}/state", {"state": "enabled"}).status_code == 204
    events = operator.get("/channel-events", params={"channel": channel, "limit": 2}).json()
    assert [(one["before"], one["after"], one["is_by_hand"]) for one in events["items"]] == [
        ("draining", "enabled", True),
        ("enabled", "disabled", True),
    ]
    older = operator.get("/channel-events", params={"channel": channel, "after": events["next"]}).json()
    assert [(one["after"], one["reason"]) for one in older["items"]] == [("draining", "slow")]
    wrong = operator.put(f"/channels/{channel}/state", {"state": "disabled", "credential": "none"})
    assert wrong.status_code == 422
    both = operator.put(f"/channels/{channel}/state", {"state": "draining", "credential": "default"})
    assert both.status_code == 422


def test_credentials_come_and_go(api: Api, operator: Browser, channel: str) -> None:
    body = {"secret": "canary-two", "weight": 2, "requests_per_minute": 60}
    added = operator.put(f"/channels/{channel}/credentials/two", body)
    assert added.status_code == 200
    assert operator.put(f"/channels/{channel}/credentials/two", {"weight": 3}).status_code == 200
    credentials = operator.get(f"/channels/{channel}").json()["credentials"]
    assert [(one["name"], one["weight"], one["is_stored"]) for one in credentials] == [
        ("default", 1, True),
        ("two", 3, True),
    ]
    missing = operator.put(f"/channels/{channel}/credentials/three", {"weight": 3})
    assert missing.status_code == 422
    assert operator.delete(f"/channels/{channel}/credentials/two").status_code == 200
    assert operator.delete(f"/channels/{channel}/credentials/two").status_code == 422
    assert (channel, "two") not in load_credentials(api.store, api.relay.box)
    assert "canary" not in added.text + missing.text


@pytest.mark.parametrize("path", ["/channels/none/state", "/channels/none/credentials/x"])
def test_a_channel_that_is_not_there_is_not_found(operator: Browser, path: str) -> None:
    assert operator.put(path, {"state": "enabled"} if path.endswith("state") else {}).status_code == 404
    assert operator.delete("/channels/none", params={"version": ""}).status_code == 404


def test_a_test_shows_each_phase(operator: Browser, channel: str, api_upstream: ScriptedUpstream) -> None:
    found = operator.post(f"/channels/{channel}/test", {}).json()
    assert (found["works"], found["status"], found["verdict"]) == (True, 200, "ok")
    phases = {name: value for name, value in found["phases"].items() if name != "address"}
    assert phases["tls_ms"] is None
    assert None not in (phases["connect_ms"], phases["send_ms"], phases["header_ms"])
    asked = operator.post(f"/channels/{channel}/test", {"model": "gpt-4o-mini"}).json()
    assert asked["works"]
    assert api_upstream.received[-1].json["model"] == "gpt-4o-mini"
    other = operator.post(f"/channels/{channel}/test", {"model": "claude"})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "model")
    assert operator.post("/channels/none/test", {}).status_code == 422


def test_another_definition_is_tested_without_what_is_stored(
    operator: Browser, channel: str, api_upstream: ScriptedUpstream
) -> None:
    definition = {"base_url": api_upstream.base_url}
    alone = operator.post(f"/channels/{channel}/test", {"definition": definition}).json()
    assert alone["verdict"] == "credential"
    assert api_upstream.received[-1].header("authorization") is None
    body = {"definition": definition, "secret": "sk-upstream-credential"}
    assert operator.post("/channels/new/test", body).json()["works"]


def call(api: Api) -> None:
    """A member's call that the module's channel answers."""
    key = api.relay.member(f"{time.monotonic_ns()}@example.org", plan="paid", credit="10")
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    url = api.relay.base_url + "/chat/completions"
    answer = api.visitor().http.post(url, json=body, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text


def test_standings_come_from_the_server(api: Api, operator: Browser) -> None:
    call(api)
    found = operator.get("/channel-standings").json()
    assert (found["processes"], found["silent"]) == (1, 0)
    main = next(one for one in found["items"] if one["channel"] == "main")
    assert (main["models"][0]["model"], main["models"][0]["state"]) == ("gpt-4o-mini", "closed")
    assert main["credentials"][0]["state"] == "in"


def test_courses_tell_of_minutes_and_of_days(api: Api, operator: Browser) -> None:
    call(api)
    observer = api.relay.app.observer

    async def a_minute_later() -> None:
        observer.flush()
        observer.trail.look(observer.tries, now_ms() + MINUTE_MS)

    api.relay.run(a_minute_later)
    hours = operator.get("/channel-courses", params={"span": "hours"}).json()
    assert (hours["step_ms"], len(hours["starts_ms"])) == (MINUTE_MS, 180)
    day = operator.get("/channel-courses", params={"span": "day"}).json()
    main = next(one for one in day["items"] if one["channel"] == "main")
    assert len(main["calls"]) == len(day["starts_ms"]) == 97
    assert sum(main["calls"]) >= 1
    week = operator.get("/channel-courses", params={"span": "week"}).json()
    assert week["step_ms"] == 2 * 3_600_000
    assert operator.get("/channel-courses", params={"span": "year"}).status_code == 422


def test_the_list_is_paged_in_the_order_of_trying(operator: Browser, channel: str) -> None:
    first = operator.get("/channels", params={"limit": 1}).json()
    assert [one["name"] for one in first["items"]] == ["main"]
    rest = operator.get("/channels", params={"after": first["next"]}).json()
    assert channel in [one["name"] for one in rest["items"]]
    assert rest["next"] == ""


def test_how_many_statements_a_page_takes(operator: Browser, channel: str, statements: Statements) -> None:
    with statements() as asked:
        operator.get("/channels")
    assert len([one for one in asked if one.startswith("SELECT")]) == 4, asked  # who asks, and three tables
    with statements() as asked:
        operator.get("/channel-events")
    assert len([one for one in asked if one.startswith("SELECT")]) == 2, asked


def test_presets_and_their_addresses_are_listed(operator: Browser) -> None:
    presets = {one["name"]: one for one in operator.get("/presets").json()["items"]}
    assert presets["openai"]["base_url"].startswith("https://api.openai.com")
    assert presets["azure"]["base_url"] == ""


def test_a_script_needs_the_scope(api: Api) -> None:
    account_id, _ = api.account("operator")
    reader = api.with_token(account_id, "channels:read")
    assert reader.get("/channels").status_code == 200
    assert reader.put("/channels/x", {"version": "", "definition": {}}).status_code == 403
    assert msgspec.json.decode(api.as_("support").get("/channels").content)["code"] == "forbidden"
