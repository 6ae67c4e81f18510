"""Forward a call: one channel after another until one answers, never one twice.

What is tried again and what is not:

    fault of the connection, or a deadline, before the caller has seen a byte      next channel
    401 403 404 408 409 425 429 5xx                                                next channel
    any other answer                                                               the caller's

When all fail the caller gets the last answer that an upstream gave, else 40257 or, after a deadline, 40258.
Health, cool-down and retries on one channel have their place in `usable` (routing.plan).
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.outcome import AttemptRecord
from posthouse.kernel.secrets import SecretText
from posthouse.metering.prices import Tariff
from posthouse.metering.stream import StreamMeter
from posthouse.metering.usage import Usage, usage_of_answer
from posthouse.relay.ask import Ask, upstream_body
from posthouse.relay.stream import EventStream
from posthouse.routing.channels import ChannelSpec
from posthouse.upstream.client import Origin, UpstreamClient
from posthouse.upstream.connection import Exchange
from posthouse.upstream.errors import TIMEOUTS, Fault, UpstreamFault
from posthouse.wire.headers import request_header_block
from posthouse.wire.sse import EventSplitter

TRIED_ELSEWHERE = frozenset((401, 403, 404, 408, 409, 425, 429))
USER_AGENT = "posthouse"


class Offer(Struct, frozen=True):
    """A channel that offers the model: the credential to use, and what the upstream takes (None: unknown)."""

    spec: ChannelSpec
    credential: SecretText | None
    cost: Tariff | None

    @property
    def priority(self) -> int:
        return self.spec.priority

    @property
    def weight(self) -> int:
        return self.spec.weight


class Answer(Struct, eq=False):
    """What an upstream said. Exactly one of `body` (the whole answer) and `stream` counts. `usage`: what a
    whole answer reports, if it does."""

    offer: Offer
    exchange: Exchange
    body: bytes = b""
    usage: Usage | None = None
    stream: EventStream | None = None


class Route(Struct, eq=False):
    """A channel made ready: its origin and the heads that its requests begin with, by path."""

    spec: ChannelSpec
    origin: Origin
    base_path: str
    credential: SecretText | None
    heads: dict[str, bytes] = {}

    def head(self, path: str) -> bytes:
        """Request line and the relay's own headers; the caller's and the length are still to come."""
        head = self.heads.get(path)
        if head is None:
            origin = self.origin
            lines = [
                f"POST {origin.absolute_form}{self.base_path}{path} HTTP/1.1",
                f"host: {origin.host_header}",
                f"user-agent: {USER_AGENT}",
                "accept-encoding: identity",
                *(f"{name.lower()}: {value}" for name, value in self.spec.headers.items()),
            ]
            if self.credential is not None:
                lines.append(f"authorization: Bearer {self.credential.reveal()}")
            text = "\r\n".join(lines) + "\r\n" + origin.proxy_authorization
            head = self.heads[path] = text.encode("latin-1")
        return head


class Forwarder:
    """`answer_bytes_max` bounds an answer that is held until it is charged."""

    def __init__(self, client: UpstreamClient, answer_bytes_max: int) -> None:
        self._client = client
        self._answer_bytes_max = answer_bytes_max
        self._routes: dict[str, Route] = {}
        self._loop = asyncio.get_running_loop()

    def forget(self) -> None:
        """The configuration changed: make routes anew when they are next used."""
        self._routes = {}

    async def fetch(
        self,
        ask: Ask,
        model: str,
        headers: dict[bytes, bytes],
        offers: tuple[Offer, ...],
        *,
        output_cap: int | None,
        attempts: list[AttemptRecord],
    ) -> Answer:
        """The first answer that counts; `model` is the catalogue's name for what the caller asked for. Every
        try is noted in `attempts`. Raises Refusal when no answer came."""
        allowed = request_header_block(headers)
        last: Answer | None = None
        fault: UpstreamFault | None = None
        offer: Offer | None = None
        for offer in offers:
            started_s = self._loop.time()
            status, reason = 0, ""
            try:
                answer = await self._attempt(offer, ask, model, allowed, output_cap)
                status = answer.exchange.status
                if status < 400 or (status < 500 and status not in TRIED_ELSEWHERE):
                    return answer
                last = answer
            except UpstreamFault as caught:
                fault, reason = caught, caught.fault.value
            finally:
                duration_ms = int((self._loop.time() - started_s) * 1000)
                attempts.append(AttemptRecord(offer.spec.name, status, reason, duration_ms))
        if last is not None:
            return last
        raise refusal_of(fault, offer.spec if offer else None, "default", attempts=len(attempts))

    async def _attempt(
        self,
        offer: Offer,
        ask: Ask,
        model: str,
        allowed: bytes,
        output_cap: int | None,
    ) -> Answer:
        """One try: the whole answer, or a stream's beginning. Leaves nothing behind when it fails."""
        spec, route = offer.spec, self._route(offer)
        upstream_model = spec.upstream_model(model)
        body = upstream_body(ask, upstream_model, output_cap)
        head = b"%b%bcontent-length: %d\r\n\r\n" % (
            route.head(ask.endpoint.upstream_path),
            allowed,
            len(body),
        )
        exchange = await route.origin.send(head, body, spec, answer_bytes_max=self._answer_bytes_max)
        try:
            if ask.peek.stream and exchange.status == 200 and _is_event_stream(exchange):
                return await self._begin_stream(offer, exchange, ask)
            await exchange.wait_done()
            return _whole_answer(offer, exchange)
        except BaseException:
            exchange.abandon()
            raise

    async def _begin_stream(self, offer: Offer, exchange: Exchange, ask: Ask) -> Answer:
        meter = StreamMeter(ask.model, hide_usage=ask.hides_usage)
        stream = EventStream(exchange, meter, EventSplitter())
        exchange.consume(stream)
        await stream.wait_begun()
        if not stream.began:
            raise stream.fault or UpstreamFault(Fault.MALFORMED, "an empty stream")
        return Answer(offer, exchange, stream=stream)

    def _route(self, offer: Offer) -> Route:
        spec = offer.spec
        route = self._routes.get(spec.name)
        if route is None or route.spec is not spec:
            url = urlsplit(spec.base_url)
            origin = self._client.origin(
                f"{url.scheme}://{url.netloc}", spec.proxy, spec.tls_verify, spec.ca_file
            )
            route = self._routes[spec.name] = Route(spec, origin, url.path.rstrip("/"), offer.credential)
        return route


def _whole_answer(offer: Offer, exchange: Exchange) -> Answer:
    """The answer with its usage. Raises UpstreamFault for a success that is no JSON: the page of something in
    between, or an answer cut off where its framing does not tell."""
    body = b"".join(exchange.pieces)
    if exchange.status >= 400:
        secret = offer.credential.reveal().encode() if offer.credential is not None else b""
        return Answer(offer, exchange, body.replace(secret, b"...") if secret else body)
    usage = usage_of_answer(body)
    if usage is None and not _is_json(body):
        raise UpstreamFault(Fault.MALFORMED, "no JSON")
    return Answer(offer, exchange, body, usage)


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _is_event_stream(exchange: Exchange) -> bool:
    return exchange.header(b"content-type").lower().startswith(b"text/event-stream")


def refusal_of(
    fault: UpstreamFault | None, spec: ChannelSpec | None, situation: str, *, attempts: int = 1
) -> Refusal:
    """What the caller is told of an upstream's fault: 40258 with the deadline that passed, else 40257."""
    if fault is None or spec is None:
        return Refusal(RelayCode.OVERLOADED, retry_after_s=1)
    if fault.fault not in TIMEOUTS:
        return Refusal(RelayCode.UPSTREAM_UNREACHABLE, situation, retry_after_s=1, attempts=attempts)
    phase = fault.fault.value.removeprefix("timeout_")
    return Refusal(RelayCode.UPSTREAM_TIMEOUT, phase, seconds=f"{getattr(spec, f'{phase}_s'):g}")
