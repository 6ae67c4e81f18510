"""A channel: one way to an upstream, and what it offers."""

import re
from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from posthouse.kernel.money import parse_ratio

Seconds = Annotated[float, Meta(gt=0)]

# What a channel's `headers` can't set: what frames a request, and what the relay says itself. A second length
# would let an upstream see two requests in one, and a packed answer could not be metered.
RESERVED_HEADERS = frozenset(
    (
        *("host", "user-agent", "accept-encoding", "content-length", "transfer-encoding", "connection"),
        *("keep-alive", "upgrade", "expect", "te", "trailer", "proxy-authorization", "proxy-connection"),
    )
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a header's name in RFC 9110


class ChannelSpec(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`models`: names as members ask for them, `*` and `?` as in file names, "!" before what is left out.
    `model_map`: member's name to upstream's name; one `*` on each side carries what it stood for
    ("*-ca" = "*"). Lower `priority` is tried first, `weight` shares the calls among channels of one priority.
    Deadlines: connecting; the answer's head; between two pieces of the answer; the whole call. `proxy`: an
    HTTP proxy's URL. `headers` go with each request, beside the relay's own. `cost_multiplier`: what the
    upstream takes, as a ratio of its list price. Raises ValueError for a URL, header or ratio that can't be
    one."""

    name: str
    base_url: str
    models: tuple[str, ...] = ("*",)
    model_map: dict[str, str] = {}
    priority: int = 0
    weight: Annotated[int, Meta(ge=0)] = 1
    enabled: bool = True
    proxy: str = ""
    headers: dict[str, str] = {}
    connect_s: Seconds = 5.0
    first_byte_s: Seconds = 600.0  # a reasoning model may think for minutes before its first byte
    idle_s: Seconds = 300.0
    total_s: Seconds = 3600.0
    tls_verify: bool = True
    ca_file: str = ""
    cost_multiplier: str | int = "1"

    def __post_init__(self) -> None:
        _check_url("base_url", self.base_url, schemes=("http", "https"))
        if self.proxy:
            _check_url("proxy", self.proxy, schemes=("http",))
        for name, value in self.headers.items():
            _check_header(name, value)
        try:
            parse_ratio(str(self.cost_multiplier))
        except ValueError as error:
            raise ValueError(f"cost_multiplier: {error}") from None

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


def is_header_text(text: str) -> bool:
    """Whether a text can stand in a request's head as it is: nothing in it ends a line."""
    return text.isascii() and text.isprintable()


def _check_header(name: str, value: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"headers: {name!r} is no header's name")
    if name.lower() in RESERVED_HEADERS:
        raise ValueError(f"headers: {name} is set by the relay itself")
    if not is_header_text(value):
        raise ValueError(f"headers: the value of {name} must be printable ASCII text")


def _check_url(field: str, url: str, *, schemes: tuple[str, ...]) -> None:
    if not _is_url(url, schemes):
        kinds = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{field}: needs a URL such as {kinds}host:port/path")


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
