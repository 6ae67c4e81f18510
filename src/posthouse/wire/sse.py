"""Server-sent events: cut a byte stream into whole events, without rebuilding one.

Source: WHATWG HTML, "Server-sent events". Lines end in LF, CRLF or CR; an empty line ends an event.
"""

import re

from posthouse.kernel.errors import PosthouseError

# A stream's event holds a few tokens; the largest known ones carry a whole image in base64.
EVENT_BYTES_MAX = 32 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
# As numbers: CPython 3.11 takes fifteen times as long to look for b"\r".
_CR, _LF = ord("\r"), ord("\n")

# A line's end, then an empty line's end. A final CR counts only when the next byte is known not to be its LF.
_EVENT_END = re.compile(rb"(?>\r\n?|\n)(?:\r\n|\n|\r(?=[^\n]))")
_EVENT_END_OVERLAP = 3  # the longest beginning of an event's end that can wait for its last byte: CR LF CR


class EventTooLarge(PosthouseError):
    """One event is longer than the limit: nothing sensible, or no event stream at all."""


class EventSplitter:
    """Holds back what is not yet a whole event; every byte comes out once, in order, in `feed` or `tail`."""

    __slots__ = ("_event_bytes_max", "_rest")

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._event_bytes_max = event_bytes_max
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes, each with its blank line. Raises EventTooLarge.

        An event that ends in a bare CR is complete only with the next byte, which may be that CR's LF.
        """
        if not self._rest and _CR not in chunk and len(chunk) <= self._event_bytes_max:
            end = chunk.find(b"\n\n") + 2
            if end == len(chunk) >= 2:
                return [chunk]
            if chunk.endswith(b"\n\n"):
                *events, rest = chunk.split(b"\n\n")
                self._rest += rest
                return [event + b"\n\n" for event in events]
        return self._feed_slowly(chunk)

    def _feed_slowly(self, chunk: bytes) -> list[bytes]:
        rest = self._rest
        if not rest and _is_one_line(chunk) and len(chunk) <= self._event_bytes_max:
            return [chunk]
        searched = max(0, len(rest) - _EVENT_END_OVERLAP)
        rest += chunk
        events = []
        begin = 0
        for end in [match.end() for match in _EVENT_END.finditer(rest, searched)]:
            events.append(bytes(rest[begin:end]))
            begin = end
        del rest[:begin]
        if len(rest) > self._event_bytes_max or any(len(event) > self._event_bytes_max for event in events):
            raise EventTooLarge(f"an event of more than {self._event_bytes_max} bytes")
        return events

    @property
    def is_between(self) -> bool:
        """Nothing is held back: the next byte begins an event."""
        return not self._rest

    @property
    def tail(self) -> bytes:
        """What came after the last whole event: not empty when a stream broke off inside one."""
        return bytes(self._rest)


def _is_one_line(chunk: bytes) -> bool:
    """Whether it is an event of one line and its end, both CRLF: how Gemini sends them."""
    last = len(chunk) - 4
    return chunk.endswith(b"\r\n\r\n") and chunk.find(_CR) == last and chunk.find(_LF) == last + 1


def data_of(event: bytes) -> bytes | None:
    """The event's data lines joined by LF; None when it has none (a comment, a bare `event:` line)."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 and _CR not in event:
        return event[6:-2]
    lines = []
    for line in event.removeprefix(_BOM).splitlines():
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines) if lines else None
