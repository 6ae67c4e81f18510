"""API keys of a running server: what the command line changes, what a key may be used for, what is kept."""

import base64
import json
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.calls import MODEL, Reply, at_once, chat, chat_body, command, get, post

from posthouse.accounts.service import create_key
from posthouse.kernel.errors import RelayCode
from posthouse.kernel.money import format_nanos
from posthouse.kernel.secrets import hash_key, new_key
from posthouse.metering.ceilings import prompt_tokens_bound
from posthouse.metering.tokens import TokenCounter
from posthouse.testing.operated import MINIMAL
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import eventually

# 9 prompt and 5 completion tokens, as the scripted upstream says, at 150 and 600 nanos.
CHARGE = 9 * 150 + 5 * 600
CONFIGURATION = MINIMAL.replace("[operator]", '[operator]\nkey_prefix = "ph-"').replace(
    '[models."gpt-4o-mini"]', '[models."gpt-4o-mini"]\naliases = ["mini"]'
)


@pytest.fixture(scope="module")
def relay(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    """Behind a proxy on 127.0.0.1 that is trusted, and one in a network of IPv6."""
    directory = tmp_path_factory.mktemp("keys")
    environment = {"POSTHOUSE_TRUSTED_PROXIES": "127.0.0.1, 2001:db8:ffff::/48"}
    with ServedRelay(directory, upstream.base_url, CONFIGURATION, environment=environment) as relay:
        yield relay


@pytest.fixture
def made(relay: ServedRelay, email: str) -> dict[str, Any]:
    """A key and its id, as the command line made them for a member with credit."""
    relay.member(email, credit="10")
    return dict(command(relay, "key", "create", "--account", email))


def code_is(reply: Reply, code: int | None) -> bool:
    return reply.relay_code == code


def becomes(relay: ServedRelay, key: str, code: RelayCode | None) -> None:
    """The running server comes to answer so."""
    eventually(lambda: chat(relay, key), lambda reply: code_is(reply, code))


# -- changes reach the running server --------------------------------------------------------------------


def test_freeze_unfreeze_and_revoke(relay: ServedRelay, made: dict[str, Any]) -> None:
    key_id, key = made["id"], made["key"]
    becomes(relay, key, None)
    command(relay, "key", "freeze", key_id)
    becomes(relay, key, RelayCode.KEY_FROZEN)
    command(relay, "key", "unfreeze", key_id)
    becomes(relay, key, None)
    command(relay, "key", "revoke", key_id)
    becomes(relay, key, RelayCode.INVALID_API_KEY)


def test_a_frozen_account_takes_all_its_keys_along(
    relay: ServedRelay, made: dict[str, Any], email: str
) -> None:
    other = create_key(relay.store, email).key
    becomes(relay, other, None)
    command(relay, "account", "freeze", email)
    for key in (made["key"], other):
        becomes(relay, key, RelayCode.KEY_FROZEN)
    assert "account" in chat(relay, other).json["error"]["message"]
    command(relay, "account", "unfreeze", email)
    for key in (made["key"], other):
        becomes(relay, key, None)


def test_expiry(relay: ServedRelay, made: dict[str, Any]) -> None:
    becomes(relay, made["key"], None)
    command(relay, "key", "update", made["id"], "--expires", "1s")
    becomes(relay, made["key"], RelayCode.INVALID_API_KEY)  # when its time comes, with no further notice
    assert "expired" in chat(relay, made["key"]).json["error"]["message"]
    command(relay, "key", "update", made["id"], "--expires", "never")
    becomes(relay, made["key"], None)


def test_renaming_shows_and_breaks_nothing(relay: ServedRelay, made: dict[str, Any]) -> None:
    assert get(relay, "/v1/key", made["key"]).json["name"] == ""
    command(relay, "key", "update", made["id"], "--name", "编辑器 of the office")
    named = eventually(lambda: get(relay, "/v1/key", made["key"]).json["name"], bool)
    assert named == "编辑器 of the office"
    assert chat(relay, made["key"]).status == 200


def test_a_key_made_after_a_caller_tried_it_works(relay: ServedRelay, email: str) -> None:
    """The server remembers which keys do not exist, and forgets it when one is made."""
    relay.member(email)
    assert chat(relay, new_key("ph-")).relay_code == RelayCode.INVALID_API_KEY
    made = command(relay, "key", "create", "--account", email)
    becomes(relay, made["key"], RelayCode.INSUFFICIENT_QUOTA)
    command(relay, "credit", email, "1", "--reason", "test")
    becomes(relay, made["key"], None)


def test_the_real_command_in_its_own_process(relay: ServedRelay, made: dict[str, Any]) -> None:
    run = [sys.executable, "-m", "posthouse", "key", "freeze", made["id"], "--data", str(relay.data)]
    done = subprocess.run(run, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    becomes(relay, made["key"], RelayCode.KEY_FROZEN)


# -- budgets ---------------------------------------------------------------------------------------------


def test_a_budget_is_exact_to_the_nano(relay: ServedRelay, email: str, upstream: ScriptedUpstream) -> None:
    """A budget of exactly the worst case lets the call pass; what is left decides the next, to the nano."""
    relay.member(email, credit="10")
    counted = TokenCounter().count_prompt(MODEL, BODY, "chat/completions")
    worst = 150 * prompt_tokens_bound(BODY) + 600 * 20
    for budget, status in ((worst, 200), (150 * counted + 600 * 16 - 1, 429)):
        key = create_key(relay.store, email, budget_nanos=budget).key
        reply = chat(relay, key, max_tokens=20)
        assert reply.status == status, reply
        assert "x-posthouse-max-tokens" not in reply.headers
    assert reply.relay_code == RelayCode.KEY_BUDGET_EXCEEDED


BODY = json.dumps(chat_body(max_tokens=20)).encode()  # as test_a_budget_is_exact_to_the_nano sends it


def test_concurrent_calls_never_exceed_a_budget(relay: ServedRelay, email: str) -> None:
    """Calls beside each other, on a budget for a few: what is spent adds up, and stays within it."""
    relay.member(email, credit="10")
    budget = 12 * CHARGE
    made = create_key(relay.store, email, budget_nanos=budget)
    replies = at_once([lambda: chat(relay, made.key, max_tokens=16)] * 60)
    assert {reply.relay_code for reply in replies} <= {None, RelayCode.KEY_BUDGET_EXCEEDED}
    served = sum(reply.status == 200 for reply in replies)
    assert 0 < served <= 12
    (key,) = [one for one in command(relay, "key", "list", "--account", email) if one["id"] == made.id]
    assert key["spent_nanos"] == served * CHARGE
    assert relay.balance(email) == 10 * 10**9 - served * CHARGE
    left = get(relay, "/v1/key", made.key).json["budget"]
    remaining = format_nanos(budget - served * CHARGE)
    assert left == {
        "limit": format_nanos(budget),
        "remaining": remaining,
        "period": "total",
        "resets_at": None,
    }


def test_a_raised_budget_works_at_once_and_other_keys_have_their_own(
    relay: ServedRelay, made: dict[str, Any], email: str
) -> None:
    command(relay, "key", "update", made["id"], "--budget", "0")
    becomes(relay, made["key"], RelayCode.KEY_BUDGET_EXCEEDED)
    assert chat(relay, create_key(relay.store, email).key).status == 200
    command(relay, "key", "update", made["id"], "--budget", "0.001")
    becomes(relay, made["key"], None)
    command(relay, "key", "update", made["id"], "--budget", "none")
    eventually(lambda: get(relay, "/v1/key", made["key"]).json["budget"], lambda budget: budget is None)


def test_an_answer_is_capped_by_the_budget(
    relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    relay.member(email, credit="10")
    key = create_key(relay.store, email, budget_nanos=100_000).key
    reply = chat(relay, key)
    assert reply.status == 200
    assert upstream.received[0].json["max_tokens"] == int(reply.headers["x-posthouse-max-tokens"])


# -- what a key is for -----------------------------------------------------------------------------------


def test_allowed_models(relay: ServedRelay, made: dict[str, Any]) -> None:
    key = made["key"]
    command(relay, "key", "update", made["id"], "--model", "mini")  # by its alias
    denied = {"model": "text-embedding-3-small", "input": "x"}
    eventually(
        lambda: post(relay, key, "/v1/embeddings", denied),
        lambda reply: code_is(reply, RelayCode.KEY_SCOPE_DENIED),
    )
    assert chat(relay, key).status == chat(relay, key, "mini").status == 200
    listed = [model["id"] for model in get(relay, "/v1/models", key).json["data"]]
    assert listed == [MODEL, "mini"]
    assert get(relay, "/v1/models/text-embedding-3-small", key).relay_code == RelayCode.MODEL_NOT_FOUND
    command(relay, "key", "update", made["id"], "--model", "any")
    eventually(lambda: post(relay, key, "/v1/embeddings", denied).status, lambda status: status == 200)


def test_allowed_endpoints(relay: ServedRelay, made: dict[str, Any]) -> None:
    key = made["key"]
    command(relay, "key", "update", made["id"], "--endpoint", "embeddings")
    becomes(relay, key, RelayCode.KEY_SCOPE_DENIED)
    assert post(relay, key, "/v1/embeddings", {"model": "text-embedding-3-small", "input": "x"}).status == 200
    legacy = f"/v1/engines/{MODEL}/chat/completions"
    assert post(relay, key, legacy, {"messages": []}).relay_code == RelayCode.KEY_SCOPE_DENIED
    assert get(relay, "/v1/models", key).relay_code == RelayCode.KEY_SCOPE_DENIED
    assert get(relay, "/v1/key", key).json["endpoints"] == ["embeddings"]


@pytest.mark.parametrize(
    ("allowed", "forwarded", "passes"),
    [
        ("203.0.113.0/24", "203.0.113.9", True),
        ("203.0.113.0/24", "203.0.114.9", False),
        ("203.0.113.9", "::ffff:203.0.113.9", True),
        ("2001:db8:1::/48", "2001:db8:1:2::3", True),
        ("2001:db8:1::/48", "2001:db8:2::3", False),
        # what the caller itself wrote stands left of what the trusted proxy saw
        ("203.0.113.9", "203.0.113.9, 198.51.100.7", False),
        ("198.51.100.7", "203.0.113.9, 198.51.100.7", True),
        # through two proxies of ours
        ("198.51.100.7", "198.51.100.7, 2001:db8:ffff::1", True),
        # none said, or nonsense: the proxy itself is the caller
        ("127.0.0.1", "", True),
        ("127.0.0.0/8", "unknown", True),
        ("203.0.113.9", "203.0.113.9, unknown", False),
    ],
)
def test_allowed_addresses(
    relay: ServedRelay, email: str, allowed: str, forwarded: str, passes: bool
) -> None:
    relay.member(email, credit="1")
    key = create_key(relay.store, email, addresses=(allowed,)).key
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    reply = chat(relay, key, headers=headers)
    assert reply.relay_code == (None if passes else RelayCode.KEY_SCOPE_DENIED)


def test_nobody_is_believed_where_no_proxy_is_trusted(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ServedRelay(tmp_path_factory.mktemp("bare"), upstream.base_url) as bare:
        bare.member("m@example.org", credit="1")
        key = create_key(bare.store, "m@example.org", addresses=("203.0.113.9",)).key
        forwarded = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.9"}
        assert chat(bare, key, headers=forwarded).relay_code == RelayCode.KEY_SCOPE_DENIED


# -- what a key looks like, and what is kept of it -------------------------------------------------------


def test_the_form_of_a_key(relay: ServedRelay, made: dict[str, Any]) -> None:
    key = made["key"]
    assert key.startswith("ph-")
    assert len(key) == len("ph-") + 43 + 6  # 256 bits and a checksum, in base 62
    assert key.removeprefix("ph-").isalnum()
    checksum = 0
    for character in key[-6:]:
        checksum = checksum * 62 + _BASE62.index(character)
    assert checksum == zlib.crc32(key[:-6].encode())


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key.swapcase(),
        lambda key: key[:10] + key[11:],
        lambda key: key[:9] + key[10] + key[9] + key[11:],
        lambda key: "sk-" + key[3:],
        lambda key: key + "a" * 200,
    ],
    ids=["short", "long", "case", "lost", "swapped", "prefix", "flood"],
)
def test_a_mistyped_key_is_told_as_such(relay: ServedRelay, made: dict[str, Any], spoil: Any) -> None:
    spoilt = spoil(made["key"])
    if spoilt == made["key"]:  # two equal neighbours swapped
        return
    assert chat(relay, spoilt).relay_code == RelayCode.MALFORMED_AUTHORIZATION


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_spellings_of_the_header(relay: ServedRelay, made: dict[str, Any], scheme: str) -> None:
    assert get(relay, "/v1/models", authorization=f"{scheme} {made['key']} ").status == 200


def test_only_the_hash_is_kept(relay: ServedRelay, made: dict[str, Any], upstream: ScriptedUpstream) -> None:
    key: str = made["key"]
    upstream.enqueue(Script(status=500))
    chat(relay, key)
    chat(relay, key, stream=True)
    with sqlite3.connect(relay.data / "posthouse.db") as database:
        (kept,) = database.execute("SELECT hash FROM keys WHERE id = ?", (made["id"],)).fetchone()
    database.close()
    assert kept == hash_key(key.encode())
    secret = key.removeprefix("ph-")[:40]
    written = [path.read_bytes() for path in relay.data.rglob("*") if path.is_file()]
    written += [relay.log_path.read_bytes(), relay.metrics().encode()]
    written += [received.head.raw + received.body for received in upstream.received]
    for form in (secret.encode(), base64.b64encode(key.encode())[:40], key.encode().hex().encode()):
        assert not any(form in text for text in written)
