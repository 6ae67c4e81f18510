"""The console in headless Chromium, over a whole relay in this process; one relay for a module's tests.

def test_keys(site: Site, open_tab: OpenTab) -> None:
    page = open_tab("/keys", role="member", language="zh")
    expect(page.get_by_role("heading", level=1)).to_have_text("密钥")
    axe(page)
    shot(page, "keys-zh")

A tab fails its test where its page threw, or broke the content security policy. Pictures are kept where
POSTHOUSE_SHOTS names a folder: `POSTHOUSE_SHOTS=docs/screenshots scripts/test tests/browser`.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from tests.api.conftest import COOKIE, Api

from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.upstream import ScriptedUpstream

ROOT = Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / "src" / "posthouse" / "data" / "console" / "index.html"
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
# The first is the same browser without windows, which takes half the time.
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# One process shows all pages, which are of one site.
ARGUMENTS = ("--no-sandbox", "--renderer-process-limit=1", "--disable-site-isolation-trials")
PATIENCE_MS = 30_000  # for a machine that does much else
expect.set_options(timeout=PATIENCE_MS)
DESKTOP = ViewportSize(width=1280, height=860)
PHONE = ViewportSize(width=360, height=740)

# What follows the table of the plan "free".
LIMITS = """
[[plans.free.limits]]
window = "1 hour"
requests = 60
[[plans.free.limits]]
window = "1 day"
requests = 200
tokens = 200000

[plans.paid]
kind = "paid"
[[plans.paid.limits]]
window = "1 minute"
requests = 600
concurrency = 50
"""

CONFIGURATION = (
    """
[operator]
name = "Posthouse"
default_plan = "free"
topup_plan = "paid"

[families]
standard = { kind = "standard" }
premium = { kind = "premium" }

[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
family = "standard"
[models."gpt-4o"]
list = "openai/gpt-4o"
family = "premium"
[models."o3"]
list = "openai/o3"
family = "premium"
[models."text-embedding-3-small"]
list = "openai/text-embedding-3-small"
family = "standard"

[plans.free]
kind = "free"
models = ["gpt-4o-mini", "text-embedding-3-small"]
"""
    + LIMITS
    + """
[channels.main]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
"""
)


class Site(Api):
    """The served site: as tests/api has it, with the upstream behind it."""

    def __init__(self, relay: EmbeddedRelay, upstream: ScriptedUpstream) -> None:
        super().__init__(relay)
        self.upstream = upstream

    @property
    def origin(self) -> str:
        return self.relay.origin


OpenTab = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; the browser tests skip where it, or a built console, is missing. Not for the whole
    session: while Playwright lives, no other test of this thread could run an event loop. This folder is a
    package so that the browser ends with its last test."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    # Only root can install one. Where nobody has, all other tests still run; .ci/run installs it.
    if path is None:
        pytest.skip("BROWSER TESTS DID NOT RUN: no Chromium; on Debian: apt install chromium-headless-shell")
    if not BUILT.exists() or not AXE.exists():
        pytest.skip("BROWSER TESTS DID NOT RUN: the console is not built; run scripts/console build")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, chromium: Browser, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """A module may have a CONFIGURATION of its own."""
    with ScriptedUpstream(credential="sk-upstream-credential") as upstream:
        directory = tmp_path_factory.mktemp("site")
        configuration = getattr(request.module, "CONFIGURATION", CONFIGURATION)
        relay = EmbeddedRelay(directory, upstream.base_url, configuration)
        with relay, Site(relay, upstream) as site:
            yield site


@pytest.fixture
def open_tab(site: Site, chromium: Browser) -> Iterator[OpenTab]:
    """Opens a page: `open_tab("/keys", role="member")` as somebody new of that role, `account_id=` as
    somebody there is, neither as a visitor; `language` "en" or "zh", `scheme` "light" or "dark", `phone`
    360 px wide."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_one(
        path: str,
        *,
        role: str = "",
        account_id: str = "",
        language: str = "en",
        scheme: Any = "light",
        phone: bool = False,
    ) -> Page:
        context = chromium.new_context(
            base_url=site.origin,
            viewport=PHONE if phone else DESKTOP,
            color_scheme=scheme,
            locale="zh-CN" if language == "zh" else "en-US",
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if role or account_id:
            browser = site.signed_in(account_id) if account_id else site.as_(role)
            secret = browser.http.cookies[COOKIE]
            context.add_cookies([{"name": COOKIE, "value": secret, "url": site.origin}])
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{path}: {error}"))
        page.on(
            "console",
            lambda line: (
                faults.append(f"{path}: {line.text}") if "Content Security Policy" in line.text else None
            ),
        )
        page.goto(path)
        page.wait_for_selector("h1")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []


# Nothing is being fetched, as far as the page says, and what it had fetched is as much as a moment ago.
SETTLED = """new Promise((done) => {
  let before = -1;
  const look = () => {
    const now = performance.getEntriesByType("resource").length;
    if (now === before && !document.querySelector("[aria-busy=true]")) return done();
    before = now;
    setTimeout(look, 100);
  };
  look();
})"""


def settle(page: Page) -> None:
    """Wait until the page shows what it has."""
    page.evaluate(SETTLED)


# Colours as they are once they have changed, charts as they are once they are drawn anew.
STILL = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  for (const one of document.getAnimations())
    if (one.effect.getTiming().iterations !== Infinity) one.finish();
  done();
})))"""
LOOK = "(one, only) => axe.run(one, { resultTypes: ['violations'], ...(only ? { runOnly: only } : {}) })"


def violations(part: Locator, *only: str) -> list[str]:
    """What axe finds within it, by all of its rules or only these."""
    page = part.page
    page.evaluate(STILL)
    if page.evaluate("typeof axe") == "undefined":  # half a megabyte, once for each page that is loaded
        page.evaluate("(code) => (0, eval)(code) ?? null", AXE.read_text("utf-8"))
    found = part.evaluate(LOOK, list(only) or None)
    return [
        f"{one['id']}: {one['help']}: {node['html'][:300]} ({node['failureSummary']})"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def in_both_schemes(part: Locator) -> list[str]:
    """What axe finds in the colours that the page has, and what contrast lacks in the others: in those it is
    left."""
    page = part.page
    html = page.locator("html")
    now = html.get_attribute("data-mantine-color-scheme") or ""
    other: Any = {"light": "dark", "dark": "light"}[now]
    found = [f"{now}: {one}" for one in violations(part)]
    page.emulate_media(color_scheme=other)
    expect(html).to_have_attribute("data-mantine-color-scheme", other)
    return found + [f"{other}: {one}" for one in violations(part, "color-contrast")]


def axe(page: Page) -> None:
    """No violation that axe knows, on the page as it stands."""
    settle(page)
    told = violations(page.locator("html"))
    assert told == [], "\n".join(told)


def no_sideways_scroll(page: Page) -> None:
    """Nothing makes the page wider than the screen."""
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1], widths


def shot(page: Page, name: str, *, whole: bool = False) -> None:
    """A picture of the page, where pictures are asked for."""
    folder = os.environ.get("POSTHOUSE_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        settle(page)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)
