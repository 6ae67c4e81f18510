"""Which channel a call tries next."""

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from posthouse.routing.choice import Chooser, Lineup
from posthouse.routing.health import Health, HealthPolicy, Ticket
from posthouse.routing.verdicts import Verdict

MODEL = "m"
POLICY = HealthPolicy(calls_min=10, consecutive=5)
NOW_S = 1000.0


class Channel(Struct, frozen=True):
    channel: str
    priority: int = 0
    weight: int = 1


def lineup_of(*channels: Channel) -> Lineup[Channel]:
    return Lineup(channels)


class Scene:
    def __init__(self, randomness: Callable[[], float], *, by_latency: bool = False) -> None:
        self.health = Health(lambda: 0.0)
        self.chooser = Chooser(self.health, randomness, by_latency=by_latency)

    def attempt(self, channel: str) -> Ticket:
        return self.health.begin(channel, MODEL, POLICY, NOW_S)

    def shut(self, *channels: str) -> None:
        """Until NOW_S + 5."""
        for channel in channels:
            for _ in range(POLICY.consecutive):
                self.health.end(self.attempt(channel), Verdict.ERROR, NOW_S)

    def ramp(self, channel: str) -> None:
        """From NOW_S on, over 30 s."""
        self.shut(channel)
        self.health.end(self.attempt(channel), Verdict.OK, NOW_S)

    def answered(self, channel: str, ttft_s: float) -> None:
        self.health.end(self.attempt(channel), Verdict.OK, NOW_S, ttft_s=ttft_s)

    def choose(
        self,
        lineup: Lineup[Channel],
        tried: Iterable[str] = (),
        affinity: bytes = b"",
        pinned: str = "",
        after_s: float = 0.0,
    ) -> str | None:
        chosen = self.chooser.choose(
            lineup, MODEL, NOW_S + after_s, tried=set(tried), affinity=affinity, pinned=pinned
        )
        return None if chosen is None else chosen.channel

    def order(self, lineup: Lineup[Channel], affinity: bytes = b"") -> list[str]:
        """All of them, as a call would try them one after another."""
        order: list[str] = []
        while (channel := self.choose(lineup, order, affinity)) is not None:
            order.append(channel)
        return order

    def shares(self, lineup: Lineup[Channel], times: int = 4000, after_s: float = 0.0) -> dict[str, float]:
        chosen = Counter(self.choose(lineup, after_s=after_s) for _ in range(times))
        return {str(channel): count / times for channel, count in chosen.items()}


def always(number: float) -> Callable[[], float]:
    return lambda: number


def chance(seed: int = 7) -> Callable[[], float]:
    return Random(seed).random


# -- tiers and weights ---------------------------------------------------------------------------------------


def test_lower_priorities_go_first_whatever_the_weights() -> None:
    lineup = lineup_of(Channel("last", 9, 100), Channel("first", -1), Channel("second"))
    assert Scene(chance()).order(lineup) == ["first", "second", "last"]


@pytest.mark.parametrize(("number", "first"), [(0.0, "a"), (0.249, "a"), (0.25, "b"), (0.999, "b")])
def test_the_weight_decides_who_is_drawn(number: float, first: str) -> None:
    lineup = lineup_of(Channel("a", weight=1), Channel("b", weight=3))
    assert Scene(always(number)).choose(lineup) == first


def test_a_draw_that_rounds_up_to_the_total_is_the_last_one() -> None:
    lineup = lineup_of(Channel("a", weight=1), Channel("b", weight=2))
    assert Scene(always(1 - 2**-53)).choose(lineup) == "b"


def test_calls_are_shared_in_proportion_to_the_weights() -> None:
    lineup = lineup_of(Channel("a", weight=1), Channel("b", weight=3), Channel("spare", weight=0))
    assert Scene(chance()).shares(lineup) == {
        "a": pytest.approx(0.25, abs=0.03),
        "b": pytest.approx(0.75, abs=0.03),
    }


@pytest.mark.parametrize("by_latency", [False, True])
@pytest.mark.parametrize("affinity", [b"", b"key"])
@pytest.mark.parametrize("names", [("spare", "a"), ("a", "spare")])
def test_weight_zero_comes_when_no_other_of_its_tier_is_left(
    by_latency: bool, affinity: bytes, names: tuple[str, ...]
) -> None:
    tier = [Channel(name, weight=int(name != "spare")) for name in names]
    lineup = lineup_of(*tier, Channel("next", 1))
    scene = Scene(chance(), by_latency=by_latency)
    scene.answered("spare", 0.001)
    scene.answered("a", 10)
    assert scene.order(lineup, affinity) == ["a", "spare", "next"]


def test_channels_of_weight_zero_alone_share_evenly() -> None:
    lineup = lineup_of(Channel("a", weight=0), Channel("b", weight=0))
    assert Scene(chance()).shares(lineup)["a"] == pytest.approx(0.5, abs=0.03)


def test_nobody_is_chosen_where_nobody_is_left() -> None:
    scene = Scene(chance())
    assert scene.choose(lineup_of()) is None
    assert scene.choose(lineup_of(Channel("a"), Channel("b", 1)), {"a", "b", "other"}) is None


# -- health --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_latency", [False, True])
@pytest.mark.parametrize("affinity", [b"", b"key"])
def test_what_is_shut_is_left_alone_while_another_is_fit(by_latency: bool, affinity: bytes) -> None:
    lineup = lineup_of(Channel("a", weight=1000), Channel("b"), Channel("c"), Channel("d", 1))
    scene = Scene(chance(), by_latency=by_latency)
    scene.shut("a", "b")
    assert {scene.choose(lineup, affinity=affinity) for _ in range(100)} == {"c"}
    scene.shut("c")
    assert {scene.choose(lineup, affinity=affinity) for _ in range(100)} == {"d"}


def test_a_doubtful_channel_is_better_than_a_refusal() -> None:
    lineup = lineup_of(Channel("a"), Channel("b"), Channel("c", 1))
    scene = Scene(chance())
    scene.shut("a", "b", "c")
    assert set(scene.shares(lineup, 100)) == {"a", "b"}
    assert scene.choose(lineup, {"a", "b"}) == "c"
    assert scene.choose(lineup, {"a", "b", "c"}) is None


def test_a_ramping_channel_is_a_better_last_resort_than_a_shut_one() -> None:
    lineup = lineup_of(Channel("a"), Channel("b", 1))
    scene = Scene(always(0.5))
    scene.shut("a")
    scene.ramp("b")
    assert scene.choose(lineup) == "b"
    assert scene.choose(lineup, {"b"}) == "a"


@pytest.mark.parametrize("after_s", [6.0, 15.0, 24.0])
def test_a_ramping_channel_gets_its_part_and_no_more(after_s: float) -> None:
    """Alone in its tier too: what it does not get goes to the next tier."""
    part = after_s / 30
    scene = Scene(chance())
    scene.ramp("a")
    alone = scene.shares(lineup_of(Channel("a"), Channel("next", 1)), after_s=after_s)
    assert alone["a"] == pytest.approx(part, abs=0.03)
    beside = scene.shares(lineup_of(Channel("a"), Channel("b")), after_s=after_s)
    assert beside["a"] == pytest.approx(part / 2, abs=0.03)


def test_of_a_thousand_calls_at_once_one_tries_a_half_open_channel() -> None:
    lineup = lineup_of(Channel("a", weight=5), Channel("b"))
    scene = Scene(chance())
    scene.shut("a")
    chosen = []
    for _ in range(1000):
        channel = scene.choose(lineup, after_s=5)
        assert channel is not None
        scene.health.begin(channel, MODEL, POLICY, NOW_S + 5)
        chosen.append(channel)
    assert Counter(chosen) == {"a": 1, "b": 999}


# -- latency -------------------------------------------------------------------------------------------------


def test_the_quicker_of_two_is_taken() -> None:
    lineup = lineup_of(Channel("slow"), Channel("quick"))
    scene = Scene(chance(), by_latency=True)
    scene.answered("slow", 2)
    scene.answered("quick", 0.5)
    assert set(scene.shares(lineup, 200)) == {"quick"}


@pytest.mark.parametrize("number", [0.0, 0.25, 0.5, 0.75, 1 - 2**-53])
def test_the_two_are_never_the_same(number: float) -> None:
    scene = Scene(always(number), by_latency=True)
    scene.answered("slow", 2)
    scene.answered("quick", 0.5)
    assert scene.choose(lineup_of(Channel("slow"), Channel("quick"))) == "quick"
    assert scene.choose(lineup_of(Channel("quick"), Channel("slow", weight=3))) == "quick"


def test_calls_in_flight_count_as_waiting() -> None:
    lineup = lineup_of(Channel("slow"), Channel("quick"))
    scene = Scene(chance(), by_latency=True)
    scene.answered("slow", 2)
    scene.answered("quick", 0.5)
    for _ in range(4):
        scene.attempt("quick")
    assert set(scene.shares(lineup, 200)) == {"slow"}


def test_where_nothing_is_known_calls_in_flight_decide() -> None:
    lineup = lineup_of(Channel("known"), Channel("new"))
    scene = Scene(chance(), by_latency=True)
    scene.answered("known", 0.001)
    assert set(scene.shares(lineup, 200)) == {"new"}
    scene.attempt("new")
    assert set(scene.shares(lineup, 200)) == {"known"}
    scene.attempt("known")
    scene.attempt("known")
    assert set(scene.shares(lineup, 200)) == {"new"}


def test_the_worst_of_many_is_never_the_quicker_of_two() -> None:
    channels = [Channel(f"c{number}", weight=1 + number % 3) for number in range(9)]
    scene = Scene(chance(), by_latency=True)
    for number, channel in enumerate(channels):
        scene.answered(channel.channel, 1 + number)
    shares = scene.shares(lineup_of(*channels))
    assert set(shares) == {one.channel for one in channels[:-1]}


def test_one_channel_alone_is_taken_whatever_its_latency() -> None:
    assert Scene(chance(), by_latency=True).choose(lineup_of(Channel("a"))) == "a"


# -- affinity ------------------------------------------------------------------------------------------------


def chosen_by_key(scene: Scene, lineup: Lineup[Channel], keys: int = 3000) -> dict[int, str | None]:
    return {key: scene.choose(lineup, affinity=key.to_bytes(4)) for key in range(keys)}


def test_the_same_key_goes_to_the_same_channel() -> None:
    lineup = lineup_of(*(Channel(f"c{number}") for number in range(20)))
    assert chosen_by_key(Scene(chance(1)), lineup, 100) == chosen_by_key(Scene(chance(2)), lineup, 100)


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 5), (3, 0, 1)])
def test_keys_are_shared_in_proportion_to_the_weights(weights: tuple[int, ...]) -> None:
    lineup = lineup_of(*(Channel(f"c{number}", weight=weight) for number, weight in enumerate(weights)))
    chosen = Counter(chosen_by_key(Scene(chance()), lineup).values())
    shares = [chosen[f"c{number}"] / 3000 for number in range(len(weights))]
    assert shares == pytest.approx([weight / sum(weights) for weight in weights], abs=0.03)


@pytest.mark.parametrize("weight", [1, 2])
def test_a_channel_that_is_added_or_leaves_moves_only_its_own_keys(weight: int) -> None:
    channels = [Channel(f"c{number}", weight=1 + number % weight) for number in range(10)]
    scene = Scene(chance())
    before = chosen_by_key(scene, lineup_of(*channels))
    after = chosen_by_key(scene, lineup_of(*channels, Channel("new")))
    assert {after[key] for key in before if after[key] != before[key]} == {"new"}
    fewer = chosen_by_key(scene, lineup_of(*channels[1:]))
    assert {before[key] for key in before if fewer[key] != before[key]} == {"c0"}


def test_affinity_yields_to_failover_and_comes_back() -> None:
    lineup = lineup_of(*(Channel(f"c{number}") for number in range(5)))
    scene = Scene(chance())
    home = scene.choose(lineup, affinity=b"key")
    assert home is not None
    other = scene.choose(lineup, {home}, affinity=b"key")
    assert other not in (home, None)
    scene.shut(home)
    assert scene.choose(lineup, affinity=b"key") == other  # where it was tried before: that has it cached too
    scene.health.reset(home, now_s=NOW_S)
    assert scene.choose(lineup, affinity=b"key") == home


def test_affinity_stays_inside_the_tier() -> None:
    lineup = lineup_of(Channel("a"), Channel("b", 1, weight=1000))
    assert set(chosen_by_key(Scene(chance()), lineup, 100).values()) == {"a"}


# -- owned objects -------------------------------------------------------------------------------------------


def test_a_pinned_call_goes_to_its_channel_whatever_its_health_or_nowhere() -> None:
    lineup = lineup_of(Channel("a"), Channel("b", 1))
    scene = Scene(chance())
    scene.shut("b")
    assert scene.choose(lineup, pinned="b") == "b"
    assert scene.choose(lineup, {"b"}, pinned="b") is None
    assert scene.choose(lineup, pinned="gone") is None


# -- always --------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(["fit", "shut", "ramp"])), max_size=12
    ),
    st.booleans(),
    st.sampled_from([b"", b"key"]),
    st.randoms(use_true_random=False),
)
def test_every_order_names_each_channel_once_and_the_fit_by_priority(
    shapes: list[tuple[int, int, str]], by_latency: bool, affinity: bytes, random: Random
) -> None:
    scene = Scene(random.random, by_latency=by_latency)
    channels = [Channel(str(number), shape[0], shape[1]) for number, shape in enumerate(shapes)]
    for channel, (_, _, health) in zip(channels, shapes, strict=True):
        if health != "fit":
            getattr(scene, health)(channel.channel)
    order = scene.order(lineup_of(*channels), affinity)
    assert sorted(order) == sorted(one.channel for one in channels)
    fit = [shapes[int(name)][0] for name in order if shapes[int(name)][2] == "fit"]
    assert fit == sorted(fit)
    last = [shapes[int(name)][2] for name in order]
    assert "shut" not in last or "fit" not in last[last.index("shut") :]
