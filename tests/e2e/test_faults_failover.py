"""What fails before the caller has seen a byte is tried elsewhere, and costs nothing; what is the caller's
own is not tried again."""

from collections.abc import Iterator

import pytest
from tests.e2e.stage import (
    CREDENTIALS,
    NO_CHANNEL,
    SECOND_TEXT,
    TIMED_OUT,
    UNREACHABLE,
    Scene,
    Stage,
    content_of,
    price,
    staged,
)

from posthouse.catalogue.events import list_events
from posthouse.kernel.outcome import Ending
from posthouse.testing.upstream import Script, answer_pieces, event
from posthouse.testing.waiting import PATIENCE_S, eventually

SIX = """
[channels.six-%d]
base_url = "{first}"
credential = "sk-one"
models = ["six"]
"""
MORE = """
[models.six]
list = "openai/gpt-4o-mini"
[models.healing]
list = "openai/gpt-4o-mini"
[channels.healing]
base_url = "{first}"
credential = "sk-one"
models = ["healing"]
health = {{ cool_down_s = 0.2, ramp_s = 0 }}
[channels.healthy]
base_url = "{second}"
credential = "sk-second"
models = ["healing"]
priority = 1
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    more = MORE + "".join(SIX % number for number in range(6))
    with staged(tmp_path_factory.mktemp("failover"), more, scenes=200) as stage:
        yield stage


OK = b"HTTP/1.1 200 OK\r\n"
PAGE = OK + b"content-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"
TWO_LENGTHS = OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab"
UPGRADE = b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
ERROR = {"error": {"message": "The engine is overloaded.", "type": "server_error", "code": None}}

# What the first upstream does: its status (0: no answer), the fault and the verdict that are noted.
FAILING: dict[str, tuple[Script, int, str, str]] = {
    "401": (Script(status=401), 401, "", "credential"),
    "403": (Script(status=403), 403, "", "credential"),
    "402": (Script(status=402), 402, "", "quota"),
    "no quota": (Script(error="insufficient_quota"), 429, "", "quota"),
    "model not found": (Script(error="model_not_found"), 404, "", "model_missing"),
    "408": (Script(status=408), 408, "", "timeout"),
    "409": (Script(status=409), 409, "", "overloaded"),
    "425": (Script(status=425), 425, "", "overloaded"),
    "429": (Script(status=429), 429, "", "rate_limited"),
    "429 with Retry-After": (Script(status=429, headers=(("retry-after", "7"),)), 429, "", "rate_limited"),
    "500": (Script(status=500), 500, "", "error"),
    "502 with a page": (Script(status=502, body=b"<html>"), 502, "", "error"),
    "503": (Script(status=503), 503, "", "overloaded"),
    "529": (Script(status=529), 529, "", "overloaded"),
    "closed before the head": (Script(cut_at=0), 0, "closed", "unreachable"),
    "reset before the head": (Script(cut_at=0, cut="rst"), 0, "closed", "unreachable"),
    "closed in the head": (Script(cut_at=30), 0, "closed", "unreachable"),
    "closed after the head": (Script(cut_after=0), 0, "closed", "unreachable"),
    "accepts, then silence": (Script(stall_at=0), 0, "timeout_header", "timeout"),
    "half a head, then silence": (Script(stall_at=30), 0, "timeout_header", "timeout"),
    "a head, then silence": (Script(stall_after=0), 0, "timeout_first_byte", "timeout"),
    "the head is late": (Script(delay_s=5), 0, "timeout_header", "timeout"),
    "no http": (Script(raw=b"SSH-2.0-OpenSSH_9.6\r\n"), 0, "malformed", "malformed"),
    "two lengths": (Script(raw=TWO_LENGTHS), 0, "malformed", "malformed"),
    "another protocol": (Script(raw=UPGRADE), 0, "malformed", "malformed"),
    "a page": (Script(raw=PAGE), 0, "malformed", "malformed"),
    "an error under 200": (
        Script(raw=OK + b'content-length: 24\r\n\r\n{"error":{"message":""}}'),
        0,
        "malformed",
        "malformed",
    ),
    "nothing": (Script(raw=OK + b'content-length: 14\r\n\r\n{"choices":[]}'), 0, "malformed", "malformed"),
}
WHOLE_FAILING: dict[str, tuple[Script, int, str, str]] = {
    "one byte short": (Script(cut_at=-1), 0, "closed", "unreachable"),
    "an empty answer without usage": (Script(text="", usage="never"), 0, "malformed", "malformed"),
}
STREAM_FAILING: dict[str, tuple[Script, int, str, str]] = {
    "an empty stream": (Script(events=()), 0, "closed", "unreachable"),
    "cut in the first event": (
        Script(cut_after=1, events=(b"data: {", b"}\n\n")),
        0,
        "closed",
        "unreachable",
    ),
    "no JSON": (Script(events=(b"data: <html>\n\n",)), 0, "closed", "unreachable"),
    "no JSON, and [DONE]": (
        Script(events=(b"data: <html>\n\n", event("[DONE]"))),
        0,
        "malformed",
        "malformed",
    ),
    "only [DONE]": (Script(events=(event("[DONE]"),)), 0, "malformed", "malformed"),
    "an error as its first event": (Script(events=(event(ERROR),)), 0, "malformed", "malformed"),
}
CASES = [
    *((name, case, stream) for name, case in FAILING.items() for stream in (False, True)),
    *((name, case, False) for name, case in WHOLE_FAILING.items()),
    *((name, case, True) for name, case in STREAM_FAILING.items()),
]
IDS = [f"{name}, {'stream' if stream else 'whole'}" for name, _, stream in CASES]


@pytest.mark.parametrize(("name", "case", "stream"), CASES, ids=IDS)
def test_the_next_channel_answers(
    scene: Scene, name: str, case: tuple[Script, int, str, str], stream: bool
) -> None:
    script, status, fault, verdict = case
    scene.first.default = script
    phase = fault.removeprefix("timeout_") if fault.startswith("timeout_") else ""
    reply = scene.chat(f"hasty-{phase}" if phase else scene.pair, stream=stream)
    assert (reply.status, reply.whole, content_of(reply)) == (200, True, SECOND_TEXT)
    # A pooled connection that ends without a byte is replaced once.
    tries_max = 2 if script.cut_at == 0 else 1
    assert 1 <= len(scene.first.received) <= tries_max, "no channel is tried twice"
    assert len(scene.second.received) == 1
    assert scene.tries() == [("hasty" if phase else "first", status, fault), ("second", 200, "")]
    record = scene.record()
    assert [one.verdict for one in record.attempts] == [verdict, "ok"]
    assert record.channel == ("second-hasty" if phase else f"second-{scene.number}")
    assert record.ending is Ending.COMPLETED
    assert record.charge_nanos == price(9, 3), "the failed attempt costs nothing"
    assert reply.headers["x-posthouse-attempts"] == "2"
    assert scene.first.received[0].finished.is_set() or scene.first.received[0].gone.wait(PATIENCE_S)


@pytest.mark.parametrize(("name", "case", "stream"), CASES, ids=IDS)
def test_where_no_other_channel_is_the_caller_gets_the_upstreams_words_or_an_error_of_ours(
    scene: Scene, name: str, case: tuple[Script, int, str, str], stream: bool
) -> None:
    script, status, fault, _ = case
    scene.first.default = script
    timed_out = fault.startswith("timeout_")
    reply = scene.chat(fault.replace("timeout_", "brief-") if timed_out else scene.solo, stream=stream)
    record = scene.record()
    assert reply.whole
    assert record.charge_nanos == 0
    if fault:
        assert (reply.status, reply.relay_code) == ((504, TIMED_OUT) if timed_out else (502, UNREACHABLE))
        assert record.ending is Ending.FAILED
    else:
        said = answer_pieces(script, "/v1/chat/completions", b"{}")[1]
        assert (reply.status, reply.body) == (status, said), "byte for byte"
        assert reply.headers.get("retry-after") == dict(script.headers).get("retry-after")
        assert (record.ending, record.http_status) == (Ending.COMPLETED, status)
    assert [(one.status, one.fault) for one in record.attempts] == [(status, fault)]


CALLERS_OWN = {
    "400": Script(status=400),
    "too long": Script(error="context_length_exceeded"),
    "filtered": Script(error="content_filter"),
    "413": Script(status=413),
    "415": Script(status=415),
    "422": Script(status=422),
    "451": Script(status=451),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", CALLERS_OWN)
def test_the_callers_own_mistake_is_his_at_once(scene: Scene, name: str, stream: bool) -> None:
    script = CALLERS_OWN[name]
    scene.first.default = script
    reply = scene.chat(scene.pair, stream=stream)
    head, said = answer_pieces(script, "/v1/chat/completions", b"{}")
    assert (b"HTTP/1.1 %d " % reply.status) in head
    assert (reply.body, reply.headers["openai-version"]) == (said, "2020-10-01")
    assert scene.second.received == []
    record = scene.record()
    assert (record.charge_nanos, [one.verdict for one in record.attempts]) == (0, ["caller"])


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_was_filtered_is_an_answer(scene: Scene, stream: bool) -> None:
    scene.first.default = Script(finish="content_filter")
    reply = scene.chat(scene.pair, stream=stream)
    assert b'"finish_reason":"content_filter"' in reply.body
    assert scene.tries() == [("first", 200, "")]
    assert scene.record().charge_nanos == price(9, 5)


def test_many_bad_requests_do_not_close_a_channel_to_others(scene: Scene) -> None:
    """One caller's mistakes, however many, say nothing of the channel."""
    scene.first.default = Script(error="context_length_exceeded")
    assert {scene.chat(scene.pair).status for _ in range(12)} == {400}
    scene.first.default = Script()
    assert content_of(scene.chat(scene.pair)) == Script().text
    assert scene.second.received == []


# -- all fail --------------------------------------------------------------------------------------------

BUSY = b'{"error":{"message":"busy"}}'
TELLING = {
    # first, second, whose answer the caller gets
    "an answer before a fault": (Script(status=500, body=BUSY), Script(cut_at=30), "first"),
    "a limit before an error": (Script(status=429, body=BUSY), Script(status=500), "first"),
    "an error before a refused credential": (Script(status=401), Script(status=500, body=BUSY), "second"),
    "a limit before a missing model": (
        Script(error="model_not_found"),
        Script(status=429, body=BUSY),
        "second",
    ),
}


@pytest.mark.parametrize("name", TELLING)
def test_when_all_fail_the_caller_gets_the_answer_that_says_most(scene: Scene, name: str) -> None:
    scene.first.default, scene.second.default, whose = TELLING[name]
    reply = scene.chat(scene.pair)
    said = scene.first.default if whose == "first" else scene.second.default
    assert (reply.status, reply.body) == (said.status, BUSY)
    record = scene.record()
    assert (record.charge_nanos, len(record.attempts)) == (0, 2)


def test_when_all_fail_silently_the_last_deadline_is_told(scene: Scene) -> None:
    scene.first.default = Script(cut_at=30)
    scene.second.default = Script(cut_at=30)
    reply = scene.chat(scene.pair)
    assert (reply.status, reply.relay_code) == (502, UNREACHABLE)
    assert "after 2 attempt(s)" in reply.json["error"]["message"]


def test_attempts_are_bounded(scene: Scene) -> None:
    scene.first.default = Script(status=500)
    assert scene.chat("six").status == 500
    record = scene.record()
    assert len(record.attempts) == len({one.channel for one in record.attempts}) == 4
    assert len(scene.first.received) == 4


# -- once, for good, and what comes back -----------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_one_failure_is_not_held_against_a_channel(scene: Scene, status: int) -> None:
    script = Script(status=status, headers=(("retry-after", "0"),) if status == 429 else ())
    scene.first.enqueue(script)
    assert [content_of(scene.chat(scene.pair)) for _ in range(3)] == [SECOND_TEXT, *[Script().text] * 2]
    assert [len(record.attempts) for record in scene.records()] == [2, 1, 1]


@pytest.mark.parametrize("script", [Script(status=503), Script(cut_at=0, cut="rst")], ids=["503", "reset"])
def test_one_of_two_fails_for_good_and_no_caller_notices(scene: Scene, script: Script) -> None:
    """After a few calls it is not even asked."""
    scene.first.default = script
    replies = [scene.chat(scene.pair) for _ in range(20)]
    assert {(reply.status, content_of(reply)) for reply in replies} == {(200, SECOND_TEXT)}
    records = scene.records()
    assert [len(record.attempts) for record in records] == [2] * 5 + [1] * 15
    assert sum(record.charge_nanos for record in records) == 20 * price(9, 3)


def test_a_channel_that_recovers_is_used_again(scene: Scene) -> None:
    """The stage's healing channel cools down for a moment only and gets its full share back at once."""
    scene.first.default = Script(status=503)
    for _ in range(6):
        assert content_of(scene.chat("healing")) == SECOND_TEXT
    scene.first.default = Script()
    assert eventually(lambda: content_of(scene.chat("healing")) == Script().text)
    asked = len(scene.second.received)
    for _ in range(5):
        assert content_of(scene.chat("healing")) == Script().text
    assert len(scene.second.received) == asked


def test_a_missing_model_is_tried_elsewhere_and_told_to_the_operator(scene: Scene) -> None:
    scene.first.default = Script(error="model_not_found")
    assert content_of(scene.chat(scene.pair)) == SECOND_TEXT
    channel = f"first-{scene.number}"
    assert eventually(lambda: bool(list_events(scene.relay.store, channel=channel, limit=9)))
    (told,) = list_events(scene.relay.store, channel=channel, limit=9)
    assert (told.kind, told.model) == ("model", scene.pair)


# -- credentials -----------------------------------------------------------------------------------------


def test_a_429_is_tried_with_the_next_credential_of_the_channel(scene: Scene) -> None:
    scene.first.enqueue(Script(status=429, headers=(("retry-after", "60"),)))
    assert content_of(scene.chat(scene.pool)) == Script().text
    limited, other = (received.credential for received in scene.first.received)
    assert limited != other
    for _ in range(6):
        assert scene.chat(scene.pool).status == 200
    later = {received.credential for received in scene.first.received[2:]}
    assert later == set(CREDENTIALS) - {limited}, "until its Retry-After is over"
    assert [one.verdict for one in scene.records()[0].attempts] == ["rate_limited", "ok"]


@pytest.mark.parametrize("error", ["insufficient_quota", "invalid_api_key"])
def test_a_credential_that_is_refused_leaves_the_pool(scene: Scene, error: str) -> None:
    scene.first.for_credential("sk-two", Script(error=error))
    for _ in range(9):
        assert scene.chat(scene.pool).status == 200
    used = [received.credential for received in scene.first.received]
    assert used.count("sk-two") == 1
    assert {"sk-one", "sk-three"} == set(used) - {"sk-two"}


def test_when_all_credentials_are_exhausted_the_caller_is_told_so_and_nothing_is_sent(scene: Scene) -> None:
    scene.first.default = Script(error="insufficient_quota")
    reply = scene.chat(scene.pool)
    assert (reply.status, reply.json["error"]["code"]) == (429, "insufficient_quota")
    assert {received.credential for received in scene.first.received} == set(CREDENTIALS)
    assert len(scene.first.received) == 3
    for _ in range(3):
        reply = scene.chat(scene.pool)
        assert (reply.status, reply.relay_code) == (503, NO_CHANNEL)
        assert int(reply.headers["retry-after"]) >= 1
    assert len(scene.first.received) == 3


def test_when_all_credentials_are_limited_nothing_is_sent_before_the_time_they_told(scene: Scene) -> None:
    scene.first.default = Script(status=429, headers=(("retry-after", "30"),))
    reply = scene.chat(scene.pool)
    assert (reply.status, reply.headers["retry-after"]) == (429, "30")
    assert len(scene.first.received) == 3
    reply = scene.chat(scene.pool)
    assert (reply.status, reply.relay_code) == (503, NO_CHANNEL)
    assert 25 <= int(reply.headers["retry-after"]) <= 30
    assert len(scene.first.received) == 3
