"""One request, top to bottom.

    authenticate → read → terms → size → admit → claim → hold → forward → meter → settle → answer

A refusal anywhere is raised as Refusal and answered in one place; what had been taken by then (claim, limits,
hold) is given back in one place. An answer's last byte goes out only after its charge is on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable

from structlog import get_logger

from posthouse.accounts.directory import Directory
from posthouse.accounts.rules import KeyEntry
from posthouse.kernel.clock import monotonic_s, steady_ms
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.kernel.secrets import hash_key, is_key_shaped
from posthouse.kernel.tasks import finish, retrieve
from posthouse.ledger.claims import Claim
from posthouse.ledger.errors import ClaimOfOtherBody, ClaimRunning
from posthouse.ledger.service import Ledger
from posthouse.limits.rules import Demand, Refused
from posthouse.limits.service import Limiter
from posthouse.metering.usage import Usage
from posthouse.observe.log import describe
from posthouse.observe.observer import Observer
from posthouse.relay.answers import error_event, over_limit, quota_block, render_refusal
from posthouse.relay.ask import Ask, read_ask
from posthouse.relay.call import Call
from posthouse.relay.endpoints import EVENT_STREAMS, Endpoint, Kind, find_endpoint
from posthouse.relay.estimate import Estimator
from posthouse.relay.forward import Answer, Forwarder, note_broken, refusal_of
from posthouse.relay.holding import bounded_size, counted_size, hold, hold_at_once
from posthouse.relay.keep_alive import EarlyDoor, keep_alive
from posthouse.relay.keys import presented_key
from posthouse.relay.market import Market
from posthouse.relay.outcomes import elapsed_ms, outcome_of, refused_outcome
from posthouse.relay.own import OwnCalls
from posthouse.relay.owned import Objects, made_by, pin_trip
from posthouse.relay.refusals import Refusals
from posthouse.relay.replays import Recording, Replays
from posthouse.relay.router import Trip
from posthouse.relay.stored import StoredCalls
from posthouse.relay.stream import EventStream
from posthouse.relay.values import Door, RelayRequest
from posthouse.store.errors import StoreDown
from posthouse.wire.json_edit import value_of

IDEMPOTENCY_KEY_BYTES_MAX = 255
# A repetition whose first answer is not kept any more is asked of the upstream again, free of charge: enough
# for a client that lost an answer, too few to be served for nothing.
ANSWERS_PER_KEY_MAX = 3
# What each call asks for: CPython 3.11 takes six times as long to find one in its class.
_OPEN, _METERED, _COMPLETED = Kind.OPEN, Kind.METERED, Ending.COMPLETED

log = get_logger()


class Relay:
    """The pipeline. Everything it needs is given to it; bootstrap.py builds it once."""

    def __init__(
        self,
        *,
        directory: Directory,
        market: Market,
        limiter: Limiter,
        ledger: Ledger,
        forwarder: Forwarder,
        estimator: Estimator,
        own_calls: OwnCalls,
        objects: Objects,
        stored_calls: StoredCalls,
        observer: Observer,
        body_bytes_max: int,
    ) -> None:
        self._directory = directory
        self._market = market
        self._limiter = limiter
        self._ledger = ledger
        self._forwarder = forwarder
        self._estimator = estimator
        self._own = own_calls
        self._objects = objects
        self._stored = stored_calls
        self._observer = observer
        self._body_bytes_max = body_bytes_max
        self._replays = Replays()
        self.refusals = Refusals()
        self.running = 0

    async def handle(self, request: RelayRequest, door: Door) -> None:
        """Answer one request; ends when the answer is with the door, or the caller is gone. Raises
        nothing."""
        self.running += 1
        key: KeyEntry | None = None
        try:
            try:
                head = request.head
                endpoint = head.endpoint
                if endpoint is None:
                    if request.method == "OPTIONS":
                        door.respond(204, PREFLIGHT, b"")
                        return
                    endpoint = _read_path(request)
                if endpoint.kind is _OPEN:
                    await door.read_body()  # has none; refuses what is no sound request
                    door.respond(*self._own.open(endpoint))
                    return
                key_hash = head.key_hash or _read_key(request)
                key = self._directory.find(key_hash) or await self._load_key(request)
                _check_key(key, request)
                if endpoint.kind is _METERED:
                    await self._metered(request, door, endpoint, head.named, key)
                elif endpoint.kind is Kind.STORED:
                    await self._stored.handle(request, door, endpoint, head.named, key, self._refuse)
                else:
                    await door.read_body()
                    door.respond(*await self._own.answer(endpoint, head.named, key, request))
            except Refusal as refusal:  # may wait for its headers, and so be cancelled as well
                quota = await self._own.quota_headers(key, request) if key else b""
                self._refuse(request, door, refusal, refused_outcome(request, refusal, key), quota)
        except asyncio.CancelledError:
            pass  # the caller is gone; what the call held has been settled below
        except Exception as error:  # a fault of ours must not cost the caller anything, nor tell text
            log.error("call_crashed", request_id=request.request_id, **describe(error))
            crash = Refusal(RelayCode.OVERLOADED, retry_after_s=1)
            self._refuse(request, door, crash, refused_outcome(request, crash))
        finally:
            self.running -= 1

    async def _metered(
        self, request: RelayRequest, door: Door, endpoint: Endpoint, path_model: str, key: KeyEntry
    ) -> None:
        body = await door.read_body()
        ask = read_ask(endpoint, request.headers, body, path_model, self._body_bytes_max)
        terms = self._market.terms(key, ask)
        call = Call(request, door, key, ask, terms)
        if ask.objects:
            await self._objects.pin(call)
        try:
            prompt_tokens = bounded_size(call, self._estimator)
            if prompt_tokens is None:
                prompt_tokens = await counted_size(call, self._estimator)
            granted = await self._limiter.admit(_demand(call, prompt_tokens), steady_ms())
            if isinstance(granted, Refused):
                raise over_limit(granted, self._market.currency)
            call.granted, call.quota_headers = granted, granted.headers
            if b"idempotency-key" in request.headers and await self._claim(call):  # costs two commits
                return
            if not hold_at_once(call, self._ledger):
                await hold(call, self._ledger, self._estimator, self._market.currency)
            answer = call.answer = await self._forward(call)
            if answer.stream is not None:
                await self._answer_stream(call, answer, answer.stream)
                return
            usage, status = None, answer.exchange.status
            if status < 300 and not endpoint.is_free:
                usage = answer.usage or await self._estimator.of_answer(ask, terms.model, answer.body)
            await self._settle(call, _COMPLETED, status, usage)
            call.door.respond(status, self._headers(call, answer), answer.body)
            self._keep_replay(call)
        except asyncio.CancelledError:
            await finish(self._caller_left(call))
            raise
        except (Refusal, StoreDown) as error:
            refusal = error if isinstance(error, Refusal) else _not_written(request)
            ending = Ending.FAILED if call.attempts else Ending.REFUSED
            outcome = outcome_of(call, ending, refusal.row.http_status, None, int(refusal.code))
            self._give_back(call, outcome)
            self._refuse(request, door, refusal, outcome, await self._quota(call))
        except BaseException:
            self._give_back(call, None)
            raise
        finally:
            if call.answer is not None:
                self._forwarder.finish(call.answer, call.used)

    # -- who asks, and for what --------------------------------------------------------------------------

    async def _load_key(self, request: RelayRequest) -> KeyEntry:
        """The entry of a key that the directory did not have. Raises Refusal when there is no such key."""
        if not is_key_shaped(presented_key(request).decode("latin-1")):
            raise Refusal(RelayCode.MALFORMED_AUTHORIZATION, "not_a_key")
        try:
            entry = await self._directory.load(request.head.key_hash)
        except StoreDown:
            raise Refusal(RelayCode.OVERLOADED, "store", retry_after_s=1) from None
        if entry is None:
            raise Refusal(RelayCode.INVALID_API_KEY)
        return entry

    async def _claim(self, call: Call) -> bool:
        """Take the Idempotency-Key; True when its first call's answer is still here and has been given
        again."""
        key = call.request.headers[b"idempotency-key"]
        if len(key) > IDEMPOTENCY_KEY_BYTES_MAX:
            raise Refusal(
                RelayCode.EMPTY_REQUEST,
                "bad_header",
                header="Idempotency-Key",
                expected=f"at most {IDEMPOTENCY_KEY_BYTES_MAX} characters",
            )
        key_hash = hashlib.sha256(key).digest()
        body_hash = _body_hash(call.ask)
        account_id = call.key.account_id
        claiming = asyncio.ensure_future(
            self._ledger.claim(account_id, key_hash, body_hash, call.request.request_id)
        )
        try:
            call.claim = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(self._release_claim)  # it is made all the same
            raise
        except ClaimRunning:
            raise Refusal(RelayCode.IDEMPOTENCY_CONFLICT, "running", retry_after_s=1) from None
        except ClaimOfOtherBody:
            raise Refusal(RelayCode.IDEMPOTENCY_CONFLICT, "other_body") from None
        except StoreDown:
            raise Refusal(RelayCode.OVERLOADED, "store", retry_after_s=1) from None
        replay = self._replays.get(account_id, key_hash, monotonic_s())
        if replay is not None and call.claim.completed:
            self._give_back(call, None)
            call.door.respond(replay.status, replay.headers + b"idempotency-replayed: true\r\n", replay.body)
            return True
        if call.claim.completed >= ANSWERS_PER_KEY_MAX:
            raise Refusal(RelayCode.IDEMPOTENCY_CONFLICT, "spent")
        call.door = Recording(call.door)
        return False

    def _release_claim(self, claiming: asyncio.Future[Claim]) -> None:
        if not claiming.cancelled() and claiming.exception() is None:
            self._ledger.release(claiming.result()).add_done_callback(retrieve)

    # -- what it may use ---------------------------------------------------------------------------------

    async def _quota(self, call: Call) -> bytes:
        """The rate-limit headers of a refusal: where the caller stands now that nothing was taken."""
        if not call.terms.rules:
            return b""
        return quota_block(await self._limiter.standings(_demand(call, 0), steady_ms()))

    # -- the upstream's answer ---------------------------------------------------------------------------

    def _forward(self, call: Call) -> Awaitable[Answer]:
        """What brings the answer."""
        ask, terms, lineup = call.ask, call.terms, call.terms.lineup
        # Bytes are four to a token, roughly; the upstream's own counts replace it. Not the prompt's bound: a
        # call with a file in it would wait for a minute in which its credential was not used at all.
        tokens = 0 if ask.endpoint.is_free else len(ask.body) // 4
        trip = Trip(terms.model.name, 1 + min(tokens, terms.request_tokens_max))
        if call.pin is not None:
            pin_trip(trip, call.pin, lineup.by_channel[call.pin.channel])
        elif lineup.only is None or len(lineup.only.credentials) > 1:
            trip.affinity = _affinity(call)
        fetching = self._forwarder.fetch(
            ask, call.request.headers, lineup, trip, output_cap=call.output_cap, attempts=call.attempts
        )
        if not (terms.keep_alive_s and ask.peek.stream and ask.endpoint in EVENT_STREAMS):
            return fetching
        early = EarlyDoor(call.door, ask.endpoint.dialect)
        if isinstance(call.door, Recording):  # keeps the answer alone
            early.door, call.door.door = call.door.door, early
        else:
            call.door = early
        headers = self._own_headers(call)
        return keep_alive(fetching, terms.keep_alive_s, lambda: early.tell(headers))

    async def _answer_stream(self, call: Call, answer: Answer, stream: EventStream) -> None:
        call.ttft_ms = elapsed_ms(call.request)
        stream.tally = self._estimator.tally(call.terms.model)
        stream.open(call.door, answer.exchange.status, self._headers(call, answer))
        await stream.wait_over()
        usage = await self._stream_usage(call, stream)
        if stream.fault is None:
            answer.exchange.detach()
            await self._settle(call, _COMPLETED, answer.exchange.status, usage)
            call.door.end(stream.meter.last)
            self._keep_replay(call)
            return
        log.info("stream_broke", request_id=call.request.request_id, fault=stream.fault.fault.value)
        note_broken(call.attempts, stream.fault.fault)
        used = None if stream.said_nothing else usage
        await self._settle(call, Ending.BROKEN, answer.exchange.status, used)
        call.door.abort(error_event(refusal_of(stream.fault, answer.offer.spec, "broken"), call.request))

    async def _stream_usage(self, call: Call, stream: EventStream) -> Usage:
        """What the upstream reported, else what was delivered, counted here."""
        tally = stream.tally
        assert tally is not None
        call.used = await self._estimator.of_stream(call.ask, call.terms.model, stream.meter, tally)
        return call.used

    def _headers(self, call: Call, answer: Answer) -> bytes:
        """The answer's header block: the upstream's that may pass, and the relay's own."""
        block = b"x-posthouse-attempts: %d\r\n%b" % (len(call.attempts), answer.exchange.header_block)
        named = b"\nrequest-id: " if call.ask.endpoint.dialect == "anthropic" else b"\nx-request-id: "
        if block.find(named) < 0:
            block += b"%b%b\r\n" % (named[1:], call.request.request_id.encode())
        return block + self._own_headers(call)

    def _own_headers(self, call: Call) -> bytes:
        """What is known before an upstream has answered."""
        block = b"x-posthouse-request-id: %b\r\n%b" % (call.request.request_id.encode(), call.quota_headers)
        if call.output_cap is not None:
            block += b"x-posthouse-max-tokens: %d\r\n" % call.output_cap
        if b"origin" in call.request.headers:
            block += CORS
        return block

    def _keep_replay(self, call: Call) -> None:
        door = call.door
        if isinstance(door, Recording) and door.is_whole and door.status < 400:
            key_hash = hashlib.sha256(call.request.headers[b"idempotency-key"]).digest()
            self._replays.put(call.key.account_id, key_hash, door, monotonic_s())

    # -- the end: exactly one of these -------------------------------------------------------------------

    def _settle(
        self, call: Call, ending: Ending, status: int, usage: Usage | None
    ) -> asyncio.Future[Outcome]:
        """Charge what was used. The future is done when that is on disk, and reported; it raises StoreDown
        when it can't be written: then the refusal is what is reported of the call."""
        hold, claim, granted = call.hold, call.claim, call.granted
        assert hold is not None
        call.hold = call.claim = call.granted = None
        outcome = outcome_of(call, ending, status, usage)
        made = made_by(call) if call.ask.makes else None
        durable = self._ledger.settle(
            hold,
            outcome,
            snapshot=call.terms.snapshot,
            claim=claim,
            made=made,
            report=self._observer.finished,
        )
        if granted is not None:
            tokens = outcome.prompt_tokens + outcome.completion_tokens
            self._limiter.settle(granted, tokens=tokens, spend_nanos=outcome.charge_nanos, now_ms=steady_ms())
        return durable

    async def _caller_left(self, call: Call) -> None:
        """Cancelled: stop the upstream, charge what was delivered."""
        answer = call.answer
        if answer is not None:
            answer.exchange.abandon()
        if call.hold is None:
            self._give_back(call, None)
            return
        usage = None
        if answer is not None and answer.stream is not None and call.door.is_open:
            usage = await self._stream_usage(call, answer.stream)
        try:
            await self._settle(call, Ending.CANCELLED, answer.exchange.status if answer else 0, usage)
        except StoreDown:
            raise _not_written(call.request) from None

    def _give_back(self, call: Call, outcome: Outcome | None) -> None:
        """The call ends without use: nothing is charged, no quota is used. One that was tried upstream leaves
        its outcome as a record."""
        hold, claim, granted = call.hold, call.claim, call.granted
        call.hold = call.claim = call.granted = None
        if call.answer is not None:
            call.answer.exchange.abandon()
        if hold is not None and outcome is not None and outcome.ending is Ending.FAILED:
            snapshot = call.terms.snapshot
            durable = self._ledger.settle(hold, outcome, snapshot=snapshot, claim=claim)
            durable.add_done_callback(retrieve)
            claim = None
        elif hold is not None:
            hold.void()
        if claim is not None:
            self._ledger.release(claim).add_done_callback(retrieve)
        if granted is not None:
            self._limiter.release(granted, refund_request=True)

    def _refuse(
        self, request: RelayRequest, door: Door, refusal: Refusal, outcome: Outcome, quota: bytes = b""
    ) -> None:
        """Answer with the relay's own error; in an answer that has begun, as its last event. `quota`: the
        rate-limit headers, where a limit applies."""
        if door.is_open:
            door.abort(error_event(refusal, request))
        else:
            status, headers, body = render_refusal(refusal, request.headers, request.request_id, request.path)
            headers += quota
            if outcome.attempts:
                headers += b"x-posthouse-attempts: %d\r\n" % len(outcome.attempts)
            if b"origin" in request.headers:
                headers += CORS
            door.respond(status, headers, body)
        self.refusals.note(outcome, refusal)
        self._observer.finished(outcome)


PREFLIGHT = (
    b"access-control-allow-origin: *\r\n"
    b"access-control-allow-methods: GET, POST, DELETE, OPTIONS\r\n"
    b"access-control-allow-headers: *, authorization\r\n"
    b"access-control-max-age: 86400\r\n"
)
CORS = b"access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n"


def _read_path(request: RelayRequest) -> Endpoint:
    """Which endpoint is asked for. Raises Refusal."""
    head = request.head
    head.endpoint, head.named = find_endpoint(request.method, request.path, request.query)
    return head.endpoint


def _read_key(request: RelayRequest) -> bytes:
    """The hash of the key that is presented. Raises Refusal where there is none."""
    request.head.key_hash = hash_key(presented_key(request))
    return request.head.key_hash


def _not_written(request: RelayRequest) -> Refusal:
    log.error("charge_not_written", request_id=request.request_id)
    return Refusal(RelayCode.OVERLOADED, "store", retry_after_s=1)


def _body_hash(ask: Ask) -> bytes:
    """What must be the same in a repeated call: also what its path and query say."""
    endpoint = ask.endpoint
    said = f"{endpoint.name}{endpoint.query}\n{ask.model}\n".encode("utf-8", "surrogatepass")
    return hashlib.sha256(said + ask.body).digest()


# What names a conversation whose prompt an upstream may have cached; Anthropic's clients ask for that with
# cache_control and tell who it is for in metadata.
_CACHE_KEYS = {
    "openai": ("prompt_cache_key", b'"prompt_cache_key"'),
    "anthropic": ("metadata", b'"cache_control"'),
}


def _affinity(call: Call) -> bytes:
    """What calls that share a prompt cache have in common, b"" when they don't say."""
    body = call.ask.body
    member, sign = _CACHE_KEYS.get(call.ask.endpoint.dialect, ("", b""))
    if not member or body.find(sign) < 0:  # `in` costs CPython 3.11 five times as much
        return b""
    return call.key.account_id.encode() + value_of(body, member)


def _demand(call: Call, prompt_tokens: int) -> Demand:
    key = call.key
    return Demand(
        key.limited_as,
        call.request.address_hash,
        key.account_id,
        key.plan,
        call.terms.rules,
        prompt_tokens,
    )


def _check_key(entry: KeyEntry, request: RelayRequest) -> None:
    """Raises Refusal when the key may not call, or not from here."""
    if entry.key_status != "active" or entry.account_status != "active":
        raise _not_active(entry)
    if entry.expires_ms is not None and entry.expires_ms <= request.started_ms:
        raise Refusal(RelayCode.INVALID_API_KEY, "expired")
    if entry.networks is not None and not entry.is_for(request.address):
        raise Refusal(RelayCode.KEY_SCOPE_DENIED, "address")


def _not_active(entry: KeyEntry) -> Refusal:
    if entry.key_status == "revoked":
        return Refusal(RelayCode.INVALID_API_KEY, "revoked")
    if entry.key_status == "frozen":
        return Refusal(RelayCode.KEY_FROZEN)
    return Refusal(RelayCode.KEY_FROZEN, "account")
