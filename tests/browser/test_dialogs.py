"""The console's dialogs, drawers and menus, as axe and the keyboard find them; and its main work by keyboard
alone."""

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.api.conftest import PASSWORD
from tests.browser.conftest import OpenTab, Site, in_both_schemes, settle
from tests.browser.everything import CONFIGURATION, Everything, walk

__all__ = ["CONFIGURATION"]  # of the site
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def everything(site: Site) -> Everything:
    return Everything(site)


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
        try:
            expect(page.locator("[role=dialog]:focus-within")).to_have_count(1)
        except AssertionError:
            faults.append(f"{path} {words}: the focus is not within")
        faults += [f"{path} {words}: {one}" for one in in_both_schemes(dialog)]
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        try:
            expect(opener).to_be_focused()
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
