"""A closed connection is gone at once: what waits for the garbage collector under load, waits for minutes."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
from tests.server.test_doors import run, serve_lane

from posthouse.relay.values import Door, RelayRequest
from posthouse.server.lane import RelayProtocol
from posthouse.testing.check_door import SETTINGS, ScriptedPipeline
from posthouse.testing.waiting import until

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def connections() -> int:
    return sum(type(one) is RelayProtocol for one in gc.get_objects())


async def never(request: RelayRequest, door: Door) -> None:
    await asyncio.get_running_loop().create_future()


async def closed(pipeline: ScriptedPipeline, request: bytes, *, answered: bool) -> None:
    async with serve_lane(pipeline, SETTINGS) as port:
        before = connections()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        if answered:
            await reader.readuntil(b"\r\n\r\n")
        else:
            await until(lambda: connections() > before)
        assert connections() == before + 1
        writer.close()
        await until(lambda: connections() == before)


def test_one_that_waited_for_its_next_request() -> None:
    run(closed(ScriptedPipeline(), REQUEST, answered=True))


def test_one_whose_call_was_at_work() -> None:
    pipeline = ScriptedPipeline()
    pipeline.script = never
    run(closed(pipeline, REQUEST, answered=False))


def test_one_that_never_asked() -> None:
    run(closed(ScriptedPipeline(), b"POST /v1", answered=False))
