"""The limiter: every rule of a call is checked first, then all are taken at once."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from posthouse.limits.rules import Counter, Demand, Gates, LimitRule, Measure, Refused, Standing, Subject

# Counters of one rule; over that, old ones go though they count. Idle ones go before, and only an admitted
# call makes a counter, so a caller who sends from many networks fills up a limit, not memory.
COUNTERS_MAX = 1_000_000
_SWEPT_PER_NEW = 2  # more go than come

# Callers whose gates are at hand; over that, all are made anew.
KNOWN_MAX = 10_000

Table = OrderedDict[str | bytes, Counter]
Caller = tuple[int, str, bytes, str, str]
Added = Mapping[tuple[str, Subject], frozenset[Measure]]  # by `counted_as`, what it did not count before


class Granted(Struct):
    """The call may run. Give it to `settle` or `release`, exactly one of them, once. `headers` tell of the
    tightest quotas that it passed; `gates` and `at_ms` are the limiter's own."""

    demand: Demand
    headers: bytes
    gates: Gates
    at_ms: int
    is_open: bool = True


class Past(Struct, frozen=True, kw_only=True):
    """A call of before the start, from its usage record: what to count, and how long ago it began."""

    demand: Demand
    ago_ms: int
    tokens: int
    spend_nanos: int


class Limiter(Protocol):
    """`now_ms` is one clock that neither jumps nor goes back (`kernel.clock.steady_ms`)."""

    async def admit(self, demand: Demand, now_ms: int) -> Granted | Refused:
        """Take one request, the prompt's tokens and the spend from every rule, or nothing from any."""

    def settle(self, granted: Granted, *, tokens: int, spend_nanos: int, now_ms: int) -> None:
        """The call ended: its true totals replace what was reserved. What is more than that counts now.
        Nobody waits for it: a limiter that has to ask elsewhere does so in a task of its own."""

    def release(self, granted: Granted, *, refund_request: bool) -> None:
        """The call ended without use: what was reserved goes back, the request too if `refund_request`. As
        little waited for."""

    async def standings(self, demand: Demand, now_ms: int) -> list[Standing]:
        """What is left of each of the demand's rules; takes nothing."""

    def restore(self, past: Iterable[Past], now_ms: int) -> None:
        """Count what earlier calls used, as if the limiter had seen them; they come oldest first. Before the
        first `admit`."""


class MemoryLimiter:
    """Windows in this process's memory; nothing here waits, so check and take can't be interleaved."""

    def __init__(self, *, counters_max: int = COUNTERS_MAX) -> None:
        self._counters_max = counters_max
        self._tables: dict[tuple[str, Subject], Table] = {}  # by what a rule is `counted_as`
        self._known: dict[Caller, Gates] = {}  # by the rules' id, which the gates keep from being another's

    @property
    def counters(self) -> int:
        """How many counters there are, of all rules."""
        return sum(map(len, self._tables.values()))

    async def admit(self, demand: Demand, now_ms: int) -> Granted | Refused:
        caller = (id(demand.rules), demand.key_id, demand.address, demand.account_id, demand.plan)
        gates = self._known.get(caller)
        if gates is None or now_ms >= gates.turns_ms:
            gates = self._find(demand, gates)
            gates.turn(now_ms)
        headers = gates.admit(demand.prompt_tokens, demand.spend_nanos, now_ms)
        if headers is None:
            return gates.refusal(demand.prompt_tokens, demand.spend_nanos, now_ms)
        if not gates.is_kept:
            self._keep(caller, gates, demand, now_ms)
        return Granted(demand, headers, gates, now_ms)

    def settle(self, granted: Granted, *, tokens: int, spend_nanos: int, now_ms: int) -> None:
        demand, gates = _close(granted), granted.gates
        gates.correct(granted.at_ms, tokens - demand.prompt_tokens, spend_nanos - demand.spend_nanos, now_ms)

    def release(self, granted: Granted, *, refund_request: bool) -> None:
        demand = _close(granted)
        granted.gates.give_back(granted.at_ms, int(refund_request), demand.prompt_tokens, demand.spend_nanos)

    async def standings(self, demand: Demand, now_ms: int) -> list[Standing]:
        gates = self._find(demand, None)
        gates.turn(now_ms)
        return gates.standings(now_ms)

    def restore(self, past: Iterable[Past], now_ms: int) -> None:
        for call in past:
            at_ms = now_ms - max(0, call.ago_ms)
            for rule in call.demand.rules:
                if call.ago_ms < rule.window_ms:
                    counter = self._counter(rule, call.demand)
                    counter.follow(rule)
                    counter.count_past(at_ms, call.tokens, call.spend_nanos)
                    if not counter.is_kept:
                        self._add(rule, call.demand, counter, at_ms)

    def renew(self, added: Added) -> None:
        """Count from now on what these rules limit anew; what the calls before used comes by `add_past`."""
        for rule, measures in added.items():
            for counter in self._tables.setdefault(rule, OrderedDict()).values():
                counter.renew(measures)
        self._known.clear()  # who was faster than this counts on what is gone

    def add_past(self, past: "MemoryLimiter", added: Added) -> None:
        """Count what `past` has restored of them."""
        for rule, measures in added.items():
            table = self._tables[rule]
            for value, before in past._tables.get(rule, {}).items():
                counter = table.setdefault(value, before)
                if counter is not before:
                    counter.add_past(before, measures)
        self._known.clear()  # their windows have to turn

    def _find(self, demand: Demand, gates: Gates | None) -> Gates:
        """The gates that are known, unless one of their counters was forgotten; else such as are not kept
        yet."""
        if gates is not None and all(counter.is_kept for counter in gates.counters):
            return gates
        return Gates(demand.rules, [self._counter(rule, demand) for rule in demand.rules])

    def _counter(self, rule: LimitRule, demand: Demand) -> Counter:
        """The subject's counter; a new one, not kept, when it has none."""
        table = self._tables.get(rule.counted_as)
        counter = None if table is None else table.get(demand.value_of(rule.subject))
        return Counter(rule.window_ms) if counter is None else counter

    def _keep(self, caller: Caller, gates: Gates, demand: Demand, now_ms: int) -> None:
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[caller] = gates
        gates.is_kept = True
        for rule, counter in zip(gates.rules, gates.counters, strict=True):
            if not counter.is_kept:
                self._add(rule, demand, counter, now_ms)

    def _add(self, rule: LimitRule, demand: Demand, counter: Counter, now_ms: int) -> None:
        """Keep a counter for the subject. On the way, of the table's next few the idle ones go and the others
        queue up again, so that all have their turn."""
        table = self._tables.setdefault(rule.counted_as, OrderedDict())
        for _ in range(min(_SWEPT_PER_NEW, len(table))):
            value, oldest = next(iter(table.items()))
            is_idle = oldest.is_idle(now_ms)
            if is_idle or len(table) >= self._counters_max:
                del table[value]
                oldest.is_kept = False
                if not is_idle:  # gates that did not have to turn would still count on it
                    self._known.clear()
            else:
                table.move_to_end(value)
        table[demand.value_of(rule.subject)] = counter
        counter.is_kept = True


def _close(granted: Granted) -> Demand:
    assert granted.is_open, "a granted call is settled or released once"
    granted.is_open = False
    return granted.demand
