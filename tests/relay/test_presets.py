"""What a channel's preset and rules make of a request, as the upstream sees it."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.relay.forwarding import in_order, new_forwarder
from tests.upstream.stage import Play

from posthouse.catalogue.channels import resolved
from posthouse.catalogue.rules import ChannelDef
from posthouse.kernel.secrets import SecretText
from posthouse.relay.ask import read_ask
from posthouse.relay.endpoints import CHAT, EMBEDDINGS, Endpoint
from posthouse.relay.router import Offer, Trip
from posthouse.routing.pools import Pool
from posthouse.testing.upstream import Received, ScriptedUpstream
from posthouse.upstream.client import UpstreamClient

BODY = b'{"model":"m", "messages":[], "store":false, "max_completion_tokens":9, "user":"u"}'
STREAM = b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}'


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """One that takes any credential, however it is brought."""
    with ScriptedUpstream() as upstream:
        yield upstream


def seen(
    play: Play, upstream: ScriptedUpstream, body: bytes = BODY, endpoint: Endpoint = CHAT, **fields: Any
) -> Received:
    """The request that the channel's upstream gets."""
    spec = resolved(ChannelDef(name="one", **fields))
    offer = Offer(spec, Pool(spec.name, spec.credentials), {"default": SecretText("sk-one")})
    headers = {b"content-type": b"application/json"}

    async def scenario(client: UpstreamClient) -> None:
        ask = read_ask(endpoint, headers, body, "", 1_000_000)
        forwarder = new_forwarder(client)
        answer = await forwarder.fetch(
            ask, headers, in_order((offer,)), Trip(ask.model), output_cap=None, attempts=[]
        )
        assert answer.exchange.status == 200
        answer.exchange.abandon()
        forwarder.finish(answer)

    play(scenario)
    return upstream.received[-1]


def test_without_a_preset_nothing_changes(play: Play, upstream: ScriptedUpstream) -> None:
    got = seen(play, upstream, base_url=upstream.base_url)
    assert (got.head.target, got.body) == ("/v1/chat/completions", BODY)
    assert got.header("authorization") == "Bearer sk-one"


@pytest.mark.parametrize(("endpoint", "path"), [(CHAT, "chat/completions"), (EMBEDDINGS, "embeddings")])
def test_azure_is_asked_by_deployment_and_version(
    play: Play, upstream: ScriptedUpstream, endpoint: Endpoint, path: str
) -> None:
    got = seen(
        play,
        upstream,
        endpoint=endpoint,
        preset="azure",
        base_url=upstream.origin,
        api_version="2025-01-01-preview",
        model_map={"m": "my deployment"},
    )
    assert got.head.target == f"/openai/deployments/my%20deployment/{path}?api-version=2025-01-01-preview"
    assert got.header("api-key") == "sk-one"
    assert got.header("authorization") is None


def test_what_a_strict_upstream_refuses_is_left_out(play: Play, upstream: ScriptedUpstream) -> None:
    got = seen(play, upstream, preset="mistral", base_url=upstream.base_url)
    assert got.body == b'{"model":"m", "messages":[], "max_tokens":9}'
    got = seen(play, upstream, STREAM, preset="mistral", base_url=upstream.base_url)
    assert got.body == b'{"model":"m","messages":[],"stream":true}'


def test_a_channels_own_rules_go_before_its_presets(play: Play, upstream: ScriptedUpstream) -> None:
    got = seen(
        play,
        upstream,
        preset="mistral",
        base_url=upstream.base_url,
        drop=["messages"],
        rename={"user": "user_id", "max_completion_tokens": "max_output_tokens"},
        auth="header:x-own",
        headers={"x-tenant": "42"},
    )
    assert got.body == b'{"model":"m", "max_output_tokens":9, "user_id":"u"}'
    assert (got.header("x-own"), got.header("x-tenant")) == ("sk-one", "42")
    assert got.header("authorization") is None


def test_an_upstream_that_wants_no_credential_gets_none(play: Play, upstream: ScriptedUpstream) -> None:
    got = seen(play, upstream, base_url=upstream.base_url, auth="none")
    assert got.credential == ""


def test_a_header_that_the_upstream_needs_is_added(play: Play, upstream: ScriptedUpstream) -> None:
    got = seen(play, upstream, preset="anthropic", base_url=upstream.base_url)
    assert got.header("anthropic-version") == "2023-06-01"
    headers = {"Anthropic-Version": "2030-01-01", "Content-Type": "text/plain", "X-Own": "1"}
    got = seen(play, upstream, preset="anthropic", base_url=upstream.base_url, headers=headers)
    assert got.head.raw.count(b"content-type: ") == got.head.raw.count(b"anthropic-version: ") == 1
    assert got.header("anthropic-version") == "2030-01-01"
    assert got.header("content-type") == "application/json", "the caller's own"
    assert got.header("x-own") == "1"
