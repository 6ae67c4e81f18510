"""What an attempt's end says: the table of failover, by status, words and fault."""

import msgspec
import pytest
from tests.unit.nesting import DEPTH

from posthouse.routing.verdicts import NEXT, STATUSES, Verdict, verdict_of_fault, verdict_of_status
from posthouse.upstream.errors import TIMEOUTS, Fault


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *STATUSES.items(),
        *((status, Verdict.OK) for status in (200, 201, 204)),
        *((status, Verdict.CALLER) for status in (400, 405, 413, 415, 418, 422, 451)),
        *((status, Verdict.ERROR) for status in (301, 302, 500, 501, 502, 504, 520, 599)),
    ],
)
def test_a_status_alone(status: int, verdict: Verdict) -> None:
    assert verdict_of_status(status) is verdict
    assert verdict_of_status(status, b'{"error": {"message": "no"}}') is verdict


@pytest.mark.parametrize(
    ("status", "error", "verdict"),
    [
        # OpenAI, and those that speak as it does
        (429, b'{"code": "insufficient_quota"}', Verdict.QUOTA),
        (429, b'{"type": "billing_hard_limit_reached"}', Verdict.QUOTA),
        (429, b'{"code": "rate_limit_exceeded"}', Verdict.RATE_LIMITED),
        (401, b'{"code": "invalid_api_key"}', Verdict.CREDENTIAL),
        *((status, b'{"code": "model_not_found"}', Verdict.MODEL_MISSING) for status in (400, 404)),
        (400, b'{"message": "Model Not Exist", "code": "invalid_request_error"}', Verdict.MODEL_MISSING),
        *((status, b'{"code": "context_length_exceeded"}', Verdict.CALLER) for status in (400, 429, 500)),
        *((status, b'{"code": "content_filter"}', Verdict.CALLER) for status in (400, 503)),
        (400, b'{"code": "content_filter", "details": "none"}', Verdict.CALLER),
        (500, b'{"code": "content_filter_error"}', Verdict.ERROR),
        # others' words
        (400, b'{"message": "Your credit balance is too low to access the Anthropic API."}', Verdict.QUOTA),
        (400, b'{"code": 400, "details": [7, {"reason": "API_KEY_INVALID"}]}', Verdict.CREDENTIAL),
        (400, b'"Incorrect API key provided: xa***yz."', Verdict.CREDENTIAL),
        (403, b'{"message": "Your model requires moderation, and the input was flagged."}', Verdict.CALLER),
        (403, b'{"message": "You do not have permission to access the File abc."}', Verdict.CALLER),
        (403, b'{"message": "CachedContent not found (or permission denied)"}', Verdict.CALLER),
        (403, b'{"message": "The caller does not have permission"}', Verdict.CREDENTIAL),
        (403, b'{"message": "Insufficient Balance"}', Verdict.QUOTA),
        (403, b'{"code": "insufficient_user_quota"}', Verdict.QUOTA),
        (400, b'{"code": "Arrearage"}', Verdict.QUOTA),
    ],
)
def test_words_that_say_more_than_their_status(status: int, error: bytes, verdict: Verdict) -> None:
    body = b'{"error": %b}' % error
    assert verdict_of_status(status, body) is verdict
    assert verdict_of_status(status, b"[%b]" % body) is verdict


def test_an_error_that_stands_alone() -> None:
    missing = b'{"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}'
    assert verdict_of_status(400, missing) is Verdict.MODEL_MISSING
    assert verdict_of_status(400, b'{"code": "Arrearage", "message": "overdue"}') is Verdict.QUOTA


def test_a_firewalls_page_says_nothing_of_the_credential() -> None:
    """What it does not let through may be in one caller's prompt."""
    assert verdict_of_status(403, b"\n<!DOCTYPE html><title>Just a moment...</title>") is Verdict.ERROR
    assert verdict_of_status(401, b"<html>") is Verdict.CREDENTIAL


@pytest.mark.parametrize("body", [b"insufficient_quota", b"[]", b"7", b'"invalid_api_key"', b"[" * DEPTH])
def test_what_is_no_error_object_says_no_more_than_its_status(body: bytes) -> None:
    assert verdict_of_status(400, body) is Verdict.CALLER
    assert verdict_of_status(429, body) is Verdict.RATE_LIMITED


@pytest.mark.parametrize(
    "word", ["insufficient_quota", "Your credit balance is too low", "invalid_api_key", '"code":"Arrearage"']
)
def test_a_callers_own_words_said_back_take_no_credential_away(word: str) -> None:
    message = msgspec.json.encode(f"Invalid value: '{word}'. Supported values are: 'low'.")
    sent = b'{"code": "insufficient_quota"}'
    for error in (
        b'{"message": %b, "code": "invalid_value"}',
        b'{"code": 400, "input": %b, "x": ' + sent + b"}",
    ):
        assert verdict_of_status(400, b'{"error": %b}' % (error % message)) is Verdict.CALLER
    assert verdict_of_status(200, b'{"error": {"code": "insufficient_quota"}}') is Verdict.OK


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_has_its_verdict(fault: Fault) -> None:
    verdict = verdict_of_fault(fault.value)
    assert (verdict is Verdict.TIMEOUT) is (fault in TIMEOUTS)
    assert verdict is not Verdict.OK


def test_each_verdict_has_what_follows() -> None:
    assert NEXT.keys() == set(Verdict)
