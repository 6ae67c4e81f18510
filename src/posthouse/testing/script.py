"""What a provider on loopback is told to answer, and exactly what then goes over the wire. Pure."""

import zlib
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Literal

import msgspec

from posthouse.testing import openai_shapes as shapes

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
_ERRORS = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", "not_found", "There is nothing here."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached."),
    500: ("server_error", None, "The server had an error while processing your request."),
}
_COMMON_HEADERS = (
    ("openai-organization", "org-scripted"),
    ("openai-processing-ms", "7"),
    ("openai-version", "2020-10-01"),
    ("x-request-id", "req_upstream"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("set-cookie", "__cf_bm=scripted; path=/"),
)


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to answer one request. Times are seconds. Positions: `..._at` counts bytes of the whole answer
    with its head, from the end where below zero; `..._after` counts pieces of its body (one for an event)."""

    # what is answered
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()  # added; one that the answer has anyway is replaced
    body: bytes | None = None  # this body instead of the one that fits request and status
    events: tuple[bytes, ...] | None = None  # these bytes instead of a stream's events, terminator included
    raw: bytes | None = None  # this instead of the whole answer, head included
    text: str = "Hello from the scripted upstream."  # one streamed piece for each word
    message: dict[str, Any] | None = None  # a chat's message instead of text, e.g. tool calls
    deltas: tuple[dict[str, Any], ...] | None = None  # a chat's streamed deltas instead of the text's words
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


def event(data: object) -> bytes:
    """One SSE event of a JSON value, text or bytes: for `Script.events`."""
    return shapes.event(data)


def answer_pieces(script: Script, path: str, body: bytes = b"") -> list[bytes]:
    """Exactly what goes over the wire for that request: the head, then the framed pieces of the body. Tests
    know from it what must arrive, and where to cut."""
    interim = b"".join(b"HTTP/1.1 %d Interim\r\n\r\n" % status for status in script.interim)
    if script.raw is not None:
        return [interim + script.raw]
    try:
        pieces, content_type = _body_pieces(script, path, body)
    except msgspec.DecodeError:
        script = msgspec.structs.replace(script, status=400)
        pieces, content_type = _body_pieces(script, path, body)
    streamed = content_type == "text/event-stream"
    if script.gzip:
        pieces = _compress(pieces)
    framing = script.framing if script.framing != "auto" else "chunked" if streamed else "length"
    headers = {"content-type": content_type, **dict(_COMMON_HEADERS)}
    if script.gzip:
        headers["content-encoding"] = "gzip"
    if framing == "length":
        headers["content-length"] = str(sum(map(len, pieces)) + script.length_off)
    elif framing == "chunked":
        headers["transfer-encoding"] = "chunked"
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece] + [b"0\r\n\r\n"]
    if framing == "close" or script.close == "announced" or script.early:
        headers["connection"] = "close"
    headers.update(script.headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reason = _REASONS.get(script.status, "Status")
    return [interim + f"HTTP/1.1 {script.status} {reason}\r\n{lines}\r\n".encode("latin-1"), *pieces]


def _compress(pieces: list[bytes]) -> list[bytes]:
    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [*packed, packer.flush()]


def _body_pieces(script: Script, path: str, body: bytes) -> tuple[list[bytes], str]:
    """The body in the pieces that it is sent in, and its content type."""
    if script.body is not None:
        return [script.body], "application/json"
    if script.status >= 400:
        kind, code, message = _ERRORS.get(script.status, _ERRORS[500])
        return [shapes.error_body(message, kind, code)], "application/json"
    if script.events is not None:
        return list(script.events), "text/event-stream"
    request = msgspec.json.decode(body, type=dict[str, Any])
    if path.endswith("/embeddings"):
        return [_embeddings(script, request)], "application/json"
    answer = _Answer(script, request, chat=path.endswith("/chat/completions"))
    if request.get("stream"):
        return answer.events(), "text/event-stream"
    return [answer.whole()], "application/json"


def _embeddings(script: Script, request: dict[str, Any]) -> bytes:
    return shapes.embeddings(
        request.get("model", ""),
        shapes.input_texts(request.get("input", "")),
        dimensions=request.get("dimensions") or 8,
        as_base64=request.get("encoding_format") == "base64",
        prompt=script.prompt_tokens,
    )


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


class _Answer:
    """A chat's or a completion's answer: n choices of the same words, cut where the request's limit says."""

    def __init__(self, script: Script, request: dict[str, Any], *, chat: bool) -> None:
        self._script = script
        self._chat = chat
        self._choices = request.get("n") or 1
        self._asked = bool((request.get("stream_options") or {}).get("include_usage"))
        words = [word for word in script.text.replace(" ", "\0 ").split("\0") if word]
        limit = request.get("max_completion_tokens") or request.get("max_tokens") or len(words)
        self._words = words[:limit]
        self._finish = "length" if limit < len(words) else "stop"
        identity = "chatcmpl-scripted" if chat else "cmpl-scripted"
        self._shape = shapes.Shape(identity, request.get("model", ""), chat)

    def whole(self) -> bytes:
        text = "".join(self._words)
        message: object = text
        if self._chat:
            message = self._script.message or {"role": "assistant", "content": text, "refusal": None}
        used = None if self._script.usage == "never" else self._usage()
        return self._shape.answer([message] * self._choices, self._finish, used)

    def events(self) -> list[bytes]:
        script, used = self._script, self._usage()
        chunks = self._chunks()
        if script.usage == "each":
            chunks = [{**chunk, "usage": used} for chunk in chunks]
        elif script.usage == "finish":
            chunks[-1] = {**chunks[-1], "usage": used}
        elif script.usage != "never" and (self._asked or script.usage == "twice"):
            chunks = [{**chunk, "usage": None} for chunk in chunks]
            chunks += [self._shape.usage_chunk(used)] * (2 if script.usage == "twice" else 1)
        return [shapes.event(chunk) for chunk in chunks] + [shapes.DONE] * script.done

    def _chunks(self) -> list[shapes.Json]:
        pieces: list[object] = list(self._words)
        if self._chat:
            spoken = self._script.deltas or [{"content": word} for word in self._words]
            pieces = [{"role": "assistant", "content": "", "refusal": None}, *spoken]
        chunks = [self._shape.chunk(choice, piece) for piece in pieces for choice in range(self._choices)]
        end: object = {} if self._chat else ""
        return chunks + [self._shape.chunk(choice, end, self._finish) for choice in range(self._choices)]

    def _usage(self) -> shapes.Json:
        script = self._script
        if script.usage_json is not None:
            return script.usage_json
        completion = script.completion_tokens
        if completion is None:
            completion = len(self._words) * self._choices
        return shapes.usage(
            script.prompt_tokens, completion, cached=script.cached_tokens, reasoning=script.reasoning_tokens
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
