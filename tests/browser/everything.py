"""One of each thing that the console shows, made by way of the API, and the addresses of all of its pages:
for tests that walk through the whole console."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page
from sqlalchemy import insert
from tests.api.conftest import Browser
from tests.browser.conftest import Site, settle
from tests.browser.past import give_past
from tests.browser.test_pictures import CONFIGURATION as SEVERAL

from posthouse.accounts.service import KeyChange, update_key
from posthouse.kernel.clock import now_ms
from posthouse.people.sessions import Device, open_session
from posthouse.store.schema_people import identities, passkeys
from posthouse.store.schema_rollups import address_days

VISITOR = "prices status docs faq terms privacy balance sign-in register reset verify setup nowhere"
MEMBER = (
    "dashboard keys usage wallet playground tickets announcements profile welcome confirm-email "
    "wallet?tab=orders wallet?tab=statements wallet?tab=invoices"
)
OPERATOR = (
    "channels channels/new models models/edit models/import plans plans/edit members keys usage orders codes "
    "transfers reconciliation tickets announcements announcements/new invitations abuse settings audit "
    "configuration models?tab=definitions models?tab=families models?tab=history orders?tab=invoices "
    "orders?status=all settings?tab=mail settings?tab=sign_in settings?tab=registration settings?tab=money "
    "settings?tab=calls settings?tab=texts"
)
CONFIGURATION = SEVERAL.replace("[families]", '[site.topup]\ninvoice_from_total = "1"\n[families]', 1)
MODELS = {"gpt-4o-mini": 5, "gpt-4o": 3, "o3": 2}
MARKDOWN = (
    "I paid **10** an hour ago.\n\n| from | to |\n| --- | --- |\n| 1 | 2 |\n\n`req_42`, [status](/status)"
)


def made(answer: Any) -> Any:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def fill(
    site: Site,
    member: Browser,
    operator: Browser,
    *,
    text: str,
    markdown: str,
    models: Mapping[str, int],
    calls: int = 60,
    email: str = "ann@example.org",
) -> dict[str, str]:
    """One of each thing that holds a text of somebody's, with this one in it; the ids that addresses need.
    The site's [site.topup] lets invoices be asked for."""
    key_id = give_past(site, member.account_id, calls=calls, models=models)
    update_key(site.store, key_id, KeyChange(name=f"key {text}"))
    made(member.patch("/profile", json={"name": text[:60]}))
    made(member.post("/tokens", {"name": text, "scopes": ["own:read"]}))
    ticket = made(member.post("/tickets", {"subject": text, "text": markdown}))["id"]
    made(operator.post(f"/admin/tickets/{ticket}/messages", {"text": markdown}))
    made(member.post("/tickets", {"subject": text, "text": markdown}))  # which waits
    orders = [made(member.post("/wallet/orders", {"amount": "5", "note": text}))["id"] for _ in range(3)]
    made(operator.post(f"/orders/{orders[0]}/pay", {"reference": text}))
    made(operator.post(f"/orders/{orders[1]}/cancel", {"reason": text}))
    who = {"account": member.account_id, "amount": "2", "reason": text}
    made(operator.post("/transfers/credit", who))
    made(operator.post("/transfers/debit", who))
    invoice = {"title": text, "email": email, "tax_number": text, "details": markdown}
    asked = [made(member.post("/wallet/invoices", {"amount": "1", **invoice}))["id"] for _ in range(3)]
    made(operator.post(f"/invoices/{asked[0]}/issue", {"number": text}))
    made(operator.post(f"/invoices/{asked[1]}/decline", {"reason": text}))
    batch = made(operator.post("/codes", {"name": text, "amount": "1", "count": 2}))
    made(member.post("/wallet/codes", {"code": batch["codes"][0]}))
    made(operator.post("/invitations", {"note": text}))
    made(operator.patch(f"/admin/members/{member.account_id}", json={"note": markdown}))
    news = {"title_en": text, "text_en": markdown, "pinned": True, "from_ms": now_ms() - 1000}
    announcement = made(operator.post("/admin/announcements", news))["id"]
    for name in ("landing", "faq", "payment", "terms", "privacy"):
        made(operator.put(f"/admin/pages/{name}/en", {"text": markdown}))
    frozen, _ = site.account()
    made(operator.post("/admin/abuse/freeze", {"account_ids": [frozen], "reason": text}))
    owned = {"account_id": member.account_id, "created_ms": now_ms(), "name": text}
    day = {"address_hash": b"\x17" * 16, "day": now_ms() // 86_400_000, "requests": 5}
    with site.store.begin() as connection:
        connection.execute(insert(identities).values(provider="github", subject="7", **owned))
        connection.execute(insert(passkeys).values(id="passkey", public_key=b"k", sign_count=0, **owned))
        open_session(connection, member.account_id, Device("127.0.0.1", b"\1" * 16, text), now_ms=now_ms())
        uses = [{**day, "account_id": member.account_id, "key_id": f"key_{n}"} for n in range(6)]
        connection.execute(insert(address_days), uses)
    return {"ticket": ticket, "announcement": announcement}


def places(
    ids: Mapping[str, str], member: Browser, *, channel: str, model: str, plan: str
) -> Iterator[tuple[str, list[str]]]:
    """Who walks through which pages: each that there is."""
    yield "visitor", ["/", *(f"/{one}" for one in VISITOR.split())]
    month = datetime.now(UTC).strftime("%Y-%m")
    own = [*MEMBER.split(), f"tickets/{ids['ticket']}", f"wallet/statements/{month}"]
    yield "member", [f"/{one}" for one in own]
    channel, model, plan = (quote(one, safe="") for one in (channel, model, plan))
    desk = [*OPERATOR.split(), f"channels/{channel}", f"channels/{channel}/edit", f"tickets/{ids['ticket']}"]
    desk += [f"members/{member.account_id}", f"announcements/{ids['announcement']}"]
    desk += [f"models/edit?name={model}", f"plans/edit?name={plan}"]
    yield "operator", ["/admin", *(f"/admin/{one}" for one in desk)]


class Everything:
    """A site of this CONFIGURATION with one of each thing, and who walks through which of its pages."""

    def __init__(self, site: Site) -> None:
        self.member, self.owner = site.as_("member"), site.as_("owner")
        text = "A top-up of Tuesday that has not arrived"
        ids = fill(site, self.member, self.owner, text=text, markdown=MARKDOWN, models=MODELS, calls=40)
        self.paths = dict(places(ids, self.member, channel="openai", model="gpt-4o", plan="free"))
        self.whose = {"visitor": "", "member": self.member.account_id, "operator": self.owner.account_id}


# Goes as a link goes; a heading that stays is no sign that the new page is there.
GO = """(path) => {
  if (new URL(path, location.href).pathname !== location.pathname)
    for (const one of document.querySelectorAll("h1")) one.setAttribute("data-left", "");
  history.pushState({}, "", path);
  dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}"""


def walk(page: Page, path: str) -> None:
    """Go to a page of the console as its links do, without loading the whole of it anew."""
    page.evaluate(GO, path)
    page.wait_for_selector("h1:not([data-left])")
    settle(page)
