"""What the caller asks for: one metered request's headers and body, read and checked. Pure."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress

import msgspec
from msgspec import Struct

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.metering.ceilings import may_hold_media
from posthouse.relay.endpoints import CHAT, COMPLETIONS, MESSAGES, Endpoint
from posthouse.routing.channels import ChannelSpec
from posthouse.wire.gemini_body import edit_gemini, peek_gemini
from posthouse.wire.json_edit import (
    COMMAS_MAX,
    BrokenBody,
    Peek,
    edit,
    mend_surrogates,
    normalise,
    peek,
    reshape,
    value_of,
)
from posthouse.wire.objects import objects_named

# Models that refuse `max_tokens` and want `max_completion_tokens`: OpenAI's reasoning models.
_REASONING = re.compile(r"(o\d|gpt-5|gpt-6|codex)")


class Ask(Struct, frozen=True, gc=False):
    """`body` is what goes upstream as long as nothing must change in it. `objects`: ids of what it names that
    an upstream keeps; `makes`: the kind of what its answer may make there, "" for none; `is_text`: it surely
    holds and names nothing else."""

    endpoint: Endpoint
    body: bytes
    peek: Peek
    model: str
    objects: tuple[str, ...] = ()
    makes: str = ""
    is_text: bool = False

    @property
    def output_tokens_asked(self) -> int | None:
        """The caller's own limit on one answer, None when there is none; of two the larger. Below zero is
        some upstreams' word for no limit, and zero too but in a completion, whose answer can have none."""
        asked, older = self.peek.max_completion_tokens, self.peek.max_tokens
        if asked is None and older is None:
            return None
        least = 0 if self.endpoint is COMPLETIONS else 1
        if (asked is not None and asked < least) or (older is not None and older < least):
            return None
        return older if asked is None else asked if older is None else max(asked, older)

    @property
    def hides_usage(self) -> bool:
        """The upstream is asked for usage that the caller did not ask for."""
        if not self.peek.stream or self.endpoint.dialect != "openai":
            return False
        options = self.peek.stream_options
        return options is None or not options.include_usage


def read_ask(endpoint: Endpoint, headers: dict[bytes, bytes], body: bytes, model: str, body_max: int) -> Ask:
    """The request as the relay understands it; `model` is what the path names. Raises Refusal."""
    if headers.get(b"content-type") != b"application/json":
        _check_content_type(headers.get(b"content-type", b""))
    if b"content-encoding" in headers:
        body = unpacked(headers[b"content-encoding"].decode("latin-1").lower(), body, body_max)
    try:
        if endpoint.dialect == "gemini":
            looked = peek_gemini(body, stream=endpoint.stream)
            return Ask(endpoint, body, looked, model, objects_named(endpoint.name, body))
        looked, repeats = peek(body)
        if repeats:
            body = normalise(body)
        if model:
            body = edit(body, {"model": msgspec.json.encode(model)})
        if endpoint.dialect == "anthropic":
            _check_other_models(body)
            if _is_fast(body):
                looked = msgspec.structs.replace(looked, service_tier="fast")  # it has a price of its own
        is_text = not may_hold_media(body)
        objects = () if is_text else objects_named(endpoint.name, body)
    except BrokenBody as broken:
        if not body or body.isspace():
            raise Refusal(RelayCode.EMPTY_REQUEST, "empty_body") from None
        raise _refusal_of(broken) from None
    model = model or looked.model or ""
    if not model:
        raise Refusal(RelayCode.MISSING_MODEL, param="model")
    makes = _MAKES.get(endpoint.name, "") if looked.stores or endpoint.dialect == "anthropic" else ""
    return Ask(endpoint, body, looked, model, objects, makes, is_text)


# What answers make that upstreams keep, by endpoint: a chat where it asks for that, a message whenever one of
# Anthropic's tools needs it.
_MAKES = {CHAT.name: "chat_completion", MESSAGES.name: "container"}


def _check_other_models(body: bytes) -> None:
    """Raises Refusal for what would have another model of Anthropic's answer than the one that is asked for,
    which the caller's plan may not allow and no price covers: fallbacks, and the advisor tool."""
    is_escaped = b"\\u00" in body
    has_fallbacks = is_escaped or b'"fallbacks"' in body
    if has_fallbacks and value_of(body, "fallbacks") not in (b"", b"null", b"[]"):
        raise Refusal(RelayCode.EMPTY_REQUEST, "other_model", param="fallbacks", field="fallbacks")
    if is_escaped or b'"advisor' in body:
        given = value_of(body, "tools") or b"null"
        if given.count(b",") > COMMAS_MAX:
            raise BrokenBody("too_many_elements", "tools")
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):  # of another shape: the upstream refuses it
            tools = _decode_tools(mend_surrogates(given))
            if any((tool.type or "").startswith("advisor") for tool in tools or ()):
                raise Refusal(RelayCode.EMPTY_REQUEST, "other_model", param="tools", field="tools")


def _is_fast(body: bytes) -> bool:
    """Whether Anthropic's fast mode is asked for, by whatever escapes."""
    if b'"speed"' not in body and b"\\u00" not in body:
        return False
    return _TEXT_FAST.fullmatch(value_of(body, "speed")) is not None


# The word as JSON may spell it.
_TEXT_FAST = re.compile(rb'"%b"' % b"".join(rb"(?:%c|\\u00%x)" % (c, c) for c in b"fast"))


class _Tool(Struct, gc=False):
    type: str | None = None


_decode_tools = msgspec.json.Decoder(list[_Tool] | None).decode


def upstream_body(ask: Ask, spec: ChannelSpec, upstream_model: str, output_cap: int | None) -> bytes:
    """The caller's bytes, changed only in what must change: the model's name on this channel, the request for
    usage in a stream, the output that the balance affords, what the channel drops and renames. Raises Refusal
    for a body nested so deeply that it could be read but not be changed."""
    try:
        if ask.endpoint.dialect == "gemini":
            body = edit_gemini(ask.body, upstream_model, output_cap)
        else:
            changes = _changes(ask, spec, upstream_model, output_cap)
            body = edit(ask.body, changes) if changes else ask.body
        return reshape(body, spec.drop, spec.rename) if spec.drop or spec.rename else body
    except BrokenBody as broken:
        raise _refusal_of(broken) from None


def _changes(ask: Ask, spec: ChannelSpec, upstream_model: str, output_cap: int | None) -> dict[str, bytes]:
    """The members to set, by name."""
    changes: dict[str, bytes] = {}
    if upstream_model != ask.model:
        changes["model"] = msgspec.json.encode(upstream_model)
    if ask.hides_usage and spec.stream_usage:
        changes["stream_options"] = _with_usage(ask)
    if output_cap is not None:
        changes.update(dict.fromkeys(_cap_fields(ask, upstream_model), b"%d" % output_cap))
    return changes


def _check_content_type(value: bytes) -> None:
    if value and value.partition(b";")[0].strip().lower() != b"application/json":
        text = value[:100].decode("latin-1")
        raise Refusal(RelayCode.EMPTY_REQUEST, "wrong_content_type", content_type=text)


def unpacked(encoding: str, body: bytes, body_max: int) -> bytes:
    """The body unpacked, never to more than the bound: a small one can unpack to gigabytes."""
    if encoding in ("identity", ""):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Refusal(RelayCode.EMPTY_REQUEST, "unsupported_encoding", encoding=encoding[:40])
    unpacker = zlib.decompressobj(31)
    try:
        unpacked = unpacker.decompress(body, body_max + 1)
    except zlib.error:
        raise Refusal(RelayCode.EMPTY_REQUEST, "broken_gzip") from None
    if len(unpacked) > body_max:
        raise Refusal(RelayCode.REQUEST_TOO_LARGE, limit_mb=body_max // (1024 * 1024))
    if not unpacker.eof:
        raise Refusal(RelayCode.EMPTY_REQUEST, "broken_gzip")
    return unpacked


def _refusal_of(broken: BrokenBody) -> Refusal:
    match broken.situation:
        case "wrong_type":
            return Refusal(
                RelayCode.EMPTY_REQUEST,
                "wrong_type",
                param=broken.param,
                field=broken.param,
                expected=_EXPECTED.get(broken.param, "another type"),
            )
        case "ambiguous_field":
            return Refusal(
                RelayCode.EMPTY_REQUEST,
                "ambiguous_field",
                param=broken.param,
                field=broken.param,
                meant=_MEANT.get(broken.param.casefold(), broken.param.casefold()),
            )
        case "repeated_field":
            return Refusal(RelayCode.EMPTY_REQUEST, "repeated_field", param=broken.param, field=broken.param)
        case "not_an_object":
            return Refusal(RelayCode.EMPTY_REQUEST, "not_an_object")
        case _:
            where = _WHERE.get(broken.situation, "it does not parse")
            return Refusal(RelayCode.EMPTY_REQUEST, "broken_json", where=where)


# Governed names that are not all lower-case, by what they are in lower case.
_MEANT = {
    name.casefold(): name for name in ("generationConfig", "maxOutputTokens", "candidateCount", "serviceTier")
}
_WHERE = {
    "too_many_fields": "it has too many fields",
    "too_many_elements": "one of its arrays has too many elements",
    "too_deep": "it is nested too deeply",
}


_EXPECTED = {
    "model": "a string",
    "stream": "true or false",
    "stream_options": "an object",
    "service_tier": "a string",
    **dict.fromkeys(
        ("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of"), "a whole number"
    ),
    **dict.fromkeys(("maxOutputTokens", "candidateCount"), "a whole number"),
    "serviceTier": "a string",
    "requests": "an array",
}


def _with_usage(ask: Ask) -> bytes:
    if ask.peek.stream_options is None:
        return b'{"include_usage":true}'
    return edit(value_of(ask.body, "stream_options"), {"include_usage": b"true"})


def _cap_fields(ask: Ask, upstream_model: str) -> list[str]:
    """Which fields limit the output: the caller's own, else the one that the upstream's model understands."""
    given = []
    if ask.peek.max_completion_tokens is not None:
        given.append("max_completion_tokens")
    if ask.peek.max_tokens is not None:
        given.append("max_tokens")
    if given:
        return given
    reasons = ask.endpoint is CHAT and _REASONING.match(upstream_model)
    return ["max_completion_tokens" if reasons else "max_tokens"]
