"""Names for things: a prefix that tells the kind, then a time-ordered or a random part."""

import os
import secrets
import time
from itertools import count

LEEWAY_MS = 1000  # a request's id and its start are read from the clock one after the other
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter reads as a digit
_PROCESS = os.urandom(5).hex()
_sequence = count(int.from_bytes(os.urandom(2), "big"))


def new_request_id() -> str:
    """`req_` + milliseconds (12 hex) + this process (10 hex) + sequence (6 hex): unique, and sorts by time,
    so that the usage records' primary key is appended to, never inserted into."""
    ms, number = time.time_ns() // 1_000_000, next(_sequence) & 0xFFFFFF
    return f"req_{ms:012x}{_PROCESS}{number:06x}"


def first_request_id(since_ms: int) -> str:
    """What no id of a request that began at that time or later sorts before."""
    return f"req_{max(0, since_ms - LEEWAY_MS):012x}"


def ids_between(since_ms: int, until_ms: int) -> tuple[str, str]:
    """Ids that those of all requests lie between which began at the one time or later, and before the other;
    0: at any time."""
    return first_request_id(since_ms), first_request_id(until_ms + 2 * LEEWAY_MS) if until_ms else "req_z"


def time_of(request_id: str) -> int:
    """When a request began, about, in ms since 1970; of any other text 0."""
    try:
        return int(request_id[4:16], 16)
    except ValueError:
        return 0


def new_id(kind: str) -> str:
    """`kind_` + 80 random bits, e.g. `acc_7h3k…`; kinds are listed in docs/design.md's glossary."""
    number = secrets.randbits(80)
    return kind + "_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
