"""The operator's channels, models, prices, plans and configuration, in both languages."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import OpenTab, Site, axe, shot

from posthouse.catalogue.queries import load_configuration
from posthouse.catalogue.sealed import load_credentials
from posthouse.testing.upstream import Script

pytestmark = pytest.mark.browser


def called(site: Site) -> None:
    """Some calls, of which one fails, so that there is something to see."""
    visitor = site.visitor()
    key = site.relay.member("caller@example.org", plan="paid", credit="9")
    visitor.http.headers["authorization"] = f"Bearer {key}"
    site.upstream.enqueue(Script(), Script(status=500), Script())
    for _ in range(3):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
        visitor.http.post(site.relay.base_url + "/chat/completions", json=body)


@pytest.fixture(scope="module")
def busy(site: Site) -> Site:
    called(site)
    return site


def apply(page: Page, words: str = "Preview") -> None:
    """Look at the difference, and make it."""
    page.get_by_role("button", name=words, exact=True).click()
    dialog = page.get_by_role("dialog", name="What this changes")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog).to_be_hidden()


def test_a_channel_is_added_tested_drained_and_changed(busy: Site, open_tab: OpenTab) -> None:
    page = open_tab("/admin/channels", role="operator")
    page.get_by_role("link", name="Add channel").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("spare")
    page.get_by_label("Base URL").fill(busy.upstream.base_url)
    page.get_by_label("Credential", exact=True).fill("sk-upstream-credential")
    page.get_by_label("Tier").fill("3")
    apply(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("spare")
    assert load_configuration(busy.store).channels["spare"].priority == 3
    stored = load_credentials(busy.store, busy.relay.box)["spare", "default"]
    assert stored.reveal() == "sk-upstream-credential"
    assert "sk-upstream" not in page.content()

    page.get_by_role("button", name="Ask for its models").click()
    expect(page.get_by_text("It works")).to_be_visible()
    expect(page.get_by_text("Answer's head")).to_be_visible()
    shot(page, "channel-test", whole=True)
    usual, busy.upstream.default = busy.upstream.default, Script(status=404)
    page.get_by_role("button", name="Ask for its models").click()
    expect(page.get_by_text("ask a model to be sure")).to_be_visible()
    busy.upstream.default = usual

    page.get_by_role("button", name="Set apart").click()
    page.get_by_role("menuitem", name="Drain").click()
    page.get_by_label("Reason").fill("a look at its prices")
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    expect(page.get_by_text("a look at its prices").first).to_be_visible()

    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Weight").fill("-2")
    page.get_by_label("Base URL").fill("nowhere")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text(re.compile("needs a URL"))).to_be_visible()


def test_a_channels_page_shows_its_breakers(busy: Site, open_tab: OpenTab) -> None:
    page = open_tab("/admin/channels/main", role="operator", language="zh", scheme="dark")
    breakers = page.get_by_role("table", name="断路器")
    expect(breakers.get_by_text("gpt-4o-mini")).to_be_visible()
    expect(breakers.get_by_text("闭合")).to_be_visible()
    # It offers `*`: what may be asked is all of the catalogue.
    page.get_by_placeholder("不填：查询模型列表").click()
    expect(page.get_by_role("option", name="o3")).to_be_visible()
    page.keyboard.press("Escape")
    shot(page, "channel-zh", whole=True)
    assert open_tab("/admin/channels/none", role="operator").get_by_text("no such page").is_visible()


def test_prices_are_imported_with_a_preview(busy: Site, open_tab: OpenTab) -> None:
    page = open_tab("/admin/models/import", role="operator")
    page.get_by_role("searchbox").fill("gpt-4.1-nano")
    page.get_by_role("checkbox", name="openai/gpt-4.1-nano", exact=True).check()
    page.get_by_text("Fixed amounts").click()
    page.get_by_label("Exchange rate").fill("7")
    page.get_by_role("button", name="Preview 1 model").click()
    dialog = page.get_by_role("dialog", name="What this changes")
    expect(dialog.get_by_text("$0.70").first).to_be_visible()
    shot(page, "price-import")
    dialog.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("/admin/models$"))
    assert load_configuration(busy.store).models["gpt-4.1-nano"].prices
    page.get_by_role("button", name="gpt-4o-mini", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text("What members pay")).to_be_visible()
    axe(page)


def test_a_plan_gets_a_limit(busy: Site, open_tab: OpenTab) -> None:
    page = open_tab("/admin/plans", role="operator")
    page.get_by_role("link", name="Add plan").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("trial")
    page.get_by_text("Free", exact=True).click()
    page.get_by_role("button", name="Add a limit").click()
    page.get_by_label("Calls", exact=True).fill("5")
    axe(page)
    apply(page)
    expect(page.get_by_role("table", name="Limits of trial")).to_be_visible()
    assert load_configuration(busy.store).plans["trial"].limits[0].requests == 5


def test_the_configuration_is_applied_from_a_text(busy: Site, open_tab: OpenTab) -> None:
    page = open_tab("/admin/configuration", role="operator")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert "[plans.free]" in download.value.path().read_text("utf-8")
    page.get_by_role("textbox", name="File").fill('[families]\nstandard = { kind = "standard" }\n')
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("there is no family 'premium'").first).to_be_visible()
    page.get_by_role("button", name="Start from what is there").click()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("This changes nothing")).to_be_visible()


def test_support_sees_prices_and_changes_nothing(busy: Site, open_tab: OpenTab) -> None:
    page = open_tab("/admin/models", role="support")
    expect(page.get_by_role("link", name="Add model")).to_have_count(0)
    assert open_tab("/admin/channels", role="support").get_by_text("no such page").is_visible()
