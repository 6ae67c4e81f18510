"""Health and choice together over minutes of traffic, on a clock that stands still between events."""

from collections import Counter
from collections.abc import Callable, Generator
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random

import pytest
from msgspec import Struct

from posthouse.routing.choice import Chooser, Lineup
from posthouse.routing.health import Event, Health, HealthPolicy, State, Transition
from posthouse.routing.verdicts import Verdict

MODEL = "m"
ATTEMPTS_MAX = 4
POLICY = HealthPolicy(calls_min=10, consecutive=5)


def always(now_s: float) -> bool:
    return True


class Upstream(Struct, frozen=True):
    """A call that begins while it is down is refused at once; one that runs when it goes down breaks off."""

    channel: str
    is_up: Callable[[float], bool] = always
    priority: int = 0
    weight: int = 1
    ttft_s: float = 0.2
    answer_s: float = 1.0


class Attempt(Struct, frozen=True):
    at_s: float
    channel: str
    answered: bool
    beside: int  # attempts at the same channel that were under way


class World:
    """Calls come at a steady pace; each tries channels until one answers, ATTEMPTS_MAX at most."""

    def __init__(self, *upstreams: Upstream, seed: int = 7) -> None:
        self.now_s = 0.0
        self.moves: list[tuple[float, Transition]] = []
        random = Random(seed)
        self.health = Health(random.random, lambda move: self.moves.append((self.now_s, move)))
        self.chooser = Chooser(self.health, random.random)
        self.lineup = Lineup(upstreams)
        self.attempts: list[Attempt] = []
        self.ends: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._numbers = count()
        self._due: list[tuple[float, int, Generator[float]]] = []

    def run(self, *, calls_per_s: float, until_s: float) -> None:
        self._wake_at(self.now_s, self._arrivals(calls_per_s, until_s))
        while self._due:
            self.now_s, _, process = heappop(self._due)
            for wait_s in process:
                self._wake_at(self.now_s + wait_s, process)
                break

    def _wake_at(self, at_s: float, process: Generator[float]) -> None:
        heappush(self._due, (at_s, next(self._numbers), process))

    def _arrivals(self, calls_per_s: float, until_s: float) -> Generator[float]:
        begin_s = self.now_s
        for number in range(round((until_s - begin_s) * calls_per_s)):
            yield begin_s + number / calls_per_s - self.now_s
            self._wake_at(self.now_s, self._call())

    def _call(self) -> Generator[float]:
        tried: set[str] = set()
        while len(tried) < ATTEMPTS_MAX:
            one = self.chooser.choose(self.lineup, MODEL, self.now_s, tried=tried)
            if one is None:
                break
            tried.add(one.channel)
            end = yield from self._attempt(one)
            if end is not None:
                self.ends[end] += 1
                return
        self.ends["failed"] += 1

    def _attempt(self, one: Upstream) -> Generator[float, None, str | None]:
        """How the call ended, None: it tries another."""
        ticket = self.health.begin(one.channel, MODEL, POLICY, self.now_s)
        up = one.is_up(self.now_s)
        self.attempts.append(Attempt(self.now_s, one.channel, up, self._running[one.channel]))
        if not up:
            self.health.end(ticket, Verdict.UNREACHABLE, self.now_s)
            return None
        self._running[one.channel] += 1
        yield one.ttft_s
        self.health.begun(ticket, self.now_s, one.ttft_s)
        yield one.answer_s - one.ttft_s
        self._running[one.channel] -= 1
        unbroken = one.is_up(self.now_s)
        self.health.end(ticket, Verdict.OK if unbroken else Verdict.UNREACHABLE, self.now_s)
        return "completed" if unbroken else "broken"

    # -- what came of it -------------------------------------------------------------------------------------

    def at(self, channel: str, begin_s: float = 0.0, end_s: float = 1e9) -> list[Attempt]:
        return [one for one in self.attempts if one.channel == channel and begin_s <= one.at_s < end_s]

    def moved(self, channel: str, event: Event) -> list[float]:
        return [at_s for at_s, move in self.moves if (move.channel, move.event) == (channel, event)]

    @property
    def states(self) -> dict[str, State]:
        return {one.channel: one.state for one in self.health.standings(self.now_s)}


def flapping(now_s: float) -> bool:
    """Up and down by turns of 3 s for a minute, from the 20th second on."""
    return not 20 <= now_s < 80 or now_s % 6 < 3


def test_a_channel_that_flaps_for_a_minute_costs_a_few_attempts_and_no_call() -> None:
    world = World(Upstream("a", flapping, answer_s=0.2), Upstream("b", answer_s=0.2))
    world.run(calls_per_s=50, until_s=300)
    assert world.ends["failed"] == 0
    refused = [one for one in world.at("a") if not one.answered]
    assert len(refused) < 20  # 1,500 calls came while it was down, and half were its own
    assert world.ends["broken"] < 20
    opened = world.moved("a", Event.IN_A_ROW) + world.moved("a", Event.PROBE_FAILED)
    assert 2 <= len(opened) <= 6
    assert world.states["a"] is State.CLOSED
    assert all(one.in_flight == 0 for one in world.health.standings(world.now_s))
    late = len(world.at("a", 250, 300)), len(world.at("b", 250, 300))
    assert late[0] / sum(late) == pytest.approx(0.5, abs=0.05)


def down_until(back_s: float) -> Callable[[float], bool]:
    return lambda now_s: now_s >= back_s


def test_a_channel_that_comes_back_gets_its_share_step_by_step() -> None:
    world = World(Upstream("a", down_until(20)), Upstream("b"))
    world.run(calls_per_s=300, until_s=80)
    assert world.ends.keys() == {"completed"}
    (back_s,) = world.moved("a", Event.ANSWERED)
    shares = [len(world.at("a", back_s + s, back_s + s + 3)) / 900 for s in range(0, 33, 3)]
    expected = [(s + 1.5) / 30 / 2 for s in range(0, 30, 3)] + [0.5]
    assert shares == pytest.approx(expected, abs=0.04)
    assert world.moved("a", Event.RAMPED) == [pytest.approx(back_s + 30, abs=0.1)]


def test_a_channel_that_is_down_is_asked_by_one_call_at_a_time() -> None:
    world = World(Upstream("a", down_until(60)), Upstream("b"))
    world.run(calls_per_s=100, until_s=90)
    (back_s,) = world.moved("a", Event.ANSWERED)
    before = [one for one in world.at("a", 0, back_s) if one.at_s > 1]
    assert 3 <= len(before) <= 6  # 4,500 calls wanted it
    assert all(one.beside == 0 for one in before)
    gaps_s = [late.at_s - early.at_s for early, late in pairwise(before)]
    assert gaps_s == sorted(gaps_s)


def test_the_tier_below_takes_over_and_gives_back() -> None:
    world = World(Upstream("a", lambda now_s: not 20 <= now_s < 40), Upstream("spare", priority=1))
    world.run(calls_per_s=50, until_s=150)
    assert world.ends["failed"] == 0
    assert world.at("spare", 0, 20) == []
    assert len(world.at("spare", 21, 40)) == 50 * 19
    assert world.at("spare", 120, 150) == []


def herd(seed: int) -> World:
    """Five channels of one provider that is down as a whole for a while."""
    names = "abcde"
    return World(*(Upstream(name, lambda now_s: not 20 <= now_s < 32) for name in names), seed=seed)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_channels_that_failed_together_do_not_try_again_together(seed: int) -> None:
    world = herd(seed)
    world.run(calls_per_s=200, until_s=120)
    first = [
        min(move.until_s or 0 for at_s, move in world.moves if move.channel == name and move.until_s)
        for name in "abcde"
    ]
    assert len({round(at_s, 3) for at_s in first}) == 5
    failed_s = world.ends["failed"] / 200
    assert failed_s <= 12  # no longer than the provider itself
    assert set(world.states.values()) == {State.CLOSED}
    late = Counter(one.channel for one in world.attempts if one.at_s >= 100)
    assert all(count / late.total() == pytest.approx(0.2, abs=0.03) for count in late.values())


def test_a_single_channel_is_tried_by_all_calls_and_serves_as_soon_as_it_can() -> None:
    world = World(Upstream("a", lambda now_s: not 20 <= now_s < 50))
    world.run(calls_per_s=20, until_s=100)
    assert world.ends["failed"] == 20 * 30
    assert len(world.at("a")) == 20 * 100


def test_a_channel_that_fails_one_call_in_twenty_stays() -> None:
    random = Random(3)
    world = World(Upstream("a", lambda now_s: random.random() > 0.05, answer_s=0.2), Upstream("b"))
    world.run(calls_per_s=100, until_s=120)
    assert world.ends["failed"] == 0
    assert world.moved("a", Event.IN_A_ROW) == []
    assert len(world.at("a")) / len(world.attempts) == pytest.approx(0.5, abs=0.05)
