"""Which channel a call tries next. Pure.

Candidates of the lowest priority number come first. Inside such a tier one is drawn by weight, or is the
quicker one of two that are drawn, or is the one that the call's affinity names. A channel whose health does
not give it all its calls is passed over accordingly, and the choice is repeated among the others of the tier,
then in the next tier. Those that were passed over are the last resort: a doubtful channel is better than a
certain refusal.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate, groupby
from math import inf, log
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from posthouse.routing.health import Health, HealthPolicy

_HASH_MASK = (1 << 64) - 1
_HASH_FACTOR = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: Knuth's multiplicative hashing

_priority = attrgetter("priority")


class Candidate(Protocol):
    """What can be chosen: a channel, or anything that stands for one. `channel` is its name."""

    @property
    def channel(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def weight(self) -> int: ...
    @property
    def policy(self) -> HealthPolicy: ...


C = TypeVar("C", bound=Candidate)


class Tier(Generic[C]):
    """Candidates of one priority; at least one, none named twice."""

    __slots__ = ("_cumulative", "_last", "_total", "candidates")

    def __init__(self, candidates: Sequence[C]) -> None:
        self.candidates = candidates
        self._cumulative = _cumulative(candidates)
        self._total = self._cumulative[-1]
        self._last = len(candidates) - 1

    def draw(self, number: float) -> C:
        """In proportion to the weights; `number` in [0, 1)."""
        # The search leaves the last one out, since number * total may be rounded up to the total.
        return self.candidates[bisect_right(self._cumulative, number * self._total, 0, self._last)]


class Lineup(Generic[C]):
    """All candidates for one model, made ready once for its calls: worth keeping until the configuration
    changes."""

    __slots__ = ("by_channel", "tiers")

    def __init__(self, candidates: Sequence[C]) -> None:
        ranked = sorted(candidates, key=_priority)
        self.tiers = [Tier(list(tier)) for _, tier in groupby(ranked, key=_priority)]
        self.by_channel = {one.channel: one for one in ranked}


class Chooser:
    """`randomness()` gives numbers in [0, 1). `by_latency`: inside a tier the quicker one of two is taken,
    judged by the time to its first byte and its calls in flight, where otherwise the draw decides alone."""

    def __init__(self, health: Health, randomness: Callable[[], float], *, by_latency: bool = False) -> None:
        self._health = health
        self._randomness = randomness
        self.by_latency = by_latency

    def choose(
        self,
        lineup: Lineup[C],
        model: str,
        now_s: float,
        *,
        tried: Collection[str] = (),
        affinity: bytes = b"",
        pinned: str = "",
    ) -> C | None:
        """The candidate for the next attempt of a call; None when none is left.

        `tried`: names of the channels that this call can't use any more. `affinity`: calls with the same
        bytes go to the same channel, while it is fit and not tried. `pinned`: this channel whatever its
        health, and never another.
        """
        if pinned:
            return None if pinned in tried else lineup.by_channel.get(pinned)
        if lineup.tiers and not (tried or affinity or self.by_latency):
            chosen = lineup.tiers[0].draw(self._randomness())
            if self._health.share(chosen.channel, model, now_s) >= 1:
                return chosen
        passed_over: list[tuple[float, C]] = []
        for candidate in self._in_order(lineup, model, now_s, tried, affinity):
            share = self._health.share(candidate.channel, model, now_s)
            if share > self._randomness():
                return candidate
            passed_over.append((share, candidate))
        return _last_resort(passed_over)

    def _in_order(
        self, lineup: Lineup[C], model: str, now_s: float, tried: Collection[str], affinity: bytes
    ) -> Iterator[C]:
        """The candidates as they would be tried if they failed one after another."""
        key = _hash(affinity) if affinity else 0
        for tier in lineup.tiers:
            left = [one for one in tier.candidates if one.channel not in tried]
            if affinity:
                yield from sorted(left, key=lambda one: _rank(one, key), reverse=True)
                continue
            while left:
                index = self._quicker(left, model, now_s) if self.by_latency else self._draw(left)
                yield left.pop(index)

    def _draw(self, candidates: Sequence[C]) -> int:
        """An index, in proportion to the weights."""
        cumulative = _cumulative(candidates)
        return bisect_right(cumulative, self._randomness() * cumulative[-1], 0, len(candidates) - 1)

    def _quicker(self, candidates: Sequence[C], model: str, now_s: float) -> int:
        """The power of two choices: of two that are drawn, the index of the one with less to wait for. Not
        the quickest of all: all calls at once would take it, and it would not be so for long."""
        one, other = self._draw(candidates), self._draw(candidates)
        if one == other:
            return one
        health, names = self._health, (candidates[one].channel, candidates[other].channel)
        calls = [health.in_flight(name, model) + 1 for name in names]
        waits_s = [health.latency_s(name, model, now_s) for name in names]
        # Where nothing is known of one of them, the calls in flight alone decide.
        known = [wait_s for wait_s in waits_s if wait_s is not None]
        if len(known) == 2:
            return one if known[0] * calls[0] <= known[1] * calls[1] else other
        return one if calls[0] <= calls[1] else other


def _last_resort(passed_over: Sequence[tuple[float, C]]) -> C | None:
    """The first that gets some of its calls, else the first."""
    for share, candidate in passed_over:
        if share > 0:
            return candidate
    return passed_over[0][1] if passed_over else None


def _cumulative(candidates: Sequence[Candidate]) -> list[int]:
    """Weight 0 counts only among its like: such a candidate is drawn when no other is left."""
    weights = [one.weight for one in candidates]
    return list(accumulate(weights if any(weights) else [1] * len(weights)))


def _rank(candidate: Candidate, key: int) -> float:
    """Weighted rendezvous hashing: each candidate draws a number from the key and its own name, and the
    greatest has the call. So what is added takes only its share, and what leaves moves only its own calls.

    Source: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005: ln(uniform) / weight.
    """
    if not candidate.weight:
        return -inf
    mixed = (key ^ _hash(candidate.channel.encode())) * _HASH_FACTOR & _HASH_MASK
    return (log(mixed + 1) - log(_HASH_MASK + 2)) / candidate.weight


def _hash(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest())
