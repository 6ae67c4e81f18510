"""Comment lines for a caller whose stream has not begun: some clients and balancers between give up on a
connection that is silent for a minute, while a reasoning model thinks for ten.

The answer's head then goes out before an upstream has said anything, so what fails later is told as the
stream's last event. Which channels are tried is not affected: of the answer the caller has seen nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from posthouse.relay.endpoints import Dialect
from posthouse.relay.values import Door, Flow

COMMENT = b": keep-alive\n\n"
HEADERS = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"

T = TypeVar("T")


async def keep_alive(fetching: Coroutine[Any, Any, T], every_s: float, tell: Callable[[], None]) -> T:
    """What `fetching` brings; `tell` is called each time that it has taken so long again."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def tick() -> None:
        nonlocal timer
        timer = loop.call_later(every_s, tick)
        tell()

    timer = loop.call_later(every_s, tick)
    try:
        # Not in a task of its own: an answer that came as the caller left would be lost between the two.
        return await fetching
    finally:
        timer.cancel()


class EarlyDoor(Struct, eq=False):
    """A Door whose answer begins with comments, and goes on with the upstream's when that is there."""

    door: Door
    dialect: Dialect = "openai"
    flow: Flow | None = None  # the upstream's, once there is one
    is_paused: bool = False

    def tell(self, headers: bytes) -> None:
        """Another comment; the first one begins the answer with these headers."""
        if not self.door.is_open:
            self.door.begin(200, HEADERS + headers, self)
        self.door.write(COMMENT)

    # -- relay.values.Flow ---------------------------------------------------------------------------------

    def pause(self) -> None:
        self.is_paused = True
        if self.flow is not None:
            self.flow.pause()

    def resume(self) -> None:
        self.is_paused = False
        if self.flow is not None:
            self.flow.resume()

    def detach(self) -> None:
        if self.flow is not None:
            self.flow.detach()

    # -- relay.values.Door ---------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self.door.is_open

    async def read_body(self) -> bytes:
        return await self.door.read_body()

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """An answer that is no stream, such as an upstream's error, is the one event of this one."""
        if not self.door.is_open:
            self.door.respond(status, headers, body)
            return
        named = b"event: error\n" if self.dialect == "anthropic" else b""
        self.door.abort(b"%bdata: %b\n\n" % (named, _in_one_line(body)))

    def begin(self, status: int, headers: bytes, flow: Flow) -> None:
        if not self.door.is_open:
            self.door.begin(status, headers, flow)
            return
        self.flow = flow
        if self.is_paused:
            flow.pause()

    def write(self, data: bytes) -> None:
        self.door.write(data)

    @property
    def write_chunk(self) -> Callable[[bytes], object]:
        return self.door.write_chunk

    def end(self, data: bytes) -> None:
        self.door.end(data)

    def abort(self, data: bytes) -> None:
        self.door.abort(data)


def _in_one_line(body: bytes) -> bytes:
    """A JSON text without line ends; any other text as a JSON string."""
    try:
        return msgspec.json.format(body, indent=-1)
    except msgspec.DecodeError:
        return msgspec.json.encode(body.decode(errors="replace"))
