"""A stage for the upstream client: the loops that it runs on, and a look at what it left behind."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import uvloop

from posthouse.testing.waiting import until
from posthouse.upstream.client import UpstreamClient

T = TypeVar("T")
Scenario = Callable[[UpstreamClient], Awaitable[T]]
Play = Callable[[Scenario[Any]], Any]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.SelectorEventLoop,
}
SCENARIO_S = 60.0  # the longest takes a second; one that waits for ever ends here


def play_on(loop_name: str, scenario: Scenario[T]) -> T:
    """Run a scenario on a loop of its own. Afterwards the client is closed, and nothing may be left: no
    connection, no running exchange, no task, no complaint of the loop such as an exception that nobody
    looked at."""
    complaints: list[dict[str, Any]] = []

    async def main() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        client = UpstreamClient(loop)
        try:
            async with asyncio.timeout(SCENARIO_S):
                return await scenario(client)
        finally:
            client.close()
            await _nothing_left(client)

    with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
        result = runner.run(main())
        gc.collect()  # an exception that nobody looked at is told of when its future is collected
    assert complaints == []
    return result


async def _nothing_left(client: UpstreamClient) -> None:
    def left() -> list[object]:
        origins = client._origins.items()
        counts = [(name, one.open_count, one.opening_count, one.active) for name, one in origins]
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        return [*tasks, *(one for one in counts if any(one[1:]))]

    await until(left, lambda left: not left)
