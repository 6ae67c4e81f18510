"""What a provider answers in Anthropic's shapes (POST /v1/messages), built from plain values: pure.

Source: https://docs.anthropic.com/en/api/messages, /en/api/messages-streaming and /en/api/errors.
"""

from collections.abc import Sequence

from posthouse.testing.openai_shapes import Json, encode

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def event(kind: str, **fields: object) -> bytes:
    """One event of a stream: named, and its data names itself again."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind, **fields}))


def error(status: int, message: str) -> Json:
    """The envelope of an error, in an answer and in a stream."""
    kind = _ERROR_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}


def usage(prompt: int, completion: int, *, cached: int = 0) -> Json:
    """`prompt` counts what was read from the cache too; Anthropic's input_tokens does not."""
    return {
        "input_tokens": prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": completion,
        "service_tier": "standard",
    }


def message(model: str, text: str | None, finish: str | None, used: Json | None) -> Json:
    """A whole message; `text` None: one that only begins."""
    content = [] if text is None else [{"type": "text", "text": text}]
    body: Json = {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": finish,
        "stop_sequence": None,
    }
    return body if used is None else {**body, "usage": used}


def events(model: str, words: Sequence[str], finish: str, used: Json | None, *, done: bool) -> list[bytes]:
    """A stream. Usage stands at its begin (with one output token) and, whole, near its end."""
    begun = None if used is None else {**used, "output_tokens": 1}
    closing = {} if used is None else {"usage": used}
    out = [
        event("message_start", message=message(model, None, None, begun)),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        *(
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
            for word in words
        ),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": finish, "stop_sequence": None}, **closing),
    ]
    return out + [event("message_stop")] * done
