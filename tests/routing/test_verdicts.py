"""What an attempt's end says: the table of failover, by status, words and fault."""

import pytest

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
    ("status", "code", "verdict"),
    [
        # OpenAI, and those that speak as it does
        (429, b"insufficient_quota", Verdict.QUOTA),
        (429, b"billing_hard_limit_reached", Verdict.QUOTA),
        (429, b"rate_limit_exceeded", Verdict.RATE_LIMITED),
        (401, b"invalid_api_key", Verdict.CREDENTIAL),
        (404, b"model_not_found", Verdict.MODEL_MISSING),
        (400, b"context_length_exceeded", Verdict.CALLER),
        (429, b"context_length_exceeded", Verdict.CALLER),
        (400, b"content_filter", Verdict.CALLER),
        (403, b"moderation", Verdict.CALLER),
        # others' words
        (400, b"Your credit balance is too low to access the Anthropic API.", Verdict.QUOTA),
        (400, b"API_KEY_INVALID", Verdict.CREDENTIAL),
        (400, b"Incorrect API key provided", Verdict.CREDENTIAL),
        (403, b"Insufficient Balance", Verdict.QUOTA),
        (400, b"Arrearage", Verdict.QUOTA),
    ],
)
def test_words_that_say_more_than_their_status(status: int, code: bytes, verdict: Verdict) -> None:
    assert verdict_of_status(status, b'{"error": {"code": "' + code + b'"}}') is verdict


@pytest.mark.parametrize("word", [b"insufficient_quota", b"invalid_api_key", b"moderation"])
def test_words_say_nothing_in_an_answer_or_far_behind(word: bytes) -> None:
    """They may be the caller's own, said back: an error's code stands near its beginning."""
    assert verdict_of_status(200, word) is Verdict.OK
    assert verdict_of_status(500, word) is Verdict.ERROR
    assert verdict_of_status(400, b" " * 5000 + word) is Verdict.CALLER


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_has_its_verdict(fault: Fault) -> None:
    verdict = verdict_of_fault(fault.value)
    assert (verdict is Verdict.TIMEOUT) is (fault in TIMEOUTS)
    assert verdict is not Verdict.OK


def test_each_verdict_has_what_follows() -> None:
    assert NEXT.keys() == set(Verdict)
