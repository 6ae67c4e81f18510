"""Meters an OpenAI-shaped stream as it passes: looks at each event, rebuilds none."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from posthouse.metering.meter import Meter, is_no_json
from posthouse.metering.shape import Shape, without_null_usage
from posthouse.metering.usage import Usage, usage_of_object
from posthouse.wire.objects import object_made
from posthouse.wire.sse import data_of

# A stream whose events never repeat their shape is not asked for it again and again.
SHAPES_MAX = 4


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None
    input: str | None = None  # a custom tool's


class _ToolCall(Struct, gc=False):
    function: _Function | None = None
    custom: _Function | None = None


class _Audio(Struct, gc=False):
    transcript: str | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: _Audio | None = None


class _Choice(Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    message: _Delta | None = None  # in an answer that is not streamed
    text: str | None = None
    finish_reason: str | None = None
    usage: Raw | UnsetType = UNSET  # Moonshot's place for it


class _Groq(Struct, gc=False):
    usage: Raw | UnsetType = UNSET


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    service_tier: str | None = None
    x_groq: _Groq | None = None


class _Envelope(Struct, gc=False):
    """What is read of an event whose choices have another shape than OpenAI's."""

    choices: Any = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode

_NULL = Raw(b"null")
_CONTENT = b'"content":"'
_SILENT = _Delta()
_ANOTHER = [_Choice(delta=_Delta(content="another text"))]


class StreamMeter(Meter):
    """`hide_usage`: usage was asked for by the relay, not by the caller, who gets neither the event that only
    carries it nor its null in the others. The last event is [DONE]; a choice's finish_reason is the end."""

    __slots__ = ("_hide_usage", "_shapes_left", "_usage", "model")

    def __init__(self, model: str = "", *, hide_usage: bool = False) -> None:
        super().__init__()
        self.model = model
        self._hide_usage = hide_usage
        self._usage: Raw | None = None
        self._shapes_left = SHAPES_MAX

    @property
    def usage(self) -> Usage | None:
        return None if self._usage is None else usage_of_object(self._usage, self.service_tier)

    def _feed_one(self, event: bytes) -> bytes:
        shape = None if self.saw_finish else self.shape
        if shape is not None and (shown := shape.take_event(event)) is not None:
            return shown
        data = data_of(event)
        if data is None:
            return event
        if data == b"[DONE]":
            self.saw_done = True
            self.last = event
            return b""
        try:
            chunk = _decode_chunk(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._feed_strange(event, data)
        tier, choices = chunk.service_tier, chunk.choices
        if tier is not None and tier != self.service_tier:
            self.service_tier, self.shape = tier, None  # which would not tell of the one before again
        if choices:
            for choice in choices:
                self._note_choice(choice)
            if self._shapes_left and not self.saw_finish:
                self._note_shape(event)
        if self.is_opening:
            self.is_opening = not self.text_bytes and _says_nothing(data)
        if chunk.error is not UNSET:
            self.error_seen = self.error_seen or chunk.error != _NULL
        usage = chunk.usage
        if usage is UNSET:
            if chunk.x_groq is not None:
                self._note_usage(chunk.x_groq.usage)
            return event
        if usage == _NULL:
            return without_null_usage(event) if self._hide_usage else event
        self._note_usage(usage)
        return b"" if self._hide_usage and choices == [] else event

    def _note_shape(self, event: bytes) -> None:
        if self.shape is not None and self.shape.fits(event):
            return
        self._shapes_left -= 1
        ends = _around_text(event)
        if ends is not None:
            self.shape = Shape(*ends, self._pieces, hide_usage=self._hide_usage)

    def _note_choice(self, choice: _Choice) -> None:
        if choice.finish_reason is not None:
            self.saw_finish = True
        if choice.usage is not UNSET:
            self._note_usage(choice.usage)
        index, delta = choice.index, choice.delta or choice.message
        if delta is None:
            self._note_text(index, choice.text)
            return
        if delta == _SILENT:
            return  # as the last of a choice nearly always is
        for text in (delta.content, delta.reasoning_content or delta.reasoning, delta.refusal):
            if text:
                self._note_text(index, text)
        if delta.function_call is not None:
            self._note_function(index, delta.function_call)
        for call in delta.tool_calls or ():
            function = call.function or call.custom
            if function is not None:
                self._note_function(index, function)
        if delta.audio is not None:
            self._note_text(index, delta.audio.transcript)

    def _note_function(self, index: int, function: _Function) -> None:
        self._note_text(index, function.name)
        self._note_text(index, function.arguments or function.input)

    def _note_usage(self, usage: Raw | UnsetType) -> None:
        if usage is not UNSET and usage != _NULL:
            self._usage = usage
            self._usage_bytes = self.text_bytes

    def _feed_strange(self, event: bytes, data: bytes) -> bytes:
        """No JSON object, or one of another shape: its usage, error and texts count all the same."""
        try:
            envelope = _decode_envelope(data)
            texts = list(_texts_in(envelope.choices))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.is_opening = self.is_opening and is_no_json(error)
            return event
        self.is_opening = False
        self._note_usage(envelope.usage)
        if envelope.error is not UNSET:
            self.error_seen = self.error_seen or envelope.error != _NULL
        for text in texts:
            self._note_text(0, text)
        return event


def _says_nothing(data: bytes) -> bool:
    """Whether a chunk's choices hold no more than a role, and an end to which nothing belongs."""
    try:
        chunk = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # in a member that is otherwise not looked at
    choices = chunk.get("choices")
    return isinstance(choices, list) and not chunk.get("error") and all(map(_is_blank, choices))


def _is_blank(choice: dict[str, Any]) -> bool:
    members = {**choice, **(choice.get("delta") or {})}
    for name in ("index", "delta", "role"):
        members.pop(name, None)
    if members.get("finish_reason") == "stop":  # any other end is the answer
        del members["finish_reason"]
    return not any(members.values())


class StoredMeter(StreamMeter):
    """Of a stream whose completion the upstream keeps: the first event that has an id names it."""

    __slots__ = ()

    def _feed_one(self, event: bytes) -> bytes:
        if self.made is None:
            self.made = object_made("chat_completion", data_of(event) or b"")
        return super()._feed_one(event)


def _around_text(event: bytes) -> tuple[bytes, bytes] | None:
    """What stands before and after the text of a plain event: one choice, the first, with content alone;
    nothing ends, nothing is reported. None for any other. That what stands between them is the text, and
    nothing but the text, is proved by parsing another there."""
    start = event.rfind(_CONTENT) + len(_CONTENT)
    end = event.find(b'"', start)
    if end <= start or not event.startswith(b"data: {") or not event.endswith(b"}\n\n"):
        return None  # an empty text is the opening's, whose shape does not come again
    before, after = event[:start], event[end:]
    try:
        other = _decode_chunk(before[len(b"data: ") :] + b"another text" + after)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    reports = other.error is not UNSET or other.x_groq is not None or other.usage not in (UNSET, _NULL)
    return None if reports or other.choices != _ANOTHER else (before, after)


def texts_of_answer(body: bytes) -> list[str]:
    """The text of a JSON answer that was not streamed, one piece per choice: what to count when it reports no
    usage."""
    meter = StreamMeter()
    try:
        for choice in _decode_chunk(body).choices or ():
            meter._note_choice(choice)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        meter._feed_strange(b"", body)
    return meter.take_text()


# Names and marks in a choice, not text of it.
_NO_TEXT = frozenset({"id", "type", "role", "finish_reason", "object"})


def _texts_in(value: object) -> Iterator[str]:
    """All texts in a JSON value, wherever they stand."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _NO_TEXT:
                yield from _texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
