"""The console's files: what Vite built into data/console, for browsers.

Every address that is no file answers with the one page, whose script shows what stands there. Files are
not packed while serving: the build puts a packed copy beside each text file.
"""

from __future__ import annotations

import gzip
import mimetypes
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.ids import new_request_id
from posthouse.relay.answers import render_refusal
from posthouse.wire.headers import header_pairs

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

DATA = Path(str(resources.files("posthouse"))) / "data"
NONCE = b"__NONCE__"  # stands in the built page where each answer's own nonce belongs
NONCE_BYTES = 18
# Files under assets/ carry a hash of their content in their name, so a browser never asks for one again.
FOREVER = b"public, max-age=31536000, immutable"
ASK_EACH_TIME = b"no-cache"
NO_FILE = b"Not found.\n"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

COMMON_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


def content_policy(nonce: str) -> bytes:
    """What the console's page may load: only what this server gives, and styles that carry the nonce.
    Pictures also from memory, since the playground shows what its user is about to send."""
    return (
        "default-src 'none'; script-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ).encode()


def is_built() -> bool:
    """Whether this installation has the console that `Console` serves."""
    return (DATA / "console" / "index.html").exists()


class File(Struct, frozen=True):
    """One file as it goes out. `packed` is empty where the build did not pack it."""

    kind: bytes
    tag: bytes
    plain: bytes
    packed: bytes


class Console:
    """Serves the built console from `root`; where none is built, a page that says how to build it. A console
    that is built anew is served at once."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or DATA / "console"
        self._built_ns = 0  # when the page was written whose files are in memory
        self._page = b""
        self._files: dict[str, File | None] = {}

    async def __call__(self, scope: Scope, send: Send) -> None:
        """Answer one GET or HEAD; who sends anything else means the relay, and gets its refusal."""
        path, headers = scope["path"], dict(scope["headers"])
        if scope["method"] not in ("GET", "HEAD"):
            return await _refuse(scope, send, headers)
        self._follow_build()
        file = self._file(path)
        if file is not None:
            return await _answer_file(scope, send, file, headers, is_asset=path.startswith("/assets/"))
        if path.startswith("/assets/"):
            return await _answer(scope, send, 404, [(b"content-type", b"text/plain")], NO_FILE)
        if not _wants_page(path, headers):
            return await _refuse(scope, send, headers)
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        head = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", ASK_EACH_TIME),
            (b"vary", b"accept-encoding"),
            (b"content-security-policy", content_policy(nonce)),
        ]
        body = self._page.replace(NONCE, nonce.encode())
        if _unpacks(headers):  # a few kB, and nothing in it is worth guessing
            head.append((b"content-encoding", b"gzip"))
            body = gzip.compress(body, mtime=0)
        return await _answer(scope, send, 200, head, body)

    def _follow_build(self) -> None:
        page = self._root / "index.html"
        try:
            built_ns = page.stat().st_mtime_ns
        except FileNotFoundError:
            built_ns, page = -1, DATA / "welcome.html"
        if built_ns != self._built_ns:
            self._built_ns, self._files, self._page = built_ns, {}, page.read_bytes()

    def _file(self, path: str) -> File | None:
        """The built file of this address, read once; None for what was not built. Only names that a listing
        of the folder has are opened, so no address leads out of it."""
        if not self._files:
            names = (one.relative_to(self._root).as_posix() for one in self._root.rglob("*") if one.is_file())
            self._files = {f"/{name}": None for name in names if name != "index.html"}
        if path not in self._files:
            return None
        if (file := self._files[path]) is None:
            file = self._files[path] = self._read(path)
        return file

    def _read(self, path: str) -> File:
        plain = (self._root / path[1:]).read_bytes()
        packed = (self._root / f"{path[1:]}.gz").read_bytes() if f"{path}.gz" in self._files else b""
        suffix = Path(path).suffix
        kind = TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
        tag = f'"{sha256(plain).hexdigest()[:16]}"'
        return File(kind.encode(), tag.encode(), plain, packed)


def path_on_wire(scope: Scope) -> str:
    """The path as it was sent; "path" has its escapes resolved."""
    raw: bytes = scope.get("raw_path", b"")
    return raw.partition(b"?")[0].decode("latin-1") or str(scope["path"])


def _wants_page(path: str, headers: dict[bytes, bytes]) -> bool:
    """Whether a browser asks, rather than a program that has the address of the API wrong."""
    return path == "/" or b"text/html" in headers.get(b"accept", b"")


def _unpacks(headers: dict[bytes, bytes]) -> bool:
    return b"gzip" in headers.get(b"accept-encoding", b"")


async def _answer_file(
    scope: Scope, send: Send, file: File, headers: dict[bytes, bytes], *, is_asset: bool
) -> None:
    head = [
        (b"content-type", file.kind),
        (b"cache-control", FOREVER if is_asset else ASK_EACH_TIME),
        (b"etag", file.tag),
        (b"vary", b"accept-encoding"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    ]
    if headers.get(b"if-none-match") == file.tag:
        return await _answer(scope, send, 304, head, b"")
    if file.packed and _unpacks(headers):
        return await _answer(scope, send, 200, [*head, (b"content-encoding", b"gzip")], file.packed)
    return await _answer(scope, send, 200, head, file.plain)


async def _refuse(scope: Scope, send: Send, headers: dict[bytes, bytes]) -> None:
    """Most likely a program whose base URL has no /v1."""
    path = path_on_wire(scope)
    refusal = Refusal(RelayCode.ENDPOINT_NOT_SUPPORTED, path=path, method=scope["method"])
    status, block, body = render_refusal(refusal, headers, new_request_id(), path)
    await _answer(scope, send, status, header_pairs(block), body)


async def _answer(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> None:
    length = [] if status == 304 else [(b"content-length", b"%d" % len(body))]
    start = {"type": "http.response.start", "status": status, "headers": [*headers, *length, *COMMON_HEADERS]}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
