"""Forward a call: one attempt after another until one brings an answer.

What an attempt's end means, and what is tried after it, is routing.verdicts' table; whose turn it is,
relay.router's. Attempts and their total time are bounded. When all fail the caller gets the answer that says
most of those that upstreams gave, else 40257 or, after a deadline, 40258; where there was nothing to try, -1.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from posthouse.kernel.clock import now_ms
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.outcome import AttemptRecord
from posthouse.metering.stream import texts_of_answer
from posthouse.metering.usage import Usage
from posthouse.relay.ask import Ask, upstream_body
from posthouse.relay.dialects import READERS, is_stream, meter_for, splitter_for
from posthouse.relay.route import Route
from posthouse.relay.router import Leg, Offer, Router, Trip
from posthouse.relay.stream import EventStream
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.choice import Lineup
from posthouse.routing.verdicts import NEXT, Next, Verdict, verdict_of_fault, verdict_of_status
from posthouse.upstream.client import Origin, UpstreamClient
from posthouse.upstream.connection import Exchange
from posthouse.upstream.errors import TIMEOUTS, Fault, UpstreamFault
from posthouse.wire.headers import request_header_block, retry_after_s, with_defaults


class Answer(Struct, eq=False):
    """What an upstream said. Exactly one of `body` (the whole answer) and `stream` counts. `usage`: what a
    whole answer reports, if it does."""

    leg: Leg
    exchange: Exchange
    body: bytes = b""
    usage: Usage | None = None
    stream: EventStream | None = None

    @property
    def offer(self) -> Offer:
        return self.leg.offer


# Of several failed attempts the caller is told of the one that helps most: when to come again before what
# went wrong, and that before what is the operator's to mend.
_TELLING = (
    *(Verdict.FULL, Verdict.CREDENTIAL, Verdict.QUOTA, Verdict.MODEL_MISSING, Verdict.UNREACHABLE),
    *(Verdict.MALFORMED, Verdict.TIMEOUT, Verdict.ERROR, Verdict.OVERLOADED, Verdict.RATE_LIMITED),
    Verdict.CALLER,
)
_OK = Verdict.OK  # each call's: CPython 3.11 takes six times as long to find it in its class


class Failed(Struct, frozen=True, eq=False):
    """An attempt that brought no answer for the caller: an upstream's refusal, or a fault."""

    spec: ChannelSpec
    verdict: Verdict
    answer: Answer | None = None
    fault: UpstreamFault | None = None

    def rank(self) -> tuple[bool, int]:
        """An upstream's own words go before a fault."""
        return self.answer is not None, _TELLING.index(self.verdict)


class Limits(Protocol):
    """How far a call goes: attempts at most, and how long after its beginning another may begin."""

    @property
    def attempts_max(self) -> int: ...
    @property
    def attempts_total_s(self) -> float: ...


class Forwarder:
    """`answer_bytes_max` bounds an answer that is held until it is charged."""

    def __init__(
        self, client: UpstreamClient, router: Router, limits: Callable[[], Limits], answer_bytes_max: int
    ) -> None:
        self._client = client
        self._router = router
        self._limits = limits
        self._answer_bytes_max = answer_bytes_max
        self._loop = asyncio.get_running_loop()

    async def fetch(
        self,
        ask: Ask,
        headers: dict[bytes, bytes],
        lineup: Lineup[Offer],
        trip: Trip,
        *,
        output_cap: int | None,
        attempts: list[AttemptRecord],
    ) -> Answer:
        """The first answer that counts. Every attempt is noted in `attempts`. A stream's leg goes on with its
        answer: whoever gets it hands it to `finish`. Raises Refusal when no answer came."""
        allowed = request_header_block(headers, ask.endpoint.dialect)
        began_s = now_s = self._loop.time()
        best: Failed | None = None
        while (leg := self._router.next(lineup, trip, now_s)) is not None:
            end = await self._attempt(leg, trip, ask, allowed, output_cap, attempts)
            if isinstance(end, Answer):
                return end
            best = end if best is None else max(best, end, key=Failed.rank)
            now_s, limits = self._loop.time(), self._limits()
            is_last = len(attempts) >= limits.attempts_max or now_s >= began_s + limits.attempts_total_s
            if is_last or NEXT[end.verdict] is Next.CALLER:
                break
            self._router.note_failed(leg, end.verdict, trip)
        if best is None:
            wait_s = self._router.wait_s(lineup, trip, self._loop.time())
            situation = "object" if trip.pinned else "no_channel"
            raise Refusal(RelayCode.OVERLOADED, situation, retry_after_s=wait_s)
        if best.answer is not None:
            return best.answer
        assert best.fault is not None, "an attempt fails by an answer or by a fault"
        raise refusal_of(best.fault, best.spec, "default", attempts=len(attempts))

    async def _attempt(
        self,
        leg: Leg,
        trip: Trip,
        ask: Ask,
        allowed: bytes,
        output_cap: int | None,
        attempts: list[AttemptRecord],
    ) -> Answer | Failed:
        """One attempt and what it says to health and pools; noted whatever becomes of it. Of one that failed
        nothing is left behind."""
        exchange: Exchange | None = None
        try:
            if trip.back_off_s:
                await asyncio.sleep(trip.back_off_s)
                leg.started_s = self._loop.time()
            origin, head, body = self._request(leg, trip.model, ask, allowed, output_cap)
            spec = leg.offer.spec
            exchange = await origin.send(head, body, spec, answer_bytes_max=self._answer_bytes_max)
            may_stream = ask.peek.stream and exchange.status == 200
            if may_stream and is_stream(ask, exchange.header(b"content-type")):
                answer = await self._begin_stream(leg, exchange, ask)
            else:
                leg.ttft_s = self._loop.time() - leg.started_s
                if exchange.connection is not None or exchange.fault is not None:
                    await exchange.wait_done()
                answer = _whole_answer(leg, exchange, ask)
        except BaseException as error:
            if exchange is not None:
                exchange.abandon()
            fault = error if isinstance(error, UpstreamFault) else None
            verdict = None if fault is None else verdict_of_fault(fault.fault.value)
            self._note(leg, attempts, verdict, fault=fault)
            if verdict is None:
                raise
            return Failed(leg.offer.spec, verdict, fault=fault)
        if exchange.status >= 300:
            return self._refused(leg, trip, answer, attempts)
        self._note(leg, attempts, _OK, answer)
        return answer

    def _refused(
        self, leg: Leg, trip: Trip, answer: Answer, attempts: list[AttemptRecord]
    ) -> Answer | Failed:
        """An upstream's refusal: the caller's answer, or a failed attempt."""
        exchange = answer.exchange
        verdict = verdict_of_status(exchange.status, answer.body)
        if trip.pinned and verdict is Verdict.MODEL_MISSING:  # the object may be what is missing
            verdict = Verdict.CALLER
        if NEXT[verdict] is Next.CALLER:
            self._note(leg, attempts, verdict, answer)
            return answer
        wait_s = retry_after_s(exchange.headers, now_ms())
        self._note(leg, attempts, verdict, answer, retry_after_s=wait_s)
        return Failed(leg.offer.spec, verdict, answer=answer)

    def _note(
        self,
        leg: Leg,
        attempts: list[AttemptRecord],
        verdict: Verdict | None,
        answer: Answer | None = None,
        *,
        fault: UpstreamFault | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Tell of an attempt's end; of a stream's, when it is there."""
        now_s, status, tokens = self._loop.time(), 0, None
        if answer is not None:
            status = answer.exchange.status
            if answer.usage is not None:
                tokens = answer.usage.prompt_tokens + answer.usage.completion_tokens
        if answer is None or answer.stream is None:
            self._router.end(leg, verdict, now_s, tokens=tokens, retry_after_s=retry_after_s)
        attempts.append(
            AttemptRecord(
                leg.offer.channel,
                status,
                "" if fault is None else fault.fault,
                int((now_s - leg.started_s) * 1000),
                leg.lease.name,
                verdict or "",
                -1 if leg.ttft_s is None else int(leg.ttft_s * 1000),
            )
        )

    def finish(self, answer: Answer, usage: Usage | None = None) -> None:
        """A call is through with its answer, however it ended. A second time does nothing."""
        stream = answer.stream
        if stream is None:
            return
        verdict: Verdict | None = None  # given up before its end: that says nothing of the channel
        if stream.is_over:
            verdict = Verdict.OK if stream.fault is None else verdict_of_fault(stream.fault.fault.value)
        tokens = None if usage is None else usage.prompt_tokens + usage.completion_tokens
        self._router.end(answer.leg, verdict, self._loop.time(), tokens=tokens)

    def _request(
        self, leg: Leg, model: str, ask: Ask, allowed: bytes, output_cap: int | None
    ) -> tuple[Origin, bytes, bytes]:
        """Where the attempt goes, and what is sent there: head and body."""
        offer = leg.offer
        route = offer.route or self._route(offer, model)
        spec = offer.spec
        body = upstream_body(ask, spec, route.model, output_cap)
        head = b"%b%bcontent-length: %d\r\n\r\n" % (
            route.head(ask.endpoint, leg.lease.name, offer.credentials),
            with_defaults(allowed, spec.default_headers) if spec.default_headers else allowed,
            len(body),
        )
        return route.origin, head, body

    async def _begin_stream(self, leg: Leg, exchange: Exchange, ask: Ask) -> Answer:
        meter = meter_for(ask)
        stream = EventStream(exchange, meter, splitter_for(ask))
        exchange.consume(stream)
        await stream.wait_begun()
        if not stream.began:
            assert stream.fault is not None, "it ended, and not whole"
            raise stream.fault
        if meter.error_seen and not meter.text_bytes:
            raise UpstreamFault(Fault.MALFORMED, "an error under a good status")
        if stream.is_over and meter.is_opening and meter.usage is None:
            raise UpstreamFault(Fault.MALFORMED, "a stream of nothing")
        self._router.begun(leg, self._loop.time())
        return Answer(leg, exchange, stream=stream)

    def _route(self, offer: Offer, model: str) -> Route:
        spec = offer.spec
        offer.route = Route(spec, self._client.origin(spec), spec.upstream_model(model))
        return offer.route


def _whole_answer(leg: Leg, exchange: Exchange, ask: Ask) -> Answer:
    """The answer with its usage. Raises UpstreamFault for a success that is none: no JSON (the page of
    something in between, or an answer cut off where its framing does not tell), an error under a good status,
    an answer of nothing."""
    body = b"".join(exchange.pieces)
    if exchange.status >= 300:
        secret = leg.credential.reveal().encode() if leg.credential is not None else b""
        return Answer(leg, exchange, without_secret(body, secret) if secret else body)
    usage = READERS[ask.endpoint.dialect].usage(body)
    if (usage is None or not usage.quantities) and (nothing := _nothing_in(body)):
        raise UpstreamFault(Fault.MALFORMED, nothing)
    return Answer(leg, exchange, body, usage)


_MASKED = re.compile(rb"(?<![\w-])([\w-]{0,200})(?:\*{3,}|\.{3})([\w-]{0,200})")


def without_secret(body: bytes, secret: bytes) -> bytes:
    """An error's body without the credential, and without what is left of it where the upstream has masked
    the rest ("Incorrect API key provided: sk-pr***wxyz")."""

    def shown(masked: re.Match[bytes]) -> bytes:
        head, tail = masked.groups()
        is_of_secret = (head or tail) and secret.startswith(head) and secret.endswith(tail)
        return b"..." if is_of_secret else masked[0]

    return _MASKED.sub(shown, body.replace(secret, b"..."))


def note_broken(attempts: list[AttemptRecord], fault: Fault) -> None:
    """The answer that the last attempt brought has broken off."""
    attempts[-1] = msgspec.structs.replace(
        attempts[-1], fault=fault.value, verdict=verdict_of_fault(fault.value).value
    )


class _Whole(Struct, gc=False):
    """What tells an answer from nothing, of whatever endpoint."""

    error: Raw | UnsetType = UNSET
    choices: list[Raw] | UnsetType | None = UNSET
    data: list[Raw] | UnsetType | None = UNSET
    content: list[Raw] | UnsetType | None = UNSET  # Anthropic's
    candidates: list[Raw] | UnsetType | None = UNSET  # Gemini's


_decode_whole = msgspec.json.Decoder(_Whole).decode


def _nothing_in(body: bytes) -> str:
    """Why an answer without usage is none; "" where it is one, or of a shape that is not known here."""
    try:
        whole = _decode_whole(body)
    except msgspec.ValidationError:
        return "" if body.lstrip().startswith(b"{") else "no JSON object"
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return "" if _is_json(body) else "no JSON"
    if whole.error is not UNSET and bytes(whole.error) != b"null":
        return "an error under a good status"
    parts = (whole.choices, whole.data, whole.content, whole.candidates)
    if any(part is None or part == [] for part in parts):
        return "an answer of nothing"
    if whole == _Whole() and not msgspec.json.decode(body):
        return "an empty object"
    return "an answer of nothing" if whole.choices and not any(texts_of_answer(body)) else ""


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def refusal_of(fault: UpstreamFault, spec: ChannelSpec, situation: str, *, attempts: int = 1) -> Refusal:
    """What the caller is told of an upstream's fault: 40258 with the deadline that passed, else 40257."""
    if fault.fault not in TIMEOUTS:
        return Refusal(RelayCode.UPSTREAM_UNREACHABLE, situation, retry_after_s=1, attempts=attempts)
    phase = fault.fault.value.removeprefix("timeout_")
    return Refusal(RelayCode.UPSTREAM_TIMEOUT, phase, seconds=f"{getattr(spec, f'{phase}_s'):g}")
