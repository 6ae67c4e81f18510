import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import delete, insert, update

from posthouse.accounts.queries import get_key
from posthouse.kernel.outcome import Ending
from posthouse.ledger import claims, service
from posthouse.ledger.budgets import key_budgets
from posthouse.ledger.queries import get_balance, verify
from posthouse.ledger.service import Ledger
from posthouse.store.engine import Store
from posthouse.store.schema import configuration, idempotency
from posthouse.testing.check_store import PRICE, Member, new_member, outcome_of, set_key_budget


def run(store: Store, story: Callable[[Ledger], Awaitable[None]]) -> None:
    async def main() -> None:
        ledger = Ledger(store)
        await ledger.start()
        await story(ledger)
        await ledger.stop()

    asyncio.run(main())
    assert verify(store) == []


def test_a_changed_budget_is_heard_of_and_what_is_under_way_still_counts(store: Store) -> None:
    member = new_member(store, 1_000, budget_nanos=100)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        budget = await ledger.load_budget(member.key_id)
        assert ledger.budget(member.key_id) is budget
        await ledger.settle(wallet.hold(60, budget), outcome_of(member, 60), snapshot=PRICE)
        hold = wallet.hold(30, budget)
        await asyncio.to_thread(set_key_budget, store, member.key_id, 200)
        refreshed = asyncio.create_task(ledger.on_change("key", member.key_id))
        await asyncio.sleep(0)
        settled = ledger.settle(hold, outcome_of(member, 30), snapshot=PRICE)
        await asyncio.gather(refreshed, settled)
        assert (budget.limit_nanos, budget.spent_nanos, budget.available_nanos) == (200, 90, 110)
        assert await ledger.load_budget(member.key_id) is budget

    run(store, story)


def test_idle_budgets_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BUDGETS_MAX", 2)
    members = [new_member(store, 1_000, budget_nanos=100) for _ in range(3)]

    async def story(ledger: Ledger) -> None:
        first = await ledger.load_budget(members[0].key_id)
        hold = (await ledger.load_wallet(members[0].account_id)).hold(1, first)
        for member in members[1:]:
            await ledger.load_budget(member.key_id)
        known = [ledger.budget(member.key_id) is not None for member in members]
        assert known == [True, False, True]
        assert hold is not None
        hold.void()

    run(store, story)


def test_an_unknown_key_may_spend_nothing(store: Store) -> None:
    async def story(ledger: Ledger) -> None:
        assert (await ledger.load_budget("key_x")).available_nanos == 0

    run(store, story)


def test_a_claim_of_a_dead_process_is_taken_over(store: Store) -> None:
    member = new_member(store, 1_000)

    async def first(ledger: Ledger) -> None:
        await ledger.claim(member.account_id, b"k", b"body", "r1")

    async def second(ledger: Ledger) -> None:
        claim = await ledger.claim(member.account_id, b"k", b"body", "r2")
        assert (claim.charged_nanos, claim.completed) == (0, 0)

    run(store, first)
    run(store, second)


def test_a_call_that_failed_outright_leaves_the_key_unused(store: Store) -> None:
    member = new_member(store, 1_000)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        claim = await ledger.claim(member.account_id, b"k", b"body", "r1")
        await ledger.settle(wallet.hold(10), outcome_of(member, 0, ending=Ending.FAILED), claim=claim)
        await ledger.claim(member.account_id, b"k", b"another body", "r2")

    run(store, story)


def test_a_release_keeps_what_an_earlier_call_was_charged(store: Store) -> None:
    member = new_member(store, 1_000)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        claim = await ledger.claim(member.account_id, b"k", b"body", "r1")
        broken = outcome_of(member, 40, ending=Ending.BROKEN)
        await ledger.settle(wallet.hold(50), broken, snapshot=PRICE, claim=claim)
        await ledger.release(await ledger.claim(member.account_id, b"k", b"body", "r2"))
        claim = await ledger.claim(member.account_id, b"k", b"body", "r3")
        assert claim.charged_nanos == 40

    run(store, story)
    assert get_balance(store, member.account_id).balance_nanos == 960


def test_a_claim_lasts_24_hours(store: Store) -> None:
    member = new_member(store, 1_000)

    async def story(ledger: Ledger) -> None:
        await ledger.claim(member.account_id, b"k", b"body", "r1")
        await ledger.run(lambda connection: age(connection.execute))
        await ledger.claim(member.account_id, b"k", b"another body", "r2")

    def age(execute: Callable[..., object]) -> None:
        execute(update(idempotency).values(created_ms=idempotency.c.created_ms - claims.KEPT_MS - 1))

    run(store, story)


HOUR_MS = 3_600_000
MIDNIGHT_MS = 1_795_305_600_000  # 2026-11-22 in UTC


class Clock:
    """What the ledger takes for the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now_ms: int) -> None:
        self.now_ms = now_ms
        monkeypatch.setattr(service, "now_ms", lambda: self.now_ms)


async def spend(ledger: Ledger, member: Member, nanos: int, started_ms: int) -> bool:
    """A call that began then, on the budget that it finds; whether the budget covered it."""
    budget = await ledger.budget_at(member.key_id, started_ms)
    hold = (await ledger.load_wallet(member.account_id)).hold(nanos, budget)
    if hold is None:
        return False
    await ledger.settle(hold, outcome_of(member, nanos, started_ms=started_ms), snapshot=PRICE)
    return True


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "in company"])  # other statements write them
def test_a_days_budget_begins_anew_with_the_day(
    store: Store, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    member = new_member(store, 1_000)
    company = [new_member(store, 1_000) for _ in range(others)]
    set_key_budget(store, member.key_id, 100, "day")
    clock = Clock(monkeypatch, MIDNIGHT_MS - HOUR_MS)

    async def story(ledger: Ledger) -> None:
        evening = clock.now_ms
        assert await spend(ledger, member, 90, evening)
        assert not await spend(ledger, member, 20, evening)
        late = (await ledger.load_wallet(member.account_id)).hold(
            10, await ledger.budget_at(member.key_id, evening)
        )
        clock.now_ms = MIDNIGHT_MS + HOUR_MS
        assert await spend(ledger, member, 100, clock.now_ms)
        assert not await spend(ledger, member, 1, clock.now_ms)
        # It began yesterday, and ends today: today's budget does not know it.
        ended = [(member, late)]
        ended += [(one, (await ledger.load_wallet(one.account_id)).hold(10)) for one in company]
        await asyncio.gather(
            *(
                ledger.settle(hold, outcome_of(one, 10, started_ms=evening), snapshot=PRICE)
                for one, hold in ended
            )
        )
        await ledger.on_change("key", member.key_id)
        budget = await ledger.load_budget(member.key_id)
        assert (budget.spent_nanos, budget.until_ms) == (100, MIDNIGHT_MS + 24 * HOUR_MS)
        assert get_key(store, member.key_id).spent_nanos == 200
        assert all(get_key(store, one.key_id).spent_nanos == 10 for one in company)

    run(store, story)


def test_a_budget_that_nobody_used_begins_anew_by_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads budgets again from time to time meets midnight as well."""
    member = new_member(store, 1_000)
    set_key_budget(store, member.key_id, 100, "day")
    clock = Clock(monkeypatch, MIDNIGHT_MS - HOUR_MS)

    async def story(ledger: Ledger) -> None:
        assert await spend(ledger, member, 90, clock.now_ms)
        yesterday = ledger.budget(member.key_id)
        clock.now_ms = MIDNIGHT_MS
        await ledger.on_change("key", member.key_id)
        today = ledger.budget(member.key_id)
        assert today is not None
        assert today is not yesterday
        assert today.available_nanos == 100

    run(store, story)


def test_two_processes_whose_clocks_differ(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that one has begun stays, though it is yesterday for the other."""
    member = new_member(store, 1_000)
    set_key_budget(store, member.key_id, 100, "day")
    clock = Clock(monkeypatch, MIDNIGHT_MS)

    async def story(ledger: Ledger) -> None:
        assert await spend(ledger, member, 90, clock.now_ms)
        behind = await ledger.run(
            lambda connection: key_budgets(connection, [member.key_id], MIDNIGHT_MS - 1)
        )
        ahead = await ledger.run(lambda connection: key_budgets(connection, [member.key_id], MIDNIGHT_MS))
        assert behind == ahead
        assert (behind[0].spent_nanos, behind[0].since_ms) == (90, MIDNIGHT_MS)

    run(store, story)


def test_another_time_zone_counts_its_own_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    member = new_member(store, 1_000)
    set_key_budget(store, member.key_id, 100, "day")
    clock = Clock(monkeypatch, MIDNIGHT_MS + HOUR_MS)

    def move(zone: str) -> None:
        definition = f'{{"timezone": "{zone}"}}'
        row = {"kind": "operator", "name": "operator", "definition": definition, "updated_ms": 1}
        with store.begin() as connection:
            connection.execute(delete(configuration))
            connection.execute(insert(configuration).values(row))

    async def story(ledger: Ledger) -> None:
        assert await spend(ledger, member, 4, MIDNIGHT_MS - 2 * HOUR_MS)
        assert await spend(ledger, member, 90, clock.now_ms)
        for zone, spent in (("Asia/Shanghai", 94), ("UTC", 90), ("Asia/Kathmandu", 94)):
            await asyncio.to_thread(move, zone)
            await ledger.on_change("key", member.key_id)
            budget = ledger.budget(member.key_id)
            assert budget is not None
            assert budget.spent_nanos == spent

    run(store, story)
