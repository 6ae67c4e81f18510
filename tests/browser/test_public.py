"""The pages that anybody sees."""

import re

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.conftest import OpenTab, Site, axe, settle, shot
from tests.browser.past import give_past

from posthouse.desk.announcements import Words, announce
from posthouse.desk.pages import write_page
from posthouse.kernel.clock import now_ms

pytestmark = pytest.mark.browser

FIRST_VIEW_BYTES_MAX = 250_000  # as they travel: packed


@pytest.fixture(scope="module", autouse=True)
def _past(site: Site) -> None:
    account_id, _ = site.account()
    give_past(site, account_id, calls=900)


def test_terms_and_privacy_are_the_operators(open_tab: OpenTab, site: Site) -> None:
    write_page(
        site.store,
        "terms",
        "en",
        "## Be kind\n\n<script>alert(1)</script> [x](javascript:alert(1))",
        now_ms=now_ms(),
    )
    page = open_tab("/terms")
    expect(page.get_by_role("heading", level=2)).to_have_text("Be kind")
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()  # as text
    expect(page.get_by_role("main").get_by_role("link")).to_have_count(0)
    page.get_by_role("link", name="Privacy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Privacy")


def test_the_first_view_is_small(open_tab: OpenTab) -> None:
    page = open_tab("/")
    settle(page)
    loaded = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map((one) => [one.encodedBodySize, one.name])"
    )
    told = "\n".join(f"{size:>8} {name}" for size, name in sorted(loaded, reverse=True))
    assert sum(size for size, _ in loaded) <= FIRST_VIEW_BYTES_MAX, told


def test_prices_are_searched_and_shown_in_full(open_tab: OpenTab) -> None:
    page = open_tab("/prices")
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(5)  # and the head
    page.get_by_role("searchbox").fill("embedding")
    expect(rows).to_have_count(2)
    page.get_by_role("searchbox").fill("nothing of the kind")
    expect(page.get_by_text("No model fits your search.")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="gpt-4o-mini").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("row", name="Cached input Always")).to_contain_text("$0.075")
    axe(page)
    page.keyboard.press("Escape")
    page.get_by_text("free", exact=True).click()
    expect(rows).to_have_count(3)
    expect(page.get_by_text("60 requests", exact=False)).to_have_count(2)  # by key, by address


def test_status_over_ninety_days(open_tab: OpenTab) -> None:
    page = open_tab("/status")
    page.get_by_text("90 days").click()
    expect(page.get_by_role("img", name=re.compile("^o3: impaired in [2-5] periods"))).to_be_visible()
    shot(page, "status-quarter")


def test_documentation_names_this_site_and_its_errors(open_tab: OpenTab, site: Site) -> None:
    page = open_tab("/docs#error40250")
    error = page.locator("#error40250")
    expect(error.get_by_text("insufficient_quota", exact=True)).to_be_visible()
    expect(page.get_by_text(f"{site.origin}/v1").first).to_be_visible()
    page.get_by_placeholder("Search by number, status or words").fill("41001")
    expect(error).to_have_count(0)


def test_language_scheme_and_navigation_by_keyboard(open_tab: OpenTab) -> None:
    page = open_tab("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("link", name="价格", exact=True)).to_be_visible()
    page.get_by_role("button", name="深色").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.goto("/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("没有这个页面")


def test_pinned_announcements_are_shown_until_put_away(open_tab: OpenTab, site: Site) -> None:
    words = Words(
        title_en="We move on Sunday",
        text_en="**Two hours**, <img src=x onerror=alert(1)>",
        pinned=True,
        from_ms=0,
    )
    announce(site.store, words, now_ms=now_ms())
    page = open_tab("/prices")
    strip = page.get_by_role("complementary", name="Announcement")
    strip.get_by_text("We move on Sunday").click()
    expect(strip.get_by_text("onerror=alert(1)")).to_be_visible()  # as text
    axe(page)
    strip.get_by_role("button", name="Put away").click()
    expect(strip).to_have_count(0)
    page.reload()
    _wait_for_page(page)
    expect(strip).to_have_count(0)


def _wait_for_page(page: Page) -> None:
    page.wait_for_selector("h1")


def test_the_status_claims_nothing_of_models_that_nobody_called(open_tab: OpenTab) -> None:
    page = open_tab("/terms")

    def quieten(route: Route) -> None:
        status = route.fetch().json()
        for model in status["models"]:
            model["state"] = "quiet"
        route.fulfill(json=status)

    page.route("**/api/v1/status?*", quieten)
    page.get_by_role("link", name="Status").click()
    expect(page.get_by_text("No model was called lately.")).to_be_visible()
    expect(page.get_by_text("All models answer.")).to_have_count(0)
