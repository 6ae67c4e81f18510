"""Through an outbound HTTP proxy: who sees which credential, and what counts as the upstream's answer."""

import asyncio
import base64
from collections.abc import Iterator

import pytest
from tests.upstream.calls import BODY, deadlines, fetch, origin_of
from tests.upstream.certificates import Authority
from tests.upstream.stage import Play

from posthouse.testing.proxy import ScriptedProxy
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import until
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.errors import Fault, UpstreamFault

USER_INFO = "us%40er:p%3Aa%2Fss%20w%C3%B6rd"
CREDENTIAL = "us@er:p:a/ss wörd"
BASIC = "Basic " + base64.b64encode(CREDENTIAL.encode()).decode()


@pytest.fixture
def secure(authority: Authority) -> Iterator[ScriptedUpstream]:
    context = authority.server_context("127.0.0.1", "localhost")
    with ScriptedUpstream(credential="sk-upstream", ssl_context=context) as upstream:
        yield upstream


@pytest.fixture
def plain() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(credential="sk-upstream") as upstream:
        yield upstream


def fault_through(
    play: Play, url: str, proxy: ScriptedProxy, user_info: str = "", **seconds: float
) -> UpstreamFault:
    async def scenario(client: UpstreamClient) -> UpstreamFault:
        origin = origin_of(client, url, f"http://{user_info}{proxy.address}", False, "")
        with pytest.raises(UpstreamFault) as met:
            await fetch(origin, limits=deadlines(**seconds))
        return met.value

    fault: UpstreamFault = play(scenario)
    return fault


def test_an_https_upstream_is_reached_through_a_tunnel(
    play: Play, secure: ScriptedUpstream, authority: Authority
) -> None:
    with ScriptedProxy(credential=CREDENTIAL) as proxy:

        async def scenario(client: UpstreamClient) -> None:
            origin = origin_of(
                client, secure.origin, f"http://{USER_INFO}@{proxy.address}", True, authority.ca_file
            )
            for framing in ("length", "chunked", "length"):
                secure.enqueue(Script(framing=framing))
                assert (await fetch(origin))[0] == 200
            assert origin.open_count == 1
            assert len(await asyncio.gather(*[fetch(origin) for _ in range(5)])) == 5

        play(scenario)
        target = f"127.0.0.1:{secure.port}"
        assert [(head.method, head.target) for head in proxy.heads[:1]] == [("CONNECT", target)]
        for head in proxy.heads:
            # Every byte of it: nothing of the call, and above all not the upstream's credential.
            expected = f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nproxy-authorization: {BASIC}\r\n\r\n"
            assert head.raw == expected.encode()
        assert {one.connection for one in secure.received[:3]} == {1}
    assert len(secure.received) == 8
    for one in secure.received:
        assert one.body == BODY
        assert one.head.target == "/v1/chat/completions"
        assert one.header("authorization") == "Bearer sk-upstream"
        assert not [name for name, _ in one.head.headers if "proxy" in name.lower()]


def test_a_plain_upstream_is_asked_for_in_the_absolute_form(play: Play, plain: ScriptedUpstream) -> None:
    with ScriptedProxy(credential=CREDENTIAL) as proxy:

        async def scenario(client: UpstreamClient) -> None:
            origin = origin_of(client, plain.origin, f"http://{USER_INFO}@{proxy.address}", True, "")
            for _ in range(3):
                assert (await fetch(origin))[0] == 200

        play(scenario)
        assert [head.target for head in proxy.heads] == [f"{plain.origin}/v1/chat/completions"] * 3
        assert [head.header("proxy-authorization") for head in proxy.heads] == [BASIC] * 3
    for one in plain.received:
        assert one.body == BODY
        assert one.header("host") == f"127.0.0.1:{plain.port}"
        assert not [name for name, _ in one.head.headers if "proxy" in name.lower()]


def test_a_proxy_that_asks_for_nothing_is_told_nothing(
    play: Play, plain: ScriptedUpstream, secure: ScriptedUpstream
) -> None:
    with ScriptedProxy() as proxy:

        async def scenario(client: UpstreamClient) -> None:
            for upstream in (plain, secure):
                assert (await fetch(origin_of(client, upstream.origin, proxy.origin, False, "")))[0] == 200

        play(scenario)
        assert [head.header("proxy-authorization") for head in proxy.heads] == [None, None]


def test_the_certificate_behind_a_tunnel_is_checked(play: Play, secure: ScriptedUpstream) -> None:
    with ScriptedProxy() as proxy:

        async def scenario(client: UpstreamClient) -> None:
            with pytest.raises(UpstreamFault) as met:
                await fetch(origin_of(client, secure.origin, proxy.origin, True, ""))
            assert met.value.fault is Fault.TLS
            await until(lambda: proxy.connections_open == 0)

        play(scenario)
    assert secure.received == []


@pytest.mark.parametrize("user_info", ["", "us%40er:wrong@", "us%40er@"])
def test_a_proxy_that_refuses_is_no_upstreams_answer(
    play: Play, plain: ScriptedUpstream, secure: ScriptedUpstream, user_info: str
) -> None:
    with ScriptedProxy(credential=CREDENTIAL) as proxy:
        for upstream in (plain, secure):
            fault = fault_through(play, upstream.origin, proxy, user_info)
            assert fault.fault is Fault.PROXY
            assert upstream.received == []


def test_an_upstreams_own_407_without_a_proxy_is_its_answer(play: Play, plain: ScriptedUpstream) -> None:
    plain.default = Script(status=407, body=b"{}")

    async def scenario(client: UpstreamClient) -> None:
        assert await fetch(origin_of(client, plain.origin, "", True, "")) == (407, b"{}")

    play(scenario)


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nno",
        b"HTTP/1.1 302 Found\r\nlocation: http://x/\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH 2.0\r\n\r\n",
        b"not 200\r\n\r\n",
        b"HTTP/1.1 2\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"\r\n\r\n",
        HEAD + b"\r\nx",  # spoken before our handshake: not the upstream's words
        HEAD + b"x: y\r\n" * 4000,
        b"x" * 20_000,
        HEAD + b"x: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
    ids=[
        *("403", "502", "302", "100", "ssh", "words", "short", "http-2", "empty", "early", "flood", "noise"),
        "long",
    ],
)
@pytest.mark.parametrize("closes", [False, True])
def test_any_other_answer_to_connect_opens_no_tunnel(play: Play, says: bytes, closes: bool) -> None:
    with ScriptedProxy(says=says, closes=closes) as proxy:
        fault = fault_through(play, "https://upstream.example", proxy)
        assert fault.fault is Fault.PROXY
        assert "upstream.example" not in str(fault)


def test_a_proxy_that_hangs_up_opens_no_tunnel(play: Play) -> None:
    for says in (b"", b"HTTP/1.1 200", HEAD):
        with ScriptedProxy(says=says, closes=True) as proxy:
            assert fault_through(play, "https://upstream.example", proxy).fault is Fault.PROXY


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (b"", Fault.TIMEOUT_CONNECT),
        (b"HTTP/1.1 200 OK\r\nx: ", Fault.TIMEOUT_CONNECT),
        (HEAD + b"\r\n", Fault.TIMEOUT_TLS),
    ],
    ids=["silent", "half", "no-handshake"],
)
def test_a_proxy_that_goes_no_further_is_given_up(play: Play, says: bytes, fault: Fault) -> None:
    with ScriptedProxy(says=says) as proxy:
        met = fault_through(play, "https://upstream.example", proxy, connect_s=0.1, tls_s=0.1)
        assert met.fault is fault


def test_a_tunnel_that_leads_nowhere_is_a_fault(play: Play) -> None:
    with ScriptedProxy() as proxy:
        assert fault_through(play, "https://127.0.0.1:1", proxy).fault is Fault.PROXY


def test_no_proxy_there_is_a_fault(play: Play) -> None:
    async def scenario(client: UpstreamClient) -> None:
        for url in ("https://upstream.example", "http://upstream.example"):
            with pytest.raises(UpstreamFault) as met:
                await fetch(origin_of(client, url, "http://127.0.0.1:1", True, ""))
            assert met.value.fault is Fault.CONNECT

    play(scenario)


@pytest.mark.parametrize("turns", [*range(12), 20, 30])
def test_a_call_cancelled_on_its_way_through_a_tunnel_leaves_nothing(
    play: Play, secure: ScriptedUpstream, turns: int
) -> None:
    secure.default = Script(stall_at=0)
    with ScriptedProxy() as proxy:

        async def scenario(client: UpstreamClient) -> None:
            origin = origin_of(client, secure.origin, proxy.origin, False, "")
            call = asyncio.ensure_future(fetch(origin))
            for _ in range(turns):
                await asyncio.sleep(0 if turns < 8 else 0.001)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await until(lambda: origin.open_count == 0 and proxy.connections_open == 0)

        play(scenario)


def test_a_proxys_password_is_not_shown(play: Play) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = origin_of(client, "https://upstream.example", f"http://{USER_INFO}@127.0.0.1:1")
        with pytest.raises(UpstreamFault) as met:
            await fetch(origin)
        assert "w%C3%B6rd" not in repr(origin.way) + str(met.value) + repr(client.counts())

    play(scenario)


def test_an_ipv6_upstream_is_named_in_brackets(play: Play) -> None:
    with ScriptedProxy(says=b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        fault_through(play, "https://[::1]:8443", proxy)
        fault_through(play, "https://[::1]", proxy)
        assert [head.target for head in proxy.heads] == ["[::1]:8443", "[::1]:443"]
