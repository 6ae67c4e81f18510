"""What every database behind the store must do: run each of CHECKS with an open store, in any order, in one
database. No check needs it to be empty or leaves its books wrong."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import msgspec
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from posthouse import store as store_room
from posthouse.accounts.directory import Directory
from posthouse.accounts.queries import find_entry
from posthouse.accounts.service import (
    KeyChange,
    create_account,
    create_key,
    freeze_account,
    freeze_key,
    rotate_key,
    update_key,
)
from posthouse.catalogue.events import list_events
from posthouse.catalogue.sealed import load_credentials, reseal, write_credentials
from posthouse.catalogue.standings import (
    Answers,
    ChannelStanding,
    ModelStanding,
    Report,
    ask_reports,
    write_report,
)
from posthouse.catalogue.states import forget_gone, load_states, note_back, note_by_hand, note_out
from posthouse.kernel.clock import now_ms
from posthouse.kernel.ids import new_id, new_request_id
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.kernel.periods import ALWAYS_MS, span_at
from posthouse.kernel.secrets import SecretBox, SecretText, hash_key
from posthouse.ledger import owned
from posthouse.ledger.claims import Claim
from posthouse.ledger.errors import ClaimOfOtherBody, ClaimRunning, InsufficientFunds, TransferConflict
from posthouse.ledger.owned import Owned
from posthouse.ledger.queries import get_balance, verify
from posthouse.ledger.service import Ledger
from posthouse.ledger.settlement import Snapshot
from posthouse.ledger.sums import (
    AddressUse,
    Group,
    Scope,
    Sums,
    address_uses,
    channel_totals,
    model_statuses,
    ranking,
    series,
    totals,
)
from posthouse.ledger.transfers import credit, debit
from posthouse.ledger.usage import UsageFilter, UsagePage, export_usage, list_usage, spend_by_day
from posthouse.metering.prices import PriceLine, Tariff
from posthouse.store.changes import ChangeFeed, announce
from posthouse.store.engine import Store
from posthouse.store.schema import (
    accounts,
    allowances,
    changes,
    ledger_accounts,
    metadata,
    processes,
    transfers,
)
from posthouse.testing.rolled import roll_all
from posthouse.testing.waiting import until

TARIFF = Tariff([PriceLine("query", "each", 1)])
PRICE = Snapshot(TARIFF.id, TARIFF.lines_json.decode())


class Member(msgspec.Struct, frozen=True):
    """An account with one key."""

    account_id: str
    key_id: str
    key: str


def set_key_budget(store: Store, key_id: str, budget_nanos: int, period: str = "total") -> None:
    """Limit what a key may spend in all its life, or in each day or month."""
    update_key(store, key_id, KeyChange(budget_nanos=budget_nanos, budget_period=period))


def new_member(store: Store, balance_nanos: int = 0, *, budget_nanos: int | None = None) -> Member:
    """An account with a key and that balance."""
    account = create_account(store, f"{new_id('who')}@example.org")
    if balance_nanos:
        credit(store, account.id, balance_nanos, reason="for a check")
    key = create_key(store, account.id, budget_nanos=budget_nanos)
    return Member(account.id, key.id, key.key)


def outcome_of(member: Member, charge_nanos: int, **fields: Any) -> Outcome:
    """The outcome of a call of that member, with every field set."""
    known: dict[str, Any] = {
        "request_id": new_request_id(),
        "ending": Ending.COMPLETED,
        "http_status": 200,
        "account_id": member.account_id,
        "key_id": member.key_id,
        "plan": "paid",
        "family": "gpt",
        "model": "gpt-4o-mini",
        "endpoint": "/v1/chat/completions",
        "stream": True,
        "address_hash": b"\x00\xff",
        "channel": "main",
        "attempts": (AttemptRecord("spare", 0, "connect", 3), AttemptRecord("main", 200, "", 812)),
        "quantities": {"query": charge_nanos, "input": 2**40},
        "prompt_tokens": 2**40,
        "completion_tokens": 1,
        "service_tier": "default",
        "estimated": True,
        "charge_nanos": charge_nanos,
        "cost_nanos": 5,
        "price_id": PRICE.price_id,
        "started_ms": 1_795_000_000_000,
        "duration_ms": 812,
        "ttft_ms": 90,
    }
    known |= fields
    if "request_id" not in fields:  # as of a request that came when it started
        known["request_id"] = f"req_{known['started_ms']:012x}{known['request_id'][16:]}"
    return Outcome(**known)


def with_ledger(store: Store, story: Callable[[Ledger], Coroutine[Any, Any, None]]) -> None:
    """Run a story on an event loop with a started ledger that hears of changes."""

    async def run() -> None:
        ledger, feed = Ledger(store), ChangeFeed(store, poll_s=0.02)
        errors: list[Exception] = []
        ledger.on_error = feed.on_error = errors.append
        feed.listen(ledger.on_change)
        await feed.start()
        await ledger.start()
        try:
            await story(ledger)
        finally:
            await feed.stop()
            await ledger.stop()
        assert not errors, errors

    asyncio.run(run())
    assert not verify(store), verify(store)


def check_migrations_give_the_schema(store: Store) -> None:
    for module in iter_modules(store_room.__path__):
        if module.name.startswith("schema"):  # each adds its tables to the metadata
            import_module(f"{store_room.__name__}.{module.name}")
    with store.read() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), metadata)
    assert difference == []


def check_a_transaction_is_all_or_nothing(store: Store) -> None:
    row = {"id": new_id("acc"), "email": new_id("who"), "plan": "free", "status": "active", "created_ms": 1}
    try:
        with store.begin() as connection:
            connection.execute(insert(accounts).values(row))
            raise RuntimeError
    except RuntimeError:
        pass
    with store.read() as connection:
        assert connection.execute(select(accounts).where(accounts.c.id == row["id"])).first() is None


def check_a_read_sees_one_moment(store: Store) -> None:
    member = new_member(store, 100)
    query = select(ledger_accounts.c.balance_nanos).where(ledger_accounts.c.id == member.account_id)
    with store.read() as connection:
        before = connection.execute(query).scalar()
        credit(store, member.account_id, 1, reason="meanwhile")
        assert connection.execute(query).scalar() == before == 100


def check_the_tables_refuse_wrong_money(store: Store) -> None:
    member = new_member(store, 100)
    balance = (
        update(ledger_accounts).where(ledger_accounts.c.id == member.account_id).values(balance_nanos=-1)
    )
    overspent = insert(allowances).values(
        account_id=member.account_id, process_id="nobody", granted_nanos=1, spent_nanos=2
    )
    nothing = insert(transfers).values(
        id=new_id("trf"),
        debit=member.account_id,
        credit="cash_in:operator",
        amount_nanos=0,
        kind="refund",
        reason="nothing",
        idempotency_key=new_id("idk"),
        actor="check",
        created_ms=1,
    )
    for statement in (balance, overspent, nothing):
        try:
            with store.begin() as connection:
                connection.execute(statement)
        except IntegrityError:
            continue
        raise AssertionError(f"the table took it: {statement}")


def check_changes_arrive_once_and_in_order(store: Store) -> None:
    heard: list[tuple[str, str]] = []

    async def listener(kind: str, subject: str) -> None:
        heard.append((kind, subject))

    async def story() -> None:
        feed = ChangeFeed(store, poll_s=0.01)
        feed.listen(listener)
        await feed.start()
        for number in range(20):
            with store.begin() as connection:
                announce(connection, "key", f"k{number}", 1)
            if number % 7 == 0:
                await asyncio.sleep(0.02)  # the feed reads twice meanwhile
        await until(lambda: len(heard) >= 20)
        await feed.stop()

    asyncio.run(story())
    assert heard == [("key", f"k{number}") for number in range(20)]
    with store.begin() as connection:
        connection.execute(delete(changes).where(changes.c.at_ms == 1))


def check_a_frozen_key_is_known_to_the_directory(store: Store) -> None:
    member = new_member(store)
    key_hash = hash_key(member.key.encode())

    async def story() -> None:
        directory, feed = Directory(store), ChangeFeed(store, poll_s=0.01)
        feed.listen(directory.on_change)
        await feed.start()
        assert await directory.load(hash_key(b"unknown")) is None
        assert await directory.load(hash_key(b"unknown")) is None
        entry = await directory.load(key_hash)
        assert entry is not None
        assert (entry.key_id, entry.key_status) == (member.key_id, "active")
        assert directory.find(key_hash) is entry
        for freeze, status in (
            (lambda: freeze_key(store, member.key_id), "key"),
            (freeze_the_account, "account"),
        ):
            await asyncio.to_thread(freeze)
            await until(lambda: directory.find(key_hash) is None)
            entry = await directory.load(key_hash)
            assert entry is not None
            assert getattr(entry, f"{status}_status") == "frozen"
        await feed.stop()

    def freeze_the_account() -> Any:
        return freeze_account(store, member.account_id)

    asyncio.run(story())


def check_a_settlement_is_read_back_as_written(store: Store) -> None:
    member = new_member(store, 1_000)
    outcome = outcome_of(member, 300)

    async def story(ledger: Ledger) -> None:
        hold = (await ledger.load_wallet(member.account_id)).hold(500)
        assert await ledger.settle(hold, outcome, snapshot=PRICE) == outcome
        wallet = ledger.wallet(member.account_id)
        assert wallet is not None
        assert (wallet.available_nanos, wallet.unsettled) == (700, 0)

    with_ledger(store, story)
    page = list_usage(store, UsageFilter(account=member.account_id))
    assert page.records == (outcome,)
    assert page.next == ""
    balance = get_balance(store, member.account_id)
    assert (balance.balance_nanos, balance.free_nanos, balance.charged_nanos) == (700, 700, 300)
    (day,) = spend_by_day(store, member.account_id, since_ms=0, until_ms=2**50)
    assert (day.day, day.model, day.charge_nanos) == (1_795_000_000_000 // 86_400_000, "gpt-4o-mini", 300)


def check_groups_of_many_members(store: Store) -> None:
    members = [new_member(store, 1_000_000) for _ in range(5)]

    async def story(ledger: Ledger) -> None:
        for member in members:
            await ledger.load_wallet(member.account_id)
        settled = []
        for number in range(300):
            member = members[number % len(members)]
            wallet = ledger.wallet(member.account_id)
            hold = wallet.hold(1_000) if wallet else None
            settled.append(ledger.settle(hold, outcome_of(member, number), snapshot=PRICE))
        await asyncio.gather(*settled)

    with_ledger(store, story)
    left = [get_balance(store, member.account_id).balance_nanos for member in members]
    assert left == [1_000_000 - sum(range(start, 300, 5)) for start in range(5)]
    pages: list[UsagePage] = []
    before = ""
    while not pages or before:
        page = list_usage(
            store, UsageFilter(account=members[0].account_id, model="gpt-4o-mini"), before=before, limit=7
        )
        pages, before = [*pages, page], page.next
    charges = [record.charge_nanos for page in pages for record in page.records]
    assert charges == list(range(295, -1, -5))
    rows = list(export_usage(store, UsageFilter(key_id=members[0].key_id)))
    assert len(rows) == 61
    assert rows[0][0] == "request_id"


def check_the_same_call_is_charged_once(store: Store) -> None:
    """Also when it is queued twice, as after a commit whose answer was lost."""
    member = new_member(store, 1_000)
    outcome = outcome_of(member, 300)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        await ledger.settle(wallet.hold(300), outcome, snapshot=PRICE)
        await ledger.settle(wallet.hold(300), outcome, snapshot=PRICE)

    with_ledger(store, story)
    assert get_balance(store, member.account_id).balance_nanos == 700


def check_200_calls_on_a_balance_for_20(store: Store) -> None:
    member = new_member(store, 20 * 50)

    async def story(ledger: Ledger) -> None:
        refused = 0

        async def call() -> None:
            nonlocal refused
            wallet = await ledger.load_wallet(member.account_id, 50)
            hold = wallet.hold(50)
            if hold is None:
                refused += 1
                return
            await asyncio.sleep(0)
            await ledger.settle(hold, outcome_of(member, 50), snapshot=PRICE)

        await asyncio.gather(*(call() for _ in range(200)))
        assert refused == 180

    with_ledger(store, story)
    assert get_balance(store, member.account_id).balance_nanos == 0


def check_a_charge_above_everything_becomes_a_shortfall(store: Store) -> None:
    member = new_member(store, 100)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        written = await ledger.settle(wallet.hold(60), outcome_of(member, 250), snapshot=PRICE)
        assert (written.charge_nanos, written.shortfall_nanos) == (100, 150)

    with_ledger(store, story)


def check_a_lost_allowance_never_overdraws(store: Store) -> None:
    """A process that was thought dead settles what it still can: here others have taken 70 of 100."""
    member = new_member(store, 100)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        holds = [wallet.hold(20) for _ in range(3)]

        def bury(connection: Any) -> None:
            connection.execute(delete(processes).where(processes.c.id == ledger.process_id))

        await ledger.run(bury)
        await asyncio.to_thread(debit, store, member.account_id, 70, reason="others")
        settled = [ledger.settle(hold, outcome_of(member, 20), snapshot=PRICE) for hold in holds]
        written = await asyncio.gather(*settled)
        assert [(one.charge_nanos, one.shortfall_nanos) for one in written] == [(20, 0), (10, 10), (0, 20)]
        assert (await ledger.load_wallet(member.account_id)).available_nanos == 0

    with_ledger(store, story)
    assert get_balance(store, member.account_id).balance_nanos == 0


def check_money_in_and_out_reaches_a_running_server(store: Store) -> None:
    member = new_member(store, 100)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        await asyncio.to_thread(credit, store, member.account_id, 50, reason="more")
        await until(lambda: wallet.available_nanos == 150)
        hold = wallet.hold(30)
        await asyncio.to_thread(debit, store, member.account_id, 120, reason="out")
        try:
            await asyncio.to_thread(debit, store, member.account_id, 31, reason="more than there is")
        except InsufficientFunds:
            pass
        else:
            raise AssertionError("a debit took what is not there")
        await ledger.settle(hold, outcome_of(member, 30), snapshot=PRICE)

    with_ledger(store, story)
    assert get_balance(store, member.account_id).balance_nanos == 0


def check_a_transfer_is_made_once(store: Store) -> None:
    member = new_member(store)
    key = new_id("idk")
    twice = {"reason": "from four threads", "idempotency_key": new_id("idk")}
    first = credit(store, member.account_id, 70, reason="once", idempotency_key=key)
    assert credit(store, member.account_id, 70, reason="once", idempotency_key=key) == first
    threads = [
        threading.Thread(target=credit, args=(store, member.account_id, 5), kwargs=twice) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        credit(store, member.account_id, 71, reason="once", idempotency_key=key)
    except TransferConflict:
        assert get_balance(store, member.account_id).balance_nanos == 75
    else:
        raise AssertionError("one idempotency key made two transfers")


def check_key_budgets(store: Store) -> None:
    member = new_member(store, 1_000, budget_nanos=100)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        budget = await ledger.load_budget(member.key_id)
        hold = wallet.hold(80, budget)
        assert wallet.hold(30, budget) is None
        await ledger.settle(hold, outcome_of(member, 60), snapshot=PRICE)
        assert budget.available_nanos == 40
        assert wallet.available_nanos == 940

    with_ledger(store, story)


def check_a_budget_by_month(store: Store) -> None:
    """What the calls that began in a month were charged counts in that month, whenever they are settled."""
    member = new_member(store, 1_000)
    month = span_at("month", now_ms(), UTC)
    before, during = month.since_ms - 1, month.since_ms

    async def story(ledger: Ledger) -> None:
        async def call(charge_nanos: int, started_ms: int, claim: Claim | None = None) -> None:
            hold = (await ledger.load_wallet(member.account_id)).hold(charge_nanos)
            outcome = outcome_of(member, charge_nanos, started_ms=started_ms)
            await ledger.settle(hold, outcome, snapshot=PRICE, claim=claim)

        await asyncio.gather(call(1, before), call(2, during))
        await asyncio.to_thread(set_key_budget, store, member.key_id, 100, "month")
        budget = await ledger.load_budget(member.key_id)
        assert (budget.spent_nanos, budget.until_ms) == (2, month.until_ms)
        await asyncio.gather(call(4, before), call(8, during), call(16, during))
        for charge_nanos, started_ms in ((32, before), (64, during)):  # each by itself: the claim's way
            claim = await ledger.claim(member.account_id, b"%d" % charge_nanos, b"body", "r")
            await call(charge_nanos, started_ms, claim)
        await ledger.on_change("key", member.key_id)
        assert budget.spent_nanos == 2 + 8 + 16 + 64
        await asyncio.to_thread(set_key_budget, store, member.key_id, 100, "total")
        await ledger.on_change("key", member.key_id)
        assert (budget.spent_nanos, budget.until_ms) == (127, ALWAYS_MS)

    with_ledger(store, story)


def check_a_rotated_key(store: Store) -> None:
    member = new_member(store)
    made = rotate_key(store, member.key_id, overlap_ms=60_000)
    old, new = (find_entry(store, hash_key(key.encode())) for key in (member.key, made.key))
    assert old is not None
    assert new is not None
    assert old.key_id == new.key_id == made.id == member.key_id
    assert new.expires_ms is None
    assert old.expires_ms is not None
    assert 0 < old.expires_ms - now_ms() <= 60_000


def check_an_idempotency_key_is_charged_once(store: Store) -> None:
    member = new_member(store, 1_000)
    who = member.account_id

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(who)
        claim = await ledger.claim(who, b"k", b"body", "r1")
        await refused(ledger.claim(who, b"k", b"body", "r2"), ClaimRunning)
        await refused(ledger.claim(who, b"k", b"other", "r3"), ClaimOfOtherBody)
        await ledger.settle(
            wallet.hold(100), outcome_of(member, 40, ending=Ending.CANCELLED), snapshot=PRICE, claim=claim
        )
        claim = await ledger.claim(who, b"k", b"body", "r4")
        written = await ledger.settle(wallet.hold(100), outcome_of(member, 90), snapshot=PRICE, claim=claim)
        assert written.charge_nanos == 50  # with the broken-off call, 90 in all
        claim = await ledger.claim(who, b"k", b"body", "r5")
        written = await ledger.settle(wallet.hold(100), outcome_of(member, 95), snapshot=PRICE, claim=claim)
        assert written.charge_nanos == 0
        unused = await ledger.claim(who, b"unused", b"body", "r6")
        await ledger.release(unused)
        await ledger.claim(who, b"unused", b"another body", "r7")

    async def refused(claim: Coroutine[Any, Any, Any], error: type[Exception]) -> None:
        try:
            await claim
        except error:
            return
        raise AssertionError(f"no {error.__name__}")

    with_ledger(store, story)
    assert get_balance(store, who).charged_nanos == 90


def check_what_is_set_apart_is_known_to_all(store: Store) -> None:
    channel = new_id("channel")
    with store.begin() as connection:
        note_out(connection, channel, "one", reason="quota", process_id="prc_1", now_ms=1)
        note_by_hand(connection, channel, "", "draining", reason="", now_ms=2)
    states = load_states(store)
    assert (states[channel, "one"].state, states[channel, "one"].reason) == ("out", "quota")
    assert states[channel, ""].state == "draining"
    with store.begin() as connection:
        assert note_back(connection, channel, "one", reason="probe", process_id="prc_2", now_ms=3)
        forget_gone(connection, channel, ["one"])
    assert not [known for known in load_states(store) if known[0] == channel]
    events = list_events(store, channel=channel, limit=9)
    assert [(one.at_ms, one.before, one.after) for one in events] == [
        (3, "out", "enabled"),
        (2, "enabled", "draining"),
        (1, "enabled", "out"),
    ]


def check_a_rotation_waits_for_whoever_seals(store: Store) -> None:
    """Else what is sealed with the old key meanwhile would not open with the new one alone."""
    old, new, channel = bytes(32), b"n" * 32, new_id("channel")
    sealing = SecretBox(old)
    resealed = threading.Event()

    def rotate() -> None:
        reseal(store, SecretBox(new, old), now_ms=1)
        resealed.set()

    with store.begin() as connection:
        write_credentials(connection, sealing, {(channel, "one"): SecretText("1")}, (), 1)
        thread = threading.Thread(target=rotate)
        thread.start()
        assert not resealed.wait(0.2)
    thread.join()
    with store.begin() as connection:
        both = SecretBox(old, reload=lambda: (new, old))  # a process that has not heard of the new key
        write_credentials(connection, both, {(channel, "two"): SecretText("2")}, (), 2)
    found = load_credentials(store, SecretBox(new))
    assert {found[channel, name].reveal() for name in ("one", "two")} == {"1", "2"}
    with store.begin() as connection:
        write_credentials(connection, both, {}, list(found), 3)


def check_standings_come_when_somebody_asks(store: Store) -> None:
    model = ModelStanding("gpt-4o", "open", "5 failures in a row", 7, 1.0, 5, 0, 0, 0)
    channels = (ChannelStanding("main", (model,), ()),)

    async def story(ledger: Ledger) -> None:
        async def answer(kind: str, subject: str) -> None:
            if kind == "watch":
                report = Report(ledger.process_id, 1, channels)
                await ledger.run(lambda connection: write_report(connection, report))

        feed = ChangeFeed(store, poll_s=0.01)
        feed.listen(answer)
        await feed.start()
        for _ in range(2):  # what was answered before is gone
            answers = await asyncio.to_thread(ask_reports, store, now_ms=now_ms(), patience_s=5)
            assert answers == Answers((Report(ledger.process_id, 1, channels),), 0)
        await feed.stop()

    with_ledger(store, story)


def check_owned_objects_come_with_their_charge(store: Store) -> None:
    member, other = new_member(store, 1_000), new_member(store, 1_000)
    at_ms = now_ms() + 10**9  # later than what a beat of the ledger prunes

    def made(name: str, account_id: str = member.account_id, **fields: Any) -> Owned:
        of_all = {"channel": "main", "kind": "thing", "credential": "default", "model": "m"}
        return Owned(
            id=name, account_id=account_id, **{**of_all, "created_ms": at_ms, "expires_ms": None, **fields}
        )

    first = made(new_id("obj"))
    later = made(new_id("obj"), created_ms=at_ms + 1, expires_ms=at_ms + 50)
    prolonged = later._replace(expires_ms=at_ms + 99)
    taken = made(first.id, other.account_id)

    async def story(ledger: Ledger) -> None:
        for settler, one in ((member, first), (member, later), (other, taken), (member, prolonged)):
            await ledger.settle(None, outcome_of(settler, 0), made=one)
        claimed = await ledger.claim(member.account_id, b"owned", b"body", new_request_id())
        elsewhere = first._replace(channel="elsewhere", created_ms=at_ms + 2, expires_ms=at_ms + 3)
        outcome = outcome_of(member, 0, request_id=claimed.request_id)
        await ledger.settle(None, outcome, claim=claimed, made=elsewhere)
        ids = (first.id, later.id, "never")
        found = await asyncio.to_thread(owned.find, store, member.account_id, ids, at_ms)
        assert found == {first.id: elsewhere, later.id: prolonged}
        assert owned.find(store, member.account_id, ids, at_ms + 50) == {first.id: first, later.id: prolonged}
        assert owned.find(store, other.account_id, ids, at_ms) == {}

    with_ledger(store, story)
    of_all = (store, member.account_id, "thing", at_ms + 50)
    assert owned.page(*of_all, limit=9) == [first, prolonged]
    assert owned.page(*of_all, limit=1, newest_first=True) == [prolonged]
    assert owned.page(*of_all, limit=9, newest_first=True, after=prolonged) == [first]
    assert owned.page(*of_all, limit=9, after=first) == [prolonged]
    assert owned.page(*of_all, limit=9, model="other") == owned.page(*of_all, limit=9, after=prolonged) == []
    with store.begin() as connection:
        owned.forget(connection, taken)  # not the other's
        owned.prune(connection, at_ms + 99)
    assert owned.page(store, member.account_id, "thing", at_ms, limit=9) == [first]
    with store.begin() as connection:
        owned.forget(connection, first)
    assert owned.find(store, member.account_id, [first.id], at_ms) == {}


def check_sums_are_those_of_the_records(store: Store) -> None:
    """Whether a record is rolled up, comes after, or late: before the sums' end, as the second one here."""
    member = new_member(store, 1_000)
    slot_ms = 900_000
    quantities = {"query": 10, "cached_input": 2**40, "reasoning_output": 7}
    first, late, new = (
        outcome_of(member, 10, quantities=quantities, started_ms=slot_ms, http_status=status, ttft_ms=90)
        for status in (200, 500, 200)
    )
    scope = Scope(account_id=member.account_id)

    async def story(ledger: Ledger) -> None:
        wallet = await ledger.load_wallet(member.account_id)
        await ledger.settle(wallet.hold(10), first, snapshot=PRICE)
        await asyncio.to_thread(roll_all, store, new.request_id)
        claim = await ledger.claim(member.account_id, b"key", b"body", late.request_id)
        await ledger.settle(wallet.hold(10), late, snapshot=PRICE, claim=claim)
        await ledger.settle(wallet.hold(10), new, snapshot=PRICE)

    with_ledger(store, story)
    expected = Sums(3, 1, 3 * 2**40, 3, 3 * 2**40, 21, 30, 15, 3 * 812)
    assert totals(store, scope, since_ms=0, until_ms=2 * slot_ms) == expected
    assert totals(store, scope, since_ms=2 * slot_ms, until_ms=3 * slot_ms) == Sums()
    span = {"since_ms": 0, "until_ms": 7_200_000}
    hours = series(store, scope, **span, step="hour", zone=UTC, by="model")
    assert hours.groups == (Group("gpt-4o-mini", expected, (expected, Sums())),)
    assert ranking(store, scope, **span, by="key") == [(member.key_id, expected)]
    (status,) = (one for one in model_statuses(store, **span, step="hour", zone=UTC).models)
    assert (status.requests[0], status.faults[0], status.ttft_p50_ms) == (3, 1, 50)
    (channel,) = channel_totals(store, **span)
    assert (channel.channel, channel.requests, channel.errors, channel.charge_nanos) == ("main", 3, 1, 30)
    for addresses in ((), (first.address_hash,)):
        uses = address_uses(store, since_ms=0, addresses=addresses)
        assert AddressUse(first.address_hash, member.account_id, member.key_id, 3) in uses
    assert address_uses(store, since_ms=0, addresses=[b"none"]) == []


CHECKS: tuple[Callable[[Store], None], ...] = (
    check_migrations_give_the_schema,
    check_a_transaction_is_all_or_nothing,
    check_a_read_sees_one_moment,
    check_the_tables_refuse_wrong_money,
    check_changes_arrive_once_and_in_order,
    check_a_frozen_key_is_known_to_the_directory,
    check_a_settlement_is_read_back_as_written,
    check_groups_of_many_members,
    check_owned_objects_come_with_their_charge,
    check_sums_are_those_of_the_records,
    check_the_same_call_is_charged_once,
    check_200_calls_on_a_balance_for_20,
    check_a_charge_above_everything_becomes_a_shortfall,
    check_a_lost_allowance_never_overdraws,
    check_money_in_and_out_reaches_a_running_server,
    check_a_transfer_is_made_once,
    check_key_budgets,
    check_a_budget_by_month,
    check_a_rotated_key,
    check_an_idempotency_key_is_charged_once,
    check_what_is_set_apart_is_known_to_all,
    check_a_rotation_waits_for_whoever_seals,
    check_standings_come_when_somebody_asks,
)
