"""The relay's own answers as bytes: refusals, in the envelope of the caller's dialect. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf
from typing import Any

import msgspec

from posthouse.kernel.errors import Language, Refusal, RelayCode
from posthouse.kernel.money import format_nanos
from posthouse.limits.rules import Measure, Quota, Refused, Standing, format_reset, quota_headers
from posthouse.relay.endpoints import Dialect, dialect_of, is_array_stream
from posthouse.relay.values import RelayRequest

JSON = b"content-type: application/json\r\n"


def language_of(headers: dict[bytes, bytes]) -> Language:
    """The language that Accept-Language prefers among ours, by q-value and then order; English when none."""
    best: tuple[float, Language] = (0.0, "en")
    for part in headers.get(b"accept-language", b"").decode("latin-1").lower().split(","):
        tag, _, parameters = part.strip().partition(";")
        language: Language | None = "zh" if tag[:2] == "zh" else "en" if tag[:2] == "en" else None
        quality = _quality(parameters)
        if language is not None and quality > best[0]:
            best = (quality, language)
    return best[1]


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def render_refusal(
    refusal: Refusal, headers: dict[bytes, bytes], request_id: str, path: str = ""
) -> tuple[int, bytes, bytes]:
    """Status, header block and body of a refusal, in the dialect and the language of the caller, whose
    request's headers and path these are."""
    row = refusal.row
    dialect = dialect_of(path, headers)
    block = JSON + id_block(dialect, request_id)
    if refusal.retry_after_s is not None and refusal.retry_after_s != inf:
        block += b"retry-after: %d\r\n" % _retry_after_s(refusal.retry_after_s)
    if not refusal.worth_retrying:
        block += b"x-should-retry: false\r\n"
    envelope = error_envelope(refusal, language_of(headers), dialect, request_id)
    return row.http_status, block, msgspec.json.encode(envelope)


def over_limit(refused: Refused, currency: str) -> Refusal:
    """What a limit that leaves no room says."""
    measure = refused.measure.value
    situation = measure if refused.code is RelayCode.RATE_LIMITED and measure != "requests" else "default"
    money = measure == "spend"
    return Refusal(
        refused.code,
        situation,
        retry_after_s=inf if refused.retry_after_s is None else refused.retry_after_s,
        rule=refused.rule.name,
        scope=refused.rule.subject,
        used=format_nanos(refused.used) if money else refused.used,
        limit=format_nanos(refused.limit) if money else refused.limit,
        reset=format_reset(refused.reset_ms),
        currency=currency,
    )


def id_block(dialect: Dialect, request_id: str) -> bytes:
    """The headers that name a call which no upstream has named."""
    name = b"request-id" if dialect == "anthropic" else b"x-request-id"
    return b"x-posthouse-request-id: %b\r\n%b: %b\r\n" % (request_id.encode(), name, request_id.encode())


def _retry_after_s(seconds: float) -> int:
    return max(1, ceil(seconds))


def quota_block(standings: Iterable[Standing]) -> bytes:
    """The rate-limit headers of where a caller stands: of each measure the rule that has the least left."""
    tightest: dict[Measure, Quota] = {}
    for one in standings:
        if one.measure not in tightest or one.quota.remaining < tightest[one.measure].remaining:
            tightest[one.measure] = one.quota
    return quota_headers(tightest.get(Measure.REQUESTS), tightest.get(Measure.TOKENS))


def error_envelope(
    refusal: Refusal, language: Language, dialect: Dialect = "openai", request_id: str = ""
) -> dict[str, Any]:
    """The error as the dialect's clients read it. In each, `error.relay_code` is our number."""
    message = refusal.message(language)
    match dialect:
        case "openai":
            return _openai(refusal, message)
        case "anthropic":
            return _anthropic(refusal, message, request_id)
        case "gemini":
            return _gemini(refusal, message)


def _openai(refusal: Refusal, message: str) -> dict[str, Any]:
    """Source: OpenAI's API reference, "Error codes"."""
    row = refusal.row
    return {
        "error": {
            "message": message,
            "type": row.type,
            "param": refusal.param,
            "code": row.code,
            "relay_code": row.relay_code,
        }
    }


def _anthropic(refusal: Refusal, message: str, request_id: str) -> dict[str, Any]:
    """Source: docs.anthropic.com, "Errors"."""
    row = refusal.row
    kind = _ANTHROPIC_TYPES.get(row.http_status, "api_error")
    if row.type == "insufficient_quota":
        kind = "billing_error"
    return {
        "type": "error",
        "error": {"type": kind, "message": message, "code": row.code, "relay_code": row.relay_code},
        "request_id": request_id,
    }


def _gemini(refusal: Refusal, message: str) -> dict[str, Any]:
    """Source: google.aip.dev/193; RetryInfo and ErrorInfo as in google/rpc/error_details.proto."""
    row = refusal.row
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": row.code.upper(),
            "domain": "posthouse",
            "metadata": {"relayCode": str(row.relay_code)},
        }
    ]
    if refusal.retry_after_s is not None and refusal.retry_after_s != inf:
        wait = f"{_retry_after_s(refusal.retry_after_s)}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait})
    return {
        "error": {
            "code": row.http_status,
            "message": message,
            "status": _GOOGLE_STATUSES.get(row.http_status, "INTERNAL"),
            "details": details,
            "relay_code": row.relay_code,
        }
    }


_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error_event(refusal: Refusal, request: RelayRequest) -> bytes:
    """The same as the last event of a stream that breaks after it began, in the stream's own form."""
    dialect = dialect_of(request.path, request.headers)
    envelope = error_envelope(refusal, language_of(request.headers), dialect, request.request_id)
    encoded = msgspec.json.encode(envelope)
    if dialect == "anthropic":
        return b"event: error\ndata: %b\n\n" % encoded
    if dialect == "gemini" and is_array_stream(request.query):
        return b",\r\n" + encoded
    return b"data: %b\n\n" % encoded
