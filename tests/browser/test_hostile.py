"""Markup and scripts in every text that is shown, walked through as a visitor, a member and an operator: they
are read as they were written, and none of them does anything."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page
from tests.browser.conftest import OpenTab, Site
from tests.browser.everything import fill, places, walk

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


# Pages on which no text of anybody's but the site's name is to be expected.
PLAIN = {
    "/docs",
    "/admin/reconciliation",
    "/admin/abuse",
    "/balance",
    "/register",
    "/sign-in",
    "/reset",
    "/verify",
}
PLAIN |= {"/setup", "/nowhere", "/confirm-email", "/admin/channels/new", "/admin/announcements/new"}
PLAIN |= {"/admin/models/edit", "/admin/models/import", "/admin/plans/edit", "/wallet?tab=statements"}
PLAIN |= {f"/admin/settings?tab={one}" for one in ("mail", "money", "calls")}


def test_no_text_does_anything(site: Site, open_tab: OpenTab) -> None:
    member, operator = site.as_("member"), site.as_("operator")
    texts = {"text": EVIL, "markdown": MARKDOWN, "email": '"><x-evil>@example.org'}
    ids = fill(site, member, operator, models={MODEL: 1}, **texts)
    whose = {"visitor": "", "member": member.account_id, "operator": operator.account_id}
    faults: list[str] = []
    for who, paths in places(ids, member, channel=CHANNEL, model=MODEL, plan=PLAN):
        page = open_tab("/faq", account_id=whose[who])
        page.context.add_init_script("window.hits = 0; window.hit = () => { window.hits += 1; }")
        page.reload()
        page.wait_for_selector("h1")
        for path in paths:
            walk(page, path)
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
