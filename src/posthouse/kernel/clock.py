"""Time comes in as an argument; these are the two places where it is read."""

import time


def now_ms() -> int:
    """Wall clock, milliseconds since 1970 UTC: for records and windows."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Never goes back: for durations and deadlines."""
    return time.monotonic()
