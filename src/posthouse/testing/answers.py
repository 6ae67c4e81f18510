"""Exactly what a provider on loopback sends for a request and a Script, in each dialect. Pure."""

import zlib
from typing import Any, NamedTuple

import msgspec

from posthouse.testing import anthropic_shapes, gemini_shapes
from posthouse.testing import openai_shapes as shapes
from posthouse.testing.script import Script

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
# Errors by status, then those with a name of their own: status, OpenAI's type and code, a message.
_ERRORS = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", "not_found", "There is nothing here."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached."),
    500: ("server_error", None, "The server had an error while processing your request."),
}
_NAMED_ERRORS = {
    "context_length_exceeded": (400, "invalid_request_error", "The prompt is too long: at most 8192 tokens."),
    "content_filter": (400, "invalid_request_error", "The prompt triggered the content policy."),  # Azure's
    "invalid_api_key": (401, "invalid_request_error", "Incorrect API key provided."),
    "model_not_found": (404, "invalid_request_error", "The model does not exist, or not for you."),
    "insufficient_quota": (429, "insufficient_quota", "You exceeded your current quota."),
}
# Two of them are said otherwise elsewhere. https://docs.anthropic.com/en/api/errors,
# https://ai.google.dev/gemini-api/docs/troubleshooting
_ANTHROPIC_ERRORS = {
    "insufficient_quota": (400, "Your credit balance is too low to access the Anthropic API."),
}
_GEMINI_ERRORS = {
    "invalid_api_key": (400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID")
}
_OPENAI_HEADERS = (
    ("openai-organization", "org-scripted"),
    ("openai-processing-ms", "7"),
    ("openai-version", "2020-10-01"),
    ("x-request-id", "req_upstream"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("set-cookie", "__cf_bm=scripted; path=/"),
)
_HEADERS = {
    "openai": _OPENAI_HEADERS,
    "anthropic": (
        ("request-id", "req_upstream"),
        ("anthropic-organization-id", "org-scripted"),
        ("anthropic-ratelimit-requests-limit", "1000"),
        ("anthropic-ratelimit-requests-remaining", "999"),
    ),
    "gemini": (("server", "scaffolding on HTTPServer2"), ("x-xss-protection", "0")),
}
_ANTHROPIC_FINISH = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_GEMINI_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


class _Body(NamedTuple):
    """A body in the pieces that it is sent in."""

    pieces: list[bytes]
    content_type: str = "application/json"
    streamed: bool = False


def event(data: object) -> bytes:
    """One SSE event of a JSON value, text or bytes: for `Script.events`."""
    return shapes.event(data)


def dialect_of(target: str) -> str:
    """Whose API a path is of: "openai", "anthropic" or "gemini"."""
    path = target.partition("?")[0]
    if path.endswith(("/messages", "/messages/count_tokens")):
        return "anthropic"
    return "gemini" if ":" in path.rpartition("/")[2] else "openai"


def answer_pieces(script: Script, target: str, body: bytes = b"") -> list[bytes]:
    """Exactly what goes over the wire for that request: the head, then the framed pieces of the body. Tests
    know from it what must arrive, and where to cut. `target` is the path, perhaps with its query."""
    interim = b"".join(b"HTTP/1.1 %d Interim\r\n\r\n" % status for status in script.interim)
    if script.raw is not None:
        return [interim + script.raw]
    dialect = dialect_of(target)
    try:
        said = _said(script, dialect, target, body)
    except msgspec.DecodeError:
        script = msgspec.structs.replace(script, status=400)
        said = _said(script, dialect, target, body)
    status = _error(script, dialect)[0] if script.error else script.status
    pieces = _compress(said.pieces) if script.gzip else said.pieces
    framing = script.framing if script.framing != "auto" else "chunked" if said.streamed else "length"
    headers = {"content-type": said.content_type, **dict(_HEADERS[dialect])}
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
    reason = _REASONS.get(status, "Status")
    return [interim + f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1"), *pieces]


def _compress(pieces: list[bytes]) -> list[bytes]:
    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [*packed, packer.flush()]


def _said(script: Script, dialect: str, target: str, body: bytes) -> _Body:
    if script.body is not None:
        return _Body([script.body])
    if script.error or script.status >= 400:
        return _Body([_error(script, dialect)[1]])
    if script.events is not None:
        return _Body(list(script.events), "text/event-stream", streamed=True)
    request = msgspec.json.decode(body, type=dict[str, Any])
    return _DIALECTS[dialect](script, target, request)


def _error(script: Script, dialect: str) -> tuple[int, bytes]:
    """Status and body of the error that a script names, or of its status."""
    if script.error:
        status, kind, message = _NAMED_ERRORS[script.error]
        code: str | None = script.error
    else:
        status = script.status
        kind, code, message = _ERRORS.get(status, _ERRORS[500])
    if dialect == "anthropic":
        status, message = _ANTHROPIC_ERRORS.get(script.error, (status, message))
        return status, shapes.encode(anthropic_shapes.error(status, message))
    if dialect == "gemini":
        status, message, reason = _GEMINI_ERRORS.get(script.error, (status, message, ""))
        return status, shapes.encode(gemini_shapes.error(status, message, reason))
    return status, shapes.error_body(message, kind, code)


def _words(script: Script, limit: int | None) -> tuple[list[str], str]:
    """The pieces of the text up to the request's limit, one for a word, and why it ended."""
    words = [word for word in script.text.replace(" ", "\0 ").split("\0") if word]
    if limit and limit < len(words):
        return words[:limit], "length"
    return words, script.finish


def _completion(script: Script, words: list[str], choices: int = 1) -> int:
    return len(words) * choices if script.completion_tokens is None else script.completion_tokens


def _openai(script: Script, target: str, request: dict[str, Any]) -> _Body:
    if target.endswith("/embeddings"):
        return _Body([_embeddings(script, request)])
    answer = _Answer(script, request, chat=target.endswith("/chat/completions"))
    if request.get("stream"):
        return _Body(answer.events(), "text/event-stream", streamed=True)
    return _Body([answer.whole()])


def _anthropic(script: Script, target: str, request: dict[str, Any]) -> _Body:
    if target.partition("?")[0].endswith("/count_tokens"):
        return _Body([shapes.encode({"input_tokens": script.prompt_tokens})])
    words, finish = _words(script, request.get("max_tokens"))
    finish, model = _ANTHROPIC_FINISH[finish], request.get("model", "")
    used: shapes.Json | None = script.usage_json or anthropic_shapes.usage(
        script.prompt_tokens, _completion(script, words), cached=script.cached_tokens
    )
    if script.usage == "never":
        used = None
    if request.get("stream"):
        events = anthropic_shapes.events(model, words, finish, used, done=script.done)
        return _Body(events, "text/event-stream", streamed=True)
    return _Body([shapes.encode(anthropic_shapes.message(model, "".join(words), finish, used))])


def _gemini(script: Script, target: str, request: dict[str, Any]) -> _Body:
    path, _, query = target.partition("?")
    model, _, method = path.rpartition("/")[2].partition(":")
    if method == "countTokens":
        return _Body([shapes.encode({"totalTokens": script.prompt_tokens})])
    if method == "embedContent":
        text = shapes.encode(request.get("content")).decode()
        return _Body([shapes.encode({"embedding": {"values": shapes.vector(text, 8)}})])
    if method == "batchEmbedContents":
        texts = [shapes.encode(one.get("content")).decode() for one in request.get("requests", ())]
        return _Body([shapes.encode({"embeddings": [{"values": shapes.vector(text, 8)} for text in texts]})])
    options = request.get("generationConfig") or {}
    words, finish = _words(script, options.get("maxOutputTokens"))
    finish, choices = _GEMINI_FINISH[finish], options.get("candidateCount") or 1
    used: shapes.Json | None = script.usage_json or gemini_shapes.usage(
        script.prompt_tokens,
        _completion(script, words, choices),
        cached=script.cached_tokens,
        thoughts=script.reasoning_tokens,
    )
    if script.usage == "never":
        used = None
    if method != "streamGenerateContent":
        return _Body([shapes.encode(gemini_shapes.chunk(model, "".join(words), finish, used, choices))])
    # As Gemini does: usage stands in each piece, the end only in the last; `done` False leaves that out.
    pieces = [gemini_shapes.chunk(model, word, None, used, choices) for word in words]
    if script.done:
        pieces.append(gemini_shapes.chunk(model, "", finish, used, choices))
    if "alt=sse" in query:
        return _Body(gemini_shapes.events(pieces), "text/event-stream", streamed=True)
    return _Body(gemini_shapes.array(pieces, done=script.done), streamed=True)


_DIALECTS = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


def _embeddings(script: Script, request: dict[str, Any]) -> bytes:
    return shapes.embeddings(
        request.get("model", ""),
        shapes.input_texts(request.get("input", "")),
        dimensions=request.get("dimensions") or 8,
        as_base64=request.get("encoding_format") == "base64",
        prompt=script.prompt_tokens,
    )


class _Answer:
    """A chat's or a completion's answer: n choices of the same words, cut where the request's limit says."""

    def __init__(self, script: Script, request: dict[str, Any], *, chat: bool) -> None:
        self._script = script
        self._chat = chat
        self._choices = request.get("n") or 1
        self._asked = bool((request.get("stream_options") or {}).get("include_usage"))
        limit = request.get("max_completion_tokens") or request.get("max_tokens")
        self._words, self._finish = _words(script, limit)
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
        return shapes.usage(
            script.prompt_tokens,
            _completion(script, self._words, self._choices),
            cached=script.cached_tokens,
            reasoning=script.reasoning_tokens,
        )
