import asyncio
from typing import Any

import pytest
from sqlalchemy import event

from posthouse.kernel.outcome import Ending, Outcome
from posthouse.ledger.errors import UnknownMember
from posthouse.ledger.service import Ledger
from posthouse.ledger.usage import (
    CountedCall,
    UsageFilter,
    calls_since,
    export_usage,
    list_usage,
    spend_by_day,
    usage_fields,
)
from posthouse.store.engine import Store
from posthouse.testing.check_store import PRICE, Member, new_member, outcome_of

DAY_MS = 86_400_000


def settle(store: Store, *calls: tuple[Member, dict[str, Any]]) -> list[Outcome]:
    outcomes = [outcome_of(member, **{"charge_nanos": 10, **fields}) for member, fields in calls]

    async def story() -> None:
        ledger = Ledger(store)
        await ledger.start()
        for outcome in outcomes:
            wallet = await ledger.load_wallet(outcome.account_id)
            await ledger.settle(wallet.hold(10), outcome, snapshot=PRICE)
        await ledger.stop()

    asyncio.run(story())
    return outcomes


@pytest.mark.parametrize("differing", [{}, {"model": "other", "ending": Ending.CANCELLED, "stream": True}])
def test_a_group_is_read_back_as_it_was_written(store: Store, differing: dict[str, Any]) -> None:
    """Whether or not its calls have in common what is written once."""
    member = new_member(store, 1_000)
    more = {"address_hash": b"\0\xff", "quantities": {"input": 3}, "ttft_ms": 4}
    outcomes = [
        outcome_of(member, 10, **more, estimated=True, service_tier="flex"),
        outcome_of(member, 20, **more, duration_ms=5, prompt_tokens=3),
        outcome_of(member, 30, **{**more, **differing}, cost_nanos=7),
    ]

    async def story() -> None:
        ledger = Ledger(store)
        await ledger.start()
        wallet = await ledger.load_wallet(member.account_id)
        await asyncio.gather(*[ledger.settle(wallet.hold(100), one, snapshot=PRICE) for one in outcomes])
        await ledger.stop()

    asyncio.run(story())
    written = list_usage(store, UsageFilter()).records
    assert sorted(written, key=lambda one: one.charge_nanos) == outcomes


def test_filters(store: Store) -> None:
    ann, bob = new_member(store, 100), new_member(store, 100)
    first, second, third = settle(
        store,
        (ann, {"started_ms": 1_000, "model": "gpt-4o", "http_status": 400, "channel": "spare"}),
        (ann, {"started_ms": 2_000, "ending": Ending.CANCELLED, "charge_nanos": 9}),
        (bob, {"started_ms": 3_000}),
    )
    found = {
        UsageFilter(): (third, second, first),
        UsageFilter(account=ann.account_id): (second, first),
        UsageFilter(key_id=bob.key_id): (third,),
        UsageFilter(model="gpt-4o"): (first,),
        UsageFilter(ending="cancelled"): (second,),
        UsageFilter(channel="spare"): (first,),
        UsageFilter(http_status=400): (first,),
        UsageFilter(charge_min_nanos=10): (third, first),
        UsageFilter(since_ms=2_000): (third, second),
        UsageFilter(until_ms=2_000): (first,),
        UsageFilter(account=ann.account_id, since_ms=2_001): (),
    }
    for wanted, records in found.items():
        assert list_usage(store, wanted).records == records
    with pytest.raises(UnknownMember):
        list_usage(store, UsageFilter(account="nobody@example.org"))


def test_what_rebuilds_the_limits(store: Store) -> None:
    member = new_member(store, 100)
    settle(
        store,
        (member, {"started_ms": 1_000}),
        (member, {"started_ms": 2_000, "prompt_tokens": 3, "completion_tokens": 4}),
    )
    (call,) = calls_since(store, 1_001, ["paid"])
    expected = CountedCall(
        2_000,
        member.key_id,
        b"\x00\xff",
        member.account_id,
        "paid",
        "gpt",
        "gpt-4o-mini",
        7,
        10,
        "completed",
    )
    assert call == expected


def test_days_are_those_of_a_time_zone(store: Store) -> None:
    member = new_member(store, 100)
    settle(store, (member, {"started_ms": DAY_MS - 1}), (member, {"started_ms": DAY_MS}))
    days = [day.day for day in spend_by_day(store, member.account_id, since_ms=0, until_ms=2 * DAY_MS)]
    assert days == [0, 1]
    (day,) = spend_by_day(store, member.account_id, since_ms=0, until_ms=2 * DAY_MS, offset_ms=1)
    assert (day.day, day.charge_nanos) == (1, 20)


def test_a_record_as_json_and_csv(store: Store) -> None:
    member = new_member(store, 100)
    (outcome,) = settle(store, (member, {}))
    fields = usage_fields(outcome)
    assert (fields["address_hash"], fields["ending"], fields["charge_nanos"]) == ("AP8=", "completed", 10)
    header, row = export_usage(store, UsageFilter())
    named = dict(zip(header, row, strict=True))
    assert (named["charge"], named["stream"], named["model"]) == ("0.00000001", "1", "gpt-4o-mini")


def test_pages_of_an_export(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.ledger.usage.PAGE_MAX", 2)
    member = new_member(store, 100)
    outcomes = settle(store, *[(member, {}) for _ in range(4)])
    _, *rows = export_usage(store, UsageFilter())
    assert [row[0] for row in rows] == [outcome.request_id for outcome in outcomes]


FILTERS = [
    {},
    {"model": "gpt-4o"},
    {"since_ms": 1_000, "until_ms": 2_000_000_000_000},
    {"http_status": 500, "since_ms": 1_000, "until_ms": 2_000_000_000_000},
    {"charge_min_nanos": 5, "channel": "main", "ending": "failed", "key_id": "key_x"},
]


@pytest.mark.parametrize("of_account", [False, True])
@pytest.mark.parametrize("fields", FILTERS)
def test_a_page_is_a_range_of_an_index(store: Store, fields: dict[str, Any], of_account: bool) -> None:
    """Whatever is asked: no statement walks the table or sorts, and all have a limit."""
    member = new_member(store, 100)
    settle(store, *[(member, {}) for _ in range(5)])
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, statement: str, values: Any, _x: Any, _m: bool) -> None:
        if "FROM usage_records" in statement:
            asked.append((statement, values))

    event.listen(store.engine, "before_cursor_execute", note)
    wanted = UsageFilter(account=member.account_id if of_account else "", **fields)
    list_usage(store, wanted, before="req_ffff", limit=2)
    event.remove(store.engine, "before_cursor_execute", note)
    is_filtered = bool(fields.keys() - {"since_ms", "until_ms"})
    assert len(asked) == (2 if is_filtered else 1)
    index = "INDEX ix_usage_records_account (account_id=? AND request_id>? AND request_id<?)"
    expected = index if of_account else "PRIMARY KEY (request_id>? AND request_id<?)"
    with store.read() as connection:
        for statement, values in asked:
            assert " LIMIT ?" in statement
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            (plan,) = [row[-1] for row in rows]
            assert plan.startswith("SEARCH usage_records USING")
            assert plan.replace("COVERING ", "").endswith(expected)


@pytest.mark.parametrize("wanted", [UsageFilter(model="rare"), UsageFilter(model="rare", since_ms=1)])
def test_a_page_looks_at_no_more_than_a_bound(
    store: Store, wanted: UsageFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where few records match, pages end short and say where to go on; together they have all."""
    monkeypatch.setattr("posthouse.ledger.usage.SCAN_MAX", 3)
    member = new_member(store, 1_000)
    models = ["rare", *["usual"] * 5, "rare", "usual", "rare", *["usual"] * 3]
    outcomes = settle(store, *[(member, {"model": model}) for model in models])
    found: list[tuple[str, ...]] = []
    before = ""
    while not found or before:
        page = list_usage(store, wanted, before=before, limit=2)
        found.append(tuple(one.request_id for one in page.records))
        before = page.next
    rare = [one.request_id for one in outcomes if one.model == "rare"]
    assert found == [(), (rare[2], rare[1]), (), (rare[0],), ()]
    _, *rows = export_usage(store, wanted)
    assert [row[0] for row in rows] == rare
