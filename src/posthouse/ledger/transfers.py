"""Moves money between members and the outside. Each function is one transaction, callable from any process: a
running server hears of it within a second."""

import time

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from posthouse.kernel.clock import monotonic_s, now_ms
from posthouse.kernel.ids import new_id
from posthouse.ledger.allowances import free_nanos, lock_balance
from posthouse.ledger.errors import InsufficientFunds, InvalidTransfer, TransferConflict
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
from posthouse.store.changes import announce
from posthouse.store.configuration import operator_field
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, ledger_accounts, transfers
from posthouse.store.upsert import insert_if_absent

RECALL_S = 5.0  # how long a debit waits for running servers to give back what they do not use
_RECALL_POLL_S = 0.2


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
    UnknownMember, InvalidTransfer, TransferConflict."""
    with store.begin() as connection:
        account_id, plan = find_member(connection, who)
        wanted = _transfer(_counterpart(kind), account_id, amount_nanos, kind, reason, idempotency_key, actor)
        balance = lock_balance(connection, account_id) or 0  # first, so that two of one key come in turn
        earlier = _earlier(connection, wanted)
        if earlier is not None:
            return earlier
        if balance + amount_nanos > BALANCE_NANOS_MAX:
            raise InvalidTransfer("a balance is at most 4.6 billion")
        _post(connection, wanted)
        topup_plan = operator_field(connection, "topup_plan", "") if kind == "topup" else ""
        if topup_plan not in ("", plan):
            connection.execute(update(accounts).where(accounts.c.id == account_id).values(plan=topup_plan))
            announce(connection, "account", account_id, wanted.created_ms)
    return wanted


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
    up to 5 s for servers to give back the rest. Raises UnknownMember, InvalidTransfer, TransferConflict,
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
                _post(connection, wanted)
                return wanted
            if balance >= amount_nanos:
                announce(connection, "recall", account_id, now_ms())
        if balance < amount_nanos or monotonic_s() >= give_up_s:
            raise InsufficientFunds("the balance, less what running calls hold, does not cover this")
        time.sleep(_RECALL_POLL_S)


def _counterpart(kind: TransferKind) -> str:
    if kind not in COUNTERPARTS:
        raise InvalidTransfer(f"{kind!r} is no kind of transfer: {', '.join(COUNTERPARTS)}")
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
        idempotency_key=key or new_id("idk"),
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
        raise TransferConflict("this idempotency key was used for another transfer")
    return earlier


def _post(connection: Connection, transfer: Transfer) -> None:
    """Write the transfer and move both balances. Locks come in the order of the ids, as everywhere."""
    other_id, other_kind = COUNTERPARTS[transfer.kind]
    member_id = transfer.credit if transfer.debit == other_id else transfer.debit
    insert_if_absent(connection, ledger_accounts, {"id": other_id, "kind": other_kind, "balance_nanos": 0})
    row = {name: getattr(transfer, name) for name in transfer.__struct_fields__}
    try:
        connection.execute(insert(transfers).values(row))
    except IntegrityError:  # another member's transfer took the key at the same moment
        raise TransferConflict("this idempotency key was used for another transfer") from None
    for ledger_id, nanos in sorted(
        ((transfer.debit, -transfer.amount_nanos), (transfer.credit, transfer.amount_nanos))
    ):
        balance = ledger_accounts.c.balance_nanos + nanos
        connection.execute(
            update(ledger_accounts).where(ledger_accounts.c.id == ledger_id).values(balance_nanos=balance)
        )
    announce(connection, "balance", member_id, transfer.created_ms)
