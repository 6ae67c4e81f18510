"""An answer that is cut at any byte, or never comes: nobody takes a part for the whole, and nobody pays for
what he did not get."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.caller import Reply, chunked
from tests.e2e.stage import (
    SECOND_TEXT,
    TIMED_OUT,
    UNREACHABLE,
    Scene,
    Stage,
    body_of,
    check_broken,
    content_of,
    price,
    staged,
)

from posthouse.kernel.outcome import Ending, Outcome
from posthouse.testing.upstream import Script
from posthouse.testing.waiting import PATIENCE_S

# Of "steady" each call says itself how it is answered; no number of failures shuts its channel.
MORE = """
[models.steady]
list = "openai/gpt-4o-mini"
[channels.steady]
base_url = "{{first}}"
credential = "sk-one"
models = ["steady"]
health = {{{{ consecutive = 1000000, calls_min = 1000000 }}}}
[models.refused]
list = "openai/gpt-4o-mini"
[models.silent]
list = "openai/gpt-4o-mini"
[models.nameless]
list = "openai/gpt-4o-mini"
[channels.refused]
base_url = "http://127.0.0.1:{closed}/v1"
models = ["refused"]
[channels.silent]
base_url = "http://127.0.0.1:{full}/v1"
models = ["silent"]
connect_s = 0.3
[channels.nameless]
base_url = "http://no-such-host.invalid/v1"
models = ["nameless"]
[channels.last]
base_url = "{{second}}"
credential = "sk-second"
models = ["refused", "nameless"]
priority = 1
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.socket() as one,
        socket.socket() as other,
    ):
        for waiting in (one, other):  # they fill its queue: who else connects waits for ever
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closed = listener.getsockname()[1]
        more = MORE.format(closed=closed, full=full.getsockname()[1])
        with staged(tmp_path_factory.mktemp("cuts"), more) as stage:
            yield stage


# -- cut at every byte -----------------------------------------------------------------------------------

ANSWER = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],'
ANSWER += b'"usage":{"prompt_tokens":9,"completion_tokens":1}}'
DELTAS = [
    b'{"choices":[{"index":0,"delta":{"content":"Hi"}}]}',
    b'{"choices":[{"index":0,"delta":{"content":" you"}}]}',
    b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}',
    b"[DONE]",
]
EVENTS = [b"data: %b\n\n" % data for data in DELTAS]
OK = b"HTTP/1.1 200 OK\r\n"
STREAM = OK + b"content-type: text/event-stream\r\n"
WHOLE = OK + b"content-type: application/json\r\n"
ANSWERS = {
    "whole": WHOLE + b"content-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER),
    "whole, in chunks": WHOLE + b"transfer-encoding: chunked\r\n\r\n" + chunked(ANSWER[:50], ANSWER[50:]),
    "whole, to the connection's end": WHOLE + b"\r\n" + ANSWER,
    "stream": STREAM + b"transfer-encoding: chunked\r\n\r\n" + chunked(*EVENTS),
    "stream, to the connection's end": STREAM + b"\r\n" + b"".join(EVENTS),
}


@pytest.mark.parametrize("cut", ["fin", "rst"])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_cut_at_any_byte(scene: Scene, name: str, cut: Any) -> None:
    answer, streams = ANSWERS[name], name.startswith("stream")
    options = {"stream": True, "stream_options": {"include_usage": True}} if streams else {}
    places = range(len(answer) + 1)
    bodies = [body_of("steady", Script(raw=answer, cut_at=place, cut=cut), **options) for place in places]
    replies = scene.chats(bodies)
    for place, reply in zip(places, replies, strict=True):
        if streams and reply.status == 200:
            check_stream(reply, answer, place)
        elif reply.status == 200:
            assert (reply.body, reply.whole) == (ANSWER, True)
            assert place >= len(answer.rstrip(b"0\r\n")), place
        else:
            assert (reply.status, reply.relay_code, reply.whole) == (502, UNREACHABLE, True)
    whole = [reply for reply in replies if reply.status == 200 and reply.whole]
    assert cut == "rst" or whole, "at the last byte at least"
    check_records(scene.records(), replies)


def check_stream(reply: Reply, answer: bytes, place: int) -> None:
    if not reply.whole:
        passed = check_broken(reply)
        assert passed == DELTAS[: len(passed)]
        return
    assert reply.events == DELTAS
    assert place >= answer.index(b"[DONE]") + len(b"[DONE]")


def check_records(records: list[Outcome], replies: list[Reply]) -> None:
    """Who got nothing paid nothing; who got all paid what the upstream said; who got a part paid a part."""
    endings = [record.ending for record in records]
    whole = sum(reply.status == 200 and reply.whole for reply in replies)
    broken = sum(reply.status == 200 and not reply.whole for reply in replies)
    assert endings.count(Ending.COMPLETED) == whole
    assert endings.count(Ending.BROKEN) == broken
    assert endings.count(Ending.FAILED) == len(replies) - whole - broken
    for record in records:
        full = price(9, 2 if record.stream else 1)
        if record.ending is Ending.FAILED:
            assert record.charge_nanos == 0
        elif record.ending is Ending.COMPLETED:
            assert (record.charge_nanos, record.estimated) == (full, False)
        else:
            assert record.charge_nanos > 0
            assert record.estimated or record.charge_nanos == full


def test_a_done_without_its_blank_line_is_a_done(scene: Scene) -> None:
    scene.first.default = Script(raw=STREAM + b"\r\n" + b"".join(EVENTS)[:-1], close="silent")
    reply = scene.chat(scene.pair, stream=True)
    assert (reply.whole, reply.events[-1].strip()) == (True, b"[DONE]")
    assert scene.record().ending is Ending.COMPLETED


# -- no connection ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "fault"), [("refused", "connect"), ("nameless", "dns")])
@pytest.mark.parametrize("stream", [False, True])
def test_a_channel_without_a_connection_is_passed_over(
    scene: Scene, model: str, fault: str, stream: bool
) -> None:
    assert content_of(scene.chat(model, stream=stream)) == SECOND_TEXT
    assert scene.tries() == [(model, 0, fault), ("last", 200, "")]


def test_connecting_has_its_deadline(scene: Scene) -> None:
    reply = scene.chat("silent")
    assert (reply.status, reply.relay_code) == (504, TIMED_OUT)
    assert scene.tries() == [("silent", 0, "timeout_connect")]


# -- deadlines within an answer --------------------------------------------------------------------------


def test_silence_in_a_whole_answer(scene: Scene) -> None:
    scene.first.default = Script(stall_at=-10)
    reply = scene.chat("brief-idle")
    assert (reply.status, reply.relay_code) == (504, TIMED_OUT)
    assert scene.tries() == [("brief", 0, "timeout_idle")]
    assert scene.first.received[0].gone.wait(PATIENCE_S), "the upstream's work is stopped"


def test_a_whole_answer_that_drips_for_ever(scene: Scene) -> None:
    scene.first.default = Script(body=b"x" * 2_000_000, write_bytes=1)
    reply = scene.chat("brief-total")
    assert (reply.status, reply.relay_code) == (504, TIMED_OUT)
    assert scene.tries() == [("brief", 0, "timeout_total")]


# -- what has no place here ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 299, 304, 600, 999])
def test_a_status_that_has_no_place_here(scene: Scene, status: int) -> None:
    scene.first.default = Script(raw=b"HTTP/1.1 %d Strange\r\ncontent-length: 0\r\n\r\n" % status)
    reply = scene.chat(scene.solo)
    assert reply.status in (status, 502)
    assert reply.whole
    assert scene.record().charge_nanos in (0, price(9, 0))


def test_an_error_that_quotes_the_upstreams_credential_is_not_passed_on(scene: Scene) -> None:
    scene.first.default = Script(status=401, body=b'{"error":{"message":"Incorrect key sk-one"}}')
    reply = scene.chat(scene.solo)
    assert (reply.status, reply.body) == (401, b'{"error":{"message":"Incorrect key ..."}}')
