"""Callers who are slow, and callers who leave: before, within and after the answer. The upstream's work
stops, what was delivered is paid for, and nothing is left."""

import asyncio

import pytest
from tests.e2e.caller import Caller
from tests.e2e.stage import Scene, body_of, price

from posthouse.kernel.outcome import Ending
from posthouse.testing.upstream import Script, event
from posthouse.testing.waiting import PATIENCE_S, eventually

# -- slow ------------------------------------------------------------------------------------------------

BIG = event({"choices": [{"index": 0, "delta": {"content": "word " * 3200}}]})
BIG_COUNT = 2500  # 40 MB
END = (
    event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}),
    event("[DONE]"),
)


def test_a_slow_reader_pauses_the_upstream_and_gets_all(scene: Scene) -> None:
    scene.first.default = Script(events=(*[BIG] * BIG_COUNT, *END))
    with Caller(scene.relay.port, receive_buffer=65536) as caller:
        caller.send(scene.request(body_of(scene.pair, stream=True), "connection: close"))
        (received,) = scene.first.wait_received()
        assert eventually(lambda: received.sent_bytes > 1_000_000)
        before = 0
        while before != received.sent_bytes:  # until nothing more is taken
            before = received.sent_bytes
            received.finished.wait(0.2)
        assert before < 20 * 1024 * 1024, "the upstream waits"
        (reply,) = caller.replies()
    assert (reply.whole, len(reply.events), reply.events[-1]) == (True, BIG_COUNT + 2, b"[DONE]")
    record = scene.record()
    assert (record.ending, record.charge_nanos) == (Ending.COMPLETED, price(9, 2))


def test_a_slow_reader_who_leaves(scene: Scene) -> None:
    # More than the kernel keeps between upstream and relay, which may be 36 MB and more.
    scene.first.default = Script(events=(*[BIG] * 4 * BIG_COUNT, *END))
    with Caller(scene.relay.port, receive_buffer=65536) as caller:
        caller.send(scene.request(body_of(scene.pair, stream=True)))
        (received,) = scene.first.wait_received()
        assert eventually(lambda: received.sent_bytes > 1_000_000)
        caller.reset()
    assert received.gone.wait(PATIENCE_S)
    record = scene.record()
    assert record.ending is Ending.CANCELLED
    assert record.charge_nanos == price(record.prompt_tokens, record.completion_tokens)


# -- gone before the answer ------------------------------------------------------------------------------


def test_gone_within_its_own_request(scene: Scene) -> None:
    """Half a body is no call: nobody upstream sees it, and it is no outcome."""
    data = scene.request(body_of(scene.pair))
    with Caller(scene.relay.port) as caller:
        caller.send(data[:-20])
    scene.relay.check_nothing_left()
    assert (scene.first.received, scene.relay.usage(scene.email)) == ([], [])
    scene.sent = len(scene.relay.outcomes)
    assert scene.sent <= 1


@pytest.mark.parametrize("stream", [False, True])
def test_gone_before_the_answer(scene: Scene, stream: bool) -> None:
    """No other channel is asked for somebody who is not there."""
    scene.first.default = Script(delay_s=30)
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body_of(scene.pool, stream=stream)))
        (received,) = scene.first.wait_received()
    assert received.gone.wait(PATIENCE_S), "the upstream's work is stopped"
    record = scene.record()
    assert (record.ending, record.charge_nanos) == (Ending.CANCELLED, 0)
    assert [one.verdict for one in record.attempts] == [""], "it says nothing of the channel"
    assert len(scene.first.received) == 1


def test_gone_between_two_attempts(scene: Scene) -> None:
    """The first credentials were refused, and the next waits its turn."""
    scene.first.enqueue(Script(status=429), Script(status=429))
    scene.first.default = Script(delay_s=30)
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body_of(scene.pool)))
        scene.first.wait_received(2)
    record = scene.record()
    assert (record.ending, record.charge_nanos) == (Ending.CANCELLED, 0)
    assert len(record.attempts) in (2, 3)


def test_many_who_leave_do_not_close_a_channel_to_others(scene: Scene) -> None:
    scene.first.default = Script(delay_s=30)
    for number in range(8):
        with Caller(scene.relay.port) as caller:
            caller.send(scene.request(body_of(scene.solo)))
            scene.first.wait_received(number + 1)
        assert scene.first.received[number].gone.wait(PATIENCE_S)
    scene.first.default = Script()
    assert scene.chat(scene.solo).status == 200
    assert [record.ending for record in scene.records()] == [Ending.CANCELLED] * 8 + [Ending.COMPLETED]


# -- gone within the answer ------------------------------------------------------------------------------


def test_gone_within_a_whole_answer(scene: Scene) -> None:
    """It is not given before it is whole, so it costs nothing."""
    scene.first.default = Script(stall_at=-5)
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body_of(scene.pool)))
        (received,) = scene.first.wait_received()
        assert received.stalled.wait(PATIENCE_S)
    assert received.gone.wait(PATIENCE_S)
    record = scene.record()
    assert (record.ending, record.charge_nanos) == (Ending.CANCELLED, 0)


@pytest.mark.parametrize("leaves", ["fin", "rst"])
def test_gone_within_a_stream(scene: Scene, leaves: str) -> None:
    scene.first.default = Script(text="one two three four five six", stall_after=5)
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body_of(scene.pool, stream=True))).read_until(b"four")
        if leaves == "rst":
            caller.reset()
    assert scene.first.received[0].gone.wait(PATIENCE_S)
    record = scene.record()
    assert (record.ending, record.estimated, record.completion_tokens) == (Ending.CANCELLED, True, 4)
    assert record.charge_nanos == price(record.prompt_tokens, 4)


def test_gone_at_any_moment(scene: Scene) -> None:
    """Wherever in the exchange it happens: one record at most, and all is given back."""

    async def leave(delay_s: float) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", scene.relay.port)
        script = Script(pause_s=0.002, delay_s=0.002)
        writer.write(scene.request(body_of(scene.pair, script, stream=True)))
        await asyncio.sleep(delay_s)
        writer.transport.abort()

    async def all_of_them() -> None:
        await asyncio.gather(*(leave(number / 4000) for number in range(100)))

    asyncio.run(all_of_them())
    scene.relay.check_nothing_left()
    endings = {outcome.ending for outcome in scene.relay.outcomes}
    assert endings <= {Ending.CANCELLED, Ending.COMPLETED}
    scene.sent = len(scene.relay.outcomes)  # who left before the request was read has none
    assert scene.sent <= 100


# -- gone after the answer -------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_gone_after_the_answer(scene: Scene, stream: bool) -> None:
    """All was delivered: it is paid for, and the upstream's connection is kept for the next."""
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body_of(scene.pair, stream=stream)))
        caller.read_until(b"[DONE]" if stream else b'"usage"')
        caller.reset()
    record = scene.record()
    assert (record.ending, record.charge_nanos) == (Ending.COMPLETED, price(9, 5))
    scene.chat(scene.pair)
    assert len({received.connection for received in scene.first.received}) == 1


def test_half_closed_is_gone(scene: Scene) -> None:
    """Nobody could tell it from a caller who hung up."""
    scene.first.default = Script(delay_s=30)
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body_of(scene.pair)))
        (received,) = scene.first.wait_received()
        caller.half_close()
        assert caller.read_all() == b""
    assert received.gone.wait(PATIENCE_S)
    assert scene.record().ending is Ending.CANCELLED
