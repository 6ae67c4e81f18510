"""How the service does: what is going on, what it earns, who uses it."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from posthouse.accounts.queries import count_accounts, emails_of
from posthouse.api.context import Context, Here
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.usage_values import UsageSums, sums_fields, zone_of
from posthouse.api.values import Answer, Money, Ms
from posthouse.kernel.periods import DAY_MS, HOUR_MS, span_at
from posthouse.ledger.figures import steps
from posthouse.ledger.live import recent_minutes
from posthouse.ledger.queries import members_balance
from posthouse.ledger.sums import ChannelSums, Scope, Sums, channel_totals, ranking, series, totals

router = Router("overview")

SPANS: dict[str, tuple[Literal["hour", "day"], int]] = {
    "day": ("hour", 23 * HOUR_MS),  # and the step under way
    "month": ("day", 29 * DAY_MS),
    "quarter": ("day", 89 * DAY_MS),
}
Span = Literal["day", "month", "quarter"]
TOP = 8  # models and accounts that are named

TimeZone = Annotated[str, Query(max_length=64, description="Whose days: Asia/Shanghai; else the site's.")]
AskedSpan = Annotated[Span, Query(description="24 hours by hour, 30 or 90 days by day.")]


class SiteSums(UsageSums):
    """What all members' calls add up to."""

    cost: Money


class Overview(Answer):
    """How the service stands."""

    at_ms: Ms
    running: int = Field(
        description="Calls that the answering process has under way; of several processes only its own."
    )
    today: SiteSums = Field(description="Since midnight in the operator's time zone.")
    yesterday: SiteSums = Field(description="Until the same time of the day.")
    month: SiteSums = Field(description="This month until now.")
    balances: Money = Field(description="What all members have: it is owed to them.")
    members: int = Field(description="How many accounts there are.")
    members_today: int = Field(description="How many of them were made today.")


class LiveMinutes(Answer):
    """The last hour by minute, the one under way too."""

    starts_ms: list[int] = Field(description="When each minute starts.")
    requests: list[int] = Field(description="Calls that started then and have ended.")
    errors: list[int] = Field(description="Those that failed, broke off, or got a status of 400 or above.")
    faults: list[int] = Field(description="Those that no upstream answered as it should.")
    tokens: list[int] = Field(description="Tokens, both ways.")
    charge: list[Money] = Field(description="What they were charged.")
    ttft_p50_ms: list[int | None] = Field(description="Half of the streams began within this.")
    ttft_p95_ms: list[int | None] = Field(description="And 19 of 20 within this.")


class Course(Answer):
    """How the service did over a time."""

    starts_ms: list[int] = Field(description="When each step starts.")
    total: SiteSums = Field(description="Over the whole time.")
    requests: list[int] = Field(description="Calls in each step.")
    errors: list[int] = Field(description="Those that failed.")
    tokens: list[int] = Field(description="Tokens, both ways.")
    charge: list[Money] = Field(description="Revenue: what calls were charged.")
    cost: list[Money] = Field(description="What upstreams take for them, as far as the price list tells.")
    members: list[int] = Field(description="New accounts.")


class Leader(Answer):
    """A model or an account, and its share."""

    name: str = Field(description="The model's name or the account's id.")
    label: str = Field(description="What to call it: an account's email.")
    total: SiteSums = Field(description="Over the whole time.")


class ChannelShare(Answer):
    """What a channel's calls add up to."""

    channel: str = Field(description="Its name; empty: calls that none answered.")
    requests: int = Field(description="Calls that it answered.")
    faults: int = Field(description="Those that it did not answer as it should.")
    charge: Money
    cost: Money
    ttft_p50_ms: int = Field(description="Half of its streams began within this; 0: unknown.")
    ttft_p95_ms: int = Field(description="And 19 of 20 within this; 0: unknown.")


class Leaders(Answer):
    """Who has the largest share, dearest first."""

    models: list[Leader] = Field(description="At most eight.")
    accounts: list[Leader] = Field(description="At most eight.")
    channels: list[ChannelShare] = Field(description="All that were called.")


@router.get("/admin/overview", Permission.USAGE_READ)
def get_overview(here: Here, time_zone: TimeZone = "") -> Overview:
    """Tell how the service stands: today beside yesterday, this month, members and what is owed to them."""
    zone, now_ms = zone_of(here, time_zone), here.now_ms()
    today = span_at("day", now_ms, zone).since_ms
    yesterday = span_at("day", today - 1, zone).since_ms
    members, (members_today,) = count_accounts(here.store, [today], now_ms + 1)
    month = span_at("month", now_ms, zone).since_ms
    return Overview(
        at_ms=now_ms,
        running=here.relay.running,
        today=_between(here, today, now_ms + 1),
        yesterday=_between(here, yesterday, yesterday + now_ms + 1 - today),
        month=_between(here, month, now_ms + 1),
        balances=members_balance(here.store),
        members=members,
        members_today=members_today,
    )


@router.get("/admin/overview/minutes", Permission.USAGE_READ)
def get_live_minutes(here: Here) -> LiveMinutes:
    """Tell what happened in each minute of the last hour, in all processes.

    A service with very many calls sees fewer minutes."""
    found = recent_minutes(here.store, now_ms=here.now_ms(), minutes=60)
    return LiveMinutes(
        starts_ms=[one.start_ms for one in found],
        requests=[one.requests for one in found],
        errors=[one.errors for one in found],
        faults=[one.faults for one in found],
        tokens=[one.prompt_tokens + one.completion_tokens for one in found],
        charge=[one.charge_nanos for one in found],
        ttft_p50_ms=[one.ttft_p50_ms or None for one in found],
        ttft_p95_ms=[one.ttft_p95_ms or None for one in found],
    )


@router.get("/admin/overview/course", Permission.USAGE_READ)
def get_course(here: Here, span: AskedSpan = "month", time_zone: TimeZone = "") -> Course:
    """Tell how calls, revenue, cost and members went."""
    zone, now_ms = zone_of(here, time_zone), here.now_ms()
    step, back_ms = SPANS[span]
    since_ms = steps(step, now_ms - back_ms, now_ms + 1, zone)[0]
    found = series(here.store, Scope(), since_ms=since_ms, until_ms=now_ms + 1, step=step, zone=zone)
    points = found.groups[0].points if found.groups else (Sums(),) * len(found.starts_ms)
    _, members = count_accounts(here.store, found.starts_ms, now_ms + 1)
    return Course(
        starts_ms=list(found.starts_ms),
        total=_site(found.total),
        requests=[one.requests for one in points],
        errors=[one.errors for one in points],
        tokens=[one.prompt_tokens + one.completion_tokens for one in points],
        charge=[one.charge_nanos for one in points],
        cost=[one.cost_nanos for one in points],
        members=members,
    )


@router.get("/admin/overview/leaders", Permission.USAGE_READ)
def get_leaders(here: Here, span: AskedSpan = "day", time_zone: TimeZone = "") -> Leaders:
    """Tell which models, accounts and channels have the largest share."""
    zone, now_ms = zone_of(here, time_zone), here.now_ms()
    step, back_ms = SPANS[span]
    span_ms = {"since_ms": steps(step, now_ms - back_ms, now_ms + 1, zone)[0], "until_ms": now_ms + 1}
    models = ranking(here.store, Scope(), **span_ms, by="model", limit=TOP)
    accounts = ranking(here.store, Scope(), **span_ms, by="account", limit=TOP)
    emails = emails_of(here.store, {name for name, _ in accounts})
    return Leaders(
        models=[Leader(name=name, label=name, total=_site(sums)) for name, sums in models],
        accounts=[
            Leader(name=name, label=emails.get(name, name), total=_site(sums)) for name, sums in accounts
        ],
        channels=[_channel(one) for one in channel_totals(here.store, **span_ms)],
    )


def _between(here: Context, since_ms: int, until_ms: int) -> SiteSums:
    return _site(totals(here.store, Scope(), since_ms=since_ms, until_ms=until_ms))


def _site(sums: Sums) -> SiteSums:
    return SiteSums(**sums_fields(sums), cost=sums.cost_nanos)


def _channel(one: ChannelSums) -> ChannelShare:
    return ChannelShare(
        channel=one.channel,
        requests=one.requests,
        faults=one.faults,
        charge=one.charge_nanos,
        cost=one.cost_nanos,
        ttft_p50_ms=one.ttft_p50_ms,
        ttft_p95_ms=one.ttft_p95_ms,
    )
