"""Reads sums of usage, exact to the record: what is rolled up (ledger/rollups.py) and the records since, in
one snapshot. Changes nothing.

Times are ms since 1970; they are taken down to a whole quarter of an hour, which every time zone's hours and
days begin at. `until_ms` is not included.
"""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Literal

import msgspec

from posthouse.store.engine import Store

Step = Literal["hour", "day", "month"]
Side = Literal["model", "key", "account"]
STEPS_MAX = 1_000  # a chart has fewer pixels; 31 days by hour are 744
GROUPS_MAX = 8  # more lines in one chart nobody tells apart; the rest is one line, ""


class Sums(msgspec.Struct, frozen=True):
    """What some calls add up to. `errors` are calls that failed, broke off, or got a status of 400 or above."""

    requests: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # of the prompt's
    reasoning_tokens: int = 0  # of the completion's
    charge_nanos: int = 0
    cost_nanos: int = 0
    duration_ms: int = 0


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calls: all that match every field that is set."""

    account_id: str = ""
    key_id: str = ""
    model: str = ""


class Group(msgspec.Struct, frozen=True):
    """One line of a chart: a model, key or account, "" for all the others; `points` are as many as steps."""

    name: str
    total: Sums
    points: tuple[Sums, ...]


class Series(msgspec.Struct, frozen=True):
    """When each step starts, and the lines, dearest first. No group where there was no call."""

    starts_ms: tuple[int, ...]
    total: Sums
    groups: tuple[Group, ...]


class ModelStatus(msgspec.Struct, frozen=True):
    """How a model did in each step: calls, and those of them that no upstream answered or that ended with the
    upstream's fault (broken off, status 429 or 500 and above). Quantiles are of the time to the first byte, from
    a histogram; 0: unknown."""

    model: str
    requests: tuple[int, ...]
    faults: tuple[int, ...]
    ttft_p50_ms: int
    ttft_p95_ms: int


class Statuses(msgspec.Struct, frozen=True):
    """When each step starts, and how each called model did, by name."""

    starts_ms: tuple[int, ...]
    models: tuple[ModelStatus, ...]


class ChannelSums(msgspec.Struct, frozen=True):
    """What the calls that a channel answered add up to; channel "": that none answered."""

    channel: str
    requests: int
    errors: int
    faults: int
    charge_nanos: int
    cost_nanos: int
    duration_ms: int
    ttft_p50_ms: int
    ttft_p95_ms: int


class AddressUse(msgspec.Struct, frozen=True):
    """Calls from one address (its keyed hash) with one key."""

    address_hash: bytes
    account_id: str
    key_id: str
    requests: int


def totals(store: Store, scope: Scope, *, since_ms: int, until_ms: int) -> Sums:
    """What the calls of that time add up to."""
    raise NotImplementedError


def series(
    store: Store,
    scope: Scope,
    *,
    since_ms: int,
    until_ms: int,
    step: Step,
    zone: tzinfo,
    by: Side | None = None,
) -> Series:
    """Sums by step of the time zone, filled with zeros, for at most GROUPS_MAX groups and the rest as "". Raises
    InvalidPeriod for more than STEPS_MAX steps, or none."""
    raise NotImplementedError


def ranking(
    store: Store, scope: Scope, *, since_ms: int, until_ms: int, by: Side, limit: int = 20
) -> list[tuple[str, Sums]]:
    """The models, keys or accounts with the largest charge, by name."""
    raise NotImplementedError


def model_statuses(
    store: Store, *, since_ms: int, until_ms: int, step: Literal["hour", "day"], zone: tzinfo
) -> Statuses:
    """How the models did. Cached for STATUS_S, as everybody may ask. Raises InvalidPeriod."""
    raise NotImplementedError


def channel_totals(store: Store, *, since_ms: int, until_ms: int) -> list[ChannelSums]:
    """What each channel's calls add up to, dearest first."""
    raise NotImplementedError


def address_uses(store: Store, *, since_ms: int, addresses: Sequence[bytes] = ()) -> list[AddressUse]:
    """Calls by address and key from that (UTC) day on; only of those addresses where some are given. The
    records of the last minutes are counted too."""
    raise NotImplementedError
