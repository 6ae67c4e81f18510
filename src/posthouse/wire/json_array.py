"""A JSON array that comes in pieces, cut into its elements without rebuilding one: how Gemini streams where
no server-sent events were asked for."""

import re

import msgspec

from posthouse.wire.sse import EVENT_BYTES_MAX, EventTooLarge

# Outside of a text, what opens, closes or begins one; inside, what ends it or hides its next character.
_STRUCTURE = re.compile(rb'["{}\[\]]')
_TEXT_END = re.compile(rb'["\\]')
_FRAME = b" \t\r\n,["
_BRACE = ord("{")


class _Object(msgspec.Struct, gc=False):
    """Any object: nothing of it is looked at, all of it is checked."""


_decode_object = msgspec.json.Decoder(_Object).decode


class ArraySplitter:
    """Holds back what is not yet a whole element; every byte comes out once, in order, in `feed` or `tail`.
    What stands between two elements goes with the later one; the closing bracket is the last piece. Elements
    are objects or arrays: of others some stay together until the next bracket."""

    __slots__ = ("_depth", "_event_bytes_max", "_in_text", "_rest", "_searched")

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._event_bytes_max = event_bytes_max
        self._rest = bytearray()
        self._searched = 0
        self._depth = 0  # 1 within the array
        self._in_text = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The pieces that this chunk completes. Raises EventTooLarge."""
        rest = self._rest
        if not rest and self._depth == 1 and len(chunk) <= self._event_bytes_max and _is_element(chunk):
            return [chunk]
        rest += chunk
        pieces = []
        begin = 0
        while (end := self._next_end()) is not None:
            pieces.append(bytes(rest[begin:end]))
            begin = end
        del rest[:begin]
        self._searched -= begin
        if len(rest) > self._event_bytes_max or any(len(piece) > self._event_bytes_max for piece in pieces):
            raise EventTooLarge(f"an element of more than {self._event_bytes_max} bytes")
        return pieces

    @property
    def is_between(self) -> bool:
        """Nothing is held back."""
        return not self._rest

    @property
    def tail(self) -> bytes:
        """What came after the last whole element."""
        return bytes(self._rest)

    def _next_end(self) -> int | None:
        """Where the next element, or the array, ends; None where that is not here yet."""
        rest = self._rest
        while True:
            found = (_TEXT_END if self._in_text else _STRUCTURE).search(rest, self._searched)
            if found is None:
                self._searched = max(self._searched, len(rest))
                return None
            self._searched = found.end()
            match found[0]:
                case b'"':
                    self._in_text = not self._in_text
                case b"\\":
                    self._searched += 1  # also where that character is not here yet
                case b"{" | b"[":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    if self._depth <= 1:
                        return self._searched


def _is_element(chunk: bytes) -> bool:
    """Whether the chunk is one object of the array, as nearly all are: to check that is faster than to look
    for where it ends."""
    element = element_of(chunk)
    if element is None or element[0] != _BRACE:
        return False
    try:
        _decode_object(element)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def element_of(piece: bytes) -> bytes | None:
    """The element in a piece; None in the closing bracket."""
    element = piece.lstrip(_FRAME)
    return None if element in (b"", b"]") else element
