"""The store fails at each statement; callers leave at each await. Nothing is charged that was not written,
and nothing is written twice."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from posthouse.kernel.outcome import Outcome
from posthouse.ledger import service, writer
from posthouse.ledger.queries import get_balance, verify
from posthouse.ledger.service import Ledger
from posthouse.ledger.usage import UsageFilter, list_usage
from posthouse.store.engine import Store, open_store
from posthouse.store.errors import StoreDown, StoreInUse
from posthouse.testing.check_store import PRICE, new_member, outcome_of
from posthouse.testing.stores import store_in
from posthouse.testing.waiting import until

TABLES = {"usage_records": "INSERT", "ledger_accounts": "UPDATE", "allowances": "UPDATE", "keys": "UPDATE"}
ABORT = "BEGIN SELECT RAISE(ABORT, 'broken for a test'); END"


def run(store: Store, story: Callable[[Ledger], Awaitable[None]]) -> list[Exception]:
    """Run a story with a started ledger; returns what it reported."""
    errors: list[Exception] = []

    async def main() -> None:
        ledger = Ledger(store)
        ledger.on_error = errors.append
        await ledger.start()
        await story(ledger)
        await ledger.stop()

    asyncio.run(main())
    assert verify(store) == []
    return errors


def execute(store: Store, sql: str) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql(sql)


@pytest.mark.parametrize("table", TABLES)
def test_the_store_fails_at_a_statement(store: Store, table: str) -> None:
    member = new_member(store, 1_000, budget_nanos=500)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        budget = await ledger.load_budget(member.key_id)
        await asyncio.to_thread(
            execute, store, f"CREATE TRIGGER broken BEFORE {TABLES[table]} ON {table} {ABORT}"
        )
        holds = [wallet.hold(100, budget) for _ in range(3)]
        results = [ledger.settle(hold, outcome_of(member, 100), snapshot=PRICE) for hold in holds]
        for result in await asyncio.gather(*results, return_exceptions=True):
            assert isinstance(result, StoreDown)
        await asyncio.to_thread(execute, store, "DROP TRIGGER broken")
        wallet = await ledger.load_wallet(member.account_id)
        assert (wallet.available_nanos, budget.available_nanos) == (1_000, 500)
        await ledger.settle(wallet.hold(100, budget), outcome_of(member, 100), snapshot=PRICE)
        assert budget.available_nanos == 400

    assert len(run(store, story)) == 3
    assert get_balance(store, member.account_id).balance_nanos == 900


def test_what_could_not_be_written_is_told_of_once_also_when_nobody_waits(store: Store) -> None:
    member = new_member(store, 1_000)
    reported: list[Outcome] = []

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        trigger = f"CREATE TRIGGER broken BEFORE INSERT ON usage_records {ABORT}"
        await asyncio.to_thread(execute, store, trigger)
        waited, left = (
            ledger.settle(wallet.hold(100), outcome_of(member, 100), snapshot=PRICE, report=reported.append)
            for _ in range(2)
        )
        left.cancel()
        with pytest.raises(StoreDown):
            await waited

    assert len(run(store, story)) == 2
    assert [outcome.charge_nanos for outcome in reported] == [0]


def test_one_bad_row_does_not_fail_its_group(store: Store) -> None:
    member = new_member(store, 1_000)
    bad = outcome_of(member, 100, model="bad")
    trigger = f"CREATE TRIGGER broken BEFORE INSERT ON usage_records WHEN NEW.model = 'bad' {ABORT}"

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        await asyncio.to_thread(execute, store, trigger)
        outcomes = [outcome_of(member, 100), bad, outcome_of(member, 100)]
        settled = [ledger.settle(wallet.hold(100), outcome, snapshot=PRICE) for outcome in outcomes]
        results = await asyncio.gather(*settled, return_exceptions=True)
        assert [type(result) for result in results] == [type(bad), StoreDown, type(bad)]

    run(store, story)
    assert len(list_usage(store, UsageFilter()).records) == 2


def test_a_busy_store_is_waited_for(store: Store) -> None:
    member = new_member(store, 1_000)
    locked, release = threading.Event(), threading.Event()

    def hold_the_lock() -> None:
        other = sqlite3.connect(str(store.engine.url.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        locked.set()
        release.wait()
        other.execute("COMMIT")
        other.close()

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        thread = threading.Thread(target=hold_the_lock)
        thread.start()
        await asyncio.to_thread(locked.wait)
        settled = ledger.settle(wallet.hold(100), outcome_of(member, 100), snapshot=PRICE)
        await asyncio.sleep(0.05)  # time enough for what must not happen
        assert not settled.done()
        release.set()
        await settled
        await asyncio.to_thread(thread.join)

    assert run(store, story) == []


def test_patience_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away for long fails the call; when it is back, what was held is there again."""
    monkeypatch.setattr(writer, "PATIENCE_S", 0.1)
    member = new_member(store, 1_000)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        await asyncio.to_thread(execute, store, "ALTER TABLE usage_records RENAME TO away")
        with pytest.raises(StoreDown):
            await ledger.settle(wallet.hold(100), outcome_of(member, 100), snapshot=PRICE)
        await asyncio.to_thread(execute, store, "ALTER TABLE away RENAME TO usage_records")
        assert (await ledger.load_wallet(member.account_id)).available_nanos == 1_000

    assert len(run(store, story)) == 1


def test_a_caller_who_leaves_is_charged_all_the_same(store: Store) -> None:
    member = new_member(store, 1_000)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)

        async def call() -> None:
            await ledger.settle(wallet.hold(100), outcome_of(member, 100), snapshot=PRICE)

        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ledger.run(lambda connection: None)  # after all that was queued

    run(store, story)
    assert get_balance(store, member.account_id).balance_nanos == 900


@pytest.mark.parametrize("steps", range(6))
def test_leaving_while_the_wallet_is_loaded(store: Store, steps: int) -> None:
    member = new_member(store, 1_000)

    async def story(ledger: Ledger) -> None:
        tasks = [asyncio.create_task(ledger.load_wallet(member.account_id)) for _ in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (await ledger.load_wallet(member.account_id)).available_nanos == 1_000

    run(store, story)


def test_an_idle_wallet_goes_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BEAT_S", 0.02)
    monkeypatch.setattr(service, "IDLE_S", 0.0)
    member = new_member(store, 1_000)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        hold = wallet.hold(10)
        assert hold is not None
        await asyncio.sleep(0.1)  # five beats, which must not give it back
        assert not wallet.closed
        hold.void()
        await until(lambda: wallet.closed)
        await ledger.run(lambda connection: None)
        assert get_balance(store, member.account_id).free_nanos == 1_000

    assert run(store, story) == []


def test_a_dead_process_loses_its_allowances_to_the_next(store: Store) -> None:
    member = new_member(store, 1_000)

    async def story(ledger: Ledger) -> None:
        assert (await ledger.load_wallet(member.account_id)).available_nanos == 1_000

    execute(store, "INSERT INTO processes VALUES ('prc_dead', 9999999999999)")
    execute(store, f"INSERT INTO allowances VALUES ('{member.account_id}', 'prc_dead', 900, 0)")
    run(store, story)


def test_one_server_per_sqlite_file(store: Store) -> None:
    store.lock_exclusively()
    store.lock_exclusively()
    second = open_store(str(store.engine.url))
    with pytest.raises(StoreInUse):
        second.lock_exclusively()
    store.close()
    second.lock_exclusively()
    second.close()


def test_stop_writes_what_is_queued(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    member = new_member(store, 10_000)

    async def story() -> None:
        ledger = Ledger(store)
        await ledger.start()
        wallet = await ledger.load_wallet(member.account_id)
        for _ in range(100):
            ledger.settle(wallet.hold(100), outcome_of(member, 100), snapshot=PRICE)
        await ledger.stop()

    asyncio.run(story())
    assert get_balance(store, member.account_id).balance_nanos == 0
    store.close()


def test_who_took_long_waits_for_company_and_keeps_nobody_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GATHER_S_MAX", 3600.0)
    member = new_member(store, 1_000)
    hours_ms = 100 * 3_600_000

    async def story(ledger: Ledger) -> None:
        ledger.running = lambda: 100
        wallet = await ledger.load_wallet(member.account_id)
        long = ledger.settle(wallet.hold(100), outcome_of(member, 100, duration_ms=hours_ms), snapshot=PRICE)
        short = ledger.settle(wallet.hold(100), outcome_of(member, 100, duration_ms=5), snapshot=PRICE)
        await asyncio.wait_for(asyncio.gather(long, short), 60)
        long = ledger.settle(wallet.hold(100), outcome_of(member, 100, duration_ms=hours_ms), snapshot=PRICE)
        await asyncio.wait_for(ledger.run(lambda connection: None), 60)
        assert long.done()

    assert run(store, story) == []
