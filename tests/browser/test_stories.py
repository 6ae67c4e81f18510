"""The whole story, twice: somebody comes, calls, runs into a limit, pays and asks; and an operator sets the
service up, and stops who must be stopped. A served relay, the simulated provider, the official client."""

import csv
import io
from collections.abc import Iterator

import httpx
import openai
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.api.conftest import PASSWORD
from tests.browser.conftest import OpenTab, Site
from tests.browser.test_catalogue import apply

from posthouse.accounts.service import set_plan
from posthouse.kernel.money import format_nanos, parse_nanos
from posthouse.ledger.queries import verify
from posthouse.ledger.usage import UsageFilter, list_usage
from posthouse.metering.tokens import TokenCounter
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.simulated import SimulatedProvider
from posthouse.testing.threaded import ThreadedServer
from posthouse.testing.waiting import eventually

pytestmark = pytest.mark.browser

CONFIGURATION = """
[operator]
name = "Story"
currency = "CNY"
exchange_rate = "7"
default_plan = "free"
topup_plan = "paid"

[site.registration]
verify_email = false

[families]
standard = { kind = "standard" }
premium = { kind = "premium" }

[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
family = "standard"
[models."gpt-4o"]
list = "openai/gpt-4o"
family = "premium"

[plans.free]
kind = "free"
models = ["family:standard"]
[[plans.free.limits]]
window = "1 hour"
requests = 2

[plans.paid]
kind = "paid"
[plans.works]
kind = "paid"
"""
CHANNEL = """
[channels.main]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The simulated one of `serve --demo`."""
    with ThreadedServer(SimulatedProvider(TokenCounter()).handle) as provider:
        yield provider.base_url


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, chromium: Browser, provider: str) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("story")
    with EmbeddedRelay(directory, provider, CONFIGURATION + CHANNEL) as relay, Site(relay, None) as site:
        yield site


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def ask(site: Site, key: str, model: str = "gpt-4o-mini") -> None:
    """One call by the official client, which does not try again."""
    with openai.OpenAI(base_url=site.relay.base_url, api_key=key, max_retries=0) as client:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content


def may(site: Site, key: str, model: str = "gpt-4o-mini") -> bool:
    """Whether the relay lets the key call that model."""
    try:
        ask(site, key, model)
    except (openai.NotFoundError, openai.PermissionDeniedError):
        return False
    return True


def calls_left(site: Site, key: str) -> int:
    """How many calls the key's limits leave it, by its own page; 1000 without limits."""
    shown = httpx.get(f"{site.relay.base_url}/key", headers={"authorization": f"Bearer {key}"}).json()
    return min((one["remaining"] for one in shown["limits"]), default=1000)


def worker(site: Site, email: str) -> str:
    """A member's key, on a plan that nobody else of these stories is on."""
    key = site.relay.member(email, credit="10")
    set_plan(site.store, email, "works")
    return key


def make_code(site: Site, amount: str) -> str:
    operator = site.as_("operator")
    made = operator.post("/codes", {"name": "story", "amount": amount, "count": 1})
    assert made.status_code == 201, made.text
    return str(made.json()["codes"][0])


def test_a_member_comes_calls_pays_and_asks(site: Site, open_tab: OpenTab) -> None:
    page = open_tab("/")
    page.get_by_role("link", name="Get a key").click()
    page.get_by_label("Email").fill("ann@example.org")
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    heading(page, "Welcome")
    key = page.get_by_test_id("secret").inner_text()

    ask(site, key)
    ask(site, key)
    with pytest.raises(openai.RateLimitError) as refused:
        ask(site, key)
    assert refused.value.status_code == 429
    with pytest.raises(openai.PermissionDeniedError):
        ask(site, key, "gpt-4o")

    page.goto("/dashboard")
    main = page.get_by_role("main")
    expect(main).to_contain_text("2 of 2")
    refusals = page.get_by_role("table").last
    expect(refusals).to_contain_text("gpt-4o")
    expect(refusals).to_contain_text("40020")

    page.goto("/wallet")
    page.get_by_role("textbox", name="Code", exact=True).fill(make_code(site, "20"))
    page.get_by_role("button", name="Redeem").click()
    expect(page.get_by_role("main")).to_contain_text("paid")

    eventually(lambda: may(site, key, "gpt-4o"))
    record = list_usage(site.store, UsageFilter(account="ann@example.org", model="gpt-4o")).records[0]
    assert record.charge_nanos > 0
    left = format_nanos(parse_nanos("20") - record.charge_nanos)

    page.goto("/dashboard")
    page.get_by_role("main").locator("[data-rounded]").first.hover()
    expect(page.get_by_role("tooltip")).to_contain_text(left)  # to the nano
    page.goto("/usage")
    row = page.get_by_role("row").filter(has_text="gpt-4o").filter(has_not_text="mini")
    expect(row).to_have_count(1)
    row.get_by_role("button").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(format_nanos(record.charge_nanos))
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [one["model"] for one in rows] == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o"]
    assert sum(parse_nanos(one["charge"]) for one in rows) == record.charge_nanos

    page.goto("/tickets")
    page.get_by_role("button", name="New ticket").first.click()
    page.get_by_label("Subject").fill("An invoice")
    page.get_by_role("textbox", name="Text").fill("Can I have one?")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("main")).to_contain_text("Can I have one?")
    expect(page.get_by_role("main")).to_contain_text("Waits for an answer")
    assert verify(site.store) == []


def test_an_operator_sets_up_the_service_and_stops_a_member(
    site: Site, open_tab: OpenTab, provider: str
) -> None:
    key = worker(site, "busy@example.org")
    _, email = site.account("operator", password=PASSWORD)
    page = open_tab("/admin/channels/new")  # signed out: by way of the sign-in, and on
    page.get_by_label("Email").fill(email)
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    heading(page, "Add channel")
    page.get_by_role("textbox", name="Name", exact=True).fill("second")
    page.get_by_label("Base URL").fill(provider)
    page.get_by_label("Credential", exact=True).fill("sk-second")
    apply(page)
    heading(page, "second")
    page.get_by_label("Model", exact=True).first.fill("gpt-4o-mini")
    page.get_by_role("button", name="Ask this model").click()
    expect(page.get_by_text("It works")).to_be_visible()

    with pytest.raises(openai.NotFoundError):
        ask(site, key, "gpt-4.1")
    page.goto("/admin/models/import")
    page.get_by_role("searchbox").fill("gpt-4.1")
    page.get_by_role("checkbox", name="openai/gpt-4.1", exact=True).check()
    apply(page, "Preview 1 model")
    eventually(lambda: may(site, key, "gpt-4.1"))

    other = worker(site, "other@example.org")
    ask(site, other)
    page.goto("/admin/members")
    page.get_by_role("searchbox").fill("other@")
    page.get_by_role("link", name="other@example.org").click()
    heading(page, "other@example.org")
    page.get_by_role("button", name="Freeze", exact=True).first.click()  # the account; keys have theirs below
    page.get_by_role("dialog").get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("button", name="Unfreeze")).to_be_visible()
    eventually(lambda: not may(site, other))
    with pytest.raises(openai.APIStatusError, match="frozen"):
        ask(site, other)

    page.goto("/admin/plans/edit?name=works")
    page.get_by_role("button", name="Add a limit").click()
    page.get_by_label("Calls", exact=True).fill("3")
    apply(page)
    expect(page.get_by_role("table", name="Limits of works")).to_be_visible()
    eventually(lambda: calls_left(site, key) < 3)  # the calls before it count too
    for _ in range(calls_left(site, key)):
        ask(site, key, "gpt-4.1")
    with pytest.raises(openai.RateLimitError):
        ask(site, key, "gpt-4.1")

    page.goto("/admin/audit")
    trail = page.get_by_role("table")
    for action in ("account.freeze", "plan", "model", "channel"):
        expect(trail.get_by_role("row").filter(has_text=action).first).to_contain_text(email)
