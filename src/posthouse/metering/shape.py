"""Events of a stream that are alike in all but their text: known by what stands before and after it, and
passed on without being parsed. Nearly all events are; so this is what a streamed chunk costs."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from posthouse.wire.chunks import line_of_length, size_line

# Delivered text is kept to be counted should the stream end without usage; past this the caller takes it away
# (Meter.take_text) and counts it off the event loop, so that memory per stream stays constant.
TEXT_BYTES_MAX = 64 * 1024
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
    `wire.chunks`, and events. Their texts go to `said`, and what may be shown of a chunk to `write`, which
    has to be set before."""

    __slots__ = ("_after", "_before", "_end", "_ends", "_hidden_bytes", "_said", "_shown_after", "write")

    def __init__(self, before: bytes, after: bytes, said: bytearray, *, hide_usage: bool) -> None:
        self._before = before
        self._after = after
        self._end = after + _CHUNK_END
        self._shown_after = without_null_usage(after) if hide_usage else after
        self._hidden_bytes = len(after) - len(self._shown_after)
        # By a chunk's length: where its text stands, what stands around that, and what is shown around it
        # where that differs.
        self._ends: dict[int, tuple[slice, tuple[bytes, bytes], tuple[bytes, bytes] | None]] = {}
        self._said = said
        self.write: Callable[[bytes], object]

    def take(self, chunk: bytes) -> bool:
        """Pass it on; False where it is no chunk of this shape, or text is to be taken away."""
        try:
            place, around, shown = self._ends[len(chunk)]
        except KeyError:
            return chunk.endswith(self._end) and self._learn(len(chunk)) and self.take(chunk)
        text, said = chunk[place], self._said
        if text.join(around) != chunk or len(said) > TEXT_BYTES_MAX:
            return False
        # What `translate` need not change it gives back itself: no copy is compared.
        if text.translate(_CHANGED) is text:
            said += text
        elif (plain := _unescaped(text)) is not None:
            said += plain
        else:
            return False
        self.write(chunk if shown is None else text.join(shown))
        return True

    def take_event(self, event: bytes) -> bytes | None:
        """What may be shown of an event; None where it is none of this shape."""
        before, after = self._before, self._after
        if not event.startswith(before):
            return None
        text = event[len(before) : -len(after)]
        plain = text if text.translate(_CHANGED) is text else _unescaped(text)
        if plain is None or text.join((before, after)) != event:
            return None
        self._said += plain
        return text.join((before, self._shown_after))

    def fits(self, event: bytes) -> bool:
        """Whether it is of this shape, if its text is one."""
        return event.startswith(self._before) and event.endswith(self._after)

    def _learn(self, chunk_bytes: int) -> bool:
        """What chunks of that length look like, which end like this shape; False where none is so long."""
        line = line_of_length(chunk_bytes)
        if line is None:
            return False
        if len(self._ends) == LENGTHS_MAX:
            self._ends.clear()
        begin, end, shown = line + self._before, self._end, None
        if self._hidden_bytes:
            shown_bytes = chunk_bytes - len(line) - len(_CHUNK_END) - self._hidden_bytes
            shown = (size_line(shown_bytes) + self._before, self._shown_after + _CHUNK_END)
        self._ends[chunk_bytes] = slice(len(begin), -len(end)), (begin, end), shown
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
