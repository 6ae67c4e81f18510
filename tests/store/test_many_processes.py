"""Several relay processes on one PostgreSQL share a balance: none strands it, none overdraws it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from posthouse.ledger import service
from posthouse.ledger.queries import get_balance, verify
from posthouse.ledger.service import Ledger
from posthouse.store.changes import ChangeFeed
from posthouse.store.engine import Store, open_store
from posthouse.store.schema import processes
from posthouse.testing.check_store import PRICE, Member, new_member, outcome_of
from posthouse.testing.waiting import until


@pytest.fixture(scope="module")
def postgresql(postgresql_url: str) -> Iterator[Store]:
    opened = open_store(postgresql_url)
    yield opened
    opened.close()


def with_ledgers(
    store: Store, count: int, story: Callable[[list[Ledger]], Coroutine[Any, Any, None]]
) -> None:
    async def run() -> None:
        ledgers = [Ledger(store) for _ in range(count)]
        feeds = [ChangeFeed(store, poll_s=0.02) for _ in ledgers]
        for ledger, feed in zip(ledgers, feeds, strict=True):
            feed.listen(ledger.on_change)
            await feed.start()
            await ledger.start()
        for ledger in ledgers:
            await ledger._beat()  # so that each knows of the others
        await story(ledgers)
        for ledger, feed in zip(ledgers, feeds, strict=True):
            await feed.stop()
            await ledger.stop()

    asyncio.run(run())
    assert verify(store) == []


async def call(ledger: Ledger, member: Member, nanos: int) -> bool:
    """One call; False when it was refused."""
    wallet = await ledger.load_wallet(member.account_id, nanos)
    hold = wallet.hold(nanos)
    if hold is None:
        return False
    await asyncio.sleep(0)
    await ledger.settle(hold, outcome_of(member, nanos), snapshot=PRICE)
    return True


def test_each_takes_a_part(postgresql: Store) -> None:
    member = new_member(postgresql, 1_000)

    async def story(ledgers: list[Ledger]) -> None:
        wallets = [await ledger.load_wallet(member.account_id) for ledger in ledgers]
        assert [wallet.available_nanos for wallet in wallets] == [500, 250, 125]

    with_ledgers(postgresql, 3, story)
    assert get_balance(postgresql, member.account_id).free_nanos == 1_000


def test_what_others_do_not_use_is_recalled(postgresql: Store) -> None:
    member = new_member(postgresql, 1_000)

    async def story(ledgers: list[Ledger]) -> None:
        first, second = ledgers
        hold = (await first.load_wallet(member.account_id, 1_000)).hold(100)
        assert hold is not None
        assert await call(second, member, 900)
        assert not await call(second, member, 1)
        hold.void()
        assert await call(first, member, 100)

    with_ledgers(postgresql, 2, story)
    assert get_balance(postgresql, member.account_id).balance_nanos == 0


def test_200_calls_over_two_processes_on_a_balance_for_20(postgresql: Store) -> None:
    member = new_member(postgresql, 20 * 50)

    async def story(ledgers: list[Ledger]) -> None:
        served = await asyncio.gather(*(call(ledgers[number % 2], member, 50) for number in range(200)))
        assert sum(served) <= 20
        while sum(served) < 20:  # nothing is stranded in the other
            await asyncio.sleep(service.RECALL_WAIT_S)
            served.append(await call(ledgers[0], member, 50))
        assert sum(served) == 20

    with_ledgers(postgresql, 2, story)
    assert get_balance(postgresql, member.account_id).balance_nanos == 0


def test_a_dead_processs_part_comes_back(postgresql: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BEAT_S", 0.05)
    member = new_member(postgresql, 1_000)

    async def story(ledgers: list[Ledger]) -> None:
        await ledgers[0].load_wallet(member.account_id)
        assert ledgers[0]._beating is not None
        ledgers[0]._beating.cancel()
        await ledgers[0].run(lambda connection: None)  # a last beat may have been queued

        def expire(connection: Any) -> None:
            connection.execute(
                update(processes).where(processes.c.id == ledgers[0].process_id).values(expires_ms=1)
            )

        await ledgers[1].run(expire)
        await until(lambda: get_balance(postgresql, member.account_id).free_nanos == 1_000)
        assert (await ledgers[1].load_wallet(member.account_id, 1_000)).available_nanos == 1_000
        assert (await ledgers[0].load_wallet(member.account_id)).closed is False

    with_ledgers(postgresql, 2, story)
