"""What a provider on loopback is told to answer, and where sending it stalls or ends. Pure."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Literal

import msgspec


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to answer one request. Times are seconds. Positions: `..._at` counts bytes of the whole answer
    with its head, from the end where below zero; `..._after` counts pieces of its body (one for an event)."""

    # what is answered
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()  # added; one that the answer has anyway is replaced
    error: str = ""  # one of the errors that have a name, with its status
    body: bytes | None = None  # this body instead of the one that fits request and status
    events: tuple[bytes, ...] | None = None  # these bytes instead of a stream's events, terminator included
    raw: bytes | None = None  # this instead of the whole answer, head included
    text: str = "Hello from the scripted upstream."  # one streamed piece for each word
    message: dict[str, Any] | None = None  # a chat's message instead of text, e.g. tool calls
    deltas: tuple[dict[str, Any], ...] | None = None  # a chat's streamed deltas instead of the text's words
    finish: str = "stop"  # why it ended, where no limit of the request's cut it
    done: bool = True  # a stream ends with [DONE]
    # what it says was used; completion tokens None: one for each word and choice
    usage: Literal["asked", "finish", "each", "twice", "never"] = "asked"
    usage_json: dict[str, Any] | None = None  # this usage object as it stands
    prompt_tokens: int = 9
    completion_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    # how it is framed
    framing: Literal["auto", "chunked", "length", "close"] = "auto"  # auto: streams chunked, else length
    length_off: int = 0  # content-length is wrong by this much
    gzip: bool = False
    interim: tuple[int, ...] = ()  # statuses such as 100, 103 sent before the answer
    early: bool = False  # answers without reading the request's body, and closes
    # when, and how it ends
    delay_s: float = 0  # before the first byte
    pause_s: float = 0  # between two pieces of the body
    write_bytes: int | None = None  # at most so many bytes in one write
    stall_at: int | None = None  # there it waits for `upstream.resume()` or for the client to leave
    stall_after: int | None = None
    cut_at: int | None = None  # there the connection ends
    cut_after: int | None = None
    cut: Literal["fin", "rst"] = "fin"
    close: Literal["never", "announced", "silent"] = "never"  # after the answer; announced by a header or not


class Transmission(msgspec.Struct, frozen=True):
    """What is really sent: `pieces` up to the cut (the connection ends there, where `is_cut`), and the byte
    count at which sending stalls."""

    pieces: list[bytes]
    stall: int | None
    is_cut: bool


def transmission(script: Script, pieces: list[bytes]) -> Transmission:
    """The script's stall and cut applied to an answer's pieces; one that the stall falls into becomes two."""
    ends = list(accumulate(map(len, pieces)))
    stall = _position(script.stall_at, script.stall_after, ends)
    cut = _position(script.cut_at, script.cut_after, ends)
    return Transmission(
        list(_broken(pieces, stall, ends[-1] if cut is None else cut)), stall, cut is not None
    )


def _position(at: int | None, after: int | None, ends: list[int]) -> int | None:
    """The byte of the answer that a script's position names; `after` counts body pieces, 0 is right after the
    head. A position beyond the end is the end."""
    if after is not None:
        return ends[min(after, len(ends) - 1)]
    if at is None:
        return None
    return max(0, ends[-1] + at) if at < 0 else min(at, ends[-1])


def _broken(pieces: list[bytes], stall: int | None, cut: int) -> Iterator[bytes]:
    start = 0
    for piece in pieces:
        kept = piece[: max(0, cut - start)]
        if stall is not None and start < stall < start + len(kept):
            yield kept[: stall - start]
            kept = kept[stall - start :]
        if kept:
            yield kept
        start += len(piece)
