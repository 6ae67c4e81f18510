"""How much a subject may use in a sliding window, as arithmetic on numbers that come in as arguments.

A rule limits one subject (a key, an address, an account, a plan as a whole). Its `Counter` holds what that
subject used in the last `window_ms` as slots in the order of time. Events that come within one
`window_ms / SLOTS` share a slot, and a slot leaves the window when its *last* event does: nothing is ever
freed early, so no window of that length anywhere holds more than the limit; an event is freed late by at
most one slot's width.
"""

from collections import deque
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Literal

from msgspec import Struct

from posthouse.kernel.errors import RelayCode

Subject = Literal["key", "address", "account", "plan"]

# An hour is counted in steps of 14 s at the coarsest; a busy counter takes 30 kB instead of growing with
# its traffic.
SLOTS = 250

CONCURRENCY_RETRY_MS = 1000  # nobody knows when a running call ends


class Measure(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    SPEND = "spend"
    CONCURRENCY = "concurrency"


class LimitRule(Struct, frozen=True, gc=False, kw_only=True):
    """What one subject may use. `name` says whose counters these are: rules of the same name share them, so
    it names plan, families and window. `family` is what the rule is about, "*" for all models together.
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


class Demand(Struct, frozen=True, gc=False, kw_only=True):
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


class Slot:
    """Events that leave the window together, `window_ms` after `last_ms`; `counted` until they have."""

    __slots__ = ("counted", "first_ms", "last_ms", "requests", "spend_nanos", "tokens")

    def __init__(self, at_ms: int, requests: int, tokens: int) -> None:
        self.first_ms = self.last_ms = at_ms
        self.requests = requests
        self.tokens = tokens
        self.spend_nanos = 0
        self.counted = True


class Counter:
    """What one subject of one rule used in the window; the totals are the sums of `slots`. Before `leaves_ms`
    no slot leaves the window, and before `joins_ms` an event joins the `newest`: each call pays for a look
    at each."""

    __slots__ = (
        *("joins_ms", "leaves_ms", "newest", "requests", "running"),
        *("slots", "spend_nanos", "tokens", "width_ms", "window_ms"),
    )

    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms
        self.width_ms = ceil(window_ms / SLOTS)
        self.slots: deque[Slot] = deque()
        self.newest: Slot | None = None
        self.joins_ms = self.leaves_ms = 0
        self.requests = 0
        self.tokens = 0
        self.spend_nanos = 0
        self.running = 0

    def expire(self, now_ms: int) -> None:
        """Forget what left the window that ends now: (now - window, now]."""
        slots, horizon = self.slots, now_ms - self.window_ms
        while slots and slots[0].last_ms <= horizon:
            slot = slots.popleft()
            slot.counted = False
            self.requests -= slot.requests
            self.tokens -= slot.tokens
            self.spend_nanos -= slot.spend_nanos
        if slots:
            self.leaves_ms = slots[0].last_ms + self.window_ms
        else:
            self.newest, self.joins_ms = None, 0

    def add(self, now_ms: int, requests: int, tokens: int, spend_nanos: int) -> Slot:
        """Count an event; the slot is what gives it back later. A clock that went back joins the newest
        slot, which keeps its time: late rather than early."""
        slot = self.newest
        if slot is not None and now_ms < self.joins_ms:
            if now_ms > slot.last_ms:
                slot.last_ms = now_ms
            slot.requests += requests
            slot.tokens += tokens
        else:
            slot = self._begin_slot(now_ms, requests, tokens)
        self.requests += requests
        self.tokens += tokens
        if spend_nanos:
            slot.spend_nanos += spend_nanos
            self.spend_nanos += spend_nanos
        return slot

    def _begin_slot(self, now_ms: int, requests: int, tokens: int) -> Slot:
        slot = self.newest = Slot(now_ms, requests, tokens)
        self.joins_ms = now_ms + self.width_ms
        if not self.slots:
            self.leaves_ms = now_ms + self.window_ms
        self.slots.append(slot)
        return slot

    def correct(self, slot: Slot, now_ms: int, tokens: int, spend_nanos: int) -> None:
        """Add these to an event's amounts: what is above zero counts as of now, what is below no longer."""
        if slot is self.newest and now_ms < self.joins_ms:
            if now_ms > slot.last_ms and (tokens > 0 or spend_nanos > 0):
                slot.last_ms = now_ms
            slot.tokens += tokens
            slot.spend_nanos += spend_nanos
            self.tokens += tokens
            self.spend_nanos += spend_nanos
            return
        more_tokens, more_nanos = max(0, tokens), max(0, spend_nanos)
        if more_tokens or more_nanos:
            self.add(now_ms, 0, more_tokens, more_nanos)
        self.give_back(slot, 0, more_tokens - tokens, more_nanos - spend_nanos)

    def give_back(self, slot: Slot, requests: int, tokens: int, spend_nanos: int) -> None:
        """Take an event's amounts out again, unless they have left the window already."""
        if slot.counted:
            slot.requests -= requests
            slot.tokens -= tokens
            slot.spend_nanos -= spend_nanos
            self.requests -= requests
            self.tokens -= tokens
            self.spend_nanos -= spend_nanos

    def reset_ms(self, now_ms: int) -> int:
        """Until the oldest use leaves the window. There is one."""
        return self.slots[0].last_ms + self.window_ms - now_ms

    def is_idle(self, now_ms: int) -> bool:
        """Nothing counts any more: forgetting the counter changes no answer."""
        self.expire(now_ms)
        return not self.slots and not self.running

    def used(self, measure: Measure) -> int:
        if measure is Measure.REQUESTS:
            return self.requests
        if measure is Measure.TOKENS:
            return self.tokens
        return self.spend_nanos if measure is Measure.SPEND else self.running

    def wait_ms(self, measure: Measure, excess: int, now_ms: int) -> int:
        """Until at least `excess` of what is used has left the window; until all has, when that is less."""
        if measure is Measure.CONCURRENCY:
            return CONCURRENCY_RETRY_MS
        field = "spend_nanos" if measure is Measure.SPEND else measure.value
        wait_ms = 0
        for slot in self.slots:
            wait_ms = slot.last_ms + self.window_ms - now_ms
            excess -= getattr(slot, field)
            if excess <= 0:
                break
        return wait_ms


UNUSED = Counter(0)  # what a subject without a counter has used; never added to


def admits(rule: LimitRule, counter: Counter, demand: Demand) -> bool:
    """Whether the rule lets the call pass. `counter` is expired up to now."""
    limit = rule.requests
    if limit is not None and counter.requests >= limit:
        return False
    limit = rule.tokens
    if limit is not None and counter.tokens + (demand.prompt_tokens or 1) > limit:
        return False
    limit = rule.spend_nanos
    if limit is not None and counter.spend_nanos + (demand.spend_nanos or 1) > limit:
        return False
    limit = rule.concurrency
    return limit is None or counter.running < limit


def refusal(rule: LimitRule, counter: Counter, demand: Demand, now_ms: int) -> Refused:
    """Why a rule does not admit the call: of its measures the slowest to recover."""
    asks = (
        (Measure.REQUESTS, rule.requests, 1),
        (Measure.TOKENS, rule.tokens, demand.prompt_tokens or 1),
        (Measure.SPEND, rule.spend_nanos, demand.spend_nanos or 1),
        (Measure.CONCURRENCY, rule.concurrency, 1),
    )
    found: list[Refused] = []
    for measure, limit, amount in asks:
        used = counter.used(measure)
        if limit is not None and used + amount > limit:
            reset_ms = counter.wait_ms(measure, used + amount - limit, now_ms)
            found.append(
                Refused(
                    rule=rule,
                    measure=measure,
                    used=used,
                    limit=limit,
                    reset_ms=reset_ms,
                    retry_after_s=-(-reset_ms // 1000) if amount <= limit else None,
                )
            )
    return worst(found)


def standings(rule: LimitRule, counter: Counter, now_ms: int) -> list[Standing]:
    """What is left of each measure that the rule limits; what runs does not wait for a window. `counter` is
    expired up to now."""
    window_ms = counter.reset_ms(now_ms) if counter.slots else 0
    limits = (
        (Measure.REQUESTS, rule.requests, window_ms),
        (Measure.TOKENS, rule.tokens, window_ms),
        (Measure.SPEND, rule.spend_nanos, window_ms),
        (Measure.CONCURRENCY, rule.concurrency, 0),
    )
    return [
        Standing(rule, measure, Quota(limit, max(0, limit - counter.used(measure)), reset_ms))
        for measure, limit, reset_ms in limits
        if limit is not None
    ]


def worst(refusals: list[Refused]) -> Refused:
    """The refusal that lasts longest; before all, one that no waiting helps."""
    return max(refusals, key=lambda one: (one.retry_after_s is None, one.reset_ms))


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
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` lines of the quotas that exist."""
    block = b""
    if requests is not None:
        block = _REQUESTS_LINES % (requests.limit, requests.remaining, _reset(requests.reset_ms))
    if tokens is not None:
        block += _TOKENS_LINES % (tokens.limit, tokens.remaining, _reset(tokens.reset_ms))
    return block


@lru_cache(maxsize=1024)  # a busy relay says the same many times within a millisecond
def _reset(reset_ms: int) -> bytes:
    return format_reset(reset_ms).encode()


_LINES = (
    b"x-ratelimit-limit-%(measure)b: %%d\r\n"
    b"x-ratelimit-remaining-%(measure)b: %%d\r\n"
    b"x-ratelimit-reset-%(measure)b: %%b\r\n"
)
_REQUESTS_LINES = _LINES % {b"measure": b"requests"}
_TOKENS_LINES = _LINES % {b"measure": b"tokens"}
