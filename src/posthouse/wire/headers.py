"""Which headers pass through the relay, in each direction: allow-lists. Pure.

Towards the upstream nothing goes that tells who asked: no address, user agent, cookie, forwarding header or
client-library telemetry. Towards the caller go what describes the answer and what OpenAI's clients read;
the upstream's rate limits and cookies are the operator's, not the caller's.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache

# caller → upstream, by dialect. Everything else that the upstream needs (host, authorization, length) is the
# relay's own.
FORWARDED_REQUEST_HEADERS = {
    "openai": (b"content-type", b"accept", b"openai-beta"),
    "anthropic": (b"content-type", b"accept", b"anthropic-version", b"anthropic-beta"),
    "gemini": (b"content-type", b"accept"),
}

# upstream → caller, beside every `openai-*` header.
FORWARDED_ANSWER_HEADERS = frozenset(
    (
        b"content-type",
        b"content-encoding",
        b"content-language",
        b"cache-control",
        b"retry-after",
        b"retry-after-ms",
        b"x-should-retry",
        b"x-request-id",
        b"request-id",  # Anthropic's
    )
)


def request_header_block(headers: dict[bytes, bytes], dialect: str = "openai") -> bytes:
    """The caller's allowed headers as `name: value\\r\\n` lines."""
    names = FORWARDED_REQUEST_HEADERS[dialect]
    return _request_block(names, tuple(map(headers.get, names)))


@lru_cache(maxsize=256)  # a client sends the same ones with every call
def _request_block(names: tuple[bytes, ...], values: tuple[bytes | None, ...]) -> bytes:
    pairs = zip(names, values, strict=True)
    return b"".join([b"%b: %b\r\n" % (name, value) for name, value in pairs if value is not None])


def with_defaults(block: bytes, defaults: Mapping[str, str]) -> bytes:
    """The block and those of the defaults that the caller has not sent; their names are lower-case."""
    lines = [f"{name}: {value}\r\n".encode("latin-1") for name, value in defaults.items()]
    return block + b"".join(
        [line for line in lines if b"\r\n" + line[: line.index(b":") + 1] not in b"\r\n" + block]
    )


@lru_cache(maxsize=1024)  # an upstream sends the same ones with every answer
def passes(name: bytes) -> bool:
    """Whether an answer's header of this name, in lower case, goes on to the caller."""
    return name in FORWARDED_ANSWER_HEADERS or name.startswith(b"openai-")


def answer_header_block(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The upstream's allowed headers as `name: value\\r\\n` lines; names are lower-case already."""
    return b"".join([b"%b: %b\r\n" % header for header in headers if passes(header[0])])


def header_pairs(block: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of a block one by one, as ASGI takes them."""
    lines = (line.partition(b": ") for line in block.split(b"\r\n") if line)
    return [(name, value) for name, _, value in lines]


def retry_after_s(headers: list[tuple[bytes, bytes]], now_ms: int) -> float | None:
    """In how many seconds an upstream wants to be asked again; None when it does not say. Seconds or a date
    (RFC 9110), or OpenAI's `retry-after-ms`, which goes before them."""
    given = dict(headers)
    try:
        if b"retry-after-ms" in given:
            return max(0.0, float(given[b"retry-after-ms"]) / 1000)
        text = given.get(b"retry-after", b"").decode("latin-1").strip()
        if not text:
            return None
        if text.replace(".", "", 1).isdecimal():
            return float(text)
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_ms / 1000)
    except ValueError:
        return None
