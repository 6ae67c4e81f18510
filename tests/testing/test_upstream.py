"""The scripted upstream, seen from a plain client and from a raw socket."""

import http.client
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import openai
import pytest

from posthouse.testing.upstream import Script, ScriptedUpstream, answer_pieces, event

CHAT = "/v1/chat/completions"
BODY = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}'
STREAM = b'{"model": "gpt-4o-mini", "messages": [], "stream": true}'


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


def post(upstream: ScriptedUpstream, body: bytes = BODY, *, path: str = CHAT) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def exchange(upstream: ScriptedUpstream, body: bytes = BODY) -> bytes:
    """Every byte that comes back until the server closes; ConnectionResetError where it resets."""
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as sock:
        sock.sendall(
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), len(body)) + body
        )
        return b"".join(iter(lambda: sock.recv(65536), b""))


def events(raw: bytes) -> list[Any]:
    """The decoded events of a stream, [DONE] as None."""
    data = [part.removeprefix(b"data: ") for part in raw.split(b"\n\n") if part]
    return [None if one == b"[DONE]" else msgspec.json.decode(one) for one in data]


def test_official_client_is_served(upstream: ScriptedUpstream) -> None:
    with openai.OpenAI(base_url=upstream.base_url, api_key="x", max_retries=0) as client:
        chat = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}]
        )
        assert chat.choices[0].message.content == "Hello from the scripted upstream."
        assert chat.usage is not None
        assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (9, 5)
        assert client.completions.create(model="m", prompt="a").choices[0].text == Script().text
        vectors = client.embeddings.create(model="m", input=["a", "b", "a"], dimensions=4).data
        assert vectors[0].embedding == vectors[2].embedding != vectors[1].embedding
        assert len(vectors[0].embedding) == 4
        assert [model.id for model in client.models.list()] == ["gpt-4o-mini", "text-embedding-3-small"]
        assert client.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-9")


def test_what_was_received_is_kept(upstream: ScriptedUpstream) -> None:
    post(upstream)
    received = upstream.wait_received()[0]
    assert received.body == BODY
    assert received.json["model"] == "gpt-4o-mini"
    assert received.header("Content-Type") == "application/json"
    assert received.head.raw.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert received.finished.wait(10)


def test_connections_are_reused_unless_closed(upstream: ScriptedUpstream) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    upstream.enqueue(Script(), Script(close="announced"))
    for _ in range(2):
        connection.request("POST", CHAT, BODY)
        response = connection.getresponse()
        response.read()
    assert [received.connection for received in upstream.received] == [1, 1]
    assert response.getheader("connection") == "close"
    connection.close()


def test_queue_then_request_then_model_then_default(upstream: ScriptedUpstream) -> None:
    upstream.default = Script(status=500)
    upstream.for_model("gpt-4o-mini", Script(status=429))
    upstream.enqueue(Script(status=404))
    told = msgspec.json.encode({"model": "gpt-4o-mini", "script": {"status": 401}})
    assert [post(upstream, body)[0] for body in (told, told, BODY, b"{}")] == [404, 401, 429, 500]
    upstream.default = Script()
    upstream.reset()
    assert post(upstream)[0] == 200
    assert len(upstream.received) == 1


def test_a_script_made_for_each_request(upstream: ScriptedUpstream) -> None:
    upstream.default = lambda received: Script(status=500 if b"bad" in received.body else 200)
    assert [post(upstream, body)[0] for body in (BODY, b'{"model":"bad"}')] == [200, 500]


def test_misspelt_script_is_told(upstream: ScriptedUpstream) -> None:
    status, body = post(upstream, b'{"script": {"statos": 1}}')
    assert (status, b"statos" in body) == (500, True)


def test_errors_have_openais_envelope(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(status=429))
    status, body = post(upstream)
    assert (status, msgspec.json.decode(body)["error"]["code"]) == (429, "rate_limit_exceeded")
    assert post(upstream, b"{broken")[0] == 400
    assert post(upstream, path="/v1/unknown")[0] == 404


def test_a_named_error_brings_its_status_and_code(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(error="context_length_exceeded"), Script(error="insufficient_quota"))
    status, body = post(upstream)
    assert (status, msgspec.json.decode(body)["error"]["code"]) == (400, "context_length_exceeded")
    status, body = post(upstream)
    assert (status, msgspec.json.decode(body)["error"]["code"]) == (429, "insufficient_quota")


def test_credential_is_checked() -> None:
    with ScriptedUpstream(credential="sk-up") as upstream:
        assert post(upstream)[0] == 401
        with openai.OpenAI(base_url=upstream.base_url, api_key="sk-up") as client:
            assert client.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"


def test_a_script_for_each_credential() -> None:
    with ScriptedUpstream(credential=("sk-1", "sk-2")) as upstream:
        upstream.for_credential("sk-2", Script(status=429))
        statuses = []
        for name, value in (
            ("authorization", "Bearer sk-1"),
            ("x-api-key", "sk-2"),
            ("x-goog-api-key", "sk-2"),
            ("api-key", "sk-3"),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
            connection.request("POST", CHAT, BODY, {name: value})
            statuses.append(connection.getresponse().status)
            connection.close()
        assert statuses == [200, 429, 429, 401]


MESSAGES = b'{"model":"claude","max_tokens":9,"messages":[]}'


def test_anthropics_messages(upstream: ScriptedUpstream) -> None:
    status, raw = post(upstream, MESSAGES, path="/v1/messages")
    body = msgspec.json.decode(raw)
    assert (status, body["type"], body["content"][0]["text"]) == (200, "message", Script().text)
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (9, 5)
    upstream.enqueue(Script(text="a b", prompt_tokens=9, cached_tokens=4))
    raw = post(upstream, MESSAGES[:-1] + b',"stream":true}', path="/v1/messages")[1]
    names = [line[7:] for line in raw.decode().splitlines() if line.startswith("event: ")]
    assert names == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    data = [msgspec.json.decode(line[6:]) for line in raw.splitlines() if line.startswith(b"data: ")]
    begun, ended = data[0]["message"]["usage"], data[-2]["usage"]
    assert (begun["input_tokens"], begun["cache_read_input_tokens"], ended["output_tokens"]) == (5, 4, 2)
    assert post(upstream, MESSAGES, path="/v1/messages/count_tokens")[1] == b'{"input_tokens":9}'
    upstream.enqueue(Script(status=529))
    status, raw = post(upstream, MESSAGES, path="/v1/messages")
    assert (status, msgspec.json.decode(raw)["error"]["type"]) == (529, "overloaded_error")


@pytest.mark.parametrize("query", ["", "?alt=sse"])
def test_geminis_streams(upstream: ScriptedUpstream, query: str) -> None:
    upstream.enqueue(Script(text="a b", reasoning_tokens=1, completion_tokens=3))
    raw = post(upstream, b"{}", path=f"/v1beta/models/gemini-9:streamGenerateContent{query}")[1]
    if query:
        chunks = [msgspec.json.decode(part[6:]) for part in raw.split(b"\r\n\r\n") if part]
    else:
        chunks = msgspec.json.decode(raw)
    assert "".join(one["candidates"][0]["content"]["parts"][0]["text"] for one in chunks) == "a b"
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    used = chunks[-1]["usageMetadata"]
    assert (used["candidatesTokenCount"], used["thoughtsTokenCount"], used["totalTokenCount"]) == (2, 1, 12)


def test_geminis_other_calls(upstream: ScriptedUpstream) -> None:
    model = "/v1beta/models/gemini-9"
    body = msgspec.json.decode(post(upstream, b"{}", path=f"{model}:generateContent")[1])
    assert body["candidates"][0]["content"]["parts"] == [{"text": Script().text}]
    assert body["modelVersion"] == "gemini-9"
    assert post(upstream, b"{}", path=f"{model}:countTokens")[1] == b'{"totalTokens":9}'
    vector = msgspec.json.decode(post(upstream, b"{}", path=f"{model}:embedContent")[1])["embedding"][
        "values"
    ]
    assert len(vector) == 8
    upstream.for_model("gemini-9", Script(error="invalid_api_key"))
    status, raw = post(upstream, b"{}", path=f"{model}:generateContent")
    error = msgspec.json.decode(raw)["error"]
    assert (status, error["status"], error["details"][0]["reason"]) == (
        400,
        "INVALID_ARGUMENT",
        "API_KEY_INVALID",
    )


def test_limits_cut_the_answer(upstream: ScriptedUpstream) -> None:
    body = msgspec.json.encode({"model": "m", "messages": [], "max_tokens": 2, "n": 2})
    answer = msgspec.json.decode(post(upstream, body)[1])
    assert [(c["message"]["content"], c["finish_reason"]) for c in answer["choices"]] == [
        ("Hello from", "length")
    ] * 2
    assert answer["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize(
    ("usage", "asked", "totals"),
    [
        ("asked", False, [False, False, False, False]),
        ("asked", True, [None, None, None, None, 11]),
        ("finish", False, [False, False, False, 11]),
        ("each", False, [11, 11, 11, 11]),
        ("twice", False, [None, None, None, None, 11, 11]),
        ("never", True, [False, False, False, False]),
    ],
)
def test_streamed_usage(upstream: ScriptedUpstream, usage: Any, asked: bool, totals: list[Any]) -> None:
    """False: no usage member; None: null."""
    upstream.enqueue(Script(text="Hello there", usage=usage))
    request = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": asked}}
    got = events(post(upstream, msgspec.json.encode(request))[1])
    assert got[-1] is None
    found = [chunk.get("usage", False) for chunk in got[:-1]]
    assert [one and one["total_tokens"] for one in found] == totals
    assert (
        "".join(c["choices"][0]["delta"].get("content", "") for c in got[:-1] if c["choices"])
        == "Hello there"
    )


def test_stream_without_its_end_and_with_raw_events(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(done=False), Script(events=(b": hm\r\n\r\n", event({"a": 1}), b"data: {")))
    assert events(post(upstream, STREAM)[1])[-1]["choices"][0]["finish_reason"] == "stop"
    assert post(upstream, STREAM)[1] == b': hm\r\n\r\ndata: {"a":1}\n\ndata: {'


@pytest.mark.parametrize(
    "script", [Script(), Script(gzip=True), Script(framing="close"), Script(framing="length")]
)
@pytest.mark.parametrize("body", [BODY, STREAM])
def test_framings_carry_the_same_body(upstream: ScriptedUpstream, script: Script, body: bytes) -> None:
    plain = answer_pieces(Script(framing="length"), CHAT, body)[1:]
    upstream.enqueue(script)
    got = post(upstream, body)[1]
    assert (zlib.decompress(got, 31) if script.gzip else got) == b"".join(plain)


def test_every_cut_sends_exactly_the_bytes_before_it(upstream: ScriptedUpstream) -> None:
    whole = b"".join(answer_pieces(Script(), CHAT, STREAM))
    for cut in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        upstream.enqueue(Script(cut_at=cut))
        assert exchange(upstream, STREAM) == whole[:cut]
    upstream.enqueue(Script(cut_at=-3), Script(cut_after=2))
    assert exchange(upstream, STREAM) == whole[:-3]
    assert exchange(upstream, STREAM) == b"".join(answer_pieces(Script(), CHAT, STREAM)[:3])


def test_cut_by_reset(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(cut_at=40, cut="rst"))
    with pytest.raises(ConnectionResetError):
        exchange(upstream)


def test_stall_goes_on_when_resumed(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(stall_after=1, write_bytes=1, close="announced"))
    pieces = answer_pieces(Script(close="announced"), CHAT, STREAM)
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as sock:
        sock.sendall(
            b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), len(STREAM)) + STREAM
        )
        received = upstream.wait_received()[0]
        assert received.stalled.wait(10)
        assert received.sent_bytes == len(pieces[0] + pieces[1])
        upstream.resume()
        assert b"".join(iter(lambda: sock.recv(65536), b"")) == b"".join(pieces)


def test_client_that_leaves_a_stall_is_noticed(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(stall_at=0))
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as sock:
        sock.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
        received = upstream.wait_received()[0]
        assert received.stalled.wait(10)
        assert not received.gone.is_set()
    assert received.gone.wait(10)
    assert not received.finished.is_set()


def test_client_that_does_not_read_stops_the_answer(upstream: ScriptedUpstream) -> None:
    size = 64 * 1024 * 1024
    upstream.enqueue(Script(body=b"x" * size, framing="close", write_bytes=65536))
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as sock:
        sock.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
        received = upstream.wait_received()[0]
        assert sock.recv(1) == b"H"
        assert not received.finished.is_set()
    assert received.gone.wait(10)
    assert received.sent_bytes < size


def test_wrong_length_raw_bytes_and_interim_statuses(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(
        Script(body=b"{}", length_off=3, cut_at=-1),
        Script(raw=b"HTTP/1.1 banana\r\n\r\n", close="silent"),
        Script(interim=(100, 103), close="announced"),
    )
    assert b"content-length: 5\r\n" in exchange(upstream)
    assert exchange(upstream) == b"HTTP/1.1 banana\r\n\r\n"
    assert exchange(upstream).startswith(
        b"HTTP/1.1 100 Interim\r\n\r\nHTTP/1.1 103 Interim\r\n\r\nHTTP/1.1 200 OK"
    )


def test_early_answer_does_not_wait_for_the_body(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(status=413, early=True))
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as sock:
        sock.sendall(b"POST %b HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" % CHAT.encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_chunked_request_after_continue(upstream: ScriptedUpstream) -> None:
    head = b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n" % CHAT.encode()
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as sock:
        sock.sendall(head)
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b'5\r\n{"mod\r\n7;x=y\r\nel":1}\n\r\n0\r\nTrailer: 1\r\n\r\n'.replace(b";x=y", b""))
        received = upstream.wait_received()[0]
    assert received.body == b'{"model":1}\n'


def test_nonsense_closes_the_connection(upstream: ScriptedUpstream) -> None:
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as sock:
        sock.sendall(b"hello\r\n\r\n")
        assert sock.recv(100) == b""
    assert upstream.received == []
