"""Several addresses race for a connection, and each phase of a call is timed."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest
from tests.upstream.calls import BODY, deadlines, direct, fetch, lead_to, origin_of, request_of
from tests.upstream.certificates import Authority
from tests.upstream.stage import Play

from posthouse.testing.http1 import Connection, Head, Server
from posthouse.testing.proxy import ScriptedProxy
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import until
from posthouse.upstream import dial as dial_module
from posthouse.upstream.client import Origin, UpstreamClient
from posthouse.upstream.errors import Fault, UpstreamFault
from posthouse.upstream.phases import Phases

HOST = "many.example"
NO_FAULT = "none"


async def call(origin: Origin, **seconds: float) -> tuple[str, Phases]:
    """What became of a call: its fault or NO_FAULT, and its phases."""
    phases = Phases()
    try:
        exchange = await origin.send(
            request_of(origin), BODY, deadlines(**seconds), answer_bytes_max=1_000_000, phases=phases
        )
        await exchange.wait_done()
    except UpstreamFault as fault:
        return fault.fault.value, phases
    phases.note(exchange, origin.loop.time())
    return NO_FAULT, phases


@contextlib.contextmanager
def silent(port: int = 0) -> Iterator[int]:
    """This port of 127.0.0.2, 0: a free one, which takes no more connections and refuses none."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.2", port))
        listener.listen(0)
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    with silent() as port:
        yield port


async def answer(connection: Connection, head: Head) -> None:
    await connection.read_body(head)
    await connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


def test_an_ipv6_address_in_the_url(play: Play) -> None:
    async def scenario(client: UpstreamClient) -> None:
        hosts: list[str | None] = []

        async def note(connection: Connection, head: Head) -> None:
            hosts.append(head.header("host"))
            await answer(connection, head)

        async with Server(note).serving("::1") as port:
            fault, phases = await call(direct(client, f"http://[::1]:{port}"))
            assert (fault, phases.address, hosts) == (NO_FAULT, "::1", [f"[::1]:{port}"])

    play(scenario)


@pytest.mark.parametrize("refusing", ["::1", "127.0.0.3"])
def test_an_address_that_refuses_gives_way_at_once(
    play: Play, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, refusing: str
) -> None:
    monkeypatch.setattr(dial_module, "NEXT_ADDRESS_S", 60.0)

    async def scenario(client: UpstreamClient) -> None:
        lead_to(refusing, "127.0.0.1")
        origin = direct(client, f"http://{HOST}:{upstream.port}")
        fault, phases = await call(origin, connect_s=5)
        assert (fault, phases.address) == (NO_FAULT, "127.0.0.1")

    play(scenario)
    assert upstream.connections_made == 1


def test_an_address_that_is_silent_gives_way_and_is_not_tried_first_again(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_module, "NEXT_ADDRESS_S", 0.05)

    async def scenario(client: UpstreamClient) -> None:
        asked = lead_to("127.0.0.2", "127.0.0.1")
        async with Server(answer).serving() as port:
            origin = direct(client, f"http://{HOST}:{port}")
            with silent(port):
                for _ in range(2):
                    fault, phases = await call(origin)
                    assert (fault, phases.address) == (NO_FAULT, "127.0.0.1")
                    origin.idle.pop().close()
                    # The second comes without a wait.
                    monkeypatch.setattr(dial_module, "NEXT_ADDRESS_S", 60.0)
            assert asked == [HOST]

    play(scenario)


def test_silent_addresses_are_given_up_together(play: Play, silent_port: int) -> None:
    async def scenario(client: UpstreamClient) -> None:
        lead_to("127.0.0.2", "127.0.0.2", "127.0.0.2")
        origin = direct(client, f"http://{HOST}:{silent_port}")
        assert (await call(origin, connect_s=0.35))[0] == Fault.TIMEOUT_CONNECT

    play(scenario)


def test_where_all_refuse_the_name_is_looked_up_again(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.upstream.names.FAILED_S", 0.0)

    async def scenario(client: UpstreamClient) -> None:
        asked = lead_to("127.0.0.2", "::1", "127.0.0.3")
        origin = direct(client, f"http://{HOST}:1")
        for _ in range(2):
            fault, phases = await call(origin)
            assert fault == Fault.CONNECT
            assert phases.dns_ms is not None
            assert phases.connect_ms is not None
            assert phases.send_ms is None
        assert asked == [HOST] * 2

    play(scenario)


def test_of_two_that_connect_one_is_closed(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial_module, "NEXT_ADDRESS_S", 0.0)

    async def scenario(client: UpstreamClient) -> None:
        lead_to("127.0.0.1", "127.0.0.2", "127.0.0.3")
        server = Server(answer)
        async with server.serving("0.0.0.0") as port:
            origin = direct(client, f"http://{HOST}:{port}")
            for _ in range(10):
                assert (await call(origin))[0] == NO_FAULT
                await until(lambda: len(server.connections) == 1)
                origin.idle.pop().close()

    play(scenario)


@pytest.mark.parametrize("turns", range(12))
def test_a_race_that_is_cancelled_leaves_nothing(
    play: Play, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    monkeypatch.setattr(dial_module, "NEXT_ADDRESS_S", 0.0)

    async def scenario(client: UpstreamClient) -> None:
        lead_to("127.0.0.1", "127.0.0.2", "127.0.0.3")
        server = Server(answer)
        async with server.serving("0.0.0.0") as port:
            origin = direct(client, f"http://{HOST}:{port}")
            running = asyncio.ensure_future(call(origin))
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await until(lambda: len(server.connections) == len(origin.idle))

    play(scenario)


# -- phases --------------------------------------------------------------------------------------------------


def passed(phases: Phases) -> list[str]:
    """The phases that a call went through."""
    names = [name for name in phases.__struct_fields__ if name.endswith("_ms")]
    times = {name: getattr(phases, name) for name in names}
    assert all(time is None or time >= 0 for time in times.values()), times
    return [name.removesuffix("_ms") for name in names if times[name] is not None]


EXCHANGED = ["send", "header", "first_byte", "body"]


def test_the_phases_of_a_call(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        assert passed((await call(origin))[1]) == ["dns", "connect", *EXCHANGED]
        assert passed((await call(origin))[1]) == EXCHANGED  # on the connection that is there

    play(scenario)


def test_the_phases_of_a_call_through_a_proxy(play: Play, authority: Authority) -> None:
    context = authority.server_context("127.0.0.1")
    with ScriptedUpstream(ssl_context=context) as upstream, ScriptedProxy() as proxy:

        async def scenario(client: UpstreamClient) -> None:
            origin = origin_of(client, upstream.origin, proxy.origin, True, authority.ca_file)
            fault, phases = await call(origin)
            assert fault == NO_FAULT
            assert phases.address == "127.0.0.1"
            assert passed(phases) == ["dns", "connect", "proxy", "tls", *EXCHANGED]

        play(scenario)


def test_the_phase_in_which_a_call_failed_is_the_last(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(stall_at=0)

    async def scenario(client: UpstreamClient) -> None:
        for url, failed in (
            ("http://none.invalid", ["dns"]),
            ("http://127.0.0.1:1", ["dns", "connect"]),
            (f"https://127.0.0.1:{upstream.port}", ["dns", "connect", "tls"]),
            (upstream.origin, ["dns", "connect", "send", "header"]),
        ):
            fault, phases = await call(direct(client, url), header_s=0.2, tls_s=0.2)
            assert fault != NO_FAULT
            assert passed(phases) == failed
        assert phases.header_ms is not None
        assert phases.header_ms >= 100

    play(scenario)


def test_waiting_for_the_answer_is_told_from_its_coming(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(events=(b"data: 1\n\n", b"data: 2\n\n"), delay_s=0.1, pause_s=0.1)

    async def scenario(client: UpstreamClient) -> None:
        _, phases = await call(direct(client, upstream.origin))
        assert (phases.header_ms or 0) >= 90
        assert (phases.body_ms or 0) >= 90

    play(scenario)


# -- the pool's counts ---------------------------------------------------------------------------------------


def test_the_counts_of_connections(play: Play, upstream: ScriptedUpstream, silent_port: int) -> None:
    async def scenario(client: UpstreamClient) -> None:
        upstream.enqueue(Script(), Script(), Script(stall_at=0))
        name, silent = f"127.0.0.1:{upstream.port}", f"127.0.0.2:{silent_port}"
        origin = direct(client, upstream.origin)
        await asyncio.gather(fetch(origin), fetch(origin))
        other = origin_of(client, upstream.origin, "", True, "", connections_max=7)
        running = [
            asyncio.ensure_future(fetch(other)),
            asyncio.ensure_future(fetch(direct(client, f"http://{silent}"))),
        ]
        await until(lambda: client.counts()[name].active == 1 and client.counts()[silent].opening == 1)
        counts = client.counts()
        assert (counts[name].idle, counts[name].opening) == (2, 0)
        assert (counts[silent].idle, counts[silent].active) == (0, 0)
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    play(scenario)
