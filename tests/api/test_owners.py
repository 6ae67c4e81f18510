"""The first owner, and who gives roles to whom."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.conftest import PASSWORD, Api

from posthouse.people.owners import set_role, setup_token
from posthouse.people.roles import Role
from posthouse.testing.embedded import EmbeddedRelay


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Api]:
    """A relay that has no owner."""
    with EmbeddedRelay(tmp_path, "http://127.0.0.1:1") as relay:
        api = Api(relay)
        yield api
        for browser in api.browsers:
            browser.http.close()


def test_the_setup_link_makes_the_first_owner_and_no_other(fresh: Api) -> None:
    visitor = fresh.visitor()
    assert visitor.get("/setup").json() == {"is_needed": True}
    body = {"token": "0" * 64, "email": "ann@example.org", "password": PASSWORD}
    refused = visitor.post("/setup", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "setup_link_wrong")
    body["token"] = setup_token(fresh.relay.box)
    weak = visitor.post("/setup", body | {"password": "aaaaaaaaaaaa"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    made = visitor.post("/setup", body)
    assert made.status_code == 201, made.text
    assert made.json()["role"] == "owner"
    assert "roles:write" in made.json()["permissions"]
    assert visitor.get("/setup").json() == {"is_needed": False}
    again = fresh.visitor().post("/setup", body | {"email": "bob@example.org"})
    assert (again.status_code, again.json()["code"]) == (409, "owner_exists")
    assert fresh.visitor().get("/session").json()["account_id"] == ""


def test_there_is_always_an_owner(fresh: Api) -> None:
    owner, other = fresh.as_("owner"), fresh.as_("operator")
    path = f"/accounts/{owner.account_id}/role"
    refused = owner.put(path, {"role": "member"})
    assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    assert owner.put(f"/accounts/{other.account_id}/role", {"role": "owner"}).status_code == 200
    assert other.put(path, {"role": "member"}).status_code == 200
    assert owner.get("/session").json()["role"] == "member"  # at once, in the sessions that there are
    assert owner.get("/audit").status_code == 403


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
