"""Markup and scripts in every text that is shown, walked through as a visitor, a member and an operator: they
are read as they were written, and none of them does anything."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page
from sqlalchemy import insert
from tests.api.conftest import Browser
from tests.browser.conftest import OpenTab, Site, settle
from tests.browser.past import give_past

from posthouse.accounts.service import KeyChange, update_key
from posthouse.kernel.clock import now_ms
from posthouse.people.sessions import Device, open_session
from posthouse.store.schema_people import identities, passkeys
from posthouse.store.schema_rollups import address_days

pytestmark = pytest.mark.browser

EVIL = '"><img src=x onerror=hit()><x-evil>{{site}}$t(home)'
MARKDOWN = f"""{EVIL}

# {EVIL}

[a](javascript:hit()) <javascript:hit()> [b](JaVaScRiPt:hit()) [c](data:text/html,<script>hit()</script>)

![{EVIL}](javascript:hit())

<script>hit()</script>

`{EVIL}`
"""

CONFIGURATION = f"""
[operator]
name = 'Operator{EVIL}'
default_plan = 'free{EVIL}'
topup_plan = "paid"
[families]
'family{EVIL}' = {{ kind = "standard" }}
[models.'model{EVIL}']
list = "openai/gpt-4o-mini"
family = 'family{EVIL}'
owned_by = 'owner{EVIL}'
aliases = ['alias{EVIL}']
[plans.'free{EVIL}']
kind = "free"
[[plans.'free{EVIL}'.limits]]
window = "1 hour"
requests = 60
family = 'family{EVIL}'
[plans.paid]
kind = "paid"
[channels.'channel{EVIL}']
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
[site]
name = 'Site{EVIL}'
[[site.sign_in.oidc]]
name = "works"
title = '{EVIL}'
issuer = "https://id.example.org"
client_id = 'client{EVIL}'
client_secret = "secret"
[site.topup]
invoice_from_total = "1"
"""
MODEL, PLAN, CHANNEL = f"model{EVIL}", f"free{EVIL}", f"channel{EVIL}"

# What none of our pages has: elements of the text's own, handlers, links that run something.
FOREIGN = (
    "x-evil, img[src='x'], iframe, object, embed, base, [onerror], [onload], [onclick], "
    "a[href^='javascript' i], a[href^='data' i], script:not([src]), script[src*=':'], script[src^='//']"
)


def made(answer: Any) -> Any:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def fill(site: Site, member: Browser, operator: Browser) -> dict[str, str]:
    """One of each thing that holds a text of somebody's, with EVIL in it; the ids that addresses need."""
    key_id = give_past(site, member.account_id, calls=60, models={MODEL: 1})
    update_key(site.store, key_id, KeyChange(name=f"key{EVIL}"))
    made(member.patch("/profile", json={"name": EVIL}))
    made(member.post("/tokens", {"name": EVIL, "scopes": ["own:read"]}))
    ticket = made(member.post("/tickets", {"subject": EVIL, "text": MARKDOWN}))["id"]
    made(operator.post(f"/admin/tickets/{ticket}/messages", {"text": MARKDOWN}))
    made(member.post("/tickets", {"subject": EVIL, "text": MARKDOWN}))  # which waits
    orders = [made(member.post("/wallet/orders", {"amount": "5", "note": EVIL}))["id"] for _ in range(3)]
    made(operator.post(f"/orders/{orders[0]}/pay", {"reference": EVIL}))
    made(operator.post(f"/orders/{orders[1]}/cancel", {"reason": EVIL}))
    who = {"account": member.account_id, "amount": "2", "reason": EVIL}
    made(operator.post("/transfers/credit", who))
    made(operator.post("/transfers/debit", who))
    invoice = {"title": EVIL, "email": '"><x-evil>@example.org', "tax_number": EVIL, "details": MARKDOWN}
    asked = [made(member.post("/wallet/invoices", {"amount": "1", **invoice}))["id"] for _ in range(3)]
    made(operator.post(f"/invoices/{asked[0]}/issue", {"number": EVIL}))
    made(operator.post(f"/invoices/{asked[1]}/decline", {"reason": EVIL}))
    batch = made(operator.post("/codes", {"name": EVIL, "amount": "1", "count": 2}))
    made(member.post("/wallet/codes", {"code": batch["codes"][0]}))
    made(operator.post("/invitations", {"note": EVIL}))
    made(operator.patch(f"/admin/members/{member.account_id}", json={"note": MARKDOWN}))
    news = {"title_en": EVIL, "text_en": MARKDOWN, "pinned": True, "from_ms": now_ms() - 1000}
    announcement = made(operator.post("/admin/announcements", news))["id"]
    for name in ("landing", "faq", "payment", "terms", "privacy"):
        made(operator.put(f"/admin/pages/{name}/en", {"text": MARKDOWN}))
    frozen, _ = site.account()
    made(operator.post("/admin/abuse/freeze", {"account_ids": [frozen], "reason": EVIL}))
    owned = {"account_id": member.account_id, "created_ms": now_ms(), "name": EVIL}
    day = {"address_hash": b"\x17" * 16, "day": now_ms() // 86_400_000, "requests": 5}
    with site.store.begin() as connection:
        connection.execute(insert(identities).values(provider="github", subject="7", **owned))
        connection.execute(insert(passkeys).values(id="passkey", public_key=b"k", sign_count=0, **owned))
        open_session(connection, member.account_id, Device("127.0.0.1", b"\1" * 16, EVIL), now_ms=now_ms())
        uses = [{**day, "account_id": member.account_id, "key_id": f"key_{n}"} for n in range(6)]
        connection.execute(insert(address_days), uses)
    return {"ticket": ticket, "announcement": announcement}


# Pages on which no text of anybody's but the site's name is to be expected.
PLAIN = {"/docs", "/register", "/sign-in", "/admin/reconciliation", "/admin/abuse"}


OPEN = "prices status docs faq terms privacy sign-in register"
OWN = "dashboard keys usage wallet playground tickets announcements profile"
DESK = (
    "channels models plans members keys usage orders codes transfers reconciliation tickets announcements "
    "invitations abuse settings audit configuration"
)


def places(ids: dict[str, str], member: Browser) -> Iterator[tuple[str, list[str]]]:
    """Who walks through which pages."""
    yield "visitor", ["/", *(f"/{one}" for one in OPEN.split())]
    own = [*OWN.split(), f"tickets/{ids['ticket']}", f"wallet/statements/{month()}"]
    yield "member", [f"/{one}" for one in own]
    channel = f"channels/{quote(CHANNEL, safe='')}"
    desk = [*DESK.split(), channel, f"{channel}/edit", f"tickets/{ids['ticket']}"]
    desk += [f"members/{member.account_id}", f"announcements/{ids['announcement']}"]
    desk += [f"models/edit?name={quote(MODEL, safe='')}", f"plans/edit?name={quote(PLAN, safe='')}"]
    yield "operator", ["/admin", *(f"/admin/{one}" for one in desk)]


def month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")


def test_no_text_does_anything(site: Site, open_tab: OpenTab) -> None:
    member, operator = site.as_("member"), site.as_("operator")
    ids = fill(site, member, operator)
    whose = {"visitor": "", "member": member.account_id, "operator": operator.account_id}
    faults: list[str] = []
    for who, paths in places(ids, member):
        page = open_tab("/faq", account_id=whose[who])
        page.context.add_init_script("window.hits = 0; window.hit = () => { window.hits += 1; }")
        for path in paths:
            page.goto(path)
            page.wait_for_selector("h1")
            settle(page)
            faults += [f"{who} {path}: {one}" for one in told_of(page, path)]
    assert faults == [], "\n".join(faults)


def told_of(page: Page, path: str) -> Iterator[str]:
    """What is wrong with the page: that it does what a text says, or does not show it."""
    for one in page.evaluate(f"[...document.querySelectorAll({FOREIGN!r})].map((one) => one.outerHTML)"):
        yield f"is foreign: {one[:200]}"
    if page.evaluate("window.hits") != 0:
        yield "ran a script"
    if path not in PLAIN and "<x-evil>" not in page.evaluate(SHOWN):
        yield "does not show what was written"


# Beside the site's name at the head of every page.
SHOWN = """(() => {
  const main = document.querySelector("main");
  const all = (what) => [...main.querySelectorAll(what)];
  return main.innerText + all("input, textarea").map((one) => one.value).join()
    + all("[aria-label], [title]").map((one) => one.ariaLabel + one.title).join();
})()"""
