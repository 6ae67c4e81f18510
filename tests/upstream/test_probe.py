"""Whether a channel works, told by its list of models."""

import asyncio
from typing import Any

import pytest

from posthouse.kernel.secrets import SecretText
from posthouse.routing.channels import ChannelSpec
from posthouse.testing.proxy import ScriptedProxy
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.upstream.probe import Probe, probe


def probed(upstream: ScriptedUpstream, credential: str | None = "sk-upstream", **fields: Any) -> Probe:
    spec = ChannelSpec(name="one", **{"base_url": upstream.base_url, **fields})
    return asyncio.run(probe(spec, None if credential is None else SecretText(credential)))


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
    ("script", "models", "works"),
    [
        (Script(status=404), None, True),  # no list, and may work all the same
        (Script(status=401), None, False),
        (Script(status=500), None, False),
        (said(b"<html>"), None, True),
        (said(b'{"data":1}'), None, True),
        (said(b'{"data":[]}'), 0, True),
    ],
)
def test_what_else_it_may_answer(
    upstream: ScriptedUpstream, script: Script, models: int | None, works: bool
) -> None:
    upstream.default = script
    found = probed(upstream, None)
    assert (found.status, found.models, found.works) == (script.status, models, works)


def test_a_channel_that_does_not_answer_says_why(upstream: ScriptedUpstream) -> None:
    upstream.default = Script(stall_at=-1)
    assert probed(upstream, idle_s=0.1).fault == "timeout_idle"
    upstream.default = Script(stall_at=0)
    assert probed(upstream, first_byte_s=0.1).fault == "timeout_first_byte"
    assert probed(upstream, base_url="http://127.0.0.1:1").fault.startswith("connect")
    assert probed(upstream, base_url="https://127.0.0.1:1", ca_file="/nowhere").fault.startswith("tls")
    assert not probed(upstream, base_url="http://127.0.0.1:1").works


def test_it_is_asked_through_the_channels_proxy(upstream: ScriptedUpstream) -> None:
    with ScriptedProxy(credential="u:p") as proxy:
        assert probed(upstream, proxy=f"http://u:p@{proxy.address}").models == 2
        assert proxy.heads[0].target == f"{upstream.base_url}/models"
        assert probed(upstream, proxy=f"http://u:no@{proxy.address}").fault.startswith("proxy")
