"""All routes, walked: with all roles, without a CSRF token, from other sites, while looking at a member's
pages."""

import httpx
import pytest
from tests.api.conftest import Api, Browser
from tests.api.routes import Route, document, routes

from posthouse.api.permissions import ROLE_PERMISSIONS, VIEW_PERMISSIONS, Permission, Role

# What may be done while looking: to stop looking, and to sign out.
STILL_WHILE_LOOKING = {"sign_out", "end_view"}


def call(browser: Browser, route: Route, **options: object) -> httpx.Response:
    body = {} if route.is_unsafe and "requestBody" in route.operation else None
    return browser.request(route.method, route.filled(), json=body, **options)


def code_of(answer: httpx.Response) -> str:
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return str(answer.json()["code"]) if is_problem else ""


def test_each_route_names_a_permission_that_there_is() -> None:
    assert len(routes()) > 10
    assert {route.permission for route in routes()} - {"public"} <= {str(one) for one in Permission}


def test_a_visitor_may_call_public_routes_only(api: Api) -> None:
    visitor = api.visitor()
    wrong = {}
    for route in routes():
        answer = call(visitor, route) if route.permission != "public" or not route.is_unsafe else None
        if answer is None:
            continue
        is_refused = answer.status_code == 401 and code_of(answer) == "not_signed_in"
        if is_refused == (route.permission == "public"):
            wrong[str(route)] = answer.status_code
    assert wrong == {}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_its_permissions_say(api: Api, role: Role) -> None:
    """What it may not do is refused, on every route. What it may do is called where that changes nothing."""
    person = api.as_(role)
    wrong = {}
    for route in routes():
        may = route.permission == "public" or Permission(route.permission) in ROLE_PERMISSIONS[role]
        if may and route.is_unsafe:
            continue
        answer = call(person, route)
        is_refused = answer.status_code == 403 and code_of(answer) == "forbidden"
        if is_refused == may or answer.status_code >= 500:
            wrong[str(route)] = answer.status_code
    assert wrong == {}


def test_each_change_needs_the_csrf_token(api: Api) -> None:
    owner, other = api.as_("owner"), api.as_("owner")
    for token in ("", "wrong", other.csrf):
        owner.csrf = token
        answers = {
            str(route): code_of(call(owner, route))
            for route in routes()
            if route.is_unsafe and route.permission != "public"
        }
        assert set(answers.values()) == {"csrf"}, (token, answers)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_sites_page_can_change_anything(api: Api, site: str) -> None:
    owner = api.as_("owner")
    answers = {
        str(route): code_of(call(owner, route, headers={"sec-fetch-site": site}))
        for route in routes()
        if route.is_unsafe
    }
    assert set(answers.values()) == {"cross_site"}, answers


def test_nothing_can_be_done_while_looking_at_a_members_pages(api: Api) -> None:
    operator, member = api.as_("operator"), api.as_("member")
    assert operator.post("/session/view", {"account_id": member.account_id}).status_code == 200
    wrong = {}
    for route in routes():
        if route.permission == "public" or route.name in STILL_WHILE_LOOKING:
            continue
        answer = call(operator, route)
        is_refused = answer.status_code == 403 and code_of(answer) == "view_only"
        if is_refused == (not route.is_unsafe and Permission(route.permission) in VIEW_PERMISSIONS):
            wrong[str(route)] = answer.status_code
    assert wrong == {}


def test_a_token_may_do_what_its_scopes_say(api: Api) -> None:
    """An owner's token for one thing is refused everything else; what tokens may never do as well."""
    account_id, _ = api.account("owner")
    script = api.with_token(account_id, Permission.AUDIT_READ, Permission.SECURITY, Permission.ROLES_WRITE)
    assert script.get("/audit").status_code == 200
    answers = {
        str(route): code_of(call(script, route))
        for route in routes()
        if route.permission not in ("public", Permission.AUDIT_READ)
    }
    assert set(answers.values()) == {"forbidden"}, answers


def test_no_request_can_bring_fields_that_the_route_does_not_know() -> None:
    """Else a member could set what only the operator may: mass assignment."""
    schemas = document()["components"]["schemas"]
    open_ones = []
    for route in routes():
        content = route.operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        for reference in _references(schema, schemas):
            if schemas[reference].get("properties") and schemas[reference].get("additionalProperties", True):
                open_ones.append((str(route), reference))
    assert open_ones == []


def test_every_route_and_field_is_described() -> None:
    """The document is what the operator's scripts are written from."""
    bare = [str(route) for route in routes() if not route.operation["summary"]]
    for route in routes():
        for parameter in route.operation.get("parameters", ()):
            is_described = parameter.get("description") or parameter["schema"].get("description")
            if parameter["in"] != "path" and not is_described:
                bare.append(f"{route} {parameter['name']}")
    for name, schema in document()["components"]["schemas"].items():
        for field, shape in schema.get("properties", {}).items():
            parts = [shape, *shape.get("anyOf", ()), *([shape["items"]] if "items" in shape else ())]
            if not any("description" in part or "$ref" in part for part in parts):
                bare.append(f"{name}.{field}")
    assert bare == []


def _references(schema: object, schemas: dict[str, object]) -> set[str]:
    """All schemas that one leads to."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return found
