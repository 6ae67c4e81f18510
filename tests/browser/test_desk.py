"""Tickets, announcements, members, keys, abuse and settings in the browser."""

import hashlib
import re
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert
from tests.browser.conftest import OpenTab, Site, shot

from posthouse.accounts.service import create_key
from posthouse.desk.announcements import Words, announce
from posthouse.desk.members import set_note
from posthouse.kernel.clock import now_ms
from posthouse.ledger.transfers import credit
from posthouse.store.schema_rollups import address_days

pytestmark = pytest.mark.browser

NANOS = 1_000_000_000


def test_a_ticket_goes_to_and_fro(site: Site, open_tab: OpenTab) -> None:
    member, _ = site.account("member", email="ann@example.org")
    page = open_tab("/tickets", account_id=member)
    expect(page.get_by_text("No tickets yet")).to_be_visible()
    page.get_by_role("button", name="New ticket").click()
    page.get_by_label("Subject").fill("<b>The top-up</b> has not arrived")
    page.get_by_role("textbox", name="Text").fill("I paid 10.\n<script>alert(1)</script>")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("<b>The top-up</b> has not arrived")
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()

    desk = open_tab("/admin/tickets", role="support", language="zh")
    expect(desk.get_by_role("heading", level=1)).to_have_text("工单")
    desk.get_by_role("link", name="<b>The top-up</b> has not arrived").click()
    desk.get_by_role("textbox", name="回复").fill("It is here now.")
    desk.get_by_role("button", name="发送回复").click()
    expect(desk.get_by_text("It is here now.")).to_be_visible()

    page.reload()
    expect(page.get_by_text("It is here now.")).to_be_visible()
    shot(page, "ticket")
    page.get_by_role("button", name="It is solved").click()
    expect(page.get_by_text("This ticket is closed.")).to_be_visible()


def test_announcements_are_written_and_read(site: Site, open_tab: OpenTab) -> None:
    desk = open_tab("/admin/announcements", role="operator")
    expect(desk.get_by_text("Nothing announced yet")).to_be_visible()
    desk.get_by_role("link", name="Announce", exact=True).click()
    english = desk.locator("section", has=desk.get_by_role("heading", name="English"))
    english.get_by_label("Title").fill("Maintenance on Sunday")
    english.get_by_label("Text").fill("From **02:00** to 02:30 calls may fail. See [the status](/status).")
    english.get_by_text("As it will look").click()
    expect(english.locator("strong")).to_have_text("02:00")
    desk.get_by_role("button", name="Announce").click()
    expect(desk.get_by_role("link", name="Maintenance on Sunday")).to_be_visible()
    words = Words(title_en="Later", from_ms=now_ms() + 3_600_000)
    announce(site.store, words, now_ms=now_ms())
    page = open_tab("/announcements", role="member", language="zh", scheme="dark")
    expect(page.get_by_role("heading", name="Maintenance on Sunday")).to_be_visible()
    expect(page.get_by_text("Later")).to_have_count(0)


def test_a_member_is_found_frozen_and_noted(site: Site, open_tab: OpenTab) -> None:
    account_id, _ = site.account("member", email="bea@example.org")
    credit(site.store, account_id, 12 * NANOS + 345_678_901, reason="test")
    key = create_key(site.store, account_id, name="laptop")
    set_note(site.store, account_id, "Pays by invoice", now_ms=now_ms())
    page = open_tab("/admin/members", role="owner")
    page.get_by_label("Email, name or id").fill("BEA@")
    expect(page.get_by_role("row")).to_have_count(2)
    shot(page, "members")
    page.get_by_role("link", name="bea@example.org").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("bea@example.org")
    expect(page.get_by_role("cell", name=re.compile("laptop"))).to_be_visible()
    shot(page, "member", whole=True)
    page.get_by_role("button", name="Freeze", exact=True).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("button", name="Unfreeze").first).to_be_visible()
    page.get_by_label("Note").fill("Has not paid")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    page.get_by_role("button", name="See as the member").click()
    expect(page.get_by_text("Nothing can be changed")).to_be_visible()
    page.get_by_role("button", name="Stop viewing").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Members")

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/admin/keys")
    digest = hashlib.sha256(key.key.encode()).hexdigest()
    with page.expect_request(lambda request: digest in request.url):
        page.get_by_label("Key, hint, name, id or hash").fill(key.key)
    expect(page.get_by_text("laptop")).to_be_visible()
    assert not any(key.key in url for url in asked)


def crowd(site: Site) -> None:
    """Three members at one address."""
    for name in ("cid", "dot", "eve"):
        account_id, _ = site.account("member", email=f"{name}@example.org")
        row: dict[str, Any] = {"address_hash": b"\x17" * 16, "account_id": account_id}
        with site.store.begin() as connection:
            values = {**row, "key_id": f"key_{name}", "day": now_ms() // 86_400_000, "requests": 4711}
            connection.execute(insert(address_days).values(values))


def test_a_crowd_at_one_address_is_frozen_at_once(site: Site, open_tab: OpenTab) -> None:
    crowd(site)
    page = open_tab("/admin/abuse", role="operator", scheme="dark")
    expect(page.get_by_text("3 accounts at one address")).to_be_visible()
    shot(page, "abuse-dark")
    page.get_by_role("button", name="Freeze 3 accounts").click()
    page.get_by_role("dialog").get_by_role("button", name="Freeze 3 accounts").click()
    expect(page.get_by_text("3 accounts frozen")).to_be_visible()
    page.get_by_role("button", name="Harmless").click()
    page.get_by_role("dialog").get_by_role("button", name="Harmless").click()
    expect(page.get_by_text("Nothing suspicious")).to_be_visible()


def test_settings_are_changed_and_refused_where_they_are_wrong(site: Site, open_tab: OpenTab) -> None:
    page = open_tab("/admin/settings", role="owner", language="zh")
    for tab in ("文本", "调用", "资金", "注册", "登录"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel")).to_be_visible()
    page.get_by_role("tab", name="站点").click()
    page.get_by_label("公开地址").fill("relay.example.org")
    page.get_by_role("tab", name="邮件").click()
    page.get_by_label("密码").fill("smtp secret")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("tab", name="站点")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("公开地址")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("公开地址").fill("https://relay.example.org")
    page.get_by_label("站点名称").fill("驿站")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("设置已保存")).to_be_visible()
    page.get_by_role("tab", name="邮件").click()
    expect(page.get_by_text("已设置。输入新的即可更换。")).to_be_visible()
    expect(page.get_by_label("密码")).to_have_value("")
    page = open_tab("/admin/settings?tab=mail", role="operator")  # how people get in is an owner's to change
    expect(page.get_by_text("Only an owner changes how people get in.")).to_be_visible()
    expect(page.get_by_label("Host", exact=True)).to_be_disabled()
