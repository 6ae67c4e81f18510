"""The load: closed-loop calls, one call at a time, and paced streams, each on raw sockets, so that the
generator costs less than what it measures."""

import asyncio
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec
import uvloop

REQUEST_BODY_BYTES = 1024

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MARK = re.compile(rb"#(\d+)-(\d+)#")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)[^\r]*\r\n")


class Target(msgspec.Struct, frozen=True):
    """Where calls go: an HTTP server on loopback that takes chat completions at `path`, and the status that
    it answers them with."""

    port: int
    path: str = "/v1/chat/completions"
    headers: tuple[tuple[str, str], ...] = ()
    model: str = "gpt-4o-mini"
    status: int = 200

    def request(self, order: str = "", *, stream: bool = False) -> bytes:
        """A chat request of 1 KB. `order` tells the mock what to stream."""
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": order}],
            **({"stream": True} if stream else {}),
        }
        missing = REQUEST_BODY_BYTES - len(msgspec.json.encode(body))
        body["messages"] = [{"role": "user", "content": order + (" word" * 256)[:missing]}]
        encoded = msgspec.json.encode(body)
        fields = {
            "Host": f"127.0.0.1:{self.port}",
            "content-type": "application/json",
            "content-length": str(len(encoded)),
            "accept": "application/json",
            "user-agent": "bench",
            **dict(self.headers),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + encoded


class WrongAnswer(Exception):
    """An answer that is not the whole of a good one; the message shows its beginning."""


def _answer_end(data: bytes, status: int = 200) -> int:
    """Where the answer that begins `data` ends; below zero: not there yet. WrongAnswer when its status is
    another."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return -1
    if data[9:12] != b"%d" % status:
        raise WrongAnswer(data[:600].decode(errors="replace"))
    length = _LENGTH.search(data, 0, head)
    if length:
        end = head + 4 + int(length[1])
        return end if len(data) >= end else -1
    return len(data) if data.endswith(b"0\r\n\r\n") else -1


class CallsResult(msgspec.Struct, frozen=True):
    """Within the measured window: calls answered, its seconds, and what `probe` grew by (CPU ns)."""

    calls: int
    seconds: float
    cpu_ns: int


class _Caller(asyncio.Protocol):
    """One connection that calls again as soon as it is answered."""

    def __init__(self, run: "_CallsRun") -> None:
        self._run = run
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        try:
            end = _answer_end(data)
        except WrongAnswer as error:
            self._run.fail(error)
            return
        if end < 0:
            self._rest = data
            return
        self._rest = b""
        self._run.calls += 1
        if not self._run.stopped.done():
            self._transport.write(self._run.request)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._run.stopped.done():
            self._run.fail(WrongAnswer(f"the gateway closed a connection: {exc}"))


class _CallsRun:
    def __init__(self, request: bytes) -> None:
        self.request = request
        self.calls = 0
        self.stopped = asyncio.get_running_loop().create_future()

    def fail(self, error: WrongAnswer) -> None:
        if not self.stopped.done():
            self.stopped.set_exception(error)


def calls(
    target: Target, *, concurrency: int, warm_up_s: float, seconds: float, probe: Callable[[], int]
) -> CallsResult:
    """Keep `concurrency` calls going; count those answered in `seconds` after the warm-up. Raises WrongAnswer
    when one answer is not a good one."""

    async def measured() -> CallsResult:
        loop = asyncio.get_running_loop()
        run = _CallsRun(target.request())
        for _ in range(concurrency):
            await loop.create_connection(lambda: _Caller(run), "127.0.0.1", target.port)
        await _wait(run.stopped, warm_up_s)
        before, cpu, started = run.calls, probe(), time.perf_counter()
        await _wait(run.stopped, seconds)
        result = CallsResult(run.calls - before, time.perf_counter() - started, probe() - cpu)
        run.stopped.set_result(None)
        return result

    return uvloop.run(measured())


async def _wait(stopped: asyncio.Future[None], seconds: float) -> None:
    """Sleep, but raise at once what a connection ran into."""
    await asyncio.wait((stopped,), timeout=seconds)
    if stopped.done():
        stopped.result()


def latencies_ns(target: Target, count: int) -> list[int]:
    """Nanoseconds of each of `count` calls one after another on one connection, from the first byte sent to
    the last received, by a plain blocking socket: nothing of ours runs in between."""
    request, taken = target.request(), []
    with socket.create_connection(("127.0.0.1", target.port), timeout=60) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            started = time.perf_counter_ns()
            sock.sendall(request)
            _receive(sock, target.status)
            taken.append(time.perf_counter_ns() - started)
    return taken


def _receive(sock: socket.socket, status: int) -> None:
    data = sock.recv(65536)
    while _answer_end(data, status) < 0:
        more = sock.recv(65536)
        if not more:
            raise WrongAnswer("the gateway closed the connection")
        data += more


class StreamsResult(msgspec.Struct, frozen=True):
    """Chunks that arrived, and what was wrong with the streams they came in: chunks lost, doubled, out of
    order or of another stream, streams without their end."""

    chunks: int
    seconds: float
    cpu_ns: int
    rss_bytes: int  # while all streams were open
    faults: int


class _Listener(asyncio.Protocol):
    """One stream; keeps its bytes for the check afterwards."""

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._request = request
        self.data: list[bytes] = []
        self.begun: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.data.append(data)
        if not self.begun.done() and _MARK.search(data):
            self.begun.set_result(None)
        if data.endswith(b"0\r\n\r\n"):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self.begun, self.ended):
            if not future.done():
                future.set_result(None)


def streams(
    target: Target,
    *,
    count: int,
    chunks: int,
    pace_ms: int,
    ramp_s: float,
    cpu: Callable[[], int],
    rss: Callable[[], int],
) -> StreamsResult:
    """Open `count` streams spread over `ramp_s`, let each run to its end, and check every chunk. The CPU is
    that of the whole wave: opening, streaming, settling."""

    async def measured() -> StreamsResult:
        loop = asyncio.get_running_loop()
        cpu_before, started = cpu(), time.perf_counter()
        listeners = []
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number * ramp_s / count - time.perf_counter()))
            request = target.request(f"pace={pace_ms} chunks={chunks} stream={number} ", stream=True)
            _, listener = await loop.create_connection(partial(_Listener, request), "127.0.0.1", target.port)
            listeners.append(listener)
        await asyncio.gather(*(listener.begun for listener in listeners))
        rss_bytes = rss()
        await asyncio.gather(*(listener.ended for listener in listeners))
        seconds, cpu_ns = time.perf_counter() - started, cpu() - cpu_before
        arrived = [check_stream(b"".join(one.data), number, chunks) for number, one in enumerate(listeners)]
        return StreamsResult(
            sum(got for got, _ in arrived), seconds, cpu_ns, rss_bytes, sum(faults for _, faults in arrived)
        )

    return uvloop.run(measured())


def check_stream(raw: bytes, number: int, chunks: int) -> tuple[int, int]:
    """How many chunks of stream `number` the answer's bytes hold, and how many faults: every chunk missing,
    out of place or foreign is one, and so is a missing end. WrongAnswer unless the status is 200."""
    if raw[9:12] != b"200":
        raise WrongAnswer(raw[:600].decode(errors="replace"))
    body = raw[raw.find(b"\r\n\r\n") + 4 :]
    text = _unchunked(body)
    marks = [(int(stream), int(place)) for stream, place in _MARK.findall(text)]
    wanted = [(number, place) for place in range(chunks)]
    wrong = sum(got != want for got, want in zip(marks, wanted, strict=False)) + abs(len(marks) - chunks)
    is_whole = body.endswith(b"0\r\n\r\n") and text.rstrip().endswith(b"data: [DONE]")
    return len(marks), wrong + (not is_whole)


def _unchunked(body: bytes) -> bytes:
    parts, at = [], 0
    while (size := _CHUNK_SIZE.match(body, at)) and (length := int(size[1], 16)):
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length + 2
    return b"".join(parts)
