"""Signing in with a password, sessions, and looking at a member's pages."""

from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select, update
from tests.api.conftest import COOKIE, PASSWORD, Api, Browser, Statements

from posthouse.accounts.service import freeze_account
from posthouse.kernel.clock import now_ms
from posthouse.people import passwords, signing_in
from posthouse.people import sessions as rules
from posthouse.store.schema_people import profiles, sessions


def sign_in(browser: Browser, email: str, password: str = PASSWORD, **options: Any) -> httpx.Response:
    return browser.post("/session", {"email": email, "password": password}, **options)


def age(api: Api, account_id: str, **columns: int) -> None:
    """Set columns of the account's sessions."""
    with api.store.begin() as connection:
        connection.execute(update(sessions).where(sessions.c.account_id == account_id).values(columns))


def test_nobody_is_signed_in(api: Api) -> None:
    answer = api.visitor().get("/session")
    assert answer.status_code == 200
    assert answer.json()["account_id"] == ""
    assert answer.json()["permissions"] == []


def test_a_password_signs_in_and_the_csrf_token_comes_with_it(api: Api) -> None:
    account_id, email = api.account(password=PASSWORD)
    visitor = api.visitor()
    answer = sign_in(visitor, f" {email.upper()} ")
    assert answer.status_code == 200, answer.text
    assert answer.json()["account_id"] == account_id
    assert visitor.get("/session").json() == answer.json()
    assert visitor.delete("/session").status_code == 403  # without the token
    visitor.csrf = answer.json()["csrf_token"]
    assert visitor.delete("/session").status_code == 204
    assert visitor.get("/session").json()["account_id"] == ""
    assert COOKIE not in visitor.http.cookies


def test_no_script_reads_the_cookie_and_no_other_site_sends_it(api: Api) -> None:
    _, email = api.account(password=PASSWORD)
    cookie = sign_in(api.visitor(), email).headers["set-cookie"].lower()
    assert cookie.startswith("posthouse=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "domain" not in cookie
    assert "secure" not in cookie  # over http; who runs a public site has https before it: see test_https.py


def test_a_session_that_was_slipped_in_is_not_the_one_that_is_signed_in(api: Api) -> None:
    """Session fixation: who plants a cookie before the victim signs in holds nothing after it."""
    attacker_id, _ = api.account()
    victim_id, email = api.account(password=PASSWORD)
    attacker = api.signed_in(attacker_id)
    planted = attacker.http.cookies[COOKIE]
    for slipped in (planted, "chosen-by-the-attacker"):
        victim = api.visitor()
        victim.http.cookies.set(COOKIE, slipped)
        assert sign_in(victim, email).json()["account_id"] == victim_id
        fresh = [one.value for one in victim.http.cookies.jar if one.value != slipped]
        assert len(fresh) == 1
        thief = api.visitor()
        thief.http.cookies.set(COOKIE, slipped)
        assert thief.get("/session").json()["account_id"] == ""


def test_nobody_can_tell_who_has_an_account(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer, and the same work, for a wrong password, an unknown email, and none to have."""
    _, email = api.account(password=PASSWORD)
    _, without_password = api.account()
    hashed: list[str] = []
    verify = passwords.is_password

    def counting(stored: str | None, password: str) -> bool:
        hashed.append(password)
        return verify(stored, password)

    monkeypatch.setattr(passwords, "is_password", counting)
    answers = [
        sign_in(api.visitor(), one, "wrong " + PASSWORD)
        for one in (email, without_password, "nobody@example.org", "no address")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert len(hashed) == 4
    assert len({frozenset(answer.headers) for answer in answers}) == 1


def test_passwords_can_not_be_tried_through(api: Api) -> None:
    _, email = api.account(password=PASSWORD)
    visitor = api.visitor()
    statuses = [
        sign_in(visitor, email, f"guess number {n}").status_code for n in range(signing_in.HERE.tries + 1)
    ]
    assert statuses == [401] * signing_in.HERE.tries + [429]
    answer = sign_in(visitor, email)
    assert answer.status_code == 429  # not even the right one, or the answer would tell it
    assert 1 <= int(answer.headers["retry-after"]) <= 120
    assert answer.json()["code"] == "too_many_tries"
    _, other = api.account(password=PASSWORD)
    assert sign_in(api.visitor(), other).status_code == 200  # others behind the address still can


def test_an_address_can_not_try_one_password_on_everybody(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    few = msgspec.structs.replace(signing_in.ADDRESS, name="few", tries=4)
    monkeypatch.setattr(signing_in, "ADDRESS", few)
    visitor = api.visitor()
    statuses = [sign_in(visitor, f"somebody{n}@example.org").status_code for n in range(few.tries + 1)]
    assert statuses == [401] * few.tries + [429]


def test_the_right_password_forgives_the_wrong_ones(api: Api) -> None:
    _, email = api.account(password=PASSWORD)
    visitor = api.visitor()
    for _ in range(2):
        for n in range(signing_in.HERE.tries - 1):
            assert sign_in(visitor, email, f"guess number {n}").status_code == 401
        assert sign_in(visitor, email).status_code == 200


def test_a_session_ends_unused_or_old(api: Api) -> None:
    member = api.as_("member")
    age(api, member.account_id, seen_ms=now_ms() - rules.SESSION_IDLE_MS + 60_000)
    assert member.get("/session").json()["account_id"] == member.account_id
    age(api, member.account_id, seen_ms=now_ms() - rules.SESSION_IDLE_MS)
    assert member.get("/session").json()["account_id"] == ""
    member = api.as_("member")
    age(api, member.account_id, expires_ms=now_ms())
    assert member.get("/session").json()["account_id"] == ""


def test_sessions_are_listed_and_ended(api: Api) -> None:
    member = api.as_("member")
    elsewhere = api.signed_in(member.account_id)
    stranger = api.as_("member")
    items = member.get("/sessions").json()["items"]
    assert [one["is_current"] for one in items].count(True) == 1
    assert {one["address"] for one in items} == {"127.0.0.…"}
    other = next(one["id"] for one in items if not one["is_current"])
    assert stranger.delete(f"/sessions/{other}").status_code == 404
    assert elsewhere.get("/session").json()["account_id"] == member.account_id
    assert member.delete(f"/sessions/{other}").status_code == 204
    assert elsewhere.get("/session").json()["account_id"] == ""
    api.signed_in(member.account_id)
    assert member.delete("/sessions").status_code == 204
    assert [one["is_current"] for one in member.get("/sessions").json()["items"]] == [True]
    assert stranger.get("/session").json()["account_id"] == stranger.account_id


def test_the_oldest_session_ends_for_a_new_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "SESSIONS_MAX", 3)
    first = api.as_("member")
    age(api, first.account_id, seen_ms=now_ms() - 1000)
    for _ in range(rules.SESSIONS_MAX):
        api.signed_in(first.account_id)
    with api.store.read() as connection:
        query = select(sessions.c.id).where(sessions.c.account_id == first.account_id)
        assert len(connection.execute(query).all()) == rules.SESSIONS_MAX
    assert first.get("/session").json()["account_id"] == ""


def test_frozen_staff_is_staff_no_longer(api: Api) -> None:
    operator = api.as_("operator")
    assert operator.get("/audit").status_code == 200
    freeze_account(api.store, operator.account_id)
    assert operator.get("/audit").status_code == 403
    assert operator.get("/session").json()["status"] == "frozen"  # and still sees why nothing works


def test_looking_at_a_members_pages(api: Api) -> None:
    support, member, colleague = api.as_("support"), api.as_("member"), api.as_("support")
    for nobody in (colleague.account_id, "acc_nobody", member.email):
        assert support.post("/session/view", {"account_id": nobody}).status_code == 404
    member.post("/keys", {"name": "laptop"})
    seen = support.post("/session/view", {"account_id": member.account_id}).json()
    assert seen["account_id"] == member.account_id
    assert seen["is_view_only"] is True
    assert seen["permissions"] == ["own:read"]
    assert support.get("/session").json() == seen
    for path in ("/keys", "/wallet", "/profile"):
        assert support.get(path).json() == member.get(path).json()
    assert support.get("/sessions").status_code == 403  # which are nobody else's to see
    assert support.delete("/session/view").json()["account_id"] == support.account_id
    log = api.as_("operator").get("/audit", params={"subject": f"account:{member.account_id}"}).json()
    assert [(one["action"], one["actor"]) for one in log["items"][:2]] == [
        ("account.view_end", support.account_id),
        ("account.view", support.account_id),
    ]


def test_who_is_staff_no_longer_looks_no_longer(api: Api) -> None:
    support, member = api.as_("support"), api.as_("member")
    support.post("/session/view", {"account_id": member.account_id})
    with api.store.begin() as connection:
        mine = profiles.c.account_id == support.account_id
        connection.execute(update(profiles).where(mine).values(role="member"))
    assert support.get("/session").json()["account_id"] == support.account_id


def test_who_is_signed_in_costs_two_reads(api: Api, statements: Statements) -> None:
    member = api.as_("member")
    member.get("/session")
    with statements() as asked:
        member.get("/session")
    assert [one.split()[0] for one in asked] == ["BEGIN", "SELECT", "BEGIN", "SELECT"]
