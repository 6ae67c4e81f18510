"""How the service does, and whether its books agree, over the REST API."""

from decimal import Decimal
from typing import Any

from tests.api.conftest import Api, Browser
from tests.api.test_usage import caller, write

from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import Ending
from posthouse.ledger.transfers import credit, debit
from posthouse.testing.waiting import eventually

ZONE = "Asia/Shanghai"


def good(answer: Any) -> Any:
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def zoned(operator: Browser, path: str, **asked: str) -> Any:
    return good(operator.get(path, params={"time_zone": ZONE, **asked}))


def test_the_service_at_a_glance(api: Api) -> None:
    operator = api.as_("operator")
    browser, member = caller(api)
    before = zoned(operator, "/admin/overview")
    call = {"started_ms": now_ms(), "model": "glance"}
    write(
        api,
        member,
        {**call, "charge_nanos": 30, "ttft_ms": 300},
        {**call, "charge_nanos": 20, "http_status": 502, "ttft_ms": 0},
        {**call, "charge_nanos": 0, "ending": Ending.FAILED, "channel": "", "ttft_ms": 0},
    )
    credit(api.store, member.account_id, 10**9, reason="cash")
    shown = zoned(operator, "/admin/overview")
    grown = {
        name: shown["today"][name] - before["today"][name] for name in ("requests", "errors", "cached_tokens")
    }
    assert grown == {"requests": 3, "errors": 2, "cached_tokens": 9}
    assert Decimal(shown["today"]["charge"]) - Decimal(before["today"]["charge"]) == Decimal("5E-8")
    assert shown["members_today"] >= 2
    assert Decimal(shown["balances"]) - Decimal(before["balances"]) == 1
    minutes = good(operator.get("/admin/overview/minutes"))
    assert len(minutes["starts_ms"]) == 60
    assert sum(minutes["requests"]) >= 3
    assert sum(minutes["faults"]) >= 2
    assert any(minutes["ttft_p50_ms"])  # which one, other tests' calls in the same minute decide
    course = zoned(operator, "/admin/overview/course", span="day")
    assert (len(course["starts_ms"]), sum(course["members"]) >= 2) == (24, True)
    assert sum(course["requests"]) == course["total"]["requests"]
    assert len(zoned(operator, "/admin/overview/course", span="quarter")["starts_ms"]) == 90
    leaders = zoned(operator, "/admin/overview/leaders")
    (model,) = (one for one in leaders["models"] if one["name"] == "glance")
    assert (model["total"]["requests"], model["total"]["charge"]) == (3, "0.00000005")
    (account,) = (one for one in leaders["accounts"] if one["name"] == member.account_id)
    assert account["label"] == browser.email
    assert "" in {one["channel"] for one in leaders["channels"]}


def test_the_books_month_by_month(api: Api) -> None:
    """Of calls that were settled: test_usage's write knows no money."""
    operator = api.as_("operator")
    _, member = caller(api)
    credit(api.store, member.account_id, 1, reason="the first month, if no other test has begun it")
    before = zoned(operator, "/admin/reconciliation")
    credit(api.store, member.account_id, 9 * 10**9, reason="cash")
    credit(api.store, member.account_id, 2 * 10**9, reason="welcome", kind="promotion")
    debit(api.store, member.account_id, 3 * 10**9, reason="back")
    debit(api.store, member.account_id, 10**9, reason="mistake", kind="correction")
    after = zoned(operator, "/admin/reconciliation")
    now, was = after["months"][-1], before["months"][-1]
    grown = {
        name: Decimal(now[name]) - Decimal(was[name])
        for name in ("topups", "refunds", "promotions", "corrections", "charges", "closing")
    }
    assert grown == {
        "topups": 9,
        "refunds": 3,
        "promotions": 2,
        "corrections": -1,
        "charges": 0,
        "closing": 7,
    }
    assert Decimal(after["balances"]) - Decimal(before["balances"]) == 7
    assert after["difference"] == before["difference"]


def test_the_books_are_proven_in_the_background(api: Api) -> None:
    """test_usage's write makes records that nobody paid for: the proof must find them."""
    operator = api.as_("operator")
    _, member = caller(api)
    write(api, member, {"started_ms": now_ms(), "charge_nanos": 7})
    began = good(operator.post("/admin/reconciliation/proof"))
    assert began["state"] == "running"
    proof = eventually(
        lambda: good(operator.get("/admin/reconciliation/proof")), lambda proof: proof["state"] != "running"
    )
    assert proof["state"] == "done"
    assert proof["count"] >= len(proof["differences"]) > 0
    found = {(one["what"], one["subject"]): one for one in proof["differences"]}
    balance = found["balance", member.account_id]
    assert (balance["expected"], balance["stored"]) == ("-0.000000007", "0.00")
    assert api.as_("support").post("/admin/reconciliation/proof").status_code == 403
