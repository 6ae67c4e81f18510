"""How many tokens a prompt has at most, told from its bytes alone."""

import re

# The dearest image of any model that is billed by it: gpt-4o-mini's, 2,833 + 8 tiles × 5,667.
IMAGE_TOKENS_MAX = 48_169

# The largest that Claude reads at full size: 2576 × 2576 pixels, a token for each 28 × 28.
CLAUDE_IMAGE_TOKENS_MAX = 8_464

# A file, a video or an earlier recording is named, not held, by the body: up to the longest context there is.
# So is what a tool of the provider's own finds, which the model then reads.
REFERENCE_TOKENS_MAX = 2_000_000

# Speech is understood down to some 750 bytes a second, 1,000 in base64; the most that is billed for one is
# Gemini's 32 tokens.
SOUND_BYTES_PER_TOKEN = 16

# A provider's own frame around prompt and tools, which it bills: Anthropic's for tools, 346, is the longest.
TEMPLATE_TOKENS_MAX = 512

# OpenAI and Gemini name media by a key, Anthropic by a block's type. The MIME type tells of documents and
# videos, which can be longer than their bytes say.
_IMAGE_KEYS = rb'"(?:image_url|inlineData|inline_data)"\s*+:'
_REFERENCE_KEYS = (
    rb'"(?:file|file_id|file_url|video_url|audio|fileUri|file_uri|cachedContent|cached_content)"\s*+:'
)
# Whether there can be any of these, or of the members that name objects (wire.objects): each call pays for
# this look, so it tells by few letters.
_MEDIA = re.compile(
    rb'"[ifvacdgmuw](?:mage|nline|ile|ideo|udio|ached|o(?:cument|ntainer|ogle)|pplication/pdf|cp_servers|rl|eb_|ode_?[eE]x)'
)
# Anthropic's by type, Gemini's by key. Their searches cost more than tokens, but less than a whole context.
_TOOLS = (
    rb'"(?:web_search|web_fetch|code_execution)_[0-9]++"'
    rb'|"(?:google_?[sS]earch\w*+|google_?[mM]aps|file_?[sS]earch|url_?[cC]ontext|code_?[eE]xecution|mcp_servers)"\s*+:'
)
_IMAGE = re.compile(_IMAGE_KEYS + rb'|"image"\s*+[,}]')
_REFERENCE = re.compile(
    _REFERENCE_KEYS + rb'|"document"\s*+[,}]|"(?i:application/pdf|video/[^"\\]*+)"|' + _TOOLS
)
_ELSEWHERE = re.compile(
    rb'"(?:file|file_id|file_url|video_url|fileUri|file_uri|cachedContent|cached_content)"\s*+:'
    rb'|"audio"\s*+:\s*+\{\s*+"id"|"document"\s*+[,}]|"(?i:application/(?!json")|text/|video/)[^"\\]*+"|'
    + _TOOLS
)
_SOUND = re.compile(rb'"(?:input_audio"|(?i:audio/))')
_BACKSLASH = ord("\\")  # as a number: CPython 3.11 takes fifteen times as long to look for b"\\"
_ESCAPED = re.compile(rb"\\(?:u00(3[0-9]|[4-7][0-9a-fA-F]|2[fF])|(/))")


def may_hold_media(body: bytes) -> bool:
    """False where the JSON body surely holds and names nothing but text: then its prompt has at most
    TEMPLATE_TOKENS_MAX tokens more than bytes, and it names no object that an upstream keeps."""
    if _MEDIA.search(body):
        return True
    return _BACKSLASH in body and (b"\\u00" in body or b"\\/" in body)


def prompt_tokens_bound(
    body: bytes, *, image_tokens_max: int = IMAGE_TOKENS_MAX, context_tokens_max: int | None = None
) -> int:
    """No upstream counts more prompt tokens in this JSON body than this.

    A token of byte-level BPE covers at least one byte, and JSON spells no text shorter than UTF-8 does; a
    number in a token array takes two bytes; sound comes in more bytes than tokens. Only images and what is
    merely named can cost more. `context_tokens_max` is the model's window, where known.
    """
    bound = len(body) + TEMPLATE_TOKENS_MAX
    if may_hold_media(body):
        images, references = _count_media(body)
        bound += images * image_tokens_max + references * REFERENCE_TOKENS_MAX
    return bound if context_tokens_max is None else min(bound, context_tokens_max)


def names_elsewhere(body: bytes) -> bool:
    """Whether the body names a file, a video, an earlier recording or a tool of the provider's own, or holds
    a document: then no count of what it holds tells how many tokens the prompt has."""
    return _ELSEWHERE.search(_plain(body)) is not None


def sound_tokens_bound(body: bytes) -> int:
    """What the sound in the body can cost at most beside the image that each piece of it counts as."""
    return len(body) // SOUND_BYTES_PER_TOKEN if _SOUND.search(_plain(body)) else 0


def _plain(body: bytes) -> bytes:
    """Keys as they read, by whatever escapes they are written."""
    if b"\\u00" not in body and b"\\/" not in body:
        return body
    return _ESCAPED.sub(lambda match: match[2] or bytes.fromhex(match[1].decode()), body)


def _count_media(body: bytes) -> tuple[int, int]:
    """How many images there are, and how much else that more may stand behind than its bytes tell."""
    body = _plain(body)
    return len(_IMAGE.findall(body)), len(_REFERENCE.findall(body))
