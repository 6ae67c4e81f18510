"""Which connections are used again, which are replaced, and how many there are."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable

import pytest
from tests.upstream.calls import BODY, begin, deadlines, direct, fetch, origin_of
from tests.upstream.stage import Play

from posthouse.testing.http1 import Connection, Head, Server
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import until
from posthouse.upstream import client as client_module
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.errors import Fault, UpstreamFault
from posthouse.upstream.tunnels import KEEP_ALIVE_S

SOUND = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def test_one_connection_carries_many_calls(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        for framing in ("length", "chunked"):
            upstream.enqueue(Script(framing=framing), Script(status=500, framing=framing))
            assert (await fetch(origin))[0] == 200
            assert (await fetch(origin))[0] == 500
        assert origin.open_count == 1

    play(scenario)
    assert [one.connection for one in upstream.received] == [1] * 4


def test_a_connection_is_asked_after_while_it_is_silent(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        await fetch(origin)
        transport = origin.idle[0]._transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEP_ALIVE_S

    play(scenario)


def test_calls_at_the_same_time_have_connections_of_their_own(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        for _ in range(3):
            assert [status for status, _ in await asyncio.gather(*[fetch(origin) for _ in range(20)])] == [
                200
            ] * 20
        assert origin.open_count <= 20

    play(scenario)
    assert upstream.connections_made <= 20
    assert len(upstream.received) == 60


def test_the_last_one_used_is_used_first(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        upstream.enqueue(Script(stall_at=-1), Script(stall_at=-1))
        first = await begin(origin)
        second = await begin(origin)
        upstream.resume()
        await second.wait_done()
        await first.wait_done()
        one, other = origin.idle
        for _ in range(3):
            await fetch(origin)
            assert origin.idle == [one, other]

    play(scenario)
    # Three more calls, and one connection carried them all: the other may idle until it expires.
    assert max(sum(r.connection == n for r in upstream.received) for n in (1, 2)) == 4


@pytest.mark.parametrize(
    "script",
    [
        Script(close="announced"),
        Script(framing="close"),
        Script(raw=b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
        Script(raw=SOUND + b"x"),
        Script(raw=SOUND + SOUND),
        Script(raw=SOUND + SOUND[:-1]),
        Script(status=500, close="announced"),
    ],
    ids=["close", "until-eof", "http-1.0", "leftover-byte", "leftover-answer", "half-answer", "error"],
)
def test_what_is_no_longer_sound_is_not_used_again(
    play: Play, upstream: ScriptedUpstream, script: Script
) -> None:
    upstream.enqueue(script)

    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        status, body = await fetch(origin)
        assert status == script.status
        if script.raw:
            assert body == b"{}"
        assert not any(connection.is_open for connection in origin.idle)
        assert (await fetch(origin))[0] == 200
        await until(lambda: origin.open_count == 1)

    play(scenario)
    assert [one.connection for one in upstream.received] == [1, 2]


def test_an_answer_before_the_request_was_out_costs_the_connection(
    play: Play, upstream: ScriptedUpstream
) -> None:
    """The upstream refuses a body that it has not read; the answer counts all the same."""

    async def refuse_early(connection: Connection, head: Head) -> None:
        connection._transport.pause_reading()  # type: ignore[attr-defined]  # the body stays unread
        await connection.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}")
        await asyncio.sleep(30)

    async def scenario(client: UpstreamClient) -> None:
        async with Server(refuse_early).serving() as port:
            origin = direct(client, f"http://127.0.0.1:{port}")
            assert await fetch(origin, b"x" * 30_000_000) == (413, b"{}")
            await until(lambda: origin.open_count == 0)

    play(scenario)


def test_what_idles_too_long_is_closed(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = origin_of(client, upstream.origin, "", True, "", connection_idle_s=0.15)
        await asyncio.gather(fetch(origin), fetch(origin))
        await until(lambda: origin.open_count == 0)
        assert origin.idle == []

    play(scenario)


def test_one_that_died_while_idle_is_replaced_once(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        upstream.enqueue(Script(close="silent"))
        await fetch(origin)
        # However fast the news of its end comes, the next call is answered.
        assert (await fetch(origin))[0] == 200

    play(scenario)
    assert len(upstream.received) == 2


class Dying:
    """Answers each connection's first request, and ends the connection when the second one has come: what a
    server's idle timeout does that passes at the same moment. `parting` are its last bytes."""

    def __init__(self, parting: bytes = b"", *, only_first: bool = False) -> None:
        self.parting = parting
        self.only_first = only_first
        self.requests: list[int] = []

    async def __call__(self, connection: Connection, head: Head) -> None:
        await connection.read_body(head)
        again = connection.number in self.requests
        self.requests.append(connection.number)
        if (again and not self.only_first) or (self.only_first and connection.number == 1):
            if self.parting:
                await connection.write(self.parting)
            connection.close(reset=not self.parting)
        else:
            await connection.write(SOUND)


async def ends(call: Awaitable[object]) -> None:
    with pytest.raises(UpstreamFault) as met:
        await call
    assert met.value.fault is Fault.CLOSED


def test_a_request_that_an_idle_ones_end_ran_into_is_sent_once_more(play: Play) -> None:
    handler = Dying()

    async def scenario(client: UpstreamClient) -> None:
        async with Server(handler).serving() as port:
            origin = direct(client, f"http://127.0.0.1:{port}")
            for _ in range(3):
                assert await fetch(origin) == (200, b"{}")

    play(scenario)
    assert handler.requests == [1, 1, 2, 2, 3]


# Nor is one that was answered by any byte, however long the connection had been idle.
@pytest.mark.parametrize(
    ("parting", "stale_s"),
    [(b"", -1.0), *((some, client_module.STALE_S) for some in (b"H", b"HTTP/1.1 200 OK\r\n", SOUND[:-1]))],
)
def test_a_request_that_may_be_at_work_is_not_sent_again(
    play: Play, monkeypatch: pytest.MonkeyPatch, parting: bytes, stale_s: float
) -> None:
    monkeypatch.setattr(client_module, "STALE_S", stale_s)
    handler = Dying(parting)

    async def scenario(client: UpstreamClient) -> None:
        async with Server(handler).serving() as port:
            origin = direct(client, f"http://127.0.0.1:{port}")
            await fetch(origin)
            await ends(fetch(origin))

    play(scenario)
    assert handler.requests == [1, 1]


def test_a_new_connection_that_dies_is_not_replaced(play: Play) -> None:
    handler = Dying(only_first=True)

    async def scenario(client: UpstreamClient) -> None:
        async with Server(handler).serving() as port:
            await ends(fetch(direct(client, f"http://127.0.0.1:{port}")))

    play(scenario)
    assert handler.requests == [1]


def test_a_server_that_hangs_up_at_once_is_a_fault(play: Play) -> None:
    async def scenario(client: UpstreamClient) -> None:
        loop = asyncio.get_running_loop()

        class HangUp(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                transport.abort()  # type: ignore[attr-defined]  # a Transport

        server = await loop.create_server(HangUp, "127.0.0.1", 0)
        origin = direct(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for _ in range(30):
            with pytest.raises(UpstreamFault) as met:
                await fetch(origin)
            assert met.value.fault in (Fault.CLOSED, Fault.CONNECT)
        server.close()
        await server.wait_closed()

    play(scenario)


def test_nobody_there_is_a_fault(play: Play) -> None:
    async def scenario(client: UpstreamClient) -> None:
        with pytest.raises(UpstreamFault) as met:
            await fetch(direct(client, "http://127.0.0.1:1"))
        assert met.value.fault is Fault.CONNECT
        for host in ("no-such-host.invalid", "a" * 70 + ".example", ".example"):
            with pytest.raises(UpstreamFault) as met:
                await fetch(direct(client, f"http://{host}"))
            assert met.value.fault is Fault.DNS

    play(scenario)


def test_connections_are_bounded_also_while_they_are_opened(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(delay_s=0.1)

    async def scenario(client: UpstreamClient) -> None:
        origin = origin_of(client, upstream.origin, "", True, "", connections_max=5)
        results = await asyncio.gather(*[fetch(origin) for _ in range(20)], return_exceptions=True)
        faults = [one.fault for one in results if isinstance(one, UpstreamFault)]
        assert faults == [Fault.FULL] * 15
        assert (await fetch(origin))[0] == 200  # those that are idle again serve

    play(scenario)
    assert upstream.connections_made == 5


def test_refused_connections_are_not_counted_for_ever(play: Play) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = origin_of(client, "http://127.0.0.1:1", "", True, "", connections_max=2)
        for _ in range(5):
            with pytest.raises(UpstreamFault, match="ConnectionRefused"):
                await fetch(origin)

    play(scenario)


def test_closing_ends_running_calls_and_opens_nothing_more(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        await asyncio.gather(*[fetch(origin) for _ in range(3)])
        upstream.reset()
        upstream.default = Script(delay_s=30)
        running = [asyncio.ensure_future(fetch(origin)) for _ in range(5)]  # on pooled and on new connections
        await until(lambda: len(upstream.received) == 5)
        client.close()
        for result in await asyncio.gather(*running, return_exceptions=True):
            assert isinstance(result, UpstreamFault)
            assert result.fault is Fault.CLOSED
        await until(lambda: upstream.connections_open == 0)
        assert upstream.connections_made == 5
        assert len(upstream.received) == 5  # and nothing was sent again

    play(scenario)


def test_closing_while_connecting_leaves_no_connection(play: Play, upstream: ScriptedUpstream) -> None:
    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        opening = asyncio.ensure_future(fetch(origin))
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(UpstreamFault):
            await opening
        assert upstream.received == []

    play(scenario)


@pytest.mark.parametrize("turns", range(12))
def test_a_call_that_is_cancelled_leaves_nothing(play: Play, upstream: ScriptedUpstream, turns: int) -> None:
    """At each step of its way: connecting, waiting for the head, taking the body."""
    upstream.default = Script(stall_at=-1)

    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        call = asyncio.ensure_future(begin(origin))
        for _ in range(turns):
            await asyncio.sleep(0 if turns < 8 else 0.003)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            (await call).abandon()  # it had its head by then
        assert origin.active == set()
        await until(lambda: origin.open_count == 0 and upstream.connections_open == 0)
        assert origin.idle == []

    play(scenario)


def test_an_abandoned_answer_closes_its_connection_only(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(stall_at=-1))

    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        stalled = await begin(origin)
        sound = await begin(origin)
        await sound.wait_done()
        stalled.abandon()
        sound.abandon()  # it had ended: its connection is sound
        with pytest.raises(UpstreamFault):
            await stalled.wait_done()
        await until(lambda: origin.open_count == 1)
        assert (await fetch(origin))[0] == 200

    play(scenario)
    assert [one.connection for one in upstream.received[1:]] == [2, 2]
    assert upstream.received[0].gone.wait(5)


def test_a_large_request_and_answer_pass_whole(play: Play, upstream: ScriptedUpstream) -> None:
    answer = bytes(range(256)) * 40_000
    upstream.default = Script(body=answer)
    body = b'{"x":"' + b"y" * 5_000_000 + b'"}'

    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        assert await fetch(origin, body, deadlines(total_s=30)) == (200, answer)
        assert await fetch(origin, BODY) == (200, answer)
        assert origin.open_count == 1

    play(scenario)
    assert upstream.received[0].body == body
