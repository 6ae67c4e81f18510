"""A member's own pages: dashboard, keys, playground, and a key's page for whoever has it."""

import re

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OpenTab, Site, axe, no_sideways_scroll, settle, shot
from tests.browser.past import give_past
from tests.e2e.calls import chat_body

from posthouse.accounts.service import create_key, freeze_key, set_plan
from posthouse.kernel.money import format_nanos
from posthouse.testing.upstream import Script

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def member(site: Site) -> str:
    """The account of a member with a past, a few keys, and a call that was refused."""
    account_id, _ = site.account()
    give_past(site, account_id, calls=700)
    set_plan(site.store, account_id, "paid")
    create_key(site.store, account_id, name="translator", budget_nanos=2 * 10**9, budget_period="day")
    frozen = create_key(site.store, account_id, name="old phone", models=("gpt-4o-mini",))
    freeze_key(site.store, frozen.id, by="owner")
    spare = create_key(site.store, account_id, budget_nanos=50 * 10**9, budget_period="month")
    call(site, spare.key)
    call(site, spare.key, "gpt-9")
    return account_id


def call(site: Site, key: str, model: str = "gpt-4o-mini") -> None:
    with site.visitor().http as client:
        url = f"{site.relay.base_url}/chat/completions"
        client.post(url, json=chat_body(model), headers={"authorization": f"Bearer {key}"})


def test_a_key_is_made_shown_once_rotated_and_deleted(open_tab: OpenTab, site: Site) -> None:
    account_id, email = site.account()
    set_plan(site.store, account_id, "paid")
    site.relay.credit(email, "5")
    page = open_tab("/keys", account_id=account_id)
    page.get_by_role("button", name="New key").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("laptop")
    form.get_by_label("Budget", exact=True).fill("x")
    form.get_by_role("button", name="Restrict what it may be used for").click()
    form.get_by_role("button", name="New key").click()
    expect(form.get_by_text("must be an amount", exact=False)).to_be_visible()
    form.get_by_label("Budget", exact=True).fill("2.50")
    shot(page, "key-form")
    form.get_by_role("button", name="New key").click()
    shown = page.get_by_role("dialog", name="Your new key")
    first = shown.get_by_test_id("secret").inner_text()
    expect(shown.get_by_text(f'api_key="{first}"')).to_be_visible()
    shot(page, "key-made")
    axe(page)
    shown.get_by_role("button", name="I have kept it").click()
    row = page.get_by_role("row", name="laptop")
    expect(row.get_by_text("$0.00 of $2.50")).to_be_visible()
    expect(page.get_by_text(first)).to_have_count(0)
    call(site, first)

    row.get_by_role("button", name="Actions for laptop").click()
    page.get_by_role("menuitem", name="Rotate").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    second = page.get_by_test_id("secret").inner_text()
    assert second != first
    page.get_by_role("button", name="I have kept it").click()
    expect(row.get_by_text("old key works until")).to_be_visible()

    row.get_by_role("button", name="Actions for laptop").click()
    page.get_by_role("menuitem", name="Freeze").click()
    expect(row.get_by_text("Frozen")).to_be_visible()
    row.get_by_role("button", name="Actions for laptop").click()
    page.get_by_role("menuitem", name="Delete key").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete key").click()
    expect(page.get_by_text("No keys yet")).to_be_visible()


def test_the_playground_answers_and_says_what_it_cost(open_tab: OpenTab, site: Site) -> None:
    account_id, email = site.account()
    set_plan(site.store, account_id, "paid")
    site.relay.credit(email, "5")
    page = open_tab("/playground", account_id=account_id)
    page.get_by_label("Message").fill("Say hello")
    page.keyboard.press("Enter")
    answer = page.get_by_role("list", name="Conversation").get_by_role("listitem").nth(1)
    expect(answer.get_by_text("$0.0", exact=False)).to_be_visible()
    (outcome,) = site.relay.usage(email)
    expect(answer.get_by_text(format_money(outcome.charge_nanos))).to_be_visible()
    shot(page, "playground-answer")
    axe(page)
    answer.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog").get_by_text(outcome.request_id)).to_be_visible()
    page.keyboard.press("Escape")
    site.upstream.enqueue(Script(stall_after=3))
    page.get_by_label("Message").fill("And now a long story")
    page.get_by_role("button", name="Send").click()
    stopped = page.get_by_role("list", name="Conversation").get_by_role("listitem").nth(3)
    expect(stopped).to_contain_text("Hello")  # an answer that has begun
    page.get_by_role("button", name="Stop").click()
    expect(stopped.get_by_text("Stopped.", exact=False)).to_be_visible()
    expect(page.get_by_role("status").get_by_text("Stopped.", exact=False)).to_be_attached()  # said aloud too
    expect(stopped.get_by_text(re.compile(r"In \d+ · out \d+"))).to_be_visible()
    page.reload()
    page.get_by_role("button", name=re.compile("^Say hello")).click()
    expect(answer.get_by_text(format_money(outcome.charge_nanos))).to_be_visible()
    page.get_by_role("button", name="Remove Say hello").click()
    expect(page.get_by_text("Say something to the model")).to_be_visible()


def format_money(nanos: int) -> str:
    return f"${format_nanos(nanos)}"


def test_a_key_is_looked_up_without_signing_in(open_tab: OpenTab, site: Site, member: str) -> None:
    key = create_key(site.store, member, name="shared").key
    call(site, key)
    page = open_tab("/balance", language="zh", phone=True)
    page.locator("input[type=password]").fill(key)
    page.get_by_role("button", name="查询").click()
    expect(page.get_by_text("gpt-4o-mini")).to_be_visible()
    no_sideways_scroll(page)
    shot(page, "balance-phone-zh", whole=True)
    page = open_tab("/balance")
    page.locator("input[type=password]").fill("sk-nothing-of-the-kind")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("alert")).to_contain_text("Check that it is whole")
    axe(page)


def test_a_server_that_is_away_is_told_from_a_newer_build(site: Site, open_tab: OpenTab) -> None:
    """Of both, a page that was not yet fetched cannot be; what is back is gone on with by itself."""
    page = open_tab("/announcements", role="member")
    settle(page)
    page.route("**/*", lambda route: route.abort())
    page.get_by_role("link", name="Tickets").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Out of reach")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tickets")
