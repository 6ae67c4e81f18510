"""Objects that an upstream keeps for whoever made them: which ones a request names, and which one an answer
has made. Pure.

All of a relay's members share one account upstream, so what a request names is looked up before it goes
there. Most name nothing: a search for the names of the members that could is all that they pay.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from posthouse.kernel.periods import DAY_MS
from posthouse.wire.json_edit import COMMAS_MAX, BrokenBody, members, mend_surrogates

# Far more than a request has reason to name; to look at each takes some microseconds, on the event loop.
HOLDERS_MAX = 1000
ID_CHARS_MAX = 200  # several times what any upstream gives

# How long upstreams keep what is made, where an answer does not say. Source: OpenAI, "Your data"; Anthropic,
# "Code execution tool".
KEPT_MS = {"chat_completion": 30 * DAY_MS, "container": 30 * DAY_MS}

EACH = "*"  # each element of a list
Path = tuple[str, ...]

_decode_text = msgspec.json.Decoder(str).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode


class _Sign:
    """Tells whether a member of one of these names may stand in a text, however it is spelled."""

    def __init__(self, *names: str) -> None:
        self._plain = [b'"%b"' % name.encode() for name in names]
        spelled = (b"".join(rb"(?:%c|\\u00(?i:%02x))" % (c, c) for c in name.encode()) for name in names)
        self._escaped = re.compile(b'"(?:%b)"' % b"|".join(spelled))

    def is_in(self, text: bytes) -> bool:
        # Of what is not there CPython 3.11's `rfind` makes sure several times sooner than `find`, or `in`.
        for name in self._plain:
            if text.rfind(name) >= 0:
                return True
        return text.rfind(b"\\u00") >= 0 and self._escaped.search(text) is not None


class Naming(Struct, frozen=True):
    """Where requests name objects: `paths` to members whose text is an id, or a URL of one (`pattern` finds
    the id in it). Without a `sign` there is none."""

    sign: _Sign
    paths: tuple[Path, ...]
    pattern: re.Pattern[str] = re.compile("(.+)", re.DOTALL)


_PARTS = ("messages", EACH, "content", EACH)
_MESSAGES = (
    Naming(
        _Sign("container", "file_id"),
        (
            ("container",),
            ("container", "id"),
            (*_PARTS, "source", "file_id"),
            (*_PARTS, "file_id"),  # a container_upload
            (*_PARTS, "content", EACH, "source", "file_id"),  # in a tool's result
        ),
    ),
)
# Google's parser takes both spellings of each. A file may stand wherever contents do.
_CACHES = ("cachedContent", "cached_content")
_FILES = tuple((data, uri) for data in ("fileData", "file_data") for uri in ("fileUri", "file_uri"))
_CONTENTS: tuple[Path, ...] = (
    ("contents", EACH, "parts", EACH),
    ("systemInstruction", "parts", EACH),
    ("system_instruction", "parts", EACH),
    ("content", "parts", EACH),
    ("requests", EACH, "content", "parts", EACH),
)
_GOOGLE = r"(?i:https?://[^/]*generativelanguage\.googleapis\.com)"
_WITHIN: tuple[Path, ...] = (
    (),
    ("generateContentRequest",),
    ("generate_content_request",),
)  # what is counted
_GEMINI = (
    Naming(_Sign(*_CACHES), tuple((*head, cache) for head in _WITHIN for cache in _CACHES)),
    Naming(
        _Sign("fileUri", "file_uri"),
        tuple((*head, *place, *file) for head in _WITHIN for place in _CONTENTS for file in _FILES),
        # What stands on other hosts is nobody's here.
        re.compile(rf"(?:{_GOOGLE}.*?)?(files/[^/?#]+)|{_GOOGLE}"),
    ),
)
# By endpoint: what a later one names is a row more.
NAMINGS: dict[str, tuple[Naming, ...]] = {
    "chat/completions": (Naming(_Sign("file_id"), ((*_PARTS, "file", "file_id"),)),),
    "messages": _MESSAGES,
    "messages/count_tokens": _MESSAGES,
    **dict.fromkeys(
        ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"),
        _GEMINI,
    ),
}


def objects_named(endpoint: str, body: bytes) -> tuple[str, ...]:
    """The ids of all objects that a request's body names, each once. Takes only what has been read; raises
    BrokenBody where it names too many, or is nested more deeply than the stack here allows."""
    found: tuple[str, ...] = ()
    for naming in NAMINGS.get(endpoint, ()):
        if naming.sign.is_in(body):
            found += tuple(_named(body, naming))
    return found and tuple(dict.fromkeys(found))


def _named(body: bytes, naming: Naming) -> Iterator[str]:
    for path in naming.paths:
        for text in _texts_at(body, path, naming.sign):
            if match := naming.pattern.match(text):
                yield match[1] or text


def _texts_at(body: bytes, path: Path, sign: _Sign) -> Iterator[str]:
    """The texts that stand at a path, those of repeated members too: parsers differ in which one they
    take."""
    holders = [body]
    for step in path:
        holders = [held for holder in holders for held in _held(holder, step)]
        if step == EACH:
            holders = [one for one in holders if sign.is_in(one)]
        if len(holders) > HOLDERS_MAX:
            raise BrokenBody("too_many_elements")
    for holder in holders:
        if holder.startswith(b'"') and (text := _decode_text(mend_surrogates(holder))):
            yield text


def _held(holder: bytes, step: str) -> Iterable[bytes]:
    if step == EACH and holder.startswith(b"["):
        if holder.count(b",") > COMMAS_MAX:
            raise BrokenBody("too_many_elements")
        return map(bytes, _decode_list(mend_surrogates(holder)))  # no deeper than what `members` has seen
    if step != EACH and holder.startswith(b"{"):
        return (value for key, value in members(holder) if key == step)
    return ()


class Made(Struct, frozen=True):
    """An object that an answer has made; `expires_ms`: when the upstream forgets it, None where the answer
    does not say."""

    kind: str
    id: str
    expires_ms: int | None = None


class _Container(Struct, gc=False):
    id: str = ""
    expires_at: datetime | None = None


class _Answer(Struct, gc=False):
    id: str = ""
    container: Raw | UnsetType = UNSET


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_container = msgspec.json.Decoder(_Container).decode


def object_made(kind: str, answer: bytes) -> Made | None:
    """The object of that kind that an answer, or an event of a streamed one, says that it has made."""
    if kind == "container" and answer.rfind(b'"container"') < 0:  # nearly all
        return None
    try:
        got = _decode_answer(answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if kind == "container":
        return container_made(got.container)
    return Made(kind, got.id) if 0 < len(got.id) <= ID_CHARS_MAX else None


def container_made(container: Raw | UnsetType) -> Made | None:
    """The container that an answer was made in, from that member of it."""
    if container is UNSET:
        return None
    try:
        got = _decode_container(container)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if not 0 < len(got.id) <= ID_CHARS_MAX:
        return None
    at = got.expires_at
    if at is None:
        return Made("container", got.id)
    return Made("container", got.id, int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000))
