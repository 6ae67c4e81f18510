"""Running things beside the event loop, and finishing what must be finished."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


async def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to the end even when the awaiting task is cancelled meanwhile; the cancellation is raised after."""
    task = asyncio.ensure_future(coroutine)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as caught:
            if task.cancelled():
                raise
            cancelled = caught
    task.result()
    if cancelled is not None:
        raise cancelled


def retrieve(future: asyncio.Future[Any]) -> None:
    """To be called when a future is done that nobody waits for: a fault is reported by who works on it."""
    if not future.cancelled():
        future.exception()


def ask_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], T], timeout_s: float) -> T:
    """Run a function on the loop for another thread, and wait for what it returns. Raises what it raises,
    TimeoutError when the loop does not come to it, RuntimeError when the loop is closed."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(function())
        except Exception as error:  # whoever waits gets it
            answer.set_exception(error)

    loop.call_soon_threadsafe(run)
    return answer.result(timeout_s)
