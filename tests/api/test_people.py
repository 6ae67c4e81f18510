"""People come in: registration by mail, forgotten passwords, accounts elsewhere, second factors, passkeys.
The mail server, the OpenID provider and the authenticator are real ones; GitHub is tests/api/github.py."""

import base64
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import altcha
import httpx
import pyotp
import pytest
from tests.api.conftest import COOKIE, PASSWORD, Api, Browser, Statements
from tests.api.github import CLIENT_ID, CLIENT_SECRET, Github
from tests.mail.conftest import OnFreePort, Postbox
from tests.people.authenticator import Authenticator
from tests.people.provider import openid_provider

from posthouse.api import elsewhere as routes
from posthouse.kernel.clock import now_ms
from posthouse.people import elsewhere, proof_of_work
from posthouse.people.elsewhere import Provider
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.operated import MINIMAL
from posthouse.testing.upstream import ScriptedUpstream
from posthouse.testing.waiting import eventually

SITE = """
[site]
name = "Relay"
[site.mail]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "relay@example.org"
[site.sign_in]
github_client_id = "github-app"
github_client_secret = "github-secret"
[[site.sign_in.oidc]]
name = "works"
title = "The works"
issuer = "{issuer}"
client_id = "posthouse"
client_secret = "works & secret"
[site.registration]
accounts_per_address_per_day = 1000
blocked_mail_domains = ["blocked.test"]
"""
_numbers = count(1)


@pytest.fixture(scope="module")
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture(scope="module")
def mail_port(postbox: Postbox) -> Iterator[int]:
    controller = OnFreePort(postbox, hostname="127.0.0.1", port=0)
    controller.start()
    yield controller.port
    controller.stop()


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with openid_provider() as address:
        yield address


@pytest.fixture(scope="module")
def github() -> Iterator[Github]:
    with Github() as server:
        yield server


@pytest.fixture(scope="module")
def api(
    api_upstream: ScriptedUpstream,
    tmp_path_factory: pytest.TempPathFactory,
    mail_port: int,
    issuer: str,
    github: Github,
    database: str,
) -> Iterator[Api]:
    provider_of = routes.provider_of

    def nearby(here: Any, name: str) -> Provider:
        """GitHub's addresses are no setting: here they are the test's."""
        found = provider_of(here, name)
        return found if found.issuer else _at(found, github.url)

    configuration = MINIMAL + SITE.format(port=mail_port, issuer=issuer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "provider_of", nearby)
        patch.setattr(proof_of_work, "COUNTER_MIN", 10)
        patch.setattr(proof_of_work, "COUNTER_MAX", 20)
        directory = tmp_path_factory.mktemp("people")
        relay = EmbeddedRelay(directory, api_upstream.base_url, configuration, database=database)
        with relay, Api(relay) as api:
            yield api


def _at(provider: Provider, url: str) -> Provider:
    assert (provider.client_id, provider.client_secret.reveal()) == (CLIENT_ID, CLIENT_SECRET)
    return Provider(
        name=provider.name,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        site=url,
        api=url,
    )


def fresh_email() -> str:
    return f"person{next(_numbers)}@example.org"


def proof(browser: Browser) -> str:
    challenge = altcha.Challenge.from_dict(browser.get("/proof-of-work").json())
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    return base64.b64encode(json.dumps(altcha.Payload(challenge, solution).to_dict()).encode()).decode()


def register(browser: Browser, email: str, **more: str) -> httpx.Response:
    return browser.post("/register", {"email": email, "proof": proof(browser), **more})


def mails_to(postbox: Postbox, email: str, number: int = 1) -> list[Any]:
    """The mails that came there, once there are so many."""
    return eventually(
        lambda: [mail for mail in postbox.mails if mail["To"] == email], lambda found: len(found) >= number
    )


def token_in(mail: Any) -> str:
    found = re.search(r"#token=(\S+)", mail.get_content())
    assert found is not None
    return found[1]


def member(api: Api, postbox: Postbox, email: str) -> Browser:
    """Somebody who has registered by mail, signed in."""
    browser = api.visitor()
    assert register(browser, email).status_code == 202
    token = token_in(mails_to(postbox, email)[-1])
    answer = browser.post("/register/verify", {"token": token, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    session = answer.json()["session"]
    browser.csrf, browser.account_id, browser.email = session["csrf_token"], session["account_id"], email
    browser.key = answer.json()["key"]  # type: ignore[attr-defined]  # only this test has it
    return browser


def sign_in(browser: Browser, email: str, password: str = PASSWORD, code: str = "") -> httpx.Response:
    return browser.post("/session", {"email": email, "password": password, "code": code})


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


# -- registration --------------------------------------------------------------------------------------------


def test_the_ways_in_are_told(api: Api) -> None:
    ways = api.visitor().get("/ways-in").json()
    assert ways["elsewhere"] == [
        {"name": "github", "title": "GitHub"},
        {"name": "oidc:works", "title": "The works"},
    ]
    assert (ways["registration"], ways["verify_email"], ways["proof_of_work"]) == ("open", True, True)


def test_somebody_registers_by_mail_and_calls_with_the_first_key(api: Api, postbox: Postbox) -> None:
    email = fresh_email()
    browser = member(api, postbox, email)
    (mail,) = mails_to(postbox, email)
    assert f"{api.relay.origin}/verify#token=" in mail.get_content()
    assert browser.get("/session").json()["email"] == email
    profile = browser.get("/profile").json()
    assert (profile["is_email_verified"], profile["has_password"], profile["role"]) == (True, True, "member")
    headers = {"authorization": f"Bearer {browser.key}"}  # type: ignore[attr-defined]  # see member
    with httpx.Client(base_url=api.relay.base_url, headers=headers) as client:
        assert client.get("/models").status_code == 200
    assert sign_in(api.visitor(), email).status_code == 200


def test_the_answer_is_the_same_whether_there_is_such_an_account(
    api: Api, postbox: Postbox, statements: Statements
) -> None:
    email = fresh_email()
    member(api, postbox, email)
    stranger = fresh_email()
    answers, asked_of = [], []
    for one in (email, stranger):
        visitor = api.visitor()
        body = {"email": one, "proof": proof(visitor)}
        with statements() as asked:
            answers.append(visitor.post("/register", body))
        asked_of.append(list(asked))
    assert answers[0].status_code == answers[1].status_code == 202
    assert answers[0].text == answers[1].text
    assert asked_of[0] == asked_of[1]
    assert "already" in mails_to(postbox, email, 2)[1]["Subject"]
    for path in ("/password/forgotten",):
        known, unknown = (api.visitor().post(path, {"email": one}) for one in (email, "no@example.org"))
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (204, b"")


def test_a_form_needs_a_proof_of_work_of_its_own(api: Api) -> None:
    visitor = api.visitor()
    once = proof(visitor)
    body = {"email": fresh_email(), "proof": once}
    assert visitor.post("/register", body).status_code == 202
    assert code_of(visitor.post("/register", body)) == "proof_missing"
    assert code_of(visitor.post("/register", {"email": fresh_email()})) == "proof_missing"


@pytest.mark.parametrize(
    ("email", "code"), [("a@blocked.test", "email_refused"), ("a@sub.blocked.test", "email_refused")]
)
def test_a_refused_domain(api: Api, email: str, code: str) -> None:
    assert code_of(register(api.visitor(), email)) == code
    assert code_of(register(api.visitor(), "nobody")) == "not_an_email"


def test_nothing_else_can_be_set_while_registering(api: Api) -> None:
    visitor = api.visitor()
    answer = visitor.post(
        "/register", {"email": fresh_email(), "proof": proof(visitor), "role": "owner", "plan": "paid"}
    )
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["errors"]} == {"role", "plan"}


def test_a_weak_password_can_be_put_right(api: Api, postbox: Postbox) -> None:
    email, visitor = fresh_email(), api.visitor()
    register(visitor, email)
    token = token_in(mails_to(postbox, email)[0])
    assert code_of(visitor.post("/register/verify", {"token": token, "password": email})) == "weak_password"
    verify = {"token": token, "password": PASSWORD}
    assert visitor.post("/register/verify", verify).status_code == 201
    assert code_of(api.visitor().post("/register/verify", verify)) == "link_spent"


# -- passwords and addresses ---------------------------------------------------------------------------------


def test_a_forgotten_password(api: Api, postbox: Postbox) -> None:
    email = fresh_email()
    browser = member(api, postbox, email)
    assert api.visitor().post("/password/forgotten", {"email": email}).status_code == 204
    token = token_in(mails_to(postbox, email, 2)[1])
    reset = {"token": token, "password": "battery staple 7"}
    assert api.visitor().post("/password/reset", reset).status_code == 204
    assert browser.get("/profile").status_code == 401  # all sessions have ended
    assert code_of(sign_in(api.visitor(), email)) == "wrong_password"
    assert sign_in(api.visitor(), email, "battery staple 7").status_code == 200
    assert code_of(api.visitor().post("/password/reset", reset)) == "link_spent"
    assert "changed" in mails_to(postbox, email, 3)[2]["Subject"]


def test_password_and_address_are_changed_by_who_knows_the_password(api: Api, postbox: Postbox) -> None:
    email, other = fresh_email(), fresh_email()
    browser = member(api, postbox, email)
    wrong = browser.put("/profile/password", {"old": "x", "new": "battery staple 7"})
    assert code_of(wrong) == "not_the_password"
    changed = browser.put("/profile/password", {"old": PASSWORD, "new": "battery staple 7"})
    assert changed.status_code == 204
    assert browser.get("/profile").status_code == 200
    asked = {"email": other, "password": PASSWORD}
    assert code_of(browser.post("/profile/email", asked)) == "not_the_password"
    assert browser.post("/profile/email", {**asked, "password": "battery staple 7"}).status_code == 204
    token = token_in(mails_to(postbox, other)[0])
    stranger = api.as_("member")
    assert code_of(stranger.post("/profile/email/confirm", {"token": token})) == "link_spent"
    assert browser.post("/profile/email/confirm", {"token": token}).json() == {"email": other}
    assert sign_in(api.visitor(), other, "battery staple 7").status_code == 200


def test_a_password_is_not_guessed_at_an_open_session(api: Api) -> None:
    browser = api.signed_in(*api.account(password=PASSWORD))
    answers = [
        browser.put("/profile/password", {"old": f"guess {number}", "new": "battery staple 7"})
        for number in range(12)
    ]
    assert [answer.status_code for answer in answers][9:] == [422, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_an_account_is_deleted_by_who_means_it(api: Api, postbox: Postbox) -> None:
    email = fresh_email()
    browser = member(api, postbox, email)
    wrong = browser.post("/profile/deletion", {"email": "other@example.org", "password": PASSWORD})
    assert [one["field"] for one in wrong.json()["errors"]] == ["email"]
    assert browser.post("/profile/deletion", {"email": email, "password": PASSWORD}).status_code == 204
    assert browser.get("/profile").status_code == 401
    assert code_of(sign_in(api.visitor(), email)) == "wrong_password"
    headers = {"authorization": f"Bearer {browser.key}"}  # type: ignore[attr-defined]  # see member
    with httpx.Client(base_url=api.relay.base_url, headers=headers) as client:
        eventually(lambda: client.get("/models").status_code in (401, 403))
    assert register(api.visitor(), email).status_code == 202  # the address is free again


def test_a_profile_is_its_owners(api: Api) -> None:
    browser = api.as_("member")
    changed = browser.patch("/profile", {"name": "<b>Ann</b>", "language": "zh"}).json()
    assert (changed["name"], changed["language"]) == ("<b>Ann</b>", "zh")
    for field in ("role", "email", "plan", "has_totp", "note"):
        assert browser.patch("/profile", {field: "owner"}).status_code == 422
    assert browser.get("/profile").json()["role"] == "member"


# -- the second factor ---------------------------------------------------------------------------------------


def code_at(app: pyotp.TOTP, steps: int = 0) -> str:
    return app.at(now_ms() // 1000 + steps * 30)


def test_a_second_factor(api: Api) -> None:
    account_id, email = api.account(password=PASSWORD)
    browser = api.signed_in(account_id, email)
    begun = browser.post("/profile/totp").json()
    app = pyotp.TOTP(begun["secret"])
    assert code_of(browser.put("/profile/totp", {"token": begun["token"], "code": "1"})) == "wrong_code"
    first = {"token": begun["token"], "code": code_at(app, -1)}
    codes = browser.put("/profile/totp", first).json()["codes"]
    assert code_of(sign_in(api.visitor(), email)) == "second_factor_needed"
    assert code_of(sign_in(api.visitor(), email, "wrong one", "1")) == "wrong_password"
    assert code_of(sign_in(api.visitor(), email, code="1")) == "wrong_code"
    code = code_at(app)
    assert sign_in(api.visitor(), email, code=code).status_code == 200
    assert code_of(sign_in(api.visitor(), email, code=code)) == "wrong_code"
    assert sign_in(api.visitor(), email, code=codes[0]).status_code == 200
    renewed = browser.post("/profile/totp/recovery-codes", {"code": codes[1]}).json()["codes"]
    assert code_of(sign_in(api.visitor(), email, code=codes[2])) == "wrong_code"
    assert browser.post("/profile/totp/off", {"code": renewed[0]}).status_code == 204
    assert sign_in(api.visitor(), email).status_code == 200


# -- passkeys ------------------------------------------------------------------------------------------------


def test_a_passkey(api: Api) -> None:
    account_id, email = api.account(password=PASSWORD)
    browser = api.signed_in(account_id, email)
    # Without a public address the site is where the browser has found it.
    phone = Authenticator(api.relay.origin)
    options = browser.post("/profile/passkeys/options").json()["public_key"]
    assert options["rp"] == {"id": "127.0.0.1", "name": "Relay"}
    added = browser.post("/profile/passkeys", {"name": "phone", "credential": phone.create(options)})
    assert added.status_code == 201, added.text
    visitor = api.visitor()
    options = visitor.post("/sign-in/passkey/options").json()["public_key"]
    answer = {"credential": phone.get(options)}
    assert visitor.post("/sign-in/passkey", answer).json()["account_id"] == account_id
    assert code_of(api.visitor().post("/sign-in/passkey", answer)) == "wrong_password"
    (listed,) = browser.get("/profile/passkeys").json()["items"]
    assert listed["used_ms"] > 0
    stranger = api.as_("member")
    assert stranger.delete(f"/profile/passkeys/{listed['id']}").status_code == 404
    assert browser.delete(f"/profile/passkeys/{listed['id']}").status_code == 204


# -- elsewhere -----------------------------------------------------------------------------------------------


def set_out(browser: Browser, provider: str, path: str = "/sign-in/elsewhere", **more: str) -> str:
    answer = browser.post(path, {"provider": provider, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def say_yes(issuer: str, url: str, subject: str, **claims: object) -> str:
    """Somebody signs in at the provider: where the browser is sent on to."""
    with httpx.Client() as client:
        if claims:
            assert client.put(f"{issuer}/users/{subject}", json=claims).status_code == 204
        return client.post(url, data={"sub": subject}).headers["location"]


def back(browser: Browser, url: str) -> str:
    """The page of the console that the callback leads to."""
    answer = browser.http.get(url)
    assert answer.status_code == 303, answer.text
    page = str(answer.headers["location"])
    assert page.startswith("/")
    assert not page.startswith("//")
    return page


def enter(
    browser: Browser, issuer: str, subject: str, verified: bool = True, email: str = "", **more: str
) -> str:
    url = set_out(browser, "oidc:works", **more)
    return back(browser, say_yes(issuer, url, subject, email=email or subject, email_verified=verified))


def test_an_openid_provider_brings_a_new_member_in(api: Api, issuer: str) -> None:
    browser, email = api.visitor(), fresh_email()
    url = set_out(browser, "oidc:works")
    asked = parse_qs(urlsplit(url).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert back(browser, say_yes(issuer, url, email, email=email, email_verified=True)) == "/welcome"
    session = browser.get("/session").json()
    assert session["email"] == email
    browser.csrf = session["csrf_token"]
    assert browser.get("/profile").json()["is_email_verified"] is True
    assert browser.post("/register/key").json()["key"].startswith("sk-")
    assert code_of(browser.post("/register/key")) == "first_key_made"
    (mine,) = browser.get("/profile/identities").json()["items"]
    assert mine["provider"] == "oidc:works"
    again = api.visitor()
    assert enter(again, issuer, email, next="/usage?model=a") == "/usage?model=a"
    assert again.get("/session").json()["account_id"] == session["account_id"]


@pytest.mark.parametrize(
    "next_page", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "\\\\evil", ""]
)
def test_nobody_is_sent_to_another_site(api: Api, issuer: str, next_page: str) -> None:
    email = f"next{next(_numbers)}@example.org"
    enter(api.visitor(), issuer, email)
    assert enter(api.visitor(), issuer, email, next=next_page) == "/dashboard"


def test_an_address_that_nobody_verified_brings_nobody_in(api: Api, issuer: str) -> None:
    browser = api.visitor()
    assert enter(browser, issuer, fresh_email(), verified=False) == "/sign-in#error=email_unverified"
    assert browser.get("/session").json()["account_id"] == ""


def test_an_account_is_never_taken_over_by_its_address(api: Api, issuer: str) -> None:
    """Its owner signs in to it, and links; then the identity signs in."""
    account_id, email = api.account()
    assert enter(api.visitor(), issuer, email) == "/sign-in#error=email_taken"
    owner = api.signed_in(account_id, email)
    url = set_out(owner, "oidc:works", "/profile/identities")
    assert back(owner, say_yes(issuer, url, email)) == "/profile#linked=oidc%3Aworks"
    visitor = api.visitor()
    assert enter(visitor, issuer, email) == "/dashboard"
    assert visitor.get("/session").json()["account_id"] == account_id


def test_nobody_links_whose_session_has_ended_meanwhile(api: Api, issuer: str) -> None:
    """Whoever has another's session sets out to link an identity of theirs; then the owner ends it."""
    account_id, email = api.account()
    thief, subject = api.signed_in(account_id, email), fresh_email()
    url = set_out(thief, "oidc:works", "/profile/identities")
    owner = api.signed_in(account_id, email)
    assert owner.delete("/sessions").status_code == 204
    assert back(thief, say_yes(issuer, url, subject)) == "/profile#error=expired"
    assert owner.get("/profile/identities").json()["items"] == []
    another = api.as_("member")  # nor does another account's session do
    url = set_out(owner, "oidc:works", "/profile/identities")
    owner.http.cookies.set(COOKIE, another.http.cookies[COOKIE])
    assert back(owner, say_yes(issuer, url, subject)) == "/profile#error=expired"
    assert another.get("/profile/identities").json()["items"] == []


def test_an_identity_signs_in_to_one_account(api: Api, issuer: str) -> None:
    email = fresh_email()
    enter(api.visitor(), issuer, email)
    other = api.as_("member")
    url = set_out(other, "oidc:works", "/profile/identities")
    assert back(other, say_yes(issuer, url, email)) == "/profile#error=identity_taken"


def test_a_way_in_is_taken_away_while_another_is_left(api: Api, issuer: str) -> None:
    email, browser = fresh_email(), api.visitor()
    enter(browser, issuer, email)
    browser.csrf = browser.get("/session").json()["csrf_token"]
    path = f"/profile/identities/oidc:works/{email}"
    assert code_of(browser.delete(path)) == "last_way_in"
    assert browser.put("/profile/password", {"new": PASSWORD}).status_code == 204
    assert api.as_("member").delete(path).status_code == 404
    assert browser.delete(path).status_code == 204
    assert browser.get("/profile/identities").json()["items"] == []


def test_a_trip_belongs_to_the_browser_that_began_it(api: Api, issuer: str) -> None:
    """Neither can Eve sign Ann in as Eve, nor does an end that was used serve again."""
    eve, ann, email = api.visitor(), api.visitor(), fresh_email()
    end = say_yes(issuer, set_out(eve, "oidc:works"), email, email=email, email_verified=True)
    assert back(ann, end) == "/sign-in#error=expired"
    assert ann.get("/session").json()["account_id"] == ""
    assert back(eve, end) == "/sign-in#error=expired"  # the trip was used up
    end = say_yes(issuer, set_out(eve, "oidc:works"), email)
    set_out(ann, "oidc:works")  # has a trip of her own under way
    assert back(ann, end) == "/sign-in#error=expired"
    end = say_yes(issuer, set_out(eve, "oidc:works"), email)
    assert back(eve, end) == "/welcome"
    assert back(eve, end) == "/sign-in#error=expired"


def test_a_code_of_another_trip_counts_for_nothing(api: Api, issuer: str) -> None:
    """Eve's code on Ann's trip: the verifier, and the nonce, are other ones."""
    eve, ann, email = api.visitor(), api.visitor(), fresh_email()
    theirs = say_yes(issuer, set_out(eve, "oidc:works"), email, email=email, email_verified=True)
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    state = parse_qs(urlsplit(set_out(ann, "oidc:works")).query)["state"][0]
    path = f"{urlsplit(theirs).path}?code={code}&state={state}"
    assert back(ann, api.relay.origin + path) == "/sign-in#error=provider_fault"
    assert ann.get("/session").json()["account_id"] == ""


def test_who_says_no_at_the_provider_is_back_at_the_sign_in(api: Api, issuer: str) -> None:
    browser = api.visitor()
    state = parse_qs(urlsplit(set_out(browser, "oidc:works")).query)["state"][0]
    callback = f"{api.relay.origin}/api/v1/sign-in/elsewhere/callback"
    assert back(browser, f"{callback}?state={state}&error=access_denied") == "/sign-in#error=refused"
    assert back(browser, f"{callback}?state=x&code=y") == "/sign-in#error=expired"
    assert back(browser, callback) == "/sign-in#error=expired"


def test_an_account_elsewhere_does_not_pass_by_the_second_factor(api: Api, issuer: str) -> None:
    email, browser = fresh_email(), api.visitor()
    enter(browser, issuer, email)
    browser.csrf = browser.get("/session").json()["csrf_token"]
    begun = browser.post("/profile/totp").json()
    app = pyotp.TOTP(begun["secret"])
    assert browser.put("/profile/totp", {"token": begun["token"], "code": code_at(app, -1)}).is_success
    visitor = api.visitor()
    assert enter(visitor, issuer, email, next="/keys") == "/sign-in#step=code&next=%2Fkeys"
    assert visitor.get("/session").json()["account_id"] == ""
    assert code_of(api.visitor().post("/sign-in/code", {"code": code_at(app)})) == "link_spent"
    assert code_of(visitor.post("/sign-in/code", {"code": "1"})) == "wrong_code"
    assert visitor.post("/sign-in/code", {"code": code_at(app)}).json()["email"] == email
    assert code_of(visitor.post("/sign-in/code", {"code": code_at(app, 1)})) == "link_spent"


def test_github(api: Api, github: Github) -> None:
    browser = api.visitor()
    url = set_out(browser, "github")
    assert url.startswith(f"{github.url}/login/oauth/authorize?")
    assert back(browser, github.authorize(url)) == "/welcome"
    session = browser.get("/session").json()
    assert session["email"] == "ann@example.org"
    github.user["login"], github.emails = "renamed", []  # the same person, who shows no address any more
    again = api.visitor()
    assert back(again, github.authorize(set_out(again, "github"))) == "/dashboard"
    assert again.get("/session").json()["account_id"] == session["account_id"]
    github.user["id"] = 8  # somebody else, who has taken the name
    stranger = api.visitor()
    page = back(stranger, github.authorize(set_out(stranger, "github")))
    assert page == "/sign-in#error=email_unverified"
    browser.csrf = session["csrf_token"]
    assert [one["name"] for one in browser.get("/profile/identities").json()["items"]] == ["ann"]


def test_a_code_that_github_does_not_know(api: Api, github: Github) -> None:
    browser = api.visitor()
    end = github.authorize(set_out(browser, "github"))
    assert back(browser, end.replace("code=", "code=0")) == "/sign-in#error=provider_fault"


def test_a_provider_that_there_is_not(api: Api) -> None:
    for name in ("oidc:other", "works", "", "github2"):
        assert api.visitor().post("/sign-in/elsewhere", {"provider": name}).status_code == 404


@pytest.mark.parametrize("path", ["/a", "/a?b=c#d", "/admin/members/acc_1"])
def test_pages_of_ones_own_may_be_gone_on_to(path: str) -> None:
    assert elsewhere.safe_next(path) == path


@pytest.mark.parametrize("path", ["a", "", "//a", "/\\a", "\\\\a", "https://a", "/a\nb", "/\t/a", "///a"])
def test_others_may_not(path: str) -> None:
    assert elsewhere.safe_next(path) == "/dashboard"


# -- invitations ---------------------------------------------------------------------------------------------


def test_the_operator_invites(api: Api, statements: Statements) -> None:
    operator = api.as_("operator")
    made = operator.post("/invitations", {"note": "class", "uses_max": 3}).json()
    for _ in range(2):
        operator.post("/invitations", {})
    with statements() as asked:
        page = operator.get("/invitations", params={"limit": 2}).json()
    assert len(asked) == 4  # the session and the page, each with its BEGIN
    rest = operator.get("/invitations", params={"limit": 2, "after": page["next"]}).json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (2, 1, "")
    assert rest["items"][0] == made
    assert operator.delete(f"/invitations/{made['id']}").status_code == 204
    assert operator.delete(f"/invitations/{made['id']}").status_code == 404
    log = api.as_("owner").get("/audit", params={"actor": operator.email, "action": "invitation"})
    revoked, *_, created = log.json()["items"]
    assert (created["action"], created["before"]) == ("invitation.create", None)
    assert created["after"] == revoked["before"]
    assert (created["after"]["note"], revoked["before"]["revoked_ms"]) == ("class", None)
    assert revoked["after"]["revoked_ms"] > 0
    assert made["code"] not in log.text  # it lets people in
