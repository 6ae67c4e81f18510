"""Reads transfers and statements; changes nothing."""

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, case, func, literal, or_, select, union_all

from posthouse.kernel.clock import now_ms
from posthouse.kernel.periods import QUARTER_MS
from posthouse.ledger.queries import find_member
from posthouse.ledger.rollups import watermark
from posthouse.ledger.rules import COUNTERPARTS, TransferKind
from posthouse.payments import rules
from posthouse.payments.pages import Page, Place, read_page
from posthouse.store.configuration import operator_field
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, ledger_accounts, transfers, usage_records
from posthouse.store.schema_people import profiles
from posthouse.store.schema_rollups import usage_sums

STATEMENT_TRANSFERS_MAX = 1_000  # listed one by one; the sums are of all


class Wallet(NamedTuple):
    """What a member has. `balance_nanos` is what is on disk: calls that run have not been charged yet.
    `low_balance_nanos`: below which they want a mail, None: none; `is_verified`: whether their address is
    known to be theirs, so that it can be mailed to."""

    account_id: str
    plan: str
    created_ms: int
    balance_nanos: int
    low_balance_nanos: int | None
    is_verified: bool


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer as its member's account shows it: `amount_nanos` is below zero where money went out."""

    id: str
    account_id: str
    email: str
    amount_nanos: int
    kind: TransferKind
    source: str
    reason: str
    actor: str
    created_ms: int


class ModelCharges(msgspec.Struct, frozen=True, kw_only=True):
    """What one model's calls of a month were charged."""

    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    charge_nanos: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """An account's month in the operator's time zone: closing = opening + credited - debited - charged,
    exactly. `is_final`: the month is over. `movements`: the first STATEMENT_TRANSFERS_MAX, oldest first."""

    month: str
    zone: str
    since_ms: int
    until_ms: int
    is_final: bool
    opening_nanos: int
    credited_nanos: int
    debited_nanos: int
    charged_nanos: int
    closing_nanos: int
    models: list[ModelCharges]
    movements: list[Movement]


_from_outside = transfers.c.debit.in_(sorted({ledger_id for ledger_id, _ in COUNTERPARTS.values()}))
_MOVEMENTS = select(transfers, accounts.c.id.label("account_id"), accounts.c.email).join(
    accounts, accounts.c.id == case((_from_outside, transfers.c.credit), else_=transfers.c.debit)
)


def get_wallet(store: Store, who: str) -> Wallet:
    """Raises UnknownMember."""
    query = (
        select(
            accounts.c.id,
            accounts.c.plan,
            accounts.c.created_ms,
            ledger_accounts.c.balance_nanos,
            profiles.c.low_balance_nanos,
            profiles.c.email_verified_ms.is_not(None),
        )
        .join(ledger_accounts, ledger_accounts.c.id == accounts.c.id)
        .outerjoin(profiles, profiles.c.account_id == accounts.c.id)
    )
    with store.read() as connection:
        return Wallet(
            *connection.execute(query.where(accounts.c.id == find_member(connection, who).id)).one()
        )


def list_movements(
    store: Store,
    *,
    who: str = "",
    kind: TransferKind | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> Page[Movement]:
    """Transfers, newest first, of all members or one. Raises UnknownMember."""
    query = _MOVEMENTS
    if kind is not None:
        query = query.where(transfers.c.kind == kind)
    with store.read() as connection:
        if who:
            query = query.where(_of(find_member(connection, who).id))
        rows, following = read_page(connection, query, transfers, after=after, limit=limit)
    return Page([_movement(row) for row in rows], following)


def get_statement(store: Store, who: str, month: str) -> Statement:
    """The statement of a month such as "2026-11". Raises UnknownMember, UnfitValue.

    It is reckoned back from today's balance in one snapshot, so that it costs what has happened since and not
    the account's whole life."""
    with store.read() as connection:
        account_id = find_member(connection, who).id
        zone = operator_field(connection, "timezone", "UTC")
        since_ms, until_ms = rules.month_span(month, ZoneInfo(zone))
        balance = select(ledger_accounts.c.balance_nanos).where(ledger_accounts.c.id == account_id)
        later = transfers.c.created_ms >= until_ms
        closing_nanos = (
            connection.execute(balance).scalar_one()
            - _sum(connection, transfers.c.credit == account_id, later)
            + _sum(connection, transfers.c.debit == account_id, later)
            + sum(one.charge_nanos for one in _charges(connection, account_id, until_ms, None))
        )
        within = (transfers.c.created_ms >= since_ms, transfers.c.created_ms < until_ms)
        credited_nanos = _sum(connection, transfers.c.credit == account_id, *within)
        debited_nanos = _sum(connection, transfers.c.debit == account_id, *within)
        models = _charges(connection, account_id, since_ms, until_ms)
        listed = _MOVEMENTS.where(_of(account_id), *within)
        listed = listed.order_by(transfers.c.created_ms, transfers.c.id).limit(STATEMENT_TRANSFERS_MAX)
        movements = [_movement(row) for row in connection.execute(listed)]
    charged_nanos = sum(one.charge_nanos for one in models)
    return Statement(
        month=month,
        zone=zone,
        since_ms=since_ms,
        until_ms=until_ms,
        is_final=until_ms <= now_ms(),
        opening_nanos=closing_nanos - credited_nanos + debited_nanos + charged_nanos,
        credited_nanos=credited_nanos,
        debited_nanos=debited_nanos,
        charged_nanos=charged_nanos,
        closing_nanos=closing_nanos,
        models=models,
        movements=movements,
    )


def _charges(
    connection: Connection, account_id: str, since_ms: int, until_ms: int | None
) -> list[ModelCharges]:
    """What each model's calls that started in that time were charged, dearest first: sums of what is rolled
    up, and the records since. Months begin and end with a slot in every time zone."""
    names = ("requests", "prompt_tokens", "completion_tokens", "charge_nanos")
    sums, records = usage_sums.c, usage_records.c
    rolled = select(sums.model, *(sums[name] for name in names)).where(
        sums.account_id == account_id,
        *_between(sums.slot, since_ms // QUARTER_MS, until_ms and until_ms // QUARTER_MS),
    )
    fresh = select(records.model, literal(1), *(records[name] for name in names[1:])).where(
        records.account_id == account_id,
        records.request_id >= watermark(connection).rolled,
        *_between(records.started_ms, since_ms, until_ms),
    )
    both = union_all(rolled, fresh).subquery()
    query = select(both.c.model, *(func.sum(both.c[name]).label(name) for name in names)).group_by(
        both.c.model
    )
    found = [
        ModelCharges(model=row.model, **{name: int(row._mapping[name]) for name in names})
        for row in connection.execute(query)
    ]
    return sorted(found, key=lambda one: (-one.charge_nanos, one.model))


def _between(column: ColumnElement[int], since: int, until: int | None) -> list[ColumnElement[bool]]:
    return [column >= since] if until is None else [column >= since, column < until]


def _of(account_id: str) -> ColumnElement[bool]:
    """Transfers on either side of the account."""
    return or_(transfers.c.debit == account_id, transfers.c.credit == account_id)


def _sum(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    query = select(func.sum(transfers.c.amount_nanos)).where(*conditions)
    return int(connection.execute(query).scalar() or 0)


def _movement(row: Row[Any]) -> Movement:
    return Movement(
        id=row.id,
        account_id=row.account_id,
        email=row.email,
        amount_nanos=row.amount_nanos if row.credit == row.account_id else -row.amount_nanos,
        kind=row.kind,
        source=rules.source_of(row.idempotency_key),
        reason=row.reason,
        actor=row.actor,
        created_ms=row.created_ms,
    )
