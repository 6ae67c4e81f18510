"""How the channels did in each of the last minutes, in this process: the differences between the observer's
sums from one minute to the next, so that no call pays for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from posthouse.kernel.periods import MINUTE_MS

MINUTES_MAX = 180  # three hours: older ones are in the store's sums


class Histogram(Protocol):
    """Counts by upper bound."""

    @property
    def counts(self) -> list[int]: ...


class Tries(Protocol):
    """The observer's sums over the attempts that ended alike."""

    @property
    def count(self) -> int: ...
    @property
    def first_byte(self) -> Histogram: ...


class ChannelMinute(Struct):
    """Attempts by verdict, and the times to the first byte: counts by the observer's bounds."""

    verdicts: dict[str, int]
    first_byte: list[int]


class Minute(Struct, frozen=True):
    """`start_ms` is when it began; channels that had no attempt are not in it."""

    start_ms: int
    channels: dict[str, ChannelMinute]


_Key = tuple[str, str, str, str, int]  # channel, model, verdict, fault, status


class Trail:
    """Used on the event loop; `minutes` may be copied from another thread."""

    def __init__(self) -> None:
        self.minutes: deque[Minute] = deque(maxlen=MINUTES_MAX)
        self._seen: dict[_Key, tuple[int, Sequence[int]]] = {}
        self._start_ms = 0

    def look(self, tries: Mapping[_Key, Tries], now_ms: int) -> None:
        """End the minute, if it is over, with what the sums have grown by since it began."""
        start_ms = now_ms - now_ms % MINUTE_MS
        if start_ms == self._start_ms:
            return
        channels = self._grown(tries)
        if self._start_ms:
            self.minutes.append(Minute(self._start_ms, channels))
        self._start_ms = start_ms

    def _grown(self, tries: Mapping[_Key, Tries]) -> dict[str, ChannelMinute]:
        channels: dict[str, ChannelMinute] = {}
        for key, sums in tries.items():
            counts = sums.first_byte.counts
            count, before = self._seen.get(key, (0, [0] * len(counts)))
            if sums.count != count:
                self._seen[key] = (sums.count, counts.copy())
                minute = channels.setdefault(key[0], ChannelMinute({}, [0] * len(counts)))
                minute.verdicts[key[2]] = minute.verdicts.get(key[2], 0) + sums.count - count
                minute.first_byte = [
                    known + now - was
                    for known, now, was in zip(minute.first_byte, counts, before, strict=True)
                ]
        return channels
