"""Takes prices of the official list into the configuration: so that models follow the list, or as amounts of
their own, computed once with an exchange rate and a multiplier. Pure."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Literal

import msgspec
from msgspec import Struct

from posthouse.catalogue.compiled import expanded
from posthouse.catalogue.errors import ConfigurationError, Problem
from posthouse.catalogue.fields import Amount
from posthouse.catalogue.rules import (
    EACH,
    Configuration,
    Definition,
    Kind,
    ModelDef,
    PriceDef,
    nearest,
)
from posthouse.kernel.money import format_nanos, parse_ratio
from posthouse.kernel.problems import UnfitValue
from posthouse.metering.official import OfficialModel, official_models
from posthouse.metering.prices import ListLine, price

Mode = Literal["follow", "fix"]


class PriceImport(Struct, frozen=True, kw_only=True):
    """`names`: of the official list's models ("openai/gpt-4o"). `mode` "follow": members pay the list price
    times exchange rate and their plan's multiplier, also when the list changes; "fix": they pay the amounts
    that the list price times `exchange_rate` (empty: the operator's) times `multiplier` makes now. `family`:
    of models that are new to the configuration."""

    names: tuple[str, ...]
    mode: Mode = "follow"
    exchange_rate: Amount = ""
    multiplier: Amount = "1"
    family: str = ""


def imported(configuration: Configuration, wanted: PriceImport) -> dict[tuple[Kind, str], Definition]:
    """The models' new definitions; all but the price stays as it is. Raises ConfigurationError for names that
    the list does not have, two of the same model, and ratios that are none."""
    listed = [_listed(name) for name in dict.fromkeys(wanted.names)]
    bare = [one.model for one in listed]
    if len(bare) != len(set(bare)):
        twice = next(name for name in bare if bare.count(name) > 1)
        raise ConfigurationError([Problem(("models", twice), "several_providers")])
    factor = _ratio("exchange_rate", wanted.exchange_rate or configuration.operator.exchange_rate)
    factor *= _ratio("multiplier", wanted.multiplier)
    known = expanded(configuration)
    new = ModelDef(family=wanted.family)
    made: dict[tuple[Kind, str], Definition] = {}
    for one in listed:
        before = known.get(one.model, new)
        if wanted.mode == "fix":
            made["model", one.model] = _fixed(before, one, factor)
        elif before.list.replace("*", one.model) != _full_name(one):  # else it follows the list already
            made["model", one.model] = msgspec.structs.replace(before, list=_full_name(one), price=())
    return made


def _listed(name: str) -> OfficialModel:
    found = official_models().get(name)
    if found is None:
        near = nearest(name, official_models())
        raise ConfigurationError([Problem(("names",), "unknown_list_price", {"name": name, "near": near})])
    return found


def _ratio(field: str, text: Amount) -> Fraction:
    try:
        return parse_ratio(str(text))
    except UnfitValue as error:
        raise ConfigurationError([Problem.of(error, (field,))]) from None


def _full_name(listed: OfficialModel) -> str:
    return f"{listed.provider}/{listed.model}"


def _fixed(before: ModelDef, listed: OfficialModel, factor: Fraction) -> ModelDef:
    """What the list alone told of the model is written into its definition."""
    return msgspec.structs.replace(
        before,
        list="",
        price=fixed(listed.lines, factor),
        kind=before.kind or listed.kind,
        max_input_tokens=before.max_input_tokens or listed.max_input_tokens,
        max_output_tokens=before.max_output_tokens or listed.max_output_tokens,
        owned_by=before.owned_by or listed.provider,
    )


def fixed(lines: Iterable[ListLine], factor: Fraction) -> PriceDef | tuple[PriceDef, ...]:
    """Prices as a definition writes them: a table for each tier, or each kind of image."""
    tables: dict[tuple[int, str, str, str], dict[str, Any]] = {}
    for line in price(lines, factor):
        component, _, detail = line.component.partition(":")
        size, _, quality = detail.partition(":")
        if component in EACH or not detail:
            table = tables.setdefault((line.prompt_tokens_over, line.service_tier, size, quality), {})
            table[component] = format_nanos(line.nanos, places_min=0)
    found = tuple(
        PriceDef(prompt_tokens_over=over, service_tier=tier, size=size or (), quality=quality, **amounts)
        for (over, tier, size, quality), amounts in tables.items()
    )
    return found[0] if len(found) == 1 else found
