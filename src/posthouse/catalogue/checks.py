"""Whether definitions fit together: every name that one uses is another's. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from posthouse.catalogue.channels import channel_problems
from posthouse.catalogue.errors import Path, Problem
from posthouse.catalogue.prices import own_lines
from posthouse.catalogue.rules import (
    FAMILY_PREFIX,
    ChannelDef,
    Configuration,
    LimitDef,
    ModelDef,
    PlanDef,
    is_pattern,
    nearest,
    parse_window_ms,
)
from posthouse.kernel.problems import UnfitValue
from posthouse.metering.prices import Tariff


def fits(pattern: str, model: str, family: str) -> bool:
    """Whether a plan's pattern ("gpt-4*", "family:small", "*") means a model."""
    if pattern.startswith(FAMILY_PREFIX):
        return pattern[len(FAMILY_PREFIX) :] == family
    return fnmatchcase(model, pattern)


def check(configuration: Configuration, list_names: Collection[str]) -> list[Problem]:
    """Everything that does not fit together, by path in the file. `list_names` are the official list's
    models as "provider/model"."""
    return [
        *_operator(configuration),
        *_models(configuration, list_names),
        *(
            problem
            for name, plan in configuration.plans.items()
            for problem in _plan(name, plan, configuration)
        ),
        *(problem for channel in configuration.channels.values() for problem in _channel(channel)),
    ]


def _known(name: str, known: Iterable[str], kind: str, path: Path) -> Iterator[Problem]:
    """A problem of that kind where the name is not known."""
    known = list(known)
    if name not in known:
        yield Problem(path, kind, {"name": name, "near": nearest(name, known)})


def _operator(configuration: Configuration) -> Iterator[Problem]:
    operator = configuration.operator
    for field, plan in (("default_plan", operator.default_plan), ("topup_plan", operator.topup_plan)):
        if plan:
            yield from _known(plan, configuration.plans, "unknown_plan", ("operator", field))


def _models(configuration: Configuration, list_names: Collection[str]) -> Iterator[Problem]:
    names = Counter(
        [*configuration.models, *(alias for one in configuration.models.values() for alias in one.aliases)]
    )
    for name, model in configuration.models.items():
        path: Path = ("models", name)
        if model.family:
            yield from _known(model.family, configuration.families, "unknown_family", (*path, "family"))
        for i, alias in enumerate(model.aliases):
            if names[alias] > 1:
                yield Problem((*path, "aliases", i), "alias_taken", {"name": alias})
        yield from _pattern_model(path, model) if is_pattern(name) else ()
        yield from _list_price(path, name, model, list_names)
        yield from _own_price(path, model)


def _pattern_model(path: Path, model: ModelDef) -> Iterator[Problem]:
    if model.aliases:
        yield Problem((*path, "aliases"), "pattern_aliases")
    if not model.list.endswith("/*"):
        yield Problem((*path, "list"), "pattern_list")


def _list_price(path: Path, name: str, model: ModelDef, list_names: Collection[str]) -> Iterator[Problem]:
    if not model.list:
        return
    if model.prices:
        yield Problem((*path, "price"), "two_prices")
    provider, _, listed = model.list.partition("/")
    if listed != "*":
        yield from _known(model.list, list_names, "unknown_list_price", (*path, "list"))
    elif is_pattern(name):
        providers = {one.partition("/")[0] for one in list_names}
        yield from _known(provider, providers, "unknown_list", (*path, "list"))
    else:
        yield from _known(f"{provider}/{name}", list_names, "unknown_list_price", (*path, "list"))


def _own_price(path: Path, model: ModelDef) -> Iterator[Problem]:
    if model.prices:
        try:
            Tariff(own_lines(model.prices))
        except UnfitValue as error:
            yield Problem.of(error, (*path, "price"))


def _channel(channel: ChannelDef) -> Iterator[Problem]:
    yield from channel_problems(channel)
    for pattern in channel.costs:
        try:
            Tariff(own_lines(channel.cost_of(pattern)))
        except UnfitValue as error:
            yield Problem.of(error, ("channels", channel.name, "costs", pattern))


def _plan(name: str, plan: PlanDef, configuration: Configuration) -> Iterator[Problem]:
    path: Path = ("plans", name)
    for i, pattern in enumerate(plan.models):
        yield from _model_pattern(pattern.removeprefix("!"), configuration, (*path, "models", i))
    for pattern in plan.multipliers:
        yield from _model_pattern(pattern, configuration, (*path, "multipliers", pattern))
    seen: set[object] = set()
    for i, limit in enumerate(plan.limits):
        yield from _limit((*path, "limits", i), limit, configuration.families, seen)


def _model_pattern(pattern: str, configuration: Configuration, path: Path) -> Iterator[Problem]:
    """A name that means nothing is a slip; a pattern that fits nothing yet may be meant for later."""
    if pattern.startswith(FAMILY_PREFIX):
        yield from _known(pattern[len(FAMILY_PREFIX) :], configuration.families, "unknown_family", path)
    elif not is_pattern(pattern) and not any(fnmatchcase(pattern, name) for name in configuration.models):
        yield from _known(pattern, configuration.models, "unknown_model", path)


def _limit(
    path: Path, limit: LimitDef, families: Mapping[str, object], seen: set[object]
) -> Iterator[Problem]:
    for family in limit.families:
        yield from _known(family, families, "unknown_family", (*path, "family"))
    identity = (frozenset(limit.families), parse_window_ms(limit.window))
    if identity in seen:
        yield Problem(path, "limit_twice")
    seen.add(identity)
