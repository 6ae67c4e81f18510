"""Mails members whose balance falls below what they asked to be told at: once each time that it does."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select, update
from structlog import get_logger

from posthouse.kernel.clock import now_ms
from posthouse.kernel.money import format_nanos
from posthouse.kernel.secrets import SecretBox
from posthouse.ledger.queries import find_member
from posthouse.mail.letters import write
from posthouse.mail.outbox import post
from posthouse.observe.log import describe
from posthouse.payments.rules import check_amount
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, ledger_accounts
from posthouse.store.schema_people import profiles
from posthouse.store.upsert import insert_if_absent

LOOK_S = 60.0  # nobody reads a mail sooner
BATCH = 100  # mails written in one transaction, which others' writes wait for

log = get_logger()


class Site(NamedTuple):
    """What a mail says of the site. `url`: "" where it is not known."""

    name: str
    url: str
    currency: str


class BalanceWatch:
    """Looks once a minute, from one background thread; of several processes each mail is one's. `site` is
    asked each time."""

    def __init__(self, store: Store, box: SecretBox, site: Callable[[], Site]) -> None:
        self._store = store
        self._box = box
        self._site = site
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="balances", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                while mail_low_balances(self._store, self._box, self._site()) == BATCH:
                    pass
            except Exception as error:  # the store is down, or a fault of ours: the next look tells them
                log.error("balance_watch_fault", **describe(error))


def mail_low_balances(store: Store, box: SecretBox, site: Site) -> int:
    """Write the mails that are due, at most BATCH; how many. A balance that is above the threshold again is
    noted first, so that its next fall is told. Raises StoreDown, OSError, ValueError."""
    at_ms = now_ms()
    with store.begin() as connection:
        told = profiles.c.low_balance_mailed_ms
        risen = _low_balances(connection, told.is_not(None), ledger_accounts.c.balance_nanos >= _wanted)
        _set_mailed(connection, [row.account_id for row in risen], None)
        fallen = _low_balances(connection, told.is_(None), ledger_accounts.c.balance_nanos < _wanted)
        _set_mailed(connection, [row.account_id for row in fallen], at_ms)
        for row in fallen:
            letter = write(
                "low_balance",
                "zh" if row.language == "zh" else "en",
                row.email,
                site=site.name,
                balance=f"{format_nanos(row.balance_nanos)} {site.currency}",
                threshold=f"{format_nanos(row.low_balance_nanos)} {site.currency}",
                link=f"{site.url}/wallet" if site.url else "",
            )
            post(connection, box, letter, now_ms=at_ms)
    return len(fallen)


def set_threshold(store: Store, who: str, nanos: int | None, *, actor: str = "cli") -> None:
    """Say below which balance the account wants a mail; None: none. One whose balance is below it already is
    told at once. Raises UnknownMember, UnfitValue."""
    if nanos is not None:
        check_amount(nanos, "below")
    with store.begin() as connection:
        account_id, at_ms = find_member(connection, who).id, now_ms()
        insert_if_absent(connection, profiles, {"account_id": account_id, "created_ms": at_ms})
        own = profiles.c.account_id == account_id
        before = connection.execute(select(profiles.c.low_balance_nanos).where(own)).scalar()
        wanted = update(profiles).where(own)
        connection.execute(wanted.values(low_balance_nanos=nanos, low_balance_mailed_ms=None))
        note(
            connection,
            actor=actor,
            action="account.low_balance",
            subject=f"account:{account_id}",
            before={"low_balance_nanos": before},
            after={"low_balance_nanos": nanos},
            at_ms=at_ms,
        )


_wanted = profiles.c.low_balance_nanos


def _low_balances(connection: Connection, *conditions: ColumnElement[bool]) -> list[Any]:
    """Accounts that asked to be told and can be, with what a mail to them needs; locked."""
    query = (
        select(
            profiles.c.account_id,
            profiles.c.language,
            profiles.c.low_balance_nanos,
            accounts.c.email,
            ledger_accounts.c.balance_nanos,
        )
        .join(accounts, accounts.c.id == profiles.c.account_id)
        .join(ledger_accounts, ledger_accounts.c.id == profiles.c.account_id)
        .where(_wanted.is_not(None), profiles.c.email_verified_ms.is_not(None), *conditions)
        .order_by(profiles.c.account_id)
        .limit(BATCH)
        .with_for_update(of=profiles, skip_locked=True)
    )
    return list(connection.execute(query))


def _set_mailed(connection: Connection, account_ids: list[str], at_ms: int | None) -> None:
    if account_ids:
        these = update(profiles).where(profiles.c.account_id.in_(account_ids))
        connection.execute(these.values(low_balance_mailed_ms=at_ms))
