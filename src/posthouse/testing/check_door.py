"""What every door must do: `check_door` holds one to it, over real sockets, with `ScriptedPipeline` in the
pipeline's place. A door is given as a function that serves one on a port of 127.0.0.1:

    async with serve(pipeline, SETTINGS) as port: ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import httptools

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.settings import Settings
from posthouse.relay.answers import render_refusal
from posthouse.relay.values import Door, RelayRequest
from posthouse.wire.chunks import framed

SETTINGS = Settings(
    body_bytes_max=1024 * 1024,
    body_timeout_s=0.5,
    trusted_proxies=("127.0.0.1",),
)
WAIT_S = 30.0  # what never happens has failed by then
PIECE = b"0123456789abcdef" * 1024  # 16 KiB
PLAIN = b"content-type: text/plain\r\n"

Handle = Callable[[RelayRequest, Door], Awaitable[None]]


class ScriptedPipeline:
    """Answers each request by `script`. As in the pipeline, a Refusal becomes an answer, and cancelling means
    that the caller is gone."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Answer whole again, and forget what happened."""
        self.script: Handle = _answer_whole
        self.cancelled = asyncio.Event()
        self.ended = asyncio.Event()

    async def handle(self, request: RelayRequest, door: Door) -> None:
        cancelled, ended = self.cancelled, self.ended
        try:
            await self.script(request, door)
        except Refusal as refusal:
            door.respond(*render_refusal(refusal, request.headers, request.request_id))
        except asyncio.CancelledError:
            cancelled.set()
        finally:
            ended.set()


ServeDoor = Callable[[ScriptedPipeline, Settings], AbstractAsyncContextManager[int]]


async def check_door(serve: ServeDoor) -> None:
    """Run every check on one served door; raises AssertionError, and TimeoutError for what never happens."""
    pipeline = ScriptedPipeline()
    async with serve(pipeline, SETTINGS) as port:
        for check in CHECKS:
            pipeline.reset()
            await asyncio.wait_for(check(pipeline, port), WAIT_S)


class Answer(NamedTuple):
    """One answer as it came; `is_whole` False: the connection ended before it did."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    is_whole: bool


class Caller:
    """A raw connection. Use with `async with`."""

    def __init__(self, port: int, *, read_ahead_bytes: int = 2**16) -> None:
        self._port = port
        self._read_ahead_bytes = read_ahead_bytes

    async def __aenter__(self) -> Caller:
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self._port, limit=self._read_ahead_bytes
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    def send(self, *lines: str, body: bytes = b"", sized: bool = True) -> None:
        """A request's head with Host and, unless told otherwise, its length; then the body."""
        fixed = ("host: door", f"content-length: {len(body)}") if sized else ("host: door",)
        self.writer.write("\r\n".join((lines[0], *fixed, *lines[1:], "", "")).encode() + body)

    async def answer(self, method: bytes = b"GET") -> Answer:
        """Read up to the end of one answer, or of the connection."""
        parsed = _Parsed()
        parser = httptools.HttpResponseParser(parsed)
        while not parsed.is_whole:
            head, _, rest = parsed.raw.partition(b"\r\n\r\n")
            if method == b"HEAD" and b"\r\n\r\n" in parsed.raw:
                assert rest == b"", "an answer to HEAD has no body"
                parsed.is_whole = True
                break
            piece = await self.reader.read(2**16)
            if not piece:
                parsed.is_whole = parsed.is_whole or (
                    bool(head) and not {b"content-length", b"transfer-encoding"} & parsed.headers.keys()
                )
                break
            parsed.raw += piece
            parser.feed_data(piece)
        status = parser.get_status_code() if parsed.raw else 0
        return Answer(status, parsed.headers, b"".join(parsed.pieces), parsed.is_whole)

    async def is_closed(self) -> bool:
        """Whether the door closes the connection without another byte."""
        return await self.reader.read(1) == b""


class _Parsed:
    """httptools' callbacks. Interim answers (100) are passed over."""

    def __init__(self) -> None:
        self.raw = b""
        self.headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.is_whole = False

    def on_message_begin(self) -> None:
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.is_whole = bool(self.headers)


class Flow:
    """An upstream that can be told to stop; `pauses` and `resumes` count how often it was."""

    def __init__(self) -> None:
        self.pauses = self.resumes = 0
        self.is_detached = False
        self.changed = asyncio.Event()

    def pause(self) -> None:
        self.pauses += 1
        self.changed.set()

    def resume(self) -> None:
        self.resumes += 1
        self.changed.set()

    def detach(self) -> None:
        self.is_detached = True
        self.changed.set()

    async def wait(self, is_reached: Callable[[], bool]) -> None:
        while not is_reached():
            self.changed.clear()
            await self.changed.wait()


# -- scripts ---------------------------------------------------------------------------------------------


async def _answer_whole(request: RelayRequest, door: Door) -> None:
    """The request's body back, and what the door made of its head."""
    body = await door.read_body()
    assert not door.is_open
    told = f"{request.method} {request.path} {request.query} {request.address}"
    door.respond(201, PLAIN + b"x-told: %b\r\n" % told.encode("latin-1"), body)
    assert door.is_open


async def _answer_stream(request: RelayRequest, door: Door) -> None:
    await door.read_body()
    door.begin(200, b"content-type: text/event-stream\r\n", Flow())
    assert door.is_open
    for number in range(0, 100, 2):
        door.write(b"data: %d\n\n" % number)
        door.write_chunk(framed(b"data: %d\n\n" % (number + 1)))
        if number % 10 == 0:
            door.write(b"")
            await asyncio.sleep(0)
    door.end(b"data: [DONE]\n\n")


STREAMED = b"".join(b"data: %d\n\n" % number for number in range(100)) + b"data: [DONE]\n\n"

# -- checks ----------------------------------------------------------------------------------------------

Check = Callable[[ScriptedPipeline, int], Awaitable[None]]


async def whole_answers_one_after_another(pipeline: ScriptedPipeline, port: int) -> None:
    async with Caller(port) as caller:
        for number in range(3):
            body = b"body %d" % number
            caller.send(f"POST /v1/things/{number}?a=b%20c&d HTTP/1.1", body=body)
            answer = await caller.answer()
            assert (answer.status, answer.body, answer.is_whole) == (201, body, True)
            assert answer.headers[b"content-type"] == b"text/plain"
            assert answer.headers[b"content-length"] == b"%d" % len(body)
            assert answer.headers[b"x-told"] == b"POST /v1/things/%d a=b%%20c&d 127.0.0.1" % number
            assert b"date" in answer.headers


async def paths_as_they_stand_on_the_wire(pipeline: ScriptedPipeline, port: int) -> None:
    async with Caller(port) as caller:
        caller.send("GET /v1/models/a%2Fb%3Ac HTTP/1.1")
        answer = await caller.answer()
        assert answer.headers[b"x-told"] == b"GET /v1/models/a%2Fb%3Ac  127.0.0.1"


async def headers_in_lower_case_and_joined(pipeline: ScriptedPipeline, port: int) -> None:
    seen: dict[bytes, bytes] = {}

    async def keep(request: RelayRequest, door: Door) -> None:
        seen.update(request.headers)
        await _answer_whole(request, door)

    pipeline.script = keep
    async with Caller(port) as caller:
        caller.send("GET /v1/x HTTP/1.1", "X-One: 1", "x-ONE: 2", "X-Empty:", "Authorization: Bearer é")
        await caller.answer()
    assert (seen[b"x-one"], seen[b"x-empty"]) == (b"1, 2", b"")
    assert seen[b"authorization"] == "Bearer é".encode()


async def the_caller_behind_a_trusted_proxy(pipeline: ScriptedPipeline, port: int) -> None:
    async with Caller(port) as caller:
        caller.send("GET /v1/x HTTP/1.1", "X-Forwarded-For: 192.0.2.1, 198.51.100.7")
        answer = await caller.answer()
        assert answer.headers[b"x-told"].endswith(b" 198.51.100.7")


async def answers_to_head_have_no_body(pipeline: ScriptedPipeline, port: int) -> None:
    async def respond(request: RelayRequest, door: Door) -> None:
        door.respond(200, PLAIN, b"hello")

    pipeline.script = respond
    async with Caller(port) as caller:
        for _ in range(2):
            caller.send("HEAD /v1/models HTTP/1.1")
            answer = await caller.answer(b"HEAD")
            assert (answer.status, answer.headers[b"content-length"], answer.body) == (200, b"5", b"")


async def empty_answers(pipeline: ScriptedPipeline, port: int) -> None:
    async def respond(request: RelayRequest, door: Door) -> None:
        door.respond(429, b"retry-after: 7\r\n", b"")

    pipeline.script = respond
    async with Caller(port) as caller:
        caller.send("GET /v1/x HTTP/1.1")
        answer = await caller.answer()
        assert (answer.status, answer.body, answer.headers[b"retry-after"]) == (429, b"", b"7")


async def large_bodies_both_ways(pipeline: ScriptedPipeline, port: int) -> None:
    body = PIECE * 64  # as large as it may be
    assert len(body) == SETTINGS.body_bytes_max
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.1", body=body)
        answer = await caller.answer()
        assert answer.body == body


async def chunked_bodies(pipeline: ScriptedPipeline, port: int) -> None:
    async with Caller(port) as caller:
        for piece in (b"a", PIECE):
            caller.send("POST /v1/x HTTP/1.1", "transfer-encoding: chunked", sized=False)
            for _ in range(3):
                caller.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await asyncio.sleep(0.01)
            caller.writer.write(b"0\r\n\r\n")
            assert (await caller.answer()).body == piece * 3


async def expect_continue(pipeline: ScriptedPipeline, port: int) -> None:
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.1", "content-length: 5", "expect: 100-continue", sized=False)
        assert (await caller.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        caller.writer.write(b"hello")
        assert (await caller.answer()).body == b"hello"


async def bodies_over_the_bound(pipeline: ScriptedPipeline, port: int) -> None:
    for sized in (True, False):
        async with Caller(port) as caller:
            size = SETTINGS.body_bytes_max + 1
            if sized:
                caller.send("POST /v1/x HTTP/1.1", body=b"a" * size)
            else:
                caller.send("POST /v1/x HTTP/1.1", "transfer-encoding: chunked", sized=False)
                caller.writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"a" * size))
            answer = await caller.answer()
            assert answer.status == 413
            assert b"40255" in answer.body


async def bodies_that_do_not_come(pipeline: ScriptedPipeline, port: int) -> None:
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.1", "content-length: 5", sized=False)
        caller.writer.write(b"he")
        answer = await caller.answer()
        assert answer.status == 400
        assert b"40039" in answer.body
        assert await caller.is_closed()


async def streams_whole_and_in_order(pipeline: ScriptedPipeline, port: int) -> None:
    pipeline.script = _answer_stream
    async with Caller(port) as caller:
        for _ in range(2):
            caller.send("POST /v1/x HTTP/1.1", body=b"{}")
            answer = await caller.answer()
            assert (answer.status, answer.body, answer.is_whole) == (200, STREAMED, True)
            assert answer.headers[b"content-type"] == b"text/event-stream"
            assert b"content-length" not in answer.headers


async def streams_to_http_1_0(pipeline: ScriptedPipeline, port: int) -> None:
    pipeline.script = _answer_stream
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.0", body=b"{}")
        answer = await caller.answer()
        assert (answer.body, answer.is_whole) == (STREAMED, True)


async def each_piece_goes_out_at_once(pipeline: ScriptedPipeline, port: int) -> None:
    """A piece is not held back for the next one."""
    step = asyncio.Event()

    async def stepwise(request: RelayRequest, door: Door) -> None:
        door.begin(200, PLAIN, Flow())
        for piece in (b"first", b"second"):
            door.write(piece)
            await step.wait()
            step.clear()
        door.end(b"")

    pipeline.script = stepwise
    async with Caller(port) as caller:
        caller.send("GET /v1/x HTTP/1.1")
        for piece in (b"first", b"second"):
            await caller.reader.readuntil(piece)
            step.set()
        assert (await caller.reader.readuntil(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")


async def aborted_streams_do_not_look_finished(pipeline: ScriptedPipeline, port: int) -> None:
    async def abort(request: RelayRequest, door: Door) -> None:
        door.begin(200, PLAIN, Flow())
        door.write(b"data: 1\n\n")
        door.abort(b"data: broken\n\n")

    pipeline.script = abort
    async with Caller(port) as caller:
        caller.send("GET /v1/x HTTP/1.1")
        answer = await caller.answer()
        assert (answer.body, answer.is_whole) == (b"data: 1\n\ndata: broken\n\n", False)


async def refusals_before_the_body_was_read(pipeline: ScriptedPipeline, port: int) -> None:
    async def refuse(request: RelayRequest, door: Door) -> None:
        raise Refusal(RelayCode.MISSING_API_KEY)

    pipeline.script = refuse
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.1", body=PIECE * 20)
        answer = await caller.answer()
        assert (answer.status, answer.is_whole) == (401, True)
        assert b"41001" in answer.body


async def a_caller_who_leaves_before_the_answer(pipeline: ScriptedPipeline, port: int) -> None:
    waiting = asyncio.Event()

    async def wait(request: RelayRequest, door: Door) -> None:
        await door.read_body()
        waiting.set()
        await asyncio.Event().wait()

    pipeline.script = wait
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.1", body=b"{}")
        await waiting.wait()
    await pipeline.cancelled.wait()


async def a_caller_who_leaves_with_half_a_body(pipeline: ScriptedPipeline, port: int) -> None:
    waiting = asyncio.Event()

    async def read(request: RelayRequest, door: Door) -> None:
        waiting.set()
        await door.read_body()

    pipeline.script = read
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.1", "content-length: 5", sized=False)
        caller.writer.write(b"he")
        await waiting.wait()
    await pipeline.cancelled.wait()


async def a_caller_who_leaves_in_a_stream(pipeline: ScriptedPipeline, port: int) -> None:
    flow = Flow()

    async def stream(request: RelayRequest, door: Door) -> None:
        await door.read_body()
        door.begin(200, PLAIN, flow)
        try:
            while True:
                door.write(b"data: 1\n\n")
                await asyncio.sleep(0.01)
        finally:
            door.write(b"data: too late\n\n")  # writing to who has left does nothing
            door.write_chunk(framed(b"data: too late\n\n"))

    pipeline.script = stream
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.1", body=b"{}")
        await caller.reader.readuntil(b"data: 1")
    await pipeline.cancelled.wait()
    assert flow.is_detached


async def a_caller_who_leaves_while_it_is_settled(pipeline: ScriptedPipeline, port: int) -> None:
    """What the pipeline does when it is cancelled, it does to the end."""
    waiting, settled = asyncio.Event(), asyncio.Event()

    async def settle(request: RelayRequest, door: Door) -> None:
        await door.read_body()
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)  # longer than the door would take to end it
            settled.set()

    pipeline.script = settle
    async with Caller(port) as caller:
        caller.send("POST /v1/x HTTP/1.1", body=b"{}")
        await waiting.wait()
    await settled.wait()
    await pipeline.ended.wait()


async def slow_readers_pause_the_upstream(pipeline: ScriptedPipeline, port: int) -> None:
    flow, written, may_go_on = Flow(), 0, asyncio.Event()

    async def stream(request: RelayRequest, door: Door) -> None:
        nonlocal written
        await door.read_body()
        door.begin(200, PLAIN, flow)
        while not flow.pauses:
            door.write(PIECE)
            written += len(PIECE)
            assert written < 64 * 1024 * 1024, "a caller who reads nothing holds any amount of memory"
            await asyncio.sleep(0)
        await may_go_on.wait()
        await flow.wait(lambda: flow.resumes > 0)
        door.end(b"end")

    pipeline.script = stream
    async with Caller(port, read_ahead_bytes=1024) as caller:
        caller.send("POST /v1/x HTTP/1.1", body=b"{}")
        await flow.wait(lambda: flow.pauses > 0)
        resumes = flow.resumes
        may_go_on.set()
        assert resumes == 0, "nobody has read anything"
        answer = await caller.answer()
        assert (len(answer.body), answer.is_whole) == (written + 3, True)
        assert answer.body == PIECE * (written // len(PIECE)) + b"end"


CHECKS: tuple[Check, ...] = (
    whole_answers_one_after_another,
    paths_as_they_stand_on_the_wire,
    headers_in_lower_case_and_joined,
    the_caller_behind_a_trusted_proxy,
    answers_to_head_have_no_body,
    empty_answers,
    large_bodies_both_ways,
    chunked_bodies,
    expect_continue,
    bodies_over_the_bound,
    bodies_that_do_not_come,
    streams_whole_and_in_order,
    streams_to_http_1_0,
    each_piece_goes_out_at_once,
    aborted_streams_do_not_look_finished,
    refusals_before_the_body_was_read,
    a_caller_who_leaves_before_the_answer,
    a_caller_who_leaves_with_half_a_body,
    a_caller_who_leaves_in_a_stream,
    a_caller_who_leaves_while_it_is_settled,
    slow_readers_pause_the_upstream,
)
