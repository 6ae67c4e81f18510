"""The paths that the relay answers, and what each one is."""

from __future__ import annotations

import re
from enum import Enum
from urllib.parse import unquote

from msgspec import Struct

from posthouse.kernel.errors import Refusal, RelayCode


class Kind(Enum):
    """METERED calls go upstream and are charged; the others the relay answers itself. OPEN ones need no
    key."""

    METERED = "metered"
    MODELS = "models"
    MODEL = "model"
    KEY = "key"
    SUBSCRIPTION = "subscription"
    USAGE = "usage"
    CREDIT_GRANTS = "credit_grants"
    OPEN = "open"


class Endpoint(Struct, frozen=True, gc=False):
    """`name` is what plans, key scopes and usage records call it; `upstream_path` follows a channel's base
    URL."""

    name: str
    kind: Kind
    method: str
    upstream_path: str = ""


CHAT = Endpoint("chat/completions", Kind.METERED, "POST", "/chat/completions")
COMPLETIONS = Endpoint("completions", Kind.METERED, "POST", "/completions")
EMBEDDINGS = Endpoint("embeddings", Kind.METERED, "POST", "/embeddings")
MODELS = Endpoint("models", Kind.MODELS, "GET")
MODEL = Endpoint("models", Kind.MODEL, "GET")
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
    "/v1/models": MODELS,
    "/v1/key": KEY,
    "/healthz": HEALTH,
    "/readyz": READY,
}
# Chat clients ask for the balance with and without the /v1 of their base URL.
for _prefix in ("", "/v1"):
    _EXACT[f"{_prefix}/dashboard/billing/subscription"] = SUBSCRIPTION
    _EXACT[f"{_prefix}/dashboard/billing/usage"] = USAGE
    _EXACT[f"{_prefix}/dashboard/billing/credit_grants"] = CREDIT_GRANTS

# By name: a plan may allow more than there is yet.
ANSWERED = frozenset(endpoint.name for endpoint in _EXACT.values())

_MODEL = re.compile(r"/v1/models/(?P<model>.+)")
_ENGINE = re.compile(r"/v1/engines/(?P<model>[^/]+)/(?P<call>chat/completions|completions|embeddings)")
_DOUBLED = re.compile(r"/v1(?:/v1)+(?=/|$)")


def find_endpoint(method: str, path: str) -> tuple[Endpoint, str]:
    """The endpoint of a path as it stands on the wire, and the model that the path names ("" when it names
    none). Raises Refusal 48004 when there is none, or not for this method."""
    endpoint, model = _EXACT.get(path), ""
    if endpoint is None:
        endpoint, model = _by_pattern(method, path)
    if method != endpoint.method and not (method == "HEAD" and endpoint.method == "GET"):
        raise Refusal(
            RelayCode.ENDPOINT_NOT_SUPPORTED, "wrong_method", method=method, allowed=endpoint.method
        )
    return endpoint, model


def _by_pattern(method: str, path: str) -> tuple[Endpoint, str]:
    if match := _ENGINE.fullmatch(path):
        return _EXACT[f"/v1/{match['call']}"], unquote(match["model"])
    if _DOUBLED.match(path):
        fixed = _DOUBLED.sub("/v1", path, count=1)
        raise Refusal(RelayCode.ENDPOINT_NOT_SUPPORTED, "doubled_prefix", path=path, fixed=fixed)
    if match := _MODEL.fullmatch(path):
        return MODEL, unquote(match["model"])
    if len(path) > 1 and path.endswith("/") and path[:-1] in _EXACT:
        return _EXACT[path[:-1]], ""
    raise Refusal(RelayCode.ENDPOINT_NOT_SUPPORTED, path=path, method=method)
