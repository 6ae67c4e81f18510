"""The log of changes, as the operator reads it."""

import pytest
from tests.api.conftest import Api, Statements

from posthouse.accounts.service import freeze_account, set_plan, unfreeze_account
from posthouse.kernel.secrets import SecretText
from posthouse.store.audit import note


def test_who_changed_what_and_how_it_was(api: Api) -> None:
    operator, member = api.as_("operator"), api.as_("member")
    freeze_account(api.store, member.account_id, actor=operator.account_id)
    unfreeze_account(api.store, member.account_id)
    set_plan(api.store, member.account_id, "paid")  # which it is on: no change
    log = operator.get("/audit", params={"subject": f"account:{member.account_id}"}).json()
    thawed, frozen, made = log["items"]
    assert (frozen["action"], frozen["actor"]) == ("account.freeze", operator.account_id)
    assert frozen["actor_email"] == operator.email
    assert frozen["before"] == {"plan": "paid", "status": "active"}
    assert frozen["after"] == {"plan": "paid", "status": "frozen"}
    assert (thawed["action"], thawed["actor"], thawed["actor_email"]) == ("account.unfreeze", "cli", "")
    assert (made["action"], made["before"]) == ("account.create", None)
    assert member.email not in str(log)  # it has to be forgotten with the account
    assert operator.get("/audit", params={"subject": member.email.upper()}).json() == log
    freeze_account(api.store, member.account_id, actor=f"{operator.account_id}/tok_1")
    by_token, by_hand = operator.get("/audit", params={"actor": operator.email, "action": "account"}).json()[
        "items"
    ]
    assert (by_token["actor"], by_hand) == (f"{operator.account_id}/tok_1", frozen)
    assert operator.get("/audit", params={"actor": "nobody@example.org"}).json()["items"] == []


def test_pages_and_filters(api: Api, statements: Statements) -> None:
    operator = api.as_("operator")
    with api.store.begin() as connection:
        for n in range(7):
            action = "thing.make" if n % 2 else "thing.break"
            note(connection, actor="cli", action=action, subject=f"thing:{n}", at_ms=1_000 + n)
    asked = {"action": "thing", "limit": 3}
    subjects, after = [], ""
    for _ in range(3):
        page = operator.get("/audit", params=asked | {"after": after}).json()
        subjects += [one["subject"] for one in page["items"]]
        after = page["next"]
    assert subjects == [f"thing:{n}" for n in reversed(range(7))]
    assert after == ""
    for filters, expected in (
        ({"action": "thing.make"}, 3),
        ({"action": "thing.make", "from_ms": 1_004}, 1),
        ({"action": "thing", "to_ms": 1_002}, 2),
        ({"action": "thing", "from_ms": 1_002, "to_ms": 1_004}, 2),
        ({"action": "thing", "to_ms": 999}, 0),
        ({"action": "thin"}, 0),
        ({"subject": "thing:3"}, 1),
        ({"actor": "nobody"}, 0),
    ):
        found = operator.get("/audit", params=filters).json()["items"]
        assert len(found) == expected, filters
    with statements() as made:
        operator.get("/audit", params=asked)
    assert [one.split()[0] for one in made] == ["BEGIN", "SELECT"] * 3  # who asks, the page, the emails


@pytest.mark.parametrize("after", ["rubbish", "!!", "WyJ4Il0", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTld", "W10"])
def test_what_no_list_gave_is_no_cursor(api: Api, after: str) -> None:
    answer = api.as_("operator").get("/audit", params={"after": after})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "after"


def test_no_secret_can_be_noted(api: Api) -> None:
    with pytest.raises(TypeError), api.store.begin() as connection:
        note(connection, actor="cli", action="a.b", subject="c", after=SecretText("sk-canary"), at_ms=1)
