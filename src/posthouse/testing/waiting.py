"""Waiting for what another thread, loop or process brings about, and tells nobody of."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 30.0  # what is due within a second comes later on a machine that does much else
LOOK_S = 0.01  # nothing beside what is waited for, and no load on who brings it about
TURN_S = 0.001  # of a loop: it goes on meanwhile


def eventually(look: Callable[[], T], is_right: Callable[[T], object] = bool) -> T:
    """What `look` returns, once it is right; AssertionError with the last of it when it never is."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not is_right(seen := look()):
        assert time.monotonic() < give_up_s, seen
        time.sleep(LOOK_S)  # there is nothing to wait on: it happens elsewhere, and tells nobody
    return seen


async def until(look: Callable[[], T], is_right: Callable[[T], object] = bool) -> None:
    """Let the loop go on until what `look` returns is right; AssertionError as above."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not is_right(seen := look()):
        assert time.monotonic() < give_up_s, seen
        await asyncio.sleep(TURN_S)
