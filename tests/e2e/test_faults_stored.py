"""Calls about stored completions while their upstream misbehaves, or the caller leaves: each has one outcome
and one record, costs nothing, and leaves nothing behind."""

import pytest
from tests.e2e.caller import Caller, Reply
from tests.e2e.stage import TIMED_OUT, UNREACHABLE, Scene

from posthouse.kernel.outcome import Ending, Outcome
from posthouse.testing.upstream import Script
from posthouse.testing.waiting import eventually

TARGET = "/v1/chat/completions/chatcmpl-scripted"


def send(scene: Scene, caller: Caller, method: str, target: str = TARGET) -> None:
    scene.sent += 1
    line = f"{method} {target} HTTP/1.1\r\nhost: relay.example\r\nauthorization: Bearer {scene.key}\r\n"
    caller.send(f"{line}connection: close\r\n\r\n".encode())


def asked(scene: Scene, script: Script, method: str = "GET", target: str = TARGET) -> Reply:
    """The answer to a call about a completion that has been stored, of which the upstream says that."""
    scene.first.enqueue(script)
    with Caller(scene.relay.port) as caller:
        send(scene, caller, method, target)
        (reply,) = caller.replies()
        return reply


def last(scene: Scene) -> Outcome:
    return scene.records()[-1]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_upstream_that_breaks_off(scene: Scene, method: str) -> None:
    assert scene.chat(scene.solo, store=True).status == 200
    left = scene.chat(scene.solo).headers["x-ratelimit-remaining-requests"]
    reply = asked(scene, Script(cut_at=20), method)
    assert (reply.status, reply.relay_code) == (502, UNREACHABLE)
    assert (last(scene).ending, last(scene).relay_code) == (Ending.FAILED, UNREACHABLE)
    assert [one.fault for one in last(scene).attempts] == ["closed"]
    # It has used no request, and the object is still there.
    assert scene.chat(scene.solo).headers["x-ratelimit-remaining-requests"] == str(int(left) - 1)
    assert asked(scene, Script(status=500)).status == 500


def test_an_upstream_that_is_silent(scene: Scene) -> None:
    assert scene.chat("brief-header", store=True).status == 200
    assert asked(scene, Script(stall_at=0)).relay_code == TIMED_OUT
    assert last(scene).attempts[0].fault == "timeout_header"


def test_an_upstreams_own_error_passes_without_the_credential(scene: Scene) -> None:
    assert scene.chat(scene.solo, store=True).status == 200
    body = b'{"error": {"message": "Rate limit reached for sk-one."}}'
    reply = asked(scene, Script(status=429, body=body, headers=(("retry-after", "1"),)))
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    assert b"sk-one" not in reply.body
    assert last(scene).ending is Ending.COMPLETED
    # That credential rests now, and no other has the object.
    rested = asked(scene, Script())
    assert (rested.status, rested.relay_code) == (503, -1)
    scene.first.reset()


def test_a_caller_who_leaves(scene: Scene) -> None:
    assert scene.chat(scene.solo, store=True).status == 200
    for target in (TARGET, "/v1/chat/completions"):
        scene.first.enqueue(Script(stall_at=0))
        with Caller(scene.relay.port) as caller:
            send(scene, caller, "GET", target)
            assert eventually(lambda: len(scene.first.received) == scene.sent)
        assert last(scene).ending is Ending.CANCELLED


def test_a_list_shows_what_is_known_of_what_does_not_answer(scene: Scene) -> None:
    assert scene.chat(scene.solo, store=True).status == 200
    reply = asked(scene, Script(status=500), target="/v1/chat/completions")
    (item,) = reply.json["data"]
    assert (item["id"], item["model"], item["choices"]) == ("chatcmpl-scripted", scene.solo, [])
    raw = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"
    reply = asked(scene, Script(raw=raw), target="/v1/chat/completions?limit=1")
    assert reply.json["data"] == [item]
