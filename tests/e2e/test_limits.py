"""Limits of the served relay: each kind of rule, per key and per address, over restarts and failures."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import func, select
from tests.e2e.calls import Reply, at_once, chat, chat_body, get, send

from posthouse.accounts.service import create_key
from posthouse.kernel.errors import RelayCode
from posthouse.kernel.money import format_nanos
from posthouse.store.schema import idempotency
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import eventually

USED = 9 + 5  # tokens of a call, as the scripted upstream says
CHARGE = 9 * 150 + 5 * 600
CONFIGURATION = f"""
[families]
a = {{ kind = "standard" }}
b = {{ kind = "premium" }}
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
family = "a"
[models."gpt-4o"]
list = "openai/gpt-4o-mini"
family = "b"
[models.unreachable]
list = "openai/gpt-4o-mini"
family = "a"

[plans.three]
kind = "free"
[[plans.three.limits]]
requests = 3
[plans.twenty]
kind = "free"
[[plans.twenty.limits]]
requests = 20
[plans.nested]
kind = "free"
[[plans.nested.limits]]
family = "a"
requests = 1
[[plans.nested.limits]]
window = "1 day"
requests = 3
tokens = 10000
[plans.tokens]
kind = "free"
[[plans.tokens.limits]]
tokens = 1000
[plans.full]
kind = "free"
[[plans.full.limits]]
tokens = {4 * USED + 1}
[plans.two-at-once]
kind = "free"
[[plans.two-at-once.limits]]
concurrency = 2
[plans.spend]
kind = "paid"
[[plans.spend.limits]]
spend = "{format_nanos(2 * CHARGE)}"
[plans.sliding]
kind = "free"
[[plans.sliding.limits]]
window = "6 s"
requests = 2
[plans.accounts]
kind = "free"
[[plans.accounts.limits]]
per = "account"
requests = 2
[plans.together]
kind = "free"
[[plans.together.limits]]
per = "plan"
requests = 2
[plans.paid]
kind = "paid"
[[plans.paid.limits]]
requests = 10

[channels.main]
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gpt-*"]
[channels.closed]
base_url = "http://127.0.0.1:1/v1"
models = ["unreachable"]
"""


@pytest.fixture(scope="module")
def relay(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    """Behind a trusted proxy, so that a test calls from whichever address it likes."""
    environment = {"POSTHOUSE_TRUSTED_PROXIES": "127.0.0.1"}
    directory = tmp_path_factory.mktemp("limits")
    with ServedRelay(directory, upstream.base_url, CONFIGURATION, environment=environment) as relay:
        yield relay


class Caller:
    """A member's key, calling from an address of its own."""

    _addresses = 0

    def __init__(self, relay: ServedRelay, key: str, address: str = "") -> None:
        Caller._addresses += 1
        self.relay = relay
        self.key = key
        self.address = address or f"10.{Caller._addresses >> 8}.{Caller._addresses & 255}.1"

    def chat(self, model: str = "gpt-4o-mini", **fields: object) -> Reply:
        headers = {"x-forwarded-for": self.address}
        return chat(self.relay, self.key, model, headers=headers, **fields)

    def left(self, measure: str, rule: str = "") -> dict[str, int]:
        """What remains by subject, as GET /v1/key tells."""
        shown = get(self.relay, "/v1/key", self.key, **{"x-forwarded-for": self.address}).json
        return {
            one["per"]: one["remaining"]
            for one in shown["limits"]
            if one["measure"] == measure and rule in one["rule"]
        }


@pytest.fixture
def member(relay: ServedRelay, email: str) -> Callable[..., Caller]:
    """Makes the test's member, on a plan."""

    def make(plan: str, credit: str = "") -> Caller:
        return Caller(relay, relay.member(email, plan=plan, credit=credit))

    return make


def quota(reply: Reply, measure: str = "requests") -> tuple[int, int]:
    """Limit and remaining that the headers tell; they must all be there."""
    assert reply.headers[f"x-ratelimit-reset-{measure}"][-1] == "s"
    names = (f"x-ratelimit-{name}-{measure}" for name in ("limit", "remaining"))
    limit, remaining = (int(reply.headers[name]) for name in names)
    return limit, remaining


# -- requests --------------------------------------------------------------------------------------------


def test_requests_are_counted_for_the_key_wherever_it_calls_from(
    relay: ServedRelay, member: Callable[..., Caller]
) -> None:
    first = member("three")
    elsewhere = Caller(relay, first.key)
    replies = [first.chat(), elsewhere.chat(), first.chat(stream=True)]
    assert [quota(reply) for reply in replies] == [(3, 2), (3, 1), (3, 0)]
    for caller in (first, elsewhere, Caller(relay, first.key)):
        reply = caller.chat()
        assert reply.relay_code == RelayCode.FREE_STANDARD_REQUESTS
        assert "per key" in reply.json["error"]["message"]
        assert quota(reply) == (3, 0)
        assert 3540 < int(reply.headers["retry-after"]) <= 3600


def test_requests_are_counted_for_the_address_whichever_key_is_used(
    relay: ServedRelay, member: Callable[..., Caller], email: str
) -> None:
    first = member("three")
    keys = [create_key(relay.store, email).key for _ in range(3)]
    assert all(Caller(relay, key, first.address).chat().status == 200 for key in keys)
    reply = first.chat()
    assert reply.relay_code == RelayCode.FREE_STANDARD_REQUESTS
    assert "per address" in reply.json["error"]["message"]
    assert first.left("requests") == {"key": 3, "address": 0}  # the refusal took nothing from the key
    assert Caller(relay, first.key).chat().status == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:{0}:1::1", "2001:db8:{0}:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:{0}:1::1", "2001:db8:{0}:2::1", False),
        ("192.0.2.{0}", "::ffff:192.0.2.{0}", True),
        ("198.51.100.{0}", "198.51.101.{0}", False),
    ],
    ids=["one /64", "two /64", "mapped", "two addresses"],
)
def test_what_is_one_address(
    relay: ServedRelay, member: Callable[..., Caller], email: str, one: str, other: str, same: bool
) -> None:
    number = str(int(email.removeprefix("member").partition("@")[0]) % 250)
    key = member("three").key
    for _ in range(3):
        spare = create_key(relay.store, email).key
        assert Caller(relay, spare, one.format(number)).chat().status == 200
    code = Caller(relay, key, other.format(number)).chat().relay_code
    assert code == (RelayCode.FREE_STANDARD_REQUESTS if same else None)


def test_an_account_and_a_whole_plan_can_be_limited(
    relay: ServedRelay, member: Callable[..., Caller], email: str
) -> None:
    first = member("accounts")
    second = Caller(relay, create_key(relay.store, email).key)
    assert [first.chat().status, second.chat().status] == [200, 200]
    assert second.chat().relay_code == first.chat().relay_code == RelayCode.FREE_STANDARD_REQUESTS
    other = Caller(relay, relay.member(f"other-{email}", plan="accounts"))
    assert other.chat().status == 200
    together = [Caller(relay, relay.member(f"{n}-{email}", plan="together")) for n in range(3)]
    assert [one.chat().status for one in together] == [200, 200, 429]


def test_calls_at_once_pass_as_many_as_the_limit(
    relay: ServedRelay, member: Callable[..., Caller], upstream: ScriptedUpstream
) -> None:
    caller = member("twenty")
    replies = at_once([caller.chat] * 100)
    assert sum(reply.status == 200 for reply in replies) == 20
    assert len(upstream.received) == 20
    passed = sorted(quota(reply)[1] for reply in replies if reply.status == 200)
    assert passed == list(range(20))


def test_a_refused_call_takes_nothing_from_any_rule(member: Callable[..., Caller]) -> None:
    caller = member("nested")
    assert caller.chat().status == 200
    before = caller.left("requests"), caller.left("tokens")
    for _ in range(5):
        assert caller.chat().relay_code == RelayCode.FREE_STANDARD_REQUESTS
    assert (caller.left("requests"), caller.left("tokens")) == before
    assert caller.left("requests", "1 day") == {"key": 2, "address": 2}
    assert [caller.chat("gpt-4o").status for _ in range(3)] == [200, 200, 429]
    assert caller.left("tokens") == {"key": 10_000 - 3 * USED, "address": 10_000 - 3 * USED}


def test_an_idempotency_key_costs_no_quota_twice_and_a_refusal_no_write(
    relay: ServedRelay, member: Callable[..., Caller]
) -> None:
    caller = member("three")

    def left_after(key: str) -> tuple[int, dict[str, int]]:
        headers = {"x-forwarded-for": caller.address, "idempotency-key": key}
        return chat(relay, caller.key, headers=headers).status, caller.left("requests")

    assert left_after("one") == left_after("one") == (200, {"key": 2, "address": 2})
    assert [left_after(key)[0] for key in ("two", "three", "four")] == [200, 200, 429]
    with relay.store.read() as connection:
        kept = select(func.count()).where(idempotency.c.account_id == relay.usage()[-1].account_id)
        assert connection.execute(kept).scalar() == 3


# -- tokens, money, concurrency --------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_are_what_the_upstream_says_prompt_and_answer(
    member: Callable[..., Caller], stream: bool
) -> None:
    caller = member("tokens")
    reply = caller.chat(stream=stream)
    limit, remaining = quota(reply, "tokens")
    assert limit == 1000
    assert remaining < 1000  # the prompt, as reserved before the answer was known
    assert caller.left("tokens") == {"key": 1000 - USED, "address": 1000 - USED}


def test_a_full_token_window_refuses_before_the_upstream_is_asked(
    member: Callable[..., Caller], upstream: ScriptedUpstream
) -> None:
    caller = member("full")
    served = 0
    while (reply := caller.chat()).status == 200:
        served += 1
    assert reply.relay_code == RelayCode.FREE_STANDARD_TOKENS
    assert 1 <= served <= 4
    assert len(upstream.received) == served
    assert caller.left("tokens")["key"] == 4 * USED + 1 - served * USED
    assert quota(reply, "tokens") == (4 * USED + 1, 4 * USED + 1 - served * USED)


def test_spending(member: Callable[..., Caller]) -> None:
    caller = member("spend", "10")
    assert [caller.chat().status for _ in range(2)] == [200, 200]
    reply = caller.chat()
    assert reply.relay_code == RelayCode.RATE_LIMITED
    assert format_nanos(2 * CHARGE) in reply.json["error"]["message"]
    assert caller.left("spend") == {"key": 0, "address": 0}


def test_concurrency(member: Callable[..., Caller], upstream: ScriptedUpstream) -> None:
    caller = member("two-at-once")
    with _running(caller, upstream), _running(caller, upstream):
        refused = caller.chat()
        assert refused.relay_code == RelayCode.RATE_LIMITED
        assert refused.headers["retry-after"] == "1"
        assert caller.left("concurrency") == {"key": 0, "address": 0}
    # Both callers have hung up: their places are free again.
    eventually(lambda: caller.left("concurrency"), lambda left: left == {"key": 2, "address": 2})
    assert caller.chat().status == 200


class _running:
    """A streamed call that waits for its upstream until the block ends; then its caller hangs up."""

    def __init__(self, caller: Caller, upstream: ScriptedUpstream) -> None:
        upstream.enqueue(Script(stall_after=2))
        count = len(upstream.received)
        self._socket = socket.create_connection(("127.0.0.1", caller.relay.port))
        body = str(chat_body(stream=True)).replace("'", '"').replace("True", "true").encode()
        self._socket.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
            b"authorization: Bearer %b\r\nx-forwarded-for: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (caller.key.encode(), caller.address.encode(), len(body), body)
        )
        upstream.wait_received(count + 1)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._socket.close()


# -- headers ---------------------------------------------------------------------------------------------


def test_every_answer_says_what_is_left(member: Callable[..., Caller], upstream: ScriptedUpstream) -> None:
    caller = member("paid", "0.0001")
    upstream.enqueue(Script(), Script(), Script(status=400), Script(status=500), Script(cut_after=2))
    whole, stream, bad, failed = caller.chat(), caller.chat(stream=True), caller.chat(), caller.chat()
    broken = caller.chat(stream=True)
    assert [quota(one)[1] for one in (whole, stream, bad, failed, broken)] == [9, 8, 7, 6, 5]
    assert broken.is_cut
    # Refused by the balance, and unreachable: both took their request, and gave it back.
    assert quota(caller.chat(max_tokens=1, n=1000)) == (10, 5)
    assert quota(caller.chat("unreachable")) == (10, 5)


def test_what_is_refused_before_its_model_is_known_says_where_the_caller_stands(
    relay: ServedRelay, member: Callable[..., Caller]
) -> None:
    caller = member("three")
    caller.chat()
    where = {"x-forwarded-for": caller.address}
    refused = [
        caller.chat("none-such"),
        send(relay, "POST", "/v1/chat/completions", key=caller.key, body=b"{", headers=where),
        get(relay, "/v1/models/none-such", caller.key, **where),
    ]
    assert [reply.relay_code for reply in refused] == [48001, 40039, 48001]
    assert [quota(reply) for reply in refused] == [(3, 2)] * 3


def test_the_upstreams_own_limits_are_not_shown(relay: ServedRelay) -> None:
    """They are the operator's with its provider, not the caller's."""
    relay_key = relay.member("unlimited@example.org", plan="two-at-once")
    assert not [name for name in chat(relay, relay_key).headers if name.startswith("x-ratelimit")]


# -- time and failures -----------------------------------------------------------------------------------


def test_the_window_slides(member: Callable[..., Caller]) -> None:
    caller = member("sliding")
    assert caller.chat().status == 200
    time.sleep(3)  # half the window, by a served clock that no test can move; half is for the rest
    assert caller.chat().status == 200
    refused = caller.chat()
    assert refused.relay_code == RelayCode.RATE_LIMITED
    assert "x-should-retry" not in refused.headers
    assert 1 <= int(refused.headers["retry-after"]) <= 3
    eventually(caller.chat, lambda reply: reply.status == 200)
    assert caller.chat().status == 429  # the second still counts: a window that jumps would let two pass


def test_a_call_that_no_upstream_answers_costs_no_quota(member: Callable[..., Caller]) -> None:
    caller = member("three")
    for _ in range(5):
        assert caller.chat("unreachable").relay_code == RelayCode.UPSTREAM_UNREACHABLE
    assert caller.left("requests") == {"key": 3, "address": 3}


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_counters_survive_a_restart(
    relay: ServedRelay, member: Callable[..., Caller], email: str, how: str
) -> None:
    three = member("three")
    spend = Caller(relay, relay.member(f"spend-{email}", plan="spend", credit="1"))
    tokens = Caller(relay, relay.member(f"tokens-{email}", plan="tokens"))
    three.chat()
    three.chat("unreachable")
    three.chat(stream=True)
    spend.chat()
    tokens.chat()
    before = [three.left("requests"), spend.left("spend"), tokens.left("tokens")]
    assert before[0] == {"key": 1, "address": 1}
    getattr(relay, how)()
    relay.start()
    after = [three.left("requests"), spend.left("spend"), tokens.left("tokens")]
    assert after == before
    assert three.chat().status == 200
    assert three.chat().relay_code == RelayCode.FREE_STANDARD_REQUESTS
    assert relay.differences() == []
