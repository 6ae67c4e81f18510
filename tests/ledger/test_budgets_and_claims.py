import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import update

from posthouse.accounts.service import set_key_budget
from posthouse.kernel.outcome import Ending
from posthouse.ledger import claims, service
from posthouse.ledger.queries import get_balance, verify
from posthouse.ledger.service import Ledger
from posthouse.store.engine import Store
from posthouse.store.schema import idempotency
from posthouse.testing.check_store import PRICE, new_member, outcome_of


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
