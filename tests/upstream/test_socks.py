"""Through a SOCKS5 proxy: what it is asked for and told, and what counts as its refusal."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.upstream.calls import BODY, deadlines, fetch, lead_to, origin_of
from tests.upstream.certificates import Authority
from tests.upstream.stage import Play

from posthouse.testing.proxy import Asked, ScriptedSocks
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import until
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.errors import Fault, UpstreamFault

USER_INFO = "us%40er:p%3Aa%2Fss%20w%C3%B6rd@"
CREDENTIAL = "us@er:p:a/ss wörd"
NAME = "upstream.example"


@pytest.fixture
def secure(authority: Authority) -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(ssl_context=authority.server_context(NAME, "127.0.0.1")) as upstream:
        yield upstream


def fault_through(
    play: Play, proxy: ScriptedSocks, *, url: str = "https://127.0.0.1:1", user_info: str = "", **s: float
) -> UpstreamFault:
    async def scenario(client: UpstreamClient) -> UpstreamFault:
        origin = origin_of(client, url, f"socks5h://{user_info}{proxy.address}", False, "")
        with pytest.raises(UpstreamFault) as met:
            await fetch(origin, limits=deadlines(**s))
        await until(lambda: proxy.connections_open == 0)
        return met.value

    fault: UpstreamFault = play(scenario)
    return fault


@pytest.mark.parametrize(
    "bound",
    [b"\x01\x0a\0\0\x01\x1f\x90", b"\x04" + bytes(16) + b"\x1f\x90", b"\x03\x05proxy\x1f\x90"],
    ids=["ipv4", "ipv6", "name"],
)
def test_an_https_upstream_is_reached_by_its_name(
    play: Play, secure: ScriptedUpstream, authority: Authority, bound: bytes
) -> None:
    with ScriptedSocks(credential=CREDENTIAL, hosts={NAME: "127.0.0.1"}, bound=bound) as proxy:

        async def scenario(client: UpstreamClient) -> None:
            url = f"https://{NAME}:{secure.port}"
            origin = origin_of(client, url, f"socks5h://{USER_INFO}{proxy.address}", True, authority.ca_file)
            for framing in ("length", "chunked"):
                secure.enqueue(Script(framing=framing))
                assert (await fetch(origin))[0] == 200
            assert origin.open_count == 1

        play(scenario)
        assert proxy.asked == [Asked("name", NAME, secure.port, CREDENTIAL)]
    for one in secure.received:
        assert one.header("host") == f"{NAME}:{secure.port}"
        assert not [name for name, _ in one.head.headers if "proxy" in name.lower()]


def test_a_plain_upstream_goes_through_the_tunnel_too(play: Play, upstream: ScriptedUpstream) -> None:
    with ScriptedSocks(credential=CREDENTIAL) as proxy:

        async def scenario(client: UpstreamClient) -> None:
            origin = origin_of(client, upstream.origin, f"socks5://{USER_INFO}{proxy.address}", True, "")
            assert (await fetch(origin))[0] == 200

        play(scenario)
        assert proxy.asked == [Asked("ipv4", "127.0.0.1", upstream.port, CREDENTIAL)]
    assert upstream.received[0].head.target == "/v1/chat/completions"
    assert upstream.received[0].body == BODY
    assert "proxy" not in upstream.received[0].head.raw.decode().lower()


def test_an_upstreams_own_407_behind_a_tunnel_is_its_answer(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(status=407, body=b"{}")
    with ScriptedSocks() as proxy:

        async def scenario(client: UpstreamClient) -> None:
            origin = origin_of(client, upstream.origin, f"socks5h://{proxy.address}", True, "")
            assert await fetch(origin) == (407, b"{}")

        play(scenario)


@pytest.mark.parametrize(
    ("scheme", "host", "asked"),
    [
        ("socks5", "localhost", ("ipv4", "127.0.0.1")),  # resolved here
        ("socks5h", "localhost", ("name", "localhost")),  # resolved there
        ("socks5", "[::1]", ("ipv6", "::1")),
        ("socks5h", "[::1]", ("ipv6", "::1")),
        ("socks5h", "127.0.0.1", ("ipv4", "127.0.0.1")),
    ],
)
def test_who_resolves_the_name(play: Play, scheme: str, host: str, asked: tuple[str, str]) -> None:
    with ScriptedSocks(says={"reply": b"\x05\x05\0\x01" + bytes(6)}) as proxy:

        async def scenario(client: UpstreamClient) -> None:
            with pytest.raises(UpstreamFault, match="proxy: connection refused"):
                await fetch(
                    origin_of(client, f"https://{host}:8443", f"{scheme}://{proxy.address}", True, "")
                )

        play(scenario)
        assert [(one.kind, one.host, one.port) for one in proxy.asked] == [(*asked, 8443)]


def test_of_a_name_with_both_kinds_of_address_the_second_is_tried(
    play: Play, upstream: ScriptedUpstream
) -> None:
    with ScriptedSocks(says={"reply": b"\x05\x03\0\x01" + bytes(6)}, refused={"::1"}) as proxy:

        async def scenario(client: UpstreamClient) -> None:
            lead_to("::1", "127.0.0.1")
            origin = origin_of(client, f"http://{NAME}:{upstream.port}", f"socks5://{proxy.address}")
            assert (await fetch(origin))[0] == 200
            origin.idle.pop().close()
            assert (await fetch(origin))[0] == 200

        play(scenario)
        assert [one.host for one in proxy.asked] == ["::1", "127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize("host", [".example", "a" * 70 + ".example"])
def test_a_name_that_none_can_have(play: Play, host: str) -> None:
    with ScriptedSocks() as proxy:
        assert fault_through(play, proxy, url=f"https://{host}").fault is Fault.CONNECT


def test_a_name_that_is_to_be_resolved_here_and_has_no_address(play: Play) -> None:
    with ScriptedSocks() as proxy:

        async def scenario(client: UpstreamClient) -> None:
            with pytest.raises(UpstreamFault) as met:
                await fetch(origin_of(client, "http://none.invalid", f"socks5://{proxy.address}", True, ""))
            assert met.value.fault is Fault.DNS

        play(scenario)
        assert proxy.asked == []


@pytest.mark.parametrize("user_info", ["", "us%40er:wrong@", "us%40er@", "x" * 256 + ":y@"])
def test_a_user_that_is_not_let_in(play: Play, user_info: str) -> None:
    with ScriptedSocks(credential=CREDENTIAL) as proxy:
        fault = fault_through(play, proxy, user_info=user_info)
        assert fault.fault is Fault.PROXY
        assert "wrong" not in str(fault)
        assert proxy.asked == []


@pytest.mark.parametrize(
    ("reply", "words"), [(1, "general failure"), (2, "not allowed"), (8, "address type"), (9, "refused")]
)
def test_a_refusal_says_why(play: Play, reply: int, words: str) -> None:
    with ScriptedSocks(says={"reply": bytes((5, reply, 0, 1)) + bytes(6)}) as proxy:
        fault = fault_through(play, proxy)
        assert fault.fault is Fault.PROXY
        assert words in str(fault)


WRONG = {
    "socks4": {"method": b"\0\x5a"},
    "http": {"method": b"HTTP/1.1 400 Bad Request\r\n\r\n"},
    "no-method": {"method": b"\x05\xff"},
    "unasked-method": {"method": b"\x05\x02"},
    "early": {"reply": b"\x05\0\0\x01" + bytes(6) + b"more"},
    "flood": {"reply": b"\x05\0\0\x01" + bytes(20_000)},
}


@pytest.mark.parametrize("says", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("closes", [False, True])
def test_any_other_answer_opens_no_tunnel(play: Play, says: dict[str, bytes], closes: bool) -> None:
    with ScriptedSocks(says=says, closes=closes) as proxy:
        assert fault_through(play, proxy).fault is Fault.PROXY


STOPS = {
    "method": {"method": b"\x05"},
    "user": {"user": b"\x01"},
    "reply": {"reply": b"\x05\0\0"},
    "address": {"reply": b"\x05\0\0\x03\x05prox"},
}


@pytest.mark.parametrize("says", STOPS.values(), ids=STOPS.keys())
def test_a_proxy_that_stops_half_way(play: Play, says: dict[str, bytes]) -> None:
    user_info = USER_INFO if "user" in says else ""
    credential = CREDENTIAL if "user" in says else ""
    with ScriptedSocks(credential=credential, says=says, closes=True) as proxy:
        assert fault_through(play, proxy, user_info=user_info).fault is Fault.PROXY
    with ScriptedSocks(credential=credential, says=says) as proxy:
        fault = fault_through(play, proxy, user_info=user_info, connect_s=0.1)
        assert fault.fault is Fault.TIMEOUT_CONNECT


@pytest.mark.parametrize("turns", [*range(12), 20, 30])
def test_a_call_cancelled_on_its_way_leaves_nothing(play: Play, secure: ScriptedUpstream, turns: int) -> None:
    secure.default = Script(stall_at=0)
    with ScriptedSocks() as proxy:

        async def scenario(client: UpstreamClient) -> None:
            origin = origin_of(client, secure.origin, f"socks5://{proxy.address}", False, "")
            call = asyncio.ensure_future(fetch(origin))
            for _ in range(turns):
                await asyncio.sleep(0 if turns < 8 else 0.001)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await until(lambda: origin.open_count == 0 and proxy.connections_open == 0)

        play(scenario)
