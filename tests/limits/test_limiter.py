import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.limits.rules import SLOTS, Demand, LimitRule, Refused
from posthouse.limits.service import KNOWN_MAX, Granted, Limiter, MemoryLimiter, Past
from posthouse.testing.check_limiter import (
    CHECKS,
    HOUR_MS,
    NOW_MS,
    ExactWindows,
    demand,
    granted,
    refused,
    rule,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.strip("_"))
def test_the_memory_limiter_does_what_every_limiter_must(check: Callable[[Limiter], Awaitable[None]]) -> None:
    async def run() -> None:
        await check(MemoryLimiter())

    asyncio.run(run())


def now(awaitable: Any) -> Any:
    """The memory limiter never waits: its coroutines end at the first step."""
    try:
        awaitable.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the limiter waited")


WINDOW_MS = 10_000
RULES = (
    rule("w", "key", WINDOW_MS, requests=4, tokens=60, concurrency=3),
    rule("w", "address", WINDOW_MS, requests=5, tokens=80),
    rule("short", "key", WINDOW_MS // 4, requests=3),
)
OTHERS = RULES[:2]  # what another model is called under: it shares counters

steps = st.lists(
    st.tuples(
        st.sampled_from(["admit", "admit", "admit", "settle", "refund", "release"]),
        st.sampled_from([0, 1, 7, 39, 41, 500, 2499, 2500, 2501, 9_960, 10_000]),
        st.sampled_from(["k1", "k2", "k3"]),
        st.sampled_from([b"a1", b"a2"]),
        st.sampled_from([RULES, RULES, OTHERS]),
        st.integers(0, 45),
    ),
    max_size=60,
)


@given(steps)
def test_the_limiter_agrees_with_counting_every_event_by_itself(
    steps: list[tuple[str, int, str, bytes, tuple[LimitRule, ...], int]],
) -> None:
    limiter, exact = MemoryLimiter(), ExactWindows()
    open_calls = []
    now_ms = NOW_MS
    for action, later_ms, key, address, rules, tokens in steps:
        now_ms += later_ms
        if action == "admit":
            call = Demand(key, address, "account", "free", rules, tokens)
            answer = now(limiter.admit(call, now_ms))
            if isinstance(answer, Granted):
                assert exact.fits(call, now_ms)
                open_calls.append((answer, exact.add(call, now_ms, 1, tokens)))
            else:
                assert not exact.fits(call, now_ms, late=True)
        elif open_calls:
            grant, event = open_calls.pop(0)
            event.is_running = False
            if action == "settle":
                limiter.settle(grant, tokens=tokens, spend_nanos=0, now_ms=now_ms)
                if tokens > event.tokens:
                    exact.add(grant.demand, now_ms, 0, tokens - event.tokens)
                else:
                    event.tokens = tokens
            else:
                limiter.release(grant, refund_request=action == "refund")
                event.tokens = 0
                event.requests -= action == "refund"


@given(st.lists(st.integers(0, 60) | st.integers(0, 3000), min_size=10, max_size=150), st.integers(1, 6))
def test_no_window_anywhere_holds_more_than_the_limit(gaps: list[int], limit: int) -> None:
    limiter = MemoryLimiter()
    call = demand(rule(window_ms=WINDOW_MS, requests=limit))
    let_through, now_ms = [], NOW_MS
    for gap in gaps:
        now_ms += gap
        answer = now(limiter.admit(call, now_ms))
        if isinstance(answer, Granted):
            let_through.append(now_ms)
        else:
            # Whoever waits as long as told gets in.
            assert isinstance(now(limiter.admit(call, now_ms + answer.reset_ms - 1)), Refused)
            assert answer.retry_after_s is not None
            assert answer.retry_after_s * 1000 >= answer.reset_ms
    for start, later in zip(let_through, let_through[limit:], strict=False):
        assert later - start >= WINDOW_MS


@pytest.mark.parametrize(
    "limits", [{"tokens": 999}, {"spend_nanos": 999}, {"tokens": 999, "spend_nanos": 999}]
)
@given(calls=st.lists(st.tuples(st.integers(0, 4000), st.sampled_from(["k1", "k2"])), max_size=20))
def test_what_is_limited_anew_holds_what_it_would_have_from_the_start(
    limits: dict[str, int], calls: list[tuple[int, str]]
) -> None:
    """Whoever adds limits to a window after some of the calls, and a whole day's, counts them all."""
    few, more = rule("w", window_ms=WINDOW_MS, requests=99), rule("day", window_ms=9 * WINDOW_MS, requests=99)
    full = rule("w", window_ms=WINDOW_MS, requests=99, **limits)
    added = {full.counted_as: full.measures - few.measures, more.counted_as: more.measures}
    changed, always = MemoryLimiter(), MemoryLimiter()
    changed.renew({few.counted_as: few.measures})
    always.renew({full.counted_as: full.measures, more.counted_as: more.measures})
    past: list[Past] = []
    now_ms, at_ms = NOW_MS, NOW_MS + 20_000
    is_changed = False

    demands = {
        (rules, key): demand(*rules, key=key, tokens=3, spend=9)  # what the limiter keeps at hand
        for rules in ((few,), (full, more))
        for key in ("k1", "k2")
    }

    def use(limiter: MemoryLimiter, *rules: LimitRule, key: str) -> None:
        grant = now(limiter.admit(demands[rules, key], now_ms))
        limiter.settle(grant, tokens=7, spend_nanos=5, now_ms=now_ms)

    for gap_ms, key in calls:
        now_ms += gap_ms
        if not is_changed and now_ms >= at_ms:
            changed.renew(added)
            is_changed = True
        use(always, full, more, key=key)
        # Some calls come under the new limits before the limiter hears of them.
        use(changed, *([full, more] if now_ms >= at_ms - 4000 else [few]), key=key)
        if not is_changed:
            call = demand(full, more, key=key)
            past.append(Past(demand=call, ago_ms=at_ms - now_ms, tokens=7, spend_nanos=5))
    if not is_changed:
        now_ms = at_ms
        changed.renew(added)
    restored = MemoryLimiter()
    restored.restore(past, at_ms)
    changed.add_past(restored, added)
    for later_ms in (0, WINDOW_MS // 2, WINDOW_MS, WINDOW_MS + WINDOW_MS // SLOTS, 10 * WINDOW_MS):
        for key in ("k1", "k2"):
            call = demand(full, more, key=key)
            here, there = (now(one.standings(call, now_ms + later_ms)) for one in (changed, always))
            if later_ms != WINDOW_MS // 2:  # amid, slots of the two may leave a slot's width apart
                assert [one.quota.remaining for one in here] == [one.quota.remaining for one in there]


def test_a_call_that_runs_keeps_its_place_in_a_rule_that_goes_and_comes_back() -> None:
    limiter, one = MemoryLimiter(), rule(concurrency=1)
    limiter.renew({one.counted_as: one.measures})
    running = now(limiter.admit(demand(one), NOW_MS))
    limiter.renew({one.counted_as: one.measures})
    assert isinstance(now(limiter.admit(demand(one), NOW_MS)), Refused)
    limiter.release(running, refund_request=True)
    assert isinstance(now(limiter.admit(demand(one), NOW_MS)), Granted)


def test_a_busy_counter_takes_bounded_memory() -> None:
    async def run() -> None:
        limiter = MemoryLimiter()
        call = demand(rule(requests=10**9))
        for i in range(20_000):
            last = await granted(limiter, call, NOW_MS + i * 1000)
        [window] = last.gates.windows
        assert len(window.slots) <= SLOTS + 1
        assert window.closed == sum(slot.amount for slot in window.slots)
        assert 0 < window.used - window.closed <= HOUR_MS // SLOTS // 1000 + 1

    asyncio.run(run())


def test_past_calls_are_counted_as_they_are_read() -> None:
    """A month of them need not be in memory together; one out of order leaves late, never early."""
    limiter, hour = MemoryLimiter(), rule(requests=9)
    counters = []

    def read() -> Iterator[Past]:
        for key, ago_ms in (("a", 3000), ("b", 1000), ("b", 2000)):
            counters.append(limiter.counters)
            yield Past(demand=demand(hour, key=key), ago_ms=ago_ms, tokens=0, spend_nanos=0)

    limiter.restore(read(), NOW_MS)
    assert counters == [0, 1, 2]
    for after_ms, remaining in ((HOUR_MS - 1001, 7), (HOUR_MS - 1000, 9)):
        (standing,) = now(limiter.standings(demand(hour, key="b"), NOW_MS + after_ms))
        assert standing.quota.remaining == remaining


def test_counters_that_are_idle_go_when_new_ones_come() -> None:
    async def run() -> None:
        limiter = MemoryLimiter()
        one = rule(requests=5, tokens=1000)
        for i in range(100):
            call = await granted(limiter, demand(one, key=f"old{i}"), NOW_MS)
            limiter.settle(call, tokens=0, spend_nanos=0, now_ms=NOW_MS)
        running = await granted(limiter, demand(one, key="running"), NOW_MS)
        for i in range(60):
            await granted(limiter, demand(one, key=f"new{i}"), NOW_MS + HOUR_MS)
        assert limiter.counters == 61  # the hundred are gone; a running call keeps its counter
        limiter.settle(running, tokens=1, spend_nanos=0, now_ms=NOW_MS + HOUR_MS)

    asyncio.run(run())


def test_a_counter_that_went_is_not_counted_on() -> None:
    """Whoever asks with other rules sees the same use, also after the counter was made anew."""

    async def run() -> None:
        limiter = MemoryLimiter()
        hour = rule(requests=2)
        one, other = demand(hour), demand(hour, rule("day", requests=9))
        for after in (0, 1):
            call = await granted(limiter, one, NOW_MS + after)
            limiter.settle(call, tokens=0, spend_nanos=0, now_ms=NOW_MS + after)
        later_ms = NOW_MS + 2 * HOUR_MS
        await granted(limiter, demand(hour, key="new"), later_ms)
        assert limiter.counters == 1
        await granted(limiter, one, later_ms)
        await granted(limiter, other, later_ms)
        await refused(limiter, one, later_ms)

    asyncio.run(run())


def test_many_callers_are_told_apart() -> None:
    async def run() -> None:
        limiter = MemoryLimiter()
        one = rule(requests=2)
        for _ in range(2):
            for number in range(KNOWN_MAX + 2):
                await granted(limiter, demand(one, key=f"k{number}"))
        await refused(limiter, demand(one, key="k0"))

    asyncio.run(run())


def test_who_only_asks_leaves_nothing_behind() -> None:
    """Whoever asks where a key stands puts the rules together for this one question."""
    limiter = MemoryLimiter()
    one = rule(requests=4)
    now(limiter.admit(demand(one), NOW_MS))
    asked = demand(one)
    before = sys.getrefcount(asked.rules)
    (standing,) = now(limiter.standings(asked, NOW_MS))
    after = sys.getrefcount(asked.rules)  # outside of an assertion, which would hold one itself
    assert (standing.quota.remaining, after) == (3, before)


def test_refused_calls_make_no_counters() -> None:
    async def run() -> None:
        limiter = MemoryLimiter()
        rules = (rule("address", "address", requests=10), rule("key", "key", requests=1))
        await granted(limiter, demand(*rules, address=b"0"))
        for i in range(50):
            await refused(limiter, demand(*rules, address=b"%d" % i))
        assert limiter.counters == 2

    asyncio.run(run())


def test_over_the_bound_the_longest_unused_counter_goes() -> None:
    async def run() -> None:
        limiter = MemoryLimiter(counters_max=2)
        one = rule(requests=1)
        for key in ("a", "b", "c"):
            await granted(limiter, demand(one, key=key))
        await refused(limiter, demand(one, key="c"))
        await refused(limiter, demand(one, key="b"))
        await granted(limiter, demand(one, key="a"))

    asyncio.run(run())
