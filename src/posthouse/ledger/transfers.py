"""Moves money between members and the outside. Each function is one transaction, callable from any process: a
running server hears of it within a second."""

import time
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from posthouse.kernel.clock import monotonic_s, now_ms
from posthouse.kernel.ids import new_id
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.allowances import free_nanos, lock_balance, lock_balances
from posthouse.ledger.errors import BalanceFull, InsufficientFunds, TransferConflict
from posthouse.ledger.queries import find_member
from posthouse.ledger.rules import (
    BALANCE_NANOS_MAX,
    COUNTERPARTS,
    CreditKind,
    DebitKind,
    Transfer,
    TransferKind,
    check_transfer,
)
from posthouse.store.audit import note
from posthouse.store.changes import announce
from posthouse.store.configuration import operator_field
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, ledger_accounts, transfers
from posthouse.store.upsert import insert_if_absent

RECALL_S = 5.0  # how long a debit waits for running servers to give back what they do not use
_RECALL_POLL_S = 0.2


class Credit(NamedTuple):
    """What is to be added to a member's balance, and why. The same idempotency key again adds nothing."""

    account_id: str
    amount_nanos: int
    kind: CreditKind
    reason: str
    idempotency_key: str


def credit(
    store: Store,
    who: str,
    amount_nanos: int,
    *,
    reason: str,
    kind: CreditKind = "topup",
    idempotency_key: str = "",
    actor: str = "cli",
) -> Transfer:
    """Add to the balance of the account with that id or email. A top-up also moves it to the operator's plan
    for that. The same idempotency key again changes nothing and returns the first transfer. Raises
    UnknownMember, UnfitValue, TransferConflict."""
    with store.begin() as connection:
        account_id = find_member(connection, who).id
        wanted = Credit(account_id, amount_nanos, kind, reason, idempotency_key or new_id("idk"))
        return post_credits(connection, [wanted], actor=actor)[0]


def post_credits(connection: Connection, wanted: Iterable[Credit], *, actor: str) -> list[Transfer]:
    """Make credits within the caller's transaction, all or none, each as `credit` does; returns them in
    order. The caller has locked what else it writes: notices are the last step. Raises UnfitValue,
    BalanceFull, TransferConflict."""
    made = [_transfer(_counterpart(one.kind), *one, actor) for one in wanted]
    held = lock_balances(connection, [transfer.credit for transfer in made])  # two of one key come in turn
    done = [_earlier(connection, transfer) or transfer for transfer in made]
    new = [transfer for transfer in done if transfer in made]
    for transfer in new:
        held[transfer.credit] += transfer.amount_nanos
        if held[transfer.credit] > BALANCE_NANOS_MAX:
            raise BalanceFull
    _post(connection, new)
    return done


def debit(
    store: Store,
    who: str,
    amount_nanos: int,
    *,
    reason: str,
    kind: DebitKind = "refund",
    idempotency_key: str = "",
    actor: str = "cli",
) -> Transfer:
    """Take from the balance of the account with that id or email, but nothing that running calls hold; waits
    up to 5 s for servers to give back the rest. Raises UnknownMember, UnfitValue, TransferConflict,
    InsufficientFunds."""
    idempotency_key = idempotency_key or new_id("idk")
    give_up_s = monotonic_s() + RECALL_S
    while True:
        with store.begin() as connection:
            account_id = find_member(connection, who).id
            wanted = _transfer(
                account_id, _counterpart(kind), amount_nanos, kind, reason, idempotency_key, actor
            )
            balance = lock_balance(connection, account_id) or 0
            earlier = _earlier(connection, wanted)
            if earlier is not None:
                return earlier
            if free_nanos(connection, account_id) >= amount_nanos:
                _post(connection, [wanted])
                return wanted
            if balance >= amount_nanos:
                announce(connection, "recall", account_id, now_ms())
        if balance < amount_nanos or monotonic_s() >= give_up_s:
            raise InsufficientFunds
        time.sleep(_RECALL_POLL_S)


def _counterpart(kind: TransferKind) -> str:
    if kind not in COUNTERPARTS:
        raise UnfitValue("kind", "enum", expected=", ".join(COUNTERPARTS))
    return COUNTERPARTS[kind][0]


def _transfer(
    debit_id: str, credit_id: str, amount_nanos: int, kind: TransferKind, reason: str, key: str, actor: str
) -> Transfer:
    transfer = Transfer(
        id=new_id("trf"),
        debit=debit_id,
        credit=credit_id,
        amount_nanos=amount_nanos,
        kind=kind,
        reason=reason,
        idempotency_key=key,
        actor=actor,
        created_ms=now_ms(),
    )
    check_transfer(transfer)
    return transfer


def _earlier(connection: Connection, wanted: Transfer) -> Transfer | None:
    """The transfer that was made with the same idempotency key. Raises TransferConflict."""
    query = select(transfers).where(transfers.c.idempotency_key == wanted.idempotency_key)
    row = connection.execute(query).first()
    if row is None:
        return None
    earlier = Transfer(**row._mapping)
    if not earlier.same_as(wanted):
        raise TransferConflict
    return earlier


def _post(connection: Connection, new: list[Transfer]) -> None:
    """Write transfers, move the balances on both sides, then the plans of those who topped up. Locks come in
    the order of the ids, as everywhere, and all rows are written before the first notice: notices have a lock
    of their own, and who waited for a row while holding that might wait for ever."""
    moved: dict[str, int] = {}
    for transfer in new:
        _write(connection, transfer)
        moved[transfer.debit] = moved.get(transfer.debit, 0) - transfer.amount_nanos
        moved[transfer.credit] = moved.get(transfer.credit, 0) + transfer.amount_nanos
    for ledger_id, nanos in sorted(moved.items()):
        balance = ledger_accounts.c.balance_nanos + nanos
        connection.execute(
            update(ledger_accounts).where(ledger_accounts.c.id == ledger_id).values(balance_nanos=balance)
        )
    members = {_member_of(transfer) for transfer in new}
    upgraded = _upgrade(connection, {transfer.credit for transfer in new if transfer.kind == "topup"})
    for account_id in sorted(members):
        announce(connection, "balance", account_id, now_ms())
    for account_id in upgraded:
        announce(connection, "account", account_id, now_ms())


def _write(connection: Connection, transfer: Transfer) -> None:
    """The row itself, the other side where this is the first of its kind, and its line in the log."""
    other_id, other_kind = COUNTERPARTS[transfer.kind]
    insert_if_absent(connection, ledger_accounts, {"id": other_id, "kind": other_kind, "balance_nanos": 0})
    row = {name: getattr(transfer, name) for name in transfer.__struct_fields__}
    try:
        connection.execute(insert(transfers).values(row))
    except IntegrityError:  # another member's transfer took the key at the same moment
        raise TransferConflict from None
    note(
        connection,
        actor=transfer.actor,
        action=f"transfer.{transfer.kind}",
        subject=f"account:{_member_of(transfer)}",
        after=transfer,
        at_ms=transfer.created_ms,
    )


def _member_of(transfer: Transfer) -> str:
    return transfer.credit if transfer.debit == COUNTERPARTS[transfer.kind][0] else transfer.debit


def _upgrade(connection: Connection, account_ids: set[str]) -> list[str]:
    """Move those accounts to the operator's plan for who tops up; returns those that were on another."""
    plan = operator_field(connection, "topup_plan", "")
    if not plan or not account_ids:
        return []
    others = update(accounts).where(accounts.c.id.in_(account_ids), accounts.c.plan != plan)
    return sorted(connection.execute(others.values(plan=plan).returning(accounts.c.id)).scalars())
