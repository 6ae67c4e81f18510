"""Answers that are oddly framed or wrongly counted, that come before they were asked for, and connections
that die when they are used again: what is right passes, what is wrong is never taken for an answer, and no
call is made twice."""

from typing import Any

import pytest
from tests.e2e.caller import CONTINUE, Caller
from tests.e2e.stage import SECOND_TEXT, UNREACHABLE, Scene, body_of, content_of, price

from posthouse.kernel.outcome import Ending
from posthouse.testing.upstream import Script, answer_pieces
from posthouse.testing.waiting import eventually

CHAT_PATH = "/v1/chat/completions"

# -- odd but right ---------------------------------------------------------------------------------------

STRANGE: dict[str, dict[str, Any]] = {
    "gzip": {"gzip": True},
    "gzip in chunks": {"gzip": True, "framing": "chunked"},
    "gzip to the connection's end": {"gzip": True, "framing": "close"},
    "gzip, one byte at a time": {"gzip": True, "write_bytes": 1},
    "one byte at a time": {"write_bytes": 1},
    "in chunks, one byte at a time": {"framing": "chunked", "write_bytes": 1},
    "to the connection's end": {"framing": "close"},
    "a length": {"framing": "length"},
    "100 unasked": {"interim": (100,)},
    "100, 103 and 102": {"interim": (100, 103, 102)},
    "closes silently": {"close": "silent"},
    "closes as announced": {"close": "announced"},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", STRANGE)
def test_an_odd_but_right_answer_passes(scene: Scene, name: str, stream: bool) -> None:
    """The second time over whatever the first left in the pool."""
    scene.first.default = Script(**STRANGE[name])
    for _ in range(2):
        reply = scene.chat(scene.pair, stream=stream)
        assert (reply.status, reply.whole, content_of(reply)) == (200, True, Script().text)
        assert "content-encoding" not in reply.headers
    if not stream:
        plain = answer_pieces(Script(), CHAT_PATH, body_of(scene.pair))
        assert reply.body == plain[1], "byte for byte"
    assert len(scene.first.received) == 2
    assert scene.second.received == []
    assert [(one.estimated, one.charge_nanos) for one in scene.records()] == [(False, price(9, 5))] * 2


def test_an_error_in_gzip_is_unpacked_too(scene: Scene) -> None:
    scene.first.default = Script(error="context_length_exceeded", gzip=True)
    reply = scene.chat(scene.pair)
    assert (reply.status, reply.json["error"]["code"]) == (400, "context_length_exceeded")
    assert "content-encoding" not in reply.headers


def test_broken_gzip_is_no_answer(scene: Scene) -> None:
    scene.first.default = Script(
        body=b"\x1f\x8b\x08\x00 not gzip at all", headers=(("content-encoding", "gzip"),)
    )
    assert content_of(scene.chat(scene.pair)) == SECOND_TEXT
    assert scene.tries() == [("first", 0, "malformed"), ("second", 200, "")]


# -- wrong lengths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_a_length_that_is_too_long(scene: Scene, stream: bool) -> None:
    """A whole answer is short of it, and no answer; a stream has its [DONE] before the end is missed."""
    scene.first.default = Script(length_off=5, framing="length", close="silent")
    reply = scene.chat(scene.pair, stream=stream)
    assert reply.whole
    assert content_of(reply) == (Script().text if stream else SECOND_TEXT)
    assert scene.record().charge_nanos == price(9, 5 if stream else 3)


def test_a_length_that_is_too_short(scene: Scene) -> None:
    """What is left over is nobody's answer, least of all the next call's."""
    scene.first.default = Script(length_off=-5)
    assert content_of(scene.chat(scene.pair)) == SECOND_TEXT
    assert scene.tries() == [("first", 0, "malformed"), ("second", 200, "")]
    scene.first.default = Script()
    assert content_of(scene.chat(scene.pair)) == Script().text


def test_bytes_after_an_answer_are_not_the_next_calls_answer(scene: Scene) -> None:
    forged = b'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"evil":1}'
    head, said = answer_pieces(Script(), CHAT_PATH, body_of(scene.pair))
    scene.first.enqueue(Script(raw=head + said + forged))
    replies = [scene.chat(scene.pair) for _ in range(3)]
    assert all(b"evil" not in reply.body and reply.status == 200 for reply in replies)


# -- before it was asked for -----------------------------------------------------------------------------


def test_a_caller_that_waits_for_100_continue(scene: Scene) -> None:
    body = body_of(scene.pair)
    data = scene.request(body, "expect: 100-continue", "connection: close")
    with Caller(scene.relay.port) as caller:
        caller.send(data[: -len(body)])
        assert caller.read_until(CONTINUE) == CONTINUE
        assert scene.first.received == []
        caller.send(body)
        (reply,) = caller.replies()
    assert content_of(reply) == Script().text
    assert scene.first.received[0].header("expect") is None


@pytest.mark.parametrize("status", [413, 503])
def test_an_answer_before_the_request_was_sent(scene: Scene, status: int) -> None:
    """8 MB that the upstream does not read: its answer, or its hanging up, comes first. Either way another
    channel serves, but for what is the caller's own; and the connection is not used again."""
    scene.first.enqueue(Script(status=status, early=True))
    reply = scene.chat(scene.pair, user="x" * 8_000_000)
    record = scene.record()
    if reply.status == 413:
        assert (status, record.charge_nanos, scene.second.received) == (413, 0, [])
    else:
        assert content_of(reply) == SECOND_TEXT
        assert len(scene.second.received[0].body) > 8_000_000, "all of it"
    assert content_of(scene.chat(scene.pair)) == Script().text


# -- connections that are used again ---------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("close", ["silent", "announced"])
def test_an_upstream_that_closes_after_each_answer(scene: Scene, close: str, stream: bool) -> None:
    """The race between its closing and the next call's use: no call fails, none is made twice."""
    scene.first.default = Script(close=close)
    bodies = [body_of(scene.pair, user=f"call {number}", stream=stream) for number in range(60)]
    replies = scene.chats(bodies, at_once=8)
    assert {(reply.status, reply.whole, content_of(reply)) for reply in replies} == {
        (200, True, Script().text)
    }
    assert sorted(received.json["user"] for received in scene.first.received) == sorted(
        f"call {number}" for number in range(60)
    )
    assert scene.second.received == []


def test_a_pooled_connection_that_died_is_replaced_once(scene: Scene) -> None:
    assert scene.chat(scene.solo).status == 200
    made = scene.first.connections_made
    scene.first.enqueue(Script(cut_at=0))
    assert scene.chat(scene.solo).status == 200
    assert scene.first.connections_made == made + 1
    scene.first.enqueue(Script(cut_at=0), Script(cut_at=0))
    reply = scene.chat(scene.solo)
    assert (reply.status, reply.relay_code) == (502, UNREACHABLE)
    assert scene.first.connections_made == made + 2
    assert [len(record.attempts) for record in scene.records()] == [1, 1, 1]
    assert [record.ending for record in scene.records()][2] is Ending.FAILED


def test_a_call_that_may_be_at_work_is_not_repeated_on_its_channel(scene: Scene) -> None:
    """A byte of the head has come: the upstream is at work, and only another channel is asked."""
    assert scene.chat(scene.pair).status == 200
    scene.first.enqueue(Script(cut_at=1))
    assert content_of(scene.chat(scene.pair)) == SECOND_TEXT
    assert len(scene.first.received) == 2
    assert eventually(lambda: scene.first.connections_open <= 1)
