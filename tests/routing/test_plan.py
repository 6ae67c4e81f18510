from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.routing.channels import ChannelSpec
from posthouse.routing.plan import ATTEMPTS_MAX, offering, plan_attempts


def channel(name: str, **fields: object) -> ChannelSpec:
    return ChannelSpec(name=name, base_url="https://upstream.example/v1", **fields)  # type: ignore[arg-type]  # any field


def names(channels: tuple[ChannelSpec, ...]) -> list[str]:
    return [one.name for one in channels]


def always(number: float) -> Callable[[], float]:
    return lambda: number


@pytest.mark.parametrize(
    ("patterns", "model", "offered"),
    [
        (("*",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("gpt-4*", "o1"), "gpt-4o-mini", True),
        (("gpt-4*", "o1"), "o1", True),
        (("GPT-4O",), "gpt-4o", False),
        (("*", "!*-ca"), "gpt-4o", True),
        (("*", "!*-ca"), "gpt-4o-ca", False),
        (("!*-ca",), "gpt-4o", False),
        ((), "gpt-4o", False),
    ],
)
def test_a_channel_offers_the_models_that_its_patterns_name(
    patterns: tuple[str, ...], model: str, offered: bool
) -> None:
    assert channel("one", models=patterns).offers(model) is offered


def test_a_channel_that_is_switched_off_offers_nothing() -> None:
    assert offering([channel("off", enabled=False)], "gpt-4o") == ()
    assert plan_attempts((), always(0)) == ()


@pytest.mark.parametrize(
    ("model", "upstream"),
    [
        ("gpt-4o-ca", "gpt-4o"),  # the star carries what it stood for
        ("small", "gpt-4o-mini"),  # an exact entry
        ("small-ca", "tiny"),  # exact before pattern
        ("ca", "ca"),  # the pattern needs "-ca"
        ("-ca", "-ca"),  # an empty name is no name
        ("gpt-4o", "gpt-4o"),
    ],
)
def test_the_upstream_is_asked_by_its_own_name(model: str, upstream: str) -> None:
    mapping = {"*-ca": "*", "small": "gpt-4o-mini", "small-ca": "tiny"}
    assert channel("one", model_map=mapping).upstream_model(model) == upstream


def test_lower_priorities_go_first_whatever_the_weights() -> None:
    channels = [
        channel("last", priority=9, weight=100),
        channel("first", priority=-1, weight=1),
        channel("other", models=("claude-*",)),
        channel("second"),
    ]
    assert names(plan_attempts(offering(channels, "gpt-4o"), always(0.5))) == ["first", "second", "last"]


@pytest.mark.parametrize(
    ("number", "order"),
    [(0.0, ["a", "b"]), (0.249, ["a", "b"]), (0.25, ["b", "a"]), (0.999, ["b", "a"])],
)
def test_the_weight_decides_who_is_drawn_first(number: float, order: list[str]) -> None:
    channels = [channel("a", weight=1), channel("b", weight=3)]
    assert names(plan_attempts(offering(channels, "gpt-4o"), always(number))) == order


def test_calls_are_shared_in_proportion_to_the_weights() -> None:
    channels = [channel("a", weight=1), channel("b", weight=3), channel("spare", weight=0)]
    random = Random(7).random
    first = Counter(plan_attempts(offering(channels, "gpt-4o"), random)[0].name for _ in range(4000))
    assert first["spare"] == 0
    assert 2.7 < first["b"] / first["a"] < 3.3


def test_channels_of_weight_zero_alone_are_still_tried() -> None:
    channels = [channel("a", weight=0), channel("b", weight=0)]
    assert sorted(names(plan_attempts(offering(channels, "gpt-4o"), always(0.9)))) == ["a", "b"]


def test_unusable_channels_are_left_out_unless_none_would_remain() -> None:
    channels = [channel("a"), channel("b", priority=1)]
    usable = plan_attempts(offering(channels, "gpt-4o"), always(0), is_usable=lambda one: one.name == "b")
    nothing = plan_attempts(offering(channels, "gpt-4o"), always(0), is_usable=lambda one: False)
    assert names(usable) == ["b"]
    assert names(nothing) == ["a", "b"]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=15),
    st.randoms(use_true_random=False),
)
def test_every_plan_is_by_priority_and_names_no_channel_twice(
    shapes: list[tuple[int, int]], random: Random
) -> None:
    channels = [channel(str(i), priority=p, weight=w) for i, (p, w) in enumerate(shapes)]
    plan = plan_attempts(offering(channels, "gpt-4o"), random.random)
    priorities = [one.priority for one in plan]
    assert len({one.name for one in plan}) == len(plan) == min(len(channels), ATTEMPTS_MAX)
    assert priorities == sorted(one.priority for one in channels)[:ATTEMPTS_MAX]
