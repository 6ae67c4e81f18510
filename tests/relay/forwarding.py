"""Channels of a forwarder under test."""

from random import Random
from typing import Any, NamedTuple

from msgspec import structs

from posthouse.kernel.secrets import SecretText
from posthouse.relay.forward import Forwarder
from posthouse.relay.router import Offer, Router
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.choice import Chooser, Lineup
from posthouse.routing.health import Health
from posthouse.routing.pools import Pool
from posthouse.testing.upstream import ScriptedUpstream
from posthouse.upstream.client import UpstreamClient


class Bounds(NamedTuple):
    """As far as the longest of these calls goes."""

    attempts_max: int = 4
    attempts_total_s: float = 60.0


def offer(name: str, at: ScriptedUpstream | str, **fields: Any) -> Offer:
    """A channel whose one credential is named like itself."""
    base_url = at if isinstance(at, str) else at.base_url
    spec = ChannelSpec(name=name, base_url=base_url, **fields)
    return Offer(spec, Pool(name, spec.credentials), {"default": SecretText(f"sk-{name}")})


def new_forwarder(client: UpstreamClient, answer_bytes_max: int = 1_000_000, **bounds: float) -> Forwarder:
    health = Health(Random(1).random)
    router = Router(Chooser(health, Random(1).random), health)
    return Forwarder(client, router, lambda: Bounds(**bounds), answer_bytes_max)  # type: ignore[arg-type]  # by name


def in_order(offers: tuple[Offer, ...]) -> Lineup[Offer]:
    """The offers, to be tried in the order in which they stand."""
    specs = (structs.replace(one.spec, priority=number) for number, one in enumerate(offers))
    return Lineup([structs.replace(one, spec=spec) for one, spec in zip(offers, specs, strict=True)])
