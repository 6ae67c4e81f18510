"""Every page, walked through as a visitor, a member and an owner: what axe finds in light and in dark
colours, sideways scrolling, what the browser's console complains of; the dialogs; and by keyboard alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.api.conftest import PASSWORD
from tests.browser.conftest import AXE, OpenTab, Site, settle
from tests.browser.everything import fill, places, walk
from tests.browser.test_pictures import CONFIGURATION as SEVERAL

pytestmark = pytest.mark.browser

ROUTES = Path(__file__).resolve().parents[2] / "console" / "src" / "pages"
CONFIGURATION = SEVERAL.replace("[families]", '[site.topup]\ninvoice_from_total = "1"\n[families]', 1)
MODELS = {"gpt-4o-mini": 5, "gpt-4o": 3, "o3": 2}
MARKDOWN = (
    "I paid **10** an hour ago.\n\n| from | to |\n| --- | --- |\n| 1 | 2 |\n\n`req_42`, [status](/status)"
)
WIDTHS = (1280, 768, 360)
# Who has a key already gets none on the first page after registering: the answer is 409. A page that is left
# waits for nothing more.
EXPECTED = re.compile("/register/key|status of 409|net::ERR_ABORTED")


class Everything:
    """The site with one of each thing, and who walks through it."""

    def __init__(self, site: Site) -> None:
        self.member, self.owner = site.as_("member"), site.as_("owner")
        text = "A top-up of Tuesday that has not arrived"
        ids = fill(site, self.member, self.owner, text=text, markdown=MARKDOWN, models=MODELS, calls=40)
        self.paths = dict(places(ids, self.member, channel="openai", model="gpt-4o", plan="free"))
        self.whose = {"visitor": "", "member": self.member.account_id, "operator": self.owner.account_id}


@pytest.fixture(scope="module")
def everything(site: Site) -> Everything:
    return Everything(site)


def test_every_route_is_walked(everything: Everything) -> None:
    """A page that is added comes into the walk."""
    declared = "".join(path.read_text("utf-8") for path in ROUTES.glob("*/routes.tsx"))
    routes = set(re.findall(r'path: "([^"]+)", shell: "\w+",[^{}]*page:', declared))
    assert len(routes) > 40
    walked = {path.split("?")[0] for paths in everything.paths.values() for path in paths}
    missed = {one for one in routes if not any(matches(one, path) for path in walked)}
    assert missed == set()


def matches(route: str, path: str) -> bool:
    return re.fullmatch(re.sub(r":\w+", "[^/]+", route), path) is not None


@contextmanager
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser's console complains of, and requests that fail."""
    found: list[str] = []

    def note(line: str) -> None:
        if not EXPECTED.search(line):
            found.append(line)

    page.on("console", lambda line: note(line.text) if line.type in ("error", "warning") else None)
    page.on("response", lambda got: note(f"{got.status} {got.url}") if got.status >= 400 else None)
    page.on("requestfailed", lambda request: note(f"{request.failure} {request.url}"))
    yield found


# Colours as they are once they have changed.
STILL = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  for (const one of document.getAnimations())
    if (one.effect.getTiming().iterations !== Infinity) one.finish();
  done();
})))"""
LOOK = "(only) => axe.run(document, { resultTypes: ['violations'], ...(only ? { runOnly: only } : {}) })"


def look(page: Page, *only: str) -> list[str]:
    """What axe finds, or only these rules of it."""
    page.evaluate(STILL)
    found = page.evaluate(LOOK, list(only) or None)
    return [
        f"{one['id']}: {node['html'][:250]} ({node['failureSummary'][:250]})"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def both(page: Page) -> list[str]:
    """What axe finds in light colours, and what contrast lacks in dark ones."""
    page.evaluate("(code) => window.axe ?? (0, eval)(code) ?? null", AXE.read_text("utf-8"))
    light = look(page)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    dark = look(page, "color-contrast")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")
    return [*(f"light: {one}" for one in light), *(f"dark: {one}" for one in dark)]


def wide(page: Page) -> list[str]:
    """Widths of the screen at which the page is wider than it."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        page.evaluate(STILL)  # charts are drawn anew
        has = page.evaluate("document.documentElement.scrollWidth")
        if has > width:
            found.append(f"{has} px wide at {width}")
    page.set_viewport_size({"width": WIDTHS[0], "height": 860})
    return found


@pytest.mark.parametrize("who", ["visitor", "member", "operator"])
def test_pages(everything: Everything, open_tab: OpenTab, who: str) -> None:
    page = open_tab("/faq", account_id=everything.whose[who])
    faults: list[str] = []
    with complaints(page) as complained:
        page.reload()
        page.wait_for_selector("h1")
        for path in everything.paths[who]:
            walk(page, path)
            faults += [f"{path}: {one}" for one in [*both(page), *wide(page), *complained]]
            complained.clear()
    assert faults == [], "\n".join(faults)


# A button on a page, perhaps behind a menu's, that opens a dialog, drawer or menu.
MEMBERS = (
    ("/keys", "New key"),
    ("/keys", "Actions for key", "Rotate"),
    ("/keys", "Actions for key", "Delete key"),
    ("/usage", "gpt-4o-mini"),
    ("/wallet", "Change"),
    ("/wallet?tab=orders", "Cancel"),
    ("/wallet?tab=invoices", "Ask for an invoice"),
    ("/tickets", "New ticket"),
    ("/profile", "Turn on"),
    ("/profile", "New token"),
    ("/profile", "Sign out everywhere else"),
    ("/profile", "Delete account"),
)
OPERATORS = (
    ("/admin/members/ID", "Credit or debit"),
    ("/admin/members/ID", "Freeze"),
    ("/admin/members/ID", "Revoke"),
    ("/admin/channels/openai", "Add credential"),
    ("/admin/channels/openai", "Actions for default", "Change"),
    ("/admin/channels/openai", "Set apart", "Disable"),
    ("/admin/channels/openai", "Set apart", "Remove channel"),
    ("/admin/models", "gpt-4o-mini"),
    ("/admin/models?tab=families", "Add family"),
    ("/admin/orders", "Mark paid"),
    ("/admin/orders?tab=invoices", "Issue"),
    ("/admin/codes", "Make codes"),
    ("/admin/codes", "Withdraw"),
    ("/admin/invitations", "New invitation"),
    ("/admin/invitations", "Revoke"),
    ("/admin/abuse", "Freeze 1 account"),
    ("/admin/audit", "page.write"),
)


@pytest.mark.parametrize(("who", "dialogs"), [("member", MEMBERS), ("operator", OPERATORS)])
def test_dialogs(
    everything: Everything, open_tab: OpenTab, who: str, dialogs: tuple[tuple[str, ...], ...]
) -> None:
    """Each takes the focus in, is put away by Escape, and gives the focus back to what opened it."""
    page = open_tab("/faq", account_id=everything.whose[who])
    faults: list[str] = []
    for path, *words in dialogs:
        walk(page, path.replace("ID", everything.member.account_id))
        opener = page.get_by_role("main").get_by_role("button", name=words[0]).first
        opener.click()
        for word in words[1:]:
            page.get_by_role("menuitem", name=word).click()
        dialog = page.get_by_role("dialog").first
        expect(dialog).to_be_visible()
        settle(page)
        if not dialog.evaluate("(one) => one.contains(document.activeElement)"):
            faults.append(f"{path} {words}: the focus is not within")
        faults += [f"{path} {words}: {one}" for one in both(page)]
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        try:
            expect(opener).to_be_focused(timeout=2000)
        except AssertionError:
            faults.append(f"{path} {words}: the focus is not given back")
    assert faults == [], "\n".join(faults)


TABS_MAX = 60
# A ring around it, or for fields a line of their own.
# A menu that has just opened holds the focus itself for a moment.
RINGED = """() => {
  const look = getComputedStyle(document.activeElement);
  const own = "input, textarea, [role=presentation]";
  return look.outlineStyle !== "none" || document.activeElement.matches(own);
}"""


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Go on by Tab until it has the focus, which shows on every stop of the way."""
    expect(target).to_be_visible()
    for _ in range(TABS_MAX):
        page.keyboard.press(key)
        assert page.evaluate(RINGED), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if target.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"Tab does not come to {target}")


def test_by_keyboard_alone(site: Site, open_tab: OpenTab) -> None:
    """Signing in, making a key and deleting it."""
    _, email = site.account(password=PASSWORD)
    page = open_tab("/sign-in?next=/keys")
    page.keyboard.type(email)
    tab_to(page, page.locator("input[type=password]"))
    page.keyboard.type(PASSWORD)
    tab_to(page, page.get_by_role("button", name="Sign in", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Keys")

    page.reload()
    page.wait_for_selector("h1")
    skip = page.get_by_role("link", name="Skip to the content")
    tab_to(page, skip)
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="New key"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("laptop")
    for _ in range(20):
        page.keyboard.press("Tab")
        assert dialog.evaluate("(one) => one.contains(document.activeElement)")
    tab_to(page, dialog.get_by_role("button", name="New key"))
    page.keyboard.press("Enter")
    kept = page.get_by_role("button", name="I have kept it")
    tab_to(page, kept)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)

    actions = page.get_by_role("button", name="Actions for laptop")
    page.reload()
    for answer in ("Escape", "Enter"):
        tab_to(page, actions)
        page.keyboard.press("Enter")
        delete = page.get_by_role("menuitem", name="Delete key")
        expect(delete).to_be_visible()
        tab_to(page, delete, "ArrowDown")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()  # what does nothing
        if answer == "Enter":
            tab_to(page, dialog.get_by_role("button", name="Delete key"))
        page.keyboard.press(answer)
        expect(dialog).to_have_count(0)
        if answer == "Escape":
            expect(actions).to_be_focused()
            page.keyboard.press("Shift+Tab")
    expect(page.get_by_text("No keys yet")).to_be_visible()
    expect(page.locator("#main")).to_be_focused()
