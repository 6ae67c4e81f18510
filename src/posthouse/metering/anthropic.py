"""Meters a stream of Anthropic's Messages API.

    message_start      the prompt's usage, and a first word about the answer's
    content_block_…    the answer's text, thinking and tool calls
    message_delta      why it stopped; usage so far, cumulative
    message_stop       the end
    ping, error        may stand anywhere

Source: docs.anthropic.com, "Streaming messages".
"""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from posthouse.metering.meter import Meter, is_no_json
from posthouse.metering.usage import Usage, usage_of_reports
from posthouse.wire.objects import container_made
from posthouse.wire.sse import data_of


class _Block(Struct, gc=False):
    """A content block or a piece of one."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    name: str | None = None
    input: Raw | UnsetType = UNSET  # a tool call's, in an answer that is not streamed
    stop_reason: str | None = None  # of a message_delta
    container: Raw | UnsetType = UNSET  # too


class _Message(Struct, gc=False):
    content: Raw | UnsetType = UNSET
    usage: Raw | UnsetType = UNSET
    container: Raw | UnsetType = UNSET


class _Event(Struct, gc=False):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Block | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _Answer(Struct, gc=False):
    content: list[_Block] | None = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


class AnthropicMeter(Meter):
    """The last event is message_stop."""

    __slots__ = ("_first", "_later")

    def __init__(self) -> None:
        super().__init__()
        self._first: Raw | UnsetType = UNSET
        self._later: Raw | UnsetType = UNSET

    @property
    def usage(self) -> Usage | None:
        return usage_of_reports(one for one in (self._first, self._later) if one is not UNSET)

    def _feed_one(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None:
            return event
        try:
            got = _decode_event(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.is_opening = self.is_opening and is_no_json(error)
            return event
        if self.is_opening:
            self.is_opening = _says_nothing(got)
        match got.type:
            case "content_block_delta" | "content_block_start":
                self._note_block(got.index, got.delta or got.content_block)
            case "message_start":
                message = got.message or _Message()
                self._first = self._reported(message.usage, self._first)
                self.made = container_made(message.container)
            case "message_delta":
                delta = got.delta or _Block()
                self._later = self._reported(got.usage, self._later)
                self.saw_finish = self.saw_finish or delta.stop_reason is not None
                self.made = container_made(delta.container) or self.made
            case "message_stop":
                self.saw_done = True
                self.last = event
                return b""
            case "error":
                self.error_seen = True
            case "" if got.error is not UNSET:  # in OpenAI's shape, as resellers tell one
                self.error_seen = True
        return event

    def _reported(self, usage: Raw | UnsetType, earlier: Raw | UnsetType) -> Raw | UnsetType:
        """The newer of two reports, where there is one."""
        if usage is UNSET or bytes(usage) == b"null":
            return earlier
        self._usage_bytes = self.text_bytes
        return usage

    def _note_block(self, index: int, block: _Block | None) -> None:
        if block is not None:
            for text in (block.text, block.thinking, block.partial_json, block.name):
                self._note_text(index, text)


def _says_nothing(event: _Event) -> bool:
    """Whether it only begins the answer, or ends one that had nothing."""
    match event.type:
        case "ping" | "message_stop":
            return True
        case "message_start":
            content = UNSET if event.message is None else event.message.content
            return content is UNSET or bytes(content) in (b"[]", b"null")
        case "content_block_start":
            block = event.content_block
            return block is not None and block.type == "text" and not block.text
    return False


def texts_of_anthropic(body: bytes) -> list[str]:
    """The text of an answer that was not streamed, one piece per content block: what to count when it reports
    no usage."""
    try:
        blocks = _decode_answer(body).content or ()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return [
        "".join(filter(None, (block.text, block.thinking, block.name)))
        + ("" if block.input is UNSET else bytes(block.input).decode(errors="replace"))
        for block in blocks
    ]
