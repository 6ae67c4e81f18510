"""Usage, the overview and the books, as they are seen."""

import csv
import random
import re

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OpenTab, Site, axe, no_sideways_scroll, shot
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


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh", "dark")])
def test_a_members_usage(site: Site, open_tab: OpenTab, member: str, language: str, scheme: str) -> None:
    page = open_tab("/usage", account_id=member, language=language, scheme=scheme)
    rows = page.get_by_role("table", name="Calls" if language == "en" else "调用记录").get_by_role("row")
    expect(rows).to_have_count(51)
    axe(page)
    shot(page, f"usage-{language}-{scheme}")
    rows.nth(1).click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text(re.compile("^req_"))).to_be_visible()
    page.wait_for_timeout(300)
    axe(page)
    shot(page, f"usage-call-{language}-{scheme}")
    phone = open_tab("/usage", account_id=member, language=language, scheme=scheme, phone=True)
    expect(phone.get_by_role("img").first).to_be_visible()
    no_sideways_scroll(phone)
    shot(phone, f"usage-{language}-{scheme}-phone", whole=True)


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


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh", "dark")])
def test_the_operators_pages(site: Site, open_tab: OpenTab, member: str, language: str, scheme: str) -> None:
    shown = {"language": language, "scheme": scheme}
    page = open_tab("/admin", role="operator", **shown)
    expect(page.get_by_role("list").filter(has_text="o3").first).to_be_visible()
    expect(page.locator("canvas")).to_have_count(5)
    axe(page)
    shot(page, f"overview-{language}-{scheme}", whole=True)
    phone = open_tab("/admin", role="operator", phone=True, **shown)
    expect(phone.locator("canvas")).to_have_count(5)
    no_sideways_scroll(phone)
    shot(phone, f"overview-{language}-{scheme}-phone", whole=True)
    usage = open_tab("/admin/usage", role="operator", **shown)
    expect(usage.get_by_role("row")).to_have_count(51)
    axe(usage)
    shot(usage, f"site-usage-{language}-{scheme}")
    books = open_tab("/admin/reconciliation", role="operator", **shown)
    books.get_by_role("button", name="Prove the books" if language == "en" else "核验账目").click()
    well = books.get_by_text("Nothing differs" if language == "en" else "没有差异")
    expect(well).to_be_visible()
    axe(books)
    shot(books, f"reconciliation-{language}-{scheme}", whole=True)
    phone = open_tab("/admin/reconciliation", role="operator", phone=True, **shown)
    expect(phone.locator("canvas")).to_have_count(2)
    no_sideways_scroll(phone)
    shot(phone, f"reconciliation-{language}-{scheme}-phone", whole=True)
