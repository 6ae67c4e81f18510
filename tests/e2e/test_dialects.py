"""Anthropic's and Gemini's own dialects on the wire: keys, streams in each form, breaks, caps, refusals."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.calls import Reply, get, post, send

from posthouse.testing.answers import answer_pieces
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream, event

CLAUDE, GEMINI = "claude-haiku-4-5", "gemini-2.5-flash"
CONFIGURATION = f"""
[operator]
default_plan = "paid"
[models."{CLAUDE}"]
list = "anthropic/{CLAUDE}"
aliases = ["haiku"]
[models.claude-sonnet-4-5]
list = "anthropic/claude-sonnet-4-5"
[models."{GEMINI}"]
list = "gemini/{GEMINI}"
[models."gemini-2.5-pro"]
list = "gemini/gemini-2.5-pro"
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
[plans.paid]
kind = "paid"
[[plans.paid.limits]]
per = "key"
requests = 1000
[plans.chats]
kind = "paid"
endpoints = ["chat/completions"]
[channels.anthropic]
preset = "anthropic"
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["claude-*"]
model_map = {{ "claude-*" = "upstream-*" }}
[channels.another]
preset = "anthropic"
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["claude-sonnet-4-5"]
[channels.gemini]
preset = "gemini"
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gemini-*"]
model_map = {{ "gemini-*" = "upstream-*" }}
[channels.openai]
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gpt-*"]
"""
GENERATE = f"/v1beta/models/{GEMINI}:generateContent"
STREAM = f"/v1beta/models/{GEMINI}:streamGenerateContent"
SENT_STREAM = "/v1/models/upstream-2.5-flash:streamGenerateContent"
CONTENTS: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Say hello"}]}]}


@pytest.fixture(scope="module")
def relay(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    with ServedRelay(tmp_path_factory.mktemp("dialects"), upstream.base_url, CONFIGURATION) as relay:
        yield relay


def message(**fields: object) -> dict[str, object]:
    hello = [{"role": "user", "content": "Say hello"}]
    return {"model": CLAUDE, "max_tokens": 100, "messages": hello, **fields}


def said(script: Script, target: str, body: object) -> bytes:
    """The body that the scripted upstream sends for it, unframed."""
    framed = answer_pieces(script, target, json.dumps(body).encode())[1:]
    return b"".join(piece.partition(b"\r\n")[2].removesuffix(b"\r\n") for piece in framed)


# -- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "header"),
    [
        ("/v1/messages", message(), "x-api-key"),
        ("/v1/messages", message(), "authorization"),
        (GENERATE, CONTENTS, "x-goog-api-key"),
        (f"{STREAM}?alt=sse", CONTENTS, "x-goog-api-key"),
        (GENERATE, CONTENTS, ""),
        (f"{STREAM}?alt=sse", CONTENTS, ""),
    ],
)
def test_a_key_is_taken_where_clients_put_it_and_goes_nowhere_else(
    relay: ServedRelay, upstream: ScriptedUpstream, key: str, path: str, body: object, header: str
) -> None:
    headers = {header: f"Bearer {key}" if header == "authorization" else key} if header else {}
    if not header:
        path += ("&" if "?" in path else "?") + f"key={key}"
    reply = send(relay, "POST", path, body=json.dumps(body).encode(), headers=headers)
    assert reply.status == 200
    (received,) = upstream.received
    for written in (received.head.raw, received.body, relay.log_path.read_bytes(), relay.metrics().encode()):
        assert key.encode() not in written


def test_no_text_of_a_call_is_written(relay: ServedRelay, upstream: ScriptedUpstream, key: str) -> None:
    mark = "kanari7q9x"
    part = [{"role": "user", "content": mark, "parts": [{"text": mark}]}]
    for script in (
        Script(text=mark),
        Script(status=400, body=mark.encode()),
        Script(cut_after=2, text=f"{mark} {mark}"),
    ):
        for path, body in (
            ("/v1/messages", message(messages=part, system=mark, metadata={"user_id": mark}, stream=True)),
            (STREAM, {"contents": part, "systemInstruction": {"parts": [{"text": mark}]}}),
            (f"{STREAM}?alt=sse&key={key}", {"contents": part, mark: mark}),
        ):
            upstream.enqueue(script)
            post(relay, key, path, body)
    assert len(upstream.received) == 9
    written = [path.read_bytes() for path in relay.data.rglob("*") if path.is_file()]
    for one in (*written, relay.log_path.read_bytes(), relay.metrics().encode()):
        assert mark.encode() not in one
        assert key.encode() not in one


# -- streams ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [Script(), Script(write_bytes=1)], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(
    ("path", "target", "body"),
    [
        ("/v1/messages", "/v1/messages", message(stream=True)),
        (f"{STREAM}?alt=sse", f"{SENT_STREAM}?alt=sse", CONTENTS),
        (STREAM, SENT_STREAM, CONTENTS),
    ],
    ids=["anthropic", "gemini events", "gemini array"],
)
def test_a_stream_passes_byte_for_byte_and_is_charged(
    relay: ServedRelay,
    upstream: ScriptedUpstream,
    key: str,
    email: str,
    script: Script,
    path: str,
    target: str,
    body: dict[str, Any],
) -> None:
    upstream.enqueue(script)
    reply = post(relay, key, path, body)
    sent = {**body, "model": "upstream-haiku-4-5"} if "model" in body else body
    assert reply.body.rstrip() == said(script, target, sent).rstrip()
    assert not reply.is_cut
    (record,) = relay.usage(email)
    assert (record.stream, record.estimated, record.quantities) == (True, False, {"input": 9, "output": 5})
    assert upstream.received[0].head.target == target
    assert upstream.received[0].json == sent


@pytest.mark.parametrize(
    ("path", "body", "cut", "last"),
    [
        ("/v1/messages", message(stream=True), 5, b"event: error\ndata: "),
        (f"{STREAM}?alt=sse", CONTENTS, 2, b"data: "),
        (STREAM, CONTENTS, 2, b",\r\n"),
    ],
    ids=["anthropic", "gemini events", "gemini array"],
)
def test_a_broken_stream_never_looks_finished(
    relay: ServedRelay,
    upstream: ScriptedUpstream,
    key: str,
    email: str,
    path: str,
    body: object,
    cut: int,
    last: bytes,
) -> None:
    """Cut after "Hello from"."""
    upstream.enqueue(Script(cut_after=cut))
    reply = post(relay, key, path, body)
    begun, _, error = reply.body.rpartition(last)
    assert (reply.status, reply.is_cut) == (200, True)
    assert b" from" in begun
    assert json.loads(error)["error"]["relay_code"] == 40257
    (record,) = relay.usage(email)
    assert (record.ending.value, record.prompt_tokens) == ("broken", 9)


def test_an_upstreams_own_error_within_a_stream_passes(
    relay: ServedRelay, upstream: ScriptedUpstream, key: str, email: str
) -> None:
    begun = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    upstream.enqueue(Script(events=(event(begun), event(text), event(overloaded))))
    reply = post(relay, key, "/v1/messages", message(stream=True))
    assert event(overloaded) in reply.body
    assert reply.is_cut
    assert [one.ending.value for one in relay.usage(email)] == ["broken"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", message()),
        ("/v1/messages", message(stream=True)),
        (GENERATE, CONTENTS),
        (STREAM, CONTENTS),
    ],
)
def test_without_usage_it_is_counted_here(
    relay: ServedRelay, upstream: ScriptedUpstream, key: str, email: str, path: str, body: object
) -> None:
    upstream.enqueue(Script(usage="never"))
    assert post(relay, key, path, body).status == 200
    (record,) = relay.usage(email)
    assert record.estimated
    assert record.completion_tokens == 6  # as o200k_base counts the text
    assert 0 < record.prompt_tokens < 20


def test_the_same_answer_is_given_again(relay: ServedRelay, upstream: ScriptedUpstream, key: str) -> None:
    first, again = (
        post(relay, key, "/v1/messages", message(stream=True), idempotency_key="one") for _ in range(2)
    )
    assert (first.body, again.headers["idempotency-replayed"]) == (again.body, "true")
    assert len(upstream.received) == 1


def test_the_same_key_for_another_model_is_another_call(relay: ServedRelay, key: str) -> None:
    """Though the bodies are the same."""
    assert post(relay, key, GENERATE, CONTENTS, idempotency_key="two").status == 200
    reply = post(relay, key, GENERATE.replace("2.5-flash", "2.5-pro"), CONTENTS, idempotency_key="two")
    assert (reply.status, reply.relay_code) == (409, 40254)


def test_a_conversation_that_anthropic_caches_stays_with_its_channel(
    relay: ServedRelay, key: str, email: str
) -> None:
    for user in [f"user {number}" for number in range(20)] * 2:
        system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
        body = message(model="claude-sonnet-4-5", system=system, metadata={"user_id": user})
        assert post(relay, key, "/v1/messages", body).status == 200
    channels = [record.channel for record in relay.usage(email)]
    assert channels[:20] == channels[20:]
    assert set(channels) == {"anthropic", "another"}


# -- what is decided before ------------------------------------------------------------------------------


def test_an_answer_is_capped_at_what_the_balance_affords(
    relay: ServedRelay, upstream: ScriptedUpstream
) -> None:
    """As the limit that each dialect has for it."""
    key = relay.member("poor@example.org", credit="0.001")
    claude = post(relay, key, "/v1/messages", message(max_tokens=50_000))
    gemini = post(relay, key, GENERATE, CONTENTS)
    caps = [int(reply.headers["x-posthouse-max-tokens"]) for reply in (claude, gemini)]
    first, second = upstream.received
    assert first.json["max_tokens"] == caps[0] < 200
    assert second.json["generationConfig"] == {"maxOutputTokens": caps[1]}
    assert second.json["contents"] == CONTENTS["contents"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages/count_tokens", message()),
        (f"/v1beta/models/{GEMINI}:countTokens", CONTENTS),
    ],
)
def test_who_has_nothing_left_may_count(relay: ServedRelay, email: str, path: str, body: object) -> None:
    key = relay.member(email)
    assert post(relay, key, path, body).status == 200
    assert post(relay, key, GENERATE, CONTENTS).relay_code == 40250
    assert [record.charge_nanos for record in relay.usage(email)] == [0]


def error_of(reply: Reply) -> tuple[int, int, str]:
    error = reply.json["error"]
    return reply.status, error["relay_code"], error["message"]


def test_a_model_of_another_dialect_names_its_paths(relay: ServedRelay, key: str) -> None:
    status, code, text = error_of(post(relay, key, "/v1/messages", message(model="gpt-4o-mini")))
    assert (status, code) == (404, 48001)
    assert "/v1/chat/completions" in text
    _, code, text = error_of(post(relay, key, f"/v1beta/models/{CLAUDE}:generateContent", CONTENTS))
    assert code == 48001
    assert "/v1/chat/completions, /v1/messages" in text


def test_a_plan_allows_endpoints_of_any_dialect_by_name(relay: ServedRelay) -> None:
    key = relay.member("chats@example.org", plan="chats", credit="1")
    assert error_of(post(relay, key, "/v1/messages", message()))[:2] == (403, 40050)
    assert error_of(post(relay, key, GENERATE, CONTENTS))[:2] == (403, 40050)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (GENERATE, {"generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 9}}, 40039),
        (f"{STREAM}?alt=proto", CONTENTS, 40039),
        (f"/v1beta/models/{GEMINI}:unheardOf", CONTENTS, 48004),
        (f"/v1/v1beta/models/{GEMINI}:generateContent", CONTENTS, 48004),
    ],
)
def test_what_can_not_be_understood_is_refused(
    relay: ServedRelay, key: str, path: str, body: object, code: int
) -> None:
    assert error_of(post(relay, key, path, body))[1] == code


def test_every_answer_tells_the_limits(relay: ServedRelay, key: str) -> None:
    for path in ("/v1/models", "/v1/key", f"/v1/models/{CLAUDE}", "/v1beta/models"):
        assert get(relay, path, key).headers["x-ratelimit-limit-requests"] == "1000"
    assert post(relay, key, GENERATE, CONTENTS).headers["x-ratelimit-remaining-requests"] == "999"
    assert get(relay, "/v1/models", key).headers["x-ratelimit-remaining-requests"] == "999"


def test_an_answer_that_has_no_id_gets_the_relays(relay: ServedRelay, key: str) -> None:
    """Gemini's have none; of Anthropic's the upstream's own stays."""
    headers = post(relay, key, GENERATE, CONTENTS).headers
    assert headers["x-request-id"] == headers["x-posthouse-request-id"]
    headers = post(relay, key, "/v1/messages", message()).headers
    assert headers["request-id"] == "req_upstream" != headers["x-posthouse-request-id"]
    assert "x-request-id" not in headers
