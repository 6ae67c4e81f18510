from hypothesis import given
from hypothesis import strategies as st

from posthouse.metering.arithmetic import arithmetic, format_micronanos
from posthouse.metering.prices import PriceLine, Tariff

TARIFF = Tariff(
    [
        PriceLine("input", "1M tokens", 150_000_000),
        PriceLine("input", "1M tokens", 300_000_000, prompt_tokens_over=1_000),
        PriceLine("output", "1M tokens", 600_000_001),
        PriceLine("web_search", "each", 10_000_000),
    ]
)
COMPONENTS = ("input", "cached_input", "output", "reasoning_output", "web_search", "nobody_prices_this")


@given(
    st.dictionaries(st.sampled_from(COMPONENTS), st.integers(0, 10_000_000)),
    st.integers(0, 2_000),
    st.sampled_from(["default", "priority"]),
)
def test_the_lines_add_up_to_the_charge(quantities: dict[str, int], prompt: int, tier: str) -> None:
    whole = arithmetic(TARIFF, quantities, prompt_tokens=prompt, service_tier=tier)
    charge = TARIFF.charge(quantities, prompt_tokens=prompt, service_tier=tier)
    assert whole.nanos == charge.nanos
    assert tuple(line.line for line in whole.lines if line.line) == charge.lines
    assert {line.component: line.quantity for line in whole.lines} == quantities
    assert sum(line.micronanos for line in whole.lines) == whole.micronanos


def test_a_component_is_priced_by_another_ones_line_where_it_has_none() -> None:
    whole = arithmetic(
        TARIFF, {"reasoning_output": 2, "nobody_prices_this": 1}, prompt_tokens=1, service_tier="default"
    )
    reasoning, unpriced = whole.lines
    assert reasoning.line is not None
    assert (reasoning.line.component, reasoning.micronanos) == ("output", 1_200_000_002)
    assert (unpriced.line, unpriced.micronanos, whole.nanos) == (None, 0, 1_201)


def test_exact_amounts() -> None:
    assert format_micronanos(0) == "0.000000000000000"
    assert format_micronanos(1_200_000_002) == "0.000001200000002"
    assert format_micronanos(12_000_000_000_000_345) == "12.000000000000345"
