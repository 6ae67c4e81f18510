"""What a provider answers in OpenAI's shapes, built from plain values: pure, the same bytes every time."""

import base64
import hashlib
import struct
from collections.abc import Iterable, Sequence

import msgspec

CREATED_S = 1_700_000_000  # answers carry a fixed time, so that tests compare bytes

Json = dict[str, object]


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)


def event(data: object) -> bytes:
    """One server-sent event of a JSON value, or of text or bytes as they are."""
    raw = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else encode(data)
    return b"data: " + raw + b"\n\n"


DONE = event("[DONE]")


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> bytes:
    """OpenAI's error envelope."""
    return encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def usage(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0) -> Json:
    """OpenAI's usage object of a chat answer."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class Shape(msgspec.Struct, frozen=True):
    """Where chat and legacy completions differ. `id` names the answer, `model` the model it says it is."""

    id: str
    model: str
    chat: bool = True

    def answer(self, messages: Sequence[object], finish: str, used: Json | None) -> bytes:
        """A whole answer, one choice for each message (a message object of a chat, text of a completion)."""
        field = "message" if self.chat else "text"
        choices = [
            {"index": index, field: message, "logprobs": None, "finish_reason": finish}
            for index, message in enumerate(messages)
        ]
        kind = "chat.completion" if self.chat else "text_completion"
        body = self._top(kind, choices)
        return encode(body if used is None else {**body, "usage": used})

    def chunk(self, index: int, piece: object, finish: str | None = None) -> Json:
        """One streamed piece of choice `index`: a delta object of a chat, text of a completion."""
        field = "delta" if self.chat else "text"
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        choice = {"index": index, field: piece, "logprobs": None, "finish_reason": finish}
        return self._top(kind, [choice])

    def usage_chunk(self, used: Json) -> Json:
        """The last chunk of a stream whose usage was asked for: no choices."""
        return {**self._top("chat.completion.chunk" if self.chat else "text_completion", []), "usage": used}

    def _top(self, kind: str, choices: list[Json]) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": CREATED_S,
            "model": self.model,
            "choices": choices,
            "system_fingerprint": "fp_simulated",
        }


def vector(text: str, dimensions: int) -> list[float]:
    """An embedding that is a function of the text alone: values in [-1, 1), length 1 not promised."""
    raw = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(4 * dimensions)
    return [number / 2**31 for number in struct.unpack(f"<{dimensions}i", raw)]


def embeddings(model: str, texts: Iterable[str], *, dimensions: int, as_base64: bool, prompt: int) -> bytes:
    """An embeddings answer; `as_base64` is the float32 form that OpenAI's own clients ask for."""
    data = []
    for index, text in enumerate(texts):
        numbers = vector(text, dimensions)
        packed = struct.pack(f"<{dimensions}f", *numbers)
        values = base64.b64encode(packed).decode() if as_base64 else numbers
        data.append({"object": "embedding", "index": index, "embedding": values})
    return encode(
        {
            "object": "list",
            "data": data,
            "model": model,
            "usage": {"prompt_tokens": prompt, "total_tokens": prompt},
        }
    )


def model_row(name: str) -> Json:
    return {"id": name, "object": "model", "created": CREATED_S, "owned_by": "simulated"}


def input_texts(given: object) -> list[str]:
    """The inputs of an embeddings or completions request: text, texts, or token arrays (as their JSON)."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given and not isinstance(given[0], int):
        return [item if isinstance(item, str) else encode(item).decode() for item in given]
    return [encode(given).decode()]
