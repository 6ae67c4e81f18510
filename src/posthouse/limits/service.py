"""The limiter: every rule of a call is checked first, then all are taken at once."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from posthouse.limits.rules import (
    UNUSED,
    Counter,
    Demand,
    LimitRule,
    Quota,
    Refused,
    Slot,
    Standing,
    admits,
    quota_headers,
    refusal,
    standings,
    worst,
)

# Counters of one rule; over that, old ones go though they count. Idle ones go before, and only an admitted
# call makes a counter, so a caller who sends from many networks fills up a limit, not memory.
COUNTERS_MAX = 1_000_000
_SWEPT_PER_NEW = 2  # more go than come


# Callers whose counters are at hand, by what they ask for; over that, all are looked up anew.
KNOWN_MAX = 10_000

Table = OrderedDict[str | bytes, Counter]
Pairs = tuple[tuple[LimitRule, Counter], ...]


class Granted(Struct):
    """The call may run. Give it to `settle` or `release`, exactly one of them, once. `requests` and `tokens`
    are the tightest quotas that it passed; `taken` is the limiter's own."""

    demand: Demand
    requests: Quota | None
    tokens: Quota | None
    taken: list[tuple[Counter, Slot]]
    is_open: bool = True

    @property
    def headers(self) -> bytes:
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
        self._tables: dict[str, Table] = {}  # by rule name; a value tells of which subject it is
        # By the demand's rules (their id, which the value keeps from being another's) and subjects.
        self._known: dict[tuple[int, str, bytes, str, str], tuple[tuple[LimitRule, ...], Pairs]] = {}

    @property
    def counters(self) -> int:
        """How many counters there are, of all rules."""
        return sum(map(len, self._tables.values()))

    async def admit(self, demand: Demand, now_ms: int) -> Granted | Refused:
        pairs = self._pairs(demand, now_ms)
        for rule, counter in pairs:
            if not admits(rule, counter, demand):
                return worst([refusal(*pair, demand, now_ms) for pair in pairs if not admits(*pair, demand)])
        return self._take(demand, pairs, now_ms)

    async def settle(self, granted: Granted, *, tokens: int, spend_nanos: int, now_ms: int) -> None:
        demand = _close(granted)
        tokens -= demand.prompt_tokens
        spend_nanos -= demand.spend_nanos
        for counter, slot in granted.taken:
            counter.running -= 1
            counter.correct(slot, now_ms, tokens, spend_nanos)

    async def release(self, granted: Granted, now_ms: int, *, refund_request: bool) -> None:
        demand = _close(granted)
        for counter, slot in granted.taken:
            counter.running -= 1
            counter.give_back(slot, int(refund_request), demand.prompt_tokens, demand.spend_nanos)

    async def standings(self, demand: Demand, now_ms: int) -> list[Standing]:
        found: list[Standing] = []
        for rule in demand.rules:  # not `_pairs`: whoever asks puts them together anew each time
            counter = self._find(rule, demand)
            if counter.leaves_ms <= now_ms:
                counter.expire(now_ms)
            found += standings(rule, counter, now_ms)
        return found

    def restore(self, past: Iterable[Past], now_ms: int) -> None:
        for call in sorted(past, key=lambda call: call.started_ms):
            at_ms = min(call.started_ms, now_ms)
            for rule in call.demand.rules:
                if at_ms > now_ms - rule.window_ms:
                    counter = self._find(rule, call.demand)
                    counter.expire(at_ms)
                    if counter is UNUSED:
                        counter = self._new(rule, call.demand, at_ms)
                    counter.add(at_ms, 1, call.tokens, call.spend_nanos)

    def _pairs(self, demand: Demand, now_ms: int) -> Pairs:
        """Each rule of the demand with its subject's counter, expired up to now; UNUSED when it has none."""
        rules = demand.rules
        key = (id(rules), demand.key_id, demand.address, demand.account_id, demand.plan)
        known = self._known.get(key)
        if known is None:
            pairs = tuple([(rule, self._find(rule, demand)) for rule in rules])
            if all(counter is not UNUSED for _, counter in pairs):
                if len(self._known) >= KNOWN_MAX:
                    self._known.clear()
                self._known[key] = rules, pairs
        else:
            _, pairs = known
        for _, counter in pairs:
            if counter.leaves_ms <= now_ms:
                counter.expire(now_ms)
        return pairs

    def _find(self, rule: LimitRule, demand: Demand) -> Counter:
        table = self._tables.get(rule.name)
        return UNUSED if table is None else table.get(demand.value_of(rule.subject), UNUSED)

    def _take(self, demand: Demand, pairs: Pairs, now_ms: int) -> Granted:
        prompt_tokens, spend_nanos = demand.prompt_tokens, demand.spend_nanos
        taken: list[tuple[Counter, Slot]] = []
        requests: Quota | None = None
        tokens: Quota | None = None
        for rule, counter in pairs:
            if counter is UNUSED:
                counter = self._new(rule, demand, now_ms)
            counter.running += 1
            taken.append((counter, counter.add(now_ms, 1, prompt_tokens, spend_nanos)))
            limit = rule.requests
            if limit is not None:
                left = limit - counter.requests
                if requests is None or left < requests.remaining:
                    requests = Quota(limit, left, counter.reset_ms(now_ms))
            limit = rule.tokens
            if limit is not None:
                left = limit - counter.tokens
                if tokens is None or left < tokens.remaining:
                    tokens = Quota(limit, left, counter.reset_ms(now_ms))
        return Granted(demand, requests, tokens, taken)

    def _new(self, rule: LimitRule, demand: Demand, now_ms: int) -> Counter:
        """A counter for the subject. On the way, of the table's next few the idle ones go and the others
        queue up again, so that all have their turn."""
        table = self._tables.setdefault(rule.name, OrderedDict())
        for _ in range(min(_SWEPT_PER_NEW, len(table))):
            value, oldest = next(iter(table.items()))
            if oldest.is_idle(now_ms) or len(table) >= self._counters_max:
                del table[value]
                self._known.clear()
            else:
                table.move_to_end(value)
        counter = table[demand.value_of(rule.subject)] = Counter(rule.window_ms)
        return counter


def _close(granted: Granted) -> Demand:
    assert granted.is_open, "a granted call is settled or released once"
    granted.is_open = False
    return granted.demand
