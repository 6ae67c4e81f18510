"""Whether a channel works, told by its list of models."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.upstream.stage import Play

from posthouse.catalogue.channels import resolved
from posthouse.catalogue.rules import ChannelDef
from posthouse.kernel.secrets import SecretText
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.verdicts import Verdict
from posthouse.testing.proxy import ScriptedProxy, ScriptedSocks
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import until
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.probe import Probe, probe


def probed(
    upstream: ScriptedUpstream, credential: str | None = "sk-upstream", model: str = "", **fields: Any
) -> Probe:
    spec = ChannelSpec(name="one", **{"base_url": upstream.base_url, **fields})
    return asyncio.run(probe(spec, None if credential is None else SecretText(credential), model))


def made(upstream: ScriptedUpstream, preset: str, **fields: Any) -> ChannelSpec:
    """A channel of a preset, on our upstream."""
    return resolved(ChannelDef(name="one", preset=preset, base_url=upstream.base_url, **fields))


def said(body: bytes) -> Script:
    return Script(raw=b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


def test_a_channel_that_works_lists_its_models(upstream: ScriptedUpstream) -> None:
    found = probed(upstream, headers={"X-Title": "t"})
    assert (found.channel, found.status, found.models, found.fault, found.works) == ("one", 200, 2, "", True)
    assert upstream.received[0].head.raw == (
        b"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nuser-agent: posthouse\r\n"
        b"accept-encoding: identity\r\nx-title: t\r\nauthorization: Bearer sk-upstream\r\n\r\n"
        % upstream.port
    )


@pytest.mark.parametrize(
    ("script", "models", "verdict"),
    [
        (Script(status=404), None, Verdict.OK),  # no list, and may work all the same
        (Script(status=400), None, Verdict.CALLER),
        (Script(status=401), None, Verdict.CREDENTIAL),
        (Script(status=500), None, Verdict.ERROR),
        (said(b"<html>"), None, Verdict.OK),
        (said(b'{"data":1}'), None, Verdict.OK),
        (said(b'{"data":[]}'), 0, Verdict.OK),
        (said(b'{"models":[{"name":"models/a"},{"name":"models/b"}]}'), 2, Verdict.OK),
    ],
)
def test_what_else_it_may_answer(
    upstream: ScriptedUpstream, script: Script, models: int | None, verdict: Verdict
) -> None:
    upstream.default = script
    found = probed(upstream, None)
    assert (found.status, found.models, found.verdict) == (script.status, models, verdict)
    assert found.works is (verdict is Verdict.OK)


def test_a_channel_that_does_not_answer_says_why(upstream: ScriptedUpstream) -> None:
    upstream.default = Script(stall_at=-1)
    assert probed(upstream, idle_s=0.1).fault == "timeout_idle"
    upstream.default = Script(stall_at=0)
    assert probed(upstream, first_byte_s=0.1).fault == "timeout_first_byte"
    silent = probed(upstream, header_s=0.1)
    assert (silent.fault, silent.verdict) == ("timeout_header", Verdict.TIMEOUT)
    assert silent.phases.header_ms
    assert silent.phases.first_byte_ms is None
    assert probed(upstream, base_url="http://127.0.0.1:1").fault.startswith("connect")
    assert probed(upstream, base_url="https://127.0.0.1:1", ca_file="/nowhere").fault.startswith("tls")
    assert not probed(upstream, base_url="http://127.0.0.1:1").works


def test_it_is_asked_through_the_channels_proxy(upstream: ScriptedUpstream) -> None:
    with ScriptedProxy(credential="u:p") as proxy:
        assert probed(upstream, proxy=f"http://u:p@{proxy.address}").models == 2
        assert proxy.heads[0].target == f"{upstream.base_url}/models"
        assert probed(upstream, proxy=f"http://u:no@{proxy.address}").fault == "proxy: authentication"
    with ScriptedSocks(credential="u:p") as socks:
        assert probed(upstream, proxy=f"socks5h://u:p@{socks.address}").models == 2
        assert probed(upstream, proxy=f"socks5h://u:no@{socks.address}").fault == "proxy: authentication"


# -- one word of a model -------------------------------------------------------------------------------------


BODIES = {
    "openai": {"max_completion_tokens": 1},
    "mistral": {"max_tokens": 1},  # by its preset
    "anthropic": {"max_tokens": 1},
}


@pytest.mark.parametrize("preset", BODIES)
def test_a_model_is_asked_for_one_token(upstream: ScriptedUpstream, preset: str) -> None:
    spec = made(upstream, preset, model_map={"mine": "theirs"}, headers={"x-title": "t"})
    found = asyncio.run(probe(spec, SecretText("sk-upstream"), "mine"))
    asked = upstream.received[0]
    message = {"role": "user", "content": "Say ok."}
    assert asked.json == {"model": "theirs", "messages": [message], **BODIES[preset]}
    assert asked.head.path == ("/v1/messages" if preset == "anthropic" else "/v1/chat/completions")
    assert asked.header("x-title") == "t"
    assert (found.model, found.models) == ("mine", None)
    assert (found.status, found.works) == (asked.script.status, True)


def test_a_model_is_asked_in_the_dialect_of_its_preset(upstream: ScriptedUpstream) -> None:
    asyncio.run(probe(made(upstream, "anthropic"), SecretText("sk-upstream"), "claude"))
    assert upstream.received[0].header("x-api-key") == "sk-upstream"
    assert upstream.received[0].header("anthropic-version") == "2023-06-01"
    gemini = msgspec.structs.replace(made(upstream, "gemini"), base_url=f"{upstream.origin}/v1beta")
    asyncio.run(probe(gemini, SecretText("sk-upstream"), "gemini-pro"))
    asked = upstream.received[1]
    assert asked.head.target == "/v1beta/models/gemini-pro:generateContent"
    assert asked.header("x-goog-api-key") == "sk-upstream"
    assert asked.header("authorization") is None
    assert asked.json["generationConfig"] == {"maxOutputTokens": 1}
    azure = msgspec.structs.replace(made(upstream, "azure"), base_url=upstream.origin)
    asyncio.run(probe(azure, SecretText("sk-upstream"), "gpt"))
    asked = upstream.received[2]
    assert asked.head.target.startswith("/openai/deployments/gpt/chat/completions?api-version=")
    assert asked.header("api-key") == "sk-upstream"


@pytest.mark.parametrize(
    ("status", "verdict", "works"),
    [
        (400, Verdict.CALLER, True),  # too short for its taste, but it is there
        (404, Verdict.MODEL_MISSING, False),
        (429, Verdict.RATE_LIMITED, False),
    ],
)
def test_what_a_model_may_answer(
    upstream: ScriptedUpstream, status: int, verdict: Verdict, works: bool
) -> None:
    upstream.default = Script(status=status)
    found = probed(upstream, model="m")
    assert (found.status, found.verdict, found.works) == (status, verdict, works)


def test_a_running_servers_connections_are_used(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        spec = ChannelSpec(name="one", base_url=upstream.base_url)
        for model in ("", "gpt-4o-mini", ""):
            assert (await probe(spec, None, model, client=client)).works
        upstream.default = Script(stall_at=-1)
        waiting = asyncio.ensure_future(probe(spec, None, client=client))
        await until(lambda: len(upstream.received) == 4)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert client.active_count == 0

    play(scenario)
    assert upstream.connections_made == 1
