"""What a breaker remembers, in bounded memory: outcomes in a window, times to the first byte. Pure."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from math import exp

# A minute is counted in steps of 5 s. A step leaves the window as a whole, so the window is between 11 and 12
# steps long.
STEPS = 12

# The digest's classes grow by a tenth, so a quantile is off by 5 % at most: from 1 ms, 150 of them reach
# beyond 26 minutes, and no deadline of a first byte is longer.
_CLASSES = 150
_GROWTH = 1.1
_LEAST_S = 0.001
_class_of = partial(bisect_right, [_LEAST_S * _GROWTH**number for number in range(1, _CLASSES)])

# How long a time to the first byte keeps its say in the smoothed one. An upstream that was slow and has not
# been asked since looks faster as time goes by, so that it is asked again after a minute or so.
SMOOTHED_OVER_S = 30.0
# What the smoothed time keeps of before by each further one. Of more than so many all that is before the last
# ones is a thousandth of it.
_KEPT_MOST = 0.9
_SMOOTHED_MAX = 64


class CallWindow:
    """Answered and failed calls of the last `window_s`."""

    __slots__ = ("_answered", "_failed", "_step", "_steps_per_s", "answered", "failed")

    def __init__(self, window_s: float) -> None:
        self._steps_per_s = STEPS / window_s
        self._step = 0
        self._answered = [0] * STEPS
        self._failed = [0] * STEPS
        self.answered = self.failed = 0

    def roll(self, now_s: float) -> int:
        """Forget what left the window, and return the step that now is in. A clock that went back stays in
        the newest step."""
        step = int(now_s * self._steps_per_s)
        if step <= self._step:
            return self._step
        for passed in range(max(self._step + 1, step - STEPS + 1), step + 1):
            index = passed % STEPS
            self.answered -= self._answered[index]
            self.failed -= self._failed[index]
            self._answered[index] = self._failed[index] = 0
        self._step = step
        return step

    def add_answered(self, at_s: Sequence[float]) -> None:
        """Count a call that was answered at each of these times, in their order."""
        done = 0
        while done < len(at_s):
            step = self.roll(at_s[done])
            past = bisect_left(at_s, (step + 1) / self._steps_per_s, done + 1)
            self._answered[step % STEPS] += past - done
            self.answered += past - done
            done = past

    def add_failed(self, now_s: float) -> None:
        self._failed[self.roll(now_s) % STEPS] += 1
        self.failed += 1

    def turn_failed(self, answered_s: float, now_s: float) -> None:
        """A call that was counted as answered has failed after all."""
        step = int(answered_s * self._steps_per_s)
        if step > self.roll(now_s) - STEPS:
            self._answered[step % STEPS] -= 1
            self.answered -= 1
        self.add_failed(now_s)

    @property
    def calls(self) -> int:
        return self.answered + self.failed

    @property
    def error_rate(self) -> float:
        """Failed calls of all, 0 to 1; 0 where there were none."""
        return self.failed / self.calls if self.failed else 0.0


class TtftDigest:
    """Times to the first byte: smoothed, and as quantiles over the last one to two windows."""

    __slots__ = ("_before", "_counts", "_smoothed_at_s", "_smoothed_s", "_turned_at_s", "_window_s")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._counts: Counter[int] = Counter()
        self._before: Counter[int] = Counter()
        self._turned_at_s = 0.0
        self._smoothed_s = -1.0
        self._smoothed_at_s = 0.0

    def add(self, ttfts_s: Sequence[float], at_s: Sequence[float]) -> None:
        """Count times to the first byte, measured at these times, in their order."""
        done = 0
        while done < len(at_s):
            self._turn(at_s[done])
            past = bisect_left(at_s, self._turned_at_s + self._window_s, done + 1)
            self._counts.update(map(_class_of, ttfts_s[done:past]))
            done = past
        for ttft_s, now_s in zip(ttfts_s[-_SMOOTHED_MAX:], at_s[-_SMOOTHED_MAX:], strict=True):
            self._smooth(ttft_s, now_s)

    def _smooth(self, ttft_s: float, now_s: float) -> None:
        if self._smoothed_s < 0:
            self._smoothed_s = ttft_s
        else:
            # Many samples at once weigh as one: the weight is of the time that has passed, at least a tenth.
            kept = min(exp((self._smoothed_at_s - now_s) / SMOOTHED_OVER_S), _KEPT_MOST)
            self._smoothed_s = self._smoothed_s * kept + ttft_s * (1 - kept)
        self._smoothed_at_s = now_s

    def smoothed_s(self, now_s: float) -> float | None:
        """What a call may expect; less the longer ago the last one was. None: nothing is known."""
        if self._smoothed_s < 0:
            return None
        return self._smoothed_s * exp(min(0.0, self._smoothed_at_s - now_s) / SMOOTHED_OVER_S)

    def quantiles_s(self, now_s: float, *shares: float) -> list[float | None]:
        """The times that these shares of the calls (0 to 1) stayed within; None where there were no calls."""
        self._turn(now_s)
        counts = self._counts + self._before
        if not counts:
            return [None] * len(shares)
        kinds = sorted(counts)
        below = list(accumulate(counts[kind] for kind in kinds))
        ranked = (kinds[bisect_left(below, below[-1] * share)] for share in shares)
        return [_LEAST_S * _GROWTH ** (kind + 0.5) for kind in ranked]  # the middle of the class

    def _turn(self, now_s: float) -> None:
        windows = (now_s - self._turned_at_s) / self._window_s
        if windows >= 1:
            self._before = self._counts if windows < 2 else Counter()
            self._counts = Counter()
            self._turned_at_s = now_s
