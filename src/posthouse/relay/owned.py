"""Owned objects on a call's way: what it names must be its account's own, and takes it to the channel and the
credential that made it; what its answer makes is noted with its charge."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from math import inf

from posthouse.kernel.clock import now_ms
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.ledger import owned
from posthouse.ledger.owned import Owned
from posthouse.relay.call import Call
from posthouse.relay.market import Market
from posthouse.relay.router import Offer, Trip
from posthouse.store.engine import Store
from posthouse.store.errors import StoreDown
from posthouse.wire.objects import KEPT_MS, object_made


class Objects:
    """What the accounts of this relay own upstream."""

    def __init__(self, store: Store, market: Market) -> None:
        self._store = store
        self._market = market

    async def find(self, account_id: str, ids: Collection[str]) -> list[Owned]:
        """The objects of these ids. Raises Refusal where one is not the account's own."""
        try:
            found = await asyncio.to_thread(owned.find, self._store, account_id, ids, now_ms())
        except StoreDown:
            raise Refusal(RelayCode.OVERLOADED, "store", retry_after_s=1) from None
        if len(found) < len(ids):
            raise Refusal(RelayCode.RESOURCE_NOT_FOUND)
        return list(found.values())

    async def pin(self, call: Call) -> None:
        """Bind a call to where the objects are that it names. Raises Refusal where it may not, or can't, go
        there; nothing else is tried then."""
        found = await self.find(call.key.account_id, call.ask.objects)
        pin = found[0]
        if any((one.channel, one.credential) != (pin.channel, pin.credential) for one in found):
            raise Refusal(RelayCode.RESOURCE_NOT_FOUND, "apart")
        self.offer(pin)
        if pin.channel not in call.terms.lineup.by_channel:
            raise Refusal(
                RelayCode.MODEL_NOT_FOUND, "object", param="model", model=call.terms.model.name, object=pin.id
            )
        call.pin = pin

    def offer(self, pin: Owned) -> Offer:
        """The channel that keeps an object, drained or not. Raises Refusal when it is out of use."""
        offer = self._market.offer(pin.channel, pin.model)
        if offer is None:
            raise Refusal(RelayCode.OVERLOADED, "object", retry_after_s=inf)
        return offer


def pin_trip(trip: Trip, pin: Owned, offer: Offer) -> None:
    """Let a trip lead to that channel, with that credential, and nowhere else."""
    trip.pinned = pin.channel
    others = (one.name for one in offer.spec.credentials)
    trip.refused = {pin.channel: {name for name in others if name != pin.credential}}


def made_by(call: Call) -> Owned | None:
    """The object that a call's answer has made, as its row."""
    answer = call.answer
    if answer is None or answer.exchange.status >= 300 or "store" in answer.offer.spec.drop:
        return None
    stream = answer.stream
    made = object_made(call.ask.makes, answer.body) if stream is None else stream.meter.made
    if made is None:
        return None
    at_ms = call.request.started_ms
    return Owned(
        id=made.id,
        channel=answer.offer.channel,
        kind=made.kind,
        account_id=call.key.account_id,
        credential=answer.leg.lease.name,
        model=call.terms.model.name,
        created_ms=at_ms,
        expires_ms=at_ms + KEPT_MS[made.kind] if made.expires_ms is None else made.expires_ms,
    )
