"""What is somebody else's is not there: every route of members that names an object, asked by a stranger with
somebody's ids. Whoever adds such a route is told here to say how one is made."""

from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import insert
from tests.api.conftest import Api, Browser
from tests.api.routes import Route, routes

from posthouse.api.permissions import ROLE_PERMISSIONS, Role
from posthouse.kernel.clock import now_ms
from posthouse.store.schema_people import identities, passkeys

# Parameters that name nobody's object.
NOT_IDS = {"month"}
# What must be in a body for it to be looked at.
BODIES: dict[str, dict[str, Any]] = {"reply_to_ticket": {"text": "Hello?"}}
_numbers = count(1)


def member_routes() -> list[Route]:
    may = {str(permission) for permission in ROLE_PERMISSIONS[Role.MEMBER]}
    return [one for one in routes() if one.permission in may and set(one.parameters) - NOT_IDS]


def belongings(api: Api, member: Browser) -> dict[str, str]:
    """One of each thing that a member can have, by the parameter that names it."""
    number = next(_numbers)
    made = member.post("/keys", {"name": "laptop"}).json()
    api.relay.credit(member.email, "1")
    call = httpx.post(
        f"{api.relay.base_url}/chat/completions",
        json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]},
        headers={"authorization": f"Bearer {made['key']}"},
    )
    assert call.status_code == 200, call.text
    with api.store.begin() as connection:
        owned = {"account_id": member.account_id, "created_ms": now_ms(), "name": "x"}
        connection.execute(insert(identities).values(provider="github", subject=str(number), **owned))
        passkey = {"id": f"passkey{number}", "public_key": b"k", "sign_count": 0}
        connection.execute(insert(passkeys).values(**passkey, **owned))
    sessions = member.get("/sessions").json()["items"]
    return {
        "key_id": made["id"],
        "request_id": call.headers["x-posthouse-request-id"],
        "order_id": member.post("/wallet/orders", {"amount": "5"}).json()["id"],
        "ticket_id": member.post("/tickets", {"subject": "Why", "text": "is it so?"}).json()["id"],
        "token_id": member.post("/tokens", {"name": "script", "scopes": ["own:read"]}).json()["id"],
        "session_id": next(one["id"] for one in sessions if one["is_current"]),
        "passkey_id": f"passkey{number}",
        "provider": "github",
        "subject": str(number),
    }


@pytest.mark.parametrize("route", member_routes(), ids=str)
def test_a_strangers_things_are_not_there(api: Api, route: Route) -> None:
    owner, stranger = api.as_("member"), api.as_("member")
    things = belongings(api, owner)
    assert set(route.parameters) - NOT_IDS <= set(things), "say above how one is made"
    path, body = route.filled(**things), BODIES.get(route.name, {})
    json = body if "requestBody" in route.operation else None
    refused = stranger.request(route.method, path, json=json)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    missing = stranger.request(route.method, route.filled(), json=json)
    assert missing.status_code == 404
    assert refused.json() == missing.json()  # nor can one tell that it is somebody else's
    assert owner.request(route.method, path, json=json).status_code not in (403, 404)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/usage", lambda answer: len(answer.json()["items"])),
        ("/usage/export", lambda answer: len(answer.text.splitlines()) - 1),
        ("/usage/series", lambda answer: answer.json()["total"]["requests"]),
    ],
    ids=["list", "export", "series"],
)
def test_filters_show_nothing_of_a_strangers(
    api: Api, path: str, found: Callable[[httpx.Response], int]
) -> None:
    owner, stranger = api.as_("member"), api.as_("member")
    key_id = belongings(api, owner)["key_id"]
    span = {"from_ms": now_ms() - 3_600_000, "to_ms": now_ms() + 60_000}
    own, others = (one.get(path, params={"key_id": key_id, **span}) for one in (owner, stranger))
    assert found(own) == 1
    assert found(others) == 0


def test_staff_of_one_rank_cannot_touch_each_other(api: Api) -> None:
    """Else whoever runs the desk could take the place of whoever owns the house."""
    operator, colleague, owner = api.as_("operator"), api.as_("operator"), api.as_("owner")
    for other in (colleague, owner):
        answer = operator.patch(f"/admin/members/{other.account_id}", {"status": "frozen"})
        assert 400 <= answer.status_code < 500
        assert other.get("/session").json()["status"] == "active"
        view = operator.post("/session/view", {"account_id": other.account_id})
        assert view.status_code == 404
    frozen = operator.post("/admin/abuse/freeze", {"account_ids": [owner.account_id], "reason": "test"})
    assert frozen.status_code < 500
    assert owner.get("/session").json()["status"] == "active"
