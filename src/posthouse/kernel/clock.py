"""Time comes in as an argument; these are the two places where it is read."""

import time

# Never goes back: for durations and deadlines. Seconds.
monotonic_s = time.monotonic


def now_ms() -> int:
    """Wall clock, milliseconds since 1970 UTC: for records and windows."""
    return time.time_ns() // 1_000_000
