"""What an operator sells, as definitions: the shape of the TOML file and of the store's configuration rows.

A definition is checked twice: on its own when it is made (UnfitValue names the field at fault), and all
together by `check`: does every name that is used exist. Amounts and ratios are text or whole numbers, so that
no float is near money.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from posthouse.accounts.rules import parse_prefix
from posthouse.catalogue.fields import Amount, Count, Seconds, amount_nanos, checked
from posthouse.catalogue.site import SiteDef
from posthouse.kernel.money import parse_ratio
from posthouse.kernel.periods import DAY_MS, HOUR_MS, MINUTE_MS
from posthouse.kernel.problems import UnfitValue
from posthouse.limits.rules import Subject
from posthouse.routing.channels import (
    CredentialDef,
    check_auth,
    check_header,
    check_reshaping,
    check_url,
)
from posthouse.routing.health import HealthPolicy

FamilyKind = Literal["standard", "premium", "image", "image_legacy", "other"]
PlanKind = Literal["free", "paid"]
Kind = Literal["operator", "site", "family", "model", "plan", "channel"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Choice = Literal["weighted", "latency"]
Dialect = Literal["openai", "anthropic", "gemini"]

DEFAULT_PRESET = "openai-compatible"

# Price components counted one by one; all others are counted in tokens.
EACH = frozenset({"image", "web_search", "second", "character", "query", "maps_query", "video_second"})

ENDPOINTS = (
    "models",
    "chat/completions",
    "completions",
    "embeddings",
    "responses",
    "images/generations",
    "images/edits",
    "images/variations",
    "audio/transcriptions",
    "audio/translations",
    "audio/speech",
    "moderations",
    "messages",
    "messages/count_tokens",
    "generateContent",
    "streamGenerateContent",
    "embedContent",
    "batchEmbedContents",
    "countTokens",
    "rerank",
)

_WINDOW = re.compile(r"(\d+)\s*(s|second|m|minute|h|hour|d|day)s?")
_UNIT_MS = {"s": 1000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
WINDOW_MS_MAX = 31 * DAY_MS  # counters are rebuilt from the usage records of one window at start


class _Definition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Fields left out of a definition stay out of its stored form, so that a new default reaches all."""


class OperatorDef(_Definition, frozen=True):
    """`exchange_rate`: of the operator's currency for one US dollar of a list price. `topup_plan`: where any
    top-up moves an account; empty: it stays. `choice`: among channels of one priority by weight, or the
    quickest to answer. `attempts_max` and `attempts_total_s` bound what is tried before a call's first
    byte."""

    name: str = "Posthouse"
    currency: str = "USD"
    exchange_rate: Amount = "1"
    key_prefix: str = "sk-"
    default_plan: str = ""
    topup_plan: str = ""
    timezone: str = "UTC"
    choice: Choice = "weighted"
    attempts_max: Annotated[int, Meta(ge=1, le=8)] = 4
    attempts_total_s: Seconds = 600.0

    def __post_init__(self) -> None:
        checked("exchange_rate", _positive_ratio, self.exchange_rate)
        checked("timezone", _time_zone, self.timezone)
        parse_prefix(self.key_prefix)


class FamilyDef(_Definition, frozen=True):
    """Models that share quotas. The kind decides which error number a full quota answers with."""

    kind: FamilyKind = "other"


class PriceDef(_Definition, frozen=True):
    """Prices by component, in the operator's currency, per million tokens (`per = "1k"`: per thousand) or,
    for the components in EACH, a piece. `prompt_tokens_over` and `service_tier` say when they apply; `size`
    and `quality` of which image."""

    per: Literal["1M", "1k"] = "1M"
    prompt_tokens_over: Count = 0
    service_tier: str = "default"
    size: str | tuple[str, ...] = ()
    quality: str = ""
    input: Amount = ""
    output: Amount = ""
    cached_input: Amount = ""
    cache_write: Amount = ""
    cache_write_1h: Amount = ""
    reasoning_output: Amount = ""
    audio_input: Amount = ""
    audio_output: Amount = ""
    audio_cached_input: Amount = ""
    audio_cache_write: Amount = ""
    image_input: Amount = ""
    image_output: Amount = ""
    image_cached_input: Amount = ""
    image: Amount = ""
    web_search: Amount = ""
    second: Amount = ""
    character: Amount = ""
    query: Amount = ""
    maps_query: Amount = ""
    video_second: Amount = ""

    def __post_init__(self) -> None:
        for component, text in self.components.items():
            checked(component, amount_nanos, text)
        if not self.components:
            raise UnfitValue("", "price_empty")

    @property
    def components(self) -> dict[str, str]:
        """The components that have a price here, as text."""
        fields = self.__struct_fields__
        amounts = {name: str(getattr(self, name)) for name in fields[fields.index("input") :]}
        return {name: text for name, text in amounts.items() if text}

    @property
    def sizes(self) -> tuple[str, ...]:
        return (self.size,) if isinstance(self.size, str) else self.size


class ModelDef(_Definition, frozen=True):
    """One model, or with `*` in its name all models of a list that it fits. Priced by `list`
    ("openai/gpt-4o", "openai/*": the row of the same name) or by `price`; by neither: not for sale."""

    family: str = ""
    kind: str = ""
    list: str = ""
    price: PriceDef | tuple[PriceDef, ...] = ()
    max_input_tokens: Count | None = None
    max_output_tokens: Count | None = None
    image_tokens_max: Count | None = None
    aliases: tuple[str, ...] = ()
    owned_by: str = ""

    @property
    def prices(self) -> tuple[PriceDef, ...]:
        return (self.price,) if isinstance(self.price, PriceDef) else self.price


class LimitDef(_Definition, frozen=True):
    """How much may be used in any `window` by each subject in `per`. `family`: one, or several counted
    together; left out: all models together. `spend` is in the operator's currency."""

    family: str | tuple[str, ...] = ()
    per: Subject | tuple[Subject, ...] = ("key", "address")
    window: str = "1 hour"
    requests: Count | None = None
    tokens: Count | None = None
    spend: Amount | None = None
    concurrency: Count | None = None

    def __post_init__(self) -> None:
        checked("window", parse_window_ms, self.window)
        if self.spend is not None:
            checked("spend", amount_nanos, self.spend)
        if (self.requests, self.tokens, self.spend, self.concurrency) == (None,) * 4:
            raise UnfitValue("", "limit_empty")

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,) if isinstance(self.family, str) else self.family

    @property
    def subjects(self) -> tuple[Subject, ...]:
        return self.per if isinstance(self.per, tuple) else (self.per,)


class PlanDef(_Definition, frozen=True):
    """`models`: names, patterns ("gpt-4*"), "family:NAME"; a leading "!" takes out again. A plan of kind
    free charges nothing; `multiplier` is of list prices, `multipliers` the same for some models, the first
    that fits. `request_tokens_max` bounds prompt and answer together, `input_tokens_max` the prompt."""

    kind: PlanKind
    models: tuple[str, ...] = ("*",)
    endpoints: tuple[str, ...] = ("*",)
    streaming: bool = True
    request_tokens_max: Count | None = None
    input_tokens_max: Count | None = None
    multiplier: Amount = "1"
    multipliers: dict[str, Amount] = {}
    limits: tuple[LimitDef, ...] = ()

    def __post_init__(self) -> None:
        checked("multiplier", parse_ratio, self.multiplier)
        for model, ratio in self.multipliers.items():
            checked(f"multipliers.{model}", parse_ratio, ratio)
        for endpoint in self.endpoints:
            if endpoint != "*" and endpoint not in ENDPOINTS:
                raise UnfitValue(
                    "endpoints", "unknown_endpoint", name=endpoint, near=nearest(endpoint, ENDPOINTS)
                )


KEEP_ALIVE_S_MIN = 0.1  # more comments than this are a flood


class ChannelDef(_Definition, frozen=True):
    """What an operator says of a channel; what is None or empty here the preset says (routing.channels.
    ChannelSpec has both, and tells what each means). `credentials`: without any there is one of the name
    "default". `costs`: what the upstream takes, by model or pattern, in the operator's currency; for all
    other models its list price times `cost_multiplier`. Raises UnfitValue for a URL, header, ratio or name
    that can't be one."""

    name: str
    preset: str = DEFAULT_PRESET
    base_url: str = ""
    api_version: str = ""
    dialects: tuple[Dialect, ...] = ()
    auth: str = ""
    models: tuple[str, ...] = ("*",)
    model_map: dict[str, str] = {}
    priority: int = 0
    weight: Count = 1
    enabled: bool = True
    credentials: tuple[CredentialDef, ...] = ()
    proxy: str = ""
    headers: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    connect_s: Seconds | None = None
    tls_s: Seconds | None = None
    header_s: Seconds | None = None
    first_byte_s: Seconds | None = None
    idle_s: Seconds | None = None
    total_s: Seconds | None = None
    connection_idle_s: Seconds | None = None
    connections_max: Annotated[int, Meta(ge=1)] | None = None
    keep_alive_s: Annotated[float, Meta(ge=0)] = 0.0
    tls_verify: bool = True
    ca_file: str = ""
    health: HealthPolicy = HealthPolicy()
    cost_multiplier: Amount = "1"
    costs: dict[str, PriceDef | tuple[PriceDef, ...]] = {}

    def __post_init__(self) -> None:
        if ":" in self.name:  # it begins the names under which credentials are kept
            raise UnfitValue("name", "channel_name")
        if self.base_url:
            check_url("base_url", self.base_url, schemes=("http", "https"))
            if "@" in urlsplit(self.base_url).netloc:  # it would be shown, and never sent
                raise UnfitValue("base_url", "url_user")
        if self.proxy:
            check_url("proxy", self.proxy, schemes=("http", "socks5", "socks5h"))
        if self.auth:
            check_auth(self.auth)
        for name, value in self.headers.items():
            check_header(name, value)
        check_reshaping(self.drop, self.rename)
        checked("cost_multiplier", parse_ratio, self.cost_multiplier)
        if 0 < self.keep_alive_s < KEEP_ALIVE_S_MIN:
            raise UnfitValue("keep_alive_s", "at_least_or_none", ge=KEEP_ALIVE_S_MIN)
        names = [one.name for one in self.credentials]
        if len(names) != len(set(names)):
            raise UnfitValue("credentials", "same_name")

    def cost_of(self, model: str) -> tuple[PriceDef, ...]:
        """The own price for a model: by its name, else by the first pattern that it fits; () is none."""
        fitting = (price for pattern, price in self.costs.items() if fnmatchcase(model, pattern))
        price = self.costs.get(model) or next(fitting, ())
        return (price,) if isinstance(price, PriceDef) else price


Definition = OperatorDef | SiteDef | FamilyDef | ModelDef | PlanDef | ChannelDef

TYPES: dict[Kind, type[Definition]] = {
    "operator": OperatorDef,
    "site": SiteDef,
    "family": FamilyDef,
    "model": ModelDef,
    "plan": PlanDef,
    "channel": ChannelDef,
}


# The file's table of each kind; those of SINGLE are one definition, named as their kind, the others hold
# definitions by name.
TABLES: dict[Kind, str] = {
    "operator": "operator",
    "site": "site",
    "family": "families",
    "model": "models",
    "plan": "plans",
    "channel": "channels",
}
FAMILY_PREFIX = "family:"  # in a plan's patterns: all models of a family
SINGLE: frozenset[Kind] = frozenset({"operator", "site"})
FILLED: frozenset[Kind] = frozenset({"channel", "site"})  # a file's variables are filled in here
VARIABLE = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")  # with one more "$" in front it is none


class Configuration(Struct, frozen=True, kw_only=True):
    """All definitions by name."""

    operator: OperatorDef
    site: SiteDef = SiteDef()
    families: dict[str, FamilyDef] = {}
    models: dict[str, ModelDef] = {}
    plans: dict[str, PlanDef] = {}
    channels: dict[str, ChannelDef] = {}

    @staticmethod
    def of(definitions: Mapping[tuple[Kind, str], Definition]) -> "Configuration":
        named: dict[Kind, dict[str, Any]] = {kind: {} for kind in KINDS}
        for (kind, name), definition in definitions.items():
            named[kind][name] = definition
        return Configuration(
            operator=next(iter(named["operator"].values()), OperatorDef()),
            site=next(iter(named["site"].values()), SiteDef()),
            families=named["family"],
            models=named["model"],
            plans=named["plan"],
            channels=named["channel"],
        )


def parse_window_ms(text: str) -> int:
    """Milliseconds of "1 hour", "30 s", "5 minutes", "1d"; raises UnfitValue."""
    match = _WINDOW.fullmatch(text.strip().lower())
    if match is None:
        raise UnfitValue("", "window", text=text)
    window_ms = int(match[1]) * _UNIT_MS[match[2][0]]
    if not 1000 <= window_ms <= WINDOW_MS_MAX:
        raise UnfitValue("", "window_bounds", text=text)
    return window_ms


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that may have been meant; empty: none is near."""
    return next(iter(get_close_matches(word, list(known), n=1)), "")


def is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def _positive_ratio(text: str) -> None:
    if not parse_ratio(text):
        raise UnfitValue("", "greater_than", gt=0)


def _time_zone(name: str) -> None:
    if name == "UTC":  # also where the machine has no time zone data
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise UnfitValue("", "unknown_time_zone", name=name) from None
