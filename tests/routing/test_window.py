"""What a breaker remembers of its calls, on a clock that the test moves."""

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.routing.window import SMOOTHED_OVER_S, STEPS, CallWindow, TtftDigest

START_S = 1_000_000.0  # some loop's time: no window begins at 0


def test_calls_leave_the_window_when_they_are_old() -> None:
    window = CallWindow(60)
    window.add_answered((START_S,))
    window.add_failed(START_S + 1)
    window.roll(START_S + 54)
    assert (window.calls, window.error_rate) == (2, 0.5)
    window.roll(START_S + 61)
    assert (window.calls, window.error_rate) == (0, 0.0)


def test_a_long_silence_empties_the_window() -> None:
    window = CallWindow(60)
    for second in range(60):
        window.add_failed(START_S + second)
    window.add_answered((START_S + 10_000,))
    assert (window.answered, window.failed) == (1, 0)


def test_a_clock_that_goes_back_counts_now() -> None:
    window = CallWindow(60)
    window.add_answered((START_S,))
    window.add_failed(START_S - 500)
    assert (window.answered, window.failed) == (1, 1)


def test_an_answer_that_broke_off_becomes_a_failure() -> None:
    window = CallWindow(60)
    window.add_answered((START_S,))
    window.turn_failed(START_S, START_S + 30)
    assert (window.answered, window.failed) == (0, 1)
    window.roll(START_S + 85)
    assert (window.answered, window.failed) == (0, 1)
    window.roll(START_S + 90)
    assert (window.answered, window.failed) == (0, 0)


@pytest.mark.parametrize("late_s", [60, 120])
def test_an_answer_that_broke_off_after_the_window_only_fails(late_s: float) -> None:
    window = CallWindow(60)
    window.add_answered((START_S,))
    window.turn_failed(START_S, START_S + late_s)
    assert (window.answered, window.failed) == (0, 1)


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=60))
def test_the_window_holds_what_happened_in_it(events: list[tuple[float, bool]]) -> None:
    """At least all of the last 11 steps, nothing older than 12."""
    window, now_s, log = CallWindow(60), START_S, []
    for wait_s, answered in events:
        now_s += wait_s
        log.append((now_s, answered))
        if answered:
            window.add_answered((now_s,))
        else:
            window.add_failed(now_s)
        step_s = 60 / STEPS
        for kind, counted in ((True, window.answered), (False, window.failed)):
            ages_s = [now_s - at_s for at_s, one in log if one is kind]
            assert sum(age <= 60 - step_s for age in ages_s) <= counted <= sum(age < 60 for age in ages_s)


@given(st.lists(st.tuples(st.floats(0.001, 10), st.floats(0, 40)), min_size=1, max_size=200))
def test_many_counted_together_are_what_they_are_one_by_one(calls: list[tuple[float, float]]) -> None:
    ttfts_s = [ttft_s for ttft_s, _ in calls]
    at_s = list(accumulate((wait_s for _, wait_s in calls), initial=START_S))[1:]
    together, singly = (CallWindow(60), TtftDigest(60)), (CallWindow(60), TtftDigest(60))
    together[0].add_answered(at_s)
    together[1].add(ttfts_s, at_s)
    for ttft_s, now_s in zip(ttfts_s, at_s, strict=True):
        singly[0].add_answered((now_s,))
        singly[1].add((ttft_s,), (now_s,))
    assert together[0].answered == singly[0].answered
    assert together[0]._answered == singly[0]._answered
    quantiles_s, smoothed_s = (
        [digest.quantiles_s(at_s[-1], 0.1, 0.5, 1) for _, digest in (together, singly)],
        [digest.smoothed_s(at_s[-1]) for _, digest in (together, singly)],
    )
    assert quantiles_s[0] == quantiles_s[1]
    assert smoothed_s[0] == pytest.approx(smoothed_s[1], abs=0.012)


def test_quantiles_are_within_a_class_of_the_truth() -> None:
    digest = TtftDigest(60)
    for rank in range(1, 1001):
        digest.add((rank / 1000,), (START_S,))
    median_s, late_s = digest.quantiles_s(START_S, 0.5, 0.99)
    assert median_s == pytest.approx(0.5, rel=0.06)
    assert late_s == pytest.approx(0.99, rel=0.06)


def test_quantiles_are_of_this_window_and_the_one_before() -> None:
    digest = TtftDigest(60)
    assert digest.quantiles_s(START_S, 0.5) == [None]
    digest.add((10,), (START_S,))
    digest.add((0.1,), (START_S + 61,))
    assert digest.quantiles_s(START_S + 62, 1) == [pytest.approx(10, rel=0.06)]
    assert digest.quantiles_s(START_S + 122, 1) == [pytest.approx(0.1, rel=0.06)]
    assert digest.quantiles_s(START_S + 300, 1) == [None]


@pytest.mark.parametrize("ttft_s", [0.0, 1e-9, 0.001, 1.0, 1e9])
def test_any_time_has_its_class(ttft_s: float) -> None:
    digest = TtftDigest(60)
    digest.add((ttft_s,), (START_S,))
    (most_s,) = digest.quantiles_s(START_S, 1)
    assert most_s is not None
    assert 0 < most_s < math.inf


def test_the_digest_does_not_grow_with_its_calls() -> None:
    digest = TtftDigest(60)
    for number in range(5000):
        digest.add((1.004**number / 1000,), (START_S,))
    assert len(digest._counts) <= 150


def test_the_smoothed_time_follows_what_is_measured() -> None:
    digest = TtftDigest(60)
    assert digest.smoothed_s(START_S) is None
    digest.add((1,), (START_S,))
    assert digest.smoothed_s(START_S) == 1
    digest.add((2,), (START_S,))
    assert digest.smoothed_s(START_S) == pytest.approx(1.1)  # many at once do not drown what was before
    digest.add((5,), (START_S + 10 * SMOOTHED_OVER_S,))
    assert digest.smoothed_s(START_S + 10 * SMOOTHED_OVER_S) == pytest.approx(5, rel=0.01)


def test_what_has_not_been_asked_looks_faster_as_time_goes_by() -> None:
    digest = TtftDigest(60)
    digest.add((3,), (START_S,))
    assert digest.smoothed_s(START_S + SMOOTHED_OVER_S) == pytest.approx(3 / math.e)
    assert digest.smoothed_s(START_S - 1) == 3
