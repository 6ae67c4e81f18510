"""Comment lines for a caller who waits, and what becomes of the answer after them."""

import asyncio
from typing import Any

import pytest

from posthouse.relay.keep_alive import COMMENT, EarlyDoor, keep_alive
from posthouse.relay.values import Flow
from posthouse.wire.chunks import data_of_chunk


class Written:
    """A caller's side that keeps what it is given."""

    def __init__(self) -> None:
        self.is_open = False
        self.said: list[Any] = []
        self.flow: Flow | None = None

    async def read_body(self) -> bytes:
        return b"{}"

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        self.said.append((status, headers, body))

    def begin(self, status: int, headers: bytes, flow: Flow) -> None:
        self.is_open, self.flow = True, flow
        self.said.append((status, headers))

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def write_chunk(self, chunk: bytes) -> None:
        self.write(data_of_chunk(chunk))

    def end(self, data: bytes) -> None:
        self.said += (data, "end")

    def abort(self, data: bytes) -> None:
        self.said += (data, "abort")


class Tap:
    """What a slow caller's door pauses."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def detach(self) -> None:
        self.told.append("detach")


def test_the_caller_is_told_each_time_that_it_takes_as_long_again() -> None:
    async def scenario() -> tuple[str, int]:
        answered = asyncio.Event()
        told = 0

        async def fetch() -> str:
            await answered.wait()
            return "answer"

        def tell() -> None:
            nonlocal told
            told += 1
            if told == 3:
                answered.set()

        return await keep_alive(fetch(), 0.01, tell), told

    assert asyncio.run(scenario()) == ("answer", 3)


def test_what_comes_at_once_is_told_of_nothing() -> None:
    async def fetch() -> str:
        return "answer"

    told: list[None] = []
    assert asyncio.run(keep_alive(fetch(), 60, lambda: told.append(None))) == "answer"
    assert told == []


def test_a_caller_who_leaves_ends_the_fetching() -> None:
    async def scenario() -> bool:
        ended = asyncio.Event()

        async def fetch() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
                ended.set()

        waiting = asyncio.ensure_future(keep_alive(fetch(), 60, lambda: None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return ended.is_set()

    assert asyncio.run(scenario())


@pytest.mark.parametrize("turns", range(6))
def test_an_answer_that_comes_as_the_caller_leaves_is_not_lost(turns: int) -> None:
    """It holds a connection and a place at a channel: whoever got it gives them back."""

    async def scenario() -> None:
        answered, heard = asyncio.Event(), []

        async def fetch() -> str:
            try:
                await answered.wait()
            except asyncio.CancelledError:
                heard.append("the caller left")
                raise
            return "answer"

        waiting = asyncio.ensure_future(keep_alive(fetch(), 60, lambda: None))
        for _ in range(3):
            await asyncio.sleep(0)
        answered.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        try:
            assert await waiting == "answer"
        except asyncio.CancelledError:
            assert heard == ["the caller left"]

    asyncio.run(scenario())


def test_a_failure_passes_through() -> None:
    async def fetch() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(keep_alive(fetch(), 60, lambda: None))


def test_a_door_that_nothing_was_said_at_is_as_it_was() -> None:
    door, tap = Written(), Tap()
    early = EarlyDoor(door)
    assert asyncio.run(early.read_body()) == b"{}"
    early.respond(400, b"a: b\r\n", b"{}")
    early.begin(200, b"c: d\r\n", tap)
    early.write(b"data: 1\n\n")
    early.end(b"data: [DONE]\n\n")
    assert door.flow is tap
    assert door.said == [
        (400, b"a: b\r\n", b"{}"),
        (200, b"c: d\r\n"),
        b"data: 1\n\n",
        b"data: [DONE]\n\n",
        "end",
    ]


def test_after_comments_the_upstreams_stream_goes_on_in_the_same_answer() -> None:
    door, tap = Written(), Tap()
    early = EarlyDoor(door)
    early.tell(b"x-posthouse-request-id: r\r\n")
    early.tell(b"x-posthouse-request-id: r\r\n")
    early.begin(200, b"c: d\r\n", tap)
    early.end(b"data: [DONE]\n\n")
    (status, headers), *rest = door.said
    assert status == 200
    assert b"content-type: text/event-stream" in headers
    assert headers.endswith(b"x-posthouse-request-id: r\r\n")
    assert rest == [COMMENT, COMMENT, b"data: [DONE]\n\n", "end"]


def test_a_slow_caller_slows_the_upstream_from_its_first_byte() -> None:
    door, tap = Written(), Tap()
    early = EarlyDoor(door)
    early.tell(b"")
    assert door.flow is early
    early.pause()
    early.detach()  # there is nothing yet
    early.begin(200, b"", tap)
    early.resume()
    early.pause()
    early.detach()
    assert tap.told == ["pause", "resume", "pause", "detach"]
    early.resume()
    again = Tap()
    early.begin(200, b"", again)
    assert again.told == []


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (b'{"error": {\n  "code": null\n}}', b'data: {"error":{"code":null}}\n\n'),
        (b"no\njson", b'data: "no\\njson"\n\n'),
    ],
)
def test_after_comments_an_error_is_an_event_and_the_answer_has_no_end(body: bytes, event: bytes) -> None:
    door = Written()
    early = EarlyDoor(door)
    early.tell(b"")
    early.respond(503, b"retry-after: 1\r\n", body)
    early.abort(b"data: more\n\n")
    assert door.said[1:] == [COMMENT, event, "abort", b"data: more\n\n", "abort"]


def test_after_comments_an_error_is_an_event_of_the_callers_dialect() -> None:
    door = Written()
    early = EarlyDoor(door, "anthropic")
    early.tell(b"")
    early.respond(529, b"", b'{"type":"error"}')
    assert door.said[1:] == [COMMENT, b'event: error\ndata: {"type":"error"}\n\n', "abort"]


def test_fetching_that_has_not_begun_is_not_told_when_it_is_resumed() -> None:
    door = Written()
    early = EarlyDoor(door)
    early.tell(b"")
    early.resume()
    assert not early.is_paused
