"""What holds for every request: errors in one form and both languages, bounds, headers, https."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.api.conftest import PASSWORD, Api
from tests.api.routes import document

from posthouse.api import app
from posthouse.api.problems import MEDIA_TYPE
from posthouse.api.values import Body, MoneyIn, cursor, cut
from posthouse.store.errors import StoreDown
from posthouse.testing.embedded import EmbeddedRelay


def test_a_problem_is_told_in_the_callers_language(api: Api) -> None:
    visitor = api.visitor()
    english, chinese = (
        visitor.get("/audit", headers={"accept-language": language})
        for language in ("en-GB", "zh-CN,en;q=0.5")
    )
    assert english.headers["content-type"] == MEDIA_TYPE
    assert english.json()["title"] == "Not signed in"
    assert english.json()["type"] == "urn:posthouse:problem:not_signed_in"
    assert chinese.json()["title"] == "尚未登录"
    assert chinese.headers["content-language"] == "zh"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nothing", "GET", 404),
        ("/audit/", "GET", 404),
        ("/audit", "TRACE", 405),
        ("/session%00", "GET", 404),
    ],
)
def test_what_is_not_there_is_a_problem_too(api: Api, path: str, method: str, status: int) -> None:
    answer = api.visitor().request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "path", ["//example.com/", "/%2f%2fexample.com", "/\\example.com", "/session//example.com"]
)
def test_no_path_leads_to_another_site(api: Api, path: str) -> None:
    answer = api.visitor().http.request("GET", f"{api.relay.origin}/api/v1{path}")
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_what_is_wrong_is_told_by_field_and_what_was_sent_is_not(api: Api) -> None:
    body = {"email": ["canary"], "password": {"canary": 1}, "role": "owner-canary"}
    answer = api.visitor().post("/session", body)
    assert answer.status_code == 422
    assert {one["field"]: one["message"] for one in answer.json()["errors"]} == {
        "email": "must be text",
        "password": "must be text",
        "role": "is not known here",
    }
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"email": "a"', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"email": "a\\ud800", "password": "b"}', "application/json"),
        (b'{"email": "a\\u0000", "password": "b"}', "application/json"),
        (
            b'{"email": "a@example.org", "password": "b"}',
            "text/plain",
        ),  # what a form of another site can send
        (b"email=a&password=b", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_no_body_is_refused(api: Api, content: bytes, kind: str) -> None:
    answer = api.visitor().request("POST", "/session", content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE), answer.text


def test_a_body_has_a_bound(api: Api) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    visitor = api.visitor()
    for content in (b" " * (app.BODY_BYTES_MAX + 1), pieces()):
        answer = visitor.request("POST", "/session", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_no_answer_is_kept_framed_or_taken_for_something_else(api: Api) -> None:
    for answer in (api.visitor().get("/session"), api.visitor().get("/nothing"), api.visitor().get("/audit")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers


def test_a_fault_of_ours_tells_nothing_of_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr("posthouse.api.audit.list_changes", broken)
    answer = api.as_("operator").get("/audit")
    assert (answer.status_code, answer.json()["code"]) == (500, "fault")
    log = "".join(capfd.readouterr())
    assert "api_fault" in log
    assert "canary" not in answer.text + log


def test_a_store_that_is_down_is_told_as_such(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> None:
        raise StoreDown("the store does not answer: canary")

    operator = api.as_("operator")
    monkeypatch.setattr("posthouse.api.audit.list_changes", down)
    answer = operator.get("/audit")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "canary" not in answer.text


def test_the_document_is_openapi_3_1_and_anybody_may_read_it(api: Api) -> None:
    answer = api.visitor().get("/openapi.json")
    assert answer.json() == json.loads(json.dumps(document()))
    assert answer.json()["openapi"].startswith("3.1.")
    plain = api.visitor().get("/openapi.json", headers={"accept-encoding": "identity"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content


def test_a_page_that_is_just_full_says_that_it_is_the_last() -> None:
    assert cut([3, 2], 2, lambda place: (place,)) == ([3, 2], "")
    assert cut([3, 2, 1], 2, lambda place: (place,)) == ([3, 2], cursor(2))
    assert cut([], 2, lambda place: (place,)) == ([], "")


def test_the_document_describes_every_schema_field_and_parameter() -> None:
    described = document()
    schemas = described["components"]["schemas"]
    assert not [name for name in schemas if "__" in name], "two models of one name"
    bare = [name for name, schema in schemas.items() if not schema.get("description")]
    for name, schema in schemas.items():
        for field, told in schema.get("properties", {}).items():
            # What is only a reference is described by what it refers to.
            if not told.get("description") and told.keys() != {"$ref"}:
                bare.append(f"{name}.{field}")
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            assert route["summary"], (method, path)
            for one in route.get("parameters", []):
                if not (one.get("description") or one["schema"].get("description")):
                    bare.append(f"{method} {path} {one['name']}")
    assert not bare


def test_over_https_the_cookie_is_secure(tmp_path: Path) -> None:
    """Whether it is https, a trusted proxy says; nobody else is believed."""
    with EmbeddedRelay(tmp_path, "http://127.0.0.1:1", trusted_proxies=("127.0.0.1",)) as relay:
        api = Api(relay)
        _, email = api.account(password=PASSWORD)
        body = {"email": email, "password": PASSWORD}
        headers = {"x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7"}
        with httpx.Client(base_url=f"{relay.origin}/api/v1") as browser:
            cookie = browser.post("/session", json=body, headers=headers).headers["set-cookie"]
            assert cookie.startswith("__Host-posthouse=")
            assert "; Secure" in cookie
            secret = cookie.partition("=")[2].partition(";")[0]
            # The cookie of http, which another host could have set, does not count over https.
            for name, account in (("__Host-posthouse", True), ("posthouse", False)):
                browser.cookies.clear()
                answer = browser.get("/session", headers=headers | {"cookie": f"{name}={secret}"})
                assert bool(answer.json()["account_id"]) is account
            sessions = browser.get("/sessions", headers=headers | {"cookie": f"__Host-posthouse={secret}"})
            assert [one["address"] for one in sessions.json()["items"]] == ["198.51.100.…"]


def test_money_comes_as_text_and_exactly() -> None:
    class Order(Body):
        amount: MoneyIn

    assert Order.model_validate({"amount": "4.9987"}).amount == 4_998_700_000
    for wrong in (5, 5.0, "5.0000000001", "1e99", "NaN", "", None, "١٢"):
        with pytest.raises(ValueError, match="amount"):
            Order.model_validate({"amount": wrong})


def test_commands_and_a_relay_that_nobody_administers_do_without_it() -> None:
    """It takes a second to import, and 40 MB."""
    check = "import sys, posthouse.cli, posthouse.server.runner; print([m for m in {0} if m in sys.modules])"
    heavy = ["fastapi", "pydantic", "authlib", "httpx", "webauthn", "argon2"]
    command = [sys.executable, "-c", check.format(heavy)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
