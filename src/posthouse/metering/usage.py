"""What the upstream says a call used, as disjoint quantities of price components.

Providers spell it differently:
- OpenAI: prompt_tokens and completion_tokens (Responses: input_tokens, output_tokens) are totals, the details
  name parts of them.
- DeepSeek: prompt_cache_hit_tokens is a part of prompt_tokens.
- Anthropic: input_tokens leaves out what was read from or written to the cache, which stands beside it. Of
  `iterations`, compactions and an advisor's answers are billed beyond the totals.
- xAI, Gemini's OpenAI form: reasoning is not part of completion_tokens; only total_tokens counts it.
- Gemini: promptTokenCount includes what was cached but not what tools added (toolUsePromptTokenCount);
  candidatesTokenCount leaves the thoughts out; details split a count by modality.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

# No call of any model comes near it; a number above is a mistake that must not become a charge.
TOKENS_MAX = 2**31

_Parts = tuple[tuple[str, int], ...]
_Tokens = Annotated[int, Meta(ge=0, le=TOKENS_MAX)]


class Usage(Struct, frozen=True, gc=False):
    """`quantities` has no zeros; its inputs sum to `prompt_tokens`, its outputs to `completion_tokens`.
    `service_tier` is the tier that the upstream says it served, "" when it says none."""

    quantities: dict[str, int]
    prompt_tokens: int
    completion_tokens: int
    service_tier: str = ""
    estimated: bool = False


class _CachedDetails(Struct, gc=False):
    audio_tokens: _Tokens | None = None
    image_tokens: _Tokens | None = None


class _PromptDetails(Struct, gc=False):
    cached_tokens: _Tokens | None = 0
    cached_tokens_details: _CachedDetails | None = None
    cache_write_tokens: _Tokens | None = 0
    cache_creation_tokens: _Tokens | None = 0
    audio_tokens: _Tokens | None = 0
    image_tokens: _Tokens | None = 0


class _CompletionDetails(Struct, gc=False):
    reasoning_tokens: _Tokens | None = 0
    thinking_tokens: _Tokens | None = 0  # Anthropic's word
    audio_tokens: _Tokens | None = 0
    image_tokens: _Tokens | None = 0


# Of most calls: all is plain input, all is plain output.
_PLAIN_PROMPTS = (_PromptDetails(), None)
_PLAIN_COMPLETIONS = (_CompletionDetails(), None)


class _CacheCreation(Struct, gc=False):
    ephemeral_5m_input_tokens: _Tokens | None = None
    ephemeral_1h_input_tokens: _Tokens | None = None


class _ServerTools(Struct, gc=False):
    web_search_requests: _Tokens | None = None


class _Iteration(Struct, gc=False):
    type: str | None = None
    input_tokens: _Tokens | None = None
    output_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None
    cache_creation_input_tokens: _Tokens | None = None
    cache_creation: _CacheCreation | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    total_tokens: _Tokens | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    input_tokens: _Tokens | None = None
    output_tokens: _Tokens | None = None
    input_tokens_details: _PromptDetails | None = None
    output_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None
    cache_creation_input_tokens: _Tokens | None = None
    cache_creation: _CacheCreation | None = None
    server_tool_use: _ServerTools | None = None
    iterations: list[_Iteration] | None = None
    service_tier: str | None = None
    speed: str | None = None


class _Modality(Struct, gc=False, rename="camel"):
    modality: str = ""
    token_count: _Tokens = 0


class _GeminiUsage(Struct, gc=False, rename="camel"):
    prompt_token_count: _Tokens | None = None
    cached_content_token_count: _Tokens = 0
    candidates_token_count: _Tokens = 0
    tool_use_prompt_token_count: _Tokens = 0
    thoughts_token_count: _Tokens = 0
    total_token_count: _Tokens = 0
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    tool_use_prompt_tokens_details: list[_Modality] | None = None
    service_tier: str | None = None


class _Answer(Struct, gc=False):
    usage: _Usage | None = None
    service_tier: str | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode
_decode_gemini = msgspec.json.Decoder(_GeminiUsage).decode


def usage_of_answer(body: bytes) -> Usage | None:
    """The usage that a JSON answer reports; None when there is none or it is malformed or absurd."""
    try:
        answer = _decode_answer(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if answer.usage is None:
        return None
    return _disjoint(answer.usage, answer.service_tier or "")


def usage_of_object(raw: bytes | Raw, service_tier: str = "") -> Usage | None:
    """The same of a usage object alone, as a stream's event carries it."""
    try:
        return _disjoint(_decode_usage(raw), service_tier)
    except (msgspec.MsgspecError, RecursionError):
        return None


def usage_of_reports(reports: Iterable[Raw]) -> Usage | None:
    """The same of usage objects of which each replaces the fields of the earlier ones that it has too: how
    Anthropic's streams report. None when there is none or one is malformed."""
    merged: _Usage | None = None
    try:
        for later in map(_decode_usage, reports):
            if merged is not None:
                for field in _Usage.__struct_fields__:
                    if getattr(later, field) is None:
                        setattr(later, field, getattr(merged, field))
            merged = later
    except (msgspec.MsgspecError, RecursionError):
        return None
    return None if merged is None else _disjoint(merged, "")


def usage_of_gemini(raw: Raw) -> Usage | None:
    """The same of Gemini's usageMetadata."""
    try:
        got = _decode_gemini(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if got.prompt_token_count is None:
        return None
    prompts = (got.prompt_tokens_details or []) + (got.tool_use_prompt_tokens_details or [])
    same = _Usage(
        prompt_tokens=got.prompt_token_count + got.tool_use_prompt_token_count,
        completion_tokens=got.candidates_token_count + got.thoughts_token_count,
        total_tokens=got.total_token_count,
        prompt_tokens_details=_PromptDetails(
            cached_tokens=got.cached_content_token_count,
            cached_tokens_details=_CachedDetails(
                _of(got.cache_tokens_details, "AUDIO"), _of(got.cache_tokens_details, "IMAGE")
            ),
            audio_tokens=_of(prompts, "AUDIO"),
            image_tokens=_of(prompts, "IMAGE"),
        ),
        completion_tokens_details=_CompletionDetails(
            reasoning_tokens=got.thoughts_token_count,
            audio_tokens=_of(got.candidates_tokens_details, "AUDIO"),
            image_tokens=_of(got.candidates_tokens_details, "IMAGE"),
        ),
    )
    return _disjoint(same, (got.service_tier or "").lower())


def _of(details: list[_Modality] | None, modality: str) -> int:
    return sum(one.token_count for one in details or () if one.modality == modality)


def at_least(usage: Usage, completion_tokens: int) -> Usage:
    """The usage with no fewer completion tokens than were counted; the rest is plain output."""
    missing = completion_tokens - usage.completion_tokens
    if missing <= 0:
        return usage
    quantities = {**usage.quantities, "output": usage.quantities.get("output", 0) + missing}
    return Usage(quantities, usage.prompt_tokens, completion_tokens, usage.service_tier, estimated=True)


def _disjoint(usage: _Usage, service_tier: str) -> Usage | None:
    prompt, details = usage.prompt_tokens, usage.prompt_tokens_details
    completion, completion_details = usage.completion_tokens, usage.completion_tokens_details
    if prompt is None:
        if usage.input_tokens is None:
            return None
        prompt, details = usage.input_tokens, usage.input_tokens_details
        completion, completion_details = usage.output_tokens, usage.output_tokens_details
        if usage.iterations:
            usage = _with_iterations(usage, usage.iterations)
            prompt, completion = usage.input_tokens or 0, usage.output_tokens
        if details is None:
            prompt += (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        # Anthropic's own tier stands here; its fast mode has a price of its own, which a tier can give it.
        service_tier = "fast" if usage.speed == "fast" else usage.service_tier or service_tier
    beyond = 0
    if usage.total_tokens and usage.total_tokens > prompt + (completion or 0):
        beyond = usage.total_tokens - prompt - (completion or 0)
    if completion is None:
        completion, beyond = beyond, 0
    completion += beyond
    quantities: dict[str, int] = {}
    left = prompt
    cached = usage.cache_read_input_tokens or usage.prompt_cache_hit_tokens or 0
    if cached or usage.cache_creation_input_tokens or details not in _PLAIN_PROMPTS:
        left = _take(quantities, _input_parts(details, usage, cached), prompt)
    if left:
        quantities["input"] = left
    left = completion
    if beyond or completion_details not in _PLAIN_COMPLETIONS:
        left = _take(quantities, _output_parts(completion_details, beyond), completion)
    if left:
        quantities["output"] = left
    if usage.server_tool_use is not None and usage.server_tool_use.web_search_requests:
        quantities["web_search"] = usage.server_tool_use.web_search_requests
    if not quantities:
        return None  # no call uses nothing: some servers fill in zeros for what they did not count
    return Usage(quantities, prompt, completion, service_tier)


def _with_iterations(usage: _Usage, iterations: list[_Iteration]) -> _Usage:
    """The usage with those iterations added that its totals leave out."""
    for one in iterations:
        if one.type not in _BEYOND_TOTALS:
            continue
        creation, its_creation = usage.cache_creation, one.cache_creation
        for_1h = (creation.ephemeral_1h_input_tokens or 0) if creation is not None else 0
        for_1h += (its_creation.ephemeral_1h_input_tokens or 0) if its_creation is not None else 0
        usage = msgspec.structs.replace(
            usage,
            input_tokens=(usage.input_tokens or 0) + (one.input_tokens or 0),
            output_tokens=(usage.output_tokens or 0) + (one.output_tokens or 0),
            cache_read_input_tokens=(usage.cache_read_input_tokens or 0) + (one.cache_read_input_tokens or 0),
            cache_creation_input_tokens=(usage.cache_creation_input_tokens or 0)
            + (one.cache_creation_input_tokens or 0),
            cache_creation=_CacheCreation(ephemeral_1h_input_tokens=for_1h),
        )
    return usage


# Source: anthropic-sdk-python, BetaUsage.iterations.
_BEYOND_TOTALS = frozenset({"compaction", "advisor_message"})


def _take(quantities: dict[str, int], parts: _Parts, total: int) -> int:
    """Note the parts, each at most what is left of the total, and return what is left for the plain rest."""
    for component, tokens in parts:
        if tokens and total:
            quantities[component] = taken = min(tokens, total)
            total -= taken
    return total


def _input_parts(details: _PromptDetails | None, usage: _Usage, cached: int) -> _Parts:
    """The special parts of the prompt, dearest first: where a sloppy report's parts overlap, the cheaper one
    is what shrinks."""
    written = usage.cache_creation_input_tokens or 0
    if details is not None:
        cached = details.cached_tokens or cached
        written = details.cache_write_tokens or details.cache_creation_tokens or written
        if details.audio_tokens or details.image_tokens:
            return _mixed_parts(usage, details, cached, written)
    return (*_written_parts(usage, written), ("cached_input", cached))


def _mixed_parts(usage: _Usage, details: _PromptDetails, cached: int, written: int) -> _Parts:
    audio, image = details.audio_tokens or 0, details.image_tokens or 0
    audio_cached = image_cached = 0
    if details.cached_tokens_details is not None:
        audio_cached = min(audio, details.cached_tokens_details.audio_tokens or 0)
        image_cached = min(image, details.cached_tokens_details.image_tokens or 0)
    return (
        ("audio_input", audio - audio_cached),
        ("image_input", image - image_cached),
        *_written_parts(usage, written),
        ("audio_cached_input", audio_cached),
        ("image_cached_input", image_cached),
        ("cached_input", max(0, cached - audio_cached - image_cached)),
    )


def _written_parts(usage: _Usage, written: int) -> _Parts:
    for_1h = 0
    if usage.cache_creation is not None:
        for_1h = min(written, usage.cache_creation.ephemeral_1h_input_tokens or 0)
    return (("cache_write_1h", for_1h), ("cache_write", written - for_1h))


def _output_parts(details: _CompletionDetails | None, beyond: int) -> _Parts:
    """`beyond` are the tokens that only the total counts: reasoning."""
    if details is None:
        return (("reasoning_output", beyond),)
    reasoning = details.reasoning_tokens or details.thinking_tokens or 0
    return (
        ("audio_output", details.audio_tokens or 0),
        ("image_output", details.image_tokens or 0),
        ("reasoning_output", max(reasoning, beyond)),
    )
