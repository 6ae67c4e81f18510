"""What every limiter must do: `check_limiter` holds an implementation to it, and `ExactWindows` is the naive
limiter that counts every event by itself, to compare with."""

from collections.abc import Awaitable, Callable

from posthouse.kernel.periods import HOUR_MS
from posthouse.limits.rules import SLOTS, Demand, LimitRule, Measure, Quota, Refused, Subject
from posthouse.limits.service import Granted, Limiter, Past

NOW_MS = 1_800_000_000_000

NewLimiter = Callable[[], Limiter]


async def check_limiter(new_limiter: NewLimiter) -> None:
    """Run every check on a limiter of its own; raises AssertionError."""
    for check in CHECKS:
        await check(new_limiter())


def rule(name: str = "hour", subject: Subject = "key", window_ms: int = HOUR_MS, **limits: int) -> LimitRule:
    return LimitRule(name=name, subject=subject, window_ms=window_ms, **limits)  # type: ignore[arg-type]  # all limits are ints


def demand(
    *rules: LimitRule, key: str = "k", address: bytes = b"a", tokens: int = 0, spend: int = 0
) -> Demand:
    return Demand(
        key_id=key,
        address=address,
        account_id="account",
        plan="free",
        rules=rules,
        prompt_tokens=tokens,
        spend_nanos=spend,
    )


async def granted(limiter: Limiter, call: Demand, now_ms: int = NOW_MS) -> Granted:
    answer = await limiter.admit(call, now_ms)
    assert isinstance(answer, Granted), answer
    return answer


async def refused(limiter: Limiter, call: Demand, now_ms: int = NOW_MS) -> Refused:
    answer = await limiter.admit(call, now_ms)
    assert isinstance(answer, Refused), answer
    return answer


def left(call: Granted) -> dict[str, int]:
    """What remains of the tightest quotas, as the headers tell."""
    lines = (line.partition(": ") for line in call.headers.decode().splitlines())
    return {name.rpartition("-")[2]: int(value) for name, _, value in lines if "-remaining-" in name}


async def _a_window_slides(limiter: Limiter) -> None:
    call = demand(rule(requests=2))
    await granted(limiter, call, NOW_MS)
    await granted(limiter, call, NOW_MS + HOUR_MS // 2)
    no = await refused(limiter, call, NOW_MS + HOUR_MS - 1)
    assert (no.measure, no.used, no.limit, no.reset_ms, no.retry_after_s) == (Measure.REQUESTS, 2, 2, 1, 1)
    await granted(limiter, call, NOW_MS + HOUR_MS)
    await refused(limiter, call, NOW_MS + HOUR_MS + 1)


async def _calls_close_together_are_not_freed_with_the_first(limiter: Limiter) -> None:
    call = demand(rule(requests=2))
    await granted(limiter, call, NOW_MS)
    await granted(limiter, call, NOW_MS + 10)
    answers = [await limiter.admit(call, NOW_MS + HOUR_MS) for _ in range(2)]
    assert isinstance(answers[1], Refused)


async def _all_keys_of_an_address_and_all_addresses_of_a_key_count_together(limiter: Limiter) -> None:
    rules = (rule(requests=2), rule(subject="address", requests=2))
    await granted(limiter, demand(*rules, key="k1", address=b"a1"))
    await granted(limiter, demand(*rules, key="k2", address=b"a1"))
    no = await refused(limiter, demand(*rules, key="k3", address=b"a1"))
    assert no.rule.subject == "address"
    await granted(limiter, demand(*rules, key="k1", address=b"a2"))
    no = await refused(limiter, demand(*rules, key="k1", address=b"a3"))
    assert no.rule.subject == "key"


async def _a_refused_call_takes_nothing(limiter: Limiter) -> None:
    wide, narrow = rule("wide", requests=3, tokens=100), rule("narrow", requests=1, concurrency=9)
    await granted(limiter, demand(wide, narrow, tokens=10))
    for _ in range(5):
        await refused(limiter, demand(wide, narrow, tokens=10))
    last = await granted(limiter, demand(wide, tokens=10))
    assert left(last) == {"requests": 1, "tokens": 80}


async def _the_answers_tokens_count_when_they_are_known(limiter: Limiter) -> None:
    call = demand(rule(tokens=100), tokens=40)
    first = await granted(limiter, call)
    limiter.settle(first, tokens=90, spend_nanos=0, now_ms=NOW_MS + 60_000)
    no = await refused(limiter, call, NOW_MS + 60_000)
    assert (no.measure, no.used) == (Measure.TOKENS, 90)
    # The prompt leaves the window an hour after it was asked, the answer an hour after it was given.
    assert no.reset_ms == HOUR_MS - 60_000
    await granted(limiter, call, NOW_MS + HOUR_MS)


async def _a_quick_answer_is_not_freed_with_its_call(limiter: Limiter) -> None:
    call = demand(rule(tokens=100), tokens=10)
    limiter.settle(await granted(limiter, call), tokens=100, spend_nanos=0, now_ms=NOW_MS + 1000)
    await refused(limiter, demand(rule(tokens=100), tokens=11), NOW_MS + HOUR_MS + 999)
    await granted(limiter, call, NOW_MS + HOUR_MS + 1000)


async def _an_overestimated_prompt_is_given_back(limiter: Limiter) -> None:
    call = demand(rule(tokens=100, spend_nanos=50), tokens=80, spend=50)
    limiter.settle(await granted(limiter, call), tokens=20, spend_nanos=0, now_ms=NOW_MS + 1)
    await granted(limiter, call, NOW_MS + 1)


async def _a_failed_call_is_given_back(limiter: Limiter) -> None:
    call = demand(rule(requests=1, tokens=10, spend_nanos=9, concurrency=1), tokens=10, spend=9)
    limiter.release(await granted(limiter, call), refund_request=True)
    again = await granted(limiter, call)
    limiter.release(again, refund_request=False)
    no = await refused(limiter, call)
    assert no.measure is Measure.REQUESTS


async def _what_left_the_window_is_not_given_back_twice(limiter: Limiter) -> None:
    call = demand(rule(requests=2, tokens=10), tokens=5)
    old = await granted(limiter, call, NOW_MS)
    later = NOW_MS + 2 * HOUR_MS
    await granted(limiter, call, later)
    limiter.release(old, refund_request=True)
    await granted(limiter, call, later)
    await refused(limiter, call, later)


async def _running_calls_are_bounded(limiter: Limiter) -> None:
    call = demand(rule(concurrency=1))
    running = await granted(limiter, call, NOW_MS)
    no = await refused(limiter, call, NOW_MS + 2 * HOUR_MS)  # a call may run longer than any window
    assert (no.measure, no.retry_after_s) == (Measure.CONCURRENCY, 1)
    limiter.settle(running, tokens=0, spend_nanos=0, now_ms=NOW_MS + 2 * HOUR_MS)
    await granted(limiter, call, NOW_MS + 2 * HOUR_MS)


async def _spending_is_bounded(limiter: Limiter) -> None:
    call = demand(rule(spend_nanos=1000))
    limiter.settle(await granted(limiter, call), tokens=5, spend_nanos=1000, now_ms=NOW_MS)
    no = await refused(limiter, call)
    assert (no.measure, no.used) == (Measure.SPEND, 1000)


async def _a_call_larger_than_the_limit_is_told_not_to_wait(limiter: Limiter) -> None:
    no = await refused(limiter, demand(rule(tokens=100), tokens=101))
    assert (no.used, no.retry_after_s) == (0, None)
    assert no.quota == Quota(100, 100, 0)
    await granted(limiter, demand(rule(tokens=100), tokens=30))
    no = await refused(limiter, demand(rule(tokens=100), tokens=101), NOW_MS + 1000)
    assert no.retry_after_s is None
    assert no.quota == Quota(100, 70, HOUR_MS - 1000)
    assert no.code is no.rule.tokens_code


async def _the_longest_wait_is_told(limiter: Limiter) -> None:
    minute, hour = rule("minute", window_ms=60_000, requests=1), rule("hour", requests=1)
    await granted(limiter, demand(minute, hour))
    assert (await refused(limiter, demand(minute, hour))).retry_after_s == HOUR_MS // 1000


async def _the_tightest_quota_is_told(limiter: Limiter) -> None:
    rules = (rule("a", requests=9, tokens=50), rule("b", requests=5), rule("c", tokens=70))
    first = await granted(limiter, demand(*rules, tokens=10))
    assert first.headers == (
        b"x-ratelimit-limit-requests: 5\r\n"
        b"x-ratelimit-reset-requests: 1h0m0s\r\n"
        b"x-ratelimit-remaining-requests: 4\r\n"
        b"x-ratelimit-limit-tokens: 50\r\n"
        b"x-ratelimit-reset-tokens: 1h0m0s\r\n"
        b"x-ratelimit-remaining-tokens: 40\r\n"
    )


async def _where_a_caller_stands_is_told_and_takes_nothing(limiter: Limiter) -> None:
    call = demand(rule(requests=2, tokens=50, spend_nanos=9, concurrency=3), tokens=10)
    fresh = [
        (one.measure, one.quota.remaining, one.quota.reset_ms)
        for one in await limiter.standings(call, NOW_MS)
    ]
    assert fresh == [
        (Measure.REQUESTS, 2, 0),
        (Measure.TOKENS, 50, 0),
        (Measure.SPEND, 9, 0),
        (Measure.CONCURRENCY, 3, 0),
    ]
    await granted(limiter, call, NOW_MS)
    for _ in range(2):
        standings = await limiter.standings(call, NOW_MS + 600_000)
    assert [one.quota.remaining for one in standings] == [1, 40, 9, 2]
    assert (standings[0].quota.reset_ms, standings[3].quota.reset_ms) == (HOUR_MS - 600_000, 0)
    later = await limiter.standings(call, NOW_MS + HOUR_MS)
    assert [one.quota.remaining for one in later] == [2, 50, 9, 2]


async def _no_rules_let_everything_pass(limiter: Limiter) -> None:
    free = await granted(limiter, demand())
    limiter.settle(free, tokens=10**9, spend_nanos=10**18, now_ms=NOW_MS)
    assert free.headers == b""


async def _a_granted_call_ends_once(limiter: Limiter) -> None:
    one = await granted(limiter, demand(rule(requests=2)))
    limiter.settle(one, tokens=0, spend_nanos=0, now_ms=NOW_MS)
    try:
        limiter.release(one, refund_request=True)
    except AssertionError:
        return
    raise RuntimeError("a call that was settled was released too")


async def _counters_survive_a_restart(limiter: Limiter) -> None:
    call = demand(rule(requests=2, tokens=100), tokens=1)
    past = [
        Past(demand=call, ago_ms=ago, tokens=tokens, spend_nanos=0)
        for ago, tokens in ((2 * HOUR_MS, 99), (HOUR_MS // 2, 60), (1000, 7))
    ]
    limiter.restore(past, NOW_MS)
    no = await refused(limiter, call)
    assert (no.used, no.reset_ms) == (2, HOUR_MS // 2)
    last = await granted(limiter, call, NOW_MS + HOUR_MS // 2)
    assert left(last)["tokens"] == 100 - 7 - 1


async def _what_a_rule_limits_anew_counts_from_then_on(limiter: Limiter) -> None:
    before, after = rule(requests=3), rule(requests=3, tokens=100, spend_nanos=50)
    limiter.settle(await granted(limiter, demand(before)), tokens=90, spend_nanos=9, now_ms=NOW_MS)
    call = demand(after, tokens=40, spend=20)
    assert left(await granted(limiter, call)) == {"requests": 1, "tokens": 60}
    assert left(await granted(limiter, call)) == {"requests": 0, "tokens": 20}
    assert (await refused(limiter, demand(before))).measure is Measure.REQUESTS


CHECKS: tuple[Callable[[Limiter], Awaitable[None]], ...] = (
    _a_window_slides,
    _calls_close_together_are_not_freed_with_the_first,
    _all_keys_of_an_address_and_all_addresses_of_a_key_count_together,
    _a_refused_call_takes_nothing,
    _the_answers_tokens_count_when_they_are_known,
    _a_quick_answer_is_not_freed_with_its_call,
    _an_overestimated_prompt_is_given_back,
    _a_failed_call_is_given_back,
    _what_left_the_window_is_not_given_back_twice,
    _running_calls_are_bounded,
    _spending_is_bounded,
    _a_call_larger_than_the_limit_is_told_not_to_wait,
    _the_longest_wait_is_told,
    _the_tightest_quota_is_told,
    _where_a_caller_stands_is_told_and_takes_nothing,
    _no_rules_let_everything_pass,
    _a_granted_call_ends_once,
    _counters_survive_a_restart,
    _what_a_rule_limits_anew_counts_from_then_on,
)


class ExactWindows:
    """Every event of every subject with its own time. A limiter never grants what does not fit; it may
    refuse what does not fit `late`: when events are counted for a slot's width longer than the window."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str, str | bytes], list[Event]] = {}

    def fits(self, call: Demand, now_ms: int, *, late: bool = False) -> bool:
        for one in call.rules:
            since = now_ms - one.window_ms - (one.window_ms / SLOTS if late else 0)
            counted = [event for event in self._of(one, call) if event.at_ms > since]
            running = sum(event.is_running for event in self._of(one, call))
            uses = (
                (one.requests, sum(event.requests for event in counted), 1),
                (one.tokens, sum(event.tokens for event in counted), call.prompt_tokens or 1),
                (one.concurrency, running, 1),
            )
            if any(limit is not None and used + more > limit for limit, used, more in uses):
                return False
        return True

    def add(self, call: Demand, now_ms: int, requests: int, tokens: int) -> "Event":
        """Count one event for all the call's rules; change or end it through what is returned."""
        event = Event(now_ms, requests, tokens)
        for one in call.rules:
            self._of(one, call).append(event)
        return event

    def _of(self, one: LimitRule, call: Demand) -> list["Event"]:
        return self._events.setdefault((one.name, one.subject, call.value_of(one.subject)), [])


class Event:
    def __init__(self, at_ms: int, requests: int, tokens: int) -> None:
        self.at_ms = at_ms
        self.requests = requests
        self.tokens = tokens
        self.is_running = requests > 0
