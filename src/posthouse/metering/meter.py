"""What all stream meters have in common: they keep what was delivered, in case nothing else tells how much it
was."""

from abc import ABC, abstractmethod

import msgspec

from posthouse.metering.shape import Shape
from posthouse.metering.usage import Usage
from posthouse.wire.objects import Made

# Delivered text is kept to be counted should the stream end without usage; past this the caller takes it away
# (take_text) and counts it off the event loop, so that memory per stream stays constant.
TEXT_BYTES_MAX = 64 * 1024


class Meter(ABC):
    """Fed whole events in order; says what to forward and remembers what they meant.

    `is_opening`: so far only events came that are known to say nothing (a comment, a role, a ping), or are
    no JSON. `saw_done`: the stream's last event came; `last` is what is held back, for the caller to send
    when the charge is on disk. `saw_finish`: the answer came to its end, so that a stream which ends here is
    whole. `error_seen`: an error event. `service_tier`: the last that was named. `made`: the object that the
    upstream keeps of the answer, where the meter looks for it. `shape`: what takes in events like the last
    one, in `feed`'s place, where they can be told by their bytes; it leaves their texts in `_pieces`.
    """

    __slots__ = (
        "_pieces",
        "_text",
        "_texts",
        "_usage_bytes",
        "error_seen",
        "is_opening",
        "last",
        "made",
        "saw_done",
        "saw_finish",
        "service_tier",
        "shape",
    )

    def __init__(self) -> None:
        self.is_opening = True
        self.saw_done = False
        self.last = b""
        self.saw_finish = False
        self.error_seen = False
        self.service_tier = ""
        self.made: Made | None = None
        self.shape: Shape | None = None
        self._usage_bytes = 0  # text_bytes when it was reported; below zero: that text was taken away since
        self._text = bytearray()  # of the first choice, which nearly always is the only one
        self._texts = {0: self._text}  # by choice, in UTF-8
        self._pieces: list[bytes] = []  # of the first choice, later than what is put together

    def feed(self, events: list[bytes]) -> bytes:
        """Take these events in, up to the last one; returns the bytes to forward, empty when all are
        withheld."""
        if self._pieces:
            self._put_together()
        shown = []
        for event in events:
            if self.saw_done:
                break
            shown.append(self._feed_one(event))
        return b"".join(shown)

    @property
    @abstractmethod
    def usage(self) -> Usage | None:
        """The last usage reported; a later report replaces an earlier one, they are never added. None when
        there was none or it is malformed."""

    @property
    def usage_is_stale(self) -> bool:
        """Text came after the last report, which so may count only a part of it."""
        return self.text_bytes > self._usage_bytes

    @property
    def text_bytes(self) -> int:
        """Delivered since it was last taken away."""
        if self._pieces:
            self._put_together()
        return sum(map(len, self._texts.values()))

    @property
    def text_is_long(self) -> bool:
        return self.text_bytes > TEXT_BYTES_MAX

    def take_text(self) -> list[str]:
        """The text delivered since the last call, one piece per choice, and forget it."""
        self._put_together()
        texts = [text.decode(errors="replace") for text in self._texts.values() if text]
        self._usage_bytes = -1 if self.usage_is_stale else 0
        self._text.clear()
        self._texts = {0: self._text}
        return texts

    @abstractmethod
    def _feed_one(self, event: bytes) -> bytes: ...

    def _note_text(self, index: int, text: str | None) -> None:
        if text:
            if self._pieces:  # of an event before it that came with it
                self._put_together()
            self._texts.setdefault(index, bytearray()).extend(text.encode())

    def _put_together(self) -> None:
        """Kept in one piece a text takes a tenth of what its tokens do."""
        self._text += b"".join(self._pieces)
        self._pieces.clear()


def is_no_json(error: Exception) -> bool:
    """Whether an event that could not be decoded is no JSON at all, such as a page: no answer of any shape.
    Text in a broken encoding may be one, and so may a shape that is not known."""
    return isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError)
