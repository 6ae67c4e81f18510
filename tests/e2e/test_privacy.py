"""Nothing that a caller or an upstream says is written anywhere, and the upstream is not told who asked.

A marker stands wherever text can. Then the data directory, the log, the metrics, temporary files and the
heads that the upstream received are searched for it, the member's key and the upstream's credential."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import text, update
from tests.e2e.caller import Caller, Reply, request

from posthouse.kernel.clock import now_ms
from posthouse.people.owners import put_owner
from posthouse.store.changes import announce
from posthouse.store.schema import keys
from posthouse.testing.operated import MINIMAL
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream, event
from posthouse.testing.waiting import PATIENCE_S, eventually

MARK = "kanari7q9x"  # in every text below
ADDRESS = "203.0.113.77"
CREDENTIAL = "sk-upstream-credential"
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
TELLING_HEADERS = (
    *(f"user-agent: {MARK}/1.0", f"cookie: session={MARK}", f"referer: https://{MARK}.example/"),
    *(f"x-forwarded-for: {ADDRESS}", f"x-real-ip: {ADDRESS}", f"forwarded: for={ADDRESS};host={MARK}"),
    *(f"via: 1.1 {MARK}", f"from: {MARK}@example.org", f"origin: https://{MARK}.example"),
    *(f"x-stainless-os: {MARK}", f"x-stainless-runtime: {MARK}", f"x-stainless-retry-count: {MARK}"),
    *(f"openai-organization: {MARK}", f"openai-project: {MARK}", f"x-request-id: {MARK}"),
    *(f"traceparent: 00-{MARK}", f"baggage: {MARK}=1", f"x-client-request-id: {MARK}", f"{MARK}: {MARK}"),
    *(f"accept-language: {MARK}, en", f"priority: {MARK}", f"x-api-key: {MARK}", f"te: {MARK}"),
)


# A channel that no fault takes out.
PATIENT = MINIMAL + "health = { consecutive = 1000000, calls_min = 1000000 }\n"


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def relay(
    upstream: ScriptedUpstream, temporary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedRelay]:
    """Behind a proxy that is trusted, so that it knows the caller's address; as talkative as it gets."""
    environment = {
        "POSTHOUSE_TRUSTED_PROXIES": "127.0.0.1/32",
        "POSTHOUSE_LOG_LEVEL": "debug",
        "TMPDIR": str(temporary),
    }
    directory: Path = tmp_path_factory.mktemp("privacy")
    relay = ServedRelay(
        directory, upstream.base_url, PATIENT, upstream_key=CREDENTIAL, environment=environment
    )
    with relay:
        yield relay


def spellings(secret: str) -> Iterator[bytes]:
    """The text as it would stand in a file: plain, in hexadecimal, in UTF-16, in base64 at any offset."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield secret.encode("utf-16-le")
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + raw)
        yield encoded[4 if offset else 0 : len(encoded) - 4]


def found_in(data: bytes, secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if any(form in data for form in spellings(secret))]


class Traces:
    """Everything that the process wrote and said, but to its callers."""

    def __init__(self, relay: ServedRelay, upstream: ScriptedUpstream, temporary: Path) -> None:
        self.files = [path for path in relay.data.rglob("*") if path.is_file()]
        self.files += [path for path in temporary.rglob("*") if path.is_file()]
        self.log = relay.log_path.read_bytes()
        self.metrics = relay.metrics().encode()
        self.heads = b"".join(received.head.raw for received in upstream.received)

    def check(self, member_keys: list[str]) -> None:
        told = [MARK, ADDRESS, *member_keys, *(key[3:] for key in member_keys)]
        for path in self.files:
            assert found_in(path.read_bytes(), [*told, CREDENTIAL]) == [], path
        assert found_in(self.log, [*told, CREDENTIAL]) == []
        assert found_in(self.metrics, [*told, CREDENTIAL]) == []
        assert found_in(self.heads.lower(), told) == []
        assert {path.name for path in self.files} >= {"posthouse.db", "posthouse.db-wal"}


@pytest.fixture
def check(relay: ServedRelay, upstream: ScriptedUpstream, temporary: Path, key: str) -> Callable[[], None]:
    return lambda: Traces(relay, upstream, temporary).check([key])


def body_of(script: Script | None = None, **fields: Any) -> bytes:
    """A chat with the marker in every field that takes text."""
    tool = {"name": MARK, "description": MARK, "parameters": {"type": "object", "title": MARK}}
    body = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": MARK, "name": MARK},
            {"role": "user", "content": [{"type": "text", "text": MARK}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:{MARK}"}}]},
            {"role": "tool", "tool_call_id": MARK, "content": MARK},
        ],
        "user": MARK,
        "safety_identifier": MARK,
        "prompt_cache_key": MARK,
        "metadata": {MARK: MARK},
        "tools": [{"type": "function", "function": tool}],
        "stop": [MARK],
        MARK: MARK,
        **fields,
    }
    if script is not None:
        body["script"] = json.loads(msgspec.json.encode(script))
    return json.dumps(body).encode()


def call(
    relay: ServedRelay, key: str, body: bytes, *headers: str, target: str = "/v1/chat/completions"
) -> Reply:
    lines = (*TELLING_HEADERS, *headers, "connection: close")
    with Caller(relay.port) as caller:
        (reply,) = caller.send(request(key, body, *lines, target=f"{target}?q={MARK}")).replies()
        return reply


ANSWER = {
    "id": MARK,
    "system_fingerprint": MARK,
    "service_tier": MARK,
    "model": MARK,
    MARK: MARK,
    "choices": [
        {
            "index": 0,
            "finish_reason": MARK,
            "message": {
                "role": "assistant",
                "content": MARK,
                "refusal": MARK,
                "tool_calls": [{"id": MARK, "function": {"name": MARK, "arguments": f'{{"a":"{MARK}"}}'}}],
            },
        }
    ],
}
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, MARK: 3, "prompt_tokens_details": {MARK: 1}}
DELTAS = [
    event({"id": MARK, "service_tier": MARK, "choices": [{"index": 0, "delta": {"content": MARK}}]}),
    event({"choices": [{"index": 0, "delta": {"reasoning_content": MARK, "refusal": MARK}}]}),
    event(
        {
            "choices": [
                {"index": 0, "delta": {"tool_calls": [{"function": {"name": MARK, "arguments": MARK}}]}}
            ]
        }
    ),
    f"event: {MARK}\n: {MARK}\ndata: no json {MARK}\n\n".encode(),
    event({"choices": [{"index": 0, "delta": {}, "finish_reason": MARK}], "usage": USAGE}),
    event("[DONE]"),
]
ERROR = json.dumps({"error": {"message": MARK, "type": MARK, "code": MARK, "param": MARK}}).encode()
SPOKEN = {
    "whole": Script(body=json.dumps(ANSWER | {"usage": USAGE}).encode(), headers=(("set-cookie", MARK),)),
    "without usage": Script(body=json.dumps(ANSWER).encode()),
    "stream": Script(events=tuple(DELTAS)),
    "stream without usage": Script(events=(*DELTAS[:4], DELTAS[5])),
    "stream that breaks": Script(events=tuple(DELTAS), cut_after=3),
    "stream that breaks in an event": Script(raw=SSE + b"".join(DELTAS)[:-40], close="silent"),
    "stream with an error": Script(events=(DELTAS[0], event(ERROR))),
    "error 400": Script(status=400, body=ERROR),
    "error 401": Script(status=401, body=ERROR),
    "error 500": Script(status=500, body=ERROR),
    "no json": Script(body=MARK.encode()),
    "no http": Script(raw=f"{MARK}\r\n\r\n".encode()),
    "strange status line": Script(raw=f"HTTP/1.1 200 {MARK}\r\n{MARK}\r\n\r\n".encode()),
    "strange header": Script(
        raw=f"HTTP/1.1 200 OK\r\n{MARK}: {MARK}\r\ncontent-length: x{MARK}\r\n\r\n".encode()
    ),
    "strange chunk": Script(raw=f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{MARK}\r\n".encode()),
    "cut answer": Script(body=json.dumps(ANSWER).encode(), cut_at=-20),
    "badly packed": Script(
        raw=f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 10\r\n\r\n{MARK}".encode()
    ),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", SPOKEN)
def test_what_is_asked_and_answered_leaves_no_trace(
    relay: ServedRelay, key: str, check: Callable[[], None], name: str, stream: bool
) -> None:
    assert call(relay, key, body_of()).status == 200  # so that a 401 does not take the credential out
    reply = call(relay, key, body_of(SPOKEN[name], stream=stream), f"idempotency-key: {MARK}-{name}-{stream}")
    assert reply.status in (200, 400, 401, 500, 502)
    check()


BROKEN: dict[str, Callable[[str], bytes]] = {
    "broken json": lambda key: request(key, f'{{"model":"{MARK}'.encode(), *TELLING_HEADERS),
    "no object": lambda key: request(key, f'["{MARK}"]'.encode(), *TELLING_HEADERS),
    "wrong type": lambda key: request(key, body_of(max_tokens=MARK), *TELLING_HEADERS),
    "ambiguous": lambda key: request(key, body_of(Model=MARK), *TELLING_HEADERS),
    "unknown model": lambda key: request(key, body_of(model=MARK), *TELLING_HEADERS),
    "content type": lambda key: request(key, b"{}").replace(b"application/json", MARK.encode()),
    "encoding": lambda key: request(key, b"{}", f"content-encoding: {MARK}"),
    "packed badly": lambda key: request(key, MARK.encode(), "content-encoding: gzip"),
    "path": lambda key: request(key, target=f"/v1/{MARK}"),
    "page": lambda key: request(key, method="GET", target=f"/{MARK}?{MARK}"),
    "doubled path": lambda key: request(key, target=f"/v1/v1/{MARK}"),
    "model in the path": lambda key: request(key, method="GET", target=f"/v1/models/{MARK}"),
    "engine": lambda key: request(key, target=f"/v1/engines/{MARK}/chat/completions"),
    "method": lambda key: request(key).replace(b"POST", MARK.upper().encode()),
    "dates": lambda key: request(key, method="GET", target=f"/v1/dashboard/billing/usage?start_date={MARK}"),
    "unknown key": lambda key: request(f"sk-{MARK}{'a' * 40}"),
    "no bearer": lambda key: request("", b"{}", f"authorization: Basic {MARK}"),
    "idempotency key": lambda key: request(key, body_of(), f"idempotency-key: {MARK * 40}"),
    "bad header": lambda key: request(key, b"{}", f"{MARK} : {MARK}"),
    "bad chunk": lambda key: (
        request(key, b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
        + f"{MARK}\r\n".encode()
    ),
    "head flood": lambda key: request(key, b"{}", *[f"x-{MARK}-{number}: {MARK}" for number in range(999)]),
    "long header": lambda key: request(key, b"{}", f"x-{MARK}: {MARK * 20_000}"),
    "oversized": lambda key: request(key, MARK.encode() * 7_000_000),
    "noise": lambda key: MARK.encode() * 100 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_refused_leaves_no_trace(
    relay: ServedRelay, key: str, check: Callable[[], None], name: str
) -> None:
    with Caller(relay.port) as caller:
        reply = caller.send(BROKEN[name](key)).read_reply()
    assert 400 <= reply.status < 500
    check()


def test_who_leaves_leaves_no_trace(
    relay: ServedRelay, key: str, upstream: ScriptedUpstream, check: Callable[[], None]
) -> None:
    with Caller(relay.port) as caller:
        script = Script(events=tuple(DELTAS), stall_after=2)
        caller.send(request(key, body_of(script, stream=True), *TELLING_HEADERS)).read_until(MARK.encode())
    assert upstream.received[0].gone.wait(PATIENCE_S)
    with Caller(relay.port) as caller:
        caller.send(request(key, body_of(), *TELLING_HEADERS)[:-40])
    check()


def test_a_crash_leaves_no_trace(relay: ServedRelay, email: str, key: str, check: Callable[[], None]) -> None:
    """A key's row that somebody has spoilt: whoever reads it fails."""
    assert call(relay, key, body_of()).status == 200
    with relay.store.begin() as connection:
        connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        spoilt = relay.store.engine.dialect.name == "sqlite"
        assert spoilt
        key_id = connection.execute(keys.select().order_by(keys.c.created_ms.desc())).first()
        assert key_id is not None
        connection.execute(text("UPDATE keys SET addresses = '[nothing' WHERE id = :id"), {"id": key_id.id})
        announce(connection, "key", key_id.id, 0)
    crashed = eventually(lambda: (reply := call(relay, key, body_of())).status != 200 and reply)
    assert (crashed.status, crashed.relay_code) == (503, -1)
    assert eventually(lambda: "call_crashed" in relay.log())
    with relay.store.begin() as connection:
        connection.execute(update(keys).where(keys.c.id == key_id.id).values(addresses=None))
    check()


def test_a_store_that_refuses_to_write_leaves_no_trace(
    relay: ServedRelay, email: str, key: str, check: Callable[[], None]
) -> None:
    trigger = "CREATE TRIGGER broken BEFORE INSERT ON usage_records BEGIN SELECT RAISE(ABORT, 'broken'); END"
    with relay.store.begin() as connection:
        connection.execute(text(trigger))
    try:
        for stream in (False, True):
            reply = call(relay, key, body_of(SPOKEN["stream" if stream else "whole"], stream=stream))
            assert (reply.status, reply.whole) in ((503, True), (200, False))
            assert b"[DONE]" not in reply.body, "no complete answer without its charge"
    finally:
        with relay.store.begin() as connection:
            connection.execute(text("DROP TRIGGER broken"))
    assert eventually(lambda: "charge_not_written" in relay.log())
    assert eventually(lambda: relay.log().count('"relay_code":-1,') >= 2)
    told = re.findall(r'"request_finished".*?"request_id":"(\w+)"', relay.log())
    assert len(told) == len(set(told)), "each call is told of once"
    assert relay.usage(email) == []
    assert relay.differences() == []
    check()


def test_a_relay_that_is_killed_leaves_no_trace(
    relay: ServedRelay, key: str, upstream: ScriptedUpstream, check: Callable[[], None]
) -> None:
    with Caller(relay.port) as caller:
        script = Script(events=tuple(DELTAS), stall_after=2)
        caller.send(request(key, body_of(script, stream=True), *TELLING_HEADERS)).read_until(MARK.encode())
        relay.kill()
        relay.start()
    check()
    assert not list(relay.data.rglob("core*"))


def test_files_are_the_operators_alone(relay: ServedRelay) -> None:
    assert os.stat(relay.data / "master.key").st_mode & 0o077 == 0


def test_the_search_finds_what_it_looks_for() -> None:
    for data in (MARK.encode(), base64.b64encode(b"ab" + MARK.encode() + b"cd"), MARK.encode("utf-16")):
        assert found_in(b"before" + data + b"after", [MARK]) == [MARK]


def test_what_people_sign_in_with_is_written_nowhere(
    relay: ServedRelay, upstream: ScriptedUpstream, temporary: Path, email: str
) -> None:
    """Passwords, cookies and tokens, right or wrong; nor the address that they come from."""
    password = f"{MARK} is long enough"
    put_owner(relay.store, email, password, actor="cli", now_ms=now_ms())
    headers = {"x-forwarded-for": ADDRESS, "authorization": f"Bearer {MARK}"}
    with httpx.Client(base_url=f"{relay.origin}/api/v1", timeout=60) as browser:
        assert browser.get("/session", headers=headers).status_code == 401
        del headers["authorization"]
        for sent, status in ((password, 401), ("x" + password, 401), (password, 200)):
            body = {"email": email if status == 200 else f"x{email}", "password": sent}
            answer = browser.post("/session", json=body, headers=headers)
            assert answer.status_code == status, answer.text
        csrf = answer.json()["csrf_token"]
        (secret,) = (cookie.value for cookie in browser.cookies.jar)
        body = {"name": "script", "scopes": ["own:read"]}
        made = browser.post("/tokens", json=body, headers=headers | {"x-csrf-token": csrf})
        assert made.status_code == 201, made.text
        token = made.json()["token"]
        used = browser.get("/session", headers=headers | {"authorization": f"Bearer {token}"})
        assert used.status_code == 200
    Traces(relay, upstream, temporary).check([csrf, secret or "", token])
