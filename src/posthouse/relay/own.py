"""The calls that the relay answers itself: models, the key's own page, the balance in the shape that chat
clients read, and whether the process is well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import msgspec

from posthouse.accounts.rules import KeyEntry
from posthouse.catalogue.compiled import PlanSpec
from posthouse.kernel.clock import steady_ms
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.money import format_nanos
from posthouse.kernel.periods import DAY_MS
from posthouse.ledger.queries import get_balance
from posthouse.ledger.service import Ledger
from posthouse.ledger.usage import DaySpend, spend_by_day
from posthouse.limits.rules import Demand, Standing, format_reset
from posthouse.limits.service import Limiter
from posthouse.relay.answers import JSON, id_block, quota_block
from posthouse.relay.endpoints import ANSWERED, READY, Endpoint, Kind, dialect_of
from posthouse.relay.listings import list_of, one_of
from posthouse.relay.market import Market
from posthouse.relay.values import RelayRequest
from posthouse.store.engine import Store
from posthouse.store.errors import StoreDown

Whole = tuple[int, bytes, bytes]  # status, header block, body
USAGE_DAYS_MAX = 366


class OwnCalls:
    """`is_ready` tells whether the process can serve: false while it starts or stops."""

    def __init__(
        self, store: Store, market: Market, limiter: Limiter, ledger: Ledger, is_ready: Callable[[], bool]
    ) -> None:
        self._store = store
        self._market = market
        self._limiter = limiter
        self._ledger = ledger
        self._is_ready = is_ready

    def open(self, endpoint: Endpoint) -> Whole:
        """/healthz: the process lives. /readyz: it can serve."""
        if endpoint is READY and not self._is_ready():
            return 503, JSON, b'{"status":"not ready"}'
        return 200, JSON, b'{"status":"ok"}'

    async def answer(
        self, endpoint: Endpoint, path_model: str, key: KeyEntry, request: RelayRequest
    ) -> Whole:
        """Status, headers and body. Raises Refusal."""
        dialect = dialect_of(request.path, request.headers)
        if endpoint.kind in (Kind.MODELS, Kind.MODEL):
            self._market.check_endpoint(key, endpoint)
            models = self._market.models_for(key, dialect)
            body = (
                list_of(dialect, models)
                if endpoint.kind is Kind.MODELS
                else one_of(dialect, models, path_model)
            )
        else:
            try:
                body = await self._figures(endpoint, key, request)
            except StoreDown:
                raise Refusal(RelayCode.OVERLOADED, "store", retry_after_s=1) from None
        headers = JSON + id_block(dialect, request.request_id)
        headers += await self.quota_headers(key, request)
        return 200, headers, msgspec.json.encode(body)

    async def quota_headers(self, key: KeyEntry, request: RelayRequest) -> bytes:
        """The rate-limit headers of an answer in which no model had a say: of all limits that the key can
        meet the tightest."""
        return quota_block(await self._standings(key, request))

    async def _figures(self, endpoint: Endpoint, key: KeyEntry, request: RelayRequest) -> dict[str, Any]:
        match endpoint.kind:
            case Kind.KEY:
                return await self._key(key, request)
            case Kind.USAGE:
                return await self._usage(key, request)
            case Kind.SUBSCRIPTION:
                return await self._subscription(key)
            case _:
                return await self._credit_grants(key)

    # -- the key -----------------------------------------------------------------------------------------

    async def _key(self, key: KeyEntry, request: RelayRequest) -> dict[str, Any]:
        """What this key may do, and what is left."""
        balance = await asyncio.to_thread(get_balance, self._store, key.account_id)
        plan = self._market.catalogue.plan(key.plan)
        budget = None
        if key.budget_nanos is not None:
            kept = await self._ledger.budget_at(key.key_id, request.started_ms)
            budget = {
                "limit": format_nanos(key.budget_nanos),
                "remaining": format_nanos(kept.available_nanos or 0),
                "period": kept.period,
                "resets_at": None if kept.period == "total" else kept.until_ms // 1000,
            }
        return {
            "object": "key",
            "id": key.key_id,
            "name": key.name,
            "plan": key.plan,
            "streaming": plan is None or plan.streaming,
            "currency": self._market.currency,
            "balance": format_nanos(balance.balance_nanos),
            "budget": budget,
            "expires_at": None if key.expires_ms is None else key.expires_ms // 1000,
            "models": [model.name for model in self._market.models_for(key)],
            "endpoints": sorted(_endpoints(plan, key)),
            "limits": await self._limits(key, request),
        }

    async def _standings(self, key: KeyEntry, request: RelayRequest) -> list[Standing]:
        """Where the caller stands in each limit of any model that the key can call."""
        demand = Demand(
            key_id=key.limited_as,
            address=request.address_hash,
            account_id=key.account_id,
            plan=key.plan,
            rules=self._market.rules_for(key),
        )
        return await self._limiter.standings(demand, steady_ms())

    async def _limits(self, key: KeyEntry, request: RelayRequest) -> list[dict[str, Any]]:
        return [
            {
                "rule": standing.rule.name,
                "per": standing.rule.subject,
                "measure": standing.measure.value,
                "window_s": standing.rule.window_ms // 1000,
                "limit": standing.quota.limit,
                "remaining": standing.quota.remaining,
                "reset": format_reset(standing.quota.reset_ms),
            }
            for standing in await self._standings(key, request)
        ]

    # -- billing, as OpenAI's old dashboard had it -------------------------------------------------------

    async def _subscription(self, key: KeyEntry) -> dict[str, Any]:
        """`hard_limit_usd` is all that was ever paid in, in the operator's currency: clients show it less
        `total_usage` as what is left."""
        balance = await asyncio.to_thread(get_balance, self._store, key.account_id)
        total = _number(balance.balance_nanos + balance.charged_nanos)
        never_ms = 4_102_444_800_000  # the year 2100
        until_ms = never_ms if key.expires_ms is None else key.expires_ms
        return {
            "object": "billing_subscription",
            "has_payment_method": balance.credited_nanos > 0,
            "canceled": False,
            "soft_limit_usd": total,
            "hard_limit_usd": total,
            "system_hard_limit_usd": total,
            "access_until": until_ms // 1000,
            "plan": {"title": key.plan, "id": key.plan},
            "currency": self._market.currency,
        }

    async def _usage(self, key: KeyEntry, request: RelayRequest) -> dict[str, Any]:
        """Charges by day and model between `start_date` and `end_date` (not included); amounts in hundredths,
        as the original's cents."""
        zone = ZoneInfo(self._market.catalogue.operator.timezone)
        start, end = _dates(request.query, zone)
        since = datetime(start.year, start.month, start.day, tzinfo=zone)
        until = datetime(end.year, end.month, end.day, tzinfo=zone)
        offset_ms = int((since.utcoffset() or timedelta()).total_seconds() * 1000)
        spent = await asyncio.to_thread(
            spend_by_day,
            self._store,
            key.account_id,
            since_ms=int(since.timestamp() * 1000),
            until_ms=int(until.timestamp() * 1000),
            offset_ms=offset_ms,
        )
        return {
            "object": "list",
            "daily_costs": _daily_costs(spent, offset_ms),
            "total_usage": _number(100 * sum(one.charge_nanos for one in spent)),
        }

    async def _credit_grants(self, key: KeyEntry) -> dict[str, Any]:
        balance = await asyncio.to_thread(get_balance, self._store, key.account_id)
        return {
            "object": "credit_summary",
            "total_granted": _number(balance.balance_nanos + balance.charged_nanos),
            "total_used": _number(balance.charged_nanos),
            "total_available": _number(balance.balance_nanos),
            "currency": self._market.currency,
            "grants": {"object": "list", "data": []},
        }


def _endpoints(plan: PlanSpec | None, key: KeyEntry) -> frozenset[str]:
    allowed = plan.endpoints & ANSWERED if plan else frozenset()
    return allowed if key.endpoints is None else allowed & key.endpoints


def _number(nanos: int) -> msgspec.Raw:
    """A JSON number with every digit: no float on the way."""
    return msgspec.Raw(format_nanos(nanos).encode())


def _dates(query: str, zone: ZoneInfo) -> tuple[date, date]:
    """The days asked for, the last USAGE_DAYS_MAX at most; by default this month so far. Raises Refusal."""
    today = datetime.now(zone).date()
    tomorrow = today + timedelta(days=1)
    given = parse_qs(query)
    try:
        start = date.fromisoformat(given["start_date"][0]) if "start_date" in given else today.replace(day=1)
        end = date.fromisoformat(given["end_date"][0]) if "end_date" in given else tomorrow
        end = min(end, tomorrow)  # who asks up to the year 2100 means all that there is
        return max(start, end - timedelta(days=USAGE_DAYS_MAX)), end
    except (ValueError, OverflowError):
        raise Refusal(
            RelayCode.EMPTY_REQUEST,
            "wrong_type",
            param="start_date",
            field="start_date, end_date",
            expected="dates such as 2026-01-31",
        ) from None


def _daily_costs(spent: list[DaySpend], offset_ms: int) -> list[dict[str, Any]]:
    days: dict[int, list[DaySpend]] = {}
    for one in spent:
        days.setdefault(one.day, []).append(one)
    return [
        {
            "timestamp": (day * DAY_MS - offset_ms) // 1000,
            "line_items": [{"name": one.model, "cost": _number(100 * one.charge_nanos)} for one in days[day]],
        }
        for day in sorted(days)
    ]
