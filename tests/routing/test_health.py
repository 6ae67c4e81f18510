"""A breaker's moves, on a clock that the test moves."""

from collections.abc import Callable
from typing import Any

import pytest

from posthouse.routing.health import (
    ANSWERS_MAX,
    FAILURES,
    JITTER,
    PROBES_MAX,
    RAMP_LEAST,
    TRANSITIONS,
    Event,
    Health,
    HealthPolicy,
    Standing,
    State,
    Transition,
)
from posthouse.routing.verdicts import Verdict


def policy(**fields: Any) -> HealthPolicy:
    """Its numbers stand here, so that the defaults can change."""
    return HealthPolicy(**{"calls_min": 10, "consecutive": 5, **fields})


POLICY = policy()
OK, ERROR, LIMITED, CALLER = Verdict.OK, Verdict.ERROR, Verdict.RATE_LIMITED, Verdict.CALLER


class Scene:
    """One channel, "a", and one model, "m", unless a step says otherwise; time moves only by `wait`."""

    def __init__(self, policy: HealthPolicy = POLICY, luck: float = 0.0) -> None:
        self.now_s = 1000.0
        self.policy = policy
        self.moves: list[Transition] = []
        self.health = Health(lambda: luck, self.moves.append)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    def call(
        self, verdict: Verdict, times: int = 1, *, model: str = "m", retry_after_s: float | None = None
    ) -> None:
        for _ in range(times):
            ticket = self.health.begin("a", model, self.policy, self.now_s)
            self.health.end(ticket, verdict, self.now_s, retry_after_s=retry_after_s)

    @property
    def share(self) -> float:
        return self.health.share("a", "m", self.now_s)

    @property
    def standing(self) -> Standing:
        (standing,) = self.health.standings(self.now_s)
        return standing

    @property
    def state(self) -> State:
        return self.standing.state

    @property
    def cool_down_s(self) -> float:
        """Of the latest opening."""
        until_s = self.moves[-1].until_s
        assert until_s is not None
        return until_s - self.now_s

    # -- ways into a state -----------------------------------------------------------------------------------

    def open(self) -> None:
        self.call(ERROR, self.policy.consecutive)
        assert self.state is State.OPEN

    def half_open(self) -> None:
        self.open()
        self.wait(self.policy.cool_down_s)
        assert self.state is State.HALF_OPEN

    def ramping(self) -> None:
        self.half_open()
        self.call(OK)
        assert self.state is State.RAMPING


def closed(scene: Scene) -> None:
    scene.call(OK)


def alternate(scene: Scene) -> None:
    for _ in range(5):
        scene.call(ERROR)
        scene.call(OK)


WAYS_IN: dict[State, Callable[[Scene], None]] = {
    State.CLOSED: closed,
    State.OPEN: Scene.open,
    State.HALF_OPEN: Scene.half_open,
    State.RAMPING: Scene.ramping,
}
CAUSES: dict[Event, Callable[[Scene], None]] = {
    Event.IN_A_ROW: lambda scene: scene.call(ERROR, 5),
    Event.ERROR_RATE: alternate,
    Event.LIMITED: lambda scene: scene.call(LIMITED, 5),
    Event.TOLD_TO_WAIT: lambda scene: scene.call(Verdict.OVERLOADED, retry_after_s=7),
    Event.COOLED: lambda scene: scene.wait(5),
    Event.PROBE_FAILED: lambda scene: scene.call(ERROR),
    Event.ANSWERED: lambda scene: scene.call(OK),
    Event.RAMPED: lambda scene: scene.wait(30),
    Event.RESET: lambda scene: scene.health.reset("a", now_s=scene.now_s),
}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_what_the_table_says_happens_and_nothing_else(state: State, event: Event) -> None:
    scene = Scene()
    WAYS_IN[state](scene)
    scene.moves.clear()
    CAUSES[event](scene)
    scene.health.standings(scene.now_s)
    caused = [move for move in scene.moves if move.event is event]
    if (state, event) in TRANSITIONS:
        assert [(move.before, move.after) for move in caused[:1]] == [(state, TRANSITIONS[state, event])]
        assert caused[0].why
    else:
        assert not [move for move in caused if move.before is state]


def test_a_channel_that_nobody_called_has_all_its_share() -> None:
    scene = Scene()
    assert (scene.share, scene.health.standings(0)) == (1.0, [])
    assert scene.health.in_flight("a", "m") == 0
    assert scene.health.latency_s("a", "m", 0) is None


@pytest.mark.parametrize("verdict", sorted(FAILURES))
def test_failures_in_a_row_open_it(verdict: Verdict) -> None:
    scene = Scene()
    scene.call(verdict, 4)
    assert scene.share == 1
    scene.call(verdict)
    assert (scene.share, scene.state) == (0, State.OPEN)
    assert scene.standing.why == f"5 failures in a row, the last: {verdict}"


def test_an_answer_ends_a_row() -> None:
    scene = Scene(policy(error_rate=1))
    for _ in range(10):
        scene.call(ERROR, 4)
        scene.call(OK)
    assert scene.share == 1


@pytest.mark.parametrize("verdict", [CALLER, Verdict.CREDENTIAL, Verdict.QUOTA, Verdict.FULL])
def test_what_says_nothing_about_the_channel_changes_nothing(verdict: Verdict) -> None:
    scene = Scene()
    scene.call(verdict, 1000)
    scene.call(ERROR, 4)
    scene.call(verdict, 1000)
    standing = scene.standing
    assert (standing.state, standing.calls, standing.in_flight, scene.moves) == (State.CLOSED, 4, 0, [])
    scene.call(ERROR)
    assert scene.state is State.OPEN  # nor did it end the row


def test_a_model_is_missing_only_where_nobody_was_answered() -> None:
    """A chat with a model for embeddings gets a 404 too, and is its caller's own fault."""
    scene = Scene()
    scene.call(OK)
    scene.call(Verdict.MODEL_MISSING, 1000)
    assert (scene.state, scene.standing.calls) == (State.CLOSED, 1)
    scene.wait(60)
    scene.call(Verdict.MODEL_MISSING, 5)
    assert scene.state is State.OPEN


def test_the_error_rate_counts_from_the_least_number_of_calls() -> None:
    scene = Scene(policy(consecutive=100))
    scene.call(ERROR, 9)
    assert scene.state is State.CLOSED
    scene.call(ERROR)
    assert scene.standing.why == "10 of 10 calls in 60 s failed, the last: error"


def test_failures_that_have_left_the_window_do_not_count() -> None:
    scene = Scene(policy(consecutive=100))
    scene.call(ERROR, 9)
    scene.wait(60)
    scene.call(ERROR, 9)
    assert (scene.state, scene.standing.calls) == (State.CLOSED, 9)


def test_what_stands_is_of_the_window_that_ends_now() -> None:
    scene = Scene()
    scene.call(OK, 3)
    scene.wait(60)
    assert scene.standing.calls == 0


def test_one_refusal_by_a_rate_limit_is_not_the_channels() -> None:
    scene = Scene()
    for _ in range(50):
        scene.call(LIMITED, 4, retry_after_s=60)
        scene.call(OK)
    assert (scene.state, scene.standing.error_rate) == (State.CLOSED, 0)
    scene.call(LIMITED, 5, retry_after_s=60)
    assert scene.cool_down_s == 60
    assert scene.standing.why == "5 refusals by the rate limit in a row"


@pytest.mark.parametrize(("asked_s", "cool_down_s"), [(None, 5), (0, 5), (2, 5), (40, 40), (86_400, 300)])
def test_a_retry_after_is_honoured_within_bounds(asked_s: float | None, cool_down_s: float) -> None:
    scene = Scene()
    scene.call(ERROR, 5, retry_after_s=asked_s)
    assert scene.cool_down_s == cool_down_s


def test_an_overloaded_upstream_that_asks_to_wait_is_left_alone_at_once() -> None:
    scene = Scene()
    scene.call(Verdict.OVERLOADED, retry_after_s=20)
    assert (scene.share, scene.cool_down_s) == (0, 20)
    assert scene.standing.until_s == scene.now_s + 20


def test_the_cool_down_doubles_up_to_its_longest() -> None:
    scene = Scene()
    scene.open()
    cool_downs_s = [scene.cool_down_s]
    while len(cool_downs_s) < 9:
        scene.wait(cool_downs_s[-1])
        scene.call(ERROR)
        cool_downs_s.append(scene.cool_down_s)
    assert cool_downs_s == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_longest_cool_down_holds_from_the_first() -> None:
    scene = Scene(policy(cool_down_s=900))
    scene.open()
    assert scene.cool_down_s == 300


def test_cool_downs_are_short_again_after_it_was_closed() -> None:
    scene = Scene()
    scene.half_open()
    scene.call(ERROR)
    scene.wait(10)
    scene.call(OK)
    scene.wait(30)
    assert scene.state is State.CLOSED
    scene.open()
    assert scene.cool_down_s == 5


def test_chance_shortens_a_cool_down_by_a_quarter_at_most() -> None:
    scene = Scene(luck=0.999)
    scene.open()
    assert scene.cool_down_s == pytest.approx(5 * (1 - JITTER), rel=0.01)


def test_one_call_at_a_time_tries_a_half_open_one() -> None:
    scene = Scene()
    scene.half_open()
    assert scene.share == 1
    probe = scene.health.begin("a", "m", POLICY, scene.now_s)
    assert scene.share == 0
    scene.health.release(probe)  # its caller left: the next may try
    assert (scene.share, scene.state) == (1, State.HALF_OPEN)
    probe = scene.health.begin("a", "m", POLICY, scene.now_s)
    scene.health.end(probe, CALLER, scene.now_s)  # nor did this one say anything
    assert (scene.share, scene.state) == (1, State.HALF_OPEN)


def test_who_comes_beside_the_probe_does_not_fail_in_its_place() -> None:
    scene = Scene()
    scene.half_open()
    probe = scene.health.begin("a", "m", POLICY, scene.now_s)
    scene.call(ERROR, 50)
    scene.call(LIMITED, 50)
    assert scene.state is State.HALF_OPEN
    scene.health.end(probe, LIMITED, scene.now_s, retry_after_s=30)
    assert (scene.state, scene.cool_down_s) == (State.OPEN, 30)


def test_a_probe_that_hangs_does_not_keep_others_from_trying_later() -> None:
    scene = Scene()
    scene.half_open()
    hanging = scene.health.begin("a", "m", POLICY, scene.now_s)
    scene.call(OK)
    scene.call(ERROR, 2)
    scene.wait(10)
    assert (scene.state, scene.share) == (State.HALF_OPEN, 1)
    scene.health.end(hanging, Verdict.TIMEOUT, scene.now_s)
    assert (scene.state, scene.share) == (State.HALF_OPEN, 1)


def test_failures_of_a_last_resort_do_not_lengthen_the_cool_down() -> None:
    scene = Scene()
    scene.open()
    scene.wait(1)
    scene.call(ERROR, 100)
    scene.call(LIMITED, 100)
    scene.wait(4)
    assert scene.state is State.HALF_OPEN


def test_a_last_resort_that_is_answered_ends_the_cool_down() -> None:
    scene = Scene()
    scene.open()
    scene.wait(1)
    scene.call(OK)
    assert (scene.state, scene.standing.calls) == (State.RAMPING, 1)


def test_what_began_before_it_opened_says_nothing_about_it() -> None:
    scene = Scene()
    early = [scene.health.begin("a", "m", POLICY, scene.now_s) for _ in range(30)]
    scene.open()
    for ticket in early[:10]:
        scene.health.end(ticket, OK, scene.now_s)
    for ticket in early[10:20]:
        scene.health.begun(ticket, scene.now_s, 0.5)
    assert scene.state is State.OPEN
    scene.wait(5)
    scene.call(OK)
    for ticket in early[10:]:
        scene.health.end(ticket, ERROR, scene.now_s)
    assert (scene.state, scene.standing.in_flight, scene.standing.error_rate) == (State.RAMPING, 0, 0)


def test_what_began_before_the_ramp_says_nothing_about_it() -> None:
    scene = Scene()
    scene.open()
    last_resorts = [scene.health.begin("a", "m", POLICY, scene.now_s) for _ in range(5)]
    scene.call(OK)
    for ticket in last_resorts:
        scene.health.end(ticket, ERROR, scene.now_s)
    assert scene.state is State.RAMPING


def test_the_share_comes_back_step_by_step() -> None:
    scene = Scene()
    scene.ramping()
    shares = []
    for _ in range(7):
        shares.append(scene.share)
        scene.wait(5)
    assert shares == pytest.approx([RAMP_LEAST, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert (scene.state, scene.standing.why) == (State.CLOSED, "")


def test_a_ramp_of_no_length_is_none() -> None:
    scene = Scene(policy(ramp_s=0))
    scene.half_open()
    scene.call(OK)
    assert (scene.share, scene.state) == (1, State.CLOSED)


def test_a_relapse_in_the_ramp_opens_it_sooner_and_for_longer() -> None:
    scene = Scene()
    scene.ramping()
    scene.call(ERROR)
    assert scene.state is State.RAMPING
    scene.call(ERROR)
    assert (scene.state, scene.cool_down_s) == (State.OPEN, 10)


def test_failures_after_the_ramp_are_counted_as_when_it_is_closed() -> None:
    scene = Scene()
    scene.ramping()
    tickets = [scene.health.begin("a", "m", POLICY, scene.now_s) for _ in range(4)]
    scene.wait(30)
    for ticket in tickets:
        scene.health.end(ticket, ERROR, scene.now_s)
    assert scene.state is State.CLOSED


def test_one_failure_is_enough_where_the_policy_says_so() -> None:
    scene = Scene(policy(consecutive=1))
    scene.ramping()
    scene.call(ERROR)
    assert scene.state is State.OPEN


def test_a_stream_counts_when_it_begins_and_again_when_it_breaks() -> None:
    scene = Scene(policy(consecutive=3))
    tickets = [scene.health.begin("a", "m", scene.policy, scene.now_s) for _ in range(3)]
    for ticket in tickets:
        scene.health.begun(ticket, scene.now_s, 0.25)
    assert (scene.standing.calls, scene.standing.in_flight) == (3, 3)
    scene.wait(10)
    scene.health.end(tickets[0], OK, scene.now_s, ttft_s=99)
    scene.health.end(tickets[1], Verdict.UNREACHABLE, scene.now_s)
    assert (scene.standing.calls, scene.standing.error_rate) == (3, pytest.approx(1 / 3))
    scene.health.release(tickets[2])
    assert (scene.standing.calls, scene.standing.in_flight) == (3, 0)
    assert scene.standing.ttft_p99_s == pytest.approx(0.25, rel=0.06)


def test_streams_that_always_break_open_it() -> None:
    scene = Scene()
    for _ in range(10):
        ticket = scene.health.begin("a", "m", POLICY, scene.now_s)
        scene.health.begun(ticket, scene.now_s, 0.1)
        scene.health.end(ticket, Verdict.MALFORMED, scene.now_s)
    assert scene.moves[-1].event is Event.ERROR_RATE


def test_a_stream_that_tries_it_ends_the_cool_down_with_its_first_byte() -> None:
    scene = Scene(policy(consecutive=2))
    scene.half_open()
    ticket = scene.health.begin("a", "m", scene.policy, scene.now_s)
    scene.health.begun(ticket, scene.now_s, 0.1)
    assert scene.state is State.RAMPING
    scene.health.end(ticket, ERROR, scene.now_s)
    assert (scene.state, scene.moves[-1].event) == (State.OPEN, Event.IN_A_ROW)


def test_models_and_channels_are_apart() -> None:
    scene = Scene()
    scene.call(OK, model="other")
    scene.call(ERROR, 5)
    assert scene.health.share("a", "other", scene.now_s) == 1
    assert scene.health.share("b", "m", scene.now_s) == 1
    assert [(one.model, one.state) for one in scene.health.standings(scene.now_s)] == [
        ("m", State.OPEN),
        ("other", State.CLOSED),
    ]


def test_a_reset_closes_and_forgets() -> None:
    scene = Scene()
    scene.call(ERROR, 5)
    scene.call(ERROR, 5, model="other")
    late = scene.health.begin("a", "m", POLICY, scene.now_s)
    scene.health.reset("b", now_s=scene.now_s)
    scene.health.reset("a", "m", now_s=scene.now_s)
    scene.health.end(late, ERROR, scene.now_s)
    states = {one.model: (one.state, one.calls) for one in scene.health.standings(scene.now_s)}
    assert states == {"m": (State.CLOSED, 0), "other": (State.OPEN, 0)}
    scene.call(ERROR, 4)
    scene.call(LIMITED, 4)
    scene.health.reset("a", now_s=scene.now_s)
    scene.call(ERROR)
    scene.call(LIMITED)
    assert {one.state for one in scene.health.standings(scene.now_s)} == {State.CLOSED}
    scene.call(ERROR, 4)
    assert scene.cool_down_s == 5


def test_a_policy_that_is_made_anew_keeps_the_counts_and_a_new_one_does_not() -> None:
    scene = Scene()
    scene.call(ERROR, 4)
    scene.policy = policy()
    scene.call(OK)
    assert scene.standing.calls == 5
    scene.health.begun(scene.health.begin("a", "m", scene.policy, scene.now_s), scene.now_s, 0.5)
    scene.policy = policy(consecutive=2)
    scene.call(ERROR)
    assert (scene.standing.calls, scene.standing.ttft_p50_s) == (1, None)
    scene.call(ERROR)
    assert scene.state is State.OPEN


def test_what_is_there_no_longer_is_forgotten_and_its_calls_end() -> None:
    scene = Scene()
    ticket = scene.health.begin("a", "m", POLICY, scene.now_s)
    scene.health.begin("b", "m", POLICY, scene.now_s)
    scene.health.begin("b", "gone", POLICY, scene.now_s)
    scene.health.keep(lambda channel, model: (channel, model) == ("b", "m"))
    scene.health.end(ticket, ERROR, scene.now_s)
    assert [(one.channel, one.model) for one in scene.health.standings(scene.now_s)] == [("b", "m")]


def test_an_attempt_ends_once() -> None:
    scene = Scene()
    ticket = scene.health.begin("a", "m", POLICY, scene.now_s)
    scene.health.end(ticket, OK, scene.now_s)
    for again in (
        lambda: scene.health.end(ticket, OK, scene.now_s),
        lambda: scene.health.release(ticket),
        lambda: scene.health.begun(ticket, scene.now_s, 1),
    ):
        with pytest.raises(AssertionError, match="ended"):
            again()


def test_the_time_to_the_first_byte_is_what_answers_took() -> None:
    scene = Scene()
    ticket = scene.health.begin("a", "m", POLICY, scene.now_s)
    assert scene.health.in_flight("a", "m") == 1
    scene.health.end(ticket, OK, scene.now_s, ttft_s=0.5)
    assert scene.health.latency_s("a", "m", scene.now_s) == 0.5
    assert scene.standing.ttft_p50_s == pytest.approx(0.5, rel=0.06)


# -- active probes -------------------------------------------------------------------------------------------

PROBED = policy(probe_every_s=30, probe_model="tiny")


def due(scene: Scene) -> list[tuple[str, str]]:
    return scene.health.probes_due({"a": scene.policy}, scene.now_s)


def test_answers_are_counted_at_the_time_of_each_however_many_come_between_two_looks() -> None:
    scene = Scene()
    for number in range(2 * ANSWERS_MAX + 10):
        scene.wait(POLICY.window_s / ANSWERS_MAX)
        ticket = scene.health.begin("a", "m", POLICY, scene.now_s)
        scene.health.end(ticket, OK, scene.now_s, ttft_s=0.1 if number else None)
    assert ANSWERS_MAX * 11 / 12 <= scene.standing.calls <= ANSWERS_MAX  # the window's


def test_the_time_to_the_first_byte_counts_of_the_call_that_tries_it_too() -> None:
    scene = Scene()
    scene.call(ERROR, 5)
    scene.wait(POLICY.cool_down_max_s)
    ticket = scene.health.begin("a", "m", POLICY, scene.now_s)
    scene.health.end(ticket, OK, scene.now_s, ttft_s=0.5)
    assert scene.standing.ttft_p50_s == pytest.approx(0.5, rel=0.05)


def test_nothing_is_probed_unless_the_policy_wants_it() -> None:
    scene = Scene(policy(probe_model="tiny"))
    scene.half_open()
    assert due(scene) == []


def test_what_waits_to_be_tried_is_probed_and_one_at_a_time() -> None:
    scene = Scene(policy(probe_every_s=30))
    scene.call(OK)
    assert due(scene) == []
    scene.open()
    assert due(scene) == []
    scene.wait(30)
    assert due(scene) == [("a", "m")]
    probe = scene.health.begin("a", "m", scene.policy, scene.now_s)
    scene.wait(31)
    assert due(scene) == []
    scene.health.end(probe, OK, scene.now_s)
    scene.wait(31)
    assert due(scene) == []


def test_a_silent_probe_model_is_called_now_and_then() -> None:
    scene = Scene(PROBED)
    assert due(scene) == [("a", "tiny")]
    scene.call(OK, model="tiny")
    assert due(scene) == []
    scene.wait(29)
    assert due(scene) == []
    scene.wait(1)
    assert due(scene) == [("a", "tiny")]


def test_probes_at_once_are_bounded_and_only_of_channels_that_are_there() -> None:
    scene = Scene(policy(probe_every_s=1))
    for number in range(9):
        scene.call(ERROR, 5, model=f"m{number}")
    scene.wait(10)
    assert len(due(scene)) == PROBES_MAX
    assert scene.health.probes_due({"b": POLICY}, scene.now_s) == []
