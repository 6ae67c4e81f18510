"""Which channels a call tries, what each is sent, and what the caller is told when none has answered."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from msgspec import structs
from tests.relay.forwarding import in_order, new_forwarder, offer
from tests.upstream.certificates import Authority
from tests.upstream.stage import Play

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.outcome import AttemptRecord
from posthouse.kernel.secrets import SecretText
from posthouse.relay.ask import read_ask
from posthouse.relay.endpoints import CHAT, EMBEDDINGS, Endpoint
from posthouse.relay.forward import Answer, Forwarder, without_secret
from posthouse.relay.router import Offer, Trip
from posthouse.relay.stream import OPENING_BYTES_MAX
from posthouse.routing.channels import CredentialDef
from posthouse.routing.verdicts import STATUSES
from posthouse.testing.proxy import ScriptedProxy
from posthouse.testing.upstream import Script, ScriptedUpstream, answer_pieces, event
from posthouse.testing.waiting import until
from posthouse.upstream.client import UpstreamClient

BODY = b'{"model":"gpt-4o-mini","messages":[]}'
STREAM = b'{"model":"gpt-4o-mini","messages":[],"stream":true}'
HEADERS = {b"content-type": b"application/json"}
NOWHERE = "http://127.0.0.1:1/v1"  # refuses connections


class Told(NamedTuple):
    """What the caller was told: an answer's status and body, or a refusal; and the tries."""

    status: int
    body: bytes
    refusal: Refusal | None
    attempts: list[AttemptRecord]

    @property
    def tries(self) -> list[tuple[str, int, str]]:
        return [(one.channel, one.status, one.fault) for one in self.attempts]


async def _fetched(
    forwarder: Forwarder,
    offers: tuple[Offer, ...],
    body: bytes,
    headers: dict[bytes, bytes],
    endpoint: Endpoint,
    output_cap: int | None,
    attempts: list[AttemptRecord],
) -> Answer:
    ask = read_ask(endpoint, headers, body, "", 1_000_000)
    return await forwarder.fetch(
        ask, headers, in_order(offers), Trip(ask.model), output_cap=output_cap, attempts=attempts
    )


def forward(
    play: Play,
    *offers: Offer,
    body: bytes = BODY,
    headers: dict[bytes, bytes] | None = None,
    endpoint: Endpoint = CHAT,
    output_cap: int | None = None,
    answer_bytes_max: int = 1_000_000,
    look: Callable[[Answer], None] | None = None,
    **bounds: float,
) -> Told:
    """Forward one call; `look` sees the answer while it is alive, `bounds` are those of all attempts."""

    async def scenario(client: UpstreamClient) -> Told:
        forwarder = new_forwarder(client, answer_bytes_max, **bounds)
        attempts: list[AttemptRecord] = []
        try:
            answer = await _fetched(
                forwarder,
                offers,
                body,
                HEADERS if headers is None else headers,
                endpoint,
                output_cap,
                attempts,
            )
        except Refusal as refusal:
            assert client.active_count == 0
            return Told(0, b"", refusal, attempts)
        if look is not None:
            look(answer)
        answer.exchange.abandon()
        forwarder.finish(answer)
        assert client.active_count == 0
        assert answer.leg.is_over
        return Told(answer.exchange.status, answer.body, None, attempts)

    told: Told = play(scenario)
    return told


# --- order ---


def test_the_first_channel_that_answers_is_the_only_one_asked(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    told = forward(play, offer("first", first), offer("second", second))
    assert told.status == 200
    assert told.body == b"".join(answer_pieces(Script(), "/v1/chat/completions", BODY)[1:])
    assert told.tries == [("first", 200, "")]
    assert second.received == []


def test_channels_are_tried_in_their_order_and_none_twice(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = second.default = Script(status=500)
    told = forward(play, offer("second", second), offer("nowhere", NOWHERE), offer("first", first))
    assert told.tries == [("second", 500, ""), ("nowhere", 0, "connect"), ("first", 500, "")]
    assert len(first.received) == len(second.received) == 1


# --- which answers count ---


@pytest.mark.parametrize("status", [*sorted(STATUSES), 302, 500, 502, 504, 599])
def test_what_another_channel_may_do_better_is_tried_there(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream, status: int
) -> None:
    first.default = Script(status=status)
    told = forward(play, offer("first", first), offer("second", second))
    assert told.status == 200
    assert told.tries == [("first", status, ""), ("second", 200, "")]


@pytest.mark.parametrize("status", [200, 201, 400, 405, 413, 415, 418, 422, 451])
def test_any_other_answer_is_the_callers(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream, status: int
) -> None:
    first.default = Script(status=status, body=b'{"a":1}')
    told = forward(play, offer("first", first), offer("second", second))
    assert (told.status, told.body) == (status, b'{"a":1}')
    assert told.tries == [("first", status, "")]
    assert second.received == []


def test_the_answer_that_helps_most_counts_more_than_later_ones_and_faults(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = Script(status=429, body=b'{"first":1}')
    second.default = Script(status=503, body=b'{"second":1}')
    told = forward(play, offer("first", first), offer("second", second), offer("nowhere", NOWHERE))
    assert (told.status, told.body) == (429, b'{"first":1}')
    assert told.tries == [("first", 429, ""), ("second", 503, ""), ("nowhere", 0, "connect")]


FAULTS = {
    "nothing": (Script(cut_at=0), "closed"),
    "reset": (Script(cut_at=0, cut="rst"), "closed"),
    "half-a-head": (Script(cut_at=20), "closed"),
    "half-a-body": (Script(cut_at=-1), "closed"),
    "too-short": (Script(length_off=7, close="silent"), "closed"),
    "no-http": (Script(raw=b"SSH-2.0-OpenSSH\r\n"), "malformed"),
    "odd-status": (Script(raw=b"HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\n{}"), "malformed"),
    "a-page": (Script(body=b"<html>"), "malformed"),
    "an-error-as-200": (Script(body=b'{"error":{"message":"no"}}'), "malformed"),
    "no-choices": (Script(body=b'{"choices":[]}'), "malformed"),
    "null-choices": (Script(body=b'{"choices":null,"base_resp":{"status_code":1004}}'), "malformed"),
    "an-error-that-used-nothing": (Script(body=b'{"error":{},"usage":{"prompt_tokens":0}}'), "malformed"),
    "an-empty-object": (Script(body=b"{ }"), "malformed"),
    "null": (Script(body=b"null"), "malformed"),
    "a-list": (Script(body=b"[]"), "malformed"),
    "no-content": (Script(body=b'{"type":"message","content":[]}'), "malformed"),
    "no-candidates": (Script(body=b'{"candidates":[]}'), "malformed"),
    "nothing-said": (Script(body=b'{"choices":[{"message":{"content":""}}]}'), "malformed"),
}


@pytest.mark.parametrize(("script", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_after_a_fault_the_next_channel_is_tried(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream, script: Script, fault: str
) -> None:
    first.default = script
    told = forward(play, offer("first", first), offer("second", second))
    assert told.status == 200
    assert told.tries == [("first", 0, fault), ("second", 200, "")]


@pytest.mark.parametrize(("script", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_when_all_failed_the_caller_is_told_how_many_were_tried(
    play: Play, first: ScriptedUpstream, script: Script, fault: str
) -> None:
    first.default = script
    told = forward(play, offer("nowhere", NOWHERE), offer("first", first))
    assert told.tries == [("nowhere", 0, "connect"), ("first", 0, fault)]
    refusal = told.refusal
    assert refusal is not None
    assert (refusal.code, refusal.situation) == (RelayCode.UPSTREAM_UNREACHABLE, "default")
    assert refusal.row.http_status == 502
    assert "after 2 attempt(s)" in refusal.message("en")
    assert refusal.retry_after_s == 1
    assert refusal.worth_retrying


def test_an_answer_that_is_too_large_is_so_everywhere(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = Script(body=b'"%b"' % (b"x" * 10_000))
    told = forward(play, offer("first", first), offer("second", second), answer_bytes_max=10_000)
    assert told.tries == [("first", 0, "too_large")]
    assert told.refusal is not None
    assert told.refusal.code is RelayCode.UPSTREAM_UNREACHABLE
    assert second.received == []


@pytest.mark.parametrize(
    ("script", "seconds", "phase"),
    [
        (Script(stall_at=0), {"header_s": 0.15}, "header"),
        (Script(stall_at=0), {"first_byte_s": 0.15}, "first_byte"),
        (Script(stall_at=-1), {"idle_s": 0.15}, "idle"),
        (Script(stall_at=-1), {"total_s": 0.15}, "total"),
    ],
    ids=["header", "first_byte", "idle", "total"],
)
def test_a_deadline_is_told_by_its_name(
    play: Play, first: ScriptedUpstream, script: Script, seconds: dict[str, float], phase: str
) -> None:
    first.default = script
    told = forward(play, offer("nowhere", NOWHERE), offer("first", first, **seconds))
    assert told.tries == [("nowhere", 0, "connect"), ("first", 0, f"timeout_{phase}")]
    refusal = told.refusal
    assert refusal is not None
    assert (refusal.code, refusal.situation) == (RelayCode.UPSTREAM_TIMEOUT, phase)
    assert refusal.row.http_status == 504
    assert "0.15 seconds" in refusal.message("en")
    assert told.attempts[1].duration_ms >= 140
    assert first.received[0].gone.wait(5)


@pytest.mark.parametrize(
    ("says", "phase"), [(b"", "connect"), (b"HTTP/1.1 200 OK\r\n\r\n", "tls")], ids=["connect", "tls"]
)
def test_a_connection_that_takes_too_long_is_told_by_its_step(play: Play, says: bytes, phase: str) -> None:
    with ScriptedProxy(says=says) as proxy:
        seconds = {f"{phase}_s": 0.15}
        told = forward(play, offer("c", "https://upstream.example/v1", proxy=proxy.origin, **seconds))
    refusal = told.refusal
    assert refusal is not None
    assert (refusal.code, refusal.situation) == (RelayCode.UPSTREAM_TIMEOUT, phase)
    assert "within 0.15 seconds" in refusal.message("en")


def test_after_a_deadline_the_next_channel_answers(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = Script(stall_at=0)
    told = forward(play, offer("first", first, first_byte_s=0.1), offer("second", second))
    assert told.tries == [("first", 0, "timeout_first_byte"), ("second", 200, "")]


def test_no_attempt_begins_once_the_time_for_all_of_them_is_over(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = Script(stall_at=0)
    offers = (offer("first", first, header_s=0.1), offer("second", second))
    assert forward(play, *offers, attempts_total_s=0.05).tries == [("first", 0, "timeout_header")]
    assert second.received == []


def test_an_untrusted_certificate_is_a_fault_and_the_next_channel_answers(
    play: Play, second: ScriptedUpstream, authority: Authority
) -> None:
    with ScriptedUpstream(ssl_context=authority.server_context("127.0.0.1"), credential="sk-tls") as tls:
        told = forward(play, offer("tls", tls), offer("second", second))
        assert told.tries == [("tls", 0, "tls"), ("second", 200, "")]
        told = forward(play, offer("tls", tls))
        assert told.refusal is not None
        assert told.refusal.code is RelayCode.UPSTREAM_UNREACHABLE
        missing = offer("tls", tls, ca_file="/nowhere/ca.pem")
        assert forward(play, missing, offer("second", second)).tries[0] == ("tls", 0, "tls")
        assert tls.received == []
        for trusting in ({"ca_file": authority.ca_file}, {"tls_verify": False}):
            assert forward(play, offer("tls", tls, **trusting)).tries == [("tls", 200, "")]


def test_a_proxys_refusal_is_a_fault_and_the_next_channel_answers(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    with ScriptedProxy(credential="u:right") as proxy:
        told = forward(
            play, offer("first", first, proxy=f"http://u:wrong@{proxy.address}"), offer("second", second)
        )
    assert told.tries == [("first", 0, "proxy"), ("second", 200, "")]
    assert first.received == []


def test_no_channel_at_all_is_no_fault_of_the_caller(play: Play) -> None:
    refusal = forward(play).refusal
    assert refusal is not None
    assert refusal.code is RelayCode.OVERLOADED


def test_a_call_that_is_cancelled_tries_no_further(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = Script(stall_at=30)

    async def scenario(client: UpstreamClient) -> None:
        forwarder, attempts = new_forwarder(client), list[AttemptRecord]()
        offers = (offer("first", first), offer("second", second))
        call = asyncio.ensure_future(_fetched(forwarder, offers, BODY, HEADERS, CHAT, None, attempts))
        await until(lambda: bool(first.received) and first.received[0].stalled.is_set())
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert client.active_count == 0
        assert [one.channel for one in attempts] == ["first"]

    play(scenario)
    assert first.received[0].gone.wait(5)
    assert second.received == []


# --- streams ---


def choice(**members: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": None, **members}]})


ROLE = choice(delta={"role": "assistant", "content": "", "refusal": None}, logprobs=None)
WORD = choice(delta={"content": "Hi"})
DONE = event("[DONE]")


def test_a_stream_is_an_answer_from_its_first_word(play: Play, first: ScriptedUpstream) -> None:
    first.default = Script(events=(ROLE, b": processing\n\n", WORD), stall_after=3)

    def look(answer: Answer) -> None:
        assert answer.stream is not None
        assert answer.stream.began
        assert not answer.stream.is_over
        assert answer.stream.kept == ROLE + b": processing\n\n" + WORD

    assert forward(play, offer("first", first), body=STREAM, look=look).tries == [("first", 200, "")]


BROKEN_STREAMS = {
    "only-done": Script(events=(b"data: [DONE]\n\n",)),
    "an-error-first": Script(events=(event({"error": {"message": "no"}}),)),
    "empty": Script(events=()),
    "cut-before": Script(cut_after=0),
    "cut-in-the-first-event": Script(events=(b"data: {",), framing="close"),
    "reset": Script(cut_at=400, cut="rst"),
    "a-role-alone": Script(events=(ROLE, DONE), pause_s=0.01),
    "a-role-and-an-end": Script(events=(ROLE, choice(finish_reason="stop"), DONE), pause_s=0.01),
    "a-role-then-cut": Script(cut_after=1),
    "a-role-then-an-error": Script(events=(ROLE, event({"error": {"message": "no"}})), pause_s=0.01),
    "comments-then-cut": Script(events=(b": processing\n\n",) * 9),
    "error-status": Script(status=500),
}


@pytest.mark.parametrize("script", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
def test_a_stream_that_never_began_is_tried_elsewhere(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream, script: Script
) -> None:
    first.default = script
    told = forward(play, offer("first", first), offer("second", second), body=STREAM)
    assert told.status == 200
    assert [channel for channel, _, _ in told.tries] == ["first", "second"]


@pytest.mark.parametrize(
    ("status", "tried"), [(200, "first first second"), (500, "first first second first")]
)
def test_many_refused_credentials_keep_no_call_from_another_channel(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream, status: int, tried: str
) -> None:
    second.default = Script(status=status)  # the first refuses them all: they have no secret
    credentials = tuple(CredentialDef(name=name) for name in "abcde")
    told = forward(play, offer("first", first, credentials=credentials), offer("second", second))
    assert told.status == status
    assert " ".join(channel for channel, _, _ in told.tries) == tried
    assert len({one.credential for one in told.attempts if one.channel == "first"}) == tried.count("first")


@pytest.mark.parametrize("after", [1, 2])
def test_a_stream_that_goes_silent_before_its_first_word_is_tried_elsewhere(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream, after: int
) -> None:
    first.default = Script(events=(ROLE, b": processing\n\n", WORD), stall_after=after)
    told = forward(play, offer("first", first, idle_s=0.15), offer("second", second), body=STREAM)
    assert told.tries == [("first", 0, "timeout_idle"), ("second", 200, "")]
    assert told.attempts[0].ttft_ms == -1


def test_an_end_with_its_usage_is_an_answer(play: Play, first: ScriptedUpstream) -> None:
    first.default = Script(text="", done=False, pause_s=0.01)
    assert forward(play, offer("first", first), body=STREAM).tries == [("first", 200, "")]


def test_what_says_nothing_is_kept_up_to_a_bound(play: Play, first: ScriptedUpstream) -> None:
    first.default = Script(events=(b": processing\n\n",) * (OPENING_BYTES_MAX // 14 + 1), stall_at=-1)
    assert forward(play, offer("first", first), body=STREAM).tries == [("first", 200, "")]


def test_a_stream_that_breaks_after_its_first_word_is_not_tried_elsewhere(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = Script(cut_after=2)
    told = forward(play, offer("first", first), offer("second", second), body=STREAM)
    assert told.tries == [("first", 200, "")]
    assert second.received == []


def test_a_stream_that_was_asked_for_and_not_given_is_a_whole_answer(
    play: Play, first: ScriptedUpstream
) -> None:
    first.default = Script(body=b'{"choices":[{"text":"a"}]}')

    def look(answer: Answer) -> None:
        assert answer.stream is None

    told = forward(play, offer("first", first), body=STREAM, look=look)
    assert (told.status, told.body) == (200, b'{"choices":[{"text":"a"}]}')


# --- what an upstream is sent ---

CALLERS = {
    b"content-type": b"application/json; charset=utf-8",
    b"accept": b"text/event-stream",
    b"openai-beta": b"assistants=v2",
    b"authorization": b"Bearer canary-key",
    b"user-agent": b"canary-agent",
    b"cookie": b"canary-cookie",
    b"host": b"canary.example",
    b"x-forwarded-for": b"203.0.113.7",
    b"forwarded": b"for=203.0.113.7",
    b"x-stainless-lang": b"canary-python",
    b"openai-organization": b"canary-org",
    b"openai-project": b"canary-project",
    b"idempotency-key": b"canary-idempotency",
    b"accept-encoding": b"gzip",
    b"content-length": b"3",
    b"expect": b"100-continue",
    b"te": b"trailers",
    b"connection": b"keep-alive",
    b"x-request-id": b"canary-id",
    b"referer": b"https://canary.example",
}


def test_the_head_is_exactly_this(play: Play, first: ScriptedUpstream) -> None:
    forward(play, offer("first", first), headers=CALLERS)
    (received,) = first.received
    assert received.head.raw == (
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        b"host: 127.0.0.1:%d\r\n"
        b"user-agent: posthouse\r\n"
        b"accept-encoding: identity\r\n"
        b"authorization: Bearer sk-first\r\n"
        b"content-type: application/json; charset=utf-8\r\n"
        b"accept: text/event-stream\r\n"
        b"openai-beta: assistants=v2\r\n"
        b"content-length: %d\r\n"
        b"\r\n" % (first.port, len(BODY))
    )
    assert received.body == BODY


def test_a_channels_own_headers_are_added(play: Play, first: ScriptedUpstream) -> None:
    headers = {"X-Title": "posthouse", "api-version": "2026-01-01"}
    forward(
        play,
        structs.replace(offer("first", first.origin + "/deep/er/", headers=headers), credentials={}),
        endpoint=EMBEDDINGS,
        headers={},
    )
    assert first.received[0].head.raw == (
        b"POST /deep/er/embeddings HTTP/1.1\r\n"
        b"host: 127.0.0.1:%d\r\n"
        b"user-agent: posthouse\r\n"
        b"accept-encoding: identity\r\n"
        b"x-title: posthouse\r\n"
        b"api-version: 2026-01-01\r\n"
        b"content-length: %d\r\n"
        b"\r\n" % (first.port, len(BODY))
    )


def test_through_a_plain_proxy_the_head_names_the_whole_url(play: Play, first: ScriptedUpstream) -> None:
    with ScriptedProxy(credential="u:p") as proxy:
        forward(play, offer("first", first, proxy=f"http://u:p@{proxy.address}"))
        (head,) = proxy.heads
    assert head.raw == (
        b"POST http://127.0.0.1:%d/v1/chat/completions HTTP/1.1\r\n"
        b"host: 127.0.0.1:%d\r\n"
        b"user-agent: posthouse\r\n"
        b"accept-encoding: identity\r\n"
        b"authorization: Bearer sk-first\r\n"
        b"proxy-authorization: Basic dTpw\r\n"
        b"content-type: application/json\r\n"
        b"content-length: %d\r\n"
        b"\r\n" % (first.port, first.port, len(BODY))
    )
    assert first.received[0].header("proxy-authorization") is None


def test_each_channel_is_sent_its_own_model_and_credential(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = Script(status=503)
    told = forward(
        play,
        offer("first", first, model_map={"gpt-4o-mini": "deployment-1"}),
        offer("second", second, model_map={"gpt-*": "o3-*"}),
        output_cap=7,
    )
    assert told.status == 200
    assert first.received[0].body == b'{"max_tokens":7,"model":"deployment-1","messages":[]}'
    assert second.received[0].body == b'{"max_completion_tokens":7,"model":"o3-4o-mini","messages":[]}'
    assert first.received[0].header("authorization") == "Bearer sk-first"
    assert second.received[0].header("authorization") == "Bearer sk-second"


def test_a_stream_asks_for_usage(play: Play, first: ScriptedUpstream) -> None:
    forward(play, offer("first", first), body=STREAM)
    assert first.received[0].body == STREAM.replace(b"{", b'{"stream_options":{"include_usage":true},', 1)


def test_a_changed_channel_is_used_as_it_is_now(
    play: Play, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    async def scenario(client: UpstreamClient) -> None:
        forwarder = new_forwarder(client)
        for upstream in (first, second, first):
            name = "first" if upstream is first else "second"
            one = structs.replace(offer("one", upstream), credentials={"default": SecretText(f"sk-{name}")})
            assert (await _fetched(forwarder, (one,), BODY, HEADERS, CHAT, None, [])).exchange.status == 200
        changed = structs.replace(one, credentials={"default": SecretText("sk-wrong")})
        assert (await _fetched(forwarder, (changed,), BODY, HEADERS, CHAT, None, [])).exchange.status == 401

    play(scenario)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"Incorrect API key provided: sk-pr********wxyz.", b"Incorrect API key provided: ...."),
        (b"Your api key: ****wxyz is invalid", b"Your api key: ... is invalid"),
        (b"got sk-proj...wxyz", b"got ..."),
        (b"sk-proj-secret-wxyz", b"..."),
        (b"**bold**, *** and ... and you...", b"**bold**, *** and ... and you..."),
        (b"sk-other***wxyz sk-proj***other", b"sk-other***wxyz sk-proj***other"),
    ],
)
def test_an_error_shows_nothing_of_the_upstreams_credential(said: bytes, told: bytes) -> None:
    assert without_secret(said, b"sk-proj-secret-wxyz") == told
