"""Personal access tokens."""

from sqlalchemy import update
from tests.api.conftest import Api

from posthouse.kernel.clock import now_ms
from posthouse.people import tokens
from posthouse.store.schema_people import access_tokens

BODY = {"name": "nightly report", "scopes": ["own:read"]}


def test_a_token_is_shown_once_and_works_until_it_is_deleted(api: Api) -> None:
    member, stranger = api.as_("member"), api.as_("member")
    made = member.post("/tokens", BODY)
    assert made.status_code == 201, made.text
    token, token_id = made.json()["token"], made.json()["id"]
    listed = member.get("/tokens")
    assert token not in listed.text
    assert [one["hint"] for one in listed.json()["items"]] == [f"pht_…{token[-4:]}"]
    assert stranger.get("/tokens").json()["items"] == []
    script = api.visitor()
    script.http.headers["authorization"] = f"Bearer {token}"
    session = script.get("/session").json()
    assert session["account_id"] == member.account_id
    assert session["permissions"] == ["own:read"]
    assert session["csrf_token"] == ""
    assert member.get("/tokens").json()["items"][0]["used_ms"] is not None
    assert stranger.delete(f"/tokens/{token_id}").status_code == 404
    assert member.delete(f"/tokens/{token_id}").status_code == 204
    assert script.get("/session").status_code == 401
    log = api.as_("operator").get("/audit", params={"subject": f"token:{token_id}"})
    deleted, created = log.json()["items"]
    assert deleted["before"] == created["after"] == BODY | {"expires_ms": None}
    assert token not in log.text


def test_nobody_gives_a_token_more_than_they_may(api: Api) -> None:
    member = api.as_("member")
    for scope in ("members:read", "own:security"):
        refused = member.post("/tokens", BODY | {"scopes": ["own:read", scope]})
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert error == {"field": "scopes", "message": f"has scopes that you can't give: {scope}"}
    assert member.post("/tokens", BODY | {"scopes": []}).status_code == 422
    assert "own:security" not in member.get("/tokens").json()["grantable"]


def test_a_token_loses_what_its_owners_role_loses(api: Api) -> None:
    owner, operator = api.as_("owner"), api.as_("operator")
    made = operator.post("/tokens", BODY | {"scopes": ["audit:read"]}).json()
    script = api.visitor()
    script.http.headers["authorization"] = f"Bearer {made['token']}"
    assert script.get("/audit").status_code == 200
    owner.put(f"/accounts/{operator.account_id}/role", {"role": "member"})
    assert script.get("/audit").status_code == 403


def test_a_token_expires(api: Api) -> None:
    member = api.as_("member")
    assert member.post("/tokens", BODY | {"expires_ms": now_ms() - 1}).status_code == 422
    made = member.post("/tokens", BODY | {"expires_ms": now_ms() + 60_000}).json()
    script = api.visitor()
    script.http.headers["authorization"] = f"Bearer {made['token']}"
    assert script.get("/session").status_code == 200
    with api.store.begin() as connection:
        one = access_tokens.c.id == made["id"]
        connection.execute(update(access_tokens).where(one).values(expires_ms=now_ms()))
    assert script.get("/session").status_code == 401


def test_what_is_no_token_is_refused_even_where_anybody_may_ask(api: Api) -> None:
    member = api.as_("member")
    for header in ("Bearer", "Bearer pht_rubbish", "Basic YTpi", "Bearer " + "x" * 5000):
        assert member.get("/session", headers={"authorization": header}).status_code == 401, header


def test_an_account_has_so_many_tokens_and_no_more(api: Api) -> None:
    member = api.as_("member")
    for n in range(tokens.TOKENS_MAX):
        tokens.create_token(
            api.store,
            member.account_id,
            name=str(n),
            scopes=("own:read",),
            expires_ms=None,
            actor="cli",
            now_ms=1,
        )
    assert member.post("/tokens", BODY).status_code == 409
