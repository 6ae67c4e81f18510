"""In which order a call tries the channels."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol, TypeVar

from posthouse.routing.channels import ChannelSpec

# A caller waits for all of them: after this many, another try is more likely to annoy than to help.
ATTEMPTS_MAX = 8

_priority = attrgetter("priority")


class Weighted(Protocol):
    """What the order is drawn by: a channel, or anything that stands for one."""

    @property
    def priority(self) -> int: ...
    @property
    def weight(self) -> int: ...


W = TypeVar("W", bound=Weighted)


def offering(channels: Iterable[ChannelSpec], model: str) -> tuple[ChannelSpec, ...]:
    """The channels that offer a model, by priority: the same for all its calls until the configuration
    changes, so worth keeping."""
    return tuple(sorted((one for one in channels if one.offers(model)), key=_priority))


def plan_attempts(
    channels: Sequence[W],
    randomness: Callable[[], float],
    *,
    is_usable: Callable[[W], bool] | None = None,
) -> tuple[W, ...]:
    """The order in which one call tries the channels that offer its model; none twice, at most ATTEMPTS_MAX.

    Lower priority numbers first; within one priority each next is drawn in proportion to its weight.
    `randomness()` gives numbers in [0, 1). `is_usable` leaves channels out (their health); where it would
    leave none, all are tried: a doubtful channel is better than a certain refusal.
    """
    if is_usable is not None:
        channels = [one for one in channels if is_usable(one)] or channels
    if len(channels) < 2:
        return tuple(channels)
    order: list[W] = []
    for _, tier in groupby(channels, key=_priority):
        order += _draw(list(tier), randomness)
    return tuple(order[:ATTEMPTS_MAX])


def _draw(tier: list[W], randomness: Callable[[], float]) -> list[W]:
    """All of the tier in drawn order; weight 0 comes last."""
    order: list[W] = []
    while len(tier) > 1:
        point = randomness() * sum(one.weight for one in tier)
        index = 0
        while index < len(tier) - 1 and point >= tier[index].weight:
            point -= tier[index].weight
            index += 1
        order.append(tier.pop(index))
    return order + tier
