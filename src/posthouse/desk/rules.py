"""What tickets, announcements, pages and images may be, and what counts as a signal of abuse. Pure."""

import hashlib
import unicodedata
from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

from posthouse.kernel.problems import UnfitValue

TicketStatus = Literal["open", "answered", "closed"]
PageName = Literal["landing", "faq", "payment", "terms", "privacy"]
Signal = Literal["keys_of_address", "accounts_of_address", "addresses_of_key", "registrations"]
PAGE_NAMES: tuple[PageName, ...] = get_args(PageName)

SUBJECT_CHARS_MAX = 120  # a line of a list
MESSAGE_CHARS_MAX = 10_000  # a log excerpt fits in, a flood does not
OPEN_TICKETS_MAX = 20  # of one member: whoever has more is no longer asking
TICKET_MESSAGES_MAX = 200  # a thread that a page shows whole
TITLE_CHARS_MAX = 120
ANNOUNCEMENT_CHARS_MAX = 20_000
PAGE_CHARS_MAX = 100_000  # longer than any terms of use; a page is rendered by the reader's browser
NOTE_CHARS_MAX = 4_000
REASON_CHARS_MAX = 200
FREEZE_MAX = 200  # accounts at once: more are a mistake
IMAGE_BYTES_MAX = 256 * 1024  # a logo; more would slow down the first view of every page

# What an image's first bytes say that it is. No SVG: it may hold scripts.
_IMAGES = (
    ("png", "image/png", b"\x89PNG\r\n\x1a\n", b""),
    ("jpg", "image/jpeg", b"\xff\xd8\xff", b""),
    ("webp", "image/webp", b"RIFF", b"WEBP"),
)
_NAME_CHARS = 32
_UNSHOWN = frozenset(("Cc", "Cs", "Zl", "Zp"))
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Thresholds(Struct, frozen=True, kw_only=True):
    """How many of something over the last days make a signal."""

    days: int = 7
    keys_of_address: int = 5
    accounts_of_address: int = 3
    addresses_of_key: int = 20
    registrations: int = 3  # from one address, over any of the days


def is_shown(char: str) -> bool:
    """Whether a character can stand in a text: no control, lone surrogate or line separator, and nothing that
    turns the direction of what follows and so makes a text read as another (Unicode TR 36)."""
    return unicodedata.category(char) not in _UNSHOWN and char not in _TURNING


def parse_line(field: str, text: str, chars_max: int) -> str:
    """One line of text, trimmed. Raises UnfitValue."""
    line = text.strip()
    if not line:
        raise UnfitValue(field, "empty")
    if len(line) > chars_max:
        raise UnfitValue(field, "string_too_long", max_length=chars_max)
    if not all(map(is_shown, line)):
        raise UnfitValue(field, "not_one_line")
    return line


def parse_text(field: str, text: str, chars_max: int) -> str:
    """A text of several lines, trimmed, its line ends as "\\n". Raises UnfitValue."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not lines:
        raise UnfitValue(field, "empty")
    if len(lines) > chars_max:
        raise UnfitValue(field, "string_too_long", max_length=chars_max)
    if any(char not in "\n\t" and not is_shown(char) for char in lines):
        raise UnfitValue(field, "unshown")
    return lines


def check_period(from_ms: int, until_ms: int | None) -> None:
    """Raises UnfitValue for a period that ends before it begins."""
    if until_ms is not None and until_ms <= from_ms:
        raise UnfitValue("until_ms", "before_its_begin")


def image_name(body: bytes) -> str:
    """The name that an image is kept under, made of its content: "HASH.png". Raises UnfitValue for what is no
    image of a safe kind."""
    if len(body) > IMAGE_BYTES_MAX:
        raise UnfitValue("image", "image_too_large", kib=IMAGE_BYTES_MAX // 1024)
    for suffix, _, head, kind in _IMAGES:
        if body.startswith(head) and body[8:].startswith(kind):
            return f"{hashlib.sha256(body).hexdigest()[:_NAME_CHARS]}.{suffix}"
    raise UnfitValue("image", "no_image")


def media_type(name: str) -> str:
    """Of an image that `image_name` named."""
    return next(media for suffix, media, _, _ in _IMAGES if name.endswith(f".{suffix}"))


class Use(Struct, frozen=True):
    """Calls from one address (its keyed hash) with one key."""

    address_hash: bytes
    account_id: str
    key_id: str
    requests: int


class Finding(Struct, frozen=True, kw_only=True):
    """A signal of abuse. `subject`: the address's hash in hex, or the key's id; `size`: how many keys,
    accounts, addresses or registrations; `requests`: calls behind it, 0 for registrations."""

    signal: Signal
    subject: str
    size: int
    requests: int
    account_ids: tuple[str, ...]
    key_ids: tuple[str, ...]


def findings_in(uses: Iterable[Use], thresholds: Thresholds) -> list[Finding]:
    """What the calls of some days say. An address with many accounts is not told once more for its keys."""
    by_address: dict[bytes, list[Use]] = {}
    by_key: dict[str, list[Use]] = {}
    for use in uses:
        by_address.setdefault(use.address_hash, []).append(use)
        by_key.setdefault(use.key_id, []).append(use)
    found = [_of_address(address, some, thresholds) for address, some in by_address.items()]
    found += [_of_key(key_id, some, thresholds) for key_id, some in by_key.items()]
    return [one for one in found if one is not None]


def _of_address(address: bytes, uses: list[Use], thresholds: Thresholds) -> Finding | None:
    accounts, keys = {use.account_id for use in uses}, {use.key_id for use in uses}
    if len(accounts) >= thresholds.accounts_of_address:
        return _finding("accounts_of_address", address.hex(), len(accounts), uses)
    if len(keys) >= thresholds.keys_of_address:
        return _finding("keys_of_address", address.hex(), len(keys), uses)
    return None


def _of_key(key_id: str, uses: list[Use], thresholds: Thresholds) -> Finding | None:
    addresses = {use.address_hash for use in uses}
    if len(addresses) < thresholds.addresses_of_key:
        return None
    return _finding("addresses_of_key", key_id, len(addresses), uses)


def _finding(signal: Signal, subject: str, size: int, uses: list[Use]) -> Finding:
    return Finding(
        signal=signal,
        subject=subject,
        size=size,
        requests=sum(use.requests for use in uses),
        account_ids=tuple(sorted({use.account_id for use in uses})),
        key_ids=tuple(sorted({use.key_id for use in uses})),
    )
