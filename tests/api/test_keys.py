"""A member's own keys over the API."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.api.conftest import Api, Browser, Statements

from posthouse.accounts import service
from posthouse.accounts.queries import find_entry
from posthouse.kernel.clock import now_ms
from posthouse.kernel.secrets import hash_key
from posthouse.ledger.transfers import credit

DAY_MS = 86_400_000


@pytest.fixture
def member(api: Api) -> Browser:
    """On a plan that allows many keys."""
    member = api.as_("member")
    credit(api.store, member.account_id, 10**10, kind="topup", reason="for tests")
    service.set_plan(api.store, member.account_id, "paid")
    return member


def made(browser: Browser, **fields: Any) -> dict[str, Any]:
    answer = browser.post("/keys", fields)
    assert answer.status_code == 201, answer.text
    new = answer.json()
    (key,) = (one for one in browser.get("/keys").json()["items"] if one["id"] == new["id"])
    return {**key, "key": new["key"]}


def test_a_key_is_made_and_shown_once(api: Api, member: Browser) -> None:
    key = made(member, name="laptop", budget="2.5", budget_period="day", models=["gpt-4o-mini"])
    assert key["hint"].endswith(key["key"][-4:])
    assert key["key"] not in member.get("/keys").text
    shown = member.get(f"/keys/{key['id']}").json()
    assert shown == {name: value for name, value in key.items() if name != "key"}
    assert (shown["name"], shown["status"], shown["spent"]) == ("laptop", "active", "0.00")
    assert (shown["budget"], shown["budget_period"], shown["budget_spent"]) == ("2.50", "day", "0.00")
    assert now_ms() < shown["budget_resets_ms"] <= now_ms() + 26 * 3_600_000
    assert (shown["models"], shown["endpoints"], shown["expires_ms"]) == (["gpt-4o-mini"], None, None)
    entry = find_entry(api.store, hash_key(key["key"].encode()))
    assert entry is not None
    assert entry.account_id == member.account_id


def test_a_change_changes_what_it_names_alone(member: Browser) -> None:
    key = made(member, name="laptop", budget="2", models=["gpt-4o-mini"])
    changed = member.patch(f"/keys/{key['id']}", {"name": "desk"}).json()
    assert (changed["name"], changed["budget"], changed["models"]) == ("desk", "2.00", ["gpt-4o-mini"])
    lifted = member.patch(f"/keys/{key['id']}", {"budget": None, "models": None, "addresses": ["10.1.2.3/8"]})
    assert lifted.json()["addresses"] == ["10.0.0.0/8"]
    assert (lifted.json()["budget"], lifted.json()["models"]) == (None, None)
    assert member.patch(f"/keys/{key['id']}", {}).json() == lifted.json()


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"budget": "-1"}, "budget"),
        ({"budget": 1}, "budget"),
        ({"budget_period": "week"}, "budget_period"),
        ({"expires_ms": 1}, "expires_ms"),
        ({"addresses": ["nowhere"]}, "addresses.0"),
        ({"endpoints": ["chat"]}, "endpoints.0"),
        ({"models": []}, "models"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\tb"}, "name"),
        ({"account_id": "acc_x"}, "account_id"),
        ({"status": "revoked"}, "status"),
    ],
)
def test_what_a_key_can_not_be(member: Browser, fields: dict[str, Any], at_fault: str) -> None:
    answer = member.post("/keys", fields)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [at_fault]


def test_a_rotated_key_keeps_its_id_and_the_old_one_works_on(api: Api, member: Browser) -> None:
    key = made(member, name="laptop")
    answer = member.post(f"/keys/{key['id']}/rotate", {"overlap_ms": DAY_MS})
    new = answer.json()
    assert (answer.status_code, new["id"]) == (200, key["id"])
    assert new["key"] != key["key"]
    shown = member.get(f"/keys/{key['id']}").json()
    assert shown["hint"].endswith(new["key"][-4:])
    assert abs(shown["old_until_ms"] - now_ms() - DAY_MS) < 60_000
    for text in (key["key"], new["key"]):
        entry = find_entry(api.store, hash_key(text.encode()))
        assert entry is not None
        assert entry.key_id == key["id"]
    assert member.post(f"/keys/{key['id']}/rotate", {"overlap_ms": 31 * DAY_MS}).status_code == 422


def test_a_key_is_frozen_unfrozen_and_deleted(api: Api, member: Browser) -> None:
    path = f"/keys/{made(member)['id']}"
    assert member.post(f"{path}/freeze").json()["status"] == "frozen"
    assert member.post(f"{path}/unfreeze").json()["status"] == "active"
    service.freeze_key(api.store, path.removeprefix("/keys/"), actor="acc_operator")
    held = member.post(f"{path}/unfreeze")
    assert (held.status_code, held.json()["code"]) == (409, "key_held")
    assert member.delete(path).status_code == 204
    assert member.get(path).status_code == member.delete(path).status_code == 404
    assert path.removeprefix("/keys/") not in member.get("/keys").text


def test_a_free_account_has_one_key(api: Api) -> None:
    """And a new one does not renew its quota."""
    member = api.as_("member")
    service.set_plan(api.store, member.account_id, "free")
    key = made(member)
    for _ in range(2):
        answer = member.post("/keys", {})
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_keys")
        member.delete(f"/keys/{key['id']}")


ON_ONE: dict[str, Callable[[Browser, str], Any]] = {
    "show": lambda browser, path: browser.get(path),
    "change": lambda browser, path: browser.patch(path, {"name": "mine now"}),
    "rotate": lambda browser, path: browser.post(f"{path}/rotate", {}),
    "freeze": lambda browser, path: browser.post(f"{path}/freeze"),
    "unfreeze": lambda browser, path: browser.post(f"{path}/unfreeze"),
    "delete": lambda browser, path: browser.delete(path),
}


@pytest.mark.parametrize("does", ON_ONE)
@pytest.mark.parametrize("role", ["member", "owner"])
def test_nobody_elses_key_is_there(api: Api, member: Browser, role: str, does: str) -> None:
    """Not to the owner either: these are one's own. And the playground's key is in nobody's hands."""
    key = made(member, name="laptop")
    hidden = service.issue_playground_key(api.store, member.account_id, lifetime_ms=1000)
    stranger = api.as_(role)
    assert ON_ONE[does](stranger, f"/keys/{key['id']}").status_code == 404
    assert ON_ONE[does](member, f"/keys/{hidden.id}").status_code == 404
    assert member.get(f"/keys/{key['id']}").json()["name"] == "laptop"


def test_a_list_costs_the_same_however_many_keys(api: Api, member: Browser, statements: Statements) -> None:
    counts = []
    for number in range(2):
        for _ in range(1 + 4 * number):
            made(member, budget="1", budget_period="day")
        with statements() as asked:
            member.get("/keys")
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 10
