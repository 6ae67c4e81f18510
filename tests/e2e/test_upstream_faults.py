"""Whatever an upstream does: the caller gets a whole answer or one that nobody can take for whole, pays once
or not at all, and everything that was taken is given back."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.e2e.caller import CHAT, Caller, Reply, chunked, parse_reply, request

from posthouse.catalogue.service import set_by_hand
from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream, answer_pieces

ONE_CHANNEL, TWO_CHANNELS, DEAD_FIRST, HASTY, NO_ACCEPT = (
    "gpt-4o-mini",
    "gpt-4o",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
)
UNREACHABLE, TIMED_OUT = 40257, 40258
# Statuses after which a channel's credential rests: each has a channel and a model of its own.
RESTING = ("401", "403", "429")
# No channel is left out for what the tests before did to it.
CONFIGURATION = """
[operator]
default_plan = "paid"
[models]
"gpt-4o-mini" = {{ list = "openai/gpt-4o-mini" }}
"gpt-4o" = {{ list = "openai/gpt-4o-mini" }}
"gpt-4.1" = {{ list = "openai/gpt-4o-mini" }}
"gpt-4.1-mini" = {{ list = "openai/gpt-4o-mini" }}
"gpt-4.1-nano" = {{ list = "openai/gpt-4o-mini" }}
[plans.paid]
kind = "paid"
[channels.main]
health = {{ consecutive = 1000000, calls_min = 1000000 }}
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gpt-4o-mini"]
[channels.first]
health = {{ consecutive = 1000000, calls_min = 1000000 }}
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gpt-4o"]
first_byte_s = 0.3
[channels.dead]
health = {{ consecutive = 1000000, calls_min = 1000000 }}
base_url = "http://127.0.0.1:{dead_port}/v1"
models = ["gpt-4.1"]
[channels.second]
health = {{ consecutive = 1000000, calls_min = 1000000 }}
base_url = "{second_url}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gpt-4o", "gpt-4.1", "rests-*"]
priority = 1
[channels.hasty]
health = {{ consecutive = 1000000, calls_min = 1000000 }}
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gpt-4.1-mini"]
first_byte_s = 0.3
idle_s = 0.4
total_s = 1.0
[channels.full]
health = {{ consecutive = 1000000, calls_min = 1000000 }}
base_url = "http://127.0.0.1:{full_port}/v1"
models = ["gpt-4.1-nano"]
connect_s = 0.3
""" + "".join(
    f"""
[models."rests-{status}"]
list = "openai/gpt-4o-mini"
[channels.rests-{status}]
base_url = "${{{{UPSTREAM_BASE_URL}}}}"
credential = "${{{{UPSTREAM_API_KEY}}}}"
models = ["rests-{status}"]
"""
    for status in RESTING
)


@pytest.fixture(scope="module")
def second() -> Iterator[ScriptedUpstream]:
    """The upstream of the channel that is tried second."""
    script = Script(text="From the second.")
    with ScriptedUpstream(default=script, credential="sk-upstream-credential") as second:
        yield second


@pytest.fixture(scope="module")
def dead_port() -> int:
    """A port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full: connecting takes for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = int(listener.getsockname()[1])
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield port
        for one in waiting:
            one.close()


@pytest.fixture(scope="module")
def relay(
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    dead_port: int,
    full_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedRelay]:
    directory: Path = tmp_path_factory.mktemp("faults")
    text = CONFIGURATION.format(dead_port=dead_port, full_port=full_port, second_url=second.base_url)
    with ServedRelay(directory, upstream.base_url, text) as relay:
        yield relay


@pytest.fixture(autouse=True)
def _all_is_given_back(relay: ServedRelay, second: ScriptedUpstream) -> Iterator[None]:
    """After each test nothing is held or under way, nothing crashed, and the books are right."""
    yield
    second.reset()
    gauges = ("requests_running", "upstream_exchanges", "request_bodies_bytes", "held_nanos")
    assert eventually(lambda: all(gauge(relay, name) == 0 for name in gauges)), relay.metrics()
    assert relay.differences() == []
    log = relay.log()
    for word in ("call_crashed", "Traceback", '"level":"error"', "Fatal error", "never retrieved"):
        assert word not in log


def gauge(relay: ServedRelay, name: str) -> float:
    found = re.search(rf"^posthouse_{name} (\S+)$", relay.metrics(), re.MULTILINE)
    assert found, name
    return float(found[1])


def record_of(relay: ServedRelay, email: str) -> Outcome:
    """The one record of the member's one call; that of a failure follows its answer."""
    assert eventually(lambda: bool(relay.usage(email)))
    (record,) = relay.usage(email)
    return record


def eventually(condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.02)
    return True


def body_of(script: Script | None = None, model: str = ONE_CHANNEL, **fields: Any) -> bytes:
    """A chat that brings along how it is to be answered."""
    body = json.loads(CHAT) | {"model": model} | fields
    if script is not None:
        body["script"] = json.loads(msgspec.json.encode(script))
    return json.dumps(body).encode()


def call(relay: ServedRelay, key: str, body: bytes, *headers: str) -> Reply:
    """One call on a connection of its own; the answer as far as it came."""
    with Caller(relay.port) as caller:
        (reply,) = caller.send(request(key, body, "connection: close", *headers)).replies()
        return reply


def calls(relay: ServedRelay, key: str, bodies: list[bytes], at_once: int = 32) -> list[Reply]:
    """Many calls, some at once, in the order of their bodies."""
    return asyncio.run(_calls(relay.port, key, bodies, at_once))


async def _calls(port: int, key: str, bodies: list[bytes], at_once: int) -> list[Reply]:
    slots = asyncio.Semaphore(at_once)

    async def one(body: bytes) -> Reply:
        async with slots:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(key, body, "connection: close"))
            parsed = parse_reply(await reader.read(-1))
            writer.close()
            await writer.wait_closed()
        assert parsed is not None
        assert parsed[1] == b""
        return parsed[0]

    async with asyncio.timeout(60):
        return await asyncio.gather(*map(one, bodies))


def events_of(body: bytes) -> list[Any]:
    return [data if data == b"[DONE]" else json.loads(data) for data in Reply(200, {}, body, True).events]


def check_broken(reply: Reply, sent: list[bytes], relay_code: int = UNREACHABLE) -> None:
    """A stream that nobody can take for whole: some of the events that were sent, then our error, then the
    end of the connection without the stream's."""
    assert reply.status == 200
    assert not reply.whole
    *passed, last = reply.events
    assert passed == sent[: len(passed)]
    assert b"[DONE]" not in passed
    assert json.loads(last)["error"]["relay_code"] == relay_code


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
ANSWERS = {
    "whole": OK + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER),
    "whole, in chunks": OK
    + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    + chunked(ANSWER[:50], ANSWER[50:]),
    "whole, to the connection's end": OK + b"content-type: application/json\r\n\r\n" + ANSWER,
    "stream": OK
    + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + chunked(*EVENTS),
    "stream, to the connection's end": OK + b"content-type: text/event-stream\r\n\r\n" + b"".join(EVENTS),
}


@pytest.mark.parametrize("cut", ["fin", "rst"])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_cut_at_any_byte(
    relay: ServedRelay, email: str, key: str, name: str, cut: Any
) -> None:
    answer, streams = ANSWERS[name], name.startswith("stream")
    before = relay.balance(email)
    places = range(len(answer) + 1)
    options = {"stream": True, "stream_options": {"include_usage": True}} if streams else {}
    bodies = [body_of(Script(raw=answer, cut_at=place, cut=cut), **options) for place in places]
    replies = calls(relay, key, bodies)
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
    assert eventually(lambda: len(relay.usage(email)) >= len(bodies)), "a failure's record follows its answer"
    records = relay.usage(email)
    assert len(records) == len({record.request_id for record in records}) == len(bodies)
    assert relay.balance(email) == before - sum(record.charge_nanos for record in records)
    check_records(records, replies)


def check_stream(reply: Reply, answer: bytes, place: int) -> None:
    if not reply.whole:
        check_broken(reply, DELTAS)
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
        full = 150 * 9 + 600 * (2 if record.stream else 1)
        if record.ending is Ending.FAILED:
            assert record.charge_nanos == 0
        elif record.ending is Ending.COMPLETED:
            assert (record.charge_nanos, record.estimated) == (full, False)
        else:
            assert record.charge_nanos > 0
            assert record.estimated or record.charge_nanos == full


# -- the next channel ------------------------------------------------------------------------------------

FAILING: dict[str, tuple[Script, int, str]] = {
    **{
        str(status): (Script(status=status), status, "")
        for status in (401, 403, 404, 408, 409, 429, 500, 503, 529)
    },
    "first byte late": (Script(delay_s=5), 0, "timeout_first_byte"),
    "closed at once": (Script(cut_at=0), 0, "closed"),
    "reset at once": (Script(cut_at=0, cut="rst"), 0, "closed"),
    "head cut": (Script(cut_at=30), 0, "closed"),
    "head only": (Script(cut_after=0), 0, "closed"),
    "no http": (Script(raw=b"SSH-2.0-OpenSSH_9.6\r\n"), 0, "malformed"),
    "bad length": (Script(raw=OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab"), 0, "malformed"),
    "a page": (
        Script(raw=OK + b"content-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"),
        0,
        "malformed",
    ),
    "half a json": (Script(raw=OK + b"content-length: 12\r\n\r\n" + ANSWER[:12]), 0, "malformed"),
    "head too long": (Script(raw=OK + b"x-a: " + b"a" * 300_000 + b"\r\n\r\n"), 0, "malformed"),
    "switching protocols": (
        Script(raw=b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        0,
        "malformed",
    ),
}
WHOLE_FAILING = {"one byte short": (Script(cut_at=-1, framing="length"), 0, "closed")}
STREAM_FAILING: dict[str, tuple[Script, int, str]] = {
    "empty stream": (Script(events=()), 0, "closed"),
    "first event cut": (Script(cut_after=1, events=(b"data: {", b"}\n\n")), 0, "closed"),
}


@pytest.mark.parametrize(
    ("name", "stream"),
    [(name, stream) for name in FAILING for stream in (False, True) if not (stream and name in RESTING)]
    + [("one byte short", False), *((name, True) for name in STREAM_FAILING)],
)
def test_the_next_channel_answers_before_the_caller_saw_a_byte(
    relay: ServedRelay,
    email: str,
    key: str,
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    name: str,
    stream: bool,
) -> None:
    script, status, fault = {**FAILING, **STREAM_FAILING, **WHOLE_FAILING}[name]
    channel, model = (f"rests-{name}",) * 2 if name in RESTING else ("first", TWO_CHANNELS)
    upstream.for_model(model, script)
    reply = call(relay, key, body_of(model=model, stream=stream))
    assert (reply.status, reply.whole) == (200, True)
    assert b"second" in reply.body
    tries = 2 if script.cut_at == 0 else 1  # a pooled connection that ends without a byte is replaced once
    assert 1 <= len(upstream.received) <= tries, "none is tried twice"
    assert len(second.received) == 1
    record = record_of(relay, email)
    attempts = [(one.channel, one.status, one.fault) for one in record.attempts]
    assert attempts == [(channel, status, fault), ("second", 200, "")]
    assert (record.channel, record.ending) == ("second", Ending.COMPLETED)
    assert record.charge_nanos > 0
    if name in RESTING:  # else the relay would ask after its credential amid another test
        set_by_hand(relay.store, channel, "", "disabled", now_ms=now_ms())


def test_a_channel_that_refuses_connections_is_passed_over(relay: ServedRelay, email: str, key: str) -> None:
    assert call(relay, key, body_of(model=DEAD_FIRST)).status == 200
    record = record_of(relay, email)
    assert [(one.channel, one.fault) for one in record.attempts] == [("dead", "connect"), ("second", "")]


@pytest.mark.parametrize("status", [400, 413, 415, 422])
@pytest.mark.parametrize("stream", [False, True])
def test_the_callers_own_mistake_passes_at_once_byte_for_byte(
    relay: ServedRelay,
    email: str,
    key: str,
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    status: int,
    stream: bool,
) -> None:
    error = b'{"error": {"message": "This model\'s maximum context length is 8192 tokens.",\n  "type":'
    error += b' "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}'
    upstream.enqueue(Script(status=status, body=error))
    reply = call(relay, key, body_of(model=TWO_CHANNELS, stream=stream))
    assert (reply.status, reply.body) == (status, error)
    assert reply.headers["openai-version"] == "2020-10-01"
    assert second.received == []
    record = record_of(relay, email)
    assert (record.http_status, record.charge_nanos, len(record.attempts)) == (status, 0, 1)


def test_when_all_fail_the_last_answer_is_the_callers(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(status=500))
    second.enqueue(Script(status=503, body=b'{"error":{"message":"busy"}}', headers=(("retry-after", "7"),)))
    reply = call(relay, key, body_of(model=TWO_CHANNELS))
    assert (reply.status, reply.body) == (503, b'{"error":{"message":"busy"}}')
    assert reply.headers["retry-after"] == "7"
    record = record_of(relay, email)
    assert [one.status for one in record.attempts] == [500, 503]
    assert record.charge_nanos == 0


def test_an_error_that_quotes_the_upstreams_credential_is_not_passed_on(
    relay: ServedRelay, key: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(status=401, body=b'{"error":{"message":"Incorrect key sk-upstream-credential"}}'))
    reply = call(relay, key, body_of())
    assert (reply.status, reply.body) == (401, b'{"error":{"message":"Incorrect key ..."}}')


def test_a_stream_that_has_begun_is_not_tried_elsewhere(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(cut_after=2))
    reply = call(relay, key, body_of(model=TWO_CHANNELS, stream=True))
    assert "error" in json.loads(reply.events[-1])
    assert not reply.whole
    assert second.received == []
    record = record_of(relay, email)
    assert (record.ending, record.estimated) == (Ending.BROKEN, True)


# -- deadlines -------------------------------------------------------------------------------------------


def test_deadlines(relay: ServedRelay, email: str, key: str) -> None:
    """Each one, for whole answers and streams, at the same time."""
    slow = Script(text="a b c d e f g h i j k l m n o p", pause_s=0.15)
    cases = [
        (body_of(model=NO_ACCEPT), "connect"),
        (body_of(Script(delay_s=5), HASTY), "first_byte"),
        (body_of(Script(delay_s=5), HASTY, stream=True), "first_byte"),
        (body_of(Script(stall_at=-10), HASTY), "idle"),
        (body_of(Script(stall_after=0), HASTY, stream=True), "first_byte"),
        (body_of(Script(stall_after=3), HASTY, stream=True), "idle"),
        (body_of(slow, HASTY, stream=True), "total"),
        (
            body_of(
                Script(write_bytes=None, framing="chunked", raw=None, stall_at=None, delay_s=0.2, text="ok"),
                HASTY,
            ),
            "",
        ),
    ]
    begun = time.monotonic()
    replies = calls(relay, key, [body for body, _ in cases])
    assert time.monotonic() - begun < 4
    for (body, phase), reply in zip(cases, replies, strict=True):
        if not phase:
            assert reply.status == 200
        elif reply.status == 200:
            assert phase in ("idle", "total")
            assert json.loads(body)["stream"]
            assert not reply.whole
            assert json.loads(reply.events[-1])["error"]["relay_code"] == TIMED_OUT
        else:
            assert (reply.status, reply.relay_code) == (504, TIMED_OUT)
    assert [reply.status for reply in replies] == [504, 504, 504, 504, 504, 200, 200, 200]
    assert eventually(lambda: len(relay.usage(email)) == len(cases))
    records = relay.usage(email)
    faults = sorted(record.attempts[0].fault for record in records)
    assert faults == ["", "", "", "timeout_connect", *["timeout_first_byte"] * 3, "timeout_idle"]
    assert {record.ending for record in records if record.charge_nanos} == {Ending.BROKEN, Ending.COMPLETED}


# -- strange but right -----------------------------------------------------------------------------------

STRANGE: dict[str, Script] = {
    "gzip": Script(gzip=True),
    "gzip in chunks": Script(gzip=True, framing="chunked"),
    "gzip to the end": Script(gzip=True, framing="close"),
    "one byte at a time": Script(write_bytes=1),
    "chunked": Script(framing="chunked"),
    "to the end": Script(framing="close"),
    "100": Script(interim=(100,)),
    "100 and 103": Script(interim=(100, 103, 102)),
    "closes silently": Script(close="silent"),
    "closes as announced": Script(close="announced"),
    "usage in each chunk": Script(usage="each"),
    "usage twice": Script(usage="twice"),
    "usage with the finish": Script(usage="finish"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_but_right_answer_is_passed_and_charged_exactly(
    relay: ServedRelay, email: str, key: str, name: str, stream: bool
) -> None:
    plain = body_of(stream=stream)
    expected = answer_pieces(Script(framing="close"), "/v1/chat/completions", plain)
    with Caller(relay.port) as caller:
        for _ in range(2):  # the second time over whatever the first left in the pool
            reply = caller.send(request(key, body_of(STRANGE[name], stream=stream))).read_reply()
            assert (reply.status, reply.whole) == (200, True)
            assert "content-encoding" not in reply.headers
            if not stream:
                assert reply.body == b"".join(expected[1:])
            else:
                assert content_of(reply) == "Hello from the scripted upstream."
                assert reply.events[-1] == b"[DONE]"
    for record in relay.usage(email):
        assert (record.estimated, record.charge_nanos) == (False, 150 * 9 + 600 * 5)


def content_of(reply: Reply) -> str:
    chunks = [json.loads(data) for data in reply.events if data != b"[DONE]"]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_a_done_without_its_blank_line_is_a_done(relay: ServedRelay, email: str, key: str) -> None:
    script = Script(
        raw=OK + b"content-type: text/event-stream\r\n\r\n" + b"".join(EVENTS)[:-1], close="silent"
    )
    reply = call(relay, key, body_of(script, stream=True))
    assert reply.whole
    assert reply.events[-1].strip() == b"[DONE]"
    record = record_of(relay, email)
    assert record.ending is Ending.COMPLETED


def test_a_length_that_is_too_long_is_a_broken_answer(relay: ServedRelay, email: str, key: str) -> None:
    reply = call(relay, key, body_of(Script(length_off=5, close="silent")))
    assert (reply.status, reply.relay_code) == (502, UNREACHABLE)
    record = record_of(relay, email)
    assert (record.ending, record.charge_nanos) == (Ending.FAILED, 0)


def test_a_length_that_is_too_short_is_a_broken_answer(relay: ServedRelay, email: str, key: str) -> None:
    reply = call(relay, key, body_of(Script(length_off=-5)))
    assert (reply.status, reply.relay_code) == (502, UNREACHABLE)
    assert call(relay, key, body_of()).status == 200, "what was left over is nobody's answer"


@pytest.mark.parametrize("status", [204, 304, 299, 600, 999])
def test_a_status_that_has_no_place_here(
    relay: ServedRelay, key: str, upstream: ScriptedUpstream, status: int
) -> None:
    upstream.enqueue(Script(raw=b"HTTP/1.1 %d Strange\r\ncontent-length: 0\r\n\r\n" % status))
    reply = call(relay, key, body_of())
    assert reply.status in (status, 502)
    assert reply.whole


def test_an_answer_before_the_body_was_read(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(status=413, early=True), Script())
    reply = call(relay, key, body_of(user="x" * 8_000_000))
    assert reply.status in (413, 502)
    assert call(relay, key, body_of()).status == 200
    assert eventually(lambda: [one.charge_nanos > 0 for one in relay.usage(email)] == [False, True])


def test_a_pooled_connection_that_died_is_replaced_once(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream
) -> None:
    assert call(relay, key, body_of()).status == 200
    made = upstream.connections_made
    upstream.enqueue(Script(cut_at=0))
    assert call(relay, key, body_of()).status == 200
    assert upstream.connections_made == made + 1
    upstream.enqueue(Script(cut_at=0), Script(cut_at=0))
    assert call(relay, key, body_of()).status == 502
    assert upstream.connections_made == made + 2
    assert eventually(lambda: [one.charge_nanos > 0 for one in relay.usage(email)] == [True, True, False])


# -- slow callers, and those who leave -------------------------------------------------------------------


def test_a_slow_reader_pauses_the_upstream(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream
) -> None:
    event = (
        b"data: "
        + json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 16_000}}]}).encode()
        + b"\n\n"
    )
    count = 2500  # 40 MB
    upstream.enqueue(Script(usage="never"), Script(events=(*[event] * count, *EVENTS[2:])))
    assert call(relay, key, body_of()).status == 200  # counted here: the vocabulary is in memory from now on
    before = memory_bytes(relay)
    with Caller(relay.port, receive_buffer=65536) as caller:
        caller.send(request(key, body_of(stream=True), "connection: close"))
        *_, received = upstream.wait_received(2)
        assert eventually(lambda: is_steady(lambda: received.sent_bytes))
        assert received.sent_bytes < 20 * 1024 * 1024, "the upstream waits"
        assert memory_bytes(relay) - before < 24 * 1024 * 1024
        (reply,) = caller.replies()
    assert reply.whole
    assert len(reply.events) == count + 2
    assert reply.events[-1] == b"[DONE]"
    assert eventually(lambda: [one.ending for one in relay.usage(email)] == [Ending.COMPLETED] * 2)


def is_steady(read: Callable[[], int]) -> bool:
    first = read()
    time.sleep(0.15)
    return first == read() > 0


def memory_bytes(relay: ServedRelay) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{relay.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_leaves_before_the_answer(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.enqueue(Script(delay_s=30))
    with Caller(relay.port) as caller:
        caller.send(request(key, body_of(stream=stream)))
        (received,) = upstream.wait_received()
    assert received.gone.wait(1), "the upstream's work is stopped within a second"
    record = record_of(relay, email)
    assert (record.ending, record.charge_nanos) == (Ending.CANCELLED, 0)


def test_a_caller_who_leaves_within_a_whole_answer(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(stall_at=-5))
    with Caller(relay.port) as caller:
        caller.send(request(key, body_of()))
        (received,) = upstream.wait_received()
        assert received.stalled.wait(5)
    assert received.gone.wait(1)
    record = record_of(relay, email)
    assert (record.ending, record.charge_nanos) == (Ending.CANCELLED, 0)


def test_a_caller_who_leaves_within_a_stream_pays_for_what_came(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(text="one two three four five six", stall_after=5))
    with Caller(relay.port) as caller:
        caller.send(request(key, body_of(stream=True)))
        caller.read_until(b"four")
        (received,) = upstream.received
    assert received.gone.wait(1)
    record = record_of(relay, email)
    assert (record.ending, record.estimated) == (Ending.CANCELLED, True)
    assert record.completion_tokens == 4
    assert record.charge_nanos == 150 * record.prompt_tokens + 600 * 4


def test_a_caller_who_resets_within_a_stream(
    relay: ServedRelay, email: str, key: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(text="one two three", stall_after=2))
    with Caller(relay.port) as caller:
        caller.send(request(key, body_of(stream=True))).read_until(b"one")
        caller.reset()
    assert upstream.received[0].gone.wait(1)
    assert eventually(lambda: [record.ending for record in relay.usage(email)] == [Ending.CANCELLED])


def test_callers_who_leave_at_any_moment(relay: ServedRelay, email: str, key: str) -> None:
    """Wherever in the exchange it happens: one record at most, and all is given back."""

    async def leave(delay_s: float) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        script = Script(pause_s=0.002, delay_s=0.002)
        writer.write(request(key, body_of(script, stream=True)))
        await asyncio.sleep(delay_s)
        writer.transport.abort()

    async def all_of_them() -> None:
        await asyncio.gather(*(leave(number / 4000) for number in range(100)))

    before = relay.balance(email)
    asyncio.run(all_of_them())
    assert eventually(lambda: gauge(relay, "requests_running") == 0)
    records = relay.usage(email)
    assert len(records) <= 100
    assert {record.ending for record in records} <= {Ending.CANCELLED, Ending.COMPLETED}
    assert relay.balance(email) == before - sum(record.charge_nanos for record in records)
