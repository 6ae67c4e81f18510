"""Each deadline by itself: what it counts from, what moves it, and what does not."""

import asyncio
import socket
from collections.abc import Iterator

import msgspec
import pytest
from tests.upstream.calls import BODY, begin, deadlines, direct, fetch
from tests.upstream.stage import Play
from tests.upstream.wire import Wire, a_loop

from posthouse.routing.channels import ChannelSpec
from posthouse.testing.upstream import Script, ScriptedUpstream, answer_pieces
from posthouse.testing.waiting import until
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.connection import Exchange
from posthouse.upstream.errors import Fault, UpstreamFault

# Late enough for a busy machine to be quick, early enough to be waited for.
SHORT_S = 0.2


def fault_of(play: Play, url: str, within: ChannelSpec) -> Fault:
    async def scenario(client: UpstreamClient) -> Fault:
        origin = direct(client, url)
        with pytest.raises(UpstreamFault) as met:
            await fetch(origin, limits=within)
        await until(lambda: origin.open_count == 0)
        return met.value.fault

    fault: Fault = play(scenario)
    return fault


@pytest.fixture
def nobody_home() -> Iterator[str]:
    """An address that takes no more connections and refuses none."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for filler in fillers:
                filler.close()


def test_connecting_has_its_deadline(play: Play, nobody_home: str) -> None:
    assert fault_of(play, nobody_home, deadlines(connect_s=SHORT_S)) is Fault.TIMEOUT_CONNECT


def test_the_first_byte_has_its_deadline(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(stall_at=0)
    assert fault_of(play, upstream.origin, deadlines(first_byte_s=SHORT_S)) is Fault.TIMEOUT_FIRST_BYTE
    assert upstream.received[0].gone.wait(5)


HEAD_BYTES = len(answer_pieces(Script(), "/v1/chat/completions", BODY)[0])


@pytest.mark.parametrize(
    ("at", "within", "fault"),
    [
        (1, {"header_s": SHORT_S}, Fault.TIMEOUT_HEADER),
        (HEAD_BYTES - 1, {"header_s": SHORT_S, "idle_s": SHORT_S / 4}, Fault.TIMEOUT_HEADER),
        (HEAD_BYTES - 1, {"first_byte_s": SHORT_S}, Fault.TIMEOUT_FIRST_BYTE),
        (HEAD_BYTES, {"first_byte_s": SHORT_S, "header_s": SHORT_S / 4}, Fault.TIMEOUT_FIRST_BYTE),
        (HEAD_BYTES + 1, {"idle_s": SHORT_S, "first_byte_s": SHORT_S / 4}, Fault.TIMEOUT_IDLE),
        (-1, {"idle_s": SHORT_S}, Fault.TIMEOUT_IDLE),
    ],
    ids=["status-line", "head", "no-head-no-byte", "head-only", "first-byte", "body"],
)
def test_silence_in_an_answer_has_its_deadline(
    play: Play, upstream: ScriptedUpstream, at: int, within: dict[str, float], fault: Fault
) -> None:
    upstream.default = Script(stall_at=at)
    assert fault_of(play, upstream.origin, deadlines(**within)) is fault
    assert upstream.received[0].gone.wait(5)


def test_an_interim_answer_is_no_head(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(interim=(100,), stall_at=len(b"HTTP/1.1 100 Interim\r\n\r\n"))
    within = deadlines(header_s=SHORT_S, idle_s=SHORT_S / 4)
    assert fault_of(play, upstream.origin, within) is Fault.TIMEOUT_HEADER


def test_a_request_that_takes_its_time_is_not_the_upstreams_silence() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        exchange = wire.ask()
        exchange.sent_s -= 1000
        wire.connection.resume_writing()  # what was written is out
        assert exchange.overdue(loop.time() + 1) is None
        wire.feed([b"HTTP/1.1 200 OK\r\n"])
        exchange.sent_s = 1.0
        wire.connection.resume_writing()  # the rest of a request that is answered already
        assert exchange.sent_s == 1.0


def test_a_call_that_goes_on_for_ever_has_its_deadline(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(events=(b"data: {}\n\n",) * 10_000, pause_s=0.01)
    within = deadlines(total_s=2 * SHORT_S, idle_s=SHORT_S)
    assert fault_of(play, upstream.origin, within) is Fault.TIMEOUT_TOTAL


def test_the_deadline_of_all_holds_before_the_first_byte(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(stall_at=0)
    assert fault_of(play, upstream.origin, deadlines(total_s=SHORT_S)) is Fault.TIMEOUT_TOTAL


def test_a_deadline_that_passes_is_of_its_call_only(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(stall_at=-1)

    async def scenario(client: UpstreamClient) -> None:
        origin = direct(client, upstream.origin)
        patient = await begin(origin)
        with pytest.raises(UpstreamFault):
            await fetch(origin, limits=deadlines(idle_s=SHORT_S))
        upstream.resume()
        await patient.wait_done()
        assert (await fetch(origin))[0] == 200

    play(scenario)
    assert [one.connection for one in upstream.received] == [1, 2, 1]


def test_a_reader_that_pauses_is_not_an_upstream_that_is_silent(
    play: Play, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(stall_at=-1)

    async def scenario(client: UpstreamClient) -> None:
        exchange = await begin(direct(client, upstream.origin), limits=deadlines(idle_s=SHORT_S))
        exchange.pause()
        await asyncio.sleep(2 * SHORT_S)  # time enough for what must not happen
        assert exchange.fault is None
        upstream.resume()
        assert upstream.received[0].finished.wait(5)
        exchange.resume()
        await exchange.wait_done()

    play(scenario)


def test_silence_counts_again_once_a_reader_goes_on(play: Play, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(stall_at=-1)

    async def scenario(client: UpstreamClient) -> None:
        exchange = await begin(direct(client, upstream.origin), limits=deadlines(idle_s=SHORT_S))
        exchange.pause()
        exchange.resume()
        with pytest.raises(UpstreamFault, match="timeout_idle"):
            await exchange.wait_done()

    play(scenario)


# --- the same by a clock of our own ---


class Clock:
    """What an exchange's deadlines say at a time that the test names; it was sent at once."""

    def __init__(self, wire: Wire, within: ChannelSpec) -> None:
        self.wire = wire
        self.exchange: Exchange = wire.ask()
        self.exchange.deadlines = within
        self.began_s = self.exchange.sent_s = self.exchange.started_s

    def says(self, after_s: float) -> Fault | None:
        return self.exchange.overdue(self.began_s + after_s)

    def bytes_come(self, raw: bytes, after_s: float) -> None:
        self.wire.feed([raw])
        self.exchange.touched_s = self.began_s + after_s


WITHIN = msgspec.structs.replace(deadlines(), header_s=6, first_byte_s=10, idle_s=4, total_s=100)


def test_deadlines_by_the_clock() -> None:
    with a_loop() as loop:
        clock = Clock(Wire(loop), WITHIN)
        assert clock.says(5.9) is None
        assert clock.says(6.1) is Fault.TIMEOUT_HEADER
        clock.bytes_come(b"HTTP/1.1 200 OK\r\n", 4)
        assert clock.says(6.1) is Fault.TIMEOUT_HEADER  # half a head is none
        clock.bytes_come(b"content-length: 5\r\n\r\n", 5)
        assert clock.says(9.9) is None
        assert clock.says(10.1) is Fault.TIMEOUT_FIRST_BYTE
        clock.bytes_come(b"ab", 9)
        assert clock.says(12.9) is None
        assert clock.says(13.1) is Fault.TIMEOUT_IDLE
        clock.bytes_come(b"c", 13)
        assert clock.says(16.9) is None
        clock.exchange.pause()
        assert clock.says(99) is None  # the caller's doing
        assert clock.says(100.1) is Fault.TIMEOUT_TOTAL
        clock.exchange.resume()
        clock.bytes_come(b"d", 99)
        assert clock.says(99.9) is None
        assert clock.says(100.1) is Fault.TIMEOUT_TOTAL


def test_the_time_that_a_reader_took_is_not_the_upstreams() -> None:
    with a_loop() as loop:
        clock = Clock(Wire(loop), WITHIN)
        clock.bytes_come(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", -50)
        clock.exchange.pause()
        clock.exchange.resume()
        assert clock.says(1) is None
        assert clock.says(9) is Fault.TIMEOUT_IDLE


def test_only_bytes_are_signs_of_life() -> None:
    with a_loop() as loop:
        clock = Clock(Wire(loop), WITHIN)
        assert clock.exchange.touched_s == 0
        clock.exchange.pause()
        clock.exchange.resume()
        assert clock.exchange.touched_s == 0  # no byte came of that
        clock.wire.feed([b"H"])
        assert clock.exchange.touched_s >= clock.began_s
        before_s = clock.exchange.touched_s = clock.began_s - 1
        clock.exchange.header(b"x")
        clock.exchange.consume(_Nobody())
        assert clock.exchange.touched_s == before_s
        clock.wire.feed([b"TTP/1.1 200 OK\r\n"])
        assert clock.exchange.touched_s > before_s


class _Nobody:
    def take_chunk(self, chunk: bytes) -> bool:
        return False

    def feed(self, piece: bytes) -> None:
        pass

    def ended(self, fault: UpstreamFault | None) -> None:
        pass


def test_the_sweep_goes_on_after_a_fault_of_ours(play: Play, upstream: ScriptedUpstream) -> None:
    """A consumer that raises must not switch the deadlines of all other calls off."""
    upstream.default = Script(stall_at=-1)

    class Clumsy(_Nobody):
        def ended(self, fault: UpstreamFault | None) -> None:
            raise RuntimeError("a fault of ours")

    async def scenario(client: UpstreamClient) -> None:
        loop = asyncio.get_running_loop()
        complaints: list[str] = []
        handler = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: complaints.append(str(context.get("exception"))))
        origin = direct(client, upstream.origin)
        clumsy = await begin(origin, limits=deadlines(idle_s=SHORT_S))
        clumsy.consume(Clumsy())
        await until(lambda: complaints)
        loop.set_exception_handler(handler)
        assert complaints == ["a fault of ours"]
        with pytest.raises(UpstreamFault, match="timeout_idle"):
            await fetch(origin, limits=deadlines(idle_s=SHORT_S))

    play(scenario)
