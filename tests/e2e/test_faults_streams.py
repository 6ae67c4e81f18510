"""A stream that breaks, stalls or is oddly written: nobody takes a broken one for whole, what was delivered
is paid for, nothing is tried again, and what is odd but right passes as it came."""

import json

import pytest
from tests.e2e.caller import Reply
from tests.e2e.stage import SECOND_TEXT, TIMED_OUT, UNREACHABLE, Scene, check_broken, content_of, price

from posthouse.kernel.outcome import Ending, Outcome
from posthouse.testing.upstream import Script, answer_pieces, event
from posthouse.testing.waiting import PATIENCE_S

TEXT = "one two three four five six"
DELTAS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}}]},
    {"choices": [{"index": 0, "delta": {"content": " you"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
USAGE = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}
ASKED = {"stream": True, "stream_options": {"include_usage": True}}


def check_paid_for_what_came(record: Outcome, ending: Ending, words: int) -> None:
    """Of a stream that told no usage: counted here, by what was delivered."""
    assert (record.ending, record.estimated, record.completion_tokens) == (ending, True, words)
    assert record.charge_nanos == price(record.prompt_tokens, words)


# -- it breaks -------------------------------------------------------------------------------------------

PIECES = answer_pieces(Script(text=TEXT), "/v1/chat/completions", b'{"stream":true}')  # the head, then events


@pytest.mark.parametrize("cut", ["fin", "rst"])
@pytest.mark.parametrize("after", range(2, 8))
def test_cut_between_two_events(scene: Scene, after: int, cut: str) -> None:
    """`after` events came whole: the role, then a word each."""
    scene.first.default = Script(text=TEXT, cut_after=after, cut=cut)
    passed = check_broken(scene.chat(scene.pair, stream=True))
    if cut == "fin":
        assert len(passed) == after
        check_paid_for_what_came(scene.record(), Ending.BROKEN, after - 1)
    assert len(passed) <= after  # a reset may overtake what was sent before it
    assert scene.second.received == []
    assert len(scene.first.received) == 1


@pytest.mark.parametrize("back", [1, 2, 30])
def test_cut_within_an_event(scene: Scene, back: int) -> None:
    """The caller gets only whole events."""
    scene.first.default = Script(text=TEXT, cut_at=len(b"".join(PIECES[:5])) - back)
    passed = check_broken(scene.chat(scene.pair, stream=True))
    # All of the fourth event is there where only its chunk's line end is missing.
    assert [json.loads(data)["choices"][0]["delta"]["content"] for data in passed[1:]] in (
        ["one", " two"],
        ["one", " two", " three"],
    )
    check_paid_for_what_came(scene.record(), Ending.BROKEN, len(passed) - 1)
    assert scene.second.received == []


def test_a_stall_within_the_stream(scene: Scene) -> None:
    scene.first.default = Script(text=TEXT, stall_after=4)
    passed = check_broken(scene.chat("brief-idle", stream=True), TIMED_OUT)
    assert len(passed) == 4
    assert scene.first.received[0].gone.wait(PATIENCE_S), "the upstream's work is stopped"
    check_paid_for_what_came(scene.record(), Ending.BROKEN, 3)
    assert [(one.fault, one.verdict) for one in scene.record().attempts] == [("timeout_idle", "timeout")]


def test_a_stream_that_goes_on_for_ever(scene: Scene) -> None:
    scene.first.default = Script(text="word " * 50, pause_s=0.05)
    passed = check_broken(scene.chat("brief-total", stream=True), TIMED_OUT)
    assert scene.first.received[0].gone.wait(PATIENCE_S)
    check_paid_for_what_came(scene.record(), Ending.BROKEN, len(passed) - 1)


def test_an_error_within_the_stream(scene: Scene) -> None:
    """As OpenAI tells one: an event, then the end. It passes as it came."""
    error = {"error": {"message": "The server had an error.", "type": "server_error", "code": None}}
    scene.first.default = Script(events=(*map(event, DELTAS[:2]), event(error)))
    reply = scene.chat(scene.pair, stream=True)
    assert json.loads(reply.events[2]) == error
    assert b"[DONE]" not in reply.events
    assert scene.second.received == []
    check_paid_for_what_came(scene.record(), Ending.BROKEN, 2)


# -- its end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", ["asked", "never"])
def test_without_done_a_finished_answer_is_whole_where_its_framing_says_so(scene: Scene, usage: str) -> None:
    scene.first.default = Script(text=TEXT, done=False, usage=usage)
    reply = scene.chat(scene.pair, **ASKED)
    assert (reply.whole, b"[DONE]" in reply.events) == (True, False)
    record = scene.record()
    assert (record.ending, record.completion_tokens) == (Ending.COMPLETED, 6)
    assert record.estimated is (usage == "never")


def test_without_done_and_without_an_end_it_is_broken(scene: Scene) -> None:
    scene.first.default = Script(text=TEXT, done=False, framing="close")
    check_broken(scene.chat(scene.pair, **ASKED))
    record = scene.record()
    assert (record.ending, record.charge_nanos) == (Ending.BROKEN, price(9, 6)), "what it reported counts"


def test_without_a_finish_it_is_broken(scene: Scene) -> None:
    scene.first.default = Script(events=tuple(map(event, DELTAS[:2])))
    check_broken(scene.chat(scene.pair, stream=True))
    check_paid_for_what_came(scene.record(), Ending.BROKEN, 2)


def test_who_was_told_nothing_yet_pays_nothing(scene: Scene) -> None:
    audio = {"choices": [{"index": 0, "delta": {"audio": {"id": "audio_1"}}}]}
    scene.first.default = Script(events=(event(audio),), stall_after=1)
    check_broken(scene.chat("brief-idle", stream=True), TIMED_OUT)
    record = scene.record()
    assert (record.ending, record.charge_nanos, record.quantities) == (Ending.BROKEN, 0, {})


@pytest.mark.parametrize("end", ["closed", "timeout_idle"])
def test_before_the_first_word_the_next_channel_answers(scene: Scene, end: str) -> None:
    """The first event names the role alone."""
    scene.first.default = Script(cut_after=1) if end == "closed" else Script(stall_after=1)
    reply = scene.chat("hasty-idle", stream=True)
    assert (reply.whole, content_of(reply)) == (True, SECOND_TEXT)
    assert sum(b'"role"' in one for one in reply.events) == 1
    record = scene.record()
    assert [(one.fault, one.ttft_ms >= 0) for one in record.attempts] == [(end, False), ("", True)]
    assert record.charge_nanos == price(9, 3)


def test_what_comes_after_done_is_nobodys(scene: Scene) -> None:
    scene.first.default = Script(events=(*map(event, [*DELTAS, USAGE, "[DONE]"]), event(DELTAS[1])))
    reply = scene.chat(scene.pair, **ASKED)
    assert (reply.whole, reply.events[-1], len(reply.events)) == (True, b"[DONE]", 5)
    assert scene.record().charge_nanos == price(9, 2)


# -- usage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("usage", ["asked", "finish", "each", "twice"])
def test_usage_in_the_last_chunk_in_each_or_twice_is_charged_once(
    scene: Scene, usage: str, asked: bool
) -> None:
    scene.first.default = Script(text=TEXT, usage=usage)
    reply = scene.chat(scene.pair, **(ASKED if asked else {"stream": True}))
    assert (content_of(reply), reply.events[-1]) == (TEXT, b"[DONE]")
    record = scene.record()
    assert (record.estimated, record.charge_nanos) == (False, price(9, 6))
    told = [json.loads(data).get("usage") for data in reply.events[:-1]]
    assert any(told) is (asked or usage in ("finish", "each")), "an event of usage alone is the relay's own"
    assert scene.first.received[0].json["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("stream", [False, True])
def test_no_usage_at_all_is_counted_here(scene: Scene, stream: bool) -> None:
    scene.first.default = Script(text=TEXT, usage="never")
    reply = scene.chat(scene.pair, stream=stream)
    assert (reply.whole, content_of(reply)) == (True, TEXT)
    check_paid_for_what_came(scene.record(), Ending.COMPLETED, 6)


def test_usage_that_grows_from_chunk_to_chunk_is_the_last(scene: Scene) -> None:
    events = [
        {**delta, "usage": {"prompt_tokens": 9, "completion_tokens": number, "total_tokens": 9 + number}}
        for number, delta in enumerate(DELTAS, 1)
    ]
    scene.first.default = Script(events=tuple(map(event, [*events, "[DONE]"])))
    assert scene.chat(scene.pair, **ASKED).whole
    assert scene.record().charge_nanos == price(9, 3)


# -- how it is written -----------------------------------------------------------------------------------


def lines(*data: object, end: str = "\n", before: str = "data: ") -> bytes:
    return "".join(f"{before}{json.dumps(one)}{end}{end}" for one in data).encode() + (
        f"{before}[DONE]{end}{end}".encode()
    )


ODD = {
    "CR LF": lines(*DELTAS, USAGE, end="\r\n"),
    "CR": lines(*DELTAS, USAGE, end="\r"),
    "no blank after the colon": lines(*DELTAS, USAGE, before="data:"),
    "named events with ids": lines(*DELTAS, USAGE, before="event: message\nid: 7\nretry: 3000\ndata: "),
    "a byte order mark": b"\xef\xbb\xbf" + lines(*DELTAS, USAGE),
    "comments between": lines(*DELTAS, USAGE, before=": still here\n\ndata: "),
    "many blank lines": lines(*DELTAS, USAGE, before="\n\n\ndata: "),
    "data in two lines": lines(*DELTAS, USAGE).replace(b'{"choices": [', b'{"choices":\ndata: ['),
    "an unknown field": lines(*DELTAS, USAGE, before="x-unknown\ndata: "),
}
BROKEN_EVENTS = {
    "no JSON": b"data: {broken\n\n",
    "no object": b"data: 7\n\n",
    "no UTF-8": b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}\n\n',
    "choices of another shape": b'data: {"choices":{"a":[]}}\n\n',
    "usage of another shape": b'data: {"choices":[],"usage":"many"}\n\n',
    "deep": b"data: " + b"[" * 5000 + b"]" * 5000 + b"\n\n",
    "a page": b"<html>\n\n",
}


@pytest.mark.parametrize("write_bytes", [None, 1])
@pytest.mark.parametrize("name", ODD)
def test_an_oddly_written_stream_passes_as_it_came(scene: Scene, name: str, write_bytes: int | None) -> None:
    scene.first.default = Script(events=(ODD[name],), write_bytes=write_bytes)
    reply = scene.chat(scene.pair, **ASKED)
    # After a CR that ends the stream the relay waits for an LF, and adds it when none comes.
    assert (reply.whole, reply.body.rstrip(b"\n")) == (True, ODD[name].rstrip(b"\n"))
    record = scene.record()
    assert (record.ending, record.estimated, record.charge_nanos) == (Ending.COMPLETED, False, price(9, 2))


@pytest.mark.parametrize("name", BROKEN_EVENTS)
def test_an_event_that_is_none_neither_ends_the_stream_nor_changes_its_charge(
    scene: Scene, name: str
) -> None:
    said = lines(*DELTAS, USAGE)
    first_end = said.index(b"\n\n") + 2
    said = said[:first_end] + BROKEN_EVENTS[name] + said[first_end:]
    scene.first.default = Script(events=(said,))
    reply = scene.chat(scene.pair, **ASKED)
    assert (reply.whole, reply.body) == (True, said)
    record = scene.record()
    assert (record.ending, record.estimated, record.charge_nanos) == (Ending.COMPLETED, False, price(9, 2))


def test_an_event_without_end_is_given_up(scene: Scene) -> None:
    """Nothing grows without bound."""
    scene.first.default = Script(events=(event(DELTAS[0]), b"data: " + b"x" * 40_000_000))
    reply: Reply = scene.chat(scene.pair, stream=True)
    assert len(check_broken(reply, UNREACHABLE)) == 1
    assert len(reply.body) < 1_000
    check_paid_for_what_came(scene.record(), Ending.BROKEN, 1)
