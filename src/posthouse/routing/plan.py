"""In which order a call tries the channels."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from posthouse.routing.channels import ChannelSpec

# A caller waits for all of them: after this many, another try is more likely to annoy than to help.
ATTEMPTS_MAX = 8


def offering(channels: Iterable[ChannelSpec], model: str) -> tuple[ChannelSpec, ...]:
    """The channels that offer the model, by priority: what `plan_attempts` takes, the same for every call of
    a model until the configuration changes."""
    return tuple(sorted((one for one in channels if one.offers(model)), key=lambda one: one.priority))


def plan_attempts(
    channels: Sequence[ChannelSpec],
    randomness: Callable[[], float],
    *,
    is_usable: Callable[[ChannelSpec], bool] | None = None,
) -> tuple[ChannelSpec, ...]:
    """The channels to try, one after another, none twice, at most ATTEMPTS_MAX.

    `channels` come by priority (`offering`); within one priority each next is drawn in proportion to its
    weight. `randomness()` gives numbers in [0, 1). `is_usable` leaves channels out (health); where it leaves
    none, all are tried, since a doubtful channel is better than a certain refusal.
    """
    if is_usable is not None:
        channels = [one for one in channels if is_usable(one)] or channels
    if len(channels) < 2:
        return tuple(channels)
    order: list[ChannelSpec] = []
    for _, tier in groupby(channels, key=lambda one: one.priority):
        order += _draw(list(tier), randomness)
    return tuple(order[:ATTEMPTS_MAX])


def _draw(tier: list[ChannelSpec], randomness: Callable[[], float]) -> list[ChannelSpec]:
    """All of the tier in drawn order; weight 0 comes last."""
    order = []
    while len(tier) > 1:
        point = randomness() * sum(one.weight for one in tier)
        index = 0
        while index < len(tier) - 1 and point >= tier[index].weight:
            point -= tier[index].weight
            index += 1
        order.append(tier.pop(index))
    return order + tier
