"""A channel that lets a waiting caller hear comments: nothing but the wait is different."""

from collections.abc import Iterator

import msgspec
import pytest
from tests.e2e.caller import Caller, Reply
from tests.e2e.stage import SECOND_TEXT, TIMED_OUT, Scene, Stage, body_of, content_of, staged

from posthouse.kernel.outcome import Ending
from posthouse.testing.upstream import Script

COMMENT = b": keep-alive\n\n"
MORE = """
[models.waiting]
list = "openai/gpt-4o-mini"
[channels.waiting]
base_url = "{first}"
credential = "sk-one"
models = ["waiting"]
keep_alive_s = 0.1
health = {{ consecutive = 1000000, calls_min = 1000000 }}
[models.hurried]
list = "openai/gpt-4o-mini"
[channels.hurried]
base_url = "{first}"
credential = "sk-one"
models = ["hurried"]
header_s = 0.4
keep_alive_s = 0.1
health = {{ consecutive = 1000000, calls_min = 1000000 }}
[models.soon]
list = "openai/gpt-4o-mini"
[channels.soon]
base_url = "{first}"
credential = "sk-one"
models = ["soon"]
keep_alive_s = 10.0
[models.spared]
list = "openai/gpt-4o-mini"
[channels.spared]
base_url = "{first}"
credential = "sk-one"
models = ["spared"]
header_s = 0.4
keep_alive_s = 0.1
[channels.spare]
base_url = "{second}"
credential = "sk-second"
models = ["spared"]
priority = 1
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("waiting"), MORE) as stage:
        yield stage


def heard(scene: Scene, body: bytes, *headers: str, comments: int = 1) -> Reply:
    """The answer to a call whose upstream goes on once so many comments have come."""
    in_chunks = b"\r\n%x\r\n" % len(COMMENT)
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body, "connection: close", *headers))
        caller.read_until(in_chunks.join([COMMENT] * comments))
        scene.first.resume()
        (reply,) = caller.replies()
        return reply


def said(reply: Reply) -> str:
    """The text that came after the comments."""
    return content_of(msgspec.structs.replace(reply, body=reply.body.replace(COMMENT, b"")))


def test_a_stream_begins_with_comments_while_the_upstream_thinks(scene: Scene) -> None:
    reply = heard(scene, body_of("waiting", Script(stall_at=0), stream=True), comments=2)
    assert (reply.status, reply.whole) == (200, True)
    assert reply.body.startswith(COMMENT * 2)
    assert said(reply) == Script().text
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert "x-posthouse-request-id" in reply.headers
    record = scene.record()
    assert (record.ending, record.charge_nanos > 0) == (Ending.COMPLETED, True)


def test_a_repeated_call_gets_the_same_answer_without_the_comments(scene: Scene) -> None:
    body = body_of("waiting", Script(stall_at=0), stream=True)
    first = heard(scene, body, "idempotency-key: waits")
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body, "idempotency-key: waits", "connection: close"))
        (again,) = caller.replies()
    scene.sent -= 1  # what is given again is no call
    assert first.body.startswith(COMMENT)
    assert (again.headers["idempotency-replayed"], again.body) == ("true", first.body.replace(COMMENT, b""))
    assert scene.record().charge_nanos > 0


def test_what_comes_soon_and_what_is_no_stream_has_none(scene: Scene) -> None:
    assert COMMENT not in scene.chat("soon", stream=True).body
    assert COMMENT not in scene.chat("waiting", Script(delay_s=0.3)).body


def test_what_can_be_no_stream_has_none_though_it_asks_for_one(scene: Scene) -> None:
    body = body_of("waiting", Script(delay_s=0.3), stream=True, input="a")
    reply = scene.post("/v1/embeddings", body)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")


def test_another_channel_is_tried_all_the_same(scene: Scene) -> None:
    scene.first.for_model("spared", Script(delay_s=5))
    reply = scene.chat("spared", stream=True)
    assert reply.body.startswith(COMMENT)
    assert said(reply) == SECOND_TEXT
    assert [one.channel for one in scene.record().attempts] == ["spared", "spare"]


def test_an_upstreams_error_is_the_streams_last_event(scene: Scene) -> None:
    reply = heard(scene, body_of("waiting", Script(stall_at=0, status=400), stream=True))
    assert (reply.status, reply.whole) == (200, False)
    assert b'"error"' in reply.events[-1]
    assert scene.record().charge_nanos == 0


def test_so_is_the_relays_own(scene: Scene) -> None:
    reply = scene.chat("hurried", Script(stall_at=0), stream=True)
    assert (reply.status, reply.whole) == (200, False)
    assert b'"relay_code":%d' % TIMED_OUT in reply.events[-1]
    assert scene.record().ending is Ending.FAILED
