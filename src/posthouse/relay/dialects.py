"""How an answer is read, in the dialect that it was asked for in."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from posthouse.metering.anthropic import AnthropicMeter, texts_of_anthropic
from posthouse.metering.gemini import GeminiMeter, texts_of_gemini, usage_of_gemini_answer
from posthouse.metering.meter import Meter
from posthouse.metering.stream import StoredMeter, StreamMeter, texts_of_answer
from posthouse.metering.usage import Usage, usage_of_answer
from posthouse.relay.ask import Ask
from posthouse.relay.endpoints import Dialect
from posthouse.wire.json_array import ArraySplitter, element_of
from posthouse.wire.sse import EventSplitter

Splitter = EventSplitter | ArraySplitter


class Reader(Struct, frozen=True):
    """Of an answer that is not streamed: the usage that it reports, and its text where it reports none."""

    usage: Callable[[bytes], Usage | None]
    texts: Callable[[bytes], list[str]]


READERS: dict[Dialect, Reader] = {
    "openai": Reader(usage_of_answer, texts_of_answer),
    "anthropic": Reader(usage_of_answer, texts_of_anthropic),
    "gemini": Reader(usage_of_gemini_answer, texts_of_gemini),
}


def is_stream(ask: Ask, content_type: bytes) -> bool:
    """Whether an answer of this type is the stream that was asked for."""
    if not ask.peek.stream:
        return False
    wanted = b"application/json" if ask.endpoint.as_array else b"text/event-stream"
    return content_type.lower().startswith(wanted)


def meter_for(ask: Ask) -> Meter:
    """What meters the stream that was asked for."""
    match ask.endpoint.dialect:
        case "openai":
            made = StoredMeter if ask.makes else StreamMeter
            return made(ask.model, hide_usage=ask.hides_usage)
        case "anthropic":
            return AnthropicMeter()
        case "gemini":
            return GeminiMeter(element_of) if ask.endpoint.as_array else GeminiMeter()


def splitter_for(ask: Ask) -> Splitter:
    """What cuts that stream into its events."""
    return ArraySplitter() if ask.endpoint.as_array else EventSplitter()
