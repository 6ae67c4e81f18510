"""A channel: one way to an upstream, and what it offers."""

from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]


class ChannelSpec(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`models`: names as members ask for them, `*` and `?` as in file names, "!" before what is left out.
    `model_map`: member's name to upstream's name; one `*` on each side carries what it stood for
    ("*-ca" = "*"). Lower `priority` is tried first, `weight` shares the calls among channels of one priority.
    Deadlines: connecting; the answer's head; between two pieces of the answer; the whole call. `proxy`: an
    HTTP proxy's URL. `cost_multiplier`: what the upstream takes, as a ratio of its list price. Raises
    ValueError for a URL that can't be one."""

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
    cost_multiplier: str = "1"

    def __post_init__(self) -> None:
        _check_url("base_url", self.base_url, schemes=("http", "https"))
        if self.proxy:
            _check_url("proxy", self.proxy, schemes=("http",))

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


def _check_url(field: str, url: str, *, schemes: tuple[str, ...]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        kinds = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{field}: needs a URL such as {kinds}host:port/path")
