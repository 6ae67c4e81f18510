"""Whatever comes in at the socket: a clear error in OpenAI's envelope or a closed connection, nothing
charged, nothing forwarded, and another caller's running stream goes on."""

import gzip
import json
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.caller import CHAT, CONTINUE, Caller, Reply, chunked, parse_reply, request
from tests.unit.nesting import DEPTH

from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import eventually

MIB = 1024 * 1024
EMPTY_REQUEST = 40039
TOO_LARGE = 40255
NO_ENDPOINT = 48004
EMBED = b'{"model":"text-embedding-3-small","input":"smuggled"}'


@pytest.fixture(scope="module")
def relay(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    """The relay with short deadlines; everything else as it comes."""
    deadlines = {"POSTHOUSE_HEAD_TIMEOUT_S": "1", "POSTHOUSE_BODY_TIMEOUT_S": "1"}
    directory: Path = tmp_path_factory.mktemp("bad_input")
    with ServedRelay(directory, upstream.base_url, environment=deadlines) as relay:
        yield relay


@pytest.fixture(scope="module")
def neighbour_key(relay: ServedRelay) -> str:
    return relay.member("neighbour@example.org", credit="100")


@pytest.fixture(autouse=True)
def neighbour(
    relay: ServedRelay, neighbour_key: str, upstream: ScriptedUpstream, _fresh_upstream: None
) -> Iterator[None]:
    """Somebody else's stream, begun before each test and ended after it."""
    body = json.loads(CHAT) | {"stream": True, "script": {"stall_after": 3}}
    with Caller(relay.port) as caller:
        caller.send(request(neighbour_key, json.dumps(body).encode()))
        caller.read_until(b"Hello")
        yield
        upstream.resume()
        reply = caller.read_reply()
    assert reply.status == 200
    assert reply.events[-1] == b"[DONE]"


@pytest.fixture
def unused(relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream) -> Iterator[str]:
    """A member's key with which nothing may be had: no call reaches the upstream, nothing is recorded."""
    yield key
    assert [received.script.stall_after for received in upstream.received] == [3], "only the neighbour's"
    assert relay.usage(email) == []
    assert relay.balance(email) == 10_000_000_000


def ask(relay: ServedRelay, data: bytes, method: str = "GET") -> list[Reply]:
    """All that is answered to these bytes until the relay closes; the caller keeps its side open."""
    with Caller(relay.port) as caller:
        return caller.send(data).replies(method)


def ask_once(relay: ServedRelay, data: bytes, method: str = "GET") -> Reply:
    with Caller(relay.port) as caller:
        return caller.send(data).read_reply(method)


def let_read(relay: ServedRelay) -> None:
    """Until the relay, which has one loop, has read and answered what was sent to it before."""
    assert ask_once(relay, b"GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n").status == 200


# -- bodies ----------------------------------------------------------------------------------------------

WRONG_TYPES = [
    b'{"model":5}',
    b'{"model":"gpt-4o-mini","stream":"yes"}',
    b'{"model":"gpt-4o-mini","stream":1}',
    b'{"model":"gpt-4o-mini","max_tokens":"9"}',
    b'{"model":"gpt-4o-mini","max_tokens":1.5}',
    b'{"model":"gpt-4o-mini","max_completion_tokens":[]}',
    b'{"model":"gpt-4o-mini","n":{}}',
    b'{"model":"gpt-4o-mini","stream_options":[]}',
    b'{"model":"gpt-4o-mini","stream_options":{"include_usage":"1"}}',
    b'{"model":"gpt-4o-mini","service_tier":7}',
]
BROKEN_BODIES = [
    b'{"model":"gpt-4o-mini"',
    b'{"model":"gpt-4o-mini",}',
    b"{'model':'gpt-4o-mini'}",
    b'{"model":"gpt-4o-mini"}}',
    b'{"model":"gpt-4o-mini"}{"model":"gpt-4o-mini"}',
    b'{"model":"gpt-4o-mini","top_p":NaN}',
    b'{"model":"gpt-4o-mini","user":"a\nb"}',
    b'{"model":"gpt-4o-mini","user":"\\x"}',
    b'\xef\xbb\xbf{"model":"gpt-4o-mini"}',
    '{"model":"gpt-4o-mini"}'.encode("utf-16"),
    b"\x00",
    b"[]",
    b"null",
    b"1",
    b'"gpt-4o-mini"',
    b"",
    b" \r\n\t ",
    b"model=gpt-4o-mini&stream=true",
    b'{"model":"gpt-4o-mini","Model":"gpt-4"}',
    b'{"model":"gpt-4o-mini","messages":' + b"[" * DEPTH,
    b'{"model":"gpt-4o-mini","messages":' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    b'{"model":"gpt-4o-mini","messages":' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}",
    b"{" + b",".join(b'"f%d":1' % number for number in range(2000)) + b"}",
]


@pytest.mark.parametrize("body", WRONG_TYPES + BROKEN_BODIES, ids=lambda body: repr(body[:40]))
def test_a_body_that_is_no_parameters_is_a_400(relay: ServedRelay, unused: str, body: bytes) -> None:
    with Caller(relay.port) as caller:
        reply = caller.send(request(unused, body)).read_reply()
        assert (reply.status, reply.relay_code) == (400, EMPTY_REQUEST)
        assert reply.headers["x-should-retry"] == "false"
        # Only the body was bad: the connection goes on.
        assert caller.send(request(unused, method="GET", target="/v1/models")).read_reply().status == 200


@pytest.mark.parametrize("body", WRONG_TYPES[:-1], ids=lambda body: repr(body[:60]))
def test_a_wrong_type_names_the_field(relay: ServedRelay, unused: str, body: bytes) -> None:
    error = ask_once(relay, request(unused, body)).json["error"]
    assert error["param"] == list(json.loads(body))[-1]
    assert f"'{error['param']}'" in error["message"]


@pytest.mark.parametrize("body", [b"{}", b'{"model":""}', b'{"model":null}', b'{"messages":[]}'])
def test_a_body_without_a_model(relay: ServedRelay, unused: str, body: bytes) -> None:
    reply = ask_once(relay, request(unused, body))
    assert (reply.status, reply.relay_code) == (400, 48002)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "a\xff"],
)
def test_a_wrong_content_type(relay: ServedRelay, unused: str, content_type: str) -> None:
    data = request(unused).replace(b"application/json", content_type.encode("latin-1"))
    reply = ask_once(relay, data)
    assert (reply.status, reply.relay_code) == (400, EMPTY_REQUEST)


@pytest.mark.parametrize("content_type", [b"application/json; charset=utf-8", b"Application/JSON", b""])
def test_a_right_content_type(relay: ServedRelay, key: str, content_type: bytes) -> None:
    assert ask_once(relay, request(key).replace(b"application/json", content_type)).status == 200


@pytest.mark.parametrize(
    "content",
    [
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\\ud83d\\ude00"',
        '"\u4f60\u597d \U0001f600"'.encode(),
        b'"\\u0000"',
        b"1e400",
    ],
)
def test_strange_but_valid_text_passes_untouched(
    relay: ServedRelay, key: str, upstream: ScriptedUpstream, content: bytes
) -> None:
    body = b'{"model":"gpt-4o-mini", "messages" : [{"role":"user","content":%b}],"x":123456789012345678901}'
    body = body % content
    upstream.enqueue(Script(body=b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0}}'))
    assert ask_once(relay, request(key, body)).status == 200
    assert upstream.received[-1].body == body


def test_a_chunked_body_is_a_body(relay: ServedRelay, key: str, upstream: ScriptedUpstream) -> None:
    data = request(key).replace(b"content-length: %d" % len(CHAT), b"transfer-encoding: Chunked")
    pieces = [CHAT[at : at + 7] for at in range(0, len(CHAT), 7)]
    data = data.removesuffix(CHAT) + b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    assert ask_once(relay, data + b"0\r\nx-trailer: 1\r\n\r\n").status == 200
    assert upstream.received[-1].body == CHAT


def test_a_trailer_is_no_header(relay: ServedRelay, key: str, upstream: ScriptedUpstream) -> None:
    data = request(key).replace(b"content-length: %d" % len(CHAT), b"transfer-encoding: chunked")
    data = data.removesuffix(CHAT) + chunked(CHAT).removesuffix(b"\r\n")
    trailers = b"openai-beta: trailed\r\ncontent-encoding: br\r\ncontent-type: text/plain\r\n\r\n"
    assert ask_once(relay, data + trailers).status == 200
    assert upstream.received[-1].header("openai-beta") is None
    assert upstream.received[-1].header("content-type") == "application/json"


# -- packed bodies ---------------------------------------------------------------------------------------


def packed(key: str, body: bytes, encoding: str = "gzip") -> bytes:
    return request(key, body, f"content-encoding: {encoding}")


def test_a_gzip_body_is_unpacked(relay: ServedRelay, key: str, upstream: ScriptedUpstream) -> None:
    assert ask_once(relay, packed(key, gzip.compress(CHAT))).status == 200
    assert upstream.received[-1].body == CHAT
    assert upstream.received[-1].header("content-encoding") is None


# Without the time of packing: what a test is called must not change with the second.
PACKED = gzip.compress(CHAT, mtime=0)
PACKED_TWICE = gzip.compress(PACKED, mtime=0)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"no gzip at all", "gzip"),
        (PACKED[:-1], "gzip"),
        (PACKED[:12], "gzip"),
        (PACKED[:-8] + bytes(8), "gzip"),
        (gzip.compress(CHAT[:-1], mtime=0), "gzip"),
        (zlib.compress(CHAT), "gzip"),
        (PACKED_TWICE, "gzip"),
        (PACKED_TWICE, "gzip, gzip"),
        (CHAT, "br"),
        (CHAT, "zstd"),
    ],
    ids=[
        "no gzip",
        "a byte short",
        "cut early",
        "wrong checksum",
        "no whole JSON",
        "zlib",
        "packed twice",
        "said to be packed twice",
        "br",
        "zstd",
    ],
)
def test_a_badly_packed_body(relay: ServedRelay, unused: str, body: bytes, encoding: str) -> None:
    reply = ask_once(relay, packed(unused, body, encoding))
    assert (reply.status, reply.relay_code) == (400, EMPTY_REQUEST)


def test_a_gzip_bomb_is_a_413(relay: ServedRelay, unused: str) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(100)) + packer.flush()
    assert len(bomb) < 200_000
    reply = ask_once(relay, packed(unused, bomb))
    assert (reply.status, reply.relay_code) == (413, TOO_LARGE)


# -- large bodies ----------------------------------------------------------------------------------------


def test_100_mb_announced_is_a_413_for_who_sends_it_all_first(relay: ServedRelay, unused: str) -> None:
    with Caller(relay.port) as caller:
        head = request(unused, b"").replace(b"content-length: 0", b"content-length: %d" % (100 * MIB))
        caller.send(head)
        for _ in range(100):
            caller.send(bytes(MIB))
        (reply,) = caller.replies()
    assert (reply.status, reply.relay_code) == (413, TOO_LARGE)
    assert reply.headers["connection"] == "close"


def test_100_mb_in_chunks_is_a_413_for_who_sends_it_all_first(relay: ServedRelay, unused: str) -> None:
    with Caller(relay.port) as caller:
        caller.send(request(unused, b"").replace(b"content-length: 0", b"transfer-encoding: chunked"))
        for _ in range(100):
            caller.send(b"%x\r\n%b\r\n" % (MIB, bytes(MIB)))
        (reply,) = caller.send(b"0\r\n\r\n").replies()
    assert (reply.status, reply.relay_code) == (413, TOO_LARGE)


def test_a_large_body_without_a_key_is_refused_before_it_comes(relay: ServedRelay) -> None:
    with Caller(relay.port) as caller:
        reply = caller.send(
            request("", b"").replace(b"content-length: 0", b"content-length: %d" % (60 * MIB))
        ).read_reply()
    assert reply.status == 401


# -- heads -----------------------------------------------------------------------------------------------


def closed_or_refused(replies: list[Reply], *statuses: int) -> None:
    """Nothing but errors was said, in our envelope."""
    for reply in replies:
        assert reply.status in (statuses or (400,))
        assert reply.relay_code
        assert reply.whole


NO_HTTP: dict[str, Callable[[str], bytes]] = {
    "HTTP/0.9": lambda key: b"GET /v1/models\r\n\r\n",
    "no version": lambda key: b"GET\r\n\r\n",
    "garbage": lambda key: bytes(range(256)) * 4,
    "nul bytes": lambda key: bytes(1000),
    "http/2 preface": lambda key: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"),
    "version 2.0": lambda key: request(key, version="HTTP/2.0"),
    "version 0.9": lambda key: request(key, version="HTTP/0.9"),
    "version 1.2": lambda key: request(key, version="HTTP/1.2"),
    "version 11.1": lambda key: request(key, version="HTTP/11.1"),
    "lower-case method": lambda key: request(key).replace(b"POST", b"post"),
    "unknown method": lambda key: request(key).replace(b"POST", b"BREW"),
    "space in the target": lambda key: request(key, target="/v1/chat completions"),
    "high byte in the target": lambda key: request(key, target="/v1/\xe4"),
    "control in the target": lambda key: request(key, target="/v1/chat\x01completions"),
    "tls hello": lambda key: bytes.fromhex("16030100ca010000c60303") + bytes(200),
    "smtp": lambda key: b"EHLO relay.example\r\nMAIL FROM:<a@example.org>\r\n",
    "bare lf everywhere": lambda key: request(key).replace(b"\r\n", b"\n"),
    "bare lf in a header": lambda key: request(key, CHAT, "x-a: 1\nx-b: 2"),
    "bare cr in a header": lambda key: request(key, CHAT, "x-a: 1\rx-b: 2"),
    "obs-fold": lambda key: request(key, CHAT, "x-a: 1\r\n  folded: 2"),
    "space before the colon": lambda key: request(key, CHAT, "x-a : 1"),
    "space before content-length's colon": lambda key: request(key).replace(b"length:", b"length :"),
    "no colon": lambda key: request(key, CHAT, "x-a"),
    "empty header name": lambda key: request(key, CHAT, ": 1"),
    "nul in a header": lambda key: request(key, CHAT, "x-a: 1\x002"),
    "nul in a name": lambda key: request(key, CHAT, "x-\x00a: 1"),
    "control in a header": lambda key: request(key, CHAT, "x-a: 1\x7f2"),
    "no host": lambda key: request(key).replace(b"host: relay.example\r\n", b""),
    "two hosts": lambda key: request(key, CHAT, "host: other.example"),
    "two content types": lambda key: request(key, CHAT, "content-type: text/plain"),
    "two lengths": lambda key: request(key, CHAT, "content-length: 5"),
    "the same length twice": lambda key: request(key, CHAT, f"content-length: {len(CHAT)}"),
    "length and chunked": lambda key: request(key, CHAT, "transfer-encoding: chunked"),
    "length as a list": lambda key: request(key).replace(b"length: 7", b"length: 7,7"),
    "negative length": lambda key: request(key).replace(b"length: 7", b"length: -7"),
    "signed length": lambda key: request(key).replace(b"length: 7", b"length: +7"),
    "hexadecimal length": lambda key: request(key).replace(b"length: 7", b"length: 0x7"),
    "length too long for any number": lambda key: request(key).replace(
        b"length: 7", b"length: 9" + b"9" * 40
    ),
    "empty length": lambda key: request(key).replace(b"content-length: %d" % len(CHAT), b"content-length: "),
    **{
        f"transfer-encoding {coding}": lambda key, coding=coding: unsized(key, coding)
        for coding in (
            *(
                "xchunked",
                "chunkedx",
                "chunked, chunked",
                "gzip, chunked",
                "chunked, gzip",
                "gzip",
                "identity",
            ),
            *("chunked,", ",chunked", "\x0bchunked", "chunked;a=b", "chunked\x00", '"chunked"', ""),
        )
    },
    "chunked twice": lambda key: unsized(key, "chunked\r\ntransfer-encoding: chunked"),
    "chunked, then another": lambda key: unsized(key, "chunked\r\ntransfer-encoding: x"),
    "chunked in HTTP/1.0": lambda key: unsized(key, "chunked").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "chunk size too long": lambda key: unsized(key, body=b"f" * 17 + b"\r\n" + CHAT),
    "chunk size over 64 bits": lambda key: unsized(key, body=b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk size negative": lambda key: unsized(key, body=b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk size 0x": lambda key: unsized(key, body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with a space": lambda key: unsized(key, body=b" 5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with a space after": lambda key: unsized(key, body=b"5 \r\nhello\r\n0\r\n\r\n"),
    "chunk size missing": lambda key: unsized(key, body=b"\r\nhello\r\n0\r\n\r\n"),
    "chunk end missing": lambda key: unsized(key, body=b"%x\r\n%bXX0\r\n\r\n" % (len(CHAT), CHAT)),
    "chunk end bare lf": lambda key: unsized(key, body=b"%x\r\n%b\n0\r\n\r\n" % (len(CHAT), CHAT)),
    "chunk size bare lf": lambda key: unsized(key, body=b"%x\n%b\r\n0\r\n\r\n" % (len(CHAT), CHAT)),
    "chunk extension bare lf": lambda key: unsized(key, body=b"%x;a\n%b\r\n0\r\n\r\n" % (len(CHAT), CHAT)),
    "trailer obs-fold": lambda key: unsized(key, body=chunked(CHAT)[:-2] + b"a: 1\r\n b\r\n\r\n"),
}


def unsized(key: str, coding: str = "chunked", body: bytes | None = None) -> bytes:
    """A request whose body is framed by a transfer encoding."""
    line = f"transfer-encoding: {coding}".encode("latin-1")
    head = request(key, CHAT).removesuffix(CHAT).replace(b"content-length: %d" % len(CHAT), line)
    return head + (chunked(CHAT) if body is None else body)


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_sound_http_is_refused_and_closed(relay: ServedRelay, unused: str, name: str) -> None:
    replies = ask(relay, NO_HTTP[name](unused))
    assert len(replies) <= 1
    closed_or_refused(replies, 400, 401)


def test_a_real_tls_client_on_the_plain_port(relay: ServedRelay, unused: str) -> None:
    import socket

    context = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as plain, pytest.raises(OSError):
        context.wrap_socket(plain, server_hostname="relay.example")


FLOODS: dict[str, Callable[[str], bytes]] = {
    "many headers": lambda key: request(key, CHAT, *(f"x-{number}: 1" for number in range(1000))),
    "one header many times": lambda key: request(key, CHAT, *["x-a: 1"] * 1000),
    "a long header": lambda key: request(key, CHAT, "x-a: " + "a" * 200_000),
    "a long name": lambda key: request(key, CHAT, "a" * 200_000 + ": 1"),
    "a long target": lambda key: request(key, target="/v1/chat/completions?" + "a" * 200_000),
    "a long key": lambda key: request("sk-" + "a" * 200_000),
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_headers_is_a_413(relay: ServedRelay, unused: str, name: str, method: str) -> None:
    data = FLOODS[name](unused)
    if method == "GET":
        head = data.removesuffix(CHAT).replace(b"content-length: %d\r\n" % len(CHAT), b"")
        data = head.replace(b"POST /v1/chat/completions", b"GET /v1/models")
    (reply,) = ask(relay, data)
    assert (reply.status, reply.relay_code) == (413, TOO_LARGE)


ENDLESS = {
    "target": (b"GET /v1/", b"a" * 4096),
    "target of the other door": (b"GET /", b"a" * 4096),
    "header": (b"GET /v1/models HTTP/1.1\r\nhost: a\r\nx-a: ", b"a" * 4096),
    "header of the other door": (b"GET / HTTP/1.1\r\nhost: a\r\nx-a: ", b"a" * 4096),
    "headers": (b"GET /v1/models HTTP/1.1\r\n", b"x-a: 1\r\n" * 512),
    "method": (b"", b"G" * 4096),
    "empty lines": (b"", b"\r\n" * 2048),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_head_is_cut(relay: ServedRelay, unused: str, name: str) -> None:
    begin, more = ENDLESS[name]
    with Caller(relay.port) as caller:
        caller.send(begin)
        for _ in range(64):
            caller.send(more)
        closed_or_refused(caller.replies(), 400, 413)


def test_an_endless_head_behind_a_running_answer_is_cut(
    relay: ServedRelay, key: str, upstream: ScriptedUpstream
) -> None:
    """Sent ahead while a stream runs: what can't be a request must not fill the memory."""
    body = json.dumps(json.loads(CHAT) | {"stream": True, "script": {"stall_after": 2}}).encode()
    with Caller(relay.port) as caller:
        caller.send(request(key, body)).read_until(b"data: ")
        caller.send(b"GET /v1/models HTTP/1.1\r\nx-a: ")
        for _ in range(64):
            caller.send(b"a" * 4096)
        upstream.resume()
        (reply,) = caller.replies()
    assert reply.status == 200
    assert reply.events[-1] == b"[DONE]"


def test_endless_trailers_are_cut(relay: ServedRelay, unused: str) -> None:
    with Caller(relay.port) as caller:
        caller.send(unsized(unused, body=chunked(CHAT)[:-2]))
        for _ in range(64):
            caller.send(b"x-a: %b\r\n" % (b"a" * 4096))
        closed_or_refused(caller.replies(), 400, 413)


def test_slow_heads_and_bodies_are_given_up(relay: ServedRelay, unused: str) -> None:
    """All at once, as each takes its deadline."""
    head = request(unused).removesuffix(CHAT)
    slow = {
        "silence": b"",
        "half a head": head[:40],
        "a head without its end": head[:-2],
        "no body": head,
        "half a body": head + CHAT[:20],
        "half a chunked body": unsized(unused, body=b"5\r\nhel"),
        "chunks without an end": unsized(unused, body=chunked(CHAT)[:-5]),
        "half a head of the other door": b"GET / HTTP/1.1\r\nhost: a\r\n",
    }
    callers = {name: Caller(relay.port).send(data) for name, data in slow.items()}
    for name, caller in callers.items():
        with caller:
            replies = caller.replies()
        closed_or_refused(replies, 400, 408)
        assert name == "silence" or len(replies) == 1, name


@pytest.mark.parametrize("keep", [(), ("connection: keep-alive",), ("connection: close",)])
def test_the_other_door_answers_once(relay: ServedRelay, unused: str, keep: tuple[str, ...]) -> None:
    """It knows no deadline and no bound for a second head."""
    data = request(unused, b"", *keep, method="GET", target="/")
    (reply,) = ask(relay, b"\r\n" + data)
    assert reply.status == 200
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ((), {}),
        ((), {"method": "GET", "target": "/"}),
        (("connection: upgrade", "upgrade: h2c"), {}),
    ],
    ids=["a call", "the other door's", "an offer to upgrade"],
)
def test_what_comes_slowly_but_steadily_is_taken(
    relay: ServedRelay, key: str, headers: tuple[str, ...], fields: dict[str, str]
) -> None:
    data = request(key, CHAT if not fields else b"", *headers, **fields)
    with Caller(relay.port) as caller:
        for at in range(0, len(data), 40):
            caller.send(data[at : at + 40])
            time.sleep(0.01)
        assert caller.read_reply().status == 200


# -- smuggling -------------------------------------------------------------------------------------------


def smuggled(key: str) -> bytes:
    return request(key, EMBED, target="/v1/embeddings")


SMUGGLING: dict[str, Callable[[str, bytes], bytes]] = {
    "length counts, chunked given": lambda key, hidden: request(
        key, b"0\r\n\r\n" + hidden, "transfer-encoding: chunked"
    ),
    "chunked in another case": lambda key, hidden: request(
        key, b"0\r\n\r\n" + hidden, "Transfer-Encoding: CHUNKED"
    ),
    "chunked behind a tab": lambda key, hidden: request(
        key, b"0\r\n\r\n" + hidden, "transfer-encoding:\tchunked"
    ),
    "chunked with a space": lambda key, hidden: request(
        key, b"0\r\n\r\n" + hidden, "transfer-encoding : chunked"
    ),
    "chunked by a bare lf": lambda key, hidden: request(
        key, b"0\r\n\r\n" + hidden, "a: b\ntransfer-encoding: chunked"
    ),
    "a shorter length first": lambda key, hidden: request(key, CHAT + hidden, f"content-length: {len(CHAT)}"),
    "length 0 first": lambda key, hidden: request(key, hidden, "content-length: 0"),
    "xchunked": lambda key, hidden: unsized(key, "xchunked", b"0\r\n\r\n" + hidden),
    "identity": lambda key, hidden: unsized(key, "identity", hidden),
    "in a chunk extension": lambda key, hidden: unsized(key, body=b"1;a=\n" + hidden),
    "in a chunk that is too short": lambda key, hidden: unsized(key, body=b"2\r\n{}X\r\n0\r\n\r\n" + hidden),
    "behind a bad chunk": lambda key, hidden: unsized(key, body=b"zz\r\n\r\n0\r\n\r\n" + hidden),
    "chunk size wraps 64 bits": lambda key, hidden: unsized(
        key, body=b"10000000000000002\r\n{}\r\n0\r\n\r\n" + hidden
    ),
    "behind a wrong version": lambda key, hidden: request(key, version="HTTP/3.0") + hidden,
    "behind connect": lambda key, hidden: b"CONNECT relay.example:443 HTTP/1.1\r\nhost: a\r\n\r\n" + hidden,
    "behind the preface": lambda key, hidden: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
    "in HTTP/1.0 chunked": lambda key, hidden: unsized(key, body=b"0\r\n\r\n" + hidden).replace(
        b"HTTP/1.1", b"HTTP/1.0"
    ),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_a_hidden_request_is_never_executed(relay: ServedRelay, unused: str, name: str) -> None:
    replies = ask(relay, SMUGGLING[name](unused, smuggled(unused)))
    assert len(replies) <= 1
    closed_or_refused(replies, 400, 404, 413)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_a_body_where_none_is_wanted_is_no_request(
    relay: ServedRelay, unused: str, method: str, upstream: ScriptedUpstream
) -> None:
    """Its length says that it is a body; one that is too slow or large is not waited for."""
    head = request(
        unused, b"", f"content-length: {len(smuggled(unused))}", method=method, target="/v1/models"
    )
    with Caller(relay.port) as caller:
        caller.send(
            head + smuggled(unused) + request(unused, method="GET", target="/v1/models", version="HTTP/1.0")
        )
        replies = [caller.read_reply(method)]
        replies += caller.replies()
    assert [reply.status for reply in replies[1:]] in ([], [200])


# -- half-closed, ahead, continue ------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 20, 200, -30, -1])
def test_a_caller_that_closes_its_side_in_a_request_is_gone(relay: ServedRelay, unused: str, at: int) -> None:
    data = request(unused)
    with Caller(relay.port) as caller:
        caller.send(data[:at])
        caller.half_close()
        assert caller.read_all() == b""


def test_requests_in_one_segment_are_answered_in_order(
    relay: ServedRelay, key: str, email: str, upstream: ScriptedUpstream
) -> None:
    first = json.dumps(json.loads(CHAT) | {"script": {"delay_s": 0.1, "text": "first"}}).encode()
    third = json.dumps(json.loads(CHAT) | {"stream": True, "script": {"text": "third"}}).encode()
    with Caller(relay.port) as caller:
        caller.send(
            request(key, first) + request(key, method="GET", target="/v1/models") + request(key, third)
        )
        replies = [caller.read_reply() for _ in range(3)]
        assert b"first" in replies[0].body
        assert replies[1].json["object"] == "list"
        assert b"third" in replies[2].body
        assert caller.send(request(key)).read_reply().status == 200
    assert len(relay.usage(email)) == 3


def test_a_flood_of_requests_ahead_is_cut(relay: ServedRelay, key: str, email: str) -> None:
    slow = json.dumps(json.loads(CHAT) | {"script": {"delay_s": 0.03}}).encode()
    with Caller(relay.port) as caller:
        replies = caller.send(request(key, slow) * 200).replies()
    assert len(replies) <= 17
    assert len(relay.usage(email)) <= 17


def test_bodies_sent_ahead_and_cut_are_forgotten(relay: ServedRelay, key: str) -> None:
    """Each flood that is cut leaves nothing in the sum of bodies, which would refuse everybody in the end."""
    before = bodies_bytes(relay)
    slow = json.dumps(json.loads(CHAT) | {"script": {"delay_s": 5}}).encode()
    filler = b" " * 8000
    for _ in range(5):
        with Caller(relay.port) as caller:
            caller.send(request(key, slow) + request(key, CHAT + filler) * 30)
        with Caller(relay.port) as caller:
            caller.send(request(key, slow) + request(key, CHAT + filler) * 5 + b"nonsense\r\n\r\n")
    assert eventually(lambda: bodies_bytes(relay) <= before)


def bodies_bytes(relay: ServedRelay) -> float:
    lines = relay.metrics().splitlines()
    (line,) = [line for line in lines if line.startswith("posthouse_request_bodies_bytes ")]
    return float(line.split()[1])


def test_continue_is_said_once_the_key_is_good(relay: ServedRelay, key: str) -> None:
    head = request(key, CHAT, "expect: 100-continue").removesuffix(CHAT)
    with Caller(relay.port) as caller:
        assert caller.send(head).read_until(b"\r\n\r\n") == CONTINUE
        assert caller.send(CHAT).read_reply().status == 200


@pytest.mark.parametrize("expect", ["expect: 100-continue", "Expect: 100-Continue"])
def test_continue_is_not_said_to_who_has_no_key(relay: ServedRelay, unused: str, expect: str) -> None:
    head = request("", CHAT, expect).removesuffix(CHAT)
    with Caller(relay.port) as caller:
        caller.send(head).read_until(b"\r\n\r\n")
        assert not caller.received.startswith(CONTINUE)
        (reply,) = caller.replies()
    assert (reply.status, reply.relay_code) == (401, 41001)


def test_no_continue_for_a_body_that_will_not_be_taken(relay: ServedRelay, unused: str) -> None:
    head = request(unused, b"", "expect: 100-continue")
    head = head.replace(b"content-length: 0", b"content-length: %d" % (100 * MIB))
    with Caller(relay.port) as caller:
        caller.send(head).read_until(b"\r\n\r\n")
        assert not caller.received.startswith(CONTINUE)
        (reply,) = caller.replies()
    assert reply.status == 413


def test_no_continue_in_http_1_0(relay: ServedRelay, key: str) -> None:
    head = request(key, CHAT, "expect: 100-continue", version="HTTP/1.0").removesuffix(CHAT)
    with Caller(relay.port) as caller:
        caller.send(head)
        let_read(relay)
        caller.send(CHAT)
        assert not caller.read_all().startswith(CONTINUE)


# -- versions, methods, paths ----------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [(), ("connection: keep-alive",)])
def test_http_1_0_is_answered_and_closed(relay: ServedRelay, key: str, keep: tuple[str, ...]) -> None:
    data = request(key, CHAT, *keep, version="HTTP/1.0").replace(b"host: relay.example\r\n", b"")
    (reply,) = ask(relay, data)
    assert (reply.status, reply.whole) == (200, True)
    assert reply.headers["connection"] == "close"


def test_an_http_1_0_stream_is_not_chunked(relay: ServedRelay, key: str) -> None:
    body = json.dumps(json.loads(CHAT) | {"stream": True}).encode()
    (reply,) = ask(relay, request(key, body, version="HTTP/1.0"))
    assert "transfer-encoding" not in reply.headers
    assert reply.events[-1] == b"[DONE]"


def test_connection_close_is_respected(relay: ServedRelay, key: str) -> None:
    (reply,) = ask(relay, request(key, CHAT, "connection: close"))
    assert reply.status == 200
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize(
    "target",
    [
        *("/v1", "/v1/", "/v1/nothing", "/v1//chat/completions", "/v1/chat", "/v1/completions/x"),
        *("/v1/v1/chat/completions", "/v1/../v1/chat/completions", "/v1/chat/completions;a", "/v1/%00"),
        *("/v1/chat%2Fcompletions%00", "/v1/chat/comp%6Cetions", "/dashboard/", "/v1/engines/a/b"),
    ],
)
def test_an_unknown_path_is_a_404_that_says_so(relay: ServedRelay, unused: str, target: str) -> None:
    reply = ask_once(relay, request(unused, target=target))
    assert (reply.status, reply.relay_code) == (404, NO_ENDPOINT)


def test_a_doubled_prefix_says_what_is_right(relay: ServedRelay, unused: str) -> None:
    reply = ask_once(relay, request(unused, target="/v1/v1/chat/completions"))
    assert "/v1/chat/completions" in reply.json["error"]["message"]


@pytest.mark.parametrize(
    "target",
    [
        "/v1/chat/completions/",
        "/v1/chat/completions?api-version=2024-10-21",
        "http://relay.example/v1/chat/completions",
        "HTTP://relay.example:80/v1/chat/completions?a=b",
        "https://relay.example/v1/chat/completions",
        "/v1/engines/gpt-4o-mini/chat/completions",
        "/v1/engines/gpt-4o%2dmini/chat/completions",
    ],
)
def test_other_spellings_of_a_path_are_the_same_call(
    relay: ServedRelay, key: str, email: str, target: str
) -> None:
    assert ask_once(relay, request(key, target=target)).status == 200
    assert len(relay.usage(email)) == 1


@pytest.mark.parametrize(
    "target", ["/nothing", "/v2/chat/completions", "*", "http://relay.example/", "//v1/models"]
)
def test_what_is_not_the_relays_is_no_call(relay: ServedRelay, unused: str, target: str) -> None:
    reply = ask_once(relay, request(unused, target=target, method="GET"))
    assert reply.status in (200, 400, 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_a_wrong_method(relay: ServedRelay, unused: str, method: str) -> None:
    reply = ask_once(relay, request(unused, method=method, target="/v1/embeddings"), method)
    assert reply.status == 404
    assert method == "HEAD" or reply.relay_code == NO_ENDPOINT


def test_head_says_what_get_says_without_its_body(relay: ServedRelay, unused: str) -> None:
    with Caller(relay.port) as caller:
        get = caller.send(request(unused, method="GET", target="/v1/models")).read_reply()
        head = caller.send(request(unused, method="HEAD", target="/v1/models")).read_reply("HEAD")
        assert caller.send(request(unused, method="GET", target="/healthz")).read_reply().status == 200
    assert head.status == get.status == 200
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.body == b""


def test_a_browsers_preflight(relay: ServedRelay, unused: str) -> None:
    asked = ("origin: https://app.example", "access-control-request-method: POST")
    with Caller(relay.port) as caller:
        reply = caller.send(request("", b"", *asked, method="OPTIONS")).read_reply()
        assert reply.status == 204
        assert "content-length" not in reply.headers
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "POST" in reply.headers["access-control-allow-methods"]
        assert "authorization" in reply.headers["access-control-allow-headers"]
        refused = caller.send(request("", b"", "origin: https://app.example")).read_reply()
    assert refused.status == 401
    assert refused.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0"])
def test_an_offer_to_upgrade_is_answered_in_http_1_1(
    relay: ServedRelay, key: str, email: str, protocol: str
) -> None:
    """Java's client offers h2c with its first request, body and all."""
    lines = (
        "connection: Upgrade, HTTP2-Settings",
        f"upgrade: {protocol}",
        "http2-settings: AAEAAEAAAAIAAAAB",
    )
    data = request(key, CHAT, *lines)
    head = data.removesuffix(CHAT)
    with Caller(relay.port) as caller:
        caller.send(head)
        let_read(relay)  # the head comes apart from the body
        assert caller.send(CHAT).read_reply().status == 200
        assert caller.send(request(key)).read_reply().status == 200
    assert len(relay.usage(email)) == 2
    for target in ("/v1/models", "/"):
        assert ask_once(relay, request(key, b"", *lines, method="GET", target=target)).status == 200


@pytest.mark.parametrize("other", ["Bearer sk-other", "Basic eDp5", ""])
def test_two_authorizations_are_none(relay: ServedRelay, unused: str, other: str) -> None:
    reply = ask_once(relay, request(unused, CHAT, f"authorization: {other}"))
    assert reply.status in (400, 401)
    assert reply.relay_code in (EMPTY_REQUEST, 40038)


@pytest.mark.parametrize(
    ("authorization", "relay_code"),
    [
        ("", 41001),
        ("Bearer", 40038),
        ("Bearer ", 40038),
        ("Basic eDp5", 40038),
        ("Bearer sk-nonsense", 40038),
        ("Bearer " + "\xff" * 60, 40038),
        ("Bearer " + "a" * 50_000, 40038),
    ],
)
def test_no_usable_key(relay: ServedRelay, authorization: str, relay_code: int) -> None:
    reply = ask_once(relay, request("", CHAT, f"authorization: {authorization}"))
    assert (reply.status, reply.relay_code) == (401, relay_code)


# -- afterwards ------------------------------------------------------------------------------------------


def test_nothing_of_all_this_is_a_fault_of_ours(relay: ServedRelay, unused: str) -> None:
    """Whatever order the tests ran in: no crash, no unhandled error is in the log."""
    for data in [make(unused) for make in NO_HTTP.values()]:
        ask(relay, data)
    log = relay.log()
    for word in ("call_crashed", "Traceback", '"level":"error"', "Fatal error", "never retrieved"):
        assert word not in log
    assert relay.differences() == []


def test_parse_reply_tells_a_broken_answer() -> None:
    """The tests' own parser."""
    whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    for end in range(len(whole)):
        parsed = parse_reply(whole[:end])
        assert parsed is None or not parsed[0].whole
    assert parse_reply(whole + b"more") == (
        Reply(200, {"transfer-encoding": "chunked"}, b"a", whole=True),
        b"more",
    )
