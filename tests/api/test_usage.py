"""Calls, what they add up to, and how each charge came about, over the REST API."""

import csv
import io
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert
from tests.api.conftest import Api, Browser, Statements

from posthouse.accounts.service import create_key
from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import AttemptRecord, Ending
from posthouse.ledger.settlement import usage_row
from posthouse.metering.prices import PriceLine, Tariff
from posthouse.store.schema import price_snapshots, usage_records
from posthouse.store.upsert import insert_if_absent
from posthouse.testing.check_store import Member, outcome_of

TARIFF = Tariff([PriceLine("input", "1M tokens", 150_000_000), PriceLine("output", "1M tokens", 600_000_001)])
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def begin_ms() -> int:
    """A whole hour, some hours ago."""
    return (now_ms() // HOUR_MS - 5) * HOUR_MS


def caller(api: Api) -> tuple[Browser, Member]:
    browser = api.as_()
    key = create_key(api.store, browser.account_id, name="laptop")
    return browser, Member(browser.account_id, key.id, key.key)


def write(api: Api, member: Member, *calls: dict[str, Any]) -> list[str]:
    """Usage records as a settlement writes them, without the money: their ids, oldest first."""
    quantities = {"input": 7, "cached_input": 3, "reasoning_output": 2}
    made = []
    for fields in calls:
        charge = TARIFF.charge(quantities, prompt_tokens=10).nanos
        fields = {"quantities": quantities, "price_id": TARIFF.id, "prompt_tokens": 10, **fields}
        made.append(outcome_of(member, fields.pop("charge_nanos", charge), **fields))
    with api.store.begin() as connection:
        insert_if_absent(connection, price_snapshots, {"id": TARIFF.id, "lines": TARIFF.lines_json.decode()})
        for one in made:
            connection.execute(insert(usage_records).values(usage_row(one)))
    return [one.request_id for one in made]


def test_a_members_own_calls(api: Api, begin_ms: int, statements: Statements) -> None:
    browser, member = caller(api)
    other = api.as_()
    ids = write(
        api,
        member,
        {"started_ms": begin_ms, "model": "gpt-4o"},
        {"started_ms": begin_ms + 1, "ending": Ending.BROKEN},
        {"started_ms": begin_ms + 2, "http_status": 429, "charge_nanos": 0},
    )
    with statements() as asked:
        page = browser.get("/usage", params={"limit": 2}).json()
    assert [one.split()[0] for one in asked].count("SELECT") <= 5
    assert [one["request_id"] for one in page["items"]] == [ids[2], ids[1]]
    assert page["searched_ms"] is None
    rest = browser.get("/usage", params={"limit": 2, "after": page["next"]}).json()
    assert ([one["request_id"] for one in rest["items"]], rest["next"]) == ([ids[0]], "")
    (call,) = rest["items"]
    assert (call["key_name"], call["model"], call["attempts"]) == ("laptop", "gpt-4o", 2)
    assert (call["prompt_tokens"], call["cached_tokens"], call["reasoning_tokens"]) == (10, 3, 2)
    assert call["charge"] == "0.000002701"
    assert not {"channel", "cost", "email", "address"} & call.keys()
    for filters, expected in (
        ({"model": "gpt-4o"}, [ids[0]]),
        ({"ending": "broken"}, [ids[1]]),
        ({"http_status": 429}, [ids[2]]),
        ({"charge_min": "0.0000001"}, [ids[1], ids[0]]),
        ({"from_ms": begin_ms + 1, "to_ms": begin_ms + 2}, [ids[1]]),
        ({"key_id": "key_none"}, []),
    ):
        found = browser.get("/usage", params=filters).json()["items"]
        assert [one["request_id"] for one in found] == expected, filters
    assert other.get("/usage").json()["items"] == []
    assert other.get(f"/usage/{ids[0]}").status_code == 404


def test_a_page_that_ends_short_says_how_far_it_looked(
    api: Api, begin_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.ledger.usage.SCAN_MAX", 2)
    browser, member = caller(api)
    write(api, member, *[{"started_ms": begin_ms + n} for n in range(3)])
    page = browser.get("/usage", params={"model": "nothing"}).json()
    assert (page["items"], page["searched_ms"]) == ([], begin_ms + 1)
    rest = browser.get("/usage", params={"model": "nothing", "after": page["next"]}).json()
    assert (rest["items"], rest["next"], rest["searched_ms"]) == ([], "", None)


def test_the_arithmetic_of_a_charge(api: Api, begin_ms: int) -> None:
    browser, member = caller(api)
    (whole, repeated, unpriced) = write(
        api,
        member,
        {"started_ms": begin_ms},
        {"started_ms": begin_ms, "charge_nanos": 701, "shortfall_nanos": 1_000},
        {"started_ms": begin_ms, "charge_nanos": 0, "quantities": {}},
    )
    call = browser.get(f"/usage/{whole}").json()
    arithmetic = call["arithmetic"]
    assert [
        (one["component"], one["quantity"], one["priced_as"], one["price"], one["amount"])
        for one in arithmetic["lines"]
    ] == [
        ("input", 7, "input", "0.15", "0.000001050000000"),
        ("cached_input", 3, "input", "0.15", "0.000000450000000"),
        ("reasoning_output", 2, "output", "0.600000001", "0.000001200000002"),
    ]
    assert (arithmetic["exact"], arithmetic["rounded"]) == ("0.000002700000002", "0.000002701")
    assert arithmetic["charge"] == call["charge"] == "0.000002701"
    assert call["tries"] == [
        {"http_status": 0, "fault": "connect", "duration_ms": 3, "ttft_ms": None},
        {"http_status": 200, "fault": "", "duration_ms": 812, "ttft_ms": None},
    ]
    less = browser.get(f"/usage/{repeated}").json()["arithmetic"]
    assert (less["paid_before"], less["shortfall"], less["charge"]) == ("0.000001", "0.000001", "0.000000701")
    assert browser.get(f"/usage/{unpriced}").json()["arithmetic"] is None


def test_sums_for_charts(api: Api, begin_ms: int, statements: Statements) -> None:
    browser, member = caller(api)
    write(
        api,
        member,
        {"started_ms": begin_ms, "model": "gpt-4o", "charge_nanos": 5},
        {"started_ms": begin_ms + HOUR_MS, "charge_nanos": 7, "http_status": 500},
        {"started_ms": begin_ms + HOUR_MS, "charge_nanos": 9},
    )
    asked = {
        "from_ms": begin_ms,
        "to_ms": begin_ms + 2 * HOUR_MS,
        "step": "hour",
        "time_zone": "Asia/Shanghai",
    }
    drawn = browser.get("/usage/series", params=asked | {"by": "model"}).json()
    assert drawn["starts_ms"] == [begin_ms, begin_ms + HOUR_MS]
    assert (drawn["total"]["requests"], drawn["total"]["errors"], drawn["total"]["charge"]) == (
        3,
        1,
        "0.000000021",
    )
    mini, big = drawn["groups"]
    assert (mini["label"], mini["points"]["requests"], mini["points"]["charge"]) == (
        "gpt-4o-mini",
        [0, 2],
        ["0.00", "0.000000016"],
    )
    assert (big["name"], big["points"]["errors"]) == ("gpt-4o", [0, 0])
    with statements() as made:
        narrow = browser.get(
            "/usage/series", params=asked | {"http_status": 500, "ending": "completed"}
        ).json()
    assert (narrow["total"]["requests"], narrow["total"]["charge"]) == (1, "0.000000007")
    assert len(made) == 5  # the session and the sums, each with its BEGIN, and how many calls there are
    (by_key,) = browser.get("/usage/series", params=asked | {"by": "key", "model": "gpt-4o"}).json()["groups"]
    assert (by_key["name"], by_key["label"]) == (member.key_id, "laptop")
    for wrong in (
        {"time_zone": "Mars/Base"},
        {"time_zone": "../etc"},
        {"by": "account"},
        {"to_ms": begin_ms - 1},
        {"to_ms": 2**50},
    ):
        assert browser.get("/usage/series", params=asked | wrong).status_code == 422, wrong
    problem = browser.get("/usage/series", params=asked | {"time_zone": "Asia"}).json()
    assert [one["field"] for one in problem["errors"]] == ["time_zone"]


def test_a_file_of_any_filter(api: Api, begin_ms: int) -> None:
    browser, member = caller(api)
    ids = write(api, member, *[{"started_ms": begin_ms + n, "model": "gpt-4o"} for n in range(300)])
    write(api, member, {"started_ms": begin_ms})
    answer = browser.get("/usage/export", params={"model": "gpt-4o"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="usage.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["request_id"] for row in rows] == ids
    assert (rows[0]["charge"], rows[0]["attempts"]) == ("0.000002701", "2")
    assert datetime.fromisoformat(rows[0]["started_utc"]).timestamp() * 1000 == int(rows[0]["started_ms"])
    assert not {"channel", "cost", "account_id"} & rows[0].keys()


def test_all_members_calls(api: Api, begin_ms: int, statements: Statements) -> None:
    operator = api.as_("operator")
    (ann, member), (_, other) = caller(api), caller(api)
    attempts = (AttemptRecord("main", 200, "", 812, "one", "served", 90),)
    (mine,) = write(api, member, {"started_ms": begin_ms, "channel": "rare", "attempts": attempts})
    write(api, other, {"started_ms": begin_ms})
    with statements() as asked:
        page = operator.get("/admin/usage", params={"limit": 1}).json()
    assert len(page["items"]) == 1
    assert [one.split()[0] for one in asked].count("SELECT") <= 5
    for filters in ({"account": ann.email}, {"account": ann.account_id}, {"channel": "rare"}):
        (call,) = operator.get("/admin/usage", params=filters).json()["items"]
        assert (call["request_id"], call["email"], call["cost"]) == (mine, ann.email, "0.000000005")
    assert operator.get("/admin/usage", params={"account": "no@example.org"}).status_code == 404
    (tried,) = operator.get(f"/admin/usage/{mine}").json()["tries"]
    assert (tried["channel"], tried["credential"], tried["verdict"], tried["ttft_ms"]) == (
        "main",
        "one",
        "served",
        90,
    )
    assert operator.get("/admin/usage/req_none").status_code == 404
    asked_series = {"from_ms": begin_ms, "to_ms": begin_ms + 1, "account": ann.email, "by": "account"}
    (line,) = operator.get("/admin/usage/series", params=asked_series).json()["groups"]
    assert (line["name"], line["label"]) == (ann.account_id, ann.email)
    for channel, number in (("rare", 1), ("other", 0)):
        of_channel = operator.get("/admin/usage/series", params=asked_series | {"channel": channel}).json()
        assert of_channel["total"]["requests"] == number
    (by_key,) = operator.get("/admin/usage/series", params=asked_series | {"by": "key"}).json()["groups"]
    assert by_key["label"] == "laptop"
    text = operator.get("/admin/usage/export", params={"account": ann.email}).content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["channel"], row["account_id"]) == ("rare", ann.account_id)
    assert operator.get("/admin/usage/export", params={"account": "no@example.org"}).status_code == 404
