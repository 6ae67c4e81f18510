"""A price of one component, as lists of models and previews show it."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from posthouse.api.values import Answer, Money
from posthouse.metering.prices import PriceLine


class LineFields(Answer):
    """What a price is of."""

    component: str = Field(description="What is priced: input, cached_input, output, …")
    per: Literal["1M tokens", "each"] = Field(description="For how much.")
    service_tier: str = Field(description="The service tier, or default.")
    prompt_tokens_over: int = Field(description="Holds for the whole call once its prompt is longer.")


class PriceLineAnswer(LineFields):
    """A price of one component."""

    price: Money


def lines_of(lines: Iterable[PriceLine]) -> list[PriceLineAnswer]:
    return [
        PriceLineAnswer(
            component=one.component,
            per=one.per,
            service_tier=one.service_tier,
            prompt_tokens_over=one.prompt_tokens_over,
            price=one.nanos,
        )
        for one in lines
    ]
