"""Whatever happens in whatever order: a breaker keeps its promises."""

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from posthouse.routing.health import (
    FAILURES,
    RAMP_LEAST,
    TRANSITIONS,
    Event,
    Health,
    HealthPolicy,
    Standing,
    State,
    Ticket,
    Transition,
)
from posthouse.routing.verdicts import Verdict

# Small numbers, so that few steps lead far.
POLICY = HealthPolicy(
    window_s=12, calls_min=4, consecutive=3, cool_down_s=2, cool_down_max_s=9, ramp_s=6, probe_every_s=3
)
SILENT = frozenset(Verdict) - FAILURES - {Verdict.OK, Verdict.RATE_LIMITED}
MODEL = "m"


class HealthMachine(RuleBasedStateMachine):
    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 500.0
        self.moves: list[Transition] = []
        self.health = Health(Random(5).random, self.moves.append)
        self.in_flight: dict[str, int] = {}
        self.trying: dict[str, Ticket] = {}  # who tries a half-open channel

    def standing_of(self, channel: str) -> Standing | None:
        return next((one for one in self.health.standings(self.now_s) if one.channel == channel), None)

    @rule(target=tickets, channel=st.sampled_from("ab"))
    def begin(self, channel: str) -> Ticket:
        before = self.standing_of(channel)
        ticket = self.health.begin(channel, MODEL, POLICY, self.now_s)
        self.in_flight[channel] = self.in_flight.get(channel, 0) + 1
        if before is not None and before.state is State.HALF_OPEN and before.share == 1:
            assert self.health.share(channel, MODEL, self.now_s) == 0
            self.trying[channel] = ticket
        return ticket

    @rule(ticket=tickets, ttft_s=st.floats(0, 100))
    def begun(self, ticket: Ticket, ttft_s: float) -> None:
        if ticket.breaker is not None and not ticket.has_begun:
            self.health.begun(ticket, self.now_s, ttft_s)

    @rule(
        ticket=consumes(tickets),
        verdict=st.sampled_from(Verdict),
        ttft_s=st.none() | st.floats(0, 100),
        retry_after_s=st.none() | st.floats(0, 1e6),
    )
    def end(
        self, ticket: Ticket, verdict: Verdict, ttft_s: float | None, retry_after_s: float | None
    ) -> None:
        self.health.standings(self.now_s)  # what time alone does is done
        moves = len(self.moves)
        channel = self.left(ticket)
        self.health.end(ticket, verdict, self.now_s, ttft_s=ttft_s, retry_after_s=retry_after_s)
        caused = self.moves[moves:]
        assert len(caused) <= 1
        assert not (caused and verdict in SILENT)
        if caused and verdict is Verdict.OK:
            assert caused[0].event is Event.ANSWERED
        for move in caused:
            assert move.channel == channel

    @rule(ticket=consumes(tickets))
    def release(self, ticket: Ticket) -> None:
        moves = len(self.moves)
        self.left(ticket)
        self.health.release(ticket)
        assert len(self.moves) == moves

    def left(self, ticket: Ticket) -> str:
        assert ticket.breaker is not None
        channel = ticket.breaker.channel
        self.in_flight[channel] -= 1
        return channel

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(channel=st.sampled_from("ab"))
    def reset(self, channel: str) -> None:
        self.health.reset(channel, now_s=self.now_s)
        assert self.health.share(channel, MODEL, self.now_s) == 1

    @rule(channel=st.sampled_from("ab"))
    def recover(self, channel: str) -> None:
        """From wherever it is, time and answered calls alone bring it back."""
        for wait_s in (POLICY.cool_down_max_s, POLICY.ramp_s):
            self.now_s += wait_s
            for _ in range(2):
                ticket = self.health.begin(channel, MODEL, POLICY, self.now_s)
                self.health.end(ticket, Verdict.OK, self.now_s)
            self.in_flight.setdefault(channel, 0)
        assert self.health.share(channel, MODEL, self.now_s) == 1

    @invariant()
    def calls_under_way_are_those_that_have_not_ended(self) -> None:
        standings = {one.channel: one.in_flight for one in self.health.standings(self.now_s)}
        assert standings == self.in_flight

    @invariant()
    def every_move_is_of_the_table_and_follows_the_one_before(self) -> None:
        states: dict[str, State] = {}
        for move in self.moves:
            assert TRANSITIONS[move.before, move.event] is move.after
            assert states.get(move.channel, State.CLOSED) is move.before
            states[move.channel] = move.after
        for one in self.health.standings(self.now_s):
            assert one.state is states.get(one.channel, State.CLOSED)

    @invariant()
    def what_stands_is_sound(self) -> None:
        for one in self.health.standings(self.now_s):
            assert one.calls >= 0
            assert 0 <= one.error_rate <= 1
            assert one.share == self.health.share(one.channel, MODEL, self.now_s)
            assert bool(one.why) is (one.state is not State.CLOSED)
            if one.state is State.CLOSED:
                assert one.share == 1
            elif one.state is State.RAMPING:
                assert RAMP_LEAST <= one.share < 1
            else:
                assert one.share in (0, 1)
            if one.state is State.OPEN:
                assert one.share == 0
                assert one.until_s is not None
                assert self.now_s < one.until_s <= self.now_s + POLICY.cool_down_max_s
            else:
                assert one.until_s is None

    @invariant()
    def at_most_one_call_tries(self) -> None:
        for channel, ticket in list(self.trying.items()):
            standing = self.standing_of(channel)
            if ticket.breaker is None or standing is None or standing.state is not State.HALF_OPEN:
                del self.trying[channel]
            else:
                assert standing.share == 0


TestHealthMachine = HealthMachine.TestCase
TestHealthMachine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
