"""Whether a channel is fit to be tried, by model: a circuit breaker for each. Pure.

An attempt is told of by `begin`, perhaps `begun`, then `end` or `release`. A breaker opens when calls fail,
lets one call try again when its cool-down is over, and gets its share back step by step when that call was
answered: an upstream that has just come back must not get all that waited for it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import islice
from typing import Annotated

from msgspec import Meta, Struct

from posthouse.routing.verdicts import Verdict
from posthouse.routing.window import CallWindow, TtftDigest

_Seconds = Annotated[float, Meta(gt=0)]
_SecondsOrOff = Annotated[float, Meta(ge=0)]
_Positive = Annotated[int, Meta(ge=1)]

# Each cool-down is as much as a quarter shorter than it could be, by chance, so that breakers that opened
# together, also in other processes, do not all try again at once.
JITTER = 0.25

# What a channel gets at the beginning of its ramp: less might be nothing for the whole of it.
RAMP_LEAST = 0.05

# Answers are counted so many at a time, or as soon as somebody asks: one by one the counts of fifty channels
# would be fetched from memory anew for each call.
ANSWERS_MAX = 256

# Active probes at once: a provider that has failed as a whole must not be probed for all its models together.
PROBES_MAX = 4


class HealthPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a channel is taken out for a model, and how it comes back. It opens when, of at least `calls_min`
    calls in `window_s`, the share `error_rate` failed, or after `consecutive` failures; stays open for
    `cool_down_s`, longer each time up to `cool_down_max_s`; and gets its full share back over `ramp_s`.
    `probe_every_s`: seconds between active probes with `probe_model`; 0: none."""

    window_s: _Seconds = 60.0
    calls_min: _Positive = 20
    error_rate: Annotated[float, Meta(gt=0, le=1)] = 0.5
    consecutive: _Positive = 10
    cool_down_s: _Seconds = 5.0
    cool_down_max_s: _Seconds = 300.0
    ramp_s: _SecondsOrOff = 30.0
    probe_every_s: _SecondsOrOff = 0.0
    probe_model: str = ""


class State(StrEnum):
    """CLOSED: all is well. OPEN: nothing goes there. HALF_OPEN: one call at a time tries it. RAMPING: it gets
    a growing share."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    RAMPING = "ramping"


class Event(StrEnum):
    """What moves a breaker."""

    IN_A_ROW = "in_a_row"  # `consecutive` failures in a row; half as many while it ramps up
    ERROR_RATE = "error_rate"  # of at least `calls_min` calls in the window, `error_rate` failed
    LIMITED = "limited"  # `consecutive` refusals by the upstream's rate limit in a row
    TOLD_TO_WAIT = "told_to_wait"  # the upstream is overloaded and says for how long
    COOLED = "cooled"  # the cool-down is over
    PROBE_FAILED = "probe_failed"  # the call that tried it failed
    ANSWERED = "answered"  # a call that went there although it was not closed has been answered
    RAMPED = "ramped"  # it has ramped up without opening again
    RESET = "reset"  # by hand


# The breaker's whole behaviour; what is not in it does not happen. docs/channels.md shows it and a test holds
# the two to each other.
TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.CLOSED, Event.IN_A_ROW): State.OPEN,
    (State.CLOSED, Event.ERROR_RATE): State.OPEN,
    (State.CLOSED, Event.LIMITED): State.OPEN,
    (State.CLOSED, Event.TOLD_TO_WAIT): State.OPEN,
    (State.OPEN, Event.COOLED): State.HALF_OPEN,
    (State.OPEN, Event.ANSWERED): State.RAMPING,
    (State.OPEN, Event.RESET): State.CLOSED,
    (State.HALF_OPEN, Event.PROBE_FAILED): State.OPEN,
    (State.HALF_OPEN, Event.ANSWERED): State.RAMPING,
    (State.HALF_OPEN, Event.RESET): State.CLOSED,
    (State.RAMPING, Event.IN_A_ROW): State.OPEN,
    (State.RAMPING, Event.ERROR_RATE): State.OPEN,
    (State.RAMPING, Event.LIMITED): State.OPEN,
    (State.RAMPING, Event.TOLD_TO_WAIT): State.OPEN,
    (State.RAMPING, Event.RAMPED): State.CLOSED,
    (State.RAMPING, Event.RESET): State.CLOSED,
}

# Where no call goes but for the one that tries, or as a last resort.
# What each call asks for: CPython 3.11 takes six times as long to find one in its class.
_CLOSED, _OK = State.CLOSED, Verdict.OK
_SHUT = frozenset((State.OPEN, State.HALF_OPEN))

# What counts as the channel's failure. A refused request says nothing about it, and a refused credential is
# its pool's affair.
FAILURES = frozenset(
    (
        *(Verdict.OVERLOADED, Verdict.ERROR, Verdict.TIMEOUT, Verdict.UNREACHABLE, Verdict.MALFORMED),
        Verdict.MODEL_MISSING,
    )
)


class Transition(Struct, frozen=True, kw_only=True):
    """A breaker has moved. `why` in words, for people; `until_s`: when an open one is tried again."""

    channel: str
    model: str
    before: State
    after: State
    event: Event
    why: str
    until_s: float | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """How a channel does with one model, over its window. `why` it is not closed, "" when it is; `until_s`
    when an open one is tried again. Times to the first byte: None where there was none."""

    channel: str
    model: str
    state: State
    why: str
    until_s: float | None
    share: float
    calls: int
    error_rate: float
    in_flight: int
    ttft_p50_s: float | None
    ttft_p99_s: float | None


class Ticket(Struct, eq=False):
    """One attempt under way; from `Health.begin`, ended once by `end` or `release`."""

    breaker: "Breaker | None"
    epoch: int
    has_begun: bool = False
    answered_s: float = -1.0  # when its answer was counted


class Breaker:
    """One channel's health for one model. `epoch` counts its openings and ramp-ups: what began in an earlier
    one says nothing about this one."""

    __slots__ = (
        *("channel", "cool_downs", "epoch", "in_flight", "limited", "model", "policy", "probe", "since_s"),
        *("state", "streak", "tried_s", "ttft", "until_s", "why", "window"),
    )

    def __init__(self, channel: str, model: str, policy: HealthPolicy) -> None:
        self.channel = channel
        self.model = model
        self.policy = policy
        self.state = State.CLOSED
        self.why = ""
        self.since_s = self.until_s = 0.0
        self.tried_s = 0.0  # when its latest attempt began
        self.epoch = 0
        self.in_flight = 0
        self.streak = 0  # failures in a row
        self.limited = 0  # refusals by a rate limit in a row
        self.cool_downs = 0  # in a row, since it was last closed
        self.probe: Ticket | None = None
        self.window = CallWindow(policy.window_s)
        self.ttft = TtftDigest(policy.window_s)

    def forget(self) -> None:
        """Begin to count anew."""
        self.epoch += 1
        self.streak = self.limited = 0
        self.window = CallWindow(self.policy.window_s)

    def follow(self, policy: HealthPolicy) -> None:
        """Take a policy that the configuration has made anew; counts begin anew only where it differs."""
        differs = policy != self.policy
        self.policy = policy
        if differs:
            self.ttft = TtftDigest(policy.window_s)
            self.forget()

    @property
    def in_a_row_max(self) -> int:
        """While it ramps up half as many are enough: it has failed just now."""
        most = self.policy.consecutive
        return most if self.state is State.CLOSED else max(1, most // 2)

    def share(self, now_s: float) -> float:
        """How much of its calls should go there, 0 to 1, in the state that it is in."""
        if self.state is State.RAMPING:
            return max(RAMP_LEAST, (now_s - self.since_s) / self.policy.ramp_s)
        return 1.0 if self.state is State.CLOSED or self.is_free_for_probe else 0.0

    def leave(self, ticket: "Ticket") -> None:
        """An attempt is over, and whoever comes next may try."""
        ticket.breaker = None
        self.in_flight -= 1
        if self.probe is ticket:
            self.probe = None

    @property
    def is_free_for_probe(self) -> bool:
        return self.state is State.HALF_OPEN and self.probe is None


class Health:
    """A breaker for each channel and model that has been called. `randomness()` gives numbers in [0, 1);
    `on_transition` hears of each move, within the call that caused or noticed it. All times are of one clock
    that does not go back."""

    def __init__(
        self,
        randomness: Callable[[], float],
        on_transition: Callable[[Transition], None] = lambda transition: None,
    ) -> None:
        self._randomness = randomness
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._answers: list[tuple[Breaker, tuple[float, float]]] = []  # the time to its first byte, and when
        self.on_transition = on_transition

    # -- asking ----------------------------------------------------------------------------------------------

    def share(self, channel: str, model: str, now_s: float) -> float:
        """How much of its calls should go there now: 1 all, 0 none."""
        breaker = self._breakers.get((channel, model))
        if breaker is None or breaker.state is _CLOSED:
            return 1.0
        self._advance(breaker, now_s)
        return breaker.share(now_s)

    def latency_s(self, channel: str, model: str, now_s: float) -> float | None:
        """The time to the first byte that a call may expect, less the longer nothing was heard of it; None
        where nothing is known."""
        self._count_answers()
        breaker = self._breakers.get((channel, model))
        return None if breaker is None else breaker.ttft.smoothed_s(now_s)

    def in_flight(self, channel: str, model: str) -> int:
        breaker = self._breakers.get((channel, model))
        return 0 if breaker is None else breaker.in_flight

    def standings(self, now_s: float) -> list[Standing]:
        """How each breaker stands, by channel and model."""
        self._count_answers()
        return [self._standing(self._breakers[key], now_s) for key in sorted(self._breakers)]

    def probes_due(self, policies: Mapping[str, HealthPolicy], now_s: float) -> list[tuple[str, str]]:
        """Channels and models that an active probe should try now, at most PROBES_MAX, of the channels whose
        policy wants any: those that wait to be tried, and `probe_model` where it has not been called for
        `probe_every_s`. A probe is an attempt like any other: `begin`, then `end`."""
        watched = (
            (channel, policy.probe_model) for channel, policy in policies.items() if policy.probe_model
        )
        keys = dict.fromkeys((*watched, *self._breakers))
        due = (key for key in keys if key[0] in policies and self._is_due(key, policies[key[0]], now_s))
        return list(islice(due, PROBES_MAX))

    def _is_due(self, key: tuple[str, str], policy: HealthPolicy, now_s: float) -> bool:
        if not policy.probe_every_s:
            return False
        breaker = self._breakers.get(key)
        if breaker is None:
            return True
        self._advance(breaker, now_s)
        is_closed = breaker.state is State.CLOSED
        is_wanted = key[1] == policy.probe_model if is_closed else breaker.is_free_for_probe
        return is_wanted and now_s >= breaker.tried_s + policy.probe_every_s

    # -- telling ---------------------------------------------------------------------------------------------

    def begin(self, channel: str, model: str, policy: HealthPolicy, now_s: float) -> Ticket:
        """An attempt begins. Where the breaker is half open and nobody tries it, this attempt does."""
        if len(self._answers) >= ANSWERS_MAX:
            self._count_answers()
        breaker = self._breakers.get((channel, model))
        if breaker is None:
            breaker = self._breakers[channel, model] = Breaker(channel, model, policy)
        elif breaker.policy is not policy:
            self._count_answers()
            breaker.follow(policy)
        is_closed = breaker.state is _CLOSED
        if not is_closed:
            self._advance(breaker, now_s)
        ticket = Ticket(breaker, breaker.epoch)
        breaker.in_flight += 1
        breaker.tried_s = now_s
        if not is_closed and breaker.is_free_for_probe:
            breaker.probe = ticket
        return ticket

    def begun(self, ticket: Ticket, now_s: float, ttft_s: float) -> None:
        """The first word of a good answer came: count it as answered now, since a stream's end may be minutes
        away. `end` follows."""
        breaker = ticket.breaker
        assert breaker is not None, "ended already"
        ticket.has_begun = True
        if breaker.state is _CLOSED and ticket.epoch == breaker.epoch:
            ticket.answered_s = now_s
            self._answers.append((breaker, (ttft_s, now_s)))
        else:
            self._count_answers()
            breaker.ttft.add((ttft_s,), (now_s,))
            self._answered(breaker, ticket, now_s)

    def end(
        self,
        ticket: Ticket,
        verdict: Verdict,
        now_s: float,
        *,
        ttft_s: float | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """An attempt has ended. `retry_after_s` is what the upstream asked for: it is honoured up to the
        policy's longest cool-down. After `begun`, `ttft_s` is known, and a failure takes back what that
        counted."""
        breaker = ticket.breaker
        assert breaker is not None, "ended twice"
        is_plain = verdict is _OK and breaker.state is _CLOSED and ticket.epoch == breaker.epoch
        if not is_plain or ttft_s is None:
            self._count_answers()
            self._ended(breaker, ticket, verdict, now_s, ttft_s, retry_after_s)
        elif not ticket.has_begun:
            self._answers.append((breaker, (ttft_s, now_s)))
        breaker.leave(ticket)

    def release(self, ticket: Ticket) -> None:
        """An attempt has ended without saying anything about the channel: its caller left."""
        assert ticket.breaker is not None, "ended twice"
        ticket.breaker.leave(ticket)

    def reset(self, channel: str, model: str | None = None, *, now_s: float) -> None:
        """Close by hand: one model's breaker, or all of the channel."""
        self._count_answers()
        for (name, of), breaker in self._breakers.items():
            if name == channel and model in (None, of):
                breaker.forget()
                breaker.cool_downs = 0
                if breaker.state is not State.CLOSED:
                    self._move(breaker, Event.RESET, now_s, "by hand")

    def keep(self, is_there: Callable[[str, str], bool]) -> None:
        """Forget channels and models that are there no longer: the configuration has changed. Their running
        attempts end as usual."""
        self._breakers = {key: one for key, one in self._breakers.items() if is_there(*key)}

    def _standing(self, breaker: Breaker, now_s: float) -> Standing:
        self._advance(breaker, now_s)
        breaker.window.roll(now_s)
        ttft_p50_s, ttft_p99_s = breaker.ttft.quantiles_s(now_s, 0.5, 0.99)
        return Standing(
            channel=breaker.channel,
            model=breaker.model,
            state=breaker.state,
            why=breaker.why,
            until_s=breaker.until_s if breaker.state is State.OPEN else None,
            share=breaker.share(now_s),
            calls=breaker.window.calls,
            error_rate=breaker.window.error_rate,
            in_flight=breaker.in_flight,
            ttft_p50_s=ttft_p50_s,
            ttft_p99_s=ttft_p99_s,
        )

    # -- moving ----------------------------------------------------------------------------------------------

    def _count_answers(self) -> None:
        """Count what is kept. It is of breakers that are closed, in the epochs that they are in: whatever may
        change that, or look, counts first."""
        by_breaker: defaultdict[Breaker, list[tuple[float, float]]] = defaultdict(list)
        for breaker, answer in self._answers:
            by_breaker[breaker].append(answer)
        self._answers.clear()
        for breaker, answers in by_breaker.items():
            ttfts_s, at_s = zip(*answers, strict=True)
            breaker.ttft.add(ttfts_s, at_s)
            breaker.window.add_answered(at_s)
            breaker.streak = breaker.limited = 0

    def _ended(
        self,
        breaker: Breaker,
        ticket: Ticket,
        verdict: Verdict,
        now_s: float,
        ttft_s: float | None,
        retry_after_s: float | None,
    ) -> None:
        if verdict is _OK:
            if not ticket.has_begun:
                if ttft_s is not None:
                    breaker.ttft.add((ttft_s,), (now_s,))
                self._answered(breaker, ticket, now_s)
        elif ticket.epoch == breaker.epoch:
            self._advance(breaker, now_s)
            if verdict in FAILURES:
                self._failed(breaker, ticket, verdict, now_s, retry_after_s)
            elif verdict is Verdict.RATE_LIMITED:
                self._limited(breaker, ticket, now_s, retry_after_s)

    def _advance(self, breaker: Breaker, now_s: float) -> None:
        """Do what time alone does."""
        if breaker.state is State.OPEN and now_s >= breaker.until_s:
            self._move(breaker, Event.COOLED, now_s, "the cool-down is over")
        elif breaker.state is State.RAMPING and now_s >= breaker.since_s + breaker.policy.ramp_s:
            breaker.cool_downs = 0
            self._move(breaker, Event.RAMPED, now_s, f"no relapse in {breaker.policy.ramp_s:g} s")

    def _answered(self, breaker: Breaker, ticket: Ticket, now_s: float) -> None:
        if ticket.epoch != breaker.epoch:
            return
        if breaker.state in _SHUT:
            breaker.forget()
            ticket.epoch = breaker.epoch
            self._move(breaker, Event.ANSWERED, now_s, "a call was answered")
        breaker.window.add_answered((now_s,))
        ticket.answered_s = now_s
        breaker.streak = breaker.limited = 0

    def _failed(
        self, breaker: Breaker, ticket: Ticket, verdict: Verdict, now_s: float, retry_after_s: float | None
    ) -> None:
        if breaker.state in _SHUT:
            self._probe_failed(breaker, ticket, verdict, now_s, retry_after_s)
            return
        window, policy = breaker.window, breaker.policy
        window.roll(now_s)
        if verdict is Verdict.MODEL_MISSING and window.answered:
            return  # others were answered: what is missing is what this call wanted of the model
        breaker.streak += 1
        if ticket.answered_s < 0:
            window.add_failed(now_s)
        else:
            window.turn_failed(ticket.answered_s, now_s)
        if verdict is Verdict.OVERLOADED and retry_after_s:
            event, why = Event.TOLD_TO_WAIT, f"overloaded, asks for {retry_after_s:g} s"
        elif breaker.streak >= breaker.in_a_row_max:
            event, why = Event.IN_A_ROW, f"{breaker.streak} failures in a row, the last: {verdict}"
        elif window.calls >= policy.calls_min and window.error_rate >= policy.error_rate:
            event = Event.ERROR_RATE
            share = f"{window.failed} of {window.calls} calls in {policy.window_s:g} s"
            why = f"{share} failed, the last: {verdict}"
        else:
            return
        self._open(breaker, event, now_s, why, retry_after_s)

    def _limited(self, breaker: Breaker, ticket: Ticket, now_s: float, retry_after_s: float | None) -> None:
        """One refusal by a rate limit is the credential's affair; many in a row are the channel's."""
        if breaker.state in _SHUT:
            self._probe_failed(breaker, ticket, Verdict.RATE_LIMITED, now_s, retry_after_s)
            return
        breaker.limited += 1
        if breaker.limited >= breaker.in_a_row_max:
            why = f"{breaker.limited} refusals by the rate limit in a row"
            self._open(breaker, Event.LIMITED, now_s, why, retry_after_s)

    def _probe_failed(
        self, breaker: Breaker, ticket: Ticket, verdict: Verdict, now_s: float, retry_after_s: float | None
    ) -> None:
        """What else fails there meanwhile, as a last resort, tells nothing new."""
        if breaker.probe is ticket:
            self._open(breaker, Event.PROBE_FAILED, now_s, f"tried again: {verdict}", retry_after_s)

    def _open(
        self, breaker: Breaker, event: Event, now_s: float, why: str, retry_after_s: float | None
    ) -> None:
        policy = breaker.policy
        longest_s = min(policy.cool_down_s * 2.0 ** min(breaker.cool_downs, 30), policy.cool_down_max_s)
        cool_down_s = longest_s * (1 - JITTER * self._randomness())
        asked_s = min(retry_after_s or 0.0, policy.cool_down_max_s)
        breaker.cool_downs += 1
        breaker.until_s = now_s + max(cool_down_s, asked_s)
        breaker.forget()
        self._move(breaker, event, now_s, why)

    def _move(self, breaker: Breaker, event: Event, now_s: float, why: str) -> None:
        before = breaker.state
        breaker.state = after = TRANSITIONS[before, event]
        breaker.since_s = now_s
        breaker.why = "" if after is State.CLOSED else why
        breaker.probe = None
        until_s = breaker.until_s if after is State.OPEN else None
        self.on_transition(
            Transition(
                channel=breaker.channel,
                model=breaker.model,
                before=before,
                after=after,
                event=event,
                why=why,
                until_s=until_s,
            )
        )
