"""Exact charges, and ceilings that no charge exceeds."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.kernel.money import NANOS
from posthouse.metering.prices import (
    FALLBACKS,
    INPUTS,
    OUTPUT_TOKENS_UNBOUNDED,
    OUTPUTS,
    ListLine,
    PriceLine,
    Tariff,
    price,
)


def per_million(component: str, nanos: int, over: int = 0, tier: str = "default") -> PriceLine:
    return PriceLine(component, "1M tokens", nanos, over, tier)


def each(component: str, nanos: int) -> PriceLine:
    return PriceLine(component, "each", nanos)


PLAIN = Tariff([per_million("input", 150_000_000), per_million("output", 600_000_000)])


def test_charges_the_exact_sum() -> None:
    charge = PLAIN.charge({"input": 100, "output": 30}, prompt_tokens=100)
    assert charge.nanos == (100 * 150_000_000 + 30 * 600_000_000) // 1_000_000
    assert [line.component for line in charge.lines] == ["input", "output"]
    assert charge.unpriced == ()


def test_rounds_up_once_not_per_component() -> None:
    tariff = Tariff([per_million("input", 1), per_million("output", 1)])
    assert tariff.charge({"input": 1, "output": 1}, prompt_tokens=1).nanos == 1
    assert tariff.charge({"input": 600_000, "output": 400_000}, prompt_tokens=1).nanos == 1
    assert tariff.charge({"input": 600_000, "output": 400_001}, prompt_tokens=1).nanos == 2
    assert tariff.charge({}, prompt_tokens=0).nanos == 0


def test_pieces_are_charged_each() -> None:
    tariff = Tariff([each("image", 400_000_000), each("image:1024x1792", 800_000_000)])
    assert tariff.charge({"image": 2, "image:1024x1792": 1}, prompt_tokens=0).nanos == 1_600_000_000


def test_which_service_tiers_have_prices() -> None:
    tariff = Tariff([per_million("input", 1), per_million("input", 2, tier="flex")])
    assert [tariff.has_tier(tier) for tier in ("default", "flex", "priority")] == [True, True, False]


def test_names_what_has_no_price() -> None:
    charge = PLAIN.charge({"input": 1, "web_search": 2, "second": 0}, prompt_tokens=1)
    assert charge.unpriced == ("web_search",)
    assert charge.nanos == 150


@pytest.mark.parametrize(
    ("component", "priced"),
    [
        ("cached_input", {"input": 5}),
        ("cache_write", {"input": 5}),
        ("cache_write_1h", {"input": 9, "cache_write": 5}),
        ("cache_write_1h", {"input": 5}),
        ("audio_input", {"input": 5}),
        ("audio_cached_input", {"input": 9, "cached_input": 1, "audio_input": 5}),
        ("audio_cached_input", {"input": 9, "cached_input": 5}),
        ("audio_cache_write", {"input": 9, "cache_write": 5}),
        ("image_input", {"input": 5}),
        ("image_cached_input", {"input": 9, "cached_input": 5}),
        ("reasoning_output", {"output": 5, "audio_output": 9}),
        ("audio_output", {"output": 5}),
        ("image_output", {"output": 5}),
        ("output", {"image_output": 5, "audio_output": 9}),
        ("input", {"audio_input": 5}),
        ("cached_input", {"input": 9, "cached_input": 5}),
    ],
)
def test_falls_back_to_the_nearest_component(component: str, priced: dict[str, int]) -> None:
    tariff = Tariff([per_million(name, nanos * 1_000_000) for name, nanos in priced.items()])
    assert tariff.charge({component: 1}, prompt_tokens=1).nanos == 5


TIERED = Tariff(
    [
        per_million("input", 1_000_000),
        per_million("input", 2_000_000, over=100),
        per_million("input", 4_000_000, over=200),
        per_million("cached_input", 500_000),
        per_million("output", 10_000_000),
        per_million("output", 20_000_000, over=100),
        per_million("input", 700_000, tier="flex"),
        per_million("input", 3_000_000, tier="priority"),
    ]
)


@pytest.mark.parametrize(
    ("prompt_tokens", "input_nanos", "output_nanos"),
    [(0, 1, 10), (100, 1, 10), (101, 2, 20), (200, 2, 20), (201, 4, 20), (10**6, 4, 20)],
)
def test_a_long_prompt_is_dearer_as_a_whole(prompt_tokens: int, input_nanos: int, output_nanos: int) -> None:
    assert TIERED.charge({"input": 1}, prompt_tokens=prompt_tokens).nanos == input_nanos
    assert TIERED.charge({"output": 1}, prompt_tokens=prompt_tokens).nanos == output_nanos


@pytest.mark.parametrize(
    ("tier", "component", "micronanos"),
    [
        ("flex", "input", 700_000),
        ("flex", "output", 20_000_000),  # no flex price: the default tier's
        ("flex", "cached_input", 500_000),  # its own default price before another component's flex price
        ("priority", "input", 3_000_000),
        ("scale", "input", 4_000_000),  # unknown tier
        ("", "input", 4_000_000),
        ("default", "cached_input", 500_000),
    ],
)
def test_service_tiers(tier: str, component: str, micronanos: int) -> None:
    charge = TIERED.charge({component: 1_000_000}, prompt_tokens=300, service_tier=tier)
    assert charge.nanos == micronanos


def test_an_id_names_the_lines_not_their_order() -> None:
    lines = [per_million("input", 1), per_million("output", 2)]
    assert Tariff(lines).id == Tariff(reversed(lines)).id
    assert Tariff(lines).id != PLAIN.id
    assert Tariff(lines).lines_json.startswith(b'[{"component":"input"')


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [per_million("input", 1), each("input", 2)],
        [per_million("input", -1)],
        [per_million("input", 1, over=-1)],
    ],
)
def test_refuses_no_tariff(lines: list[PriceLine]) -> None:
    with pytest.raises(ValueError):
        Tariff(lines)


def test_ceiling_is_the_dearest_way_to_bill_the_tokens() -> None:
    assert TIERED.ceiling(100, 10) == 100 * 1 + 10 * 10
    assert TIERED.ceiling(150, 10) == 150 * 2 + 10 * 20
    assert TIERED.ceiling(300, 10) == 300 * 4 + 10 * 20
    assert TIERED.ceiling(100, 10, "auto") == 100 * 3 + 10 * 10
    assert TIERED.ceiling(100, 10, "priority") == 100 * 3 + 10 * 10
    assert TIERED.ceiling(100, 10, "flex") == 100 * 1 + 10 * 10
    assert TIERED.ceiling(100, 10, "unheard-of") == 100 * 1 + 10 * 10


def test_output_cap() -> None:
    assert TIERED.output_cap(150, 100) == 5
    assert TIERED.output_cap(150, 100, n=2) == 2
    assert TIERED.output_cap(99, 100) == 0
    assert TIERED.output_cap(10**30, 100) == OUTPUT_TOKENS_UNBOUNDED
    assert Tariff([per_million("input", 0)]).output_cap(0, 10**6) == OUTPUT_TOKENS_UNBOUNDED


def test_price_rounds_half_up_to_whole_nanos() -> None:
    lines = [ListLine("input", "1M tokens", "2.5", 128, "flex"), ListLine("image", "each", "0.0000000005")]
    assert price(lines, Fraction("7.2"), Fraction("0.8")) == (
        PriceLine("input", "1M tokens", 14_400_000_000, 128, "flex"),
        PriceLine("image", "each", 3),
    )
    assert price(lines, Fraction(1)) == (
        PriceLine("input", "1M tokens", 5 * NANOS // 2, 128, "flex"),
        PriceLine("image", "each", 1),
    )
    assert price(lines[:1], Fraction(1), Fraction(1, 7))[0].nanos == 357_142_857


components = st.sampled_from([*FALLBACKS, "web_search"])
tiers = st.sampled_from(["default", "flex", "priority"])
overs = st.sampled_from([0, 10, 50])
nanos = st.integers(0, 10**12)
tariffs = st.dictionaries(st.tuples(components, overs, tiers), nanos, min_size=1, max_size=12).map(
    lambda lines: Tariff(
        [
            PriceLine(component, "each" if component == "web_search" else "1M tokens", cost, over, tier)
            for (component, over, tier), cost in lines.items()
        ]
    )
)
tokens = st.integers(0, 100)
quantities = st.fixed_dictionaries({}, optional=dict.fromkeys([*FALLBACKS, "web_search"], tokens))
SERVED = {
    None: ["", "default"],
    "auto": ["default", "priority"],
    "flex": ["flex", "default"],
    "priority": ["priority", "default"],
}


@given(tariffs, quantities, st.sampled_from(list(SERVED)), st.data())
def test_no_charge_exceeds_its_ceiling(
    tariff: Tariff, used: dict[str, int], asked: str | None, data: st.DataObject
) -> None:
    prompt = sum(used.get(component, 0) for component in INPUTS)
    output = sum(used.get(component, 0) for component in OUTPUTS)
    slack = data.draw(tokens)
    served = data.draw(st.sampled_from(SERVED[asked]))
    of_tokens = {name: n for name, n in used.items() if name in FALLBACKS}
    charge = tariff.charge(of_tokens, prompt_tokens=prompt, service_tier=served)
    assert charge.nanos <= tariff.ceiling(prompt + slack, output, asked)


@given(tariffs, tokens, st.integers(1, 5), nanos, st.sampled_from(list(SERVED)))
def test_the_output_cap_is_the_largest_that_is_covered(
    tariff: Tariff, prompt: int, n: int, available: int, asked: str | None
) -> None:
    cap = tariff.output_cap(available, prompt, n, asked)
    if cap:
        assert tariff.ceiling(prompt, cap * n, asked) <= available
    if cap < OUTPUT_TOKENS_UNBOUNDED:
        assert tariff.ceiling(prompt, (cap + 1) * n, asked) > available


@given(tariffs, quantities, quantities, st.integers(0, 100), tiers)
def test_charges_add_up_but_for_the_one_rounding(
    tariff: Tariff, first: dict[str, int], second: dict[str, int], prompt: int, tier: str
) -> None:
    both = {name: first.get(name, 0) + second.get(name, 0) for name in first | second}
    apart = [tariff.charge(part, prompt_tokens=prompt, service_tier=tier).nanos for part in (first, second)]
    together = tariff.charge(both, prompt_tokens=prompt, service_tier=tier).nanos
    assert sum(apart) - 1 <= together <= sum(apart)
