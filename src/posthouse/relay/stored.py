"""Calls about stored chat completions: list, retrieve, update, delete, and the messages of one.

    check scope → find whose it is → admit → one request to its channel → settle → answer

They cost nothing, count as requests in the limits of the model that made the object, and leave a record like
any call that was sent upstream. No other channel has the object, so none is tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from msgspec import Raw, Struct

from posthouse.accounts.rules import KeyEntry
from posthouse.kernel.clock import now_ms, steady_ms
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.kernel.tasks import finish, retrieve
from posthouse.ledger import owned
from posthouse.ledger.owned import Owned
from posthouse.ledger.service import Ledger
from posthouse.limits.rules import Demand, Refused
from posthouse.limits.service import Granted, Limiter
from posthouse.observe.observer import Observer
from posthouse.relay.answers import JSON, id_block, over_limit
from posthouse.relay.ask import unpacked
from posthouse.relay.endpoints import Endpoint
from posthouse.relay.forward import refusal_of, without_secret
from posthouse.relay.market import Market
from posthouse.relay.outcomes import elapsed_ms
from posthouse.relay.own import OwnCalls
from posthouse.relay.owned import Objects, pin_trip
from posthouse.relay.router import Leg, Router, Trip
from posthouse.relay.values import Door, RelayRequest
from posthouse.routing.channels import upstream_target
from posthouse.routing.choice import Lineup
from posthouse.routing.verdicts import Verdict, verdict_of_fault, verdict_of_status
from posthouse.store.engine import Store
from posthouse.store.errors import StoreDown
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.connection import Exchange
from posthouse.upstream.errors import UpstreamFault
from posthouse.upstream.heads import request_head
from posthouse.wire.headers import answer_header_block, request_header_block, retry_after_s, with_defaults

KIND = "chat_completion"
PAGE_MAX = 20  # objects of a page, each of which is asked of its upstream; OpenAI's own default
AT_ONCE_MAX = 4  # of them
LIMIT_MAX = 100  # that OpenAI takes
_QUERY = ("after", "limit", "order")  # what goes upstream of a caller's: no key, nothing unknown

Refuse = Callable[[RelayRequest, Door, Refusal, Outcome, bytes], None]


class Visit(Struct, eq=False):
    """One such call. `granted` must be settled or released, exactly once: whoever does it sets it to None."""

    request: RelayRequest
    endpoint: Endpoint
    key: KeyEntry
    body: bytes = b""
    about: tuple[Owned, ...] = ()
    attempts: list[AttemptRecord] = []
    granted: Granted | None = None
    is_over: bool = False  # and reported

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.request.query))


class Kept(Struct, frozen=True):
    """What an object's upstream said."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class StoredCalls:
    """Built once; used on the event loop."""

    def __init__(
        self,
        *,
        store: Store,
        objects: Objects,
        market: Market,
        limiter: Limiter,
        own_calls: OwnCalls,
        ledger: Ledger,
        client: UpstreamClient,
        router: Router,
        observer: Observer,
        answer_bytes_max: int,
        body_bytes_max: int,
    ) -> None:
        self._store = store
        self._objects = objects
        self._market = market
        self._limiter = limiter
        self._own = own_calls
        self._ledger = ledger
        self._client = client
        self._router = router
        self._observer = observer
        self._answer_bytes_max = answer_bytes_max
        self._body_bytes_max = body_bytes_max
        self._loop = asyncio.get_running_loop()

    async def handle(
        self,
        request: RelayRequest,
        door: Door,
        endpoint: Endpoint,
        object_id: str,
        key: KeyEntry,
        refuse: Refuse,
    ) -> None:
        """Answer a call about the object of that id, "" for all of the account's. `refuse` answers with an
        error of the relay's own, and reports it. Raises Refusal for what never became a call."""
        self._market.check_endpoint(key, endpoint)
        visit = Visit(request, endpoint, key, await door.read_body())
        if b"content-encoding" in request.headers:
            encoding = request.headers[b"content-encoding"].decode("latin-1").lower()
            visit.body = unpacked(encoding, visit.body, self._body_bytes_max)
        answered = self._list(visit) if not object_id else self._one(visit, object_id)
        try:
            status, headers, body = await answered
        except Refusal as refusal:
            ending = Ending.FAILED if visit.attempts else Ending.REFUSED
            outcome = _outcome(visit, self._market, ending, refusal.row.http_status, int(refusal.code))
            await finish(self._end(visit, outcome))
            refuse(request, door, refusal, outcome, await self._own.quota_headers(key, request))
            return
        except asyncio.CancelledError:
            await finish(self._finished(visit, Ending.CANCELLED, 0))
            raise
        except BaseException:
            await finish(self._end(visit, _outcome(visit, self._market, Ending.FAILED, 0)))
            raise
        door.respond(status, headers, body)

    async def _end(self, visit: Visit, outcome: Outcome) -> None:
        """Count the call where it was answered, and write its record where it was sent upstream. What costs
        nothing is written without anybody's waiting for it."""
        granted, visit.granted = visit.granted, None
        if granted is not None and outcome.ending is Ending.COMPLETED:
            self._limiter.settle(granted, tokens=0, spend_nanos=0, now_ms=steady_ms())
        elif granted is not None:
            self._limiter.release(granted, refund_request=True)
        if visit.attempts:
            self._ledger.settle(None, outcome).add_done_callback(retrieve)

    async def _finished(self, visit: Visit, ending: Ending, status: int) -> None:
        """End a call that gets no error of ours, and report it; a second time does nothing."""
        if visit.is_over:  # its caller left right after its end
            return
        visit.is_over = True
        outcome = _outcome(visit, self._market, ending, status)
        await self._end(visit, outcome)
        self._observer.finished(outcome)

    async def _completed(self, visit: Visit, status: int) -> bytes:
        """End an answered call; returns the relay's own headers."""
        headers = visit.granted.headers if visit.granted is not None else b""
        await finish(self._finished(visit, Ending.COMPLETED, status))
        return headers + b"x-posthouse-attempts: %d\r\n" % len(visit.attempts)

    # -- one ---------------------------------------------------------------------------------------------

    async def _one(self, visit: Visit, object_id: str) -> tuple[int, bytes, bytes]:
        (pin,) = await self._objects.find(visit.key.account_id, [object_id])
        if pin.kind != KIND:
            raise Refusal(RelayCode.RESOURCE_NOT_FOUND)
        visit.about = (pin,)
        await self._admit(visit)
        kept = await self._ask(visit, pin)
        if kept.status == 404 or (visit.endpoint.method == "DELETE" and kept.status < 300):
            await self._forget(pin)
        own = await self._completed(visit, kept.status)
        request_id = visit.request.request_id
        named = b"" if any(name == b"x-request-id" for name, _ in kept.headers) else id_of(request_id)
        headers = answer_header_block(kept.headers) + named + own
        return kept.status, headers + b"x-posthouse-request-id: %b\r\n" % request_id.encode(), kept.body

    async def _forget(self, gone: Owned) -> None:
        with suppress(StoreDown):  # then the next call finds out again
            await self._ledger.run(lambda connection: owned.forget(connection, gone))

    # -- all ---------------------------------------------------------------------------------------------

    async def _list(self, visit: Visit) -> tuple[int, bytes, bytes]:
        """A page of the account's own, each as its upstream has it now."""
        rows = await self._rows(visit)
        limit = _limit(visit.query)
        visit.about = tuple(rows[:limit])
        items: list[tuple[str, Any]] = []
        if visit.about:
            await self._admit(visit)
            slots = asyncio.Semaphore(AT_ONCE_MAX)
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._item(visit, row, slots)) for row in visit.about]
            items = [(row.id, task.result()) for row, task in zip(visit.about, asked, strict=True)]
            items = [(name, item) for name, item in items if item is not None]
            own = await self._completed(visit, 200)
        else:
            own = await self._own.quota_headers(visit.key, visit.request)
        listed = {
            "object": "list",
            "data": [item for _, item in items],
            "first_id": items[0][0] if items else None,
            "last_id": items[-1][0] if items else None,
            "has_more": len(rows) > limit,
        }
        headers = JSON + id_block("openai", visit.request.request_id) + own
        return 200, headers, msgspec.json.encode(listed)

    async def _rows(self, visit: Visit) -> Sequence[Owned]:
        """One more than the page has, to know whether another follows. Raises Refusal."""
        query, account_id = visit.query, visit.key.account_id
        for name in query:
            if name.startswith("metadata"):  # is the upstream's alone
                raise _bad_query("metadata", "after, limit, model, order")
        if query.get("order", "asc") not in ("asc", "desc"):
            raise _bad_query("order", "asc, desc")
        (after,) = await self._objects.find(account_id, [query["after"]]) if query.get("after") else (None,)
        model = self._market.catalogue.model(query.get("model", ""))
        try:
            return await asyncio.to_thread(
                owned.page,
                self._store,
                account_id,
                KIND,
                now_ms(),
                limit=_limit(query) + 1,
                after=after,
                newest_first=query.get("order") == "desc",
                model=query.get("model", "") if model is None else model.name,
            )
        except StoreDown:
            raise Refusal(RelayCode.OVERLOADED, "store", retry_after_s=1) from None

    async def _item(self, visit: Visit, row: Owned, slots: asyncio.Semaphore) -> Any:
        """The object; what is known of it here, where its upstream does not answer; None where it is gone."""
        try:
            async with slots:
                kept = await self._ask(visit, row)
            if kept.status == 404:
                await self._forget(row)
                return None
            if kept.status == 200:
                msgspec.json.decode(kept.body, type=dict[str, Raw])
                return Raw(kept.body)
        except (Refusal, msgspec.MsgspecError, UnicodeDecodeError):
            pass
        known = {"id": row.id, "object": "chat.completion", "created": row.created_ms // 1000}
        return {**known, "model": row.model, "choices": []}

    # -- what it may use, and the way there --------------------------------------------------------------

    async def _admit(self, visit: Visit) -> None:
        """Take one request from every rule of the models that made the objects, or raise Refusal."""
        catalogue, key = self._market.catalogue, visit.key
        models = [catalogue.model(one.model) for one in visit.about]
        demand = Demand(
            key_id=key.limited_as,
            address=visit.request.address_hash,
            account_id=key.account_id,
            plan=key.plan,
            rules=catalogue.rules_of(key.plan, dict.fromkeys(one.name for one in models if one is not None)),
        )
        granted = await self._limiter.admit(demand, steady_ms())
        if isinstance(granted, Refused):
            raise over_limit(granted, self._market.currency)
        visit.granted = granted

    async def _ask(self, visit: Visit, pin: Owned) -> Kept:
        """Ask the object's upstream, once; what it said is noted for its channel and its credential, and in
        `attempts`. Raises Refusal when no answer came."""
        offer = self._objects.offer(pin)
        trip = Trip(pin.model)
        pin_trip(trip, pin, offer)
        lineup = Lineup((), apart=[offer])
        leg = self._router.next(lineup, trip, self._loop.time())
        if leg is None:
            soon_s = self._router.wait_s(lineup, trip, self._loop.time())
            raise Refusal(RelayCode.OVERLOADED, "object", retry_after_s=soon_s)
        verdict: Verdict | None = None
        exchange: Exchange | None = None
        fault = ""
        wait_s: float | None = None
        try:
            exchange = await self._sent(visit, pin, leg)
            leg.ttft_s = self._loop.time() - leg.started_s
            await exchange.wait_done()
            kept = _kept(exchange, leg)
            verdict = _verdict(kept)
            wait_s = retry_after_s(kept.headers, now_ms())
            return kept
        except UpstreamFault as caught:
            fault, verdict = caught.fault.value, verdict_of_fault(caught.fault.value)
            raise refusal_of(caught, offer.spec, "default") from None
        finally:
            if exchange is not None:
                exchange.abandon()
            now_s = self._loop.time()
            self._router.end(leg, verdict, now_s, tokens=0, retry_after_s=wait_s)
            visit.attempts.append(
                AttemptRecord(
                    offer.channel,
                    exchange.status if exchange is not None else 0,
                    fault,
                    int((now_s - leg.started_s) * 1000),
                    leg.lease.name,
                    verdict.value if verdict is not None else "",
                    -1 if leg.ttft_s is None else int(leg.ttft_s * 1000),
                )
            )

    async def _sent(self, visit: Visit, pin: Owned, leg: Leg) -> Exchange:
        """The head of the answer is there. Raises UpstreamFault."""
        spec, endpoint = leg.offer.spec, visit.endpoint
        origin = self._client.origin(spec)
        target = _target(upstream_target(spec, endpoint.name, spec.upstream_model(pin.model)), visit, pin)
        allowed = request_header_block(visit.request.headers, endpoint.dialect)
        head = request_head(origin, spec, endpoint.method, target, endpoint.dialect, leg.credential)
        lines = head.encode("latin-1") + with_defaults(allowed, spec.default_headers)
        body = visit.body if endpoint.method == "POST" else b""
        if endpoint.method == "POST":
            lines += b"content-length: %d\r\n" % len(body)
        return await origin.send(lines + b"\r\n", body, spec, answer_bytes_max=self._answer_bytes_max)


def id_of(request_id: str) -> bytes:
    return b"x-request-id: %b\r\n" % request_id.encode()


def _target(base: str, visit: Visit, pin: Owned) -> str:
    """The object's path and query, from those of the calls that make such objects."""
    path, _, query = base.partition("?")
    asked = {name: value for name, value in visit.query.items() if name in _QUERY}
    queries = [query] * bool(query) + [urlencode(asked)] * bool(visit.endpoint.part and asked)
    path += f"/{quote(pin.id, safe='')}{visit.endpoint.part}"
    return "?".join([path] + ["&".join(queries)] * bool(queries))


def _kept(exchange: Exchange, leg: Leg) -> Kept:
    body = b"".join(exchange.pieces)
    if exchange.status >= 300 and leg.credential is not None:
        body = without_secret(body, leg.credential.reveal().encode())
    return Kept(exchange.status, exchange.headers, body)


def _verdict(kept: Kept) -> Verdict:
    """What the answer says. That an object is gone says nothing of the model which made it."""
    return Verdict.CALLER if kept.status == 404 else verdict_of_status(kept.status, kept.body)


def _outcome(visit: Visit, market: Market, ending: Ending, status: int, relay_code: int = 0) -> Outcome:
    request, key = visit.request, visit.key
    name = visit.about[0].model if visit.about else ""
    model = market.catalogue.model(name)
    return Outcome(
        request_id=request.request_id,
        ending=ending,
        http_status=status,
        relay_code=relay_code,
        account_id=key.account_id,
        key_id=key.key_id,
        plan=key.plan,
        family=model.family if model is not None else "",
        model=name,
        endpoint=f"{visit.endpoint.name}/stored",
        address_hash=request.address_hash,
        channel=visit.attempts[-1].channel if visit.attempts else "",
        attempts=tuple(visit.attempts),
        started_ms=request.started_ms,
        duration_ms=elapsed_ms(request),
    )


def _limit(query: dict[str, str]) -> int:
    """How many objects a page may have. Raises Refusal."""
    asked = query.get("limit", "")
    if asked and not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= LIMIT_MAX):
        raise _bad_query("limit", f"1 … {LIMIT_MAX}")
    return min(int(asked or PAGE_MAX), PAGE_MAX)


def _bad_query(field: str, expected: str) -> Refusal:
    return Refusal(RelayCode.EMPTY_REQUEST, "bad_query", param=field, field=field, expected=expected)
