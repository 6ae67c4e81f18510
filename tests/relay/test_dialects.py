"""Which dialect a request is in, where its key stands, what goes upstream of it, and how it is refused."""

import json
from typing import Any

import pytest

from posthouse.catalogue.compiled import ModelSpec
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.metering.anthropic import AnthropicMeter
from posthouse.metering.gemini import GeminiMeter
from posthouse.metering.stream import StreamMeter
from posthouse.relay.answers import error_event, render_refusal
from posthouse.relay.ask import Ask, read_ask, upstream_body
from posthouse.relay.dialects import is_stream, meter_for, splitter_for
from posthouse.relay.endpoints import (
    CHAT,
    EMBED_BATCH,
    GENERATE,
    MESSAGES,
    STREAM_ARRAY,
    STREAM_EVENTS,
    Endpoint,
    dialect_of,
    find_endpoint,
)
from posthouse.relay.keys import presented_key
from posthouse.relay.listings import list_of
from posthouse.relay.values import RelayRequest
from posthouse.routing.channels import ChannelSpec
from posthouse.wire.json_array import ArraySplitter
from posthouse.wire.json_edit import COMMAS_MAX
from posthouse.wire.sse import EventSplitter

JSON = {b"content-type": b"application/json"}
CHANNEL = ChannelSpec(name="c", base_url="https://upstream.example/v1")


def request(path: str = "/v1/messages", query: str = "", **headers: str) -> RelayRequest:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return RelayRequest("req_1", "POST", path, query, named, "", b"", 0, 0.0)


def ask_of(endpoint: Endpoint, body: object, model: str = "m") -> Ask:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_ask(endpoint, JSON, raw, "" if endpoint.dialect == "anthropic" else model, 1_000_000)


# -- paths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "query", "name", "model", "dialect"),
    [
        ("POST", "/v1/chat/completions", "", "chat/completions", "", "openai"),
        ("POST", "/v1/messages", "beta=true", "messages", "", "anthropic"),
        ("POST", "/v1/messages/count_tokens", "", "messages/count_tokens", "", "anthropic"),
        ("POST", "/v1beta/models/m:generateContent", "", "generateContent", "m", "gemini"),
        ("POST", "/v1/models/m:generateContent", "", "generateContent", "m", "gemini"),
        ("POST", "/v1beta/models/a/b:free:countTokens", "", "countTokens", "a/b:free", "gemini"),
        ("POST", "/v1beta/models/a%2Fb:embedContent", "", "embedContent", "a/b", "gemini"),
        ("POST", "/v1beta/models/m:batchEmbedContents", "", "batchEmbedContents", "m", "gemini"),
        ("POST", "/v1beta/models/m:streamGenerateContent", "alt=sse", "streamGenerateContent", "m", "gemini"),
        ("GET", "/v1beta/models", "pageSize=9", "models", "", "gemini"),
        ("GET", "/v1beta/models/a:free", "", "models", "a:free", "gemini"),
        ("GET", "/v1/models/a:free", "", "models", "a:free", "openai"),
    ],
)
def test_paths(method: str, path: str, query: str, name: str, model: str, dialect: str) -> None:
    endpoint, named = find_endpoint(method, path, query)
    assert (endpoint.name, named, endpoint.dialect) == (name, model, dialect)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("alt=sse", STREAM_EVENTS),
        ("key=x&%24alt=sse", STREAM_EVENTS),
        ("alt=json&prettyPrint=false", STREAM_ARRAY),
        ("", STREAM_ARRAY),
    ],
)
def test_gemini_streams_in_the_form_that_is_asked_for(query: str, expected: Endpoint) -> None:
    endpoint, _ = find_endpoint("POST", "/v1beta/models/m:streamGenerateContent", query)
    assert endpoint is expected


@pytest.mark.parametrize(
    ("method", "path", "situation", "fixed"),
    [
        ("POST", "/v1/v1/messages", "doubled_prefix", "/v1/messages"),
        ("POST", "/v1/v1beta/models/m:generateContent", "doubled_prefix", "/v1beta/models/m:generateContent"),
        ("GET", "/v1beta/v1beta/models", "doubled_prefix", "/v1beta/models"),
        ("GET", "/v1/v1", "doubled_prefix", "/v1"),
        ("POST", "/v1beta/models/m:unheardOf", "default", None),
        ("POST", "/v1beta/models/m", "default", None),
        ("GET", "/v1/messages", "wrong_method", None),
    ],
)
def test_paths_that_there_are_not(method: str, path: str, situation: str, fixed: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        find_endpoint(method, path)
    assert (caught.value.situation, caught.value.fields.get("fixed")) == (situation, fixed)


def test_a_third_form_of_stream_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        find_endpoint("POST", "/v1beta/models/m:streamGenerateContent", "alt=proto")
    assert "sse, json" in caught.value.message("en")


@pytest.mark.parametrize(
    ("path", "header", "dialect"),
    [
        ("/v1/models", "", "openai"),
        ("/v1/models", "anthropic_version", "anthropic"),
        ("/v1/chat/completions", "anthropic_version", "openai"),
        ("/v1/models", "x_goog_api_key", "gemini"),
        ("/v1/models", "x_goog_api_client", "gemini"),
        ("/v1beta/nothing", "", "gemini"),
        ("/v1/messages/nothing", "", "anthropic"),
        ("/v1/models/a:free", "", "openai"),
        ("/v1/models/a:generateContent", "", "gemini"),
    ],
)
def test_what_dialects_have_in_common_is_told_by_headers(path: str, header: str, dialect: str) -> None:
    headers = {header: "x"} if header else {}
    assert dialect_of(path, request(path, **headers).headers) == dialect


# -- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        request(authorization="Bearer sk-1"),
        request(authorization="bearer  sk-1 ", x_api_key="sk-2"),
        request(x_api_key="sk-1"),
        request("/v1beta/models", x_goog_api_key="sk-1"),
        request("/v1beta/models", "alt=sse&key=sk-1"),
        request("/v1/models/m:generateContent", "key=sk-1"),
    ],
)
def test_where_a_key_may_stand(given: RelayRequest) -> None:
    assert presented_key(given) == b"sk-1"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (request(), RelayCode.MISSING_API_KEY),
        (request(query="key=sk-1"), RelayCode.MISSING_API_KEY),
        (request("/v1/chat/completions", "key=sk-1"), RelayCode.MISSING_API_KEY),
        (request("/v1beta/models", "key="), RelayCode.MISSING_API_KEY),
        (request(authorization="Basic x", x_api_key="sk-1"), RelayCode.MALFORMED_AUTHORIZATION),
    ],
)
def test_where_none_is_taken_from(given: RelayRequest, code: RelayCode) -> None:
    with pytest.raises(Refusal) as caught:
        presented_key(given)
    assert caught.value.code is code


# -- bodies ----------------------------------------------------------------------------------------------


def test_an_anthropic_body_changes_only_in_model_and_cap() -> None:
    body = b'{ "model":"m", "max_tokens": 900 ,"stream":true,"system":[{"text":"\\ud800"}],"thinking":null}'
    ask = ask_of(MESSAGES, body)
    assert (ask.model, ask.peek.stream, ask.output_tokens_asked, ask.hides_usage) == ("m", True, 900, False)
    assert upstream_body(ask, CHANNEL, "m", None) is body
    assert upstream_body(ask, CHANNEL, "other", 50) == body.replace(b'"m"', b'"other"').replace(b"900", b"50")


@pytest.mark.parametrize(
    ("fields", "tier"),
    [({}, None), ({"service_tier": "auto"}, "auto"), ({"speed": "fast"}, "fast"), ({"speed": "x"}, None)],
)
def test_anthropics_fast_mode_is_a_tier(fields: dict[str, str], tier: str | None) -> None:
    assert ask_of(MESSAGES, {"model": "m", "max_tokens": 1, **fields}).peek.service_tier == tier


@pytest.mark.parametrize("field", [rb'"\u0073peed":"fast"', rb'"speed":"f\u0061s\u0074"'])
def test_fast_mode_is_known_by_any_escapes(field: bytes) -> None:
    assert ask_of(MESSAGES, b'{"model":"m","max_tokens":1,' + field + b"}").peek.service_tier == "fast"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (b'"fallbacks":[{"model":"claude-opus-4-8"}]', "fallbacks"),
        (b'"\\u0066allbacks":"default"', "fallbacks"),
        (b'"tools":[{"name":"f"},{"type":"advisor_20260301","model":"x"}]', "tools"),
        (b'"tools":[{"type":"\\u0061dvisor_20260301"}]', "tools"),
        (b'"tools":[{"type":"advisor_20260301","description":"\\ud800"}]', "tools"),
        (b'"fallbacks":[],"tools":null,"system":"\\u00e9"', ""),
        (b'"fallbacks":null,"tools":[{"type":"custom","name":"advisor"}]', ""),
        (b'"tools":{"advisor":1}', ""),
    ],
)
def test_no_other_model_than_the_one_that_is_charged(fields: bytes, field: str) -> None:
    body = b'{"model":"m","max_tokens":1,' + fields + b"}"
    if not field:
        assert ask_of(MESSAGES, body).body is body
        return
    with pytest.raises(Refusal) as caught:
        ask_of(MESSAGES, body)
    assert (caught.value.situation, caught.value.param) == ("other_model", field)


def test_tools_are_no_more_than_it_may_take_to_look_at_them() -> None:
    with pytest.raises(Refusal) as caught:
        ask_of(MESSAGES, b'{"model":"m","a":"\\u0041","tools":[' + b"0," * (COMMAS_MAX + 1) + b"0]}")
    assert caught.value.situation == "broken_json"


def test_a_gemini_body_changes_only_in_model_and_cap() -> None:
    body = b'{ "contents":[{"parts":[{"text":"\\ud800"}]}], "generationConfig" : {"maxOutputTokens": 900} }'
    ask = ask_of(STREAM_EVENTS, body)
    assert (ask.model, ask.peek.stream, ask.output_tokens_asked, ask.hides_usage) == ("m", True, 900, False)
    assert not ask_of(GENERATE, body).peek.stream
    assert upstream_body(ask, CHANNEL, "other", None) is body
    assert upstream_body(ask, CHANNEL, "other", 50) == body.replace(b"900", b"50")
    batch = ask_of(EMBED_BATCH, {"requests": [{"model": "models/m"}]})
    assert upstream_body(batch, CHANNEL, "o", None) == b'{"requests": [{"model": "models/o"}]}'


@pytest.mark.parametrize(
    ("body", "situation", "message"),
    [
        (b'{"GenerationConfig":{}}', "ambiguous_field", "'generationConfig'"),
        (b'{"generationConfig":{},"generation_config":{}}', "repeated_field", "'generation_config'"),
        (b'{"generationConfig":{"candidateCount":"2"}}', "wrong_type", "a whole number"),
        (b"[]", "not_an_object", ""),
    ],
)
def test_a_gemini_body_that_can_not_be_governed(body: bytes, situation: str, message: str) -> None:
    with pytest.raises(Refusal) as caught:
        ask_of(GENERATE, body)
    assert caught.value.situation == situation
    assert message in caught.value.message("en")


@pytest.mark.parametrize(
    ("endpoint", "body", "meter", "splitter", "content_type"),
    [
        (CHAT, {"model": "m", "stream": True}, StreamMeter, EventSplitter, b"text/event-stream"),
        (MESSAGES, {"model": "m", "stream": True}, AnthropicMeter, EventSplitter, b"Text/Event-Stream; x=y"),
        (STREAM_EVENTS, {}, GeminiMeter, EventSplitter, b"text/event-stream"),
        (STREAM_ARRAY, {}, GeminiMeter, ArraySplitter, b"application/json; charset=UTF-8"),
    ],
)
def test_each_stream_has_its_reader(
    endpoint: Endpoint, body: object, meter: type, splitter: type, content_type: bytes
) -> None:
    ask = ask_of(endpoint, body)
    assert isinstance(meter_for(ask), meter)
    assert isinstance(splitter_for(ask), splitter)
    assert is_stream(ask, content_type)
    assert not is_stream(ask, b"text/html")
    assert not is_stream(ask_of(MESSAGES, {"model": "m"}), b"text/event-stream")


# -- refusals --------------------------------------------------------------------------------------------


def refused(path: str, refusal: Refusal) -> tuple[int, bytes, Any]:
    status, headers, body = render_refusal(refusal, {}, "req_1", path)
    return status, headers, json.loads(body)


@pytest.mark.parametrize(
    ("code", "status", "kind", "name"),
    [
        (RelayCode.EMPTY_REQUEST, 400, "invalid_request_error", "INVALID_ARGUMENT"),
        (RelayCode.MISSING_API_KEY, 401, "authentication_error", "UNAUTHENTICATED"),
        (RelayCode.KEY_FROZEN, 403, "permission_error", "PERMISSION_DENIED"),
        (RelayCode.MISSING_MODEL, 400, "invalid_request_error", "INVALID_ARGUMENT"),
        (RelayCode.IDEMPOTENCY_CONFLICT, 409, "invalid_request_error", "ABORTED"),
        (RelayCode.OVERLOADED, 503, "overloaded_error", "UNAVAILABLE"),
    ],
)
def test_an_error_is_named_as_its_dialect_names_it(
    code: RelayCode, status: int, kind: str, name: str
) -> None:
    got, headers, body = refused("/v1/messages", Refusal(code))
    assert (got, body["type"], body["error"]["type"]) == (status, "error", kind)
    assert (body["error"]["relay_code"], body["request_id"]) == (int(code), "req_1")
    assert b"request-id: req_1\r\n" in headers
    got, _, body = refused("/v1beta/models", Refusal(code))
    assert (got, body["error"]["code"], body["error"]["status"]) == (status, status, name)
    assert body["error"]["relay_code"] == int(code)


def test_a_spent_balance_is_a_billing_error() -> None:
    refusal = Refusal(RelayCode.INSUFFICIENT_QUOTA, balance="0", needed="1", currency="USD")
    assert refused("/v1/messages", refusal)[2]["error"]["type"] == "billing_error"


def test_google_is_told_when_to_come_again() -> None:
    body = refused("/v1beta/models", Refusal(RelayCode.OVERLOADED, retry_after_s=2.5))[2]
    info, retry = body["error"]["details"]
    assert (info["reason"], info["metadata"]) == ("RELAY_OVERLOADED", {"relayCode": "-1"})
    assert retry["retryDelay"] == "3s"


@pytest.mark.parametrize(
    ("path", "query", "begin", "end"),
    [
        ("/v1/chat/completions", "", b'data: {"error":', b"}\n\n"),
        ("/v1/messages", "", b'event: error\ndata: {"type":"error",', b"}\n\n"),
        ("/v1beta/models/m:streamGenerateContent", "alt=sse", b'data: {"error":', b"}\n\n"),
        ("/v1beta/models/m:streamGenerateContent", "", b',\r\n{"error":', b"}"),
    ],
)
def test_a_broken_stream_ends_as_its_dialect_tells_errors(
    path: str, query: str, begin: bytes, end: bytes
) -> None:
    event = error_event(Refusal(RelayCode.OVERLOADED), request(path, query))
    assert event.startswith(begin)
    assert event.endswith(end)


def test_an_empty_list_of_models() -> None:
    nothing: list[ModelSpec] = []
    assert list_of("anthropic", nothing) == {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert list_of("gemini", nothing) == {"models": []}
