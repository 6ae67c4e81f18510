"""Which channel and credential a call tries next: choice, health and credential pools joined.

Used on the event loop. A Leg is one attempt's claim on both; whoever gets one ends it, exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct

from posthouse.kernel.secrets import SecretText
from posthouse.metering.prices import Tariff
from posthouse.relay.route import Route
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.choice import Chooser, Lineup
from posthouse.routing.health import Health, Ticket
from posthouse.routing.pools import Departure, Lease, Pool
from posthouse.routing.verdicts import NEXT, Next, Verdict

# Before another credential of a channel that has just refused one: doubled for each, up to half a second.
BACK_OFF_S = 0.05
BACK_OFF_S_MAX = 0.5
# So many of a channel's credentials are refused before another channel is tried, where there is one: what
# refuses two, such as a limit of the account that all belong to, mostly refuses all.
REFUSALS_MAX = 2
_MISSING = Verdict.MODEL_MISSING


class Offer(Struct, eq=False):
    """A channel that offers the model, its credentials by name, and what it costs (None: unknown). `route` is
    made by its first call; `channel` is the spec's name, of which each call asks a few times."""

    spec: ChannelSpec
    pool: Pool
    credentials: Mapping[str, SecretText] = {}
    cost: Tariff | None = None
    route: Route | None = None
    channel: str = ""

    def __post_init__(self) -> None:
        self.channel, self.route = self.spec.name, None

    @property
    def priority(self) -> int:
        return self.spec.priority

    @property
    def weight(self) -> int:
        return self.spec.weight


class Leg(Struct, eq=False):
    """One attempt: the channel and the credential that it was given."""

    offer: Offer
    lease: Lease
    ticket: Ticket
    started_s: float
    ttft_s: float | None = None
    is_over: bool = False

    @property
    def credential(self) -> SecretText | None:
        return self.offer.credentials.get(self.lease.name)


class Trip(Struct, eq=False):
    """One call's way through the channels: what it asks for, and what it has tried. `affinity`: calls of the
    same bytes go to the same channel, with the same credential, while these are well. `tokens`: about what
    the call uses at the upstream. `pinned`: to this channel alone, since it keeps what the call is about."""

    model: str
    tokens: int = 0
    affinity: bytes = b""
    pinned: str = ""
    tried: set[str] = set()  # channels that are through
    refused: dict[str, set[str]] = {}  # credentials that are, by channel
    again: Offer | None = None  # whose other credentials come first
    back_off_s: float = 0.0  # before the next attempt


class Router:
    """`on_departure` hears of credentials that leave their pool, `on_missing` of models (by the channel's
    name and the catalogue's) that a channel's upstream does not have."""

    def __init__(
        self,
        chooser: Chooser,
        health: Health,
        on_departure: Callable[[Departure], None] = lambda departure: None,
        on_missing: Callable[[str, str], None] = lambda channel, model: None,
    ) -> None:
        self._chooser = chooser
        self._health = health
        self._on_departure = on_departure
        self._on_missing = on_missing

    def next(self, lineup: Lineup[Offer], trip: Trip, now_s: float) -> Leg | None:
        """The next attempt, None when there is none to make. What is known to be of no use is left alone: a
        ceiling that is reached, a Retry-After that is not over. What is only doubtful is better than
        nothing."""
        again, trip.again = trip.again, None
        leg = None if again is None else self._next_after(again, lineup, trip, now_s)
        if leg is None:
            leg = self._next(lineup, trip, now_s, trip.tried, insist=False)
            leg = leg or self._next(lineup, trip, now_s, trip.tried, insist=True)
        if again is None or leg is None or leg.offer is not again:
            trip.back_off_s = 0.0
        return leg

    def _next_after(self, refuser: Offer, lineup: Lineup[Offer], trip: Trip, now_s: float) -> Leg | None:
        """Where a channel has just refused a credential: another one of it, or once it has refused enough
        another channel."""
        channel = refuser.channel
        if len(trip.refused[channel]) >= REFUSALS_MAX:
            return self._next(lineup, trip, now_s, {*trip.tried, channel}, insist=False)
        leg = self._leg(refuser, trip, now_s, insist=False)
        if leg is None:
            trip.tried.add(channel)
        return leg

    def _next(
        self, lineup: Lineup[Offer], trip: Trip, now_s: float, tried: Collection[str], *, insist: bool
    ) -> Leg | None:
        """An attempt at a channel that has not been tried and has a credential for it."""
        only = None if trip.pinned else lineup.only
        while True:
            if only is not None:
                offer = None if only.channel in tried else only
            else:
                offer = self._chooser.choose(
                    lineup, trip.model, now_s, tried=tried, affinity=trip.affinity, pinned=trip.pinned
                )
            if offer is None:
                return None
            leg = self._leg(offer, trip, now_s, insist)
            if leg is not None:
                return leg
            tried = {*tried, offer.channel}

    def wait_s(self, lineup: Lineup[Offer], trip: Trip, now_s: float) -> float:
        """In how many seconds a credential could be free, at least 1."""
        offers = [lineup.by_channel[trip.pinned]] if trip.pinned else lineup.candidates
        pools = (offer.pool for offer in offers)
        waits = [pool.wait_s(now_s, tokens=trip.tokens, model=trip.model) for pool in pools]
        return max(1.0, min((wait for wait in waits if wait is not None), default=1.0))

    def begun(self, leg: Leg, now_s: float) -> None:
        """The first word of a stream is there; its end may be minutes away."""
        leg.ttft_s = now_s - leg.started_s
        self._health.begun(leg.ticket, now_s, leg.ttft_s)
        leg.offer.pool.begun(leg.lease, now_s)

    def end(
        self,
        leg: Leg,
        verdict: Verdict | None,
        now_s: float,
        *,
        tokens: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """The attempt is through; `verdict` None: it ended without saying anything, as when its caller left.
        `tokens`: what it used. A second time does nothing."""
        if leg.is_over:
            return
        leg.is_over = True
        offer = leg.offer
        departure = offer.pool.end(leg.lease, verdict, now_s, tokens, retry_after_s)
        if verdict is None:
            self._health.release(leg.ticket)
        else:
            self._health.end(leg.ticket, verdict, now_s, ttft_s=leg.ttft_s, retry_after_s=retry_after_s)
        if departure is not None:
            self._on_departure(departure)
        elif verdict is _MISSING:
            self._on_missing(offer.channel, leg.lease.model)

    def note_failed(self, leg: Leg, verdict: Verdict, trip: Trip) -> None:
        """What the call does next after an attempt that brought no answer."""
        offer = leg.offer
        if NEXT[verdict] is not Next.CREDENTIAL:
            trip.tried.add(offer.channel)
            return
        refused = trip.refused.setdefault(offer.channel, set())
        refused.add(leg.lease.name)
        trip.again = offer
        trip.back_off_s = min(BACK_OFF_S_MAX, BACK_OFF_S * 2.0 ** (len(refused) - 1))

    def _leg(self, offer: Offer, trip: Trip, now_s: float, insist: bool) -> Leg | None:
        refused = trip.refused.get(offer.channel, ())
        lease = offer.pool.take(
            trip.tokens, now_s, refused, model=trip.model, insist=insist, affinity=trip.affinity
        )
        if lease is None:
            return None
        ticket = self._health.begin(offer.channel, trip.model, offer.spec.health, now_s)
        return Leg(offer, lease, ticket, now_s)
