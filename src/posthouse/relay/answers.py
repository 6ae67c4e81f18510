"""The relay's own answers as bytes: refusals in OpenAI's envelope, and JSON in general. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf
from typing import Any

import msgspec

from posthouse.kernel.errors import Language, Refusal
from posthouse.limits.rules import Measure, Quota, Standing, quota_headers

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
    refusal: Refusal, headers: dict[bytes, bytes], request_id: str
) -> tuple[int, bytes, bytes]:
    """Status, header block and body of a refusal, in the caller's language."""
    row = refusal.row
    block = JSON + b"x-posthouse-request-id: %b\r\n" % request_id.encode()
    if refusal.retry_after_s is not None and refusal.retry_after_s != inf:
        block += b"retry-after: %d\r\n" % max(1, ceil(refusal.retry_after_s))
    if not refusal.worth_retrying:
        block += b"x-should-retry: false\r\n"
    return row.http_status, block, msgspec.json.encode(error_envelope(refusal, language_of(headers)))


def quota_block(standings: Iterable[Standing]) -> bytes:
    """The rate-limit headers of where a caller stands: of each measure the rule that has the least left."""
    tightest: dict[Measure, Quota] = {}
    for one in standings:
        if one.measure not in tightest or one.quota.remaining < tightest[one.measure].remaining:
            tightest[one.measure] = one.quota
    return quota_headers(tightest.get(Measure.REQUESTS), tightest.get(Measure.TOKENS))


def error_envelope(refusal: Refusal, language: Language) -> dict[str, Any]:
    """OpenAI's `{"error": {...}}` with our number."""
    row = refusal.row
    return {
        "error": {
            "message": refusal.message(language),
            "type": row.type,
            "param": refusal.param,
            "code": row.code,
            "relay_code": row.relay_code,
        }
    }


def error_event(refusal: Refusal, headers: dict[bytes, bytes]) -> bytes:
    """The same as an SSE event, for a stream that breaks after it began."""
    return b"data: %b\n\n" % msgspec.json.encode(error_envelope(refusal, language_of(headers)))
