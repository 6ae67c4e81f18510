"""Who comes in first, where one is signed in, what scripts come in with, and the log of changes."""

import re

import httpx
import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OpenTab, Site, axe, no_sideways_scroll, shot

from posthouse.accounts.service import freeze_account
from posthouse.people.owners import setup_token

pytestmark = pytest.mark.browser


def test_the_setup_link_makes_the_owner(open_tab: OpenTab, site: Site) -> None:
    page = open_tab("/setup")
    expect(page.get_by_text("posthouse owner create")).to_be_visible()
    page = open_tab(f"/setup?token={setup_token(site.relay.box)}")
    expect(page).to_have_url(re.compile(r"/setup$"))  # the token stays in no history
    axe(page)
    shot(page, "setup")
    page.get_by_label("Email").fill("ann@example.org")
    page.locator("input[type=password]").fill("aaaaaaaaaaaa")
    page.get_by_role("button", name="Become the owner").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.locator("input[type=password]").fill("correct horse battery")
    page.get_by_role("button", name="Become the owner").click()
    expect(page).to_have_url(re.compile(r"/admin$"))
    late = open_tab(f"/setup?token={setup_token(site.relay.box)}", language="zh", scheme="dark", phone=True)
    expect(late.get_by_role("heading", level=1)).to_have_text("本站已有所有者")
    no_sideways_scroll(late)


def test_the_audit_log_tells_who_changed_what(open_tab: OpenTab, site: Site) -> None:
    member_id, _ = site.account()
    operator_id, operator_email = site.account("operator")
    freeze_account(site.store, member_id, actor=operator_id)
    page = open_tab("/admin/audit", account_id=operator_id)
    page.get_by_label("What was changed").fill(f"account:{member_id}")
    table = page.get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(3)  # made, frozen, and the head
    frozen = table.get_by_role("row").nth(1)
    expect(frozen).to_contain_text(operator_email)
    expect(frozen).to_contain_text("active → frozen")
    shot(page, "audit")
    frozen.get_by_role("button", name="account.freeze").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("row", name="status active frozen")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Who", exact=True).fill("nobody")
    expect(page.get_by_text("No changes match.")).to_be_visible()
    phone = open_tab("/admin/audit", account_id=operator_id, language="zh", scheme="dark", phone=True)
    expect(phone.get_by_role("heading", level=1)).to_have_text("审计日志")
    no_sideways_scroll(phone)


def test_sessions_and_tokens(open_tab: OpenTab, site: Site) -> None:
    account_id, _ = site.account()
    elsewhere = [site.signed_in(account_id) for _ in range(2)]
    page = open_tab("/profile", account_id=account_id)
    sessions = page.locator("#sessions")
    expect(sessions.get_by_text("this one")).to_be_visible()
    sessions.get_by_role("button", name="Sign out there").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out there").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    tokens = page.locator("#tokens")
    tokens.get_by_role("button", name="New token").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("nightly report")
    dialog.get_by_label("own:read").check()
    shot(page, "token-new")
    dialog.get_by_role("button", name="Create token").click()
    token = dialog.get_by_test_id("secret").inner_text()
    headers = {"authorization": f"Bearer {token}"}
    answer = httpx.get(f"{site.origin}/api/v1/session", headers=headers)
    assert answer.json()["permissions"] == ["own:read"]
    dialog.get_by_role("button", name="Close").last.click()
    expect(tokens.get_by_text("nightly report")).to_be_visible()
    tokens.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(tokens.get_by_text("nightly report")).to_have_count(0)
    assert httpx.get(f"{site.origin}/api/v1/session", headers=headers).status_code == 401
    page.reload()
    sessions.get_by_role("button", name="Sign out everywhere else").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere else").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert [one.get("/session").json()["account_id"] for one in elsewhere] == ["", ""]
