"""People come in by the console: by mail, with password, code and passkey, and from elsewhere."""

import re
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.api.conftest import PASSWORD
from tests.browser.conftest import CONFIGURATION, OpenTab, Site, axe, settle, shot
from tests.mail.conftest import OnFreePort, Postbox
from tests.people.provider import openid_provider

from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.upstream import ScriptedUpstream
from posthouse.testing.waiting import eventually

pytestmark = pytest.mark.browser

SITE = """
[site.mail]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "relay@example.org"
[[site.sign_in.oidc]]
name = "works"
title = "The works"
issuer = "{issuer}"
client_id = "posthouse"
client_secret = "works-secret"
[site.registration]
accounts_per_address_per_day = 1000
"""
_numbers = count(1)


@pytest.fixture(scope="module")
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with openid_provider() as address:
        yield address


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, chromium: Browser, postbox: Postbox, issuer: str
) -> Iterator[Site]:
    controller = OnFreePort(postbox, hostname="127.0.0.1", port=0)
    controller.start()
    configuration = CONFIGURATION + SITE.format(port=controller.port, issuer=issuer)
    with ScriptedUpstream(credential="sk-upstream-credential") as upstream:
        directory = tmp_path_factory.mktemp("entry")
        relay = EmbeddedRelay(directory, upstream.base_url, configuration)
        with relay, Site(relay, upstream) as site:
            yield site
    controller.stop()


def fresh_email() -> str:
    return f"person{next(_numbers)}@example.org"


def link_to(postbox: Postbox, email: str, page: str) -> str:
    """The link of the newest mail there, once it has come."""

    def look() -> list[str]:
        texts = [mail.get_content() for mail in postbox.mails if mail["To"] == email]
        return re.findall(rf"http\S+/{page}#token=\S+", "\n".join(texts))

    return eventually(look)[-1]


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_label("Email").fill(email)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_somebody_registers_and_the_first_key_is_there(
    site: Site, open_tab: OpenTab, postbox: Postbox
) -> None:
    email = fresh_email()
    page = open_tab("/register")
    shot(page, "register")
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Register").click()
    heading(page, "Look into your mailbox")
    axe(page)
    page.goto(link_to(postbox, email, "verify"))
    heading(page, "Choose a password")
    assert "#" not in page.url  # the token is out of the address
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Finish the registration").click()
    heading(page, "Welcome")
    key = page.get_by_test_id("secret").inner_text()
    axe(page)
    shot(page, "welcome")
    answer = httpx.get(f"{site.origin}/v1/models", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    page.context.clear_cookies()
    page.goto("/profile")  # signed out: by way of the sign-in, and on
    sign_in(page, email)
    heading(page, "Profile")


def test_a_forgotten_password_is_set_anew(site: Site, open_tab: OpenTab, postbox: Postbox) -> None:
    email = fresh_email()
    site.account(password=PASSWORD, email=email)
    page = open_tab("/sign-in")
    sign_in(page, email, "another one")
    expect(page.get_by_role("alert")).to_contain_text("No account of that email")
    page.get_by_role("link", name="Forgot your password?").click()
    heading(page, "Forgot your password?")
    expect(page.get_by_label("Email")).to_have_value(email)  # as typed at the sign-in
    page.get_by_role("button", name="Mail me a link").click()
    heading(page, "Look into your mailbox")
    page.goto(link_to(postbox, email, "reset"))
    page.locator("input[type=password]").fill("battery staple 7")
    page.get_by_role("button", name="Set the password").click()
    heading(page, "Sign in")
    sign_in(page, email, "battery staple 7")
    page.wait_for_url("**/dashboard")


def test_a_second_factor_is_set_up_and_asked_for(site: Site, open_tab: OpenTab) -> None:
    account_id, email = site.account(password=PASSWORD, email=fresh_email())
    page = open_tab("/profile", account_id=account_id)
    page.get_by_role("button", name="Turn on").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name="QR code for your authenticator app")).to_be_visible()
    app = pyotp.TOTP(dialog.locator("code").inner_text())
    dialog.get_by_role("textbox", name="Code").fill("000")
    dialog.get_by_role("button", name="Turn on").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_role("textbox", name="Code").fill(app.at(int(time.time()) - 30))
    dialog.get_by_role("button", name="Turn on").click()
    codes = page.get_by_role("group", name="Recovery codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    code = codes.first.inner_text()
    axe(page)
    page.context.clear_cookies()
    page.goto("/sign-in")
    sign_in(page, email)
    heading(page, "One more step")
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/dashboard")


def with_authenticator(page: Page) -> None:
    """A device with a fingerprint reader, as Chromium simulates it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_signs_in(site: Site, open_tab: OpenTab) -> None:
    """By the name that browsers let have passkeys without https."""
    email = fresh_email()
    site.account(password=PASSWORD, email=email)
    origin = f"http://localhost:{site.relay.port}"
    page = open_tab("/sign-in")  # a bare address, where browsers refuse to make any
    with_authenticator(page)
    heading(page, "Sign in")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
    page.goto(f"{origin}/sign-in")
    sign_in(page, email)
    page.wait_for_url("**/dashboard")
    page.goto(f"{origin}/profile")
    page.get_by_label("What to call it").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("cell", name="Laptop")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{origin}/sign-in?next=/profile")
    page.get_by_role("button", name="Sign in with a passkey").click()
    heading(page, "Profile")
    expect(page.get_by_text(email).first).to_be_visible()
    page.get_by_role("row", name="Laptop").get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No passkeys yet")).to_be_visible()


def test_an_account_elsewhere_brings_somebody_in(site: Site, open_tab: OpenTab, issuer: str) -> None:
    email = fresh_email()
    httpx.put(f"{issuer}/users/{email}", json={"email": email, "email_verified": True}).raise_for_status()
    page = open_tab("/sign-in")
    page.get_by_role("button", name="Continue with The works").click()
    page.wait_for_url(f"{issuer}/**")
    page.locator("input[name=sub]").fill(email)
    page.locator("button[type=submit]").first.click()
    heading(page, "Welcome")
    assert page.get_by_test_id("secret").inner_text().startswith("sk-")
    page.goto("/profile")
    expect(page.get_by_role("cell", name="The works")).to_be_visible()
    stranger, _ = site.account(email="taken@example.org")
    claims = {"email": "taken@example.org", "email_verified": True}
    httpx.put(f"{issuer}/users/other", json=claims).raise_for_status()
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_role("button", name="Continue with The works").click()
    page.wait_for_url(f"{issuer}/**")
    page.locator("input[name=sub]").fill("other")
    page.locator("button[type=submit]").first.click()
    expect(page.get_by_role("alert")).to_contain_text("There is an account with this address already")
    assert stranger


def test_a_profile_is_changed(site: Site, open_tab: OpenTab) -> None:
    page = open_tab("/profile", role="member", scheme="dark")
    shot(page, "profile")
    page.get_by_label("Name", exact=True).fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Saved")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Delete account").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete account")).to_be_disabled()


def test_the_operator_invites(site: Site, open_tab: OpenTab) -> None:
    page = open_tab("/admin/invitations", role="operator")
    expect(page.get_by_text("No invitations yet")).to_be_visible()
    page.get_by_role("button", name="New invitation").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Note").fill("<b>class</b>")
    dialog.get_by_label("How many it lets in").fill("3")
    dialog.get_by_role("button", name="New invitation").click()
    expect(page.get_by_role("cell", name="<b>class</b>")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("cell", name="Revoked")).to_be_visible()
    page = open_tab("/admin/invitations", role="operator", language="zh")
    heading(page, "邀请")
    shot(page, "invitations-zh")
