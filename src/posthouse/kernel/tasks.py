"""Running things beside the event loop, and finishing what must be finished."""

import asyncio
from collections.abc import Coroutine
from typing import Any


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
