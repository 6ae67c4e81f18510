"""Where a request carries its key. Pure."""

from __future__ import annotations

from urllib.parse import parse_qs

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.relay.endpoints import dialect_of
from posthouse.relay.values import RelayRequest

# Anthropic's and Google's clients send it so; ours to read only, these headers never go upstream.
_HEADERS = (b"x-api-key", b"x-goog-api-key")


def presented_key(request: RelayRequest) -> bytes:
    """The key's text: from Authorization, else from the header of another dialect's clients, else, in
    Gemini's, from the query. Raises Refusal where there is none, or Authorization holds something
    else."""
    headers = request.headers
    header = headers.get(b"authorization")
    if header:
        scheme, _, text = header.partition(b" ")
        text = text.strip()
        if scheme.lower() != b"bearer" or not text:
            raise Refusal(RelayCode.MALFORMED_AUTHORIZATION, "not_bearer")
        return text
    for name in _HEADERS:
        if headers.get(name):
            return headers[name].strip()
    if request.query and dialect_of(request.path, headers) == "gemini":
        given = parse_qs(request.query).get("key")
        if given:
            return given[0].encode("latin-1", "replace")
    raise Refusal(RelayCode.MISSING_API_KEY)
