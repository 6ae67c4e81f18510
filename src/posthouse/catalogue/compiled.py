"""The catalogue as the relay uses it: definitions with every name resolved, looked up and never changed.

A change of configuration makes a new Catalogue. Prices and rules of a (plan, model) are made when first
asked for and kept: a dictionary look-up from then on.
"""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from fractions import Fraction

import msgspec
from msgspec import Struct

from posthouse.catalogue.channels import resolved
from posthouse.catalogue.checks import fits
from posthouse.catalogue.prices import own_lines
from posthouse.catalogue.rules import (
    ENDPOINTS,
    Choice,
    Configuration,
    FamilyKind,
    LimitDef,
    ModelDef,
    PlanDef,
    PlanKind,
    is_pattern,
    parse_window_ms,
)
from posthouse.catalogue.states import State
from posthouse.kernel.errors import RelayCode
from posthouse.kernel.money import parse_nanos, parse_ratio
from posthouse.limits.rules import LimitRule
from posthouse.metering.official import OfficialModel, official, official_models
from posthouse.metering.prices import PriceLine, Tariff, price
from posthouse.routing.channels import ChannelSpec

OTHER = "other"  # the family of models that name none

# What a full quota answers with: requests, tokens. Where a kind of family has no number of its own it takes
# the one that _NUMBERED_AS names; token quotas of paid plans have none at all and answer 45011.
_CODES: dict[tuple[PlanKind, FamilyKind], tuple[RelayCode, RelayCode]] = {
    ("free", "standard"): (RelayCode.FREE_STANDARD_REQUESTS, RelayCode.FREE_STANDARD_TOKENS),
    ("free", "premium"): (RelayCode.FREE_PREMIUM_REQUESTS, RelayCode.FREE_PREMIUM_TOKENS),
    ("paid", "standard"): (RelayCode.PAID_STANDARD_REQUESTS, RelayCode.RATE_LIMITED),
    ("paid", "premium"): (RelayCode.PAID_PREMIUM_REQUESTS, RelayCode.RATE_LIMITED),
    ("paid", "image"): (RelayCode.PAID_IMAGE_REQUESTS, RelayCode.RATE_LIMITED),
    ("paid", "image_legacy"): (RelayCode.PAID_OLD_IMAGE_REQUESTS, RelayCode.RATE_LIMITED),
}
_NUMBERED_AS: dict[FamilyKind, FamilyKind] = {
    "other": "standard",
    "image": "premium",
    "image_legacy": "premium",
}

# A window up to here is a brake on bursts, not a plan's quota: it answers 45011 whatever the family.
BURST_WINDOW_MS_MAX = 60_000


# Rules of several models that are kept, for each order in which pages of stored calls name them.
SAME_RULES_MAX = 1000


class OperatorSpec(Struct, frozen=True, kw_only=True):
    """`exchange_rate`: of `currency` for one US dollar; all else as in OperatorDef."""

    name: str
    currency: str
    exchange_rate: Fraction
    key_prefix: str
    default_plan: str
    topup_plan: str
    timezone: str
    choice: Choice
    attempts_max: int
    attempts_total_s: float


class ModelSpec(Struct, frozen=True, kw_only=True):
    """A model that the catalogue knows. Numbers are None where nobody says them; `kind` is what the list of
    prices calls it (chat, embedding, completion, image_generation, …)."""

    name: str
    family: str
    family_kind: FamilyKind
    kind: str
    max_input_tokens: int | None
    max_output_tokens: int | None
    image_tokens_max: int | None
    aliases: tuple[str, ...]
    owned_by: str


class PlanSpec(Struct, frozen=True, kw_only=True):
    """A plan. `models`: the names of all models that it allows, aliases left out."""

    name: str
    kind: PlanKind
    models: frozenset[str]
    endpoints: frozenset[str]
    streaming: bool
    request_tokens_max: int | None
    input_tokens_max: int | None


class Catalogue:
    """What is for sale. Names that are not there give None; `model` knows aliases, all others take the
    model's own name."""

    def __init__(self, configuration: Configuration, apart: Mapping[str, State] = {}) -> None:
        """`configuration` has passed `check`; `apart`: the channels that are set apart by hand."""
        self._configuration = configuration
        self._sources = _sources(configuration)
        self._definitions = {name: configuration.models[one] for name, one in self._sources.items()}
        self._models = {name: self._spec(name, one) for name, one in self._definitions.items()}
        self._by_name = {alias: model for model in self._models.values() for alias in model.aliases}
        self._by_name |= self._models
        self._plans = {name: self._plan(name, one) for name, one in configuration.plans.items()}
        self._tariffs: dict[tuple[str, str], Tariff | None] = {}
        self._costs: dict[tuple[str, str], Tariff | None] = {}
        self._by_id: dict[str, Tariff] = {}
        self._rules: dict[tuple[str, str], tuple[LimitRule, ...]] = {}
        # Those that are equal are the same object: the limiter keeps counters at hand by it.
        self._same_rules: dict[tuple[LimitRule, ...], tuple[LimitRule, ...]] = {}
        # By plan and dialect: hundreds of models at tens of channels take a while to look through.
        self._for_sale: dict[tuple[str, str], tuple[ModelSpec, ...]] = {}
        operator = configuration.operator
        self.operator = OperatorSpec(
            name=operator.name,
            currency=operator.currency,
            exchange_rate=parse_ratio(str(operator.exchange_rate)),
            key_prefix=operator.key_prefix,
            default_plan=operator.default_plan,
            topup_plan=operator.topup_plan,
            timezone=operator.timezone,
            choice=operator.choice,
            attempts_max=operator.attempts_max,
            attempts_total_s=operator.attempts_total_s,
        )
        site = configuration.site
        self.site = msgspec.structs.replace(site, name=site.name or operator.name)
        self.channels: tuple[ChannelSpec, ...] = tuple(
            _set_apart(resolved(one), apart.get(one.name)) for one in configuration.channels.values()
        )

    def model(self, name: str) -> ModelSpec | None:
        return self._by_name.get(name)

    def models(self) -> tuple[ModelSpec, ...]:
        """All of them, by name."""
        return tuple(sorted(self._models.values(), key=lambda one: one.name))

    def defined_by(self, model: str) -> str:
        """The name of the definition that one of `models` has: its own, or a pattern's."""
        return self._sources[model]

    def plan(self, name: str) -> PlanSpec | None:
        return self._plans.get(name)

    def plans(self) -> tuple[PlanSpec, ...]:
        return tuple(self._plans.values())

    def plans_with(self, model: str) -> tuple[str, ...]:
        """The names of the plans that allow a model and have a price for it."""
        return tuple(
            name for name, plan in self._plans.items() if model in plan.models and self.tariff(name, model)
        )

    def models_for(self, plan: str, dialect: str = "openai") -> tuple[ModelSpec, ...]:
        """What a member of the plan can call, by name: allowed, priced, and offered by a channel; in another
        dialect than OpenAI's, whose list is the whole one, by a channel that speaks it."""
        key = (plan, dialect)
        if key not in self._for_sale:
            self._for_sale[key] = self._sold(plan, dialect)
        return self._for_sale[key]

    def tariff(self, plan: str, model: str) -> Tariff | None:
        """What the plan's members pay for the model; None: not for sale."""
        key = (plan, model)
        if key not in self._tariffs:
            self._tariffs[key] = self._tariff_of(self._price(plan, model))
        return self._tariffs[key]

    def cost(self, channel: ChannelSpec, model: str) -> Tariff | None:
        """What the channel's upstream takes for the model: the channel's own price, else its ratio of the
        list price; None where there is neither."""
        key = (channel.name, model)
        if key not in self._costs:
            self._costs[key] = self._tariff_of(self._cost(channel, model))
        return self._costs[key]

    def _tariff_of(self, lines: tuple[PriceLine, ...]) -> Tariff | None:
        """The one tariff of these lines, whoever takes or pays them; None without a line."""
        if not lines:
            return None
        tariff = Tariff(lines)
        return self._by_id.setdefault(tariff.id, tariff)

    def rules(self, plan: str, model: str) -> tuple[LimitRule, ...]:
        """The limits that a call of the plan's member for the model counts against."""
        key = (plan, model)
        if key not in self._rules:
            found = self._limits(plan, model)
            self._rules[key] = self._same_rules.setdefault(found, found)
        return self._rules[key]

    def limits(self) -> Iterator[tuple[str, LimitRule]]:
        """The rules of all plans, each with its plan's name. Which error a call over one gets depends on its
        model, and is not told here."""
        for name, plan in self._configuration.plans.items():
            for limit in plan.limits:
                for rule in _limit_rules(name, plan.kind, limit, "other"):
                    yield name, rule

    def rules_of(self, plan: str, models: Iterable[str]) -> tuple[LimitRule, ...]:
        """The limits of several models, each once: models that share one have a rule each, which may differ
        in the number that it answers with."""
        rules = {(rule.name, rule.subject): rule for model in models for rule in self.rules(plan, model)}
        found = tuple(rules.values())
        if len(self._same_rules) >= SAME_RULES_MAX:
            return self._same_rules.get(found, found)
        return self._same_rules.setdefault(found, found)

    def _spec(self, name: str, definition: ModelDef) -> ModelSpec:
        listed = _listed(name, definition)
        family = definition.family or OTHER
        families = self._configuration.families
        return ModelSpec(
            name=name,
            family=family,
            family_kind=families[family].kind if family in families else "other",
            kind=definition.kind or (listed.kind if listed else "chat"),
            max_input_tokens=definition.max_input_tokens or (listed.max_input_tokens if listed else None),
            max_output_tokens=definition.max_output_tokens or (listed.max_output_tokens if listed else None),
            image_tokens_max=definition.image_tokens_max,
            aliases=definition.aliases,
            owned_by=definition.owned_by or (listed.provider if listed else "posthouse"),
        )

    def _plan(self, name: str, definition: PlanDef) -> PlanSpec:
        def is_allowed(model: ModelSpec) -> bool:
            chosen = [one for one in definition.models if not one.startswith("!")]
            excluded = [one[1:] for one in definition.models if one.startswith("!")]
            return any(fits(one, model.name, model.family) for one in chosen) and not any(
                fits(one, model.name, model.family) for one in excluded
            )

        return PlanSpec(
            name=name,
            kind=definition.kind,
            models=frozenset(model.name for model in self._models.values() if is_allowed(model)),
            endpoints=frozenset(ENDPOINTS if "*" in definition.endpoints else definition.endpoints),
            streaming=definition.streaming,
            request_tokens_max=definition.request_tokens_max,
            input_tokens_max=definition.input_tokens_max,
        )

    def _sold(self, plan_name: str, dialect: str) -> tuple[ModelSpec, ...]:
        plan = self._plans.get(plan_name)
        if plan is None:
            return ()
        spoken = [one for one in self.channels if dialect == "openai" or one.speaks(dialect)]
        return tuple(
            model
            for model in self.models()
            if model.name in plan.models
            and self.tariff(plan_name, model.name)
            and any(one.offers(model.name) for one in spoken if not one.draining)
        )

    def _price(self, plan_name: str, model_name: str) -> tuple[PriceLine, ...]:
        plan, model = self._configuration.plans.get(plan_name), self._models.get(model_name)
        if plan is None or model is None:
            return ()
        definition = self._definitions[model_name]
        lines = own_lines(definition.prices)
        if definition.list:
            listed = _listed(model_name, definition)
            lines = price(
                listed.lines if listed else (), self.operator.exchange_rate, _multiplier(plan, model)
            )
        if plan.kind == "free":
            lines = tuple(msgspec.structs.replace(line, nanos=0) for line in lines)
        return lines

    def _cost(self, channel: ChannelSpec, model_name: str) -> tuple[PriceLine, ...]:
        own = self._configuration.channels[channel.name].cost_of(model_name)
        if own:
            return own_lines(own)
        definition = self._definitions.get(model_name)
        listed = _listed(model_name, definition) if definition else None
        if listed is None:
            return ()
        ratio = parse_ratio(channel.cost_multiplier)
        return price(listed.lines, self.operator.exchange_rate, ratio)

    def _limits(self, plan_name: str, model_name: str) -> tuple[LimitRule, ...]:
        plan, model = self._configuration.plans.get(plan_name), self._models.get(model_name)
        if plan is None or model is None:
            return ()
        return tuple(
            rule
            for limit in plan.limits
            if not limit.families or model.family in limit.families
            for rule in _limit_rules(plan_name, plan.kind, limit, model.family_kind)
        )


def _set_apart(spec: ChannelSpec, state: State | None) -> ChannelSpec:
    if state is None:
        return spec
    return msgspec.structs.replace(
        spec, enabled=spec.enabled and state == "draining", draining=state == "draining"
    )


def expanded(configuration: Configuration) -> dict[str, ModelDef]:
    """All models by name, with what their definitions or patterns say."""
    return {name: configuration.models[source] for name, source in _sources(configuration).items()}


def _sources(configuration: Configuration) -> dict[str, str]:
    """The name of each model's definition. Where several patterns fit one model of a list, the longest has
    it; a name of its own goes before every pattern."""
    sources = {name: name for name in configuration.models if not is_pattern(name)}
    patterns = sorted(
        (name for name in configuration.models if is_pattern(name)), key=lambda name: (-len(name), name)
    )
    for pattern in patterns:
        provider = configuration.models[pattern].list.removesuffix("/*")
        for listed in official_models().values():
            if listed.provider == provider and fnmatchcase(listed.model, pattern):
                sources.setdefault(listed.model, pattern)
    return sources


def _listed(name: str, definition: ModelDef) -> OfficialModel | None:
    """The list's entry for a model: the one it is priced by, else what is known under its name."""
    return official(definition.list.replace("*", name) or name)


def _multiplier(plan: PlanDef, model: ModelSpec) -> Fraction:
    own = (ratio for pattern, ratio in plan.multipliers.items() if fits(pattern, model.name, model.family))
    return parse_ratio(str(next(own, plan.multiplier)))


def _limit_rules(
    plan: str, plan_kind: PlanKind, limit: LimitDef, family_kind: FamilyKind
) -> Iterator[LimitRule]:
    """A limit's rule for each of its subjects."""
    families = "+".join(sorted(limit.families)) or "*"
    window_ms = parse_window_ms(limit.window)
    requests_code, tokens_code = _codes(plan_kind, family_kind, window_ms)
    for subject in limit.subjects:
        yield LimitRule(
            name=f"{plan}/{families}/{limit.window}",
            subject=subject,
            window_ms=window_ms,
            family=families,
            requests=limit.requests,
            tokens=limit.tokens,
            spend_nanos=None if limit.spend is None else parse_nanos(str(limit.spend)),
            concurrency=limit.concurrency,
            requests_code=requests_code,
            tokens_code=tokens_code,
        )


def _codes(plan_kind: PlanKind, family_kind: FamilyKind, window_ms: int) -> tuple[RelayCode, RelayCode]:
    """What a call is refused with when its requests or its tokens are over: by the model that was called,
    also where the limit counts all models together."""
    if window_ms <= BURST_WINDOW_MS_MAX:
        return RelayCode.RATE_LIMITED, RelayCode.RATE_LIMITED
    own = _CODES.get((plan_kind, family_kind))
    return own or _CODES[plan_kind, _NUMBERED_AS[family_kind]]
