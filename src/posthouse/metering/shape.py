"""Events of a stream that are alike in all but their text: known by what stands before and after it, and
passed on without being parsed. Nearly all events are; so this is what a streamed chunk costs."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from posthouse.wire.chunks import line_of_length, size_line

# So many short texts wait to be put together, which costs less than to add each one's bytes to the others'.
# Both bound what a stream keeps besides: as much as it may keep put together.
PIECE_BYTES_MAX = 512
PIECES_MAX = 128
# So many lengths of text have their chunk's beginning ready: a token is seldom longer.
LENGTHS_MAX = 64

_CHUNK_END = b"\r\n"
_USAGE_NULLS = (b',"usage":null', b', "usage": null')  # as JSON is written tightly, and by Python's json
# Changes what ends a JSON text, stands for something else in it, or may not stand there.
_CHANGED = bytes.maketrans(b'"\\\r\n', bytes(4))
_CR, _LF = ord("\r"), ord("\n")
_decode_text = msgspec.json.Decoder(str).decode


def without_null_usage(event: bytes) -> bytes:
    """As somebody sees it who did not ask for usage."""
    for null in _USAGE_NULLS:
        if event.count(null) == 1:
            return event.replace(null, b"")
    return event


class Shape:
    """Takes in chunks, which are events of this shape, each framed as one HTTP chunk in the way of
    `wire.chunks`, and events. Their texts go to `pieces`, and what may be shown of a chunk to `write`, which
    has to be set before."""

    __slots__ = ("_after", "_before", "_end", "_ends", "_pieces", "_shown_after", "_shown_bytes", "write")

    def __init__(self, before: bytes, after: bytes, pieces: list[bytes], *, hide_usage: bool) -> None:
        self._before = before
        self._after = after
        self._end = after + _CHUNK_END
        self._shown_after = without_null_usage(after) if hide_usage else after
        is_changed = self._shown_after is not after
        self._shown_bytes = len(before) + len(self._shown_after) if is_changed else 0  # beside the text
        # By a chunk's length: what it begins with, what is shown around its text where that differs, and the
        # length of the text.
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
        if len(text) != text_bytes or len(pieces) >= PIECES_MAX:
            return False
        # What `translate` need not change it gives back itself: no copy is compared.
        if text.translate(_CHANGED) is text:
            pieces.append(text)
        elif (plain := _unescaped(text)) is not None:
            pieces.append(plain)
        else:
            return False
        self.write(text.join(shown) if shown else chunk)
        return True

    def take_event(self, event: bytes) -> bytes | None:
        """What may be shown of an event; None where it is none of this shape."""
        before, after = self._before, self._after
        if not event.startswith(before) or not event.endswith(after):
            return None
        text = event[len(before) : -len(after)]
        plain = text if text.translate(_CHANGED) is text else _unescaped(text)
        if plain is None or len(before) + len(text) + len(after) != len(event):
            return None
        self._pieces.append(plain)
        return text.join((before, self._shown_after))

    def fits(self, event: bytes) -> bool:
        """Whether it is of this shape, if its text is one."""
        return event.startswith(self._before) and event.endswith(self._after)

    def _learn(self, chunk_bytes: int) -> bool:
        """What chunks of that length look like, which end like this shape; False where none is so long."""
        line = line_of_length(chunk_bytes)
        if line is None:
            return False
        begin = line + self._before
        text_bytes = chunk_bytes - len(begin) - len(self._end)
        if not 0 <= text_bytes <= PIECE_BYTES_MAX:
            return False
        if len(self._ends) == LENGTHS_MAX:
            self._ends.clear()
        shown: tuple[bytes, ...] = ()
        if self._shown_bytes:
            shown = (size_line(text_bytes + self._shown_bytes) + self._before, self._shown_after + _CHUNK_END)
        self._ends[chunk_bytes] = (begin, shown, text_bytes)
        return True


def _unescaped(text: bytes) -> bytes | None:
    """What a JSON string with this between its quotes says, in UTF-8; None where there is no such string, or
    it goes over lines, which are the event's."""
    if _CR in text or _LF in text:
        return None
    try:
        return _decode_text(b'"%b"' % text).encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
