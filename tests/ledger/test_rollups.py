"""The sums are those of the records, whatever is rolled up when, and whatever comes late."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from posthouse.kernel.clock import now_ms
from posthouse.kernel.ids import new_request_id
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.ledger import rollups, sums
from posthouse.ledger.errors import TooManyCalls
from posthouse.ledger.queries import verify
from posthouse.ledger.rollups import Roller
from posthouse.ledger.service import Ledger
from posthouse.ledger.sums import Scope, Sums, series, totals
from posthouse.store.engine import Store, open_store
from posthouse.store.errors import StoreDown
from posthouse.store.schema_rollups import address_days
from posthouse.testing.check_store import PRICE, Member, new_member, outcome_of
from posthouse.testing.rolled import roll_all

HOUR_MS = 3_600_000


def request_id(at_ms: int, number: int = 0) -> str:
    return f"req_{at_ms:012x}{'a' * 10}{number:06x}"


def settle(store: Store, *outcomes: Outcome) -> None:
    async def story() -> None:
        ledger = Ledger(store)
        await ledger.start()
        settled = []
        for outcome in outcomes:
            wallet = await ledger.load_wallet(outcome.account_id)
            settled.append(ledger.settle(wallet.hold(outcome.charge_nanos), outcome, snapshot=PRICE))
        await asyncio.gather(*settled)
        await ledger.stop()

    asyncio.run(story())


def expected(outcomes: list[Outcome]) -> Sums:
    """What Python makes of the outcomes themselves."""
    broken = (Ending.BROKEN, Ending.FAILED)
    return Sums(
        requests=len(outcomes),
        errors=sum(one.ending in broken or one.http_status >= 400 for one in outcomes),
        prompt_tokens=sum(one.prompt_tokens for one in outcomes),
        completion_tokens=sum(one.completion_tokens for one in outcomes),
        cached_tokens=sum(one.quantities.get("cached_input", 0) for one in outcomes),
        reasoning_tokens=sum(one.quantities.get("reasoning_output", 0) for one in outcomes),
        charge_nanos=sum(one.charge_nanos for one in outcomes),
        cost_nanos=sum(one.cost_nanos for one in outcomes),
        duration_ms=sum(one.duration_ms for one in outcomes),
    )


CALLS = st.fixed_dictionaries(
    {
        "at_ms": st.integers(0, 40 * HOUR_MS),
        "who": st.integers(0, 1),
        "model": st.sampled_from(["gpt-4o", "gpt-4o-mini"]),
        "ending": st.sampled_from([Ending.COMPLETED, Ending.BROKEN, Ending.CANCELLED]),
        "http_status": st.sampled_from([200, 429, 500]),
        "channel": st.sampled_from(["", "main", "spare"]),
        "charge_nanos": st.integers(0, 50),
        "cached": st.integers(0, 2**40),
        "ttft_ms": st.sampled_from([0, 1, 100, 101, 29_999, 90_000]),
    }
)
STEPS = st.lists(st.one_of(st.lists(CALLS, min_size=1, max_size=6), st.integers(0, 40 * HOUR_MS)), max_size=6)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Member]]:
    """A store with two members, closed: each example begins with a copy of it."""
    path = tmp_path_factory.mktemp("rollups") / "posthouse.db"
    store = open_store(f"sqlite:///{path}")
    members = [new_member(store, 1_000_000) for _ in range(2)]
    store.close()
    return path, members


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_any_order_of_settling_and_rolling_up(template: tuple[Path, list[Member]], steps: list[Any]) -> None:
    """A step is a group of calls to settle, or how far is rolled up: calls of before come late."""
    known: list[Outcome] = []
    path, members = template
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollups, "SLICE", 3)
        store = open_store(f"sqlite:///{copy(path, folder)}")
        for step in steps:
            if isinstance(step, int):
                roll_all(store, request_id(step))
                continue
            group = [call_of(members, len(known) + number, **call) for number, call in enumerate(step)]
            settle(store, *group)
            known += group
        assert verify(store) == []
        mine = {"account_id": members[0].account_id}
        narrow = ({"channel": "main"}, {"http_status": 429}, {"ending": Ending.BROKEN, **mine})
        for scope in ({}, mine, {"model": "gpt-4o"}, *narrow):
            of_scope = [one for one in known if all(getattr(one, name) == scope[name] for name in scope)]
            assert totals(store, Scope(**scope), since_ms=0, until_ms=50 * HOUR_MS) == expected(of_scope)
            drawn = series(
                store, Scope(**scope), since_ms=0, until_ms=48 * HOUR_MS, step="hour", zone=UTC, by="key"
            )
            assert drawn.total == expected(of_scope)
            for group in drawn.groups:
                for start_ms, point in zip(drawn.starts_ms, group.points, strict=True):
                    assert point == expected(
                        [
                            one
                            for one in of_scope
                            if one.key_id == group.name and one.started_ms // HOUR_MS == start_ms // HOUR_MS
                        ]
                    )
        store.close()


def call_of(
    members: list[Member], number: int, *, at_ms: int, who: int, cached: int, **fields: Any
) -> Outcome:
    quantities = {"query": fields["charge_nanos"], "cached_input": cached, "reasoning_output": 3}
    return outcome_of(
        members[who],
        request_id=request_id(at_ms, number),
        started_ms=at_ms,
        quantities=quantities,
        **fields,
    )


def test_a_running_server_rolls_up_what_has_aged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that ends after its time was rolled up is counted by its settlement, in a group with others."""
    member = new_member(store, 1_000)
    monkeypatch.setattr(rollups, "AGED_S", 0.0)
    monkeypatch.setattr(rollups, "READ_S", 0.0)
    calls = [outcome_of(member, 10, started_ms=HOUR_MS, request_id=request_id(HOUR_MS, n)) for n in range(4)]

    async def story() -> None:
        ledger = Ledger(store)
        await ledger.start()
        roller = Roller(ledger.run)
        wallet = await ledger.load_wallet(member.account_id)
        await ledger.settle(wallet.hold(10), calls[0], snapshot=PRICE)
        await roller.roll()
        await roller.roll()
        fresh = [outcome_of(member, 10, started_ms=HOUR_MS, request_id=new_request_id()) for _ in range(3)]
        for group in ([fresh[0], calls[1], fresh[1]], [calls[2], fresh[2], calls[3]]):
            settled = [ledger.settle(wallet.hold(10), call, snapshot=PRICE) for call in group]
            await asyncio.gather(*settled)
        await ledger.stop()

    asyncio.run(story())
    assert verify(store) == []
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT requests FROM usage_sums").all() == [(4,)]
    whole = totals(store, Scope(), since_ms=0, until_ms=2 * HOUR_MS)
    assert (whole.requests, whole.charge_nanos) == (7, 70)


def test_a_store_that_is_away_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "ROLL_S", 0.0)
    errors: list[Exception] = []

    async def story() -> None:
        twice = asyncio.Event()

        async def run(job: Any) -> Any:
            raise StoreDown("away")

        def heard(error: Exception) -> None:
            errors.append(error)
            if len(errors) == 2:
                twice.set()

        roller = Roller(run)
        roller.on_error = heard
        rolling = asyncio.create_task(roller.roll_on())
        await asyncio.wait_for(twice.wait(), 5)
        rolling.cancel()
        await asyncio.gather(rolling, return_exceptions=True)

    asyncio.run(story())
    assert {type(error) for error in errors} == {StoreDown}


def test_days_where_clocks_change(store: Store) -> None:
    """Berlin's 29 March 2026 has 23 hours, its 25 October 25; each call belongs to the day of its clock."""
    member = new_member(store, 10_000)
    zone = ZoneInfo("Europe/Berlin")
    calls = []
    for month, day in ((3, 28), (3, 29), (3, 30), (10, 25), (10, 26)):
        for hour in (0, 5, 23):
            at_ms = int(datetime(2026, month, day, hour, 59, tzinfo=zone).timestamp() * 1000)
            calls.append(outcome_of(member, 1, started_ms=at_ms))
    settle(store, *calls)
    roll_all(store)
    since, until = (int(datetime(2026, *at, tzinfo=zone).timestamp() * 1000) for at in ((3, 28), (10, 27)))
    days = series(store, Scope(), since_ms=since, until_ms=until, step="day", zone=zone)
    busy = {
        datetime.fromtimestamp(start / 1000, zone).strftime("%m-%d %H:%M"): point.requests
        for start, point in zip(days.starts_ms, days.groups[0].points, strict=True)
        if point.requests
    }
    assert busy == {f"{day} 00:00": 3 for day in ("03-28", "03-29", "03-30", "10-25", "10-26")}
    months = series(store, Scope(), since_ms=since, until_ms=until, step="month", zone=zone)
    assert [point.requests for point in months.groups[0].points] == [9, 0, 0, 0, 0, 0, 0, 6]


TAMPERINGS = {
    "a sum raised": "UPDATE usage_sums SET charge_nanos = charge_nanos + 1",
    "a sum removed": "DELETE FROM channel_sums",
    "a sum too many": "INSERT INTO address_days VALUES (99999, x'00', 'acc_x', 'key_x', 1)",
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_wrong_sum_is_named(store: Store, tampering: str) -> None:
    settle(store, outcome_of(new_member(store, 1_000), 300))
    roll_all(store)
    assert verify(store) == []
    with store.begin() as connection:
        connection.exec_driver_sql(TAMPERINGS[tampering])
    assert [one.what for one in verify(store)] == ["sums"]


def test_calls_by_address_go_when_no_signal_looks_back_to_them(store: Store) -> None:
    """A day at a time, and the proof expects them no longer; all other sums stay."""
    now, day = now_ms(), 86_400_000
    member = new_member(store, 1_000)
    times = [now - age * day for age in (0, rollups.ADDRESS_DAYS - 1, rollups.ADDRESS_DAYS + 1, 60)]
    calls = [outcome_of(member, 3, request_id=request_id(at), started_ms=at) for at in times]
    settle(store, *calls)
    roll_all(store)
    assert verify(store) == []
    days = []
    for _ in range(4):
        with store.begin() as connection:
            days.append(connection.execute(select(func.count()).select_from(address_days)).scalar_one())
            rollups.prune(connection)
    assert days == [4, 3, 2, 2]
    assert verify(store) == []
    assert totals(store, Scope(), since_ms=0, until_ms=now + day).requests == 4


def test_calls_that_no_sums_know_are_added_up_one_by_one_and_not_too_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "SUMMED_MAX", 2)
    mine, other = new_member(store, 1_000), new_member(store, 1_000)
    for who, hours in ((mine, (0, 1)), (other, (1, 2))):
        settle(
            store,
            *[
                outcome_of(who, 3, request_id=request_id(at * HOUR_MS, at), started_ms=at * HOUR_MS)
                for at in hours
            ],
        )
    asked = Scope(http_status=200)
    assert totals(store, asked, since_ms=2 * HOUR_MS, until_ms=3 * HOUR_MS).requests == 1
    assert (
        totals(
            store, Scope(http_status=200, account_id=mine.account_id), since_ms=0, until_ms=3 * HOUR_MS
        ).requests
        == 2
    )
    with pytest.raises(TooManyCalls):
        totals(store, asked, since_ms=0, until_ms=3 * HOUR_MS)
