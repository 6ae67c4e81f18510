"""A provider on loopback that answers as told: a real HTTP server that speaks OpenAI's API, Anthropic's
/v1/messages and Gemini's /v1beta/models, right by default and wrong on purpose where a `Script` says so. What
it received it keeps.

    with ScriptedUpstream() as upstream:
        upstream.enqueue(Script(status=429), Script(text="Hello again", pause_s=0.02))
        ...                                      # call upstream.base_url, directly or through a relay
        assert upstream.received[0].json["model"] == "gpt-4o-mini"

Which script answers a request: the queue's next; else one that the request brings along as JSON, in the
body's field `script` or the header `x-script` (for tests in another process: a relay hands on what it does
not know); else that of its credential; else that of its model; else `upstream.default`, a script or a
function that makes one for each request.
"""

import asyncio
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from posthouse.testing import openai_shapes as shapes
from posthouse.testing.answers import answer_pieces, dialect_of, event
from posthouse.testing.http1 import Connection, Head
from posthouse.testing.script import Script, transmission
from posthouse.testing.threaded import ThreadedServer

__all__ = ["Received", "Script", "ScriptedUpstream", "answer_pieces", "event"]

_KEY_HEADERS = ("x-api-key", "x-goog-api-key", "api-key")
_OPENAI_PATHS = ("/completions", "/embeddings")


class Received:
    """One request as it came, and how answering it went. The events are set by the server's thread."""

    def __init__(self, head: Head, connection: int) -> None:
        self.head = head
        self.body = b""
        self.connection = connection  # 1 for the first connection made, so that reuse can be seen
        self.script = Script()
        self.sent_bytes = 0  # taken by the socket or waiting right before it
        self.stalled = threading.Event()
        self.finished = threading.Event()  # answered as the script says
        self.gone = threading.Event()  # the client left before that

    def header(self, name: str) -> str | None:
        return self.head.header(name)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def credential(self) -> str:
        """As each dialect brings it, "" for none."""
        bearer = (self.header("authorization") or "").removeprefix("Bearer ")
        return bearer or next(filter(None, map(self.header, _KEY_HEADERS)), "")


class ScriptedUpstream(ThreadedServer):
    """The server. `credential` (or several): who brings another is refused."""

    def __init__(
        self,
        *,
        default: Script | Callable[[Received], Script] | None = None,
        models: tuple[str, ...] = ("gpt-4o-mini", "text-embedding-3-small"),
        credential: str | tuple[str, ...] = (),
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._answer, ssl_context)
        self.default: Script | Callable[[Received], Script] = default or Script()
        self.received: list[Received] = []
        self._models = models
        self._credentials = (credential,) if isinstance(credential, str) else credential
        self._queue: deque[Script] = deque()
        self._of_model: dict[str, Script] = {}
        self._of_credential: dict[str, Script] = {}
        self._arrival = threading.Condition()
        self._resumed = asyncio.Event()

    def enqueue(self, *scripts: Script) -> None:
        """The next requests, whichever they are, are answered by these, one each."""
        self._queue.extend(scripts)

    def for_model(self, model: str, script: Script) -> None:
        """Requests of that model are answered so, until `reset`."""
        self._of_model[model] = script

    def for_credential(self, credential: str, script: Script) -> None:
        """Requests that bring this credential are answered so, until `reset`."""
        self._of_credential[credential] = script

    def resume(self) -> None:
        """Let every stalled answer go on: those that wait now and those that come to their stall later."""
        self._loop.call_soon_threadsafe(self._resumed.set)

    def reset(self) -> None:
        """Forget what was received, queued, told per model or credential, resumed. Open connections stay."""
        self.received = []
        self._queue.clear()
        self._of_model.clear()
        self._of_credential.clear()
        self._loop.call_soon_threadsafe(self._resumed.clear)

    def wait_received(self, count: int = 1, timeout_s: float = 10.0) -> list[Received]:
        """All requests received, once there are `count` of them; AssertionError when they don't come."""
        with self._arrival:
            arrived = self._arrival.wait_for(lambda: len(self.received) >= count, timeout_s)
        assert arrived, f"{len(self.received)} of {count} requests arrived"
        return self.received

    async def _answer(self, connection: Connection, head: Head) -> None:
        received = Received(head, connection.number)
        script = self._queue.popleft() if self._queue else None
        if script is None or not script.early:
            received.body = await connection.read_body(head)
        script = script or self._script_of(received)
        received.script = script
        with self._arrival:
            self.received.append(received)
            self._arrival.notify_all()
        try:
            await self._perform(connection, received, self._pieces(script, received))
        except ConnectionError:
            received.gone.set()
            raise
        received.finished.set()

    def _script_of(self, received: Received) -> Script:
        try:
            request = msgspec.json.decode(received.body, type=_Telling)
        except msgspec.DecodeError:
            request = _Telling()
        told = (received.header("x-script") or "").encode() or bytes(request.script)
        if not told:
            usual = self.default(received) if callable(self.default) else self.default
            model = request.model or received.head.path.rpartition("/")[2].partition(":")[0]  # Gemini's
            of_model = self._of_model.get(str(model), usual)
            return self._of_credential.get(received.credential, of_model)
        try:
            return msgspec.json.decode(told, type=Script)
        except msgspec.DecodeError as error:
            return Script(status=500, body=shapes.error_body(f"no such script: {error}", "test_error"))

    def _pieces(self, script: Script, received: Received) -> list[bytes]:
        path = received.head.path
        if self._credentials and received.credential not in self._credentials:
            script = Script(error="invalid_api_key")
        elif script.status == 200 and dialect_of(path) == "openai" and not path.endswith(_OPENAI_PATHS):
            _, listing, name = path.partition("/models")
            answer = self._models_answer(name) if listing and script.body is None else {"status": 404}
            script = msgspec.structs.replace(script, **answer)
        return answer_pieces(script, received.head.target, received.body)

    def _models_answer(self, name: str) -> dict[str, Any]:
        """The listing, or the one model that `/name` names."""
        if not name:
            rows = [shapes.model_row(model) for model in self._models]
            return {"body": shapes.encode({"object": "list", "data": rows})}
        if name[1:] in self._models:
            return {"body": shapes.encode(shapes.model_row(name[1:]))}
        return {"status": 404}

    async def _perform(self, connection: Connection, received: Received, pieces: list[bytes]) -> None:
        """Send the pieces at the script's pace, up to its cut."""
        script = received.script
        sending = transmission(script, pieces)
        await self._pause(script.delay_s, connection)
        for number, piece in enumerate(sending.pieces):
            if number > 1:
                await self._pause(script.pause_s, connection)
            if received.sent_bytes == sending.stall:
                await self._stall(connection, received)
            await self._write(connection, received, piece)
        if received.sent_bytes == sending.stall:
            await self._stall(connection, received)
        await connection.drain()
        if sending.is_cut:
            connection.close(reset=script.cut == "rst")
        elif script.close != "never" or script.framing == "close" or script.early:
            connection.close()

    async def _write(self, connection: Connection, received: Received, piece: bytes) -> None:
        size = received.script.write_bytes or max(1, len(piece))
        for start in range(0, len(piece), size):
            part = piece[start : start + size]
            await connection.write(part)
            received.sent_bytes += len(part)
            if size < len(piece):
                await asyncio.sleep(0)

    async def _stall(self, connection: Connection, received: Received) -> None:
        received.stalled.set()
        resumed = asyncio.ensure_future(self._resumed.wait())
        await self._until_gone(connection, resumed)

    async def _pause(self, seconds: float, connection: Connection) -> None:
        if seconds:
            await self._until_gone(connection, asyncio.ensure_future(asyncio.sleep(seconds)))

    async def _until_gone(self, connection: Connection, waited: asyncio.Future[Any]) -> None:
        """Wait for it, but no longer than the client stays: ConnectionResetError then."""
        gone = asyncio.ensure_future(connection.gone.wait())
        try:
            await asyncio.wait((waited, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waited.cancel()
            gone.cancel()
        if connection.gone.is_set():
            raise ConnectionResetError("the client left while the answer waited")


class _Telling(msgspec.Struct):
    """The fields of a request that choose its script."""

    model: Any = ""
    script: msgspec.Raw = msgspec.Raw(b"")
