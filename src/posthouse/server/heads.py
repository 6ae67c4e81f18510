"""The head of a request as it is known again: a client sends the same one with each call, but for the length
of its body. What has been parsed and checked once need not be again, on this connection or on another."""

from __future__ import annotations

import re

from msgspec import Struct

from posthouse.relay.values import RelayRequest

# Of so many heads the process knows those that came last; a client's are under 1 KB. All are forgotten each
# FORGET_S: they hold keys, of callers who may be gone.
HEADS_MAX = 1024
HEAD_BYTES_MAX = 4096
FORGET_S = 60.0

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*+(\d{1,10}+)\r\n", re.IGNORECASE)
_DIGITS_MAX = 10  # of any length that a body may have; as the expression says, too
_CR = ord("\r")


class KnownHead(Struct, frozen=True):
    """What stands before and after the length's digits, and the request that was read from it."""

    before: bytes
    after: bytes
    request: RelayRequest

    def read(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Of data that begin with this head, and have all of it, the length as it stands there, and what
        comes behind the head. None for any other."""
        before, after = self.before, self.after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(_CR, start, start + _DIGITS_MAX + 1)
        digits = data[start:end]
        if not digits.isdigit() or not data.startswith(after, end):
            return None
        return digits, data[end + len(after) :]


def head_of(raw: bytes) -> bytes:
    """What `raw` begins with, up to the first empty line and with it."""
    return raw[: raw.find(b"\r\n\r\n") + 4]


def known_head(head: bytes, request: RelayRequest) -> KnownHead | None:
    """The head by which `request` was asked; None where it can't be known again: it has no length, or lines
    that end in another way."""
    length = _LENGTH.search(head)
    if length is None or head.count(b"\n") != head.count(b"\r\n"):
        return None
    return KnownHead(head[: length.start(1)], head[length.end(1) :], request)


class KnownHeads:
    """Of all callers, for those who open a connection for each call."""

    def __init__(self) -> None:
        self._heads: dict[tuple[bytes, bytes], KnownHead] = {}

    def learn(self, head: bytes, request: RelayRequest) -> KnownHead | None:
        """As `known_head`; from now on `find` has it too."""
        known = known_head(head, request)
        if known is not None and len(head) <= HEAD_BYTES_MAX:
            if len(self._heads) == HEADS_MAX:
                self._heads.clear()
            self._heads[known.before, known.after] = known
        return known

    def find(self, data: bytes) -> tuple[KnownHead, bytes, bytes] | None:
        """The one that data begin with, and have all of, and what its `read` makes of them."""
        length = _LENGTH.search(data, 0, HEAD_BYTES_MAX)
        if length is None:
            return None
        start, end = length.span(1)
        body = data.find(b"\r\n\r\n", end) + 4
        known = self._heads.get((data[:start], data[end:body]))
        return None if known is None else (known, data[start:end], data[body:])

    def forget(self) -> None:
        self._heads.clear()
