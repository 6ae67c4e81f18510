"""An answer's head as it is known again: an upstream sends the same headers, in the same order, with each of
its answers. What a parser has found sound once is read by one regular expression from then on. Pure.

Only the plainest is known: `HTTP/1.1 200 OK`, a body of a length or in chunks, printable ASCII, nothing that
says another framing, packing or the connection's end. Whatever else comes is the parser's.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from posthouse.wire.headers import passes

_NAMES_MAX = 64  # three times as many as providers send
_UNPLAIN = frozenset((b"content-encoding", b"proxy-connection", b"upgrade"))
_FRAMINGS = (b"content-length", b"transfer-encoding")
_VALUES = {
    b"content-length": rb"(\d{1,9}+)",
    b"transfer-encoding": rb"((?i:chunked))",
    b"connection": rb"((?i:keep-alive))",
}
_VALUE = rb"(?! )([ -~]*+)(?<! )"  # as parsers differ in what blanks around it they take away


class KnownAnswer(Struct, frozen=True):
    """The groups of `answer` are the values of `names`, which are lower-case, and the body. `passing`: those
    that the caller gets, in `lines`; `length`: which value is the body's, None where that is in chunks."""

    names: tuple[bytes, ...]
    answer: re.Pattern[bytes]
    length: int | None
    passing: tuple[int, ...]
    lines: bytes

    def read(self, data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes, bytes] | None:
        """Headers, their block for the caller (as `answer_header_block`) and body; None where the bytes are
        not exactly one such answer. Of one in chunks what comes behind the head."""
        answer = self.answer.match(data)
        if answer is None:
            return None
        *values, body = answer.groups()
        if self.length is not None and len(body) != int(values[self.length]):
            return None
        return list(zip(self.names, values, strict=True)), self.lines % answer.group(*self.passing), body


def known_answer(data: bytes) -> KnownAnswer | None:
    """How the answer that these bytes begin with is known again; None where it can't be. They are sound: a
    parser has taken them."""
    start, *lines = data[: data.find(b"\r\n\r\n")].split(b"\r\n")
    if start != b"HTTP/1.1 200 OK" or len(lines) > _NAMES_MAX:
        return None
    return _known(tuple([line.partition(b":")[0] for line in lines]))


@lru_cache(maxsize=256)  # an expression takes a millisecond to make
def _known(written: tuple[bytes, ...]) -> KnownAnswer | None:
    names = tuple([name.lower() for name in written])
    passing = [number for number, name in enumerate(names, 1) if passes(name)]
    framings = [name for name in names if name in _FRAMINGS]
    if len(framings) != 1 or not passing or not _UNPLAIN.isdisjoint(names):
        return None
    head = [
        b"%b: %b\r\n" % (re.escape(as_written), _VALUES.get(name, _VALUE))
        for as_written, name in zip(written, names, strict=True)
    ]
    return KnownAnswer(
        names,
        re.compile(rb"HTTP/1\.1 200 OK\r\n%b\r\n((?s:.*+))" % b"".join(head)),
        names.index(b"content-length") if b"content-length" in names else None,
        tuple(passing),
        b"".join([b"%b: %%b\r\n" % names[number - 1].replace(b"%", b"%%") for number in passing]),
    )
