"""The ledger as a serving process uses it: wallets and holds in memory, settlements to disk.

Everything here is called on the event loop. What moves money between a member and the outside is
transfers.py, for any process.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from posthouse.kernel.clock import monotonic_s, now_ms
from posthouse.kernel.ids import new_id
from posthouse.kernel.outcome import Outcome
from posthouse.ledger import allowances, budgets, claims, owned, rollups
from posthouse.ledger.budgets import BudgetRow
from posthouse.ledger.claims import Claim
from posthouse.ledger.owned import Owned
from posthouse.ledger.rules import due
from posthouse.ledger.settlement import Snapshot
from posthouse.ledger.wallet import Hold, KeyBudget, Wallet
from posthouse.ledger.writer import Writer
from posthouse.store import changes
from posthouse.store.changes import ChangeKind, announce
from posthouse.store.engine import Store
from posthouse.store.errors import StoreDown

BEAT_S = 10.0  # how often a process says that it lives, and gives back what it has not used
READ_AGAIN_S = 0.2  # a top-up is announced within this, and a call may know of its plan before
IDLE_S = 30.0  # a wallet that nobody used for so long goes back to the store
BUDGETS_MAX = 10_000  # budgets in memory before those without open holds are forgotten
BATCH = 500  # wallets given back, or budgets read, in one transaction
RECALL_WAIT_S = 0.4  # a notice takes at most a poll of the feed to reach them; also the pause between recalls

T = TypeVar("T")


class Ledger:
    """One per process. `start` before use; hand `on_change` to the ChangeFeed."""

    def __init__(self, store: Store) -> None:
        self.process_id = new_id("prc")
        self._store = store
        self._writer = Writer(store, self.process_id)
        self._writer.on_lost = self._forget
        self._writer.running = lambda: self.running()
        self._writer.on_error = lambda error: self.on_error(error)
        self._wallets: dict[str, Wallet] = {}
        self._steps: dict[str, asyncio.Task[None]] = {}  # account -> the change of its allowance under way
        self._recalls: dict[str, asyncio.Task[None]] = {}
        self._recalled_s: dict[str, float] = {}
        self._budgets: dict[str, KeyBudget] = {}
        self._alone = store.is_sqlite
        self._beating: asyncio.Task[None] | None = None
        self.on_error: Callable[[Exception], None] = lambda error: None
        self.running: Callable[[], int] = lambda: 0  # calls under way, which may settle soon
        self.budget = self._budgets.get  # budget(key_id) -> KeyBudget | None, at the cost of one look-up

    async def start(self) -> None:
        """Take the store, end the allowances of processes that died, and begin to write. Raises StoreInUse,
        StoreDown."""
        self._store.lock_exclusively()
        self._writer.start()
        if self._store.is_sqlite:
            await self.run(allowances.end_all_processes)
        await self._beat()
        self._beating = asyncio.create_task(self._beat_on())

    async def stop(self) -> None:
        """Write all that is queued, give every allowance back, and end."""
        if self._beating is not None:
            self._beating.cancel()
            under_way = (*self._steps.values(), *self._recalls.values())
            await asyncio.gather(self._beating, *under_way, return_exceptions=True)
        ended = self.run(lambda connection: allowances.end_process(connection, self.process_id))
        await self._writer.stop()
        await asyncio.gather(ended, return_exceptions=True)  # if the store is away, expiry ends them

    def run(self, job: Callable[[Connection], T]) -> "asyncio.Future[T]":
        """Run a function in a write transaction, after all that is queued. It may be called twice when the
        store breaks off. The future has its result, or StoreDown."""
        return self._writer.run(job)

    # Wallets and budgets

    def wallet(self, account_id: str) -> Wallet | None:
        """The account's wallet, if this process has it. Hold from it without awaiting in between."""
        wallet = self._wallets.get(account_id)
        if wallet is not None:
            wallet.used_s = monotonic_s()
        return wallet

    async def load_wallet(self, account_id: str, needed_nanos: int = 0) -> Wallet:
        """The wallet that `wallet` did not have, or that had less than is needed: with all that this process
        can get, which may still be too little. Raises StoreDown."""
        wallet = self.wallet(account_id) or await self._take(account_id)
        if wallet.available_nanos < needed_nanos and not (
            self._alone and monotonic_s() - wallet.read_s < READ_AGAIN_S
        ):
            await self._raise(account_id, needed_nanos)
        return self.wallet(account_id) or await self._take(account_id)

    async def load_budget(self, key_id: str) -> KeyBudget:
        """The budget that `budget` did not have; only keys that have one need it. Raises StoreDown."""
        rows = await self.run(partial(budgets.key_budgets, key_ids=[key_id], at_ms=now_ms()))
        if len(self._budgets) >= BUDGETS_MAX:
            for idle in [key for key, budget in self._budgets.items() if not budget.held_nanos]:
                del self._budgets[idle]
        return self._in_force(rows[0]) if rows else KeyBudget(0, 0)

    async def budget_at(self, key_id: str, at_ms: int) -> KeyBudget:
        """The budget that a call which began then spends from. Raises StoreDown."""
        budget = self.budget(key_id)
        if budget is None or budget.until_ms <= at_ms:
            return await self.load_budget(key_id)
        return budget

    def _in_force(self, row: BudgetRow) -> KeyBudget:
        """The budget in memory; a new one where there is none yet, or only that of a period that is over."""
        budget = self._budgets.get(row.key_id)
        if budget is None or budget.until_ms <= row.since_ms:
            budget = KeyBudget(row.limit_nanos, row.spent_nanos, row.period, row.until_ms)
            self._budgets[row.key_id] = budget
        return budget

    @property
    def held_nanos(self) -> int:
        """What calls under way hold, of all accounts."""
        return sum(wallet.held_nanos for wallet in list(self._wallets.values()))

    # Ending a call

    def settle(
        self,
        hold: Hold | None,
        outcome: Outcome,
        *,
        snapshot: Snapshot | None = None,
        claim: Claim | None = None,
        made: Owned | None = None,
        report: Callable[[Outcome], object] | None = None,
    ) -> "asyncio.Future[Outcome]":
        """Resolve the hold with the outcome's charge, and queue its usage record with the object that the
        call made. The future has the outcome as it is on disk: the charge is lowered, and the rest its
        shortfall, where the balance does not cover it, and `report` is told of it, whoever waits. It raises
        StoreDown when nothing was written; then the caller must not get a complete answer, and `report` is
        told, of no charge, only where nobody waits. Without a hold only what costs nothing is settled."""
        due_nanos = outcome.charge_nanos
        if claim is not None:
            due_nanos = due(due_nanos, charged_nanos=claim.charged_nanos, completed=claim.completed)
        assert hold is not None or due_nanos == 0, "what costs something is held first"
        charge_nanos = 0 if hold is None else hold.spend(due_nanos)
        if charge_nanos != outcome.charge_nanos:
            shortfall = outcome.shortfall_nanos + due_nanos - charge_nanos
            outcome = msgspec.structs.replace(outcome, charge_nanos=charge_nanos, shortfall_nanos=shortfall)
        return self._writer.settle(outcome, snapshot, claim, hold, made, report)

    async def claim(self, account_id: str, key_hash: bytes, body_hash: bytes, request_id: str) -> Claim:
        """Use an Idempotency-Key for a call; end it with `settle(…, claim=…)` or `release`. Raises
        ClaimRunning, ClaimOfOtherBody, StoreDown."""
        wanted = Claim(account_id, key_hash, body_hash, request_id)
        return await self.run(lambda connection: claims.claim(connection, self.process_id, wanted, now_ms()))

    def release(self, claim: Claim) -> "asyncio.Future[None]":
        """End a claim whose call left no usage record. Nobody need wait for it."""
        return self.run(lambda connection: claims.release(connection, claim))

    # What changes beside the calls

    async def on_change(self, kind: ChangeKind, subject: str) -> None:
        """Take a notice from the change feed. Raises StoreDown."""
        if kind == "balance" and subject in self._wallets:
            await self._take(subject, again=True)
        elif kind == "key" and subject in self._budgets:
            await self._refresh_budgets([subject])
        elif kind == "recall":
            account_id, _, asker = subject.partition(" ")
            if asker != self.process_id and account_id in self._wallets:
                await self._step(account_id, self._lower(account_id))

    async def _take(self, account_id: str, needed_nanos: int = 0, *, again: bool = False) -> Wallet:
        """Make the wallet; if there is one already, only `again` asks the store for more."""
        while True:
            wallet = self._wallets.get(account_id)
            if wallet is not None and not again:
                return wallet
            again = False
            await self._step(account_id, self._take_step(account_id, needed_nanos))

    async def _take_step(self, account_id: str, needed_nanos: int) -> None:
        granted, spent = await self.run(
            lambda connection: allowances.take(
                connection,
                self.process_id,
                account_id,
                alone=self._alone,
                wanted_nanos=needed_nanos,
                now_ms=now_ms(),
            )
        )
        wallet = self._wallets.get(account_id)
        if wallet is None:
            self._wallets[account_id] = Wallet(account_id, granted, spent, monotonic_s())
        else:
            wallet.granted_nanos = granted
            wallet.read_s = monotonic_s()

    async def _lower(self, account_id: str) -> None:
        """Give back what no call holds; it is out of the wallet before it is back in the store."""
        wallet = self._wallets.get(account_id)
        if wallet is None:
            return
        wallet.granted_nanos -= wallet.available_nanos
        wallet.read_s = 0.0
        granted = wallet.granted_nanos
        job = partial(
            allowances.lower, process_id=self.process_id, account_id=account_id, granted_nanos=granted
        )
        await self.run(job)

    async def _step(self, account_id: str, step: Coroutine[Any, Any, None]) -> None:
        """Change an account's allowance, one change after the other, to the end even when the caller is
        cancelled: store and wallet must not part."""
        while (before := self._steps.get(account_id)) is not None:
            try:
                await asyncio.wait([before])
            except asyncio.CancelledError:
                step.close()
                raise
        task = self._steps[account_id] = asyncio.create_task(step)
        task.add_done_callback(lambda _: self._steps.pop(account_id))
        await asyncio.shield(task)

    async def _raise(self, account_id: str, needed_nanos: int) -> None:
        """Get what is free; where that is not enough, what other processes do not use. Calls of one account
        that come at the same time ask the others together."""
        wallet = await self._take(account_id, needed_nanos, again=True)
        if self._alone or wallet.available_nanos >= needed_nanos:
            return
        recall = self._recalls.get(account_id)
        if recall is None:
            if monotonic_s() - self._recalled_s.get(account_id, -RECALL_WAIT_S) < RECALL_WAIT_S:
                return
            recall = self._recalls[account_id] = asyncio.create_task(self._recall(account_id))
            recall.add_done_callback(lambda _: self._recalls.pop(account_id))
        await asyncio.shield(recall)
        await self._take(account_id, needed_nanos, again=True)

    async def _recall(self, account_id: str) -> None:
        """Ask the other processes for what they do not use, and give them time to answer."""
        subject = f"{account_id} {self.process_id}"
        await self.run(lambda connection: announce(connection, "recall", subject, now_ms()))
        await asyncio.sleep(RECALL_WAIT_S)
        self._recalled_s[account_id] = monotonic_s()

    def _forget(self, account_ids: Iterable[str]) -> None:
        """Close wallets that may differ from their allowances; the next call makes new ones from the
        store."""
        for account_id in account_ids:
            wallet = self._wallets.pop(account_id, None)
            if wallet is not None:
                wallet.closed = True

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._beat()
                await self._give_back_idle()
                await self._refresh_budgets(list(self._budgets))
            except StoreDown as error:  # calls are refused meanwhile; the next beat finds out what is left
                self.on_error(error)

    async def _beat(self) -> None:
        beat = await self.run(lambda connection: allowances.beat(connection, self.process_id, now_ms()))
        self._alone = beat.alone
        if beat.reborn:
            self._forget(list(self._wallets))
        await self.run(lambda connection: _prune(connection, now_ms()))

    async def _give_back_idle(self) -> None:
        before_s = monotonic_s() - IDLE_S
        self._recalled_s = {name: at_s for name, at_s in self._recalled_s.items() if at_s > before_s}
        idle = [account_id for account_id in self._wallets if self._is_idle(account_id, before_s)]
        for batch in _batches(idle):
            part = [account_id for account_id in batch if self._is_idle(account_id, before_s)]
            # Closed now and given back in the same breath: whoever needs one again queues behind this.
            self._forget(part)
            await self.run(partial(allowances.give_back, process_id=self.process_id, account_ids=part))

    def _is_idle(self, account_id: str, before_s: float) -> bool:
        wallet = self._wallets.get(account_id)
        if wallet is None or account_id in self._steps:
            return False
        return not wallet.unsettled and wallet.used_s < before_s

    async def _refresh_budgets(self, key_ids: list[str]) -> None:
        """Read limits, and what other processes have spent."""
        for part in _batches(key_ids):
            # What is settled by now is in the store when the job's turn comes.
            read = {key_id: self._budgets[key_id] for key_id in part if key_id in self._budgets}
            settled = {key_id: budget.settled_nanos for key_id, budget in read.items()}
            for row in await self.run(partial(budgets.key_budgets, key_ids=part, at_ms=now_ms())):
                if row.key_id not in self._budgets:
                    continue
                budget = self._in_force(row)
                if budget is read.get(row.key_id):
                    budget.limit_nanos = row.limit_nanos
                    budget.period, budget.until_ms = row.period, row.until_ms
                    budget.base_nanos = row.spent_nanos - settled[row.key_id]


def _batches(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]


def _prune(connection: Connection, at_ms: int) -> None:
    changes.prune(connection, at_ms)
    claims.prune(connection, at_ms)
    owned.prune(connection, at_ms)
    rollups.prune(connection)
