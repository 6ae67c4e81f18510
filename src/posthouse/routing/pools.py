"""The credentials of one channel: which a call takes, which rest, which are out until they prove themselves.

A credential's states:

    in          takes calls
    trial       came back from `out`: takes one call at a time, until an answer makes it `in`
    out         the upstream does not take it (CREDENTIAL), or its account is used up (QUOTA): takes no call;
                a probe that works, or a hand, brings it back
    disabled    taken out by hand: only a hand brings it back

Beside that it rests, each model for itself. After RATE_LIMITED: as long as the upstream said, else a second,
and twice that each time it is said again. After CREDENTIAL where it has just served others: then it is this
model that it may not have, and no caller can take it from all by asking for such a model.

Pure: the time comes as an argument, seconds of any monotonic clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from math import log

from msgspec import Struct

from posthouse.routing.channels import CredentialDef
from posthouse.routing.verdicts import Verdict

REST_S = 1.0  # after a 429 that says nothing: limits by the second are through then
REST_MAX_S = 60.0  # limits by the minute are through then
RETRY_AFTER_MAX_S = 900.0  # an upstream that asks for more is asked again all the same
PROVEN_S = 60.0  # how long an answer speaks for a credential that is refused for another call
STRIKES_MAX = 3  # refusals in a row that no such answer outweighs
PROBE_S = (
    5.0  # until a credential that went out is probed first: a fault of the upstream's login is often short
)
PROBE_MAX_S = 900.0  # the wait doubles up to this: its account may be topped up at any time

_MINUTE_S = 60

# Looked up once: these stand on the way of each call.
_OK = Verdict.OK
_RATE_LIMITED = Verdict.RATE_LIMITED
_REFUSED = (Verdict.CREDENTIAL, Verdict.QUOTA)


class CredentialState(StrEnum):
    IN = "in"
    TRIAL = "trial"
    OUT = "out"
    DISABLED = "disabled"


_IN, _TRIAL, _OUT, _DISABLED = CredentialState


class Departure(Struct, frozen=True):
    """A credential left the pool. `probe_s`: in how many seconds it is probed."""

    channel: str
    credential: str
    reason: Verdict
    probe_s: float


class Return(Struct, frozen=True):
    """A credential came back into the pool; `reason` is why it had been out."""

    channel: str
    credential: str
    reason: str


class CredentialStanding(Struct, frozen=True):
    """How a credential stands. `resting_s`: by model, for how many more seconds. `probe_s`: until it is
    probed next (out only). `requests` and `tokens` of the last minute count where there is a ceiling."""

    name: str
    state: CredentialState
    reason: str
    in_flight: int
    requests: int
    tokens: int
    resting_s: dict[str, float]
    probe_s: float | None


class Lease(Struct, eq=False):
    """A credential that a call took: `name`, to look its secret up by. To be handed to `Pool.end` whatever
    becomes of the call; a second time does nothing. `tokens` were counted for it under a ceiling."""

    name: str
    member: _Member
    model: str
    taken_s: float
    tokens: int = 0
    is_over: bool = False


class _Minute:
    """What was used in the last minute, by the second: an event leaves no earlier than a minute after it, and
    at most a second later."""

    __slots__ = ("_second", "_slots", "_total")

    def __init__(self) -> None:
        self._slots = [0] * (_MINUTE_S + 1)
        self._second = 0
        self._total = 0

    def used(self, now_s: float) -> int:
        second, slots = int(now_s), self._slots
        passed = second - self._second
        if passed > 0:
            for gone in range(max(self._second + 1, second - _MINUTE_S), second + 1):
                self._total -= slots[gone % len(slots)]
                slots[gone % len(slots)] = 0
            self._second = second
        return self._total

    def add(self, amount: int, now_s: float) -> None:
        self.used(now_s)
        self._slots[self._second % len(self._slots)] += amount
        self._total += amount

    def give_back(self, amount: int, taken_s: float, now_s: float) -> None:
        """Take away from what was added at `taken_s`, where that still counts."""
        self.used(now_s)
        if int(taken_s) >= self._second - _MINUTE_S:
            self._slots[int(taken_s) % len(self._slots)] -= amount
            self._total -= amount

    def wait_s(self, room: int, now_s: float) -> float:
        """Seconds until no more than `room` is used."""
        left = self.used(now_s)
        second = self._second - _MINUTE_S
        while left > room:
            left -= self._slots[second % len(self._slots)]
            second += 1
        return max(0.0, second + _MINUTE_S - now_s)


class _Rest(Struct):
    """A rest for one model: until when, since when (calls that began before say nothing new), how often, and
    whether the upstream said how long."""

    until_s: float
    since_s: float = float("-inf")
    rounds: int = 0
    is_told: bool = False


class _Member:
    """A credential and what the pool knows of how it does."""

    __slots__ = (
        *("credential", "has_ceilings", "in_flight", "is_clear", "is_news", "is_plain", "ok_s", "out_rounds"),
        *("probe_at_s", "reason", "requests", "rests", "state", "strike_s", "strikes", "tokens", "turn"),
    )

    def __init__(self, credential: CredentialDef) -> None:
        self.in_flight = 0
        self.turn = 0.0
        self.state = _IN
        self.reason = ""
        self.rests: dict[str, _Rest] = {}
        self.ok_s = float("-inf")
        self.strikes = 0
        self.strike_s = float("-inf")
        self.out_rounds = 0
        self.probe_at_s = 0.0
        self.is_news = False  # it went out here, and who keeps the states has not said so yet
        self.requests = _Minute()
        self.tokens = _Minute()
        self.limit(credential)

    def limit(self, credential: CredentialDef) -> None:
        """Take weight and ceilings from a new definition; what is in flight and was used stays."""
        self.credential = credential
        self.has_ceilings = (
            credential.concurrency or credential.requests_per_minute or credential.tokens_per_minute
        ) is not None
        self.note()

    def note(self) -> None:
        """Keep at hand whether there is anything to look at before a call takes it, and whether nothing is
        held against it."""
        self.is_plain = self.state is _IN and not self.rests and not self.has_ceilings
        self.is_clear = self.is_plain and not self.strikes and not self.out_rounds

    def has_room(self, tokens: int, now_s: float) -> bool:
        """Whether a call fits under the ceilings. One that is larger than a minute's tokens goes alone."""
        limits = self.credential
        if self.state is _TRIAL and self.in_flight:
            return False
        if limits.concurrency is not None and self.in_flight >= limits.concurrency:
            return False
        if limits.requests_per_minute is not None and self.requests.used(now_s) >= limits.requests_per_minute:
            return False
        if limits.tokens_per_minute is None:
            return True
        used = self.tokens.used(now_s)
        return used + tokens <= limits.tokens_per_minute or used <= 0

    def rests_for(self, model: str, now_s: float, insist: bool) -> bool:
        rest = self.rests.get(model)
        return rest is not None and now_s < rest.until_s and not (insist and not rest.is_told)

    def wait_s(self, tokens: int, model: str, now_s: float) -> float:
        """Seconds until time alone would let a call through (in flight ones have to end by themselves)."""
        limits, wait_s = self.credential, 0.0
        rest = self.rests.get(model)
        if rest is not None:
            wait_s = max(0.0, rest.until_s - now_s)
        if limits.requests_per_minute is not None:
            wait_s = max(wait_s, self.requests.wait_s(limits.requests_per_minute - 1, now_s))
        if limits.tokens_per_minute is not None:
            wait_s = max(wait_s, self.tokens.wait_s(max(0, limits.tokens_per_minute - tokens), now_s))
        return wait_s


class Pool:
    """The credentials of one channel, in the order of their definition. A channel that needs none has one
    without a secret. Used on one thread."""

    __slots__ = ("_members", "_single", "_turn", "channel")

    def __init__(self, channel: str, credentials: Iterable[CredentialDef]) -> None:
        self.channel = channel
        self._members: dict[str, _Member] = {}
        self._turn = 0.0
        self.update(credentials)

    def update(self, credentials: Iterable[CredentialDef], renewed: Collection[str] = ()) -> None:
        """Make the pool what a new configuration says. Who stays keeps what is known of it, but for those
        whose secret is `renewed`. Leases of those that went away end as if nothing had happened."""
        before = self._members
        self._members = {}
        for credential in credentials:
            member = before.get(credential.name)
            if member is None or credential.name in renewed:
                member = _Member(credential)
                member.turn = self._turn
            else:
                member.limit(credential)
            self._members[credential.name] = member
        members = tuple(self._members.values())
        self._single = members[0] if len(members) == 1 else None

    def take(
        self,
        tokens: int,
        now_s: float,
        tried: Collection[str] = (),
        *,
        model: str = "",
        insist: bool = False,
        affinity: bytes = b"",
    ) -> Lease | None:
        """A credential for a call that may use so many tokens, or None: none is free now. `tried`: names that
        this call tried already. `insist`: also one that rests though nobody said for how long; never one that
        is out, has no room under its ceilings, or was told when to come again. `affinity`: calls with the
        same bytes take the same one of those that are free."""
        member = self._single
        if member is None or not member.is_plain or tried:
            member = self._choose(tokens, now_s, tried, model, insist, affinity)
            if member is None:
                return None
            if member.has_ceilings:
                member.requests.add(1, now_s)
                member.tokens.add(tokens, now_s)
                member.in_flight += 1
                return Lease(member.credential.name, member, model, now_s, tokens)
        member.in_flight += 1
        return Lease(member.credential.name, member, model, now_s)

    def _choose(
        self,
        tokens: int,
        now_s: float,
        tried: Collection[str],
        model: str,
        insist: bool,
        affinity: bytes,
    ) -> _Member | None:
        """Whom the fewest calls of its share are under way with; among equals, whose turn comes first. With
        an affinity, whom it is nearest to."""
        best: _Member | None = None
        best_rank = (0.0, 0.0)
        for name, member in self._members.items():
            if not member.is_plain and not (
                (member.state is _IN or member.state is _TRIAL)
                and not member.rests_for(model, now_s, insist)
                and member.has_room(tokens, now_s)
            ):
                continue
            if name in tried:
                continue
            load = _distance(affinity, name) if affinity else float(member.in_flight)
            rank = (load / member.credential.weight, max(member.turn, self._turn))
            if best is None or rank < best_rank:
                best, best_rank = member, rank
        if best is not None:
            self._turn = best_rank[1]
            best.turn = self._turn + 1 / best.credential.weight
        return best

    def wait_s(self, now_s: float, *, tokens: int = 0, model: str = "") -> float | None:
        """In how many seconds the next would be free by time alone (0: as soon as a call ends); None: all
        are out."""
        waits = [
            member.wait_s(tokens, model, now_s)
            for member in self._members.values()
            if member.state is _IN or member.state is _TRIAL
        ]
        return min(waits, default=None)

    def begun(self, lease: Lease, now_s: float) -> None:
        """An answer has begun, whose end may be minutes away: the upstream takes the credential."""
        lease.member.ok_s = now_s
        if not lease.member.is_clear:
            _prove(lease)

    def end(
        self,
        lease: Lease,
        verdict: Verdict | None,
        now_s: float,
        tokens: int | None = None,
        retry_after_s: float | None = None,
    ) -> Departure | None:
        """A call is through with its credential. `verdict` None: it ended without saying anything (its caller
        left). `tokens`: what it used; None: what was taken for it, of a failed one nothing. Departure: the
        credential left the pool by this."""
        if lease.is_over:
            return None
        lease.is_over = True
        member = lease.member
        member.in_flight -= 1
        if member.has_ceilings:
            _correct(lease, verdict, now_s, tokens)
        if verdict is _OK:
            member.ok_s = now_s
            if not member.is_clear:
                _prove(lease)
            return None
        if verdict is _RATE_LIMITED:
            _rest_after_limit(lease, now_s, retry_after_s)
        elif verdict in _REFUSED:
            return self._refused(lease, verdict, now_s)
        return None

    def _refused(self, lease: Lease, verdict: Verdict, now_s: float) -> Departure | None:
        member = lease.member
        if member.state is _OUT or member.state is _DISABLED or lease.taken_s < member.strike_s:
            return None  # this was said already
        if self._members.get(lease.name) is not member:
            return None  # it went away, or has another secret since: that one was not refused
        member.strikes += 1
        member.strike_s = now_s
        is_proven = member.state is _IN and now_s - member.ok_s < PROVEN_S
        if verdict is Verdict.CREDENTIAL and is_proven and member.strikes < STRIKES_MAX:
            _rest(lease, now_s, PROVEN_S)
            return None
        probe_s = min(PROBE_MAX_S, PROBE_S * 2.0 ** min(member.out_rounds, 16))
        member.out_rounds += 1
        member.state, member.reason = _OUT, verdict.value
        member.probe_at_s = now_s + probe_s
        member.is_news = True
        member.note()
        return Departure(self.channel, lease.name, verdict, probe_s)

    def due_for_probe(self, now_s: float) -> list[str]:
        """Names of those that are out and to be probed now. Each is named once per wait: if nothing comes of
        the probe, `probed` need not be told."""
        due = []
        for name, member in self._members.items():
            if member.state is _OUT and now_s >= member.probe_at_s:
                member.probe_at_s = now_s + PROBE_MAX_S
                due.append(name)
        return due

    def probed(self, name: str, works: bool, now_s: float) -> Return | None:
        """What a probe said. Who works comes back on trial; who does not waits twice as long as before.
        Return: it came back by this."""
        member = self._members.get(name)
        if member is None or member.state is not _OUT:
            return None
        if works:
            member.state = _TRIAL
            return Return(self.channel, name, member.reason)
        member.probe_at_s = now_s + min(PROBE_MAX_S, PROBE_S * 2.0 ** min(member.out_rounds, 16))
        member.out_rounds += 1
        return None

    def apply_states(self, states: Mapping[str, tuple[CredentialState, str]], now_s: float) -> None:
        """Take over what is known elsewhere: by name, OUT or DISABLED with the reason. Who is not named and
        was out or disabled is in again; but not who went out here since these states were read."""
        for name, member in self._members.items():
            state, reason = states.get(name, (_IN, ""))
            if state is _IN and member.is_news:
                continue
            member.is_news = False
            if state is member.state or (state is _IN and member.state is _TRIAL):
                continue
            if state is _IN:
                member.strikes = member.out_rounds = 0
            elif state is _OUT:
                member.probe_at_s = now_s + PROBE_S
            member.state, member.reason = state, reason
            member.note()

    def forget(self) -> None:
        """Hold nothing against those that are in: no rest, and no trial; nor what is not known elsewhere."""
        for member in self._members.values():
            member.rests.clear()
            member.strikes = member.out_rounds = 0
            if member.state is _TRIAL or member.is_news:
                member.state = _IN
            member.is_news = False
            member.note()

    def standings(self, now_s: float) -> list[CredentialStanding]:
        return [
            CredentialStanding(
                name=name,
                state=member.state,
                reason=member.reason if member.state is not _IN else "",
                in_flight=member.in_flight,
                requests=member.requests.used(now_s),
                tokens=member.tokens.used(now_s),
                resting_s={
                    model: rest.until_s - now_s
                    for model, rest in member.rests.items()
                    if now_s < rest.until_s
                },
                probe_s=max(0.0, member.probe_at_s - now_s) if member.state is _OUT else None,
            )
            for name, member in self._members.items()
        ]


def _distance(affinity: bytes, name: str) -> float:
    """Over the weight, weighted rendezvous hashing as in routing.choice: the least is the nearest."""
    drawn = int.from_bytes(blake2b(affinity + name.encode(), digest_size=4).digest())
    return -log((drawn + 1) / (2**32 + 1))


def _correct(lease: Lease, verdict: Verdict | None, now_s: float, tokens: int | None) -> None:
    """Count what a call used in place of what was taken for it: what is more counts from now, what is less is
    given back where it was taken."""
    if tokens is None:
        tokens = lease.tokens if verdict is None or verdict is _OK else 0
    more = tokens - lease.tokens
    if more > 0:
        lease.member.tokens.add(more, now_s)
    elif more < 0:
        lease.member.tokens.give_back(-more, lease.taken_s, now_s)


def _prove(lease: Lease) -> None:
    """An answer: what stood against the credential is over, as far as the call began after it."""
    member = lease.member
    rest = member.rests.get(lease.model)
    if rest is not None and lease.taken_s >= rest.since_s:
        del member.rests[lease.model]
    if lease.taken_s >= member.strike_s:
        member.strikes = member.out_rounds = 0
        if member.state is _TRIAL:
            member.state = _IN
    member.note()


def _rest(lease: Lease, now_s: float, wait_s: float, *, is_told: bool = False) -> None:
    """Let the credential rest for the call's model."""
    member = lease.member
    rest = member.rests.setdefault(lease.model, _Rest(now_s))
    rest.until_s = max(rest.until_s, now_s + wait_s)
    rest.since_s, rest.is_told = now_s, is_told
    member.note()


def _rest_after_limit(lease: Lease, now_s: float, retry_after_s: float | None) -> None:
    """Rest as long as the upstream said, else longer each time."""
    if retry_after_s is not None:
        _rest(lease, now_s, min(retry_after_s, RETRY_AFTER_MAX_S), is_told=True)
        return
    before = lease.member.rests.get(lease.model)
    if before is not None and lease.taken_s < before.since_s:
        return  # many under way at once are told the same thing
    rounds = 0 if before is None else before.rounds
    _rest(lease, now_s, min(REST_MAX_S, REST_S * 2.0 ** min(rounds, 16)))
    lease.member.rests[lease.model].rounds = rounds + 1
