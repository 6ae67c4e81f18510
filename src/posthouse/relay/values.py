"""What travels through the relay, and what it needs of the door that a request came in by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field

from posthouse.relay.endpoints import Endpoint


class Flow(Protocol):
    """Where a streamed answer comes from: the upstream's exchange. It is paused while the caller is slow, and
    detached at once when the caller is gone: from then on nothing may be written."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def detach(self) -> None: ...


class Head(Struct, eq=False):
    """What the pipeline has found in a request's head. Requests whose heads are alike share it, so that it is
    found once: `endpoint`, the model or object that the path names, and the key's hash."""

    endpoint: Endpoint | None = None
    named: str = ""
    key_hash: bytes = b""


class RelayRequest(Struct, frozen=True, gc=False):
    """One request as the door understood it. Header names are lower-case; a repeated header's values are
    joined by a comma. `address` is the caller's, after trusted proxies; `address_hash` stands for it in
    limits and records. `started_s` is monotonic."""

    request_id: str
    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    address: str
    address_hash: bytes
    started_ms: int
    started_s: float
    head: Head = field(default_factory=Head)


class Door(Protocol):
    """The caller's side of one request. Header blocks are ready `name: value\\r\\n` lines; the door adds what
    belongs to its transport (date, connection, framing). When the caller is gone, the task that runs the
    pipeline is cancelled; writing to a door whose caller has gone does nothing."""

    @property
    def is_open(self) -> bool:
        """Whether the caller has been given any byte of an answer."""

    async def read_body(self) -> bytes:
        """The whole request body; raises Refusal when it is over the bound or comes too slowly."""

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once."""

    def begin(self, status: int, headers: bytes, flow: Flow) -> None:
        """The head of a streamed answer; `flow` is paused while the caller is slow."""

    def write(self, data: bytes) -> None:
        """A piece of a streamed answer."""

    @property
    def write_chunk(self) -> Callable[[bytes], object]:
        """What writes a piece of the answer that has begun, and is framed as one HTTP chunk already
        (`wire.chunks.framed`), until the flow is detached."""

    def end(self, data: bytes) -> None:
        """The last piece, and the end of the answer."""

    def abort(self, data: bytes) -> None:
        """A last piece, then the connection closes without the answer's end: a broken stream never looks
        finished."""
