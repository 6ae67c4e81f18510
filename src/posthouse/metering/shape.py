"""Events of a stream that are alike in all but their text: known by what stands before and after it, and
passed on without being parsed. Nearly all events are; so this is what a streamed chunk costs."""

from __future__ import annotations

from collections.abc import Callable

from posthouse.wire.chunks import framed, line_of_length, size_line

# Longer texts are parsed, which is little beside their bytes; so many short ones wait to be put together.
# Both together bound what a stream keeps besides: as much as it may keep put together.
PIECE_BYTES_MAX = 512
PIECES_MAX = 128
# So many lengths of text have their chunk's beginning ready: a token is seldom longer.
LENGTHS_MAX = 64

_CHUNK_END = b"\r\n"
_USAGE_NULLS = (b',"usage":null', b', "usage": null')  # as JSON is written tightly, and by Python's json
# Changes what ends a JSON text, stands for something else in it, or may not stand there.
_CHANGED = bytes.maketrans(b'"\\\r\n', bytes(4))


def without_null_usage(event: bytes) -> bytes:
    """As somebody sees it who did not ask for usage."""
    for null in _USAGE_NULLS:
        if event.count(null) == 1:
            return event.replace(null, b"")
    return event


class Shape:
    """Takes in chunks: events of this shape, each framed as one HTTP chunk in the way of `wire.chunks`. Their
    texts go to `pieces`, what may be shown of them to `write`, which has to be set before."""

    __slots__ = ("_before", "_end", "_ends", "_hides", "_pieces", "_shown_end", "write")

    def __init__(self, before: bytes, after: bytes, pieces: list[bytes], *, hide_usage: bool) -> None:
        shown_after = without_null_usage(after) if hide_usage else after
        self._before = before
        self._end = after + _CHUNK_END
        self._shown_end = shown_after + _CHUNK_END
        self._hides = shown_after != after
        # By a chunk's length: what it begins with, what stands around the text where it is not shown as it
        # is, and the length of the text.
        self._ends: dict[int, tuple[bytes, tuple[bytes, ...], int]] = {}
        self._pieces = pieces
        self.write: Callable[[bytes], object]

    def take(self, chunk: bytes) -> bool:
        """Pass it on; False where it is no chunk of this shape, or it is time to put the pieces together."""
        try:
            begin, shown, text_bytes = self._ends[len(chunk)]
        except KeyError:
            return chunk.endswith(self._end) and self._learn(len(chunk)) and self.take(chunk)
        text = chunk.removeprefix(begin).removesuffix(self._end)
        pieces = self._pieces
        # What `translate` need not change it gives back itself: no copy is compared.
        if len(text) != text_bytes or text.translate(_CHANGED) is not text or len(pieces) == PIECES_MAX:
            return False
        pieces.append(text)
        self.write(text.join(shown) if shown else chunk)
        return True

    def take_event(self, event: bytes) -> bool:
        """The same for an event that did not come as one chunk; False where it is not of this shape."""
        return event.startswith(self._before) and self.take(framed(event))

    def fits(self, event: bytes) -> bool:
        """Whether it is of this shape, if its text is one."""
        return event.startswith(self._before) and event.endswith(self._end[: -len(_CHUNK_END)])

    def _learn(self, chunk_bytes: int) -> bool:
        """What chunks of that length look like; False where none of this shape is so long."""
        line = line_of_length(chunk_bytes) or b""
        text_bytes = chunk_bytes - len(line) - len(self._before) - len(self._end)
        if not line or not 0 <= text_bytes <= PIECE_BYTES_MAX:
            return False
        if len(self._ends) == LENGTHS_MAX:
            self._ends.clear()
        shown: tuple[bytes, ...] = ()
        if self._hides:
            shown_bytes = len(self._before) + text_bytes + len(self._shown_end) - len(_CHUNK_END)
            shown = (size_line(shown_bytes) + self._before, self._shown_end)
        self._ends[chunk_bytes] = (line + self._before, shown, text_bytes)
        return True
