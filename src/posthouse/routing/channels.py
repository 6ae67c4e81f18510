"""A channel: one way to an upstream, and what it offers."""

import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import quote, urlsplit

from msgspec import Meta, Struct

from posthouse.kernel.problems import UnfitValue
from posthouse.routing.health import HealthPolicy
from posthouse.wire.json_edit import GOVERNED

DEFAULT_CREDENTIAL = "default"  # the name of a channel's only one

# What a channel's `headers` can't set: what frames a request, and what the relay says itself. A second length
# would let an upstream see two requests in one, and a packed answer could not be metered.
RESERVED_HEADERS = frozenset(
    (
        *("host", "user-agent", "accept-encoding", "content-length", "transfer-encoding", "connection"),
        *("keep-alive", "upgrade", "expect", "te", "trailer", "proxy-authorization", "proxy-connection"),
    )
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a header's name in RFC 9110

# Which dialect an endpoint is of; all others are OpenAI's.
_DIALECTS = {
    "messages": "anthropic",
    "messages/count_tokens": "anthropic",
    "generateContent": "gemini",
    "streamGenerateContent": "gemini",
    "embedContent": "gemini",
    "batchEmbedContents": "gemini",
    "countTokens": "gemini",
}
# How each dialect's own provider takes a credential.
AUTH = {"openai": "bearer", "anthropic": "header:x-api-key", "gemini": "header:x-goog-api-key"}

_Count = Annotated[int, Meta(ge=1)]


class CredentialDef(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One of a channel's credentials; the secret itself is kept apart. `weight` shares the calls among them;
    the ceilings (calls at once, requests and tokens in any minute) are those that its upstream would hold
    it to: None is none. Raises UnfitValue for a name that can't be one."""

    name: str
    weight: _Count = 1
    concurrency: _Count | None = None
    requests_per_minute: _Count | None = None
    tokens_per_minute: _Count | None = None

    def __post_init__(self) -> None:
        if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", self.name) is None:
            raise UnfitValue("name", "credential_name")


class ChannelSpec(Struct, frozen=True, kw_only=True):
    """A channel as the relay uses it: everything that its definition leaves out has been filled in.

    `models`: names as members ask for them, `*` and `?` as in file names, "!" before what is left out.
    `model_map`: member's name to upstream's name; one `*` on each side carries what it stood for
    ("*-ca" = "*"). Lower `priority` is tried first, `weight` shares the calls among channels of one priority.

    `dialects` that the upstream speaks; `roots`: where on its host a dialect begins, if not at `base_url`;
    `paths`: an endpoint's path after that, if not its name, or after "//" from the host's root; `auth`: how
    a dialect takes the credential ("bearer", "header:NAME", "none"), if not as its own provider does.
    `headers` go with each request, `default_headers` where the caller sent none of that name. `drop` and
    `rename` are of a body's top-level members; `stream_usage`: whether a stream may be asked for its usage.

    `draining`: no new calls, but those that can go nowhere else.

    Deadlines: connecting; TLS; the answer's head; its first byte; between two pieces of it; the whole call.
    `connection_idle_s`: how long an unused connection is kept, `connections_max`: how many there may be.
    `keep_alive_s`: how often a waiting caller of a stream gets a comment line; 0: never."""

    name: str
    base_url: str
    preset: str = "openai-compatible"
    api_version: str = ""
    dialects: tuple[str, ...] = ("openai",)
    roots: dict[str, str] = {}
    paths: dict[str, str] = {}
    auth: dict[str, str] = {}
    models: tuple[str, ...] = ("*",)
    model_map: dict[str, str] = {}
    priority: int = 0
    weight: int = 1
    enabled: bool = True
    draining: bool = False
    credentials: tuple[CredentialDef, ...] = (CredentialDef(name=DEFAULT_CREDENTIAL),)
    proxy: str = ""
    headers: dict[str, str] = {}
    default_headers: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    stream_usage: bool = True
    connect_s: float = 5.0
    tls_s: float = 5.0
    header_s: float = 600.0  # a reasoning model may think for minutes before its first byte
    first_byte_s: float = 600.0
    idle_s: float = 300.0
    total_s: float = 3600.0
    connection_idle_s: float = 45.0
    connections_max: int = 4096
    keep_alive_s: float = 0.0
    tls_verify: bool = True
    ca_file: str = ""
    health: HealthPolicy = HealthPolicy()
    probe_path: str = "/models"
    cost_multiplier: str = "1"

    def offers(self, model: str) -> bool:
        """Whether a call for this model may go here."""
        named = False
        for pattern in self.models:
            if pattern.startswith("!"):
                if fnmatchcase(model, pattern[1:]):
                    return False
            elif not named:
                named = pattern == model or fnmatchcase(model, pattern)
        return named and self.enabled

    def speaks(self, dialect: str) -> bool:
        """Whether a call of this dialect ("openai", "anthropic", "gemini") may go here."""
        return dialect in self.dialects

    def upstream_model(self, model: str) -> str:
        """What this upstream calls the model: an exact entry of `model_map`, else its first fitting pattern,
        else the same name."""
        exact = self.model_map.get(model)
        if exact is not None:
            return exact
        for pattern, target in self.model_map.items():
            head, star, tail = pattern.partition("*")
            if (
                star
                and len(model) > len(head) + len(tail)
                and model.startswith(head)
                and model.endswith(tail)
            ):
                return target.replace("*", model[len(head) : len(model) - len(tail)])
        return model


def upstream_target(spec: ChannelSpec, endpoint: str, upstream_model: str) -> str:
    """The path, with a query where the upstream wants one, of an endpoint ("chat/completions", "messages",
    "generateContent", …; "" is where the upstream lists its models)."""
    dialect = _DIALECTS.get(endpoint, "openai") if endpoint else spec.dialects[0]
    root = spec.roots.get(dialect)
    if root is None:
        root = urlsplit(spec.base_url).path.rstrip("/")
    default = f"/models/{{model}}:{endpoint}" if dialect == "gemini" else f"/{endpoint}"
    path = spec.paths.get(endpoint, default) if endpoint else spec.probe_path
    path = path[1:] if path.startswith("//") else root + path
    model, version = quote(upstream_model, safe=""), quote(spec.api_version, safe="")
    return path.replace("{model}", model).replace("{api_version}", version)


def auth_line(spec: ChannelSpec, dialect: str, credential: str) -> str:
    """The header, without its line end, that carries the credential in a request of this dialect; "" where
    the upstream takes none."""
    style = spec.auth.get(dialect) or AUTH[dialect]
    if style == "none" or not credential:
        return ""
    return f"authorization: Bearer {credential}" if style == "bearer" else f"{style[7:]}: {credential}"


_OUTPUT_LIMITS = frozenset(("max_tokens", "max_completion_tokens", "max_output_tokens"))
# Of what the relay decides by, what makes a call no dearer when it is left out.
_DISPENSABLE = frozenset(
    ("service_tier", "prediction", "web_search_options", "user", "safety_identifier", "store")
)
# All else of it: the upstream must get it as it was read.
_KEPT = GOVERNED - _OUTPUT_LIMITS - _DISPENSABLE | {"generationConfig", "generation_config"}


def check_reshaping(drop: Collection[str], rename: Mapping[str, str]) -> None:
    """Raises UnfitValue for members of a body that can't be dropped or renamed."""
    for name in drop:
        if name in _KEPT or name in _OUTPUT_LIMITS:
            raise UnfitValue("drop", "governed", name=name)
    if len(set(rename.values())) != len(rename):
        raise UnfitValue("rename", "renamed_alike")
    for name, new in rename.items():
        if name in _KEPT or (new not in _OUTPUT_LIMITS and (new in _KEPT or new.casefold() in GOVERNED)):
            raise UnfitValue("rename", "governed_rename", name=name, new=new)
        if (name in _OUTPUT_LIMITS) != (new in _OUTPUT_LIMITS):
            raise UnfitValue("rename", "not_both_limits", name=name, new=new)
        if new in rename or new in drop or name in drop:
            raise UnfitValue("rename", "rename_contradicts", name=name, new=new)
        if not (_is_plain(name) and _is_plain(new)):
            raise UnfitValue("rename", "rename_plain", name=name, new=new)


def _is_plain(name: str) -> bool:
    return is_header_text(name) and not {'"', "\\"} & set(name)


def check_auth(style: str) -> None:
    """Raises UnfitValue for what is no way to send a credential."""
    if style in ("bearer", "none"):
        return
    if not style.startswith("header:"):
        raise UnfitValue("auth", "auth")
    check_header(style[7:], "")


def is_header_text(text: str) -> bool:
    """Whether a text can stand in a request's head as it is: nothing in it ends a line."""
    return text.isascii() and text.isprintable()


def check_header(name: str, value: str) -> None:
    """Raises UnfitValue for a header that a channel can't add to its requests."""
    if not _TOKEN.fullmatch(name):
        raise UnfitValue("headers", "header_name", name=name)
    if name.lower() in RESERVED_HEADERS:
        raise UnfitValue("headers", "header_reserved", name=name)
    if not is_header_text(value):
        raise UnfitValue("headers", "header_value", name=name)


def check_url(field: str, url: str, *, schemes: tuple[str, ...]) -> None:
    """Raises UnfitValue for what is no URL of one of these schemes."""
    if not _is_url(url, schemes):
        raise UnfitValue(field, "url", scheme=schemes[0], schemes=", ".join(schemes))


def _is_url(url: str, schemes: tuple[str, ...]) -> bool:
    # urlsplit drops line ends and keeps blanks; both would change the request line that the URL becomes.
    if not is_header_text(url) or " " in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return bool(
        parts.scheme in schemes and parts.hostname and port != 0 and not parts.query and not parts.fragment
    )
