"""In which order a call tries the channels."""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

from posthouse.routing.channels import ChannelSpec

# A caller waits for all of them: after this many, another try is more likely to annoy than to help.
ATTEMPTS_MAX = 8

_priority = attrgetter("priority")


def plan_attempts(
    channels: Sequence[ChannelSpec],
    model: str,
    randomness: Callable[[], float],
    *,
    is_usable: Callable[[ChannelSpec], bool] | None = None,
) -> tuple[ChannelSpec, ...]:
    """The channels that offer the model in the order to try them, none twice, at most ATTEMPTS_MAX; empty
    when none does.

    Lower priority numbers first; within one priority each next is drawn in proportion to its weight.
    `randomness()` gives numbers in [0, 1). `is_usable` leaves channels out (their health); where it would
    leave none, all are tried: a doubtful channel is better than a certain refusal.
    """
    offering = [one for one in channels if one.offers(model)]
    if is_usable is not None:
        offering = [one for one in offering if is_usable(one)] or offering
    if len(offering) < 2:
        return tuple(offering)
    order: list[ChannelSpec] = []
    for _, tier in groupby(sorted(offering, key=_priority), key=_priority):
        order += _draw(list(tier), randomness)
    return tuple(order[:ATTEMPTS_MAX])


def _draw(tier: list[ChannelSpec], randomness: Callable[[], float]) -> list[ChannelSpec]:
    """All of the tier in drawn order; weight 0 comes last."""
    order: list[ChannelSpec] = []
    while len(tier) > 1:
        point = randomness() * sum(one.weight for one in tier)
        index = 0
        while index < len(tier) - 1 and point >= tier[index].weight:
            point -= tier[index].weight
            index += 1
        order.append(tier.pop(index))
    return order + tier
