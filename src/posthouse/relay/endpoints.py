"""The paths that the relay answers, and what each one is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Literal
from urllib.parse import parse_qs, unquote

from msgspec import Struct

from posthouse.kernel.errors import Refusal, RelayCode

Dialect = Literal["openai", "anthropic", "gemini"]


class Kind(Enum):
    """METERED calls go upstream and are charged. STORED ones are about what an upstream keeps, and free. The
    others the relay answers itself; OPEN ones need no key."""

    METERED = "metered"
    STORED = "stored"
    MODELS = "models"
    MODEL = "model"
    KEY = "key"
    SUBSCRIPTION = "subscription"
    USAGE = "usage"
    CREDIT_GRANTS = "credit_grants"
    OPEN = "open"


class Endpoint(Struct, frozen=True, gc=False):
    """`name` is what plans, key scopes, usage records and channels call it. `stream`: by its path alone its
    answer is one, `as_array` as a growing JSON array instead of server-sent events; `query` goes upstream.
    `is_free`: it only counts, so that nothing is charged. `part`: what follows the id of a stored object."""

    name: str
    kind: Kind
    method: str
    dialect: Dialect = "openai"
    stream: bool = False
    as_array: bool = False
    query: str = ""
    is_free: bool = False
    part: str = ""

    @property
    def is_charged(self) -> bool:
        return self.kind is Kind.METERED and not self.is_free

    @property
    def needs_key(self) -> bool:
        return self.kind is not Kind.OPEN


CHAT = Endpoint("chat/completions", Kind.METERED, "POST")
STORED = {method: Endpoint("chat/completions", Kind.STORED, method) for method in ("GET", "POST", "DELETE")}
STORED_MESSAGES = Endpoint("chat/completions", Kind.STORED, "GET", part="/messages")
COMPLETIONS = Endpoint("completions", Kind.METERED, "POST")
EMBEDDINGS = Endpoint("embeddings", Kind.METERED, "POST")
MESSAGES = Endpoint("messages", Kind.METERED, "POST", "anthropic")
MESSAGES_COUNT = Endpoint("messages/count_tokens", Kind.METERED, "POST", "anthropic", is_free=True)
GENERATE = Endpoint("generateContent", Kind.METERED, "POST", "gemini")
STREAM_EVENTS = Endpoint(
    "streamGenerateContent", Kind.METERED, "POST", "gemini", stream=True, query="?alt=sse"
)
STREAM_ARRAY = Endpoint("streamGenerateContent", Kind.METERED, "POST", "gemini", stream=True, as_array=True)
EMBED = Endpoint("embedContent", Kind.METERED, "POST", "gemini")
EMBED_BATCH = Endpoint("batchEmbedContents", Kind.METERED, "POST", "gemini")
GEMINI_COUNT = Endpoint("countTokens", Kind.METERED, "POST", "gemini", is_free=True)
# Whose answers can be server-sent events.
EVENT_STREAMS = (CHAT, COMPLETIONS, MESSAGES, STREAM_EVENTS)
MODELS = Endpoint("models", Kind.MODELS, "GET")
MODEL = Endpoint("models", Kind.MODEL, "GET")
GEMINI_MODELS = Endpoint("models", Kind.MODELS, "GET", "gemini")
GEMINI_MODEL = Endpoint("models", Kind.MODEL, "GET", "gemini")
KEY = Endpoint("key", Kind.KEY, "GET")
SUBSCRIPTION = Endpoint("billing", Kind.SUBSCRIPTION, "GET")
USAGE = Endpoint("billing", Kind.USAGE, "GET")
CREDIT_GRANTS = Endpoint("billing", Kind.CREDIT_GRANTS, "GET")
HEALTH = Endpoint("healthz", Kind.OPEN, "GET")
READY = Endpoint("readyz", Kind.OPEN, "GET")

_EXACT = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": MESSAGES_COUNT,
    "/v1/models": MODELS,
    "/v1beta/models": GEMINI_MODELS,
    "/v1/key": KEY,
    "/healthz": HEALTH,
    "/readyz": READY,
}
# Chat clients ask for the balance with and without the /v1 of their base URL.
for _prefix in ("", "/v1"):
    _EXACT[f"{_prefix}/dashboard/billing/subscription"] = SUBSCRIPTION
    _EXACT[f"{_prefix}/dashboard/billing/usage"] = USAGE
    _EXACT[f"{_prefix}/dashboard/billing/credit_grants"] = CREDIT_GRANTS

_GEMINI_CALLS = {one.name: one for one in (GENERATE, STREAM_ARRAY, EMBED, EMBED_BATCH, GEMINI_COUNT)}

# By name: a plan may allow more than there is yet.
ANSWERED = frozenset(endpoint.name for endpoint in (*_EXACT.values(), *_GEMINI_CALLS.values()))

# A path that a caller may try of each dialect: what to name where a model is not to be had at another's.
PATHS: dict[Dialect, str] = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
}

_STORED = re.compile(r"/v1/chat/completions/(?P<id>[^/]+)(?P<messages>/messages)?")
_MODEL = re.compile(r"/v1/models/(?P<model>.+)")
_GEMINI_CALL = re.compile(rf"/v1(?:beta)?/models/(?P<model>.+):(?P<call>{'|'.join(_GEMINI_CALLS)})")
_GEMINI_MODEL = re.compile(r"/v1beta/models/(?P<model>.+)")
_ENGINE = re.compile(r"/v1/engines/(?P<model>[^/]+)/(?P<call>chat/completions|completions|embeddings)")
_DOUBLED = re.compile(r"/v1(?:beta)?(?:/v1(?:beta)?)*(?=/v1(?:beta)?(?:/|$))")


def surface() -> Iterator[tuple[str, Endpoint]]:
    """Each path that has an endpoint of its own, as documentation names it; not the other ways to write the
    same."""
    for path, endpoint in _EXACT.items():
        if not path.startswith("/dashboard/"):  # stands under /v1 as well
            yield path, endpoint
    yield "/v1/chat/completions", STORED["GET"]
    for endpoint in STORED.values():
        yield "/v1/chat/completions/{id}", endpoint
    yield "/v1/chat/completions/{id}/messages", STORED_MESSAGES
    yield "/v1/models/{model}", MODEL
    for name, endpoint in _GEMINI_CALLS.items():
        yield f"/v1beta/models/{{model}}:{name}", endpoint
    yield "/v1beta/models/{model}", GEMINI_MODEL


def dialect_of(path: str, headers: dict[bytes, bytes]) -> Dialect:
    """In which dialect a request is answered: by its path, and for what dialects have in common (the list of
    models, a path that there is not) by the headers that Anthropic's and Google's clients send."""
    endpoint = _EXACT.get(path)
    if endpoint is not None and endpoint.kind is Kind.METERED:
        return endpoint.dialect
    if path.startswith("/v1/messages") or b"anthropic-version" in headers:
        return "anthropic"
    if path.startswith("/v1beta/") or b"x-goog-api-key" in headers or b"x-goog-api-client" in headers:
        return "gemini"
    return "gemini" if ":" in path and _GEMINI_CALL.fullmatch(path) else "openai"


def find_endpoint(method: str, path: str, query: str = "") -> tuple[Endpoint, str]:
    """The endpoint of a path as it stands on the wire, and the model or the object that the path names (""
    when it names none). Raises Refusal: 48004 when there is none, or not for this method."""
    endpoint, model = _EXACT.get(path), ""
    if endpoint is None:
        endpoint, model = _by_pattern(method, path)
    if method != endpoint.method and not (method == "HEAD" and endpoint.method == "GET"):
        if endpoint is CHAT and not model and method in ("GET", "HEAD"):
            return STORED["GET"], ""
        raise Refusal(
            RelayCode.ENDPOINT_NOT_SUPPORTED, "wrong_method", method=method, allowed=endpoint.method
        )
    if endpoint is STREAM_ARRAY:
        endpoint = STREAM_ARRAY if is_array_stream(query) else STREAM_EVENTS
    return endpoint, model


def _by_pattern(method: str, path: str) -> tuple[Endpoint, str]:
    if match := _ENGINE.fullmatch(path):
        return _EXACT[f"/v1/{match['call']}"], unquote(match["model"])
    if _DOUBLED.match(path):
        fixed = _DOUBLED.sub("", path, count=1)
        raise Refusal(RelayCode.ENDPOINT_NOT_SUPPORTED, "doubled_prefix", path=path, fixed=fixed)
    if method == "POST" and (match := _GEMINI_CALL.fullmatch(path)):
        return _GEMINI_CALLS[match["call"]], unquote(match["model"])
    if match := _STORED.fullmatch(path):
        return STORED_MESSAGES if match["messages"] else STORED.get(method, STORED["GET"]), unquote(
            match["id"]
        )
    if match := _MODEL.fullmatch(path):
        return MODEL, unquote(match["model"])
    if method != "POST" and (match := _GEMINI_MODEL.fullmatch(path)):
        return GEMINI_MODEL, unquote(match["model"])
    if len(path) > 1 and path.endswith("/") and path[:-1] in _EXACT:
        return _EXACT[path[:-1]], ""
    raise Refusal(RelayCode.ENDPOINT_NOT_SUPPORTED, path=path, method=method)


def is_array_stream(query: str) -> bool:
    """Whether Gemini is to stream as one JSON array, which is its default, and not as server-sent events.
    Raises Refusal for a third form."""
    given = parse_qs(query)
    form = (given.get("alt") or given.get("$alt") or ["json"])[-1]
    if form not in ("sse", "json"):
        raise Refusal(RelayCode.EMPTY_REQUEST, "bad_query", param="alt", field="alt", expected="sse, json")
    return form == "json"
