"""TLS to an upstream: whom it trusts, and what it says of one that it does not."""

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest
from tests.upstream.calls import begin, deadlines, direct, fetch
from tests.upstream.certificates import Authority
from tests.upstream.stage import Play

from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import until
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.errors import Fault, UpstreamFault


def fault_of(play: Play, url: str, *, ca_file: str = "", tls_verify: bool = True, words: str = ".") -> Fault:
    async def scenario(client: UpstreamClient) -> Fault:
        with pytest.raises(UpstreamFault, match=words) as met:
            await fetch(direct(client, url, ca_file=ca_file, tls_verify=tls_verify))
        return met.value.fault

    fault: Fault = play(scenario)
    return fault


def served_over(context: ssl.SSLContext) -> ScriptedUpstream:
    return ScriptedUpstream(ssl_context=context)


def test_a_trusted_authoritys_certificate_is_taken(play: Play, authority: Authority) -> None:
    with served_over(authority.server_context("127.0.0.1")) as upstream:

        async def scenario(client: UpstreamClient) -> None:
            origin = direct(client, upstream.origin, ca_file=authority.ca_file)
            for framing in ("length", "chunked", "length"):
                upstream.enqueue(Script(framing=framing))
                assert (await fetch(origin))[0] == 200
            assert origin.open_count == 1

        play(scenario)
        assert [one.connection for one in upstream.received] == [1, 1, 1]


def test_an_answer_until_the_end_of_a_tls_connection(play: Play, authority: Authority) -> None:
    with served_over(authority.server_context("127.0.0.1")) as upstream:
        upstream.default = Script(framing="close", body=b"x" * 1_000_000)

        async def scenario(client: UpstreamClient) -> None:
            origin = direct(client, upstream.origin, ca_file=authority.ca_file)
            for _ in range(2):
                assert await fetch(origin) == (200, b"x" * 1_000_000)

        play(scenario)
        assert upstream.connections_made == 2


def test_a_large_answer_and_a_paused_reader_over_tls(play: Play, authority: Authority) -> None:
    with served_over(authority.server_context("127.0.0.1")) as upstream:
        upstream.default = Script(body=b"x" * 20_000_000)

        async def scenario(client: UpstreamClient) -> None:
            origin = direct(client, upstream.origin, ca_file=authority.ca_file)
            exchange = await begin(origin)
            for _ in range(5):
                exchange.pause()
                await asyncio.sleep(0.01)  # what comes meanwhile waits
                exchange.resume()
                await asyncio.sleep(0)
            await exchange.wait_done()
            assert exchange.bytes_received == 20_000_000

        play(scenario)


def test_without_the_ca_file_the_certificate_is_refused(play: Play, authority: Authority) -> None:
    with served_over(authority.server_context("127.0.0.1")) as upstream:
        assert fault_of(play, upstream.origin) is Fault.TLS
        assert upstream.received == []


def test_a_ca_file_that_was_replaced_is_read_again(play: Play, authority: Authority, tmp_path: Path) -> None:
    ca_file = Authority(tmp_path).ca_file  # another's
    with served_over(authority.server_context("127.0.0.1")) as upstream:

        async def scenario(client: UpstreamClient) -> None:
            with pytest.raises(UpstreamFault, match="tls"):
                await fetch(direct(client, upstream.origin, ca_file=ca_file))
            shutil.copy(authority.ca_file, ca_file)
            assert (await fetch(direct(client, upstream.origin, ca_file=ca_file)))[0] == 200

        play(scenario)


def test_another_hosts_certificate_is_refused(play: Play, authority: Authority) -> None:
    with served_over(authority.server_context("other.example", "127.0.0.2")) as upstream:
        assert fault_of(play, upstream.origin, ca_file=authority.ca_file) is Fault.TLS
        url = f"https://localhost:{upstream.port}"
        assert fault_of(play, url, ca_file=authority.ca_file) is Fault.TLS
        assert upstream.received == []


def test_an_expired_certificate_is_refused(play: Play, authority: Authority) -> None:
    with served_over(authority.server_context("127.0.0.1", expired=True)) as upstream:
        words = "tls: certificate has expired"
        assert fault_of(play, upstream.origin, ca_file=authority.ca_file, words=words) is Fault.TLS
        assert upstream.received == []


def test_an_unverified_channel_takes_any_certificate(play: Play, authority: Authority) -> None:
    with served_over(authority.server_context("other.example", expired=True)) as upstream:

        async def scenario(client: UpstreamClient) -> None:
            assert (await fetch(direct(client, upstream.origin, tls_verify=False)))[0] == 200

        play(scenario)


def test_the_servers_name_is_sent(play: Play, authority: Authority) -> None:
    context = authority.server_context("localhost")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with served_over(context) as upstream:

        async def scenario(client: UpstreamClient) -> None:
            url = f"https://localhost:{upstream.port}"
            assert (await fetch(direct(client, url, ca_file=authority.ca_file)))[0] == 200

        play(scenario)
        assert names == ["localhost"]
        assert upstream.received[0].header("host") == f"localhost:{upstream.port}"


def test_tls_where_plain_http_is_spoken(play: Play, authority: Authority) -> None:
    with served_over(authority.server_context("127.0.0.1")) as upstream:
        url = f"http://127.0.0.1:{upstream.port}"
        assert fault_of(play, url) in (Fault.MALFORMED, Fault.CLOSED)
        assert upstream.received == []


@pytest.mark.parametrize("content", [None, "no certificate at all"])
def test_a_ca_file_that_is_none_is_a_fault_of_tls(play: Play, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    assert fault_of(play, "https://127.0.0.1:1", ca_file=str(path)) is Fault.TLS


class Silent:
    """Accepts connections, takes what comes and never says a word."""

    def __init__(self) -> None:
        self.open_count = 0
        self.made = 0

    def __call__(self) -> asyncio.Protocol:
        counter = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                counter.open_count += 1
                counter.made += 1

            def connection_lost(self, error: Exception | None) -> None:
                counter.open_count -= 1

        return Connection()


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_handshake_that_never_ends_is_given_up(play: Play, cancelled: bool) -> None:
    async def scenario(client: UpstreamClient) -> None:
        silent = Silent()
        server = await asyncio.get_running_loop().create_server(silent, "127.0.0.1", 0)
        origin = direct(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        call = asyncio.ensure_future(fetch(origin, limits=deadlines(tls_s=0.1)))
        if cancelled:
            await until(lambda: silent.open_count == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        else:
            with pytest.raises(UpstreamFault) as met:
                await call
            assert met.value.fault is Fault.TIMEOUT_TLS
        await until(lambda: silent.open_count == 0)
        assert silent.made == 1
        server.close()
        await server.wait_closed()

    play(scenario)


@pytest.mark.parametrize(
    ("answer", "faults"),
    [
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", {Fault.TLS}),  # plain HTTP's port
        (b"", {Fault.TLS, Fault.CONNECT}),
        (b"\x15\x03\x03\x00\x02\x02\x28", {Fault.TLS}),  # an alert: handshake failure
    ],
    ids=["plain-http", "nothing", "alert"],
)
def test_another_answer_than_a_handshake_is_a_fault(play: Play, answer: bytes, faults: set[Fault]) -> None:
    class Answering(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(answer)  # type: ignore[attr-defined]  # a Transport
            self.transport.close()

    async def scenario(client: UpstreamClient) -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        origin = direct(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(UpstreamFault) as met:
            await fetch(origin)
        assert met.value.fault in faults
        server.close()
        await server.wait_closed()

    play(scenario)
