"""Both doors to the pipeline pass one suite: the lane in uvicorn, and the ASGI app in a plain uvicorn."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop

from posthouse.kernel.settings import Settings
from posthouse.server.addresses import Addresses
from posthouse.server.asgi import AsgiApp
from posthouse.server.lane import Lane, is_relay_path
from posthouse.testing.check_door import ScriptedPipeline, ServeDoor, check_door
from posthouse.testing.embedded import listening

COMMON: dict[str, Any] = {
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": 1,
    "timeout_keep_alive": 1,
}


def addresses(settings: Settings) -> Addresses:
    return Addresses(bytes(32), settings.trusted_proxies)


async def no_api(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no test here asks for the API")


@asynccontextmanager
async def serve_lane(pipeline: ScriptedPipeline, settings: Settings) -> AsyncIterator[int]:
    lane = Lane(pipeline, settings, addresses(settings))  # type: ignore[arg-type]  # only handles requests
    app = AsgiApp(pipeline, settings, addresses(settings), is_relay_path, no_api)  # type: ignore[arg-type]  # likewise
    sweeping = asyncio.create_task(lane.sweep())
    try:
        async with listening(uvicorn.Config(app, http=lane.protocol, **COMMON)) as port:
            yield port
        assert lane.body_bytes == 0
    finally:
        sweeping.cancel()


@asynccontextmanager
async def serve_asgi(pipeline: ScriptedPipeline, settings: Settings) -> AsyncIterator[int]:
    app = AsgiApp(pipeline, settings, addresses(settings), is_relay_path, no_api)  # type: ignore[arg-type]  # only handles requests
    async with listening(uvicorn.Config(app, http="httptools", **COMMON)) as port:
        yield port
    assert app.body_bytes == 0


DOORS: dict[str, ServeDoor] = {"lane": serve_lane, "asgi": serve_asgi}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A plain uvicorn logs an aborted answer as an exception of the app: that is how it is told to cut."""
    caplog.set_level(logging.CRITICAL, "uvicorn.error")


def run(coroutine: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(coroutine)


@pytest.mark.parametrize("door", DOORS)
def test_a_door_does_what_every_door_must(door: str) -> None:
    run(check_door(DOORS[door]))


def test_a_door_that_does_not_is_found_out() -> None:
    """A plain ASGI app in the door's place: the suite fails it."""

    @asynccontextmanager
    async def serve(_: ScriptedPipeline, __: Settings) -> AsyncIterator[int]:
        async def app(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})

        async with listening(uvicorn.Config(app, http="httptools", **COMMON)) as port:
            yield port

    with pytest.raises(AssertionError):
        run(check_door(serve))
