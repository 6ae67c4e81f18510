"""What a call costs: price lines, and the tariff compiled from them.

A line prices one component (input, cached_input, output, …) per million tokens or each, in nanos. A call is
priced by the lines of its service tier and of the longest prompt tier that its prompt exceeds. A charge is
summed exactly and rounded up once.

Where a component has no line of its own, in this order: the service tier's next shorter prompt tier; the
default service tier; then the components that FALLBACKS names, by the same steps. So tokens of a direction
that has any price are never free by oversight. What still has none is charged nothing and named as unpriced.
"""

import hashlib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Literal

import msgspec
from msgspec import Struct

from posthouse.kernel.money import NANOS, PER_MILLION
from posthouse.kernel.problems import UnfitValue

DEFAULT_TIER = "default"

# More tokens than any answer has: the output cap where output costs nothing.
OUTPUT_TOKENS_UNBOUNDED = 2**31 - 1

FALLBACKS: dict[str, tuple[str, ...]] = {
    "input": ("image_input", "audio_input"),
    "cached_input": ("input",),
    "cache_write": ("input",),
    "cache_write_1h": ("cache_write", "input"),
    "audio_input": ("input",),
    "audio_cached_input": ("audio_input", "cached_input", "input"),
    "audio_cache_write": ("audio_input", "cache_write", "input"),
    "image_input": ("input",),
    "image_cached_input": ("image_input", "cached_input", "input"),
    "output": ("image_output", "audio_output"),
    "reasoning_output": ("output",),
    "audio_output": ("output",),
    "image_output": ("output",),
}
OUTPUTS = tuple(component for component in FALLBACKS if component.endswith("output"))
INPUTS = tuple(component for component in FALLBACKS if component not in OUTPUTS)


class PriceLine(Struct, frozen=True, gc=False, order=True):
    """`nanos` of the operator's currency, per 1M tokens or each. The line applies to the whole call once its
    prompt is longer than `prompt_tokens_over`."""

    component: str
    per: Literal["1M tokens", "each"]
    nanos: int
    prompt_tokens_over: int = 0
    service_tier: str = DEFAULT_TIER

    @property
    def micronanos(self) -> int:
        """Millionths of a nano for one token or one piece: the unit in which charges are summed exactly."""
        return self.nanos if self.per == "1M tokens" else self.nanos * PER_MILLION


class Charge(Struct, frozen=True, gc=False):
    """`lines` are the price lines that applied; `unpriced` names the components that no line priced."""

    nanos: int
    lines: tuple[PriceLine, ...]
    unpriced: tuple[str, ...] = ()


class _Step(Struct, frozen=True):
    """The prices of one service tier for prompts longer than `over`."""

    over: int
    lines: dict[str, PriceLine]
    micronanos: dict[str, int]  # of one token or piece by the lines


class _Bound(Struct, frozen=True):
    """Dearest micronanos per input token and output token, for prompts that may exceed `over`."""

    over: int
    input: int
    output: int


class Tariff:
    """The price of one model for one plan, compiled for the hot path; immutable."""

    def __init__(self, lines: Iterable[PriceLine]) -> None:
        """Raises ValueError when there is no line, two price the same thing or one is negative."""
        self.lines = tuple(sorted(lines))
        if not self.lines:
            raise UnfitValue("", "tariff_empty")
        self._own = {
            (line.component, line.service_tier, line.prompt_tokens_over): line for line in self.lines
        }
        if len(self._own) != len(self.lines):
            raise UnfitValue("", "tariff_twice")
        if any(line.nanos < 0 or line.prompt_tokens_over < 0 for line in self.lines):
            raise UnfitValue("", "negative")
        tiers = {DEFAULT_TIER} | {line.service_tier for line in self.lines}
        self._steps = {tier: self._compile(tier) for tier in tiers}
        self._bounds = {tier: self._compile_bounds((DEFAULT_TIER, tier)) for tier in tiers}
        self._bounds["auto"] = self._bounds.get("priority", self._bounds[DEFAULT_TIER])

    @cached_property
    def lines_json(self) -> bytes:
        """The lines as canonical JSON: what a price snapshot stores."""
        return msgspec.json.encode(self.lines, order="deterministic")

    @cached_property
    def id(self) -> str:
        """Names the price snapshot: the same lines have the same id."""
        return hashlib.sha256(self.lines_json).hexdigest()[:20]

    def has_tier(self, service_tier: str) -> bool:
        """Whether some line prices this tier; one that none does is charged as the default tier."""
        return service_tier in self._steps

    def charge_nanos(self, quantities: Mapping[str, int], prompt_tokens: int, service_tier: str) -> int:
        """What disjoint quantities cost: the exact sum, rounded up once to a whole nano."""
        prices = self._step(prompt_tokens, service_tier).micronanos
        micronanos = 0
        for component, quantity in quantities.items():
            micronanos += quantity * prices.get(component, 0)
        return -(-micronanos // PER_MILLION)

    def charge(
        self, quantities: Mapping[str, int], *, prompt_tokens: int, service_tier: str = DEFAULT_TIER
    ) -> Charge:
        """The same, and what it is made of."""
        lines = self._step(prompt_tokens, service_tier).lines
        return Charge(
            self.charge_nanos(quantities, prompt_tokens, service_tier),
            tuple([lines[component] for component in quantities if component in lines]),
            tuple([component for component, n in quantities.items() if n and component not in lines]),
        )

    def _step(self, prompt_tokens: int, service_tier: str) -> _Step:
        for step in self._steps.get(service_tier) or self._steps[DEFAULT_TIER]:
            if step.over < prompt_tokens:
                break
        return step

    def ceiling(self, prompt_tokens_max: int, output_tokens_max: int, service_tier: str | None = None) -> int:
        """Nanos that no call within these bounds exceeds, whatever its tokens turn out to be.

        `output_tokens_max` counts all answers of the call together. `service_tier` is what the request asks
        for. The upstream may then serve it at the default tier, and at priority when the request says "auto".
        """
        bound = self._bound(prompt_tokens_max, service_tier)
        return -(-(prompt_tokens_max * bound.input + output_tokens_max * bound.output) // PER_MILLION)

    def output_cap(
        self, available_nanos: int, prompt_tokens_max: int, n: int = 1, service_tier: str | None = None
    ) -> int:
        """The most output tokens for each of `n` answers such that `ceiling` stays within `available_nanos`;
        0 when not even one token each is covered."""
        bound = self._bound(prompt_tokens_max, service_tier)
        micronanos = available_nanos * PER_MILLION - prompt_tokens_max * bound.input
        if micronanos < 0:
            return 0
        if bound.output == 0:
            return OUTPUT_TOKENS_UNBOUNDED
        return min(OUTPUT_TOKENS_UNBOUNDED, micronanos // (bound.output * n))

    def _bound(self, prompt_tokens_max: int, service_tier: str | None) -> _Bound:
        for bound in self._bounds.get(service_tier or DEFAULT_TIER) or self._bounds[DEFAULT_TIER]:
            if bound.over < prompt_tokens_max:
                break
        return bound

    def _compile(self, tier: str) -> tuple[_Step, ...]:
        """The tier's steps, that for the longest prompts first."""
        overs = {0} | {line.prompt_tokens_over for line in self.lines}
        components = sorted(set(FALLBACKS) | {line.component for line in self.lines})
        steps = []
        for over in sorted(overs, reverse=True):
            resolved = [(component, self._resolve(component, tier, over)) for component in components]
            lines = {component: line for component, line in resolved if line is not None}
            micronanos = {component: line.micronanos for component, line in lines.items()}
            steps.append(_Step(over, lines, micronanos))
        return tuple(steps)

    def _resolve(self, component: str, tier: str, over: int) -> PriceLine | None:
        for candidate in (component, *FALLBACKS.get(component, ())):
            for own_tier in (tier, DEFAULT_TIER):
                overs = [at for name, t, at in self._own if (name, t) == (candidate, own_tier) and at <= over]
                if overs:
                    return self._own[candidate, own_tier, max(overs)]
        return None

    def _compile_bounds(self, tiers: tuple[str, ...]) -> tuple[_Bound, ...]:
        """As the steps. A prompt shorter than its bound may be priced by a lower step: each bound covers all
        below it."""
        bounds = []
        dearest: dict[str, int] = {}
        for steps in zip(*(reversed(self._steps[tier]) for tier in tiers), strict=True):
            for step in steps:
                for component, micronanos in step.micronanos.items():
                    dearest[component] = max(micronanos, dearest.get(component, 0))
            bounds.append(
                _Bound(
                    steps[0].over,
                    max(dearest.get(component, 0) for component in INPUTS),
                    max(dearest.get(component, 0) for component in OUTPUTS),
                )
            )
        return tuple(reversed(bounds))


class ListLine(Struct, frozen=True, gc=False):
    """A list price in USD, as decimal text."""

    component: str
    per: Literal["1M tokens", "each"]
    usd: str
    prompt_tokens_over: int = 0
    service_tier: str = DEFAULT_TIER


def price(
    list_lines: Iterable[ListLine], rate: Fraction, multiplier: Fraction = Fraction(1)
) -> tuple[PriceLine, ...]:
    """Lines in the operator's currency: list price × exchange rate × plan multiplier, exact, then rounded
    half up to a whole nano per million tokens or piece."""
    factor = rate * multiplier * NANOS
    return tuple(
        PriceLine(
            line.component,
            line.per,
            (Fraction(line.usd) * factor + Fraction(1, 2)).__floor__(),
            line.prompt_tokens_over,
            line.service_tier,
        )
        for line in list_lines
    )
