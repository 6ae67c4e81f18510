"""What a change of the configuration does to what members pay. Pure."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from posthouse.catalogue.compiled import Catalogue
from posthouse.metering.prices import PriceLine


class PriceChange(Struct, frozen=True, kw_only=True):
    """One price of one model for one plan's members, in nanos of the operator's currency; None: there is, or
    was, none. All else as in PriceLine."""

    plan: str
    model: str
    component: str
    per: Literal["1M tokens", "each"]
    service_tier: str
    prompt_tokens_over: int
    before_nanos: int | None
    after_nanos: int | None


def price_changes(before: Catalogue, after: Catalogue) -> Iterator[PriceChange]:
    """What becomes dearer, cheaper, comes or goes, by plan and model. Free plans charge nothing, before and
    after: they are left out."""
    plans = [one.name for one in (*before.plans(), *after.plans()) if one.kind != "free"]
    models = sorted({one.name for one in (*before.models(), *after.models())})
    for plan in sorted(set(plans)):
        for model in models:
            yield from _changes(plan, model, _lines(before, plan, model), _lines(after, plan, model))


_Place = tuple[str, Literal["1M tokens", "each"], str, int]


def _changes(
    plan: str, model: str, before: dict[_Place, int], after: dict[_Place, int]
) -> Iterator[PriceChange]:
    for place in dict.fromkeys((*before, *after)):
        was_nanos, is_nanos = before.get(place), after.get(place)
        if was_nanos != is_nanos:
            component, per, tier, over = place
            yield PriceChange(
                plan=plan,
                model=model,
                component=component,
                per=per,
                service_tier=tier,
                prompt_tokens_over=over,
                before_nanos=was_nanos,
                after_nanos=is_nanos,
            )


def _lines(catalogue: Catalogue, plan: str, model: str) -> dict[_Place, int]:
    found = catalogue.plan(plan)
    tariff = catalogue.tariff(plan, model) if found is not None and model in found.models else None
    return {_place(line): line.nanos for line in (tariff.lines if tariff else ())}


def _place(line: PriceLine) -> _Place:
    return line.component, line.per, line.service_tier, line.prompt_tokens_over
