"""The console's files over ASGI: what is served, how long it is kept, and what a page may load."""

import asyncio
import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from msgspec import Struct

from posthouse.kernel.errors import RelayCode
from posthouse.server.console import NONCE, Console

HTML = b'<!doctype html><script nonce="__NONCE__" src="/assets/main-1.js"></script>'
SCRIPT = b"console.log('a script that is long enough to be packed')"


class Reply(Struct):
    status: int
    headers: dict[str, str]
    body: bytes


def get(console: Console, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"method": method, "path": unquote(path), "raw_path": path.encode(), "headers": raw}
    asyncio.run(console(scope, send))
    start, body = sent
    pairs = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], pairs, body["body"])


@pytest.fixture
def built(tmp_path: Path) -> Path:
    root = tmp_path / "console"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_bytes(HTML)
    (root / "assets" / "main-1.js").write_bytes(SCRIPT)
    (root / "assets" / "main-1.js.gz").write_bytes(gzip.compress(SCRIPT))
    (root / "favicon.svg").write_bytes(b"<svg/>")
    (tmp_path / "secret.txt").write_text("not the console's")
    return root


BROWSER = {"accept": "text/html,*/*"}


@pytest.mark.parametrize("path", ["/", "/keys", "/admin/members/acc_1"])
def test_every_address_of_the_console_gets_the_page_with_a_nonce_of_its_own(built: Path, path: str) -> None:
    console = Console(built)
    first, second = get(console, path, BROWSER), get(console, path, BROWSER)
    nonces = []
    for reply in (first, second):
        assert reply.status == 200
        assert NONCE not in reply.body
        (nonce,) = re.findall(rb'nonce="([^"]+)"', reply.body)
        policy = reply.headers["content-security-policy"]
        assert f"'nonce-{nonce.decode()}'" in policy
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.headers["cache-control"] == "no-cache"
        assert reply.headers["x-content-type-options"] == "nosniff"
        nonces.append(nonce)
    assert nonces[0] != nonces[1]


def test_the_page_goes_out_packed_to_who_can_unpack(built: Path) -> None:
    reply = get(Console(built), "/", {**BROWSER, "accept-encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip"
    assert b"main-1" in gzip.decompress(reply.body)


def test_a_program_with_a_wrong_address_gets_no_page(built: Path) -> None:
    """But the relay's own refusal, which its client understands."""
    asked = get(Console(built), "/models", {"accept": "application/json"})
    posted = get(Console(built), "/chat/completions", {"accept-language": "zh"}, "POST")
    for reply in (asked, posted):
        error = json.loads(reply.body)["error"]
        assert (reply.status, error["relay_code"]) == (404, RelayCode.ENDPOINT_NOT_SUPPORTED)
        assert (error["code"], reply.headers["x-should-retry"]) == ("endpoint_not_supported", "false")
        assert reply.headers["x-posthouse-request-id"]
    assert "GET /models is not an endpoint" in json.loads(asked.body)["error"]["message"]
    escaped = get(Console(built), "/v1%2fmodels", method="POST")
    assert "POST /v1%2fmodels is not an endpoint" in json.loads(escaped.body)["error"]["message"]
    assert "以 /v1 结尾" in json.loads(posted.body)["error"]["message"]


def test_files_are_kept_for_ever_and_go_out_packed_to_who_can_unpack(built: Path) -> None:
    console = Console(built)
    plain = get(console, "/assets/main-1.js")
    assert (plain.status, plain.body) == (200, SCRIPT)
    assert plain.headers["content-type"].startswith("text/javascript")
    assert "immutable" in plain.headers["cache-control"]
    packed = get(console, "/assets/main-1.js", {"accept-encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == SCRIPT
    again = get(console, "/assets/main-1.js", {"if-none-match": plain.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    head = get(console, "/assets/main-1.js", method="HEAD")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(SCRIPT)))
    assert get(console, "/favicon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/assets/../../secret.txt", "/assets/%2e%2e/secret.txt", "/../secret.txt", "/assets/none.js"]
)
def test_nothing_else_of_the_disk_is_served(built: Path, path: str) -> None:
    reply = get(Console(built), path, {"accept": "*/*"})
    assert reply.status == 404
    assert b"not the console's" not in reply.body


def test_a_console_that_is_built_anew_is_served_at_once(built: Path) -> None:
    console = Console(built)
    assert b"main-1" in get(console, "/").body
    (built / "assets" / "main-2.js").write_bytes(SCRIPT)
    (built / "index.html").write_bytes(HTML.replace(b"main-1", b"main-2 "))
    assert b"main-2" in get(console, "/").body
    assert get(console, "/assets/main-2.js").status == 200


def test_where_none_is_built_a_page_says_how_to(tmp_path: Path) -> None:
    console = Console(tmp_path / "none")
    reply = get(console, "/")
    assert reply.status == 200
    assert b"scripts/console build" in reply.body
    assert "尚未构建".encode() in reply.body
    assert NONCE not in reply.body
    assert get(console, "/assets/main.js").status == 404
