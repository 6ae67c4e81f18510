"""Every error of the relay's own, as a caller meets it: status, envelope, languages, whether to retry."""

import json
import re
import socket
import string
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from tests.e2e.calls import Reply, chat, get, post, send

from posthouse.accounts.service import create_account, create_key, freeze_account, freeze_key, revoke_key
from posthouse.kernel.errors import RelayCode, error_table
from posthouse.kernel.money import parse_nanos
from posthouse.kernel.secrets import new_key
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import eventually

BODY_BYTES_MAX = 2 * 1024 * 1024
CONFIGURATION = """
[operator]
currency = "CNY"
default_plan = "paid"
[families]
standard = { kind = "standard" }
premium = { kind = "premium" }
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
family = "standard"
[models."gpt-4"]
list = "openai/gpt-4"
family = "premium"
[models.slow-late]
price = { input = 1, output = 1 }
[models.unencrypted]
price = { input = 1, output = 1 }
[models.slow-head]
price = { input = 1, output = 1 }
[models.slow-rest]
price = { input = 1, output = 1 }
[models.slow-all]
price = { input = 1, output = 1 }
[models.unconnected]
price = { input = 1, output = 1 }
[models.unreachable]
price = { input = 1, output = 1 }
[models.nowhere]
price = { input = 1, output = 1 }
[models.for-nobody]
price = { input = 1, output = 1 }
[models.priceless]
[models.per-image]
price = { image = 1 }
[models.short]
price = { input = 1, output = 1 }
max_input_tokens = 10

[plans.paid]
kind = "paid"
models = ["*", "!for-nobody"]
[plans.free]
kind = "free"
models = ["gpt-4o-mini", "gpt-4"]
endpoints = ["chat/completions"]
[[plans.free.limits]]
family = "standard"
requests = 1
[[plans.free.limits]]
family = "premium"
requests = 1
[plans.free-tokens]
kind = "free"
[[plans.free-tokens.limits]]
tokens = 20
[plans.paid-quota]
kind = "paid"
[[plans.paid-quota.limits]]
window = "2 hours"
requests = 1
[plans.paid-tokens]
kind = "paid"
[[plans.paid-tokens.limits]]
tokens = 20
[plans.burst]
kind = "paid"
[[plans.burst.limits]]
family = "standard"
window = "1 minute"
requests = 1
[plans.spend]
kind = "paid"
[[plans.spend.limits]]
spend = "0.000000001"
[plans.one-by-one]
kind = "paid"
[[plans.one-by-one.limits]]
concurrency = 1
[plans.no-streams]
kind = "paid"
streaming = false
[plans.small]
kind = "paid"
request_tokens_max = 50
[plans.small-input]
kind = "paid"
input_tokens_max = 10

[channels.main]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
models = ["*", "!nowhere", "!slow-*", "!un*"]
[channels.head]
base_url = "${UPSTREAM_BASE_URL}"
models = ["slow-head"]
first_byte_s = 0.2
[channels.late]
base_url = "${UPSTREAM_BASE_URL}"
models = ["slow-late"]
header_s = 0.2
[channels.dumb]
base_url = "SECURE"
models = ["unencrypted"]
tls_s = 0.2
[channels.rest]
base_url = "${UPSTREAM_BASE_URL}"
models = ["slow-rest"]
idle_s = 0.2
[channels.all]
base_url = "${UPSTREAM_BASE_URL}"
models = ["slow-all"]
total_s = 0.2
[channels.full]
base_url = "http://127.0.0.1:FULL/v1"
models = ["unconnected"]
connect_s = 0.2
[channels.closed]
base_url = "http://127.0.0.1:1/v1"
models = ["unreachable"]
"""


class World:
    """The relay with its members: each plan has one of its own name."""

    def __init__(self, relay: ServedRelay, upstream: ScriptedUpstream) -> None:
        self.relay = relay
        self.upstream = upstream

    def member(self, plan: str = "paid", credit: str = "10") -> str:
        """The key of the plan's member, made when first asked for."""
        name = f"{plan}{credit}"
        if name not in self._keys:
            self._keys[name] = self.relay.member(f"{name}@example.org", plan=plan, credit=credit)
        return self._keys[name]

    def key(self, **restrictions: Any) -> str:
        """Another key of the paying member."""
        self.member()
        return create_key(self.relay.store, "paid10@example.org", **restrictions).key

    @property
    def _keys(self) -> dict[str, str]:
        return self.__dict__.setdefault("_made", {})


@pytest.fixture(scope="module")
def world(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With a port that accepts no connection: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        secure = upstream.base_url.replace("http", "https", 1)  # where nobody speaks TLS
        configuration = CONFIGURATION.replace("FULL", str(port)).replace("SECURE", secure)
        environment = {
            "POSTHOUSE_BODY_BYTES_MAX": str(BODY_BYTES_MAX),
            "POSTHOUSE_BODIES_BYTES_MAX": str(BODY_BYTES_MAX // 2),
        }
        directory = tmp_path_factory.mktemp("refusals")
        with ServedRelay(directory, upstream.base_url, configuration, environment=environment) as relay:
            yield World(relay, upstream)
        for one in waiting:
            one.close()


Provoke = Callable[[World, dict[str, str]], Reply]


class Case(NamedTuple):
    """`retry`: whether the same call again can help; `after`: whether Retry-After says when."""

    code: RelayCode
    situation: str
    retry: bool
    after: bool
    param: str | None
    provoke: Provoke


CASES: list[Case] = []


def refused(
    code: RelayCode,
    situation: str = "default",
    *,
    retry: bool = False,
    after: bool = False,
    param: str | None = None,
) -> Callable[[Provoke], Provoke]:
    def add(provoke: Provoke) -> Provoke:
        CASES.append(Case(code, situation, retry, after, param, provoke))
        return provoke

    return add


# -- who asks --------------------------------------------------------------------------------------------


@refused(RelayCode.MISSING_API_KEY)
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, "", headers=headers)


@refused(RelayCode.MALFORMED_AUTHORIZATION, "not_bearer")
def _(world: World, headers: dict[str, str]) -> Reply:
    return get(world.relay, "/v1/models", authorization="Basic YTpi", **headers)


@refused(RelayCode.MALFORMED_AUTHORIZATION, "not_a_key")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member()[:-1] + "!", headers=headers)


@refused(RelayCode.INVALID_API_KEY)
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, new_key("sk-"), headers=headers)


@refused(RelayCode.INVALID_API_KEY, "revoked")
def _(world: World, headers: dict[str, str]) -> Reply:
    world.member()
    made = create_key(world.relay.store, "paid10@example.org")
    revoke_key(world.relay.store, made.id)
    return chat(world.relay, made.key, headers=headers)


@refused(RelayCode.INVALID_API_KEY, "expired")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.key(expires_ms=1), headers=headers)


@refused(RelayCode.KEY_FROZEN)
def _(world: World, headers: dict[str, str]) -> Reply:
    world.member()
    made = create_key(world.relay.store, "paid10@example.org")
    freeze_key(world.relay.store, made.id)
    return chat(world.relay, made.key, headers=headers)


@refused(RelayCode.KEY_FROZEN, "account")
def _(world: World, headers: dict[str, str]) -> Reply:
    email = f"frozen{len(headers['accept-language'])}@example.org"
    create_account(world.relay.store, email)
    made = create_key(world.relay.store, email)
    freeze_account(world.relay.store, email)
    return chat(world.relay, made.key, headers=headers)


@refused(RelayCode.KEY_SCOPE_DENIED, "model", param="model")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.key(models=("gpt-4",)), headers=headers)


@refused(RelayCode.KEY_SCOPE_DENIED, "endpoint")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.key(endpoints=("embeddings",)), headers=headers)


@refused(RelayCode.KEY_SCOPE_DENIED, "address")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.key(addresses=("10.0.0.0/8",)), headers=headers)


# -- for what --------------------------------------------------------------------------------------------


def _post(world: World, body: bytes, headers: dict[str, str], **more: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    path = "/v1/chat/completions"
    return send(world.relay, "POST", path, key=world.member(), body=body, headers={**headers, **named})


@refused(RelayCode.EMPTY_REQUEST, "empty_body")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b" \n", headers)


@refused(RelayCode.EMPTY_REQUEST, "broken_json")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b'{"model": "gpt-4o-mini"', headers)


@refused(RelayCode.EMPTY_REQUEST, "not_an_object")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b'["gpt-4o-mini"]', headers)


@refused(RelayCode.EMPTY_REQUEST, "wrong_type", param="stream")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), headers=headers, stream="yes")


@refused(RelayCode.EMPTY_REQUEST, "ambiguous_field", param="Max_Tokens")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), headers=headers, Max_Tokens=5)


@refused(RelayCode.EMPTY_REQUEST, "wrong_content_type")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b"model=gpt-4", headers, content_type="application/x-www-form-urlencoded")


@refused(RelayCode.EMPTY_REQUEST, "unsupported_encoding")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b"{}", headers, content_encoding="br")


@refused(RelayCode.EMPTY_REQUEST, "broken_gzip")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b"{}", headers, content_encoding="gzip")


@refused(RelayCode.EMPTY_REQUEST, "bad_header")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b'{"model": "gpt-4o-mini"}', headers, idempotency_key="k" * 256)


@refused(RelayCode.MISSING_MODEL, param="model")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b'{"messages": []}', headers)


@refused(RelayCode.ENDPOINT_NOT_SUPPORTED)
def _(world: World, headers: dict[str, str]) -> Reply:
    return get(world.relay, "/v1/nothing", world.member(), **headers)


@refused(RelayCode.ENDPOINT_NOT_SUPPORTED, "doubled_prefix")
def _(world: World, headers: dict[str, str]) -> Reply:
    return post(world.relay, world.member(), "/v1/v1/chat/completions", {}, **headers)


@refused(RelayCode.ENDPOINT_NOT_SUPPORTED, "wrong_method")
def _(world: World, headers: dict[str, str]) -> Reply:
    return get(world.relay, "/v1/embeddings", world.member(), **headers)


@refused(RelayCode.RESOURCE_NOT_FOUND)
def _(world: World, headers: dict[str, str]) -> Reply:
    return get(world.relay, "/v1/chat/completions/chatcmpl-never", world.member(), **headers)


@refused(RelayCode.REQUEST_TOO_LARGE)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b" " * (BODY_BYTES_MAX + 1), headers)


@refused(RelayCode.REQUEST_TOO_LARGE, "headers")
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b"{}", headers, **{f"x-{number}": "v" for number in range(200)})


@refused(RelayCode.OVERLOADED, "uploads", retry=True, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _post(world, b" " * (BODY_BYTES_MAX // 2 + 1), headers)


# -- what the plan allows --------------------------------------------------------------------------------


@refused(RelayCode.MODEL_NOT_FOUND, param="model")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), "gpt-9", headers=headers)


@refused(RelayCode.MODEL_NOT_FOUND, "no_channel", param="model")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), "nowhere", headers=headers)


@refused(RelayCode.MODEL_NOT_FOUND, "not_for_sale", param="model")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), "priceless", headers=headers)


@refused(RelayCode.MODEL_NOT_FOUND, "not_for_sale", param="model")
def _(world: World, headers: dict[str, str]) -> Reply:
    """Sold by the image: no tokens of it can be had for nothing."""
    return chat(world.relay, world.member(), "per-image", headers=headers)


@refused(RelayCode.MODEL_NOT_ALLOWED, param="model")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member("free", ""), "short", headers=headers)


@refused(RelayCode.MODEL_NOT_ALLOWED, "no_plan", param="model")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member("free", ""), "priceless", headers=headers)


@refused(RelayCode.MODEL_NOT_ALLOWED, "endpoint")
def _(world: World, headers: dict[str, str]) -> Reply:
    body = {"model": "gpt-4o-mini", "prompt": "Hello"}
    return post(world.relay, world.member("free", ""), "/v1/completions", body, **headers)


@refused(RelayCode.STREAMING_NOT_ALLOWED, param="stream")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member("no-streams"), headers=headers, stream=True)


@refused(RelayCode.CONTEXT_LENGTH_EXCEEDED, param="messages")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), "short", content="one two three " * 5, headers=headers)


@refused(RelayCode.CONTEXT_LENGTH_EXCEEDED, param="input")
def _(world: World, headers: dict[str, str]) -> Reply:
    body = {"model": "short", "input": "one two three " * 5}
    return post(world.relay, world.member(), "/v1/embeddings", body, **headers)


@refused(RelayCode.CONTEXT_LENGTH_EXCEEDED, "plan", param="messages")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member("small"), headers=headers, max_tokens=60)


@refused(RelayCode.CONTEXT_LENGTH_EXCEEDED, "plan_input", param="messages")
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member("small-input"), content="one two three " * 5, headers=headers)


# -- quotas ----------------------------------------------------------------------------------------------


def _again(world: World, plan: str, model: str, headers: dict[str, str]) -> Reply:
    """Call until the quota is full, at most twice, and once more."""
    key = world.member(plan, "" if plan.startswith("free") else "10")
    for _ in range(2):
        chat(world.relay, key, model)
    return chat(world.relay, key, model, headers=headers)


@refused(RelayCode.FREE_STANDARD_REQUESTS, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "free", "gpt-4o-mini", headers)


@refused(RelayCode.FREE_PREMIUM_REQUESTS, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "free", "gpt-4", headers)


@refused(RelayCode.FREE_STANDARD_TOKENS, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "free-tokens", "gpt-4o-mini", headers)


@refused(RelayCode.FREE_PREMIUM_TOKENS, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "free-tokens", "gpt-4", headers)


@refused(RelayCode.FREE_STANDARD_TOKENS)
def _(world: World, headers: dict[str, str]) -> Reply:
    """More in one call than the window allows: no waiting helps."""
    key = world.member("free-tokens", "")
    return chat(world.relay, key, content="one two three " * 10, headers=headers)


@refused(RelayCode.PAID_STANDARD_REQUESTS, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "paid-quota", "gpt-4o-mini", headers)


@refused(RelayCode.PAID_PREMIUM_REQUESTS, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "paid-quota", "gpt-4", headers)


@refused(RelayCode.RATE_LIMITED, "tokens", after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "paid-tokens", "gpt-4o-mini", headers)


@refused(RelayCode.RATE_LIMITED, retry=True, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "burst", "gpt-4o-mini", headers)


@refused(RelayCode.RATE_LIMITED, "spend", after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _again(world, "spend", "gpt-4o-mini", headers)


def _while_running(world: World, call: Callable[[], Reply], key: str, **headers: str) -> Reply:
    """Make a call while another of the key waits for its upstream."""
    world.upstream.reset()
    world.upstream.enqueue(Script(stall_after=1))
    with socket.create_connection(("127.0.0.1", world.relay.port)) as first:
        body = b'{"model": "gpt-4o-mini", "messages": [], "stream": true}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n"
        head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        first.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        world.upstream.wait_received(1)
        reply = call()
        world.upstream.resume()
        first.recv(65536)  # and leave, whatever is still to come
    return reply


@refused(RelayCode.RATE_LIMITED, "concurrency", retry=True, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    key = world.member("one-by-one")
    eventually(lambda: chat(world.relay, key).status, lambda status: status == 200)
    return _while_running(world, lambda: chat(world.relay, key, headers=headers), key)


@refused(RelayCode.IDEMPOTENCY_CONFLICT, "running", retry=True, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    key, name = world.member(), f"running-{headers['accept-language']}"
    body = b'{"model": "gpt-4o-mini", "messages": [], "stream": true}'
    return _while_running(
        world, lambda: _post(world, body, headers, idempotency_key=name), key, idempotency_key=name
    )


@refused(RelayCode.IDEMPOTENCY_CONFLICT, "other_body")
def _(world: World, headers: dict[str, str]) -> Reply:
    again = {"idempotency-key": "other-body", **headers}
    chat(world.relay, world.member(), headers=again)
    return chat(world.relay, world.member(), headers=again, seed=len(headers["accept-language"]))


# -- money -----------------------------------------------------------------------------------------------


@refused(RelayCode.INSUFFICIENT_QUOTA)
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member("paid", "0.000001"), headers=headers)


@refused(RelayCode.KEY_BUDGET_EXCEEDED)
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.key(budget_nanos=parse_nanos("0.000001")), headers=headers)


@refused(RelayCode.KEY_BUDGET_EXCEEDED, "day", after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    key = world.key(budget_nanos=parse_nanos("0.000001"), budget_period="day")
    return chat(world.relay, key, headers=headers)


@refused(RelayCode.KEY_BUDGET_EXCEEDED, "month", after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    key = world.key(budget_nanos=parse_nanos("0.000001"), budget_period="month")
    return chat(world.relay, key, headers=headers)


# -- the upstream ----------------------------------------------------------------------------------------


@refused(RelayCode.UPSTREAM_UNREACHABLE, retry=True, after=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), "unreachable", headers=headers)


@refused(RelayCode.UPSTREAM_TIMEOUT, "connect", retry=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), "unconnected", headers=headers)


@refused(RelayCode.UPSTREAM_TIMEOUT, "tls", retry=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return chat(world.relay, world.member(), "unencrypted", headers=headers)


def _slow(world: World, model: str, headers: dict[str, str], script: Script) -> Reply:
    world.upstream.enqueue(script)
    return chat(world.relay, world.member(), model, headers=headers)


@refused(RelayCode.UPSTREAM_TIMEOUT, "header", retry=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _slow(world, "slow-late", headers, Script(stall_at=20))


@refused(RelayCode.UPSTREAM_TIMEOUT, "first_byte", retry=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _slow(world, "slow-head", headers, Script(stall_at=0))


@refused(RelayCode.UPSTREAM_TIMEOUT, "idle", retry=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _slow(world, "slow-rest", headers, Script(stall_at=-5))


@refused(RelayCode.UPSTREAM_TIMEOUT, "total", retry=True)
def _(world: World, headers: dict[str, str]) -> Reply:
    return _slow(world, "slow-all", headers, Script(stall_at=0))


# --------------------------------------------------------------------------------------------------------

# Which capability will make a test of them possible.
LATER = {
    RelayCode.PAID_OLD_IMAGE_REQUESTS: "image endpoints: an image model is not sold by the token",
    RelayCode.PAID_IMAGE_REQUESTS: "image endpoints: an image model is not sold by the token",
}


def test_every_error_is_provoked_here_or_named_as_later() -> None:
    provoked = {case.code for case in CASES}
    assert provoked | LATER.keys() == set(RelayCode)
    assert not provoked & LATER.keys(), "it can be provoked now: name it no longer"
    assert all(reason for reason in LATER.values())


def test_what_is_named_as_later_has_no_endpoint_yet(world: World) -> None:
    body = {"model": "dall-e-3", "prompt": "a horse"}
    reply = post(world.relay, world.member(), "/v1/images/generations", body)
    assert reply.relay_code == RelayCode.ENDPOINT_NOT_SUPPORTED


def _matches(text: str, template: str) -> bool:
    """Whether the text is the template with something in each of its fields."""
    parts = [
        re.escape(literal) + (".+" if field else "")
        for literal, field, _, _ in string.Formatter().parse(template)
    ]
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code.value}-{case.situation}")
@pytest.mark.parametrize(("accept", "language"), [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US", "en")])
def test_a_refusal_is_as_the_table_says(world: World, case: Case, accept: str, language: str) -> None:
    reply = case.provoke(world, {"accept-language": accept})
    row = error_table()[case.code]
    assert (reply.status, reply.relay_code) == (row.http_status, case.code), reply
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json) == ["error"]
    error = reply.json["error"]
    assert list(error) == ["message", "type", "param", "code", "relay_code"]
    assert (error["type"], error["code"], error["param"]) == (row.type, row.code, case.param)
    texts = row.messages[case.situation]
    assert _matches(error["message"], texts["zh" if language == "zh" else "en"]), error["message"]
    assert ("x-should-retry" in reply.headers) is not case.retry
    assert reply.headers.get("x-should-retry", "false") == "false"
    assert ("retry-after" in reply.headers) is case.after
    assert int(reply.headers.get("retry-after", "1")) >= 1
    assert reply.headers["x-posthouse-request-id"].startswith("req_")


def test_refusals_cost_nothing_and_the_books_are_right(world: World) -> None:
    for case in CASES[:20]:
        case.provoke(world, {"accept-language": "en"})
    charged = [one for one in world.relay.usage() if one.relay_code and one.charge_nanos]
    assert charged == []
    assert world.relay.differences() == []


@pytest.mark.parametrize(
    ("accept", "is_chinese"),
    [
        ("", False),
        ("*", False),
        ("fr", False),
        ("zh", True),
        ("ZH-hant-TW", True),
        ("en, zh", False),
        ("zh, en", True),
        ("en;q=0.5, zh;q=0.6", True),
        ("zh;q=0.5, en;q=0.6", False),
        ("zh;q=0, en;q=0.1", False),
        ("zh;q=0", False),
        ("fr;q=1, zh;q=0.1", True),
        ("zh;q=nonsense", False),
        (",,;q=1,", False),
    ],
)
def test_the_language_that_is_preferred(world: World, accept: str, is_chinese: bool) -> None:
    reply = get(world.relay, "/v1/models", **({"accept-language": accept} if accept else {}))
    assert ("密钥" in reply.json["error"]["message"]) is is_chinese


def test_a_stream_that_breaks_says_so_in_its_last_event(world: World) -> None:
    world.upstream.enqueue(Script(cut_after=3))
    reply = chat(world.relay, world.member(), stream=True, headers={"accept-language": "zh"})
    assert reply.status == 200
    assert reply.is_cut
    row = error_table()[RelayCode.UPSTREAM_UNREACHABLE]
    error = json.loads(reply.events[-1])["error"]
    assert (error["relay_code"], error["type"], error["code"]) == (row.relay_code, row.type, row.code)
    assert error["message"] == row.messages["broken"]["zh"]
    assert "[DONE]" not in reply.events


def test_http_that_is_none_is_refused_in_english(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.relay.port)) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\nhost\n\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")
    envelope = json.loads(answer.partition(b"\r\n\r\n")[2])
    row = error_table()[RelayCode.EMPTY_REQUEST]
    assert envelope["error"]["relay_code"] == row.relay_code
    assert _matches(envelope["error"]["message"], row.messages["bad_http"]["en"])
    assert "Expected CRLF after version" in envelope["error"]["message"]


def test_a_broken_chunk_is_named_in_chinese_too(world: World) -> None:
    headers = {"transfer-encoding": "chunked", "accept-language": "zh", "content-type": "application/json"}
    reply = send(world.relay, "POST", "/v1/chat/completions", key=world.member(), body=b"zz", headers=headers)
    assert (reply.status, reply.relay_code) == (400, RelayCode.EMPTY_REQUEST)
    assert "分块长度中有无效字符" in reply.json["error"]["message"]
