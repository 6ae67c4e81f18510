"""The simulated provider of `serve --demo`: it answers any chat, says plainly that no model did, streams at a
pace that a person can watch, and reports real token counts. A first call then needs no account anywhere."""

import asyncio
import re
from secrets import token_hex
from typing import Any

import msgspec

from posthouse.metering.tokens import TokenCounter
from posthouse.testing import openai_shapes as shapes
from posthouse.testing.http1 import Connection, Head, Server
from posthouse.testing.stored_completions import StoredCompletions

TEXT = (
    "This is a simulated answer: no model was called. Posthouse admitted, metered and charged the call as it "
    "would a real one. Add a channel to reach a real provider.\n\n"
    "这是一条模拟回答：没有调用任何模型。驿站照常完成了准入、计量和扣费。添加一个渠道即可接通真正的服务商。"
)
JSON_TEXT = '{"simulated": true, "answer": "no model was called"}'  # where JSON was asked for
PACE_S = 0.04  # between two streamed pieces: 25 a second, as a quick model writes
DIMENSIONS = 1536  # of an embedding whose request names none; as text-embedding-3-small

_PIECE = re.compile(r"\s*[^\s⺀-￯]+|\s*[⺀-￯]{1,2}|\s+")  # a word, or two characters of Chinese


class _Request(msgspec.Struct):
    """The fields that the answer depends on; all others are ignored, as any type."""

    model: str = ""
    stream: bool | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream_options: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    input: Any = ""
    dimensions: int | None = None
    encoding_format: str | None = None
    store: bool | None = None
    messages: Any = None
    metadata: Any = None


class _Answer(msgspec.Struct, frozen=True):
    """What is said in each choice, in the pieces in which it streams, and what it used."""

    pieces: list[str]
    finish: str
    usage: shapes.Json


class SimulatedProvider:
    """Answers in OpenAI's shapes; `handle` is the handler of its server. `pace_s` 0 streams at once. `stored`
    has the completions that were asked with `store`."""

    def __init__(self, counter: TokenCounter, *, pace_s: float = PACE_S) -> None:
        self._counter = counter
        self._pace_s = pace_s
        self.stored = StoredCompletions()

    async def handle(self, connection: Connection, head: Head) -> None:
        body = await connection.read_body(head)
        endpoint = head.path.rpartition("/v1/")[2]
        if endpoint.startswith("chat/completions/"):
            await _send(connection, *self.stored.answer(head.method, head.path, body))
            return
        if head.method != "POST" or endpoint not in ("chat/completions", "completions", "embeddings"):
            await _send(connection, 404, _error("The simulated provider has no such endpoint."))
            return
        try:
            request = msgspec.json.decode(body, type=_Request)
        except msgspec.DecodeError as error:
            await _send(connection, 400, _error(f"The request can't be read: {error}"))
            return
        if endpoint == "embeddings":
            await _send(connection, 200, await asyncio.to_thread(self._embeddings, request, body))
            return
        is_kept = endpoint == "chat/completions" and request.store is True
        name = f"chatcmpl-{token_hex(12) if is_kept else 'simulated'}"
        shape = shapes.Shape(name, request.model, endpoint == "chat/completions")
        answer = await asyncio.to_thread(self._answer, request, body, endpoint)
        text: object = "".join(answer.pieces)
        message = {"role": "assistant", "content": text, "refusal": None} if shape.chat else text
        whole = shape.answer([message] * (request.n or 1), answer.finish, answer.usage)
        if is_kept:
            self.stored.keep(whole, request.messages, request.metadata)
        if request.stream:
            await self._stream(connection, shape, answer, request)
        else:
            await _send(connection, 200, whole)

    def _answer(self, request: _Request, body: bytes, endpoint: str) -> _Answer:
        """Counts tokens: not on the event loop."""
        wants_json = (request.response_format or {}).get("type") in ("json_object", "json_schema")
        pieces = _PIECE.findall(JSON_TEXT if wants_json else TEXT)
        kept, finish = pieces, "stop"
        limit = request.max_completion_tokens or request.max_tokens
        if limit is not None and self._count(request, pieces) > limit:
            finish = "length"
            while kept and self._count(request, kept) > limit:
                kept = kept[:-1]
        prompt = self._counter.count_prompt(request.model, body, endpoint)
        completion = self._count(request, kept) * (request.n or 1)
        return _Answer(kept, finish, shapes.usage(prompt, completion))

    def _count(self, request: _Request, pieces: list[str]) -> int:
        return self._counter.count_text(request.model, "".join(pieces))

    def _embeddings(self, request: _Request, body: bytes) -> bytes:
        return shapes.embeddings(
            request.model,
            shapes.input_texts(request.input),
            dimensions=request.dimensions or DIMENSIONS,
            as_base64=request.encoding_format == "base64",
            prompt=self._counter.count_prompt(request.model, body, "embeddings"),
        )

    async def _stream(
        self, connection: Connection, shape: shapes.Shape, answer: _Answer, request: _Request
    ) -> None:
        await connection.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        choices = range(request.n or 1)
        for piece in answer.pieces:
            said: object = {"role": "assistant", "content": piece} if shape.chat else piece
            for index in choices:
                await connection.write(_chunk(shape.chunk(index, said)))
            await asyncio.sleep(self._pace_s)
        nothing: object = {} if shape.chat else ""
        for index in choices:
            await connection.write(_chunk(shape.chunk(index, nothing, answer.finish)))
        if (request.stream_options or {}).get("include_usage"):
            await connection.write(_chunk(shape.usage_chunk(answer.usage)))
        await connection.write(_chunk("[DONE]") + b"0\r\n\r\n")


async def start_simulated(host: str = "127.0.0.1", port: int = 0) -> tuple[Server, str]:
    """Start the simulated provider inside the running loop; port 0 takes a free one. Returns the server,
    which the caller ends with `await server.close()`, and the base URL for a channel."""
    counter = TokenCounter()
    await asyncio.to_thread(counter.count_text, "gpt-4o", "")  # loads a vocabulary: not in the first call
    server = Server(SimulatedProvider(counter).handle)
    return server, f"http://{host}:{await server.start(host, port)}/v1"


def _error(message: str) -> bytes:
    return shapes.error_body(message, "invalid_request_error")


def _chunk(data: object) -> bytes:
    event = shapes.event(data)
    return b"%x\r\n%b\r\n" % (len(event), event)


async def _send(connection: Connection, status: int, body: bytes) -> None:
    await connection.write(
        b"HTTP/1.1 %d Simulated\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (status, len(body), body)
    )
