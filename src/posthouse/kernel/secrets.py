"""API keys as issued, and credentials at rest."""

import hashlib
import os
import secrets
import zlib
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from posthouse.kernel.errors import PosthouseError

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARS = 43  # 62^43 > 2^256: 256 bits of randomness
_CHECK_CHARS = 6  # 62^6 > 2^32: a CRC-32


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def new_key(prefix: str) -> str:
    """A new API key: prefix, 256 random bits in base 62, CRC-32 of all before it. Never stored."""
    body = prefix + _base62(secrets.randbits(256), _RANDOM_CHARS)
    return body + _base62(zlib.crc32(body.encode()), _CHECK_CHARS)


def is_key_shaped(key: str) -> bool:
    """Whether the text can be a key of any prefix: long enough, ASCII, checksum right. Costs no look-up, so
    that rubbish costs nothing."""
    if not (_RANDOM_CHARS + _CHECK_CHARS <= len(key) <= 128 and key.isascii()):
        return False
    body, check = key[:-_CHECK_CHARS], key[-_CHECK_CHARS:]
    return _base62(zlib.crc32(body.encode()), _CHECK_CHARS) == check


def hash_key(key: bytes) -> bytes:
    """What is stored of a key: SHA-256 of all of it (256 random bits need no slow hash). 32 bytes."""
    return hashlib.sha256(key).digest()


class SecretText:
    """Text that hides from repr, logs and tracebacks; `reveal()` at the one place that needs it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "SecretText(…)"

    __str__ = __repr__


class UnreadableSecret(PosthouseError):
    """The stored ciphertext does not open with this master key."""


class SecretBox:
    """AES-256-GCM for credentials at rest; the name of what is sealed is authenticated with it, so that one
    row's ciphertext can't be moved to another."""

    def __init__(self, master_key: bytes) -> None:
        self._aead = AESGCM(master_key)

    def seal(self, name: str, text: str) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._aead.encrypt(nonce, text.encode(), name.encode())

    def open(self, name: str, sealed: bytes) -> SecretText:
        try:
            return SecretText(self._aead.decrypt(sealed[:12], sealed[12:], name.encode()).decode())
        except InvalidTag:
            raise UnreadableSecret(
                f"the credential of {name!r} does not open with this master key; "
                "restore the data directory's master.key or set the credential again"
            ) from None


def load_master_key(data_dir: Path, environment: str | None) -> bytes:
    """32 bytes: from the environment's hex text if given, else `data_dir/master.key`, made with mode 600 at
    the first start."""
    if environment:
        key = bytes.fromhex(environment)
        if len(key) != 32:
            raise ValueError("POSTHOUSE_MASTER_KEY must be 64 hex digits")
        return key
    path = data_dir / "master.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text().strip())
    key = secrets.token_bytes(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key
