"""Failover and breaks in Anthropic's and Gemini's own dialects: as in OpenAI's, told in the caller's."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.e2e.caller import Reply
from tests.e2e.stage import SCENES, SECOND_TEXT, UNREACHABLE, Scene, Stage, price, staged

from posthouse.kernel.outcome import Ending
from posthouse.testing.answers import answer_pieces
from posthouse.testing.upstream import Script

MORE = """
[models."{dialect}-{n}"]
list = "openai/gpt-4o-mini"
[channels."{dialect}-first-{n}"]
preset = "{dialect}"
base_url = "{{first}}"
credential = "sk-one"
models = ["{dialect}-{n}"]
[channels."{dialect}-second-{n}"]
preset = "{dialect}"
base_url = "{{second}}"
credential = "sk-second"
models = ["{dialect}-{n}"]
priority = 1
"""
OK = b"HTTP/1.1 200 OK\r\n"
TEXT = "one two three four"


class Form(NamedTuple):
    """One way to ask."""

    dialect: str
    stream: bool
    query: str = ""

    def target(self, scene: Scene) -> str:
        if self.dialect == "anthropic":
            return "/v1/messages"
        method = "streamGenerateContent" if self.stream else "generateContent"
        return f"/v1beta/models/gemini-{scene.number}:{method}{self.query}"

    def body(self, scene: Scene) -> bytes:
        if self.dialect == "gemini":
            return b'{"contents":[{"role":"user","parts":[{"text":"Say hello"}]}]}'
        hello = [{"role": "user", "content": "Say hello"}]
        model = f"anthropic-{scene.number}"
        return json.dumps(
            {"model": model, "max_tokens": 100, "messages": hello, "stream": self.stream}
        ).encode()

    def ask(self, scene: Scene) -> Reply:
        return scene.post(self.target(scene), self.body(scene))

    def text(self, reply: Reply) -> str:
        """What the answer says."""
        if self.dialect == "anthropic" and self.stream:
            return "".join(one["delta"].get("text", "") for one in events_of(reply) if "delta" in one)
        if self.dialect == "anthropic":
            return str(reply.json["content"][0]["text"])
        chunks = events_of(reply) if self.query else reply.json if self.stream else [reply.json]
        return "".join(one["candidates"][0]["content"]["parts"][0]["text"] for one in chunks)


def events_of(reply: Reply) -> list[Any]:
    return [json.loads(line[6:]) for line in reply.body.splitlines() if line.startswith(b"data: ")]


FORMS = {
    "anthropic": Form("anthropic", stream=False),
    "anthropic, stream": Form("anthropic", stream=True),
    "gemini": Form("gemini", stream=False),
    "gemini, events": Form("gemini", stream=True, query="?alt=sse"),
    "gemini, array": Form("gemini", stream=True),
}
FAILING: dict[str, tuple[Script, int, str, str]] = {
    "limited": (Script(status=429), 429, "", "rate_limited"),
    "overloaded": (Script(status=529), 529, "", "overloaded"),
    "failing": (Script(status=500), 500, "", "error"),
    "no model": (Script(error="model_not_found"), 404, "", "model_missing"),
    "reset": (Script(cut_at=30, cut="rst"), 0, "closed", "unreachable"),
    "a page": (Script(body=b"<html>", headers=(("content-type", "text/html"),)), 0, "malformed", "malformed"),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    more = "".join(MORE.format(dialect=one, n=n) for one in ("anthropic", "gemini") for n in range(SCENES))
    with staged(tmp_path_factory.mktemp("dialects"), more) as stage:
        yield stage


@pytest.mark.parametrize("failing", FAILING)
@pytest.mark.parametrize("name", FORMS)
def test_the_next_channel_answers(scene: Scene, name: str, failing: str) -> None:
    form = FORMS[name]
    scene.first.default, status, fault, verdict = FAILING[failing]
    reply = form.ask(scene)
    assert (reply.status, reply.whole, form.text(reply)) == (200, True, SECOND_TEXT)
    record = scene.record()
    assert [(one.status, one.fault) for one in record.attempts] == [(status, fault), (200, "")]
    assert [one.verdict for one in record.attempts] == [verdict, "ok"]
    assert (record.ending, record.charge_nanos) == (Ending.COMPLETED, price(9, 3))


@pytest.mark.parametrize("error", ["insufficient_quota", "invalid_api_key"])
@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_a_credential_is_known_for_refused_in_each_dialect(scene: Scene, name: str, error: str) -> None:
    """Anthropic says so of a quota, Gemini of a key, with 400: no mistake of the caller's."""
    scene.first.default = Script(error=error)
    for _ in range(2):
        assert FORMS[name].text(FORMS[name].ask(scene)) == SECOND_TEXT
    assert len(scene.first.received) == 1, "it is out"


@pytest.mark.parametrize("name", FORMS)
def test_the_callers_own_mistake_passes_as_it_came(scene: Scene, name: str) -> None:
    form = FORMS[name]
    script = Script(error="context_length_exceeded")
    scene.first.default = script
    reply = form.ask(scene)
    said = answer_pieces(script, form.target(scene), form.body(scene))[1]
    assert (reply.status, reply.body, scene.second.received) == (400, said, [])
    assert scene.record().charge_nanos == 0


@pytest.mark.parametrize("after", [1, 2])
def test_a_stream_that_breaks_before_its_first_word_is_tried_elsewhere(scene: Scene, after: int) -> None:
    """Anthropic's first event reports the prompt's usage already, its second begins a text."""
    form = FORMS["anthropic, stream"]
    scene.first.default = Script(text=TEXT, cut_after=after)
    reply = form.ask(scene)
    assert (reply.status, reply.whole, form.text(reply)) == (200, True, SECOND_TEXT)
    assert [event["type"] for event in events_of(reply)].count("message_start") == 1
    record = scene.record()
    assert [one.fault for one in record.attempts] == ["closed", ""]
    assert (record.ending, record.charge_nanos) == (Ending.COMPLETED, price(9, 3))


@pytest.mark.parametrize("name", ["anthropic, stream", "gemini, events", "gemini, array"])
def test_a_stream_that_breaks_costs_what_came_and_looks_broken(scene: Scene, name: str) -> None:
    form = FORMS[name]
    pieces = answer_pieces(Script(text=TEXT), form.target(scene), form.body(scene))[1:]
    words = [at for at, piece in enumerate(pieces) if b'"text":' in piece and b"three" in piece]
    scene.first.default = Script(text=TEXT, cut_after=words[0] + 1)
    reply = form.ask(scene)
    assert (reply.status, reply.whole) == (200, False)
    assert b"three" in reply.body
    assert b"four" not in reply.body
    assert str(UNREACHABLE).encode() in reply.body, "our error is its last word"
    assert b"message_stop" not in reply.body
    assert scene.second.received == []
    record = scene.record()
    assert record.ending is Ending.BROKEN
    assert record.completion_tokens >= 3
    assert record.charge_nanos == price(record.prompt_tokens, record.completion_tokens)


@pytest.mark.parametrize("name", FORMS)
def test_no_usage_is_counted_here(scene: Scene, name: str) -> None:
    scene.first.default = Script(text=TEXT, usage="never")
    assert FORMS[name].text(FORMS[name].ask(scene)) == TEXT
    record = scene.record()
    assert (record.ending, record.estimated, record.completion_tokens) == (Ending.COMPLETED, True, 4)


@pytest.mark.parametrize(
    "odd", [{"gzip": True}, {"write_bytes": 1}, {"framing": "length"}, {"interim": (100,)}]
)
@pytest.mark.parametrize("name", FORMS)
def test_an_odd_but_right_answer_passes(scene: Scene, name: str, odd: dict[str, Any]) -> None:
    scene.first.default = Script(text=TEXT, **odd)
    reply = FORMS[name].ask(scene)
    assert (reply.whole, FORMS[name].text(reply)) == (True, TEXT)
    assert scene.record().charge_nanos == price(9, 4)
