"""Asking the loop from another thread."""

import asyncio
import threading
import time

import pytest

from posthouse.kernel.tasks import ask_loop


def fail() -> None:
    raise ValueError("no")


def test_the_loop_runs_it_and_its_fault_comes_back() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(ask_loop, loop, threading.get_ident, 5.0) == threading.get_ident()
        with pytest.raises(ValueError, match="no"):
            await asyncio.to_thread(ask_loop, loop, fail, 5.0)

    asyncio.run(story())


def test_a_busy_loop_and_a_closed_one() -> None:
    async def story() -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        asked = asyncio.to_thread(ask_loop, loop, fail, 0.01)
        waiting = asyncio.create_task(asked)
        await asyncio.sleep(0)  # the thread has begun
        time.sleep(0.1)  # noqa: ASYNC251 - this is what a busy loop does
        with pytest.raises(TimeoutError):
            await waiting
        return loop

    loop = asyncio.run(story())
    with pytest.raises(RuntimeError, match="closed"):
        ask_loop(loop, fail, 0.01)
