"""Whatever is refused is refused in the language that was asked for."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from tests.api.conftest import Api, Browser
from tests.api.routes import Route, document, routes

from posthouse.kernel.problems import problem_table
from posthouse.payments.rules import code_of
from posthouse.store.schema_people import profiles

CHINESE = {"accept-language": "zh-CN"}
# What fields hold that must hold something else: each kind of JSON value, too little, and too much.
WRONG = [None, 5, -1.5, 10**19, "", "x" * 30_000, [None] * 2_000, {"x": 1}]
DEEP = 8  # nothing that is sent has parts within parts within parts more often


def told(answer: httpx.Response) -> Iterator[str]:
    """Each sentence of a problem, by the line."""
    body = answer.json()
    yield body["title"]
    yield from body["detail"].split("\n")
    for one in body.get("errors", ()):
        yield one["message"]


def check_chinese(answer: httpx.Response) -> None:
    assert answer.status_code in (400, 401, 403, 404, 405, 409, 413, 422), answer.text
    unknown = problem_table().fields[""]["zh"]
    for text in told(answer):
        assert re.search("[\u4e00-\u9fff]", text), (answer.request.url, text)
        # Words of code may stand in a sentence: names, amounts, addresses. Words of English don't.
        assert not re.search(r"\b(is|must|has|not|there|this|and|or|the|at least|at most)\b", text), text
        assert not text.endswith(unknown), (answer.request.url, answer.json(), "has no words of its own")


def filled(schema: dict[str, Any], wrong: object, deep: int = 0) -> Any:
    """What the schema asks for, with something wrong in each place where a part ends."""
    if "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for one in schema.get("anyOf", ()):
        if one.get("type") != "null":
            return filled(one, wrong, deep)
    if deep < DEEP and "properties" in schema:
        return {name: filled(one, wrong, deep + 1) for name, one in schema["properties"].items()}
    if deep < DEEP and "items" in schema and schema["items"]:
        return [filled(schema["items"], wrong, deep + 1)]
    return wrong


@pytest.fixture(autouse=True)
def all_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.api.problems.ERRORS_MAX", 10_000)


def body_of(route: Route) -> dict[str, Any] | None:
    content = route.operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("schema")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: repr(one)[:20])
def test_what_a_body_can_not_be_is_told_in_chinese(api: Api, wrong: object) -> None:
    owner = api.as_("owner")
    for route in routes():
        schema = body_of(route)
        if schema is not None:
            body = {**filled(schema, wrong), "no_such_field": 1}  # so that none is taken by chance
            check_chinese(owner.request(route.method, route.filled(), json=body, headers=CHINESE))


@pytest.mark.parametrize("wrong", ["", "-1", "9" * 30, "x" * 3_000])
def test_what_a_query_can_not_be_is_told_in_chinese(api: Api, wrong: str) -> None:
    owner = api.as_("owner")
    for route in routes():
        if route.method != "GET":
            continue
        for one in route.operation.get("parameters", ()):
            if one["in"] == "query":
                answer = owner.get(route.filled(), params={one["name"]: wrong}, headers=CHINESE)
                if answer.status_code >= 400:
                    check_chinese(answer)


MEMBERS = [
    ("post", "/wallet/orders", {"amount": "0.5"}, "invalid_request"),
    ("post", "/wallet/orders", {"amount": "1.001"}, "invalid_request"),
    ("post", "/wallet/orders", {"amount": "99999999"}, "invalid_request"),
    ("post", "/wallet/orders/ord_none/cancel", None, "not_found"),
    ("post", "/wallet/codes", {"code": "abc"}, "code_mistyped"),
    ("post", "/wallet/invoices", {"amount": "1", "title": "a", "email": "a@example.org"}, "not_invoiceable"),
    ("put", "/wallet/low-balance", {"below": "-1"}, "invalid_request"),
    ("get", "/wallet/statements/2026-13", None, "invalid_request"),
    ("post", "/keys", {"expires_ms": 1}, "invalid_request"),
    ("post", "/keys", {"addresses": ["10.0.0.0/99"]}, "invalid_request"),
    ("post", "/keys", {"endpoints": ["chat"]}, "invalid_request"),
    ("post", "/keys", {"models": []}, "invalid_request"),
    ("post", "/keys", {"budget": "-1"}, "invalid_request"),
    ("post", "/keys/key_none/rotate", {"overlap_ms": 0}, "not_found"),
    ("post", "/tokens", {"name": "a", "scopes": ["roles:write"]}, "invalid_request"),
    ("post", "/tokens", {"name": "a", "scopes": ["own:read"], "expires_ms": 1}, "invalid_request"),
    ("patch", "/profile", {"name": "a\u0007"}, "invalid_request"),
    ("post", "/profile/deletion", {"email": "other@example.org"}, "invalid_request"),
    ("put", "/profile/password", {"new": "short"}, "weak_password"),
    ("put", "/profile/password", {"new": "aaaaaaaaaaaa"}, "weak_password"),
    ("post", "/profile/email", {"email": "nobody"}, "not_an_email"),
    ("put", "/profile/totp", {"token": "a", "code": "1"}, "link_spent"),
    ("post", "/profile/totp/recovery-codes", {"code": "1"}, "link_spent"),
    ("post", "/profile/passkeys", {"name": "", "credential": {}}, "invalid_request"),
    ("post", "/profile/passkeys", {"name": "a", "credential": {}}, "link_spent"),
    ("post", "/password/reset", {"token": "a", "password": "a"}, "link_spent"),
    ("post", "/session", {"email": "nobody@example.org", "password": "a"}, "wrong_password"),
    ("post", "/register", {"email": "ann@example.org", "password": "a"}, "proof_missing"),
    ("post", "/tickets", {"subject": "a\u0007", "text": "a"}, "invalid_request"),
    ("post", "/setup", {"token": "a", "email": "a@example.org", "password": "a"}, "setup_link_wrong"),
    ("get", "/usage", {"after": "x"}, "invalid_request"),
]
OPERATORS = [
    ("post", "/transfers/credit", {"account": "nobody", "amount": "1", "reason": "a"}, "not_found"),
    ("post", "/transfers/debit", {"account": "{member}", "amount": "1", "reason": "a"}, "insufficient_funds"),
    ("post", "/transfers/credit", {"account": "{member}", "amount": "0", "reason": "a"}, "invalid_request"),
    ("post", "/transfers/credit", {"account": "{member}", "amount": "9e9", "reason": "a"}, "invalid_request"),
    (
        "post",
        "/transfers/credit",
        {"account": "{member}", "amount": "1", "reason": "a", "idempotency_key": "order:ord_1"},
        "invalid_request",
    ),
    ("post", "/codes", {"name": "a", "amount": "0", "count": 1}, "invalid_request"),
    ("post", "/codes", {"name": "a", "amount": "1", "count": 1, "expires_ms": 1}, "invalid_request"),
    ("post", "/codes/bat_none/withdraw", None, "not_found"),
    ("post", "/invitations", {"expires_ms": 1}, "invalid_request"),
    ("patch", "/admin/members/{member}", {"plan": "gold"}, "invalid_request"),
    ("patch", "/admin/members/{self}", {"plan": "paid"}, "above_you"),
    ("put", "/accounts/{self}/role", {"role": "member"}, "last_owner"),
    ("post", "/profile/deletion", {"email": "{email}"}, "last_owner"),
    ("post", "/admin/announcements", {"text_en": "a"}, "invalid_request"),
    ("post", "/admin/announcements", {"title_en": "a", "from_ms": 5, "until_ms": 4}, "invalid_request"),
    ("put", "/settings/logo", None, "invalid_request"),
    ("put", "/channels/none/state", {"state": "disabled"}, "not_found"),
    ("put", "/channels/main/state", {"state": "draining", "credential": "default"}, "invalid_request"),
    ("put", "/channels/main/state", {"state": "disabled", "credential": "b"}, "invalid_configuration"),
    ("put", "/channels/main/credentials/b b", {"secret": "a"}, "invalid_configuration"),
    ("put", "/channels/main/credentials/b", {}, "invalid_configuration"),
    ("put", "/channels/main/credentials/b", {"secret": "\u00e4"}, "invalid_request"),
    ("delete", "/channels/main/credentials/b", None, "invalid_configuration"),
    ("post", "/price-import", {"names": ["openai/gpt-4oo"]}, "invalid_configuration"),
    ("post", "/price-import", {"names": [], "multiplier": "x"}, "invalid_request"),
    ("put", "/families/f", {"version": "x", "definition": {}}, "changed_meanwhile"),
]


FILES = [
    "a =",
    "[plans",
    "a = 'b",
    "a = [",
    "a = nothing",
    "a = 1\na = 2",
    "a = 1 b = 2",
    "plans = 3",
    "[plan.p]\nkind = 'paid'",
    "[plans.p]\nkind = 'payed'",
    "[plans.p]\nkind = 'paid'\nmodles = ['x']",
    "[plans.p]\nkind = 'paid'\nmodels = 7",
    "[plans.p]\nstreaming = true",
    "[plans.p]\nkind = 'paid'\nmultiplier = 'x'\n[[plans.p.limits]]\nwindow = '1 hr'\nrequests = -1",
    "[operator]\ntimezone = 'Asia/Shanghi'",
    "[operator]\ndefault_plan = 'gold'\ntopup_plan = 'pad'",
    "[models.m]\nfamily = 'f'\nlist = 'openai/gpt-4oo'",
    "[models.m]\nprice = { input = '1e-10' }",
    "[channels.c]\npreset = 'opnai'",
    "[channels.c]\nbase_url = 'ftp://a'",
    "[channels.c]\nbase_url = 'http://a'\nheaders = { Host = 'b' }",
    "[channels.c]\nbase_url = '${NOWHERE}'",
    "[site]\npublic_url = 'https://a.org/b'\nname = '\\u0007'",
    "[site.sign_in]\npassword = false\npasskeys = false",
]


def placed(value: Any, **names: str) -> Any:
    """The value with each {name} in its texts replaced."""
    if isinstance(value, dict):
        return {key: placed(one, **names) for key, one in value.items()}
    return value.format(**names) if isinstance(value, str) else value


def check_all(browser: Browser, cases: list[tuple[str, str, Any, str]], **names: str) -> None:
    for method, path, body, code in cases:
        sent = {} if body is None else {"params" if method == "get" else "json": placed(body, **names)}
        answer = browser.request(method.upper(), placed(path, **names), headers=CHINESE, **sent)
        assert answer.status_code >= 400, (method, path, answer.text)
        assert answer.json()["code"] == code, (method, path, answer.text)
        check_chinese(answer)


def test_what_members_can_not_do_is_told_in_chinese(api: Api) -> None:
    check_all(api.as_(), MEMBERS)


def test_what_operators_can_not_do_is_told_in_chinese(api: Api) -> None:
    with api.store.begin() as connection:  # so that the next is the last
        connection.execute(update(profiles).where(profiles.c.role == "owner").values(role="member"))
    owner, member = api.as_("owner"), api.as_()
    check_all(owner, OPERATORS, member=member.account_id, self=owner.account_id, email=owner.email)


@pytest.mark.parametrize("toml", FILES)
def test_what_a_file_can_not_say_is_told_in_chinese(api: Api, toml: str) -> None:
    answer = api.as_("owner").post("/configuration", {"toml": toml}, headers=CHINESE)
    assert answer.json()["code"] == "invalid_configuration"
    check_chinese(answer)


def test_codes_that_bring_nothing_are_told_in_chinese(api: Api) -> None:
    operator, member, other = api.as_("operator"), api.as_(), api.as_()

    def batch(**more: Any) -> Any:
        return operator.post("/codes", {"name": "a", "amount": "1", "count": 2, **more}).json()

    def refused(who: Browser, code: str) -> str:
        answer = who.post("/wallet/codes", {"code": code}, headers=CHINESE)
        check_chinese(answer)
        return str(answer.json()["code"])

    first, second = batch(per_account_max=1)["codes"]
    assert member.post("/wallet/codes", {"code": first}).status_code == 200
    assert [refused(member, first), refused(other, first)] == ["code_used_by_you", "code_used"]
    assert refused(member, second) == "code_limit"
    gone = batch()
    assert operator.post(f"/codes/{gone['batch']['id']}/withdraw").status_code == 200
    assert refused(member, gone["codes"][0]) == "code_expired"
    assert refused(member, code_of(7)) == "code_unknown"
