"""A member's own keys."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Path
from msgspec import UNSET
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from posthouse.accounts import service
from posthouse.accounts.queries import get_account, get_key
from posthouse.accounts.queries import list_keys as find_keys
from posthouse.accounts.rules import (
    KEYS_MAX,
    NAME_CHARS_MAX,
    OVERLAP_MS_MAX,
    SCOPE_ITEMS_MAX,
    FrozenBy,
    Key,
    KeyStatus,
)
from posthouse.accounts.service import KeyChange
from posthouse.api.context import Caller, Context, Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.problems import Problem
from posthouse.api.values import Answer, Body, Money, MoneyIn, Ms, Whole
from posthouse.catalogue.rules import ENDPOINTS
from posthouse.kernel.periods import DAY_MS, BudgetPeriod, span_at
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.key_uses import last_uses
from posthouse.ledger.sums import Scope, ranking

router = Router("keys")
KeyId = Annotated[str, Path(description="The key's id.")]

# Whether a key was used longer ago than this makes no difference to anybody who tidies up.
USED_MS = 90 * DAY_MS
KEYS_RANKED = 10_000  # deleted ones too: all that an account can have used in a month


class KeyAnswer(Answer):
    """A key as its owner sees it; the key itself is shown once, when it is made."""

    id: str = Field(description="Stays the same when the key is rotated.")
    hint: str = Field(description="How the key begins and ends.")
    name: str = Field(description="What it is for.")
    status: KeyStatus = Field(description="A frozen key's calls are refused until it is unfrozen.")
    frozen_by: FrozenBy | None = Field(description="Only the operator lifts what the operator froze.")
    created_ms: Ms
    expires_ms: int | None = Field(description="Calls are refused from then on; null: never.")
    used_ms: int | None = Field(description="When it was last used, in the last 90 days; null: not since.")
    spent: Money
    budget: Money | None = Field(description="What it may spend in each period; null: no limit of its own.")
    budget_period: BudgetPeriod = Field(description="In all, or in each day or month of the site's clock.")
    budget_spent: Money
    budget_resets_ms: int | None = Field(description="When the next day or month begins; null: never.")
    models: list[str] | None = Field(description="The only models that it may call; null: all of the plan.")
    endpoints: list[str] | None = Field(description="The only endpoints; null: all of the plan.")
    addresses: list[str] | None = Field(description="The only networks it may be used from; null: any.")
    old_until_ms: int | None = Field(description="How long the key before the last rotation works.")


class NewKeyAnswer(Answer):
    """A key, the only time that it is shown."""

    id: str = Field(description="The key's id.")
    key: str = Field(description="What clients send. Only its hash is stored: keep it now.")


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise PydanticCustomError("network", "not an address or network") from None
    return text


def _endpoint(text: str) -> str:
    if text not in ENDPOINTS:
        raise PydanticCustomError("endpoint", "not an endpoint")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("unshown", "not printable")
    return text


_Name = Annotated[str, Field(max_length=NAME_CHARS_MAX), AfterValidator(_printable)]
_Budget = Annotated[MoneyIn, Field(ge=0)]
_Model = Annotated[str, Field(min_length=1, max_length=200)]


_Few = Field(min_length=1, max_length=SCOPE_ITEMS_MAX)
_Models = Annotated[list[_Model], _Few]
_Endpoints = Annotated[list[Annotated[str, AfterValidator(_endpoint)]], _Few]
_Networks = Annotated[list[Annotated[str, Field(max_length=50), AfterValidator(_network)]], _Few]


class KeyBody(Body):
    """A new key; what is left out is not restricted."""

    name: _Name = Field("", description="What it is for.")
    expires_ms: Ms | None = Field(None, description="When it ends; null: never.")
    budget: _Budget | None = Field(None, description="What it may spend in each period; null: no limit.")
    budget_period: BudgetPeriod = Field("total", description="What the budget is for.")
    models: _Models | None = Field(None, description="The only models that it may call.")
    endpoints: _Endpoints | None = Field(None, description="The only endpoints, as /endpoints names them.")
    addresses: _Networks | None = Field(None, description="The only networks, such as 10.0.0.0/8.")


class KeyChangeBody(KeyBody):
    """What to change; what is left out stays, null lifts a restriction."""


class RotateBody(Body):
    """How to go over to the new key."""

    overlap_ms: int = Field(
        0, ge=0, le=OVERLAP_MS_MAX, description="How long the key until now still works beside the new one."
    )


@router.get("/keys", Permission.OWN_READ)
def list_keys(here: Here, who: Who) -> Whole[KeyAnswer]:
    """List one's keys, at most 200, the oldest first."""
    return Whole(items=_answers(here, who, find_keys(here.store, who.account_id)))


@router.post("/keys", Permission.KEYS_WRITE, status=201)
def create_key(here: Here, who: Who, body: KeyBody) -> NewKeyAnswer:
    """Make a key.

    It is shown this once. How many keys an account may have depends on its plan."""
    _check_future(here, body.expires_ms)
    made = service.create_key(
        here.store,
        who.account_id,
        name=body.name,
        expires_ms=body.expires_ms,
        budget_nanos=body.budget,
        budget_period=body.budget_period,
        models=_tuple(body.models),
        endpoints=_tuple(body.endpoints),
        addresses=_tuple(body.addresses),
        keys_max=keys_max(here, who.account_id),
        actor=who.actor,
    )
    return NewKeyAnswer(id=made.id, key=made.key)


@router.get("/keys/{key_id}", Permission.OWN_READ)
def show_key(here: Here, who: Who, key_id: KeyId) -> KeyAnswer:
    """Show one of one's keys."""
    return _answers(here, who, [_own(here, who, key_id)])[0]


@router.patch("/keys/{key_id}", Permission.KEYS_WRITE)
def change_key(here: Here, who: Who, key_id: KeyId, body: KeyChangeBody) -> KeyAnswer:
    """Change a key: name, expiry, budget, what it may be used for."""
    _own(here, who, key_id)
    given = body.model_dump(include=body.model_fields_set)
    if given.get("expires_ms") is not None:
        _check_future(here, given["expires_ms"])
    change = KeyChange(
        name=given.get("name", UNSET),
        expires_ms=given.get("expires_ms", UNSET),
        budget_nanos=given.get("budget", UNSET),
        budget_period=given.get("budget_period", UNSET),
        models=_given(given, "models"),
        endpoints=_given(given, "endpoints"),
        addresses=_given(given, "addresses"),
    )
    return _answers(here, who, [service.update_key(here.store, key_id, change, actor=who.actor)])[0]


@router.post("/keys/{key_id}/rotate", Permission.KEYS_WRITE)
def rotate_key(here: Here, who: Who, key_id: KeyId, body: RotateBody) -> NewKeyAnswer:
    """Replace a key by a new one.

    Id, name, budget, limits and records stay. The key until now ends after the overlap, and one from an
    earlier rotation at once."""
    _own(here, who, key_id)
    made = service.rotate_key(here.store, key_id, overlap_ms=body.overlap_ms, actor=who.actor)
    return NewKeyAnswer(id=made.id, key=made.key)


@router.post("/keys/{key_id}/freeze", Permission.KEYS_WRITE)
def freeze_key(here: Here, who: Who, key_id: KeyId) -> KeyAnswer:
    """Refuse a key's calls until it is unfrozen."""
    _own(here, who, key_id)
    frozen = service.freeze_key(here.store, key_id, by="owner", actor=who.actor)
    return _answers(here, who, [frozen])[0]


@router.post("/keys/{key_id}/unfreeze", Permission.KEYS_WRITE)
def unfreeze_key(here: Here, who: Who, key_id: KeyId) -> KeyAnswer:
    """Serve a key's calls again."""
    _own(here, who, key_id)
    active = service.unfreeze_key(here.store, key_id, by="owner", actor=who.actor)
    return _answers(here, who, [active])[0]


@router.delete("/keys/{key_id}", Permission.KEYS_WRITE)
def delete_key(here: Here, who: Who, key_id: KeyId) -> None:
    """End a key for good and show it no more.

    Its records stay. Where an account may have few keys, it counts as one of them for a day."""
    _own(here, who, key_id)
    service.delete_key(here.store, key_id, actor=who.actor)


def keys_max(here: Context, account_id: str) -> int:
    """How many keys the account may have on its plan."""
    catalogue = here.market.catalogue
    plan = catalogue.plan(get_account(here.store, account_id).plan)
    allowed = catalogue.site.registration.keys_max("free" if plan is None else plan.kind)
    return KEYS_MAX if allowed is None else min(allowed, KEYS_MAX)


def _own(here: Context, who: Caller, key_id: str) -> Key:
    """One of the caller's keys that the list shows. Raises Problem, UnknownKey."""
    key = get_key(here.store, key_id)
    if key.account_id != who.account_id or key.kind != "api" or key.deleted_ms is not None:
        raise Problem("not_found")
    return key


def _check_future(here: Context, expires_ms: int | None) -> None:
    if expires_ms is not None and expires_ms <= here.now_ms():
        raise UnfitValue("expires_ms", "past")


def _tuple(items: list[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)


def _given(given: Mapping[str, Any], field: str) -> Any:
    return _tuple(given[field]) if field in given else UNSET


class _Spending:
    """What the account's keys have spent in the day or month that runs."""

    def __init__(self, here: Context, account_id: str) -> None:
        self._here = here
        self._account_id = account_id
        self._zone = ZoneInfo(here.market.catalogue.operator.timezone)
        self._now_ms = here.now_ms()
        self._added: dict[BudgetPeriod, dict[str, int]] = {}

    def of_key(self, key: Key) -> tuple[int, int | None]:
        """Spent in the budget's period, and when that ends; None: never."""
        period = key.budget_period
        if period == "total":
            return key.spent_nanos, None
        span = span_at(period, self._now_ms, self._zone)
        if key.period_since_ms == span.since_ms:
            return key.period_spent_nanos, span.until_ms
        if period not in self._added:  # none of its calls has begun the period; its budget may be new
            self._added[period] = self._add(span.since_ms)
        return self._added[period].get(key.id, 0), span.until_ms

    def _add(self, since_ms: int) -> dict[str, int]:
        scope = Scope(account_id=self._account_id)
        until_ms = self._now_ms + 1
        store = self._here.store
        found = ranking(store, scope, since_ms=since_ms, until_ms=until_ms, by="key", limit=KEYS_RANKED)
        return {key_id: sums.charge_nanos for key_id, sums in found}


def _answers(here: Context, who: Caller, found: list[Key]) -> list[KeyAnswer]:
    now_ms = here.now_ms()
    used = last_uses(here.store, who.account_id, since_ms=now_ms - USED_MS)
    spending = _Spending(here, who.account_id)
    return [_answer(key, used.get(key.id), now_ms, spending) for key in found]


def _answer(key: Key, used_ms: int | None, now_ms: int, spending: _Spending) -> KeyAnswer:
    budget_spent, budget_resets_ms = spending.of_key(key)
    return KeyAnswer(
        id=key.id,
        hint=key.hint,
        name=key.name,
        status=key.status,
        frozen_by=key.frozen_by,
        created_ms=key.created_ms,
        expires_ms=key.expires_ms,
        used_ms=used_ms and max(used_ms, key.created_ms),  # known to a quarter of an hour
        spent=key.spent_nanos,
        budget=key.budget_nanos,
        budget_period=key.budget_period,
        budget_spent=budget_spent,
        budget_resets_ms=budget_resets_ms,
        models=None if key.models is None else list(key.models),
        endpoints=None if key.endpoints is None else list(key.endpoints),
        addresses=None if key.addresses is None else list(key.addresses),
        old_until_ms=key.old_until_ms if key.old_until_ms and key.old_until_ms > now_ms else None,
    )
