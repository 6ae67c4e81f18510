"""The head of a request as it is known again: a client sends the same one with each call on a connection, but
for the length of its body. What has been parsed and checked once need not be again."""

from __future__ import annotations

import re

from msgspec import Struct

from posthouse.relay.values import RelayRequest

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*+(\d++)[ \t]*+\r\n", re.IGNORECASE)
_DIGITS_MAX = 10  # of any length that a body may have
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
