"""What goes upstream of a caller's body: every byte of it, but for the members that must change."""

from bisect import bisect_left
from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest
from tests.unit.nesting import DEPTH

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.relay.ask import Ask, read_ask, upstream_body
from posthouse.relay.endpoints import CHAT, COMPLETIONS, EMBEDDINGS, Endpoint
from posthouse.routing.channels import ChannelSpec

T = TypeVar("T")
BODY_BYTES_MAX = 1_000_000
PLAIN = ChannelSpec(name="plain", base_url="http://u.example/v1")


def ask_of(body: bytes, endpoint: Endpoint = CHAT, model: str = "") -> Ask:
    return read_ask(endpoint, {b"content-type": b"application/json"}, body, model, BODY_BYTES_MAX)


def sent(
    body: bytes,
    *,
    model: str = "m",
    cap: int | None = None,
    endpoint: Endpoint = CHAT,
    path_model: str = "",
    spec: ChannelSpec = PLAIN,
) -> bytes:
    return upstream_body(ask_of(body, endpoint, path_model), spec, model, cap)


def test_a_body_that_need_not_change_is_the_callers_own() -> None:
    body = b' {"messages" : [ ], "model":"m", "seed":12345678901234567890, "x":1e400, "x":"\\ud800"} '
    ask = ask_of(body)
    assert upstream_body(ask, PLAIN, "m", None) is body


def test_only_the_models_name_changes() -> None:
    body = b'{ "temperature" : 1.0 , "model" :\t"m" , "messages":[{"model":"m"}]}'
    assert sent(body, model="上游") == body.replace(b'\t"m"', '\t"上游"'.encode(), 1)


def test_what_the_channel_drops_and_renames_goes_after_all_else() -> None:
    spec = msgspec.structs.replace(
        PLAIN,
        drop=("user", "stream_options"),
        rename={"max_completion_tokens": "max_tokens"},
        stream_usage=False,
    )
    body = b'{"model":"m", "user":"u", "max_completion_tokens": 900, "stream":true, "stream_options":{}}'
    assert sent(body, cap=50, spec=spec) == b'{"model":"m", "max_tokens": 50, "stream":true}'
    body = b'{"model":"m","stream":true}'
    assert sent(body, spec=spec) == body


def test_the_paths_model_is_written_into_the_body() -> None:
    assert sent(b'{"prompt":"hi"}', model="m", path_model="m") == b'{"model":"m","prompt":"hi"}'
    assert sent(b'{"model":"other"}', model="m", path_model="m") == b'{"model":"m"}'


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, b'{"include_usage":true}'),
        (b"null", b'{"include_usage":true}'),
        (b"{}", b'{"include_usage":true}'),
        (b'{"include_usage":false}', b'{"include_usage":true}'),
        (b'{"include_usage": null , "x": 1e2}', b'{"include_usage": true , "x": 1e2}'),
        (
            b'{"include_obfuscation":false, "big":12345678901234567890}',
            b'{"include_usage":true,"include_obfuscation":false, "big":12345678901234567890}',
        ),
        (
            b'{"x":"\\ud800","\\ud800":"\xe2\x82\xac"}',
            b'{"include_usage":true,"x":"\\ud800","\\ud800":"\xe2\x82\xac"}',
        ),
        (b'{"include_usage":true, "x":1}', None),
    ],
)
def test_a_streams_other_options_are_kept(options: bytes | None, expected: bytes | None) -> None:
    tail = b',"messages":[{"content":"\\ud800"}]}'  # half a surrogate pair, which some clients cut texts to
    if options is None:
        body = b'{"stream":true,"model":"m"' + tail
        changed = b'{"stream_options":' + (expected or b"") + body.replace(b"{", b",", 1)
    else:
        body = b'{"stream":true,"stream_options":' + options + b',"model":"m"' + tail
        changed = body if expected is None else body.replace(options, expected, 1)
    assert sent(body) == changed


@pytest.mark.parametrize(
    ("fields", "chat", "completion"),
    [
        (b'"max_tokens":7', 7, 7),
        (b'"max_tokens":7,"max_completion_tokens":9', 9, 9),
        (b'"max_tokens":null', None, None),
        (b'"max_tokens":0', None, 0),
        (b'"max_tokens":-1', None, None),
        (b'"max_completion_tokens":-1', None, None),
        (b'"max_tokens":-1,"max_completion_tokens":5', None, None),
        (b'"max_tokens":5,"max_completion_tokens":0', None, 5),
    ],
)
def test_what_an_upstream_may_read_as_no_limit_is_none(
    fields: bytes, chat: int | None, completion: int | None
) -> None:
    body = b'{"model":"m",' + fields + b"}"
    assert ask_of(body).output_tokens_asked == chat
    assert ask_of(body, COMPLETIONS).output_tokens_asked == completion


def test_a_call_that_is_not_streamed_keeps_its_options() -> None:
    body = b'{"model":"m","stream_options":{"include_usage":false}}'
    assert sent(body) == body


@pytest.mark.parametrize(
    ("model", "upstream_model", "endpoint", "field"),
    [
        ("gpt-4o", "gpt-4o", CHAT, "max_tokens"),
        ("o3-mini", "o3-mini", CHAT, "max_completion_tokens"),
        ("gpt-5", "gpt-5", CHAT, "max_completion_tokens"),
        ("codex-mini", "codex-mini", CHAT, "max_completion_tokens"),
        ("omni", "omni", CHAT, "max_tokens"),
        ("small", "o4-mini", CHAT, "max_completion_tokens"),  # what the upstream's model takes counts
        ("gpt-5", "deployment", CHAT, "max_tokens"),
        ("gpt-5", "gpt-5", COMPLETIONS, "max_tokens"),
        ("davinci-002", "davinci-002", COMPLETIONS, "max_tokens"),
    ],
)
def test_the_cap_goes_where_the_model_looks_for_it(
    model: str, upstream_model: str, endpoint: Endpoint, field: str
) -> None:
    body = b'{"model":"%b"}' % model.encode()
    expected = b'{"%b":7,"model":"%b"}' % (field.encode(), upstream_model.encode())
    assert sent(body, model=upstream_model, cap=7, endpoint=endpoint) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (b'"max_tokens":100', b'"max_tokens":7'),
        (b'"max_completion_tokens":100', b'"max_completion_tokens":7'),
        (
            b'"max_tokens":100,"max_completion_tokens":50',
            b'"max_tokens":7,"max_completion_tokens":7',
        ),
    ],
)
def test_the_callers_own_limit_is_the_one_that_is_capped(limits: bytes, expected: bytes) -> None:
    assert sent(b'{"model":"m",%b}' % limits, cap=7) == b'{"model":"m",%b}' % expected


def test_all_changes_at_once() -> None:
    body = b'{"model":"m","stream":true,"max_tokens":100,"messages":[]}'
    assert sent(body, model="n", cap=7) == (
        b'{"stream_options":{"include_usage":true},"model":"n","stream":true,"max_tokens":7,"messages":[]}'
    )


def test_of_repeated_fields_the_last_goes_upstream() -> None:
    body = b'{"model":"dear","x":1,"model":"m","x":2}'
    assert sent(body) == b'{"x":1,"model":"m","x":2}'


def test_embeddings_pass_as_they_are() -> None:
    body = b'{"model":"m","input":["a"],"encoding_format":"base64"}'
    assert sent(body, endpoint=EMBEDDINGS) == body


# --- nesting: how deep a body may be depends on how much of the stack is used where it is read ---


def refused_as(call: Callable[[], T]) -> tuple[RelayCode, str] | None:
    try:
        call()
    except Refusal as refusal:
        return refusal.code, refusal.situation
    return None


def deep_in_the_stack(frames: int, call: Callable[[], T]) -> T:
    """By way of C, since CPython from 3.12 on counts that apart from calls between functions in Python."""
    return call() if frames == 0 else next(map(deep_in_the_stack, (frames - 1,), (call,)))


def nested(depth: int, head: bytes, tail: bytes = b'"x":1') -> bytes:
    return b'{%b,"messages":%b%b,%b}' % (head, b"[" * depth, b"]" * depth, tail)


def reading(body: bytes, path_model: str = "") -> tuple[RelayCode, str] | None:
    return refused_as(lambda: ask_of(body, COMPLETIONS, path_model))


def depth_max(head: bytes, tail: bytes = b'"x":1', path_model: str = "") -> int:
    """How deep a body may be nested, which differs by Python."""

    def is_refused(depth: int) -> bool:
        return reading(nested(depth, head, tail), path_model) is not None

    return bisect_left(range(DEPTH), True, key=is_refused) - 1


@pytest.mark.parametrize(
    ("member", "cap"),
    [
        (b'"model":"other"', None),
        (b'"model":"m","stream":true,"stream_options":{"x":1}', None),
        (b'"model":"m","max_tokens":100', 5),
    ],
)
def test_a_body_too_deep_to_be_changed_is_refused_like_one_too_deep_to_be_read(
    member: bytes, cap: int | None
) -> None:
    # What must change stands behind the nesting, so that the way there leads through it.
    deepest = ask_of(nested(depth_max(b'"y":1', member), b'"y":1', member))
    met = deep_in_the_stack(50, lambda: refused_as(lambda: upstream_body(deepest, PLAIN, "m", cap)))
    assert met == (RelayCode.EMPTY_REQUEST, "broken_json")


@pytest.mark.parametrize(("head", "path_model"), [(b'"x":1', "m"), (b'"model":"a","model":"b"', "")])
def test_a_body_is_read_or_refused_at_every_depth(head: bytes, path_model: str) -> None:
    deepest = depth_max(head, path_model=path_model)
    met = [reading(nested(depth, head), path_model) for depth in range(deepest - 100, deepest + 100)]
    read = met.count(None)
    assert 0 < read < len(met)
    assert met == [None] * read + [(RelayCode.EMPTY_REQUEST, "broken_json")] * (len(met) - read)
