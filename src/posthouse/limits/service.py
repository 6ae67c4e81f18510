"""The limiter: every rule of a call is checked first, then all are taken at once."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from posthouse.limits.rules import (
    Counter,
    Demand,
    LimitRule,
    Quota,
    Refused,
    Slot,
    Standing,
    Subject,
    admits,
    quota_headers,
    refusal,
    standings,
    worst,
)

# Counters of one rule: what is over goes, the longest unused first. Idle ones go before that, and a counter
# is made by an admitted call only, so a caller who sends from many networks fills up a limit, not memory.
COUNTERS_MAX = 1_000_000
_SWEPT_PER_NEW = 2  # more go than come


Table = OrderedDict[str | bytes, Counter]


class Granted(Struct):
    """The call may run. Give it to `settle` or `release`, exactly one of them, once. `requests` and `tokens`
    are the tightest quotas that it passed; `taken` is the limiter's own."""

    demand: Demand
    requests: Quota | None
    tokens: Quota | None
    taken: list[tuple[Counter, Slot]]
    is_open: bool = True

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return quota_headers(self.requests, self.tokens)


class Past(Struct, frozen=True, kw_only=True):
    """A call of before the start, from its usage record: what to count, and when it began."""

    demand: Demand
    started_ms: int
    tokens: int
    spend_nanos: int


class Limiter(Protocol):
    """`now_ms` is one clock that does not go back; if it does, uses are freed late, never early."""

    async def admit(self, demand: Demand, now_ms: int) -> Granted | Refused:
        """Take one request, the prompt's tokens and the spend from every rule, or nothing from any."""

    async def settle(self, granted: Granted, *, tokens: int, spend_nanos: int, now_ms: int) -> None:
        """The call ended: its true totals replace what was reserved. What is more than that counts now."""

    async def release(self, granted: Granted, now_ms: int, *, refund_request: bool) -> None:
        """The call ended without use: what was reserved goes back, the request too if `refund_request`."""

    async def standings(self, demand: Demand, now_ms: int) -> list[Standing]:
        """What is left of each of the demand's rules; takes nothing."""

    def restore(self, past: Iterable[Past], now_ms: int) -> None:
        """Count what earlier calls used, as if the limiter had seen them. Before the first `admit`."""


class MemoryLimiter:
    """Windows in this process's memory; nothing here waits, so check and take can't be interleaved."""

    def __init__(self, *, counters_max: int = COUNTERS_MAX) -> None:
        self._counters_max = counters_max
        self._tables: dict[tuple[str, Subject], Table] = {}

    @property
    def counters(self) -> int:
        """How many counters there are, of all rules."""
        return sum(map(len, self._tables.values()))

    async def admit(self, demand: Demand, now_ms: int) -> Granted | Refused:
        found: list[tuple[LimitRule, Table, Counter | None]] = []
        refusals: list[Refused] = []
        for rule in demand.rules:
            table = self._table(rule)
            counter = table.get(demand.value_of(rule.subject))
            if counter is not None:
                counter.expire(now_ms)
            if not admits(rule, counter, demand):
                refusals.append(refusal(rule, counter, demand, now_ms))
            found.append((rule, table, counter))
        if refusals:
            return worst(refusals)
        return self._take(demand, found, now_ms)

    async def settle(self, granted: Granted, *, tokens: int, spend_nanos: int, now_ms: int) -> None:
        demand = _close(granted)
        tokens -= demand.prompt_tokens
        spend_nanos -= demand.spend_nanos
        for counter, slot in granted.taken:
            counter.running -= 1
            if tokens > 0 or spend_nanos > 0:
                counter.expire(now_ms)
                counter.add(now_ms, 0, max(0, tokens), max(0, spend_nanos))
            if tokens < 0 or spend_nanos < 0:
                counter.give_back(slot, 0, max(0, -tokens), max(0, -spend_nanos))

    async def release(self, granted: Granted, now_ms: int, *, refund_request: bool) -> None:
        demand = _close(granted)
        for counter, slot in granted.taken:
            counter.running -= 1
            counter.give_back(slot, int(refund_request), demand.prompt_tokens, demand.spend_nanos)

    async def standings(self, demand: Demand, now_ms: int) -> list[Standing]:
        found: list[Standing] = []
        for rule in demand.rules:
            counter = self._table(rule).get(demand.value_of(rule.subject))
            if counter is not None:
                counter.expire(now_ms)
            found += standings(rule, counter, now_ms)
        return found

    def restore(self, past: Iterable[Past], now_ms: int) -> None:
        for call in sorted(past, key=lambda call: call.started_ms):
            for rule in call.demand.rules:
                if call.started_ms > now_ms - rule.window_ms:
                    counter = self._counter(rule, self._table(rule), call.demand, call.started_ms)
                    counter.add(min(call.started_ms, now_ms), 1, call.tokens, call.spend_nanos)

    def _table(self, rule: LimitRule) -> Table:
        table = self._tables.get((rule.name, rule.subject))
        if table is None:
            table = self._tables[rule.name, rule.subject] = OrderedDict()
        return table

    def _take(
        self, demand: Demand, found: list[tuple[LimitRule, Table, Counter | None]], now_ms: int
    ) -> Granted:
        taken: list[tuple[Counter, Slot]] = []
        requests: Quota | None = None
        tokens: Quota | None = None
        for rule, table, counter in found:
            if counter is None:
                counter = self._counter(rule, table, demand, now_ms)
            else:
                table.move_to_end(demand.value_of(rule.subject))
            slot = counter.add(now_ms, 1, demand.prompt_tokens, demand.spend_nanos)
            counter.running += 1
            taken.append((counter, slot))
            if rule.requests is not None:
                left = rule.requests - counter.requests
                if requests is None or left < requests.remaining:
                    requests = Quota(rule.requests, left, counter.reset_ms(now_ms))
            if rule.tokens is not None:
                left = rule.tokens - counter.tokens
                if tokens is None or left < tokens.remaining:
                    tokens = Quota(rule.tokens, left, counter.reset_ms(now_ms))
        return Granted(demand, requests, tokens, taken)

    def _counter(self, rule: LimitRule, table: Table, demand: Demand, now_ms: int) -> Counter:
        """The subject's counter, new if need be: then the longest unused ones that are idle go."""
        value = demand.value_of(rule.subject)
        counter = table.get(value)
        if counter is None:
            for _ in range(_SWEPT_PER_NEW):
                oldest = next(iter(table.values()), None)
                if oldest is None or not (oldest.is_idle(now_ms) or len(table) >= self._counters_max):
                    break
                table.popitem(last=False)
            counter = table[value] = Counter(rule.window_ms)
        return counter


def _close(granted: Granted) -> Demand:
    assert granted.is_open, "a granted call is settled or released once"
    granted.is_open = False
    return granted.demand
