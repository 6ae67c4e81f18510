"""Answers to calls with an Idempotency-Key, kept in memory so that a repetition gets the same answer.

Memory only: no text of a call is ever written anywhere. What is not kept any more (a restart, or newer
answers took its place) is asked of the upstream again, and still charged once."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from posthouse.relay.values import Door, Flow
from posthouse.wire.chunks import data_of_chunk

ANSWER_BYTES_MAX = 1024 * 1024  # a long streamed answer; larger ones are not kept
TOTAL_BYTES_MAX = 64 * 1024 * 1024
ENTRY_BYTES = 500  # what an entry takes beside its bytes
KEPT_S = 24 * 3600.0


class Replay(Struct, frozen=True):
    """A whole answer."""

    status: int
    headers: bytes
    body: bytes
    until_s: float

    @property
    def size(self) -> int:
        return len(self.headers) + len(self.body) + ENTRY_BYTES


class Replays:
    """By account and hash of the Idempotency-Key; the oldest go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, bytes], Replay] = OrderedDict()
        self._bytes = 0

    def get(self, account_id: str, key_hash: bytes, now_s: float) -> Replay | None:
        """The answer to the first call with this key, if it is still kept."""
        replay = self._kept.get((account_id, key_hash))
        return replay if replay is not None and replay.until_s > now_s else None

    def put(self, account_id: str, key_hash: bytes, answer: Recording, now_s: float) -> None:
        """Keep a recorded answer, unless it is too large."""
        if answer.size > ANSWER_BYTES_MAX:
            return
        replay = Replay(answer.status, answer.headers, b"".join(answer.pieces), now_s + KEPT_S)
        older = self._kept.pop((account_id, key_hash), None)
        self._bytes += replay.size - (0 if older is None else older.size)
        self._kept[account_id, key_hash] = replay
        while self._bytes > TOTAL_BYTES_MAX:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size


class Recording(Struct, eq=False):
    """A Door that also keeps what passes, up to ANSWER_BYTES_MAX."""

    door: Door
    status: int = 0
    headers: bytes = b""
    pieces: list[bytes] = []
    size: int = 0
    is_whole: bool = False

    @property
    def is_open(self) -> bool:
        return self.door.is_open

    async def read_body(self) -> bytes:
        return await self.door.read_body()

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        self.status, self.headers, self.is_whole = status, headers, True
        self._keep(body)
        self.door.respond(status, headers, body)

    def begin(self, status: int, headers: bytes, flow: Flow) -> None:
        self.status, self.headers = status, headers
        self.door.begin(status, headers, flow)

    def write(self, data: bytes) -> None:
        self._keep(data)
        self.door.write(data)

    def write_chunk(self, chunk: bytes) -> None:
        self._keep(data_of_chunk(chunk))
        self.door.write_chunk(chunk)

    def end(self, data: bytes) -> None:
        self._keep(data)
        self.is_whole = True
        self.door.end(data)

    def abort(self, data: bytes) -> None:
        self.door.abort(data)

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self.size <= ANSWER_BYTES_MAX:
            self.pieces.append(data)
        else:
            self.pieces = []
