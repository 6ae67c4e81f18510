"""What a provider answers in Gemini's shapes (POST /v1beta/models/MODEL:METHOD), from plain values: pure.

Source: https://ai.google.dev/api/generate-content, /api/embeddings and /api/tokens; errors as
https://cloud.google.com/apis/design/errors has them.
"""

from collections.abc import Sequence

from posthouse.testing.openai_shapes import Json, encode

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error(status: int, message: str, reason: str = "") -> Json:
    """The envelope of an error; `reason` as in API_KEY_INVALID."""
    told: Json = {"code": status, "message": message, "status": _STATUSES.get(status, "INTERNAL")}
    if reason:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        told["details"] = [{"@type": kind, "reason": reason, "domain": "googleapis.com"}]
    return {"error": told}


def usage(prompt: int, completion: int, *, cached: int = 0, thoughts: int = 0) -> Json:
    """usageMetadata; `completion` counts the thoughts too, Gemini's candidatesTokenCount does not."""
    said: Json = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": completion - thoughts,
        "totalTokenCount": prompt + completion,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    if cached:
        said["cachedContentTokenCount"] = cached
    if thoughts:
        said["thoughtsTokenCount"] = thoughts
    return said


def chunk(model: str, text: str, finish: str | None, used: Json | None, choices: int = 1) -> Json:
    """A whole answer, or one piece of a stream."""
    candidates = []
    for index in range(choices):
        one: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": index}
        candidates.append(one if finish is None else {**one, "finishReason": finish})
    body: Json = {"candidates": candidates, "modelVersion": model, "responseId": "scripted"}
    return body if used is None else {**body, "usageMetadata": used}


def events(chunks: Sequence[Json]) -> list[bytes]:
    """A stream as server-sent events (?alt=sse); nothing tells its end but the last finishReason."""
    return [b"data: %b\r\n\r\n" % encode(one) for one in chunks]


def array(chunks: Sequence[Json], *, done: bool) -> list[bytes]:
    """A stream as one JSON array that grows; not `done`: it is never closed."""
    pieces = [b"[" + encode(chunks[0]), *(b",\r\n" + encode(one) for one in chunks[1:])]
    return pieces + [b"]\n"] * done
