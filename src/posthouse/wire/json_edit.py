"""Look at a request's JSON without rebuilding it, and change single top-level members in place.

What the relay decides by (model, stream, output limits, …: the governed fields) must mean to the upstream
what it meant to us. Parsers differ: of a repeated key some take the first value, most the last, and Go's
ignores the case of keys. So a repeated governed field is reduced to its last value (`normalise`), and a key
that equals a governed one but for its case is refused. All other bytes stay as the caller wrote them.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import NoReturn

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from posthouse.kernel.errors import PosthouseError

# Far above what any API has parameters: a body of millions of members would cost seconds and gigabytes.
MEMBERS_MAX = 1000
_ADDED_MEMBERS_MAX = 20  # more than `edit` adds to a body that `peek` accepted

# No prompt that a model can read has so many: one of a million tokens has some 100,000. To decode a list of
# more elements would take seconds and gigabytes.
COMMAS_MAX = 500_000

# Up to here all members fit in memory whatever they are, and one look at them all is faster than one at each.
_SMALL_BODY_BYTES = 64 * 1024

# More prompts in one call are counted by their commas, never too few, instead of one by one.
_PROMPTS_COUNTED_MAX = 10_000

# `"":1,` is the shortest member and `"n":1,` the shortest governed one: with fewer bytes unexplained by the
# members that were decoded, none is repeated.
_MEMBER_BYTES_MIN = 5
_REPETITION_BYTES_MIN = 6


class BrokenBody(PosthouseError):
    """The body can't be governed. `situation` is one of invalid_json, not_an_object, wrong_type,
    ambiguous_field, repeated_field, too_many_fields, too_many_elements, too_deep; `param` is the field at
    fault as the body writes it, "" for the whole body."""

    def __init__(self, situation: str, param: str = "") -> None:
        super().__init__(situation)
        self.situation = situation
        self.param = param


class _Object(Struct, gc=False):
    """Any object: nothing of it is looked at, all of it is checked."""


class _StreamOptions(Struct, frozen=True, gc=False):
    include_usage: bool | None = None


class Peek(Struct, frozen=True, gc=False):
    """What the relay decides by: the governed fields as the caller wrote them. Token limits may be below
    zero."""

    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    service_tier: str | None = None
    prompt: Raw | UnsetType = UNSET
    prediction: Raw | UnsetType = UNSET
    web_search_options: Raw | UnsetType = UNSET
    user: Raw | UnsetType = UNSET
    safety_identifier: Raw | UnsetType = UNSET
    store: Raw | UnsetType = UNSET

    @property
    def choices(self) -> int:
        """How many answers are generated, whether or not all are returned; each prompt of a completions call
        gets `n`."""
        choices = max(self.n or 1, self.best_of or 1, 1)
        return choices if self.prompt is UNSET else choices * _prompts(bytes(self.prompt))

    @property
    def has_prediction(self) -> bool:
        return self.prediction is not UNSET and bytes(self.prediction) != b"null"

    @property
    def stores(self) -> bool:
        """The upstream is asked to keep the answer."""
        return self.store is not UNSET and bytes(self.store) == b"true"


GOVERNED = frozenset(Peek.__struct_fields__)
_QUOTED = {key: b'"' + key.encode() + b'"' for key in GOVERNED}

# Keys whose case needs no look: what OpenAI's chat, completions and embeddings calls take.
_KNOWN = GOVERNED | {
    *("audio", "dimensions", "echo", "encoding_format", "frequency_penalty", "function_call", "functions"),
    *("input", "logit_bias", "logprobs", "messages", "metadata", "modalities", "parallel_tool_calls"),
    *("presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format", "seed", "stop"),
    *("suffix", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "verbosity"),
}


_decode_object = msgspec.json.Decoder(_Object).decode
_decode_governed = msgspec.json.Decoder(Peek).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_any = msgspec.json.Decoder(Raw).decode


def peek(body: bytes) -> tuple[Peek, bool]:
    """Read the governed fields, of a repeated one the last; and whether one is repeated: then forward
    `normalise(body)`, not the body. Raises BrokenBody."""
    try:
        return _decode_governed(body), _repeats_governed(body)
    except RecursionError:
        raise BrokenBody("too_deep") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        mended = mend_surrogates(body)
        if mended == body:
            _refuse(error)
        return peek(mended)


def normalise(body: bytes) -> bytes:
    """The body with each governed field once: of a repeated one all but the last are cut out. Takes only what
    `peek` accepted."""
    members = list(_scan(body))
    last = {member.key: index for index, member in enumerate(members)}
    return _replace(
        body,
        [
            (member.start, members[index + 1].start, b"")
            for index, member in enumerate(members)
            if member.key in GOVERNED and last[member.key] != index
        ],
    )


def edit(body: bytes, set_: dict[str, bytes]) -> bytes:
    """The body with top-level members set to raw JSON values: in place where the key stands (each time), else
    first in the object. Every other byte stays. Keys are plain ASCII. Takes only what `peek` accepted; raises
    BrokenBody where its nesting exceeds what is left of the stack here."""
    expected = _places_max(body, set_)
    if expected:
        places = list(islice((member for member in _scan(body) if member.key in set_), expected))
        body = _replace(body, [(member.value_start, member.end, set_[member.key]) for member in places])
        present = {member.key for member in places}
        set_ = {key: value for key, value in set_.items() if key not in present}
    if not set_:
        return body
    new = b",".join([b'"' + key.encode() + b'":' + value for key, value in set_.items()])
    start = body.index(b"{") + 1
    return b"".join((body[:start], new, b"" if _CLOSING.match(body, start) else b",", body[start:]))


def reshape(body: bytes, drop: Collection[str], rename: Mapping[str, str]) -> bytes:
    """The body without the top-level members to drop, and with others under a new name; one whose new name
    stands already is left out. Every other byte stays. New names are plain ASCII. Takes only what `peek`
    accepted; raises BrokenBody as `edit` does."""
    if not _places_max(body, (*drop, *rename)):
        return body
    members = list(_scan(body))
    present = {member.key for member in members}
    parts = [body[: members[0].start]]
    end = members[0].start
    for member in members:
        separator, end, new = body[end : member.start], member.end, rename.get(member.key)
        if member.key in drop or new in present:
            continue
        if len(parts) > 1:
            parts.append(separator)
        key_end = body.rindex(b'"', member.start, member.value_start) + 1
        parts.append(body[member.start : key_end] if new is None else b'"' + new.encode() + b'"')
        parts.append(body[key_end:end])
    parts.append(body[end:])
    return b"".join(parts)


def value_of(body: bytes, key: str) -> bytes:
    """The raw JSON value of a top-level member, of a repeated one the last; b"" when there is none. Takes
    only what `peek` accepted; raises BrokenBody as `edit` does."""
    value = b""
    for member in _scan(body):
        if member.key == key:
            value = body[member.value_start : member.end]
    return value


def members(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The top-level members of any text: keys as decoded and raw values, in order, repeated ones too. Raises
    BrokenBody."""
    try:
        _decode_object(body)
    except RecursionError:
        raise BrokenBody("too_deep") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        mended = mend_surrogates(body)
        if mended == body:
            _refuse(error)
        yield from members(mended)
        return
    for count, member in enumerate(_scan(body)):
        if count == MEMBERS_MAX:
            raise BrokenBody("too_many_fields")
        yield member.key, body[member.value_start : member.end]


_BACKSLASH = ord("\\")  # as a number: CPython 3.11 takes fifteen times as long to look for b"\\"
_CLOSING = re.compile(rb"\s*+}")


def _places_max(body: bytes, keys: Iterable[str]) -> int:
    """At most so many members have one of these keys, written plainly or with escapes."""
    if _BACKSLASH in body and b"\\u00" in body:
        return MEMBERS_MAX + _ADDED_MEMBERS_MAX
    places = 0
    for key in keys:
        places += body.count(b'"' + key.encode() + b'"')
    return places


def _replace(body: bytes, pieces: list[tuple[int, int, bytes]]) -> bytes:
    """The body with each [start, end) replaced; the pieces come in order and don't overlap."""
    parts: list[bytes] = []
    position = 0
    for start, end, new in pieces:
        parts += (body[position:start], new)
        position = end
    parts.append(body[position:])
    return b"".join(parts)


class _Member(Struct, frozen=True, gc=False):
    """One top-level member: its key as decoded, where it starts, where its value stands."""

    key: str
    start: int
    value_start: int
    end: int


# Possessive throughout: linear time, and no memory for ways back.
_KEY = re.compile(rb'[\s,]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*+:\s*+', re.DOTALL)


def _scan(body: bytes) -> Iterator[_Member]:
    """The top-level members of valid JSON that is an object, in order. Raises BrokenBody when too many."""
    if _BACKSLASH in body and (b"\\ud" in body or b"\\uD" in body):
        body = mend_surrogates(body)
    position = body.index(b"{") + 1
    view = memoryview(body)
    for _ in range(MEMBERS_MAX + _ADDED_MEMBERS_MAX):
        key = _KEY.match(body, position)
        if key is None:
            return
        position = _value_end(body, view, key.end())
        yield _Member(_decode_text(key[1]), key.start(1), key.end(), position)
    raise BrokenBody("too_many_fields")


_SCALAR = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s,}]++', re.DOTALL)
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")


def _value_end(body: bytes, view: memoryview, start: int) -> int:
    """Where the value that starts here ends. Of a nested one msgspec is asked to read on, and says where it
    stopped: that skips megabytes in milliseconds, where a loop of ours would hold everyone up for seconds."""
    scalar = None if body[start] in b"{[" else _SCALAR.match(body, start)
    if scalar is not None:
        return scalar.end()
    message = ""
    try:
        _decode_any(view[start:])
    except msgspec.DecodeError as error:
        message = str(error)
    except RecursionError:
        raise BrokenBody("too_deep") from None
    trailing = _TRAILING.search(message)
    assert trailing is not None, "valid JSON has at least its closing brace after a member"
    return start + len(body[start : start + int(trailing[1]) - 1].rstrip())


def _repeats_governed(body: bytes) -> bool:
    """Whether a governed key stands twice. Raises BrokenBody for one in another case."""
    if len(body) <= _SMALL_BODY_BYTES:
        members = _decode_members(body)
        count = len(members)
        unexplained = len(body) - len("".join(members)) - sum(map(len, members.values())) - 4 * count - 1
        are_few = count + unexplained // _MEMBER_BYTES_MIN <= MEMBERS_MAX
        if are_few and (unexplained < _REPETITION_BYTES_MIN or _stand_once(body, members.keys() & GOVERNED)):
            if not _KNOWN.issuperset(members):
                _refuse_ambiguous(members)
            return False
    keys = [member.key for member in _scan(body)]
    if len(keys) > MEMBERS_MAX:
        raise BrokenBody("too_many_fields")
    _refuse_ambiguous(keys)
    governed = [key for key in keys if key in GOVERNED]
    return len(governed) != len(set(governed))


def _stand_once(body: bytes, keys: Iterable[str]) -> bool:
    """Whether each of these keys surely stands once: its text does, and no escape can hide another."""
    if _BACKSLASH in body and b"\\u00" in body:
        return False
    return all(body.count(_QUOTED[key]) == 1 for key in keys)


def _refuse_ambiguous(keys: Iterable[str]) -> None:
    """Raise BrokenBody for a key that equals a governed one but for its case; casefold also knows the long s
    and the Kelvin sign, which Go's parser takes for s and k."""
    for key in keys:
        if key not in GOVERNED and key.casefold() in GOVERNED:
            raise BrokenBody("ambiguous_field", key)


_WRONG_FIELD = re.compile(r"at `\$\.([a-z_]+)")


def _refuse(error: Exception) -> NoReturn:
    if not isinstance(error, msgspec.ValidationError):
        raise BrokenBody("invalid_json") from None
    field = _WRONG_FIELD.search(str(error))
    if field is None:
        raise BrokenBody("not_an_object") from None
    raise BrokenBody("wrong_type", field[1]) from None


_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def mend_surrogates(body: bytes) -> bytes:
    """The text with escapes of lone surrogates replaced by U+FFFD's, nothing moved. msgspec refuses them,
    many upstreams don't; what is forwarded stays the caller's own."""
    return _LONE_SURROGATE.sub(rb"\\ufffd", body)


def _prompts(raw: bytes) -> int:
    """How many prompts: a text or an array of token numbers is one, an array of such is that many."""
    if not raw.startswith(b"["):
        return 1
    bound = raw.count(b",") + 1
    if bound > _PROMPTS_COUNTED_MAX:
        return bound
    try:
        return max(1, sum(bytes(item)[:1] in (b'"', b"[") for item in _decode_list(raw)))
    except RecursionError:  # here less is left of the stack than where the body was read
        return bound
