"""What passes through in each direction, and what never does."""

import pytest

from posthouse.wire.headers import (
    answer_header_block,
    header_pairs,
    request_header_block,
    retry_after_s,
    with_defaults,
)


def test_nothing_that_tells_who_asked_goes_upstream() -> None:
    sent = {
        b"accept": b"application/json",
        b"authorization": b"Bearer canary",
        b"content-type": b"application/json",
        b"cookie": b"canary",
        b"forwarded": b"for=canary",
        b"openai-beta": b"assistants=v2",
        b"openai-organization": b"canary",
        b"user-agent": b"canary",
        b"via": b"canary",
        b"x-forwarded-for": b"canary",
        b"x-real-ip": b"canary",
        b"x-stainless-os": b"canary",
    }
    block = request_header_block(sent)
    assert (
        block
        == b"content-type: application/json\r\naccept: application/json\r\nopenai-beta: assistants=v2\r\n"
    )
    assert request_header_block({b"user-agent": b"canary"}) == b""


def test_a_default_goes_where_the_caller_sent_none() -> None:
    defaults = {"anthropic-version": "2023-06-01", "x-b": "1"}
    assert with_defaults(b"", defaults) == b"anthropic-version: 2023-06-01\r\nx-b: 1\r\n"
    sent = b"accept: x-b: 2\r\nanthropic-version: 2024-01-01\r\n"
    assert with_defaults(sent, defaults) == sent + b"x-b: 1\r\n"


def test_what_describes_the_answer_reaches_the_caller() -> None:
    received = [
        (b"content-type", b"application/json"),
        (b"openai-processing-ms", b"12"),
        (b"openai-version", b"2020-10-01"),
        (b"x-request-id", b"req_upstream"),
        (b"retry-after", b"3"),
        (b"set-cookie", b"canary"),
        (b"x-ratelimit-remaining-requests", b"canary"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"2"),
        (b"server", b"canary"),
    ]
    assert answer_header_block(received) == (
        b"content-type: application/json\r\nopenai-processing-ms: 12\r\nopenai-version: 2020-10-01\r\n"
        b"x-request-id: req_upstream\r\nretry-after: 3\r\n"
    )


def test_each_dialect_has_its_own_headers() -> None:
    sent = {
        b"accept": b"*/*",
        b"anthropic-version": b"2023-06-01",
        b"anthropic-beta": b"a,b",
        b"openai-beta": b"assistants=v2",
        b"x-api-key": b"canary",
        b"x-goog-api-key": b"canary",
        b"x-goog-api-client": b"canary",
    }
    assert request_header_block(sent, "anthropic") == (
        b"accept: */*\r\nanthropic-version: 2023-06-01\r\nanthropic-beta: a,b\r\n"
    )
    assert request_header_block(sent, "gemini") == b"accept: */*\r\n"


def test_anthropics_limits_stay_with_the_operator() -> None:
    received = [
        (b"request-id", b"req_upstream"),
        (b"anthropic-ratelimit-requests-remaining", b"canary"),
        (b"anthropic-organization-id", b"canary"),
    ]
    assert answer_header_block(received) == b"request-id: req_upstream\r\n"


NOON_MS = 784_111_777_000  # Sun, 06 Nov 1994 08:49:37 GMT, the date in RFC 9110


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([], None),
        ([(b"retry-after", b" ")], None),
        ([(b"retry-after", b"120")], 120.0),
        ([(b"retry-after", b"0.5")], 0.5),
        ([(b"retry-after", b"Sun, 06 Nov 1994 08:50:07 GMT")], 30.0),
        ([(b"retry-after", b"Sun, 06 Nov 1994 08:49:07 GMT")], 0.0),  # it is over
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"-5")], None),
        ([(b"retry-after", b"9"), (b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after-ms", b"-250")], 0.0),
        ([(b"retry-after-ms", b"soon")], None),
        ([(b"retry-after-ms", b"nan")], 0.0),
    ],
)
def test_when_an_upstream_wants_to_be_asked_again(
    headers: list[tuple[bytes, bytes]], wait_s: float | None
) -> None:
    assert retry_after_s(headers, NOON_MS) == wait_s


def test_a_block_as_pairs() -> None:
    assert header_pairs(b"a: 1\r\nb: x: y\r\n") == [(b"a", b"1"), (b"b", b"x: y")]
    assert header_pairs(b"") == []
