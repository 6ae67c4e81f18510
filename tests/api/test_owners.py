"""The first owner, and who gives roles to whom."""

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import insert, update
from tests.api.conftest import PASSWORD, Api

from posthouse.kernel.clock import now_ms
from posthouse.people import one_time
from posthouse.people.owners import set_role, setup_token
from posthouse.people.roles import Role
from posthouse.store.schema_people import identities, passkeys, profiles
from posthouse.testing.embedded import EmbeddedRelay


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Api]:
    """A relay that has no owner."""
    with EmbeddedRelay(tmp_path, "http://127.0.0.1:1") as relay, Api(relay) as api:
        yield api


def test_the_setup_link_makes_the_first_owner_and_no_other(fresh: Api) -> None:
    visitor = fresh.visitor()
    assert visitor.get("/setup").json() == {"is_needed": True}
    body = {"token": "0" * 64, "email": "ann@example.org", "password": PASSWORD}
    refused = visitor.post("/setup", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "setup_link_wrong")
    body["token"] = setup_token(fresh.relay.box)
    weak = visitor.post("/setup", body | {"password": "aaaaaaaaaaaa"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    made = visitor.post("/setup", body, headers={"accept-language": "zh"})
    assert made.status_code == 201, made.text
    assert made.json()["role"] == "owner"
    assert "roles:write" in made.json()["permissions"]
    assert visitor.get("/profile").json()["language"] == "zh"  # of mails
    assert visitor.get("/setup").json() == {"is_needed": False}
    again = fresh.visitor().post("/setup", body | {"email": "bob@example.org"})
    assert (again.status_code, again.json()["code"]) == (409, "owner_exists")
    assert fresh.visitor().get("/session").json()["account_id"] == ""


def test_nobody_lies_in_wait_on_the_owners_address(fresh: Api) -> None:
    """Somebody has registered with the address that the first owner will have, and left ways to come back."""
    email, now = "ann@example.org", now_ms()
    account_id, _ = fresh.account(email=email)
    lurker = fresh.signed_in(account_id)
    script = fresh.with_token(account_id, "own:read")
    app = pyotp.TOTP((begun := lurker.post("/profile/totp").json())["secret"])
    assert lurker.put("/profile/totp", {"token": begun["token"], "code": app.now()}).is_success
    with fresh.store.begin() as connection:
        mine = update(profiles).where(profiles.c.account_id == account_id)
        connection.execute(mine.values(email_verified_ms=None))
        owned = {"account_id": account_id, "created_ms": now, "name": "x"}
        connection.execute(insert(identities).values(provider="github", subject="7", **owned))
        passkey = {"id": "passkey", "public_key": b"k", "sign_count": 0}
        connection.execute(insert(passkeys).values(**passkey, **owned))
        step = one_time.issue(connection, "second_factor", subject=account_id, now_ms=now, lives_ms=60_000)
    owner = fresh.visitor()
    body = {"token": setup_token(fresh.relay.box), "email": email, "password": PASSWORD}
    made = owner.post("/setup", body)
    assert made.json()["account_id"] == account_id, made.text
    owner.csrf = made.json()["csrf_token"]
    assert lurker.get("/profile").status_code == 401
    assert script.get("/profile").status_code == 401
    lurker.http.cookies.clear()
    lurker.http.cookies.set("posthouse-trip", step)
    assert lurker.post("/sign-in/code", {"code": app.now()}).json()["code"] == "link_spent"
    assert owner.get("/profile/passkeys").json()["items"] == []
    assert owner.get("/profile/identities").json()["items"] == []
    assert owner.get("/profile").json()["has_totp"] is False
    assert fresh.visitor().post("/session", {"email": email, "password": PASSWORD}).status_code == 200


def test_a_frozen_owner_is_none(fresh: Api) -> None:
    owner, other = fresh.as_("owner"), fresh.as_("owner")
    assert owner.patch(f"/admin/members/{other.account_id}", {"status": "frozen"}).status_code == 200
    refused = owner.put(f"/accounts/{owner.account_id}/role", {"role": "member"})
    assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    assert owner.put(f"/accounts/{other.account_id}/role", {"role": "member"}).status_code == 200


def test_there_is_always_an_owner(fresh: Api) -> None:
    owner, other = fresh.as_("owner"), fresh.as_("operator")
    path = f"/accounts/{owner.account_id}/role"
    refused = owner.put(path, {"role": "member"})
    assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    assert owner.put(f"/accounts/{other.account_id}/role", {"role": "owner"}).status_code == 200
    assert other.put(path, {"role": "member"}).status_code == 200
    assert owner.get("/session").json()["role"] == "member"  # at once, in the sessions that there are
    assert owner.get("/audit").status_code == 403


def test_nobody_goes_on_looking_at_who_became_staff(fresh: Api) -> None:
    owner, support, member = fresh.as_("owner"), fresh.as_("support"), fresh.as_("member")
    assert support.post("/session/view", {"account_id": member.account_id}).json()["is_view_only"]
    assert owner.put(f"/accounts/{member.account_id}/role", {"role": "operator"}).status_code == 200
    assert support.get("/profile").json()["account_id"] == support.account_id


def test_nobody_gives_themselves_a_role(api: Api) -> None:
    for role in ("member", "support", "operator"):
        person = api.as_(role)
        refused = person.put(f"/accounts/{person.account_id}/role", {"role": "owner"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert person.get("/session").json()["role"] == role


def test_only_roles_that_there_are_and_accounts_by_their_id(api: Api) -> None:
    owner, member = api.as_("owner"), api.as_("member")
    refused = owner.put(f"/accounts/{member.account_id}/role", {"role": "emperor"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "role"
    assert owner.put(f"/accounts/{member.email}/role", {"role": "support"}).status_code == 404
    assert owner.put("/accounts/acc_nobody/role", {"role": "support"}).status_code == 404


def test_an_account_without_a_profile_can_be_given_a_role(api: Api) -> None:
    api.relay.member("bare@example.org")
    assert set_role(api.store, "bare@example.org", Role.SUPPORT, actor="cli", now_ms=1) is Role.MEMBER
    assert set_role(api.store, "bare@example.org", Role.MEMBER, actor="cli", now_ms=1) is Role.SUPPORT
