"""API keys as issued, and credentials at rest."""

import fcntl
import hashlib
import os
import secrets
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from posthouse.kernel.errors import PosthouseError

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARS = 43  # 62^43 > 2^256: 256 bits of randomness
_CHECK_CHARS = 6  # 62^6 > 2^32: a CRC-32

# In the data directory. Beside the key: the one that a rotation under way replaces, and one being written.
MASTER_KEY, OLD_MASTER_KEY, NEW_MASTER_KEY = "master.key", "master.key.old", "master.key.new"


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
    row's ciphertext can't be moved to another.

    The first key seals; each opens, and so does every one that `reload` has ever given: a rotation by another
    process is followed when something no longer opens."""

    def __init__(self, *keys: bytes, reload: Callable[[], tuple[bytes, ...]] = tuple) -> None:
        self._reload = reload
        self._boxes = {key: AESGCM(key) for key in keys}

    @property
    def key_count(self) -> int:
        return len(self._boxes)

    def reload(self) -> None:
        """Take the keys as they are now. Raises OSError, ValueError."""
        keys = self._reload()
        if keys:
            self._boxes = {key: AESGCM(key) for key in keys} | self._boxes

    def derive(self, purpose: str) -> bytes:
        """A key for something else, 32 bytes, of the key that seals."""
        return hashlib.sha256(purpose.encode() + next(iter(self._boxes))).digest()

    def seal(self, name: str, text: str) -> bytes:
        nonce = os.urandom(12)
        box = next(iter(self._boxes.values()))
        return nonce + box.encrypt(nonce, text.encode(), name.encode())

    def open(self, name: str, sealed: bytes) -> SecretText:
        """Raises UnreadableSecret; OSError or ValueError where the keys themselves can't be read again."""
        text = self._open(name, sealed)
        if text is None:
            self.reload()
            text = self._open(name, sealed)
        if text is None:
            raise UnreadableSecret(
                f"the credential of {name!r} does not open with this master key; "
                "restore the data directory's master.key or set the credential again"
            )
        return text

    def _open(self, name: str, sealed: bytes) -> SecretText | None:
        for box in self._boxes.values():
            with suppress(InvalidTag, ValueError):  # ValueError: too short to be one
                return SecretText(box.decrypt(sealed[:12], sealed[12:], name.encode()).decode())
        return None


def master_box(data_dir: Path, environment: str = "") -> SecretBox:
    """The box of the master keys, made at the first start. Raises OSError, ValueError."""
    return SecretBox(
        *load_master_keys(data_dir, environment), reload=lambda: load_master_keys(data_dir, environment)
    )


def load_master_keys(data_dir: Path, environment: str = "") -> tuple[bytes, ...]:
    """The keys, 32 bytes each, that which seals first: from the environment's hex texts, separated by commas,
    if there are any; else from `data_dir/master.key`, made with mode 600 at the first start, and the one that
    a rotation under way replaces. Raises OSError, ValueError."""
    if environment:
        return tuple(_key_of(text, "POSTHOUSE_MASTER_KEY") for text in environment.split(","))
    try:
        keys = [_read_key(data_dir / MASTER_KEY)]
    except FileNotFoundError:
        return (_make_key(data_dir / MASTER_KEY),)
    with suppress(FileNotFoundError):
        keys.append(_read_key(data_dir / OLD_MASTER_KEY))
    return tuple(dict.fromkeys(keys))


@contextmanager
def rotation(data_dir: Path) -> Iterator[SecretBox]:
    """Put a new key in place of `master.key`; the body has to seal with the box, which opens everything, all
    that there is. The old key stays beside it until then, so that whoever is killed in between leaves files
    that open everything, and the next rotation goes on with. One at a time. Raises OSError, ValueError."""
    directory = os.open(data_dir, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        keys = load_master_keys(data_dir)
        if len(keys) == 1:
            _write_key(data_dir / OLD_MASTER_KEY, keys[0], directory)
            _write_key(data_dir / MASTER_KEY, secrets.token_bytes(32), directory)
        yield master_box(data_dir)
        (data_dir / OLD_MASTER_KEY).unlink()
        os.fsync(directory)
    finally:
        os.close(directory)


def _make_key(path: Path) -> bytes:
    """A first key. Of several that begin at once one makes it, and all get that one."""
    descriptor, own = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    _write_file(descriptor, secrets.token_bytes(32))
    with suppress(FileExistsError):
        os.link(own, path)
    os.unlink(own)
    return _read_key(path)


def _write_key(path: Path, key: bytes, directory: int) -> None:
    """The whole file or none of it, on disk when this returns."""
    new = path.with_name(NEW_MASTER_KEY)
    _write_file(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), key)
    new.replace(path)
    os.fsync(directory)


def _write_file(descriptor: int, key: bytes) -> None:
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read_key(path: Path) -> bytes:
    return _key_of(path.read_text(), path.name)


def _key_of(text: str, source: str) -> bytes:
    key = bytes.fromhex(text.strip())
    if len(key) != 32:
        raise ValueError(f"{source} must be 64 hex digits")
    return key
