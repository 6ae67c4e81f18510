"""Which channel a call tries next. Pure.

Candidates of the lowest priority number come first. Inside such a tier one is drawn by weight, or is the
quicker one of two that are drawn, or is the one that the call's affinity names. A channel whose health does
not give it all its calls is passed over accordingly, and the choice is repeated among the others of the tier,
then in the next tier. Those that were passed over are the last resort: a doubtful channel is better than a
certain refusal.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from hashlib import blake2b
from itertools import accumulate, compress, groupby
from math import inf, log
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from posthouse.routing.health import Health

# 30 bits: Python multiplies longer numbers several times slower.
_HASH_BITS = 30
_HASH_MASK = (1 << _HASH_BITS) - 1
_HASH_FACTOR = 0x278DDE6D  # 2**30 over the golden ratio, odd: Knuth's multiplicative hashing

_priority = attrgetter("priority")


class Candidate(Protocol):
    """What can be chosen: a channel, or anything that stands for one. `channel` is its name."""

    @property
    def channel(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def weight(self) -> int: ...


C = TypeVar("C", bound=Candidate)


class Tier(Generic[C]):
    """Candidates of one priority, at least one, none named twice. One of weight 0 is chosen only when no
    other is left."""

    __slots__ = ("_are_equal", "_cumulative", "_last", "_seeds", "_total", "_weights", "candidates")

    def __init__(self, candidates: Sequence[C], seeds: Sequence[int] | None = None) -> None:
        self.candidates = candidates
        weights = [one.weight for one in candidates]
        self._weights = weights if any(weights) else [1] * len(weights)
        self._are_equal = len(set(self._weights)) == 1
        self._cumulative = list(accumulate(self._weights))
        self._total = self._cumulative[-1]
        self._last = len(candidates) - 1
        self._seeds = seeds or [hash_of(one.channel.encode()) for one in candidates]

    def only(self, channels: Collection[str]) -> "Tier[C] | None":
        """These channels of the tier; None when it has none of them."""
        return self._kept([one.channel in channels for one in self.candidates])

    def without(self, channels: Collection[str]) -> "Tier[C] | None":
        """The other channels of the tier; None when it has no others."""
        return self._kept([one.channel not in channels for one in self.candidates])

    def _kept(self, is_kept: Sequence[bool]) -> "Tier[C] | None":
        if not any(is_kept):
            return None
        return Tier(list(compress(self.candidates, is_kept)), list(compress(self._seeds, is_kept)))

    def draw(self, number: float) -> C:
        """One, in proportion to the weights; `number` in [0, 1)."""
        return self.candidates[bisect_right(self._cumulative, number * self._total, 0, self._last)]

    def draw_two(self, number: float, other_number: float) -> tuple[C, C]:
        """Two, in proportion to the weights; twice the same where no other has a weight."""
        first = self._index(number * self._total)
        weight = self._weights[first]
        point = other_number * (self._total - weight)
        if point >= self._cumulative[first] - weight:
            point += weight
        second = self._index(point) if weight < self._total else first
        return self.candidates[first], self.candidates[second]

    def nearest(self, key: int) -> C:
        """Weighted rendezvous hashing: each candidate draws a number from the key and its own name, and the
        greatest is chosen. So what is added takes only its share, and what leaves moves only its own calls.

        Source: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005: ln(uniform) / weight.
        """
        ranks: Sequence[float] = [(key ^ seed) * _HASH_FACTOR & _HASH_MASK for seed in self._seeds]
        if not self._are_equal:
            whole = log(_HASH_MASK + 2)
            ranks = [
                (log(rank + 1) - whole) / weight if weight else -inf
                for rank, weight in zip(ranks, self._weights, strict=True)
            ]
        return self.candidates[ranks.index(max(ranks))]

    def _index(self, point: float) -> int:
        # The last is left out of the search, since a point below the total may have been rounded up to it.
        return bisect_right(self._cumulative, point, 0, self._last)


class Lineup(Generic[C]):
    """All candidates for one model, made ready once for its calls: worth keeping until the configuration
    changes. `only`: the candidate that has no other beside it. Those that are `apart` are not for choice, but
    for calls that are pinned to one."""

    __slots__ = ("by_channel", "candidates", "only", "tiers")

    def __init__(self, candidates: Iterable[C], apart: Iterable[C] = ()) -> None:
        self.candidates = tuple(sorted(candidates, key=_priority))
        self.only = self.candidates[0] if len(self.candidates) == 1 else None
        self.tiers = [Tier(list(tier)) for _, tier in groupby(self.candidates, key=_priority)]
        self.by_channel = {one.channel: one for one in (*apart, *self.candidates)}


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
        health, key = self._health, hash_of(affinity) if affinity else None
        is_drawn = key is None and not self.by_latency
        some: C | None = None  # passed over, though it gets some of its calls
        shut: Tier[C] | None = None  # those that get none
        for tier in lineup.tiers:
            left = tier.without(tried) if tried else tier
            while left is not None:
                candidate = left.draw(self._randomness()) if is_drawn else self._pick(left, model, now_s, key)
                share = health.share(candidate.channel, model, now_s)
                if share >= 1 or share > self._randomness():
                    return candidate
                if share > 0:
                    some = some or candidate
                    left = left.without({candidate.channel})
                    continue
                # All that are shut at once: while a whole provider is down there are many.
                closed = [
                    one.channel for one in left.candidates if not health.share(one.channel, model, now_s)
                ]
                shut = shut or left.only(closed)
                left = left.without(closed)
        if some is None and shut is not None:
            return self._pick(shut, model, now_s, key)
        return some

    def _pick(self, tier: Tier[C], model: str, now_s: float, key: int | None) -> C:
        if key is not None:
            return tier.nearest(key)
        if not self.by_latency:
            return tier.draw(self._randomness())
        return self._quicker(*tier.draw_two(self._randomness(), self._randomness()), model, now_s)

    def _quicker(self, one: C, other: C, model: str, now_s: float) -> C:
        """The power of two choices: of two that were drawn, the one with less to wait for. Not the quickest
        of all: all calls at once would take it, and it would not be so for long."""
        health = self._health
        calls = [health.in_flight(each.channel, model) + 1 for each in (one, other)]
        waits_s = [health.latency_s(each.channel, model, now_s) for each in (one, other)]
        if waits_s[0] is None or waits_s[1] is None:
            # The calls in flight alone decide; where these are the same, who has to be known yet.
            is_one = calls[0] < calls[1] or (calls[0] == calls[1] and waits_s[0] is None)
        else:
            is_one = waits_s[0] * calls[0] <= waits_s[1] * calls[1]
        return one if is_one else other


def hash_of(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=4).digest()) & _HASH_MASK
