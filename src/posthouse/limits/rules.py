"""How much a subject may use in a sliding window, as arithmetic on numbers that come in as arguments.

A rule limits one subject (a key, an address, an account, a plan as a whole). Its `Counter` holds what that
subject used in the last `window_ms`, in a `Window` for each measure, as slots in the order of time. Uses that
come within one `window_ms / SLOTS` share a slot, and a slot leaves the window when its *last* use does:
nothing is ever freed early, so no window of that length anywhere holds more than the limit; a use is freed
late by at most one slot's width. `Gates` are the windows that the calls of one caller must pass.
"""

import sys
from bisect import bisect_right
from collections.abc import Collection, Iterator
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from operator import attrgetter
from typing import Literal

from msgspec import Struct

from posthouse.kernel.errors import RelayCode

Subject = Literal["key", "address", "account", "plan"]

# An hour is counted in steps of 14 s at the coarsest; a busy counter takes 30 kB instead of growing with
# its traffic.
SLOTS = 250

CONCURRENCY_RETRY_MS = 1000  # nobody knows when a running call ends

UNLIMITED = sys.maxsize


class Measure(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    SPEND = "spend"
    CONCURRENCY = "concurrency"


class LimitRule(Struct, frozen=True, gc=False, kw_only=True):
    """What one subject may use. Rules of the same name and subject share their counters, so `name` names
    plan, families and window. `family` is what the rule is about, "*" for all models together.
    A limit that is None does not apply; the codes are what a call is refused with."""

    name: str
    subject: Subject
    window_ms: int
    family: str = "*"
    requests: int | None = None
    tokens: int | None = None
    spend_nanos: int | None = None
    concurrency: int | None = None
    requests_code: RelayCode = RelayCode.RATE_LIMITED
    tokens_code: RelayCode = RelayCode.RATE_LIMITED

    def code(self, measure: Measure) -> RelayCode:
        """The relay's error number for a call over this rule's limit of `measure`."""
        if measure is Measure.REQUESTS:
            return self.requests_code
        return self.tokens_code if measure is Measure.TOKENS else RelayCode.RATE_LIMITED

    @property
    def counted_as(self) -> tuple[str, Subject]:
        """What tells its counters from those of other rules."""
        return self.name, self.subject

    @property
    def measures(self) -> frozenset[Measure]:
        """What its windows count: requests always."""
        limited = {Measure.TOKENS: self.tokens, Measure.SPEND: self.spend_nanos}
        return frozenset({Measure.REQUESTS, *(one for one, limit in limited.items() if limit is not None)})


class Demand(Struct, frozen=True, gc=False):
    """What a call asks for. `address` is the keyed hash of the caller's network (`limited_network`);
    `prompt_tokens` and `spend_nanos` are reserved until the true numbers are settled."""

    key_id: str
    address: bytes
    account_id: str
    plan: str
    rules: tuple[LimitRule, ...]
    prompt_tokens: int = 0
    spend_nanos: int = 0

    def value_of(self, subject: Subject) -> str | bytes:
        if subject == "key":
            return self.key_id
        if subject == "address":
            return self.address
        return self.account_id if subject == "account" else self.plan


class Quota(Struct, frozen=True, gc=False):
    """What is left of one limit, after the call that asks. `reset_ms`: until the oldest use leaves the
    window (or, for a refused call, until there is enough for it)."""

    limit: int
    remaining: int
    reset_ms: int


class Refused(Struct, frozen=True, kw_only=True):
    """The call is over a limit and nothing was taken, from no rule. Where several rules refuse, the one that
    takes longest to recover. `retry_after_s` is None when no waiting helps: the call alone asks for more
    than the limit."""

    rule: LimitRule
    measure: Measure
    used: int
    limit: int
    reset_ms: int
    retry_after_s: int | None

    @property
    def code(self) -> RelayCode:
        return self.rule.code(self.measure)

    @property
    def quota(self) -> Quota:
        return Quota(self.limit, max(0, self.limit - self.used), self.reset_ms)


class Standing(Struct, frozen=True):
    """Where a caller stands with one measure of one rule."""

    rule: LimitRule
    measure: Measure
    quota: Quota


class Slot(Struct, gc=False):
    """Uses that leave the window together, when the last of them does."""

    first_ms: int
    last_ms: int
    amount: int


class Window:
    """What was `used` of one measure in the last `length_ms`: `closed` of it in `slots`, the rest in the open
    slot, from `opened_ms` to `last_ms`. Before `turns_ms` no slot leaves and the open one does not end: then
    to count is to add to `used` and to set `last_ms`. From there on it must `turn` first."""

    __slots__ = (
        *("closed", "last_ms", "leaves_ms", "length_ms", "opened_ms", "slots", "turns_ms", "used"),
        "width_ms",
    )

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.width_ms = -(-length_ms // SLOTS)
        self.slots: list[Slot] = []
        self.leaves_ms = 0  # when the first of them does; 0 while there is none
        self.used = self.closed = 0
        self.opened_ms = self.last_ms = self.turns_ms = 0

    def turn(self, now_ms: int) -> None:
        """Forget what left the window that ends now, (now - length, now]; begin a slot when it is time."""
        slots, turns_ms = self.slots, self.opened_ms + self.width_ms
        if now_ms >= turns_ms:
            if self.used > self.closed:
                slots.append(Slot(self.opened_ms, self.last_ms, self.used - self.closed))
                self.closed = self.used
            self.opened_ms = self.last_ms = now_ms
            turns_ms = now_ms + self.width_ms
        while slots:
            leaves_ms = slots[0].last_ms + self.length_ms
            if leaves_ms > now_ms:
                self.leaves_ms = leaves_ms
                self.turns_ms = min(turns_ms, leaves_ms)
                return
            gone = slots.pop(0).amount
            self.used -= gone
            self.closed -= gone
        self.leaves_ms = 0
        self.turns_ms = turns_ms

    def give_back(self, at_ms: int, amount: int) -> None:
        """Take out what was counted at `at_ms`, unless it has left the window already."""
        if at_ms < self.opened_ms:
            begun = bisect_right(self.slots, at_ms, key=_FIRST_MS)
            if not begun:
                return
            self.slots[begun - 1].amount -= amount
            self.closed -= amount
        self.used -= amount

    def add_past(self, past: "Window") -> None:
        """Count what `past` does too, all of which came before anything that is counted here."""
        self.slots[:0] = [*past.slots, Slot(past.opened_ms, past.last_ms, past.used - past.closed)]
        self.closed += past.used
        self.used += past.used
        self.last_ms = max(self.last_ms, past.last_ms)
        self.turns_ms = 0

    def wait_ms(self, excess: int, now_ms: int) -> int:
        """Until at least `excess` of what is used has left; until all has, when that is less."""
        wait_ms = 0
        for slot in (*self.slots, Slot(self.opened_ms, self.last_ms, self.used - self.closed)):
            if excess > 0 and slot.amount:
                excess -= slot.amount
                wait_ms = slot.last_ms + self.length_ms - now_ms
        return wait_ms


_FIRST_MS = attrgetter("first_ms")


class Counter:
    """What one subject of one rule uses: a window of requests, and of what else the rule limits. `running`:
    calls that have not ended, if the rule needs their ends. `is_kept`: the calls to come find it."""

    __slots__ = ("is_kept", "requests", "running", "spend", "tokens")

    def __init__(self, window_ms: int) -> None:
        self.requests = Window(window_ms)
        self.tokens: Window | None = None
        self.spend: Window | None = None
        self.running = 0
        self.is_kept = False

    def follow(self, rule: LimitRule) -> None:
        """Count all that the rule limits, from now on where it did not before."""
        if rule.tokens is not None and self.tokens is None:
            self.tokens = Window(rule.window_ms)
        if rule.spend_nanos is not None and self.spend is None:
            self.spend = Window(rule.window_ms)

    def count_past(self, at_ms: int, tokens: int, spend_nanos: int) -> None:
        """Count what a call used; calls come in the order of time, or some leave late."""
        for window, amount in ((self.requests, 1), (self.tokens, tokens), (self.spend, spend_nanos)):
            if window is not None:
                window.turn(at_ms)
                window.used += amount
                window.last_ms = max(window.last_ms, at_ms)

    def renew(self, measures: Collection[Measure]) -> None:
        """Count these from nothing: what was counted while they were limited before has gaps. What runs goes
        on."""
        if Measure.REQUESTS in measures:
            self.requests = Window(self.requests.length_ms)
        if Measure.TOKENS in measures:
            self.tokens = Window(self.requests.length_ms)
        if Measure.SPEND in measures:
            self.spend = Window(self.requests.length_ms)

    def add_past(self, past: "Counter", measures: Collection[Measure]) -> None:
        """Count what `past` does of these too; it counted before this one began to."""
        for measure, window, before in (
            (Measure.REQUESTS, self.requests, past.requests),
            (Measure.TOKENS, self.tokens, past.tokens),
            (Measure.SPEND, self.spend, past.spend),
        ):
            if measure in measures and window is not None and before is not None:
                window.add_past(before)

    def is_idle(self, now_ms: int) -> bool:
        """Nothing counts any more: forgetting the counter changes no answer. Its windows have to turn, which
        is when who knows it sees that it is not kept."""
        windows = (self.requests, self.tokens, self.spend)
        return not self.running and all(
            window is None or window.last_ms + window.length_ms <= now_ms for window in windows
        )


class Gate(Struct, eq=False):
    """How much may be used of a window, and the lines that tell of it, up to what remains."""

    window: Window
    limit: int
    lines: bytes = b""


class Gates:
    """What the calls of one caller must pass under `rules`, looked up once: a call only compares and adds.
    Before `turns_ms` no window has to turn, and all lines hold. `ends`: the counters that a call's end says
    something."""

    __slots__ = (
        *("calls", "concurrency", "counters", "ends", "is_kept", "requests", "rules", "spend", "tokens"),
        *("turns_ms", "windows"),
    )

    def __init__(self, rules: tuple[LimitRule, ...], counters: list[Counter]) -> None:
        self.rules, self.counters = rules, counters
        self.is_kept = False
        self.turns_ms = 0
        self.calls = [counter.requests for counter in counters]
        self.requests: list[Gate] = []
        self.tokens: list[Gate] = []
        self.spend: list[Gate] = []
        self.concurrency: list[tuple[Counter, int]] = []
        self.ends: list[Counter] = []
        for rule, counter in zip(rules, counters, strict=True):
            counter.follow(rule)
            if rule.requests is not None:
                self.requests.append(Gate(counter.requests, rule.requests))
            if rule.tokens is not None and counter.tokens is not None:
                self.tokens.append(Gate(counter.tokens, rule.tokens))
            if rule.spend_nanos is not None and counter.spend is not None:
                self.spend.append(Gate(counter.spend, rule.spend_nanos))
            if rule.concurrency is not None:
                self.concurrency.append((counter, rule.concurrency))
            if rule.concurrency is not None or counter.tokens is not None or counter.spend is not None:
                self.ends.append(counter)
        self.windows = self.calls + [gate.window for gate in self.tokens + self.spend]

    def turn(self, now_ms: int) -> None:
        """Bring all windows and lines up to now."""
        turns_ms = UNLIMITED
        for window in self.windows:
            if now_ms >= window.turns_ms:
                window.turn(now_ms)
            if window.turns_ms < turns_ms:
                turns_ms = window.turns_ms
        for measure, gates in (("requests", self.requests), ("tokens", self.tokens)):
            for gate in gates:
                leaves_ms = gate.window.leaves_ms
                reset_s = -(-(leaves_ms - now_ms if leaves_ms else gate.window.length_ms) // 1000)
                gate.lines = _quota_lines(measure, gate.limit, reset_s)
                if leaves_ms and leaves_ms - (reset_s - 1) * 1000 < turns_ms:
                    turns_ms = leaves_ms - (reset_s - 1) * 1000
        self.turns_ms = turns_ms

    def admit(self, prompt_tokens: int, spend_nanos: int, now_ms: int) -> bytes | None:
        """Take the call from every window, and tell the tightest quotas as headers; None when a limit leaves
        no room for it, and then nothing is taken."""
        for counter, limit in self.concurrency:
            if counter.running >= limit:
                return None
        for gate in self.spend:
            if gate.window.used + (spend_nanos or 1) > gate.limit:
                return None
        requests_left = tokens_left = UNLIMITED
        for gate in self.requests:
            left = gate.limit - gate.window.used
            if left < requests_left:
                requests_left, requests = left, gate
        for gate in self.tokens:
            left = gate.limit - gate.window.used
            if left < tokens_left:
                tokens_left, tokens = left, gate
        if requests_left < 1 or tokens_left < (prompt_tokens or 1):
            return None
        for window in self.calls:
            window.used += 1
            window.last_ms = now_ms
        for gates, amount in ((self.tokens, prompt_tokens), (self.spend, spend_nanos)):
            for gate in gates:
                window = gate.window
                window.used += amount
                window.last_ms = now_ms
        for counter in self.ends:
            counter.running += 1
        headers = b""
        if requests_left < UNLIMITED:
            headers = b"%b%d\r\n" % (requests.lines, requests_left - 1)
        if tokens_left < UNLIMITED:
            headers += b"%b%d\r\n" % (tokens.lines, tokens_left - prompt_tokens)
        return headers

    def correct(self, at_ms: int, tokens: int, spend_nanos: int, now_ms: int) -> None:
        """A call that was admitted at `at_ms` ended. Add these to what it took: what is above zero counts as
        of now, what is below no longer."""
        for counter in self.ends:
            counter.running -= 1
        for gates, more in ((self.tokens, tokens), (self.spend, spend_nanos)):
            for gate in gates:
                window = gate.window
                if more < 0:
                    window.give_back(at_ms, -more)
                    continue
                if now_ms >= window.turns_ms:
                    window.turn(now_ms)
                window.used += more
                window.last_ms = now_ms

    def give_back(self, at_ms: int, requests: int, tokens: int, spend_nanos: int) -> None:
        """A call that was admitted at `at_ms` ended without use."""
        for counter in self.ends:
            counter.running -= 1
        for window in self.calls:
            window.give_back(at_ms, requests)
        for gate in self.tokens:
            gate.window.give_back(at_ms, tokens)
        for gate in self.spend:
            gate.window.give_back(at_ms, spend_nanos)

    def refusal(self, prompt_tokens: int, spend_nanos: int, now_ms: int) -> Refused:
        """Why the call is not admitted: of all limits that leave no room the slowest to recover; before them,
        one that no waiting helps."""
        asks = {Measure.TOKENS: prompt_tokens or 1, Measure.SPEND: spend_nanos or 1}
        refusals: list[Refused] = []
        for rule, measure, limit, used, window in self._limits():
            asked = asks.get(measure, 1)
            excess = used + asked - limit
            if excess > 0:
                reset_ms = CONCURRENCY_RETRY_MS if window is None else window.wait_ms(excess, now_ms)
                retry_after_s = -(-reset_ms // 1000) if asked <= limit else None
                refusals.append(
                    Refused(
                        rule=rule,
                        measure=measure,
                        used=used,
                        limit=limit,
                        reset_ms=reset_ms,
                        retry_after_s=retry_after_s,
                    )
                )
        return max(refusals, key=lambda one: (one.retry_after_s is None, one.reset_ms))

    def standings(self, now_ms: int) -> list[Standing]:
        """What is left of each limit; what runs does not wait for a window."""
        return [
            Standing(
                rule,
                measure,
                Quota(limit, max(0, limit - used), 0 if window is None else window.wait_ms(1, now_ms)),
            )
            for rule, measure, limit, used, window in self._limits()
        ]

    def _limits(self) -> Iterator[tuple[LimitRule, Measure, int, int, Window | None]]:
        """Each with what is used of it, and in which window; running calls are in none."""
        for rule, counter in zip(self.rules, self.counters, strict=True):
            for measure, limit, window in (
                (Measure.REQUESTS, rule.requests, counter.requests),
                (Measure.TOKENS, rule.tokens, counter.tokens),
                (Measure.SPEND, rule.spend_nanos, counter.spend),
                (Measure.CONCURRENCY, rule.concurrency, None),
            ):
                if limit is not None:
                    yield rule, measure, limit, counter.running if window is None else window.used, window


def limited_network(address: str) -> str:
    """What counts as one address: an IPv4 address, also when written as IPv6, or an IPv6 /64, since a /64 is
    what one subscriber gets at least. Raises ValueError when it is no address."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return f"{IPv6Address(int(ip) >> 64 << 64)}/64"
    return str(ip)


def format_reset(reset_ms: int) -> str:
    """As OpenAI's headers write durations: 250 -> "250ms", 1000 -> "1s", 360_000 -> "6m0s"."""
    if reset_ms < 1000:
        return f"{max(0, reset_ms)}ms"
    whole, part = divmod(reset_ms, 1000)
    minutes, whole = divmod(whole, 60)
    seconds = f"{whole}.{part:03d}".rstrip("0") if part else str(whole)
    if not minutes:
        return f"{seconds}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s"


def quota_headers(requests: Quota | None, tokens: Quota | None) -> bytes:
    """`x-ratelimit-{limit,reset,remaining}-{requests,tokens}` lines of the quotas that exist."""
    lines = b""
    for measure, quota in (("requests", requests), ("tokens", tokens)):
        if quota is not None:
            reset_s = -(-quota.reset_ms // 1000)
            lines += b"%b%d\r\n" % (_quota_lines(measure, quota.limit, reset_s), quota.remaining)
    return lines


@lru_cache(maxsize=4096)  # an hour's seconds
def _quota_lines(measure: str, limit: int, reset_s: int) -> bytes:
    """All but what remains: calls say the same for a second."""
    lines = (
        f"x-ratelimit-limit-{measure}: {limit}\r\n"
        f"x-ratelimit-reset-{measure}: {format_reset(reset_s * 1000)}\r\n"
        f"x-ratelimit-remaining-{measure}: "
    )
    return lines.encode()
