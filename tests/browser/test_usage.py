"""Usage, the overview and the books, as they are seen."""

import csv
import random
import re

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OpenTab, Site
from tests.browser.past import give_past

from posthouse.kernel.clock import now_ms
from posthouse.testing.check_store import Member, outcome_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def member(site: Site) -> str:
    """An account with a past, and a busy last hour."""
    account_id, _ = site.account()
    key_id = give_past(site, account_id)
    site.relay.run(lambda: busy_hour(site, account_id, key_id))
    return account_id


async def busy_hour(site: Site, account_id: str, key_id: str) -> None:
    """Calls of the last hour, settled by the relay's own ledger; nothing was charged for them."""
    chance, end_ms, ledger = random.Random(3), now_ms(), site.relay.app.ledger
    member = Member(account_id, key_id, "")
    for number in range(240):
        at_ms = end_ms - int(3_500_000 * chance.random() ** 1.3)
        status = 503 if chance.random() < 0.04 else 200
        fields = {
            "started_ms": at_ms,
            "http_status": status,
            "ttft_ms": chance.randrange(200, 900),
            "price_id": "",
        }
        request_id = f"req_{at_ms:012x}{'c' * 10}{number:06x}"
        calls = {
            "quantities": {},
            "prompt_tokens": 90,
            "completion_tokens": 40,
            "cost_nanos": 0,
            "model": "gpt-4o",
        }
        await ledger.settle(None, outcome_of(member, 0, request_id=request_id, **fields, **calls))


def test_a_members_usage(open_tab: OpenTab, member: str) -> None:
    page = open_tab("/usage", account_id=member)
    rows = page.get_by_role("table", name="Calls").get_by_role("row")
    expect(rows).to_have_count(51)
    rows.nth(1).click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text(re.compile("^req_"))).to_be_visible()


def test_a_filter_and_its_file(open_tab: OpenTab, member: str) -> None:
    """A filter stands in the address; the file has what the list has, all of it."""
    page = open_tab("/usage?period=quarter&model=o3", account_id=member)
    expect(page.get_by_role("table", name="Calls").get_by_text("gpt-4o")).to_have_count(0)
    page.get_by_label("Status").fill("503")
    page.get_by_label("Status").press("Enter")
    expect(page).to_have_url(re.compile("status=503"))
    rows = page.get_by_role("table", name="Calls").get_by_role("row")
    expect(rows.filter(has_text="503").first).to_be_visible()
    expect(rows.filter(has_text="Completed")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == rows.count() - 1
    assert {(row["model"], row["http_status"]) for row in written} == {("o3", "503")}


def test_the_operators_pages(open_tab: OpenTab, member: str) -> None:
    page = open_tab("/admin", role="operator", language="zh", scheme="dark")
    expect(page.get_by_role("list").filter(has_text="o3").first).to_be_visible()
    expect(page.locator("canvas")).to_have_count(5)
    page.goto("/admin/usage")
    expect(page.get_by_role("row")).to_have_count(51)
    page.goto("/admin/reconciliation")
    page.get_by_role("button", name="核验账目").click()
    expect(page.get_by_text("没有差异")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(2)
