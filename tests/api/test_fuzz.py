"""Schemathesis against the OpenAPI document: whatever a request may look like, no 5xx, and no answer that the
document does not have.

    pytest tests/api/test_fuzz.py --hypothesis-profile=explore     # far more of them
"""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from tests.api.conftest import COOKIE, Api
from tests.api.routes import document, routes

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
# Where a request says which host is called: tests call none but this machine.
HOSTS = ("base_url", "issuer", "host", "proxy")
# As many as the profile asks for, by the slower of its two measures: each is a request.
EXAMPLES = max(4, settings().max_examples // 25)


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


CONFIG = schemathesis.Config.from_dict(
    {
        "phases": {"coverage": {"enabled": False}, "examples": {"enabled": False}},
        "generation": {"max-examples": EXAMPLES},
    }
)
schema = schemathesis.openapi.from_dict(_as_json(document()), config=CONFIG)


def _at_home(value: Any) -> Any:
    """The value with each host that it names replaced by one where nobody listens."""
    if isinstance(value, dict):
        return {name: "http://127.0.0.1:9" if name in HOSTS else _at_home(one) for name, one in value.items()}
    return [_at_home(one) for one in value] if isinstance(value, list) else value


@schema.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_no_answer_is_undocumented(case: schemathesis.Case, api: Api) -> None:
    owner = api.as_("owner")  # another for each: some of these calls end the session, or the account
    case.body = _at_home(case.body)
    answer = case.call(
        base_url=api.relay.origin,
        headers={"x-csrf-token": owner.csrf, "cookie": f"{COOKIE}={owner.http.cookies[COOKIE]}"},
        timeout=20,
    )
    case.validate_response(answer, checks=CHECKS)


def test_each_operation_is_among_them() -> None:
    names = {operation.ok().definition.raw["operationId"] for operation in schema.get_all_operations()}
    assert names == {route.name for route in routes()}


def test_an_undocumented_answer_is_found(api: Api) -> None:
    case = schema["/api/v1/session"]["GET"].Case()
    answer = case.call(base_url=api.relay.origin + "/nowhere")
    with pytest.raises(checks.FailureGroup):
        case.validate_response(answer, checks=CHECKS)
