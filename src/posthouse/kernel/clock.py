"""Time comes in as an argument; these are the places where it is read."""

import time

# Never goes back: for durations and deadlines. Seconds.
monotonic_s = time.monotonic

# More than any window, so that what came before the machine was started has a time above zero too.
_AHEAD_NS = 10**18


def now_ms() -> int:
    """Wall clock, milliseconds since 1970 UTC: for records and whatever else outlives the process."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds since nobody knows when, of the clock that never goes back: for windows in memory."""
    return (time.monotonic_ns() + _AHEAD_NS) // 1_000_000
