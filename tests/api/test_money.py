"""Orders, codes, transfers, statements and invoices over the REST API."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from tests.api.conftest import Api, Browser, Statements
from tests.payments.desk import at_once

from posthouse.ledger.queries import verify as verify_ledger
from posthouse.payments import rules
from posthouse.payments.proof import verify
from posthouse.store.schema_people import profiles
from posthouse.testing.waiting import eventually


@pytest.fixture(scope="module")
def clerk(api: Api) -> Browser:
    return api.as_("operator")


@pytest.fixture(autouse=True, scope="module")
def proved(api: Api) -> Any:
    yield
    assert verify_ledger(api.store) == []
    assert verify(api.store) == []


def good(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def refused(answer: httpx.Response, code: str) -> Any:
    problem = answer.json()
    assert problem["code"] == code, problem
    return problem


def topped_up(clerk: Browser, member: Browser, amount: str = "30") -> None:
    good(
        clerk.post("/transfers/credit", {"account": member.account_id, "amount": amount, "reason": "cash"}),
        201,
    )


def codes_of(clerk: Browser, **fields: Any) -> list[str]:
    body = {"name": "autumn", "amount": "5", "count": 1, **fields}
    made = good(clerk.post("/codes", body), 201)
    return list(made["codes"])


def test_an_order_from_the_member_to_the_balance(api: Api, clerk: Browser) -> None:
    member = api.as_()
    order = good(member.post("/wallet/orders", {"amount": "12.50", "note": "by bank"}), 201)
    assert (order["status"], order["amount"]) == ("open", "12.50")
    listed = good(clerk.get("/orders", params={"status": "open", "account": member.email}))
    assert [(one["id"], one["email"]) for one in listed["items"]] == [(order["id"], member.email)]
    paid = good(clerk.post(f"/orders/{order['id']}/pay", {"reference": "bank 7"}))
    assert (paid["status"], paid["closed_by"]) == ("paid", clerk.account_id)
    good(clerk.post(f"/orders/{order['id']}/pay", {"reference": "bank 7"}))
    wallet = good(member.get("/wallet"))
    assert wallet["balance"] == "12.50"
    (own,) = good(member.get("/wallet/orders"))["items"]
    assert own == {**order, "status": "paid", "reference": "bank 7", "closed_ms": paid["closed_ms"]}
    (transfer,) = good(member.get("/wallet/transfers"))["items"]
    assert (transfer["amount"], transfer["kind"], transfer["source"]) == ("12.50", "topup", "order")
    refused(member.post(f"/wallet/orders/{order['id']}/cancel"), "order_closed")


@pytest.mark.parametrize("amount", ["0.99", "10000.01", "1.001", "-5", "0"])
def test_orders_that_the_site_does_not_take(api: Api, amount: str) -> None:
    refused(api.as_().post("/wallet/orders", {"amount": amount}), "invalid_request")


def test_what_is_no_amount_is_told_by_its_field(api: Api) -> None:
    problem = refused(api.as_().post("/wallet/orders", {"amount": 12.5}), "invalid_request")
    assert [one["field"] for one in problem["errors"]] == ["amount"]


def test_nobody_reaches_another_members_order(api: Api, clerk: Browser) -> None:
    order = good(api.as_().post("/wallet/orders", {"amount": "10"}), 201)
    other = api.as_()
    refused(other.post(f"/wallet/orders/{order['id']}/cancel"), "not_found")
    assert good(other.get("/wallet/orders"))["items"] == []
    good(clerk.post(f"/orders/{order['id']}/cancel", {"reason": "no payment"}))


def test_who_orders_and_cancels_all_day_has_to_wait(api: Api) -> None:
    member = api.as_()
    for _ in range(20):
        order = good(member.post("/wallet/orders", {"amount": "10"}), 201)
        good(member.post(f"/wallet/orders/{order['id']}/cancel"))
    answer = member.post("/wallet/orders", {"amount": "10"})
    assert (answer.status_code, int(answer.headers["retry-after"]) > 60) == (429, True)


def test_a_member_redeems_a_code(api: Api, clerk: Browser) -> None:
    member, other = api.as_(), api.as_()
    (code,) = codes_of(clerk)
    redeemed = good(member.post("/wallet/codes", {"code": code.lower()}))
    assert (redeemed["balance"], redeemed["transfer"]["source"]) == ("5.00", "code")
    refused(member.post("/wallet/codes", {"code": code}), "code_used_by_you")
    refused(other.post("/wallet/codes", {"code": code}), "code_used")
    found = good(clerk.post("/codes/find", {"code": code}))
    assert (found["email"], found["batch"]["redeemed"]) == (member.email, 1)
    assert code[-4:] in found["hint"]


def test_many_browsers_redeem_one_code_at_once(api: Api, clerk: Browser) -> None:
    member = api.as_()
    browsers = [api.signed_in(member.account_id) for _ in range(3)] + [api.as_() for _ in range(3)]
    (code,) = codes_of(clerk)
    calls: list[Callable[[], httpx.Response]] = [
        partial(one.post, "/wallet/codes", {"code": code}) for one in browsers
    ]
    answers = [one.status_code for one in at_once(calls) if isinstance(one, httpx.Response)]
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]


def test_an_order_that_is_marked_paid_from_many_desks_is_credited_once(api: Api) -> None:
    member = api.as_()
    desks = [api.as_("operator") for _ in range(4)]
    order = good(member.post("/wallet/orders", {"amount": "10"}), 201)
    calls = [partial(one.post, f"/orders/{order['id']}/pay", {"reference": "x"}) for one in desks]
    assert {one.status_code for one in at_once(calls) if isinstance(one, httpx.Response)} == {200}
    assert good(member.get("/wallet"))["balance"] == "10.00"


def test_who_guesses_codes_has_to_wait(api: Api) -> None:
    member = api.as_()
    for number in range(10):
        refused(member.post("/wallet/codes", {"code": rules.code_of(number)}), "code_unknown")
    answer = member.post("/wallet/codes", {"code": rules.code_of(10)})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_tries")
    refused(member.post("/wallet/codes", {"code": "not a code"}), "code_mistyped")  # costs no look-up


def test_codes_that_can_not_be_redeemed(api: Api, clerk: Browser) -> None:
    member = api.as_()
    one, another = codes_of(clerk, count=2, per_account_max=1)
    good(member.post("/wallet/codes", {"code": one}))
    refused(member.post("/wallet/codes", {"code": another}), "code_limit")
    batch = good(clerk.post("/codes/find", {"code": another}))["batch"]
    assert good(clerk.post(f"/codes/{batch['id']}/withdraw"))["withdrawn_ms"]
    problem = refused(
        api.as_().post("/wallet/codes", {"code": another}, headers={"accept-language": "zh"}), "code_expired"
    )
    assert problem["title"] == "兑换码已失效"
    assert good(clerk.get("/codes", params={"limit": 1}))["items"][0]["id"] == batch["id"]


def test_credits_and_debits_by_hand(api: Api, clerk: Browser) -> None:
    member = api.as_()
    body = {"account": member.email, "amount": "10", "reason": "cash", "idempotency_key": member.account_id}
    moved = [good(clerk.post("/transfers/credit", body), 201) for _ in range(2)]
    assert moved[0] == moved[1]
    assert moved[0]["balance"] == "10.00"
    back = good(
        clerk.post("/transfers/debit", {"account": member.email, "amount": "4", "reason": "paid back"}), 201
    )
    assert back["balance"] == "6.00"
    listed = good(clerk.get("/transfers", params={"account": member.account_id}))["items"]
    assert [(one["amount"], one["kind"], one["actor"]) for one in listed] == [
        ("-4.00", "refund", clerk.account_id),
        ("10.00", "topup", clerk.account_id),
    ]
    refused(
        clerk.post("/transfers/debit", {"account": member.email, "amount": "7", "reason": "x"}),
        "insufficient_funds",
    )
    refused(clerk.post("/transfers/credit", {**body, "idempotency_key": "order:ord_x"}), "invalid_request")


def test_lists_go_on_where_they_ended(api: Api, clerk: Browser) -> None:
    member = api.as_()
    for _ in range(3):
        topped_up(clerk, member)
    seen, after = [], ""
    while True:
        page = good(member.get("/wallet/transfers", params={"limit": 2, "after": after}))
        seen += [one["id"] for one in page["items"]]
        after = page["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 3
    refused(member.get("/wallet/transfers", params={"after": "nowhere"}), "invalid_request")


def test_a_statement_adds_up(api: Api, clerk: Browser) -> None:
    member = api.as_()
    topped_up(clerk, member, "0.123456789")
    wallet = good(member.get("/wallet"))
    now = f"{datetime.fromtimestamp(wallet['created_ms'] / 1000, UTC):%Y-%m}"
    statement = good(member.get(f"/wallet/statements/{now}"))
    assert (statement["opening"], statement["closing"]) == ("0.00", "0.123456789")
    assert statement["is_final"] is False
    assert len(statement["transfers"]) == 1
    refused(member.get("/wallet/statements/2026-13"), "invalid_request")
    refused(member.get("/wallet/statements/9998-12"), "not_found")  # has not begun


def test_invoices_are_off_until_the_site_says_from_which_total(api: Api, clerk: Browser) -> None:
    member = api.as_()
    topped_up(clerk, member)
    # Another test may just have unset it.
    eventually(lambda: good(member.get("/wallet"))["invoice_from"] is None)
    assert good(member.get("/wallet"))["invoiceable"] == "30.00"
    body = {"amount": "30", "title": "Example Ltd", "email": "books@example.org"}
    refused(member.post("/wallet/invoices", body), "not_invoiceable")


def test_a_mail_about_a_low_balance_is_chosen(api: Api) -> None:
    member = api.as_()
    assert (good(member.get("/wallet"))["low_balance"]) is None
    assert member.put("/wallet/low-balance", {"below": "2.5"}).status_code == 204
    wallet = good(member.get("/wallet"))
    assert (wallet["low_balance"], wallet["can_be_mailed"]) == ("2.50", True)
    assert member.put("/wallet/low-balance", {"below": None}).status_code == 204
    refused(member.put("/wallet/low-balance", {"below": "-1"}), "invalid_request")


@pytest.mark.parametrize(
    ("who", "path", "count"),
    [
        ("member", "/wallet", 7),
        ("member", "/wallet/orders", 3),
        ("member", "/wallet/transfers", 3),
        ("operator", "/orders", 2),
        ("operator", "/invoices", 3),
        ("operator", "/codes", 2),
        ("operator", "/transfers", 2),
    ],
)
def test_how_often_each_page_asks_the_store(
    api: Api, clerk: Browser, statements: Statements, who: str, path: str, count: int
) -> None:
    person = api.as_(who)
    with statements() as asked:
        good(person.get(path))
    assert len([one for one in asked if one != "BEGIN"]) == count, asked


def settle(api: Api, **changes: dict[str, Any]) -> None:
    """Change parts of the site's settings, and wait until the running relay goes by them."""
    owner = api.as_("owner")
    settings = good(owner.get("/settings"))
    for part, values in changes.items():
        settings["site"][part].update(values)
    good(owner.put("/settings", {name: settings[name] for name in ("version", "operator", "site")}))


def test_an_invoice_from_the_request_to_its_number(api: Api, clerk: Browser) -> None:
    settle(api, topup={"invoice_from_total": "20"})
    member, other = api.as_(), api.as_()
    eventually(lambda: good(member.get("/wallet"))["invoice_from"] == "20.00")
    topped_up(clerk, member)
    body = {
        "amount": "25",
        "title": "Example Ltd",
        "email": "Books@example.org",
        "tax_number": "DE123",
        "details": "1 Example Road",
    }
    refused(member.post("/wallet/invoices", {**body, "email": "nobody"}), "invalid_request")
    asked = good(member.post("/wallet/invoices", body), 201)
    assert (asked["status"], asked["email"]) == ("open", "books@example.org")
    assert good(member.get("/wallet"))["invoiceable"] == "5.00"
    refused(member.post("/wallet/invoices", body), "not_invoiceable")
    listed = good(clerk.get("/invoices", params={"status": "open", "account": member.account_id}))["items"]
    assert [(one["id"], one["account_email"]) for one in listed] == [(asked["id"], member.email)]
    issued = good(clerk.post(f"/invoices/{asked['id']}/issue", {"number": "2026-7"}))
    assert (issued["number"], issued["closed_by"]) == ("2026-7", clerk.account_id)
    refused(clerk.post(f"/invoices/{asked['id']}/decline", {"reason": "no"}), "invoice_closed")
    assert [one["number"] for one in good(member.get("/wallet/invoices"))["items"]] == ["2026-7"]
    assert good(other.get("/wallet/invoices"))["items"] == []
    settle(api, topup={"invoice_from_total": None})


def test_a_code_rewards_who_invited(api: Api, clerk: Browser) -> None:
    settle(api, referral={"inviter_reward": "3", "invited_reward": "1"})
    eventually(lambda: api.relay.app.market.catalogue.site.referral.inviter_reward == "3")
    inviter, invited = api.as_(), api.as_()
    with api.store.begin() as connection:
        row = update(profiles).where(profiles.c.account_id == invited.account_id)
        connection.execute(row.values(invited_by=inviter.account_id))
    (code,) = codes_of(clerk)
    assert good(invited.post("/wallet/codes", {"code": code}))["balance"] == "6.00"
    (reward,) = good(inviter.get("/wallet/transfers"))["items"]
    assert (reward["amount"], reward["source"]) == ("3.00", "referral")
    assert invited.account_id not in str(reward)
    settle(api, referral={"inviter_reward": "0", "invited_reward": "0"})
