"""Allowances in the store. Each function is a step of the caller's transaction.

The rule that all of them keep, for every account and across any number of processes:

    sum of (granted - spent) over its allowances  <=  its balance

A process is alive while its row in `processes` is; its allowances end with that row.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from posthouse.ledger.rules import share_of
from posthouse.store.schema import allowances, ledger_accounts, processes
from posthouse.store.upsert import insert_if_absent

LIFETIME_MS = 60_000  # a process that has not been heard of for so long is dead; it beats every 10 s


class Allowance(NamedTuple):
    """A process's part of an account's balance."""

    granted_nanos: int
    spent_nanos: int


class Beat(NamedTuple):
    """Whether this is the only living process, and whether it was thought dead: its allowances have ended."""

    alone: bool
    reborn: bool


def lock_balance(connection: Connection, account_id: str) -> int | None:
    """The account's balance, which no other transaction changes until this one ends. None: no such
    account."""
    query = select(ledger_accounts.c.balance_nanos).where(ledger_accounts.c.id == account_id)
    return connection.execute(query.with_for_update()).scalar()


def lock_balances(connection: Connection, account_ids: Iterable[str]) -> dict[str, int]:
    """The balances of those accounts that there are, locked in the order of their ids: in one order
    everywhere, so that no two transactions can wait for each other."""
    query = select(ledger_accounts.c.id, ledger_accounts.c.balance_nanos)
    query = query.where(ledger_accounts.c.id.in_(set(account_ids))).order_by(ledger_accounts.c.id)
    return {row.id: row.balance_nanos for row in connection.execute(query.with_for_update())}


def free_nanos(connection: Connection, account_id: str) -> int:
    """What of the balance no process holds; locks the balance. 0 where there is no such account."""
    balance = lock_balance(connection, account_id) or 0
    granted = select(func.sum(allowances.c.granted_nanos - allowances.c.spent_nanos))
    return balance - int(
        connection.execute(granted.where(allowances.c.account_id == account_id)).scalar() or 0
    )


def take(
    connection: Connection,
    process_id: str,
    account_id: str,
    *,
    alone: bool,
    wanted_nanos: int = 0,
    now_ms: int,
) -> Allowance:
    """Raise this process's allowance by its share of what is free, which may be nothing."""
    row = {"account_id": account_id, "process_id": process_id}
    share = share_of(max(0, free_nanos(connection, account_id)), alone=alone, wanted_nanos=wanted_nanos)
    insert_if_absent(connection, processes, {"id": process_id, "expires_ms": now_ms + LIFETIME_MS})
    insert_if_absent(connection, allowances, {**row, "granted_nanos": 0, "spent_nanos": 0})
    granted = allowances.c.granted_nanos + share
    connection.execute(update(allowances).filter_by(**row).values(granted_nanos=granted))
    return own_allowance(connection, process_id, account_id) or Allowance(0, 0)


def own_allowance(connection: Connection, process_id: str, account_id: str) -> Allowance | None:
    """This process's allowance, None when it has none (any more)."""
    query = select(allowances.c.granted_nanos, allowances.c.spent_nanos)
    row = connection.execute(query.filter_by(account_id=account_id, process_id=process_id)).first()
    return None if row is None else Allowance(*row)


def lower(connection: Connection, process_id: str, account_id: str, granted_nanos: int) -> None:
    """Lower this process's allowance to that, but never below what it has spent."""
    spent = allowances.c.spent_nanos
    connection.execute(
        update(allowances)
        .filter_by(account_id=account_id, process_id=process_id)
        .where(allowances.c.granted_nanos > granted_nanos, spent <= granted_nanos)
        .values(granted_nanos=granted_nanos)
    )


def give_back(connection: Connection, process_id: str, account_ids: list[str]) -> None:
    """End this process's allowances of these accounts."""
    connection.execute(
        delete(allowances).where(
            allowances.c.process_id == process_id, allowances.c.account_id.in_(account_ids)
        )
    )


def beat(connection: Connection, process_id: str, now_ms: int) -> Beat:
    """Say that this process lives, and end those that have not said so for long."""
    reborn = insert_if_absent(connection, processes, {"id": process_id, "expires_ms": 0})
    own = processes.c.id == process_id
    connection.execute(update(processes).where(own).values(expires_ms=now_ms + LIFETIME_MS))
    connection.execute(delete(processes).where(~own, processes.c.expires_ms < now_ms))
    count = connection.execute(select(func.count()).select_from(processes)).scalar_one()
    return Beat(alone=count == 1, reborn=reborn)


def end_process(connection: Connection, process_id: str) -> None:
    """End a process, its allowances with it."""
    connection.execute(delete(processes).where(processes.c.id == process_id))


def end_all_processes(connection: Connection) -> None:
    """For the one who holds the store's exclusive lock: whoever had an allowance is dead."""
    connection.execute(delete(processes))
