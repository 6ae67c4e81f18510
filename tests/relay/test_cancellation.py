"""The caller may hang up at any moment: a call is cancelled at each of its suspensions in turn, early (what
it waits for is given up) and late (what it waited for has come, and is lost). Whatever the moment, what it
took is given back or settled exactly once."""

import asyncio
import json
import re
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from itertools import count
from typing import Any, NamedTuple

import msgspec
import pytest
import uvloop
from sqlalchemy import select

from posthouse.accounts.service import create_account, create_key
from posthouse.bootstrap import App, running
from posthouse.catalogue.document import read_document
from posthouse.catalogue.service import apply
from posthouse.kernel.clock import monotonic_s, now_ms
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.ids import new_request_id
from posthouse.kernel.money import parse_nanos
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.kernel.secrets import master_box
from posthouse.kernel.settings import Settings
from posthouse.ledger.queries import verify
from posthouse.ledger.transfers import credit
from posthouse.ledger.usage import UsageFilter, list_usage
from posthouse.relay import router
from posthouse.relay.forward import Forwarder
from posthouse.relay.values import Flow, RelayRequest
from posthouse.store.engine import Store, open_store
from posthouse.store.schema import idempotency
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import until
from posthouse.wire.chunks import data_of_chunk

CONFIGURATION = """
[operator]
default_plan = "paid"
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
[models."gpt-4.1-nano"]
list = "openai/gpt-4o-mini"
[plans.paid]
kind = "paid"
[[plans.paid.limits]]
per = ["key", "address"]
window = "1 hour"
requests = 1000000
tokens = 1000000000
concurrency = 1
[channels.main]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
[channels.refusing]
base_url = "${UPSTREAM_BASE_URL}"
credentials = [
  { name = "one", credential = "sk-refused" },
  { name = "two", credential = "sk-refused-too" },
]
models = ["gpt-4.1-nano"]
priority = -1
health = { consecutive = 1000000, calls_min = 1000000 }
"""
STEPS_MAX = 60  # more than any call here has
LONG = "A long question. " * 300  # counted in a thread


class Case(NamedTuple):
    """What a call asks, and how the upstream answers it (None: as its credential's script says)."""

    stream: bool
    script: Script | None = Script(pause_s=0.001)
    content: str = "Hello"
    model: str = "gpt-4o-mini"
    attempts: int = 1


CASES = {
    "whole": Case(stream=False),
    "stream": Case(stream=True),
    "long": Case(False, Script(usage="never", pause_s=0.001), LONG),
    "long stream": Case(True, Script(usage="never", pause_s=0.001), LONG),
    # Two credentials of one channel are refused before another channel answers.
    "failover": Case(stream=False, script=None, model="gpt-4.1-nano", attempts=3),
    "failover, stream": Case(stream=True, script=None, model="gpt-4.1-nano", attempts=3),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def settings(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data directory with the configuration applied."""
    settings = Settings(data=tmp_path_factory.mktemp("cancellation"))
    store = open_store(settings.database_url)
    variables = {"UPSTREAM_BASE_URL": upstream.base_url, "UPSTREAM_API_KEY": "sk-upstream-credential"}
    document = read_document(CONFIGURATION, source="test.toml", environment=variables)
    apply(store, document, master_box(settings.data), now_ms=now_ms())
    store.close()
    return settings


class Paper:
    """A door that writes down what it is given: relay.values.Door for a caller in this process."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.status = 0
        self.written: list[bytes] = []
        self.is_open = False
        self.is_whole = False
        self.is_aborted = False

    async def read_body(self) -> bytes:
        await asyncio.sleep(0)
        return self.body

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        self.begin(status, headers, None)
        self.end(body)

    def begin(self, status: int, headers: bytes, flow: Flow | None) -> None:
        assert not self.is_open, "one answer"
        self.status, self.is_open = status, True

    def write(self, data: bytes) -> None:
        assert not self.is_whole
        self.written.append(data)

    def write_chunk(self, chunk: bytes) -> None:
        self.write(data_of_chunk(chunk))

    def end(self, data: bytes) -> None:
        self.write(data)
        self.is_whole = True

    def abort(self, data: bytes) -> None:
        self.write(data)
        self.is_aborted = True


@types.coroutine
def cancelled_at(
    coroutine: Coroutine[Any, Any, None], steps: Callable[[int], bool], late: bool
) -> Generator[Any, Any, int]:
    """Run a coroutine in the running task, which is cancelled at the suspensions that `steps` names: at once,
    or (late) when what is waited for has come. Returns how many suspensions there were."""
    task = asyncio.current_task()
    assert task is not None
    suspensions = 0
    error: BaseException | None = None
    while True:
        try:
            waited = coroutine.send(None) if error is None else coroutine.throw(error)
        except StopIteration:
            return suspensions
        suspensions += 1
        if steps(suspensions):
            if late and waited is not None:
                # Called before the task's own wake-up, which has the result and is cancelled all the same.
                waited.add_done_callback(lambda _: task.cancel())
                waited._asyncio_future_blocking = True
            else:
                task.cancel()
        error = None
        try:
            yield waited
        except BaseException as caught:  # handed on to the coroutine, as its task would
            error = caught


class Member:
    """An account and key of its own for each call, so that nothing is known of it beforehand."""

    _numbers = count(1)

    def __init__(self, store: Store) -> None:
        self.email = f"member{next(self._numbers)}@example.org"
        self.account_id = create_account(store, self.email).id
        credit(store, self.email, parse_nanos("1"), reason="test")
        self.key = create_key(store, self.email, budget_nanos=parse_nanos("1"))


def request_of(member: Member, idempotency_key: bytes) -> RelayRequest:
    headers = {b"authorization": b"Bearer " + member.key.key.encode(), b"content-type": b"application/json"}
    if idempotency_key:
        headers[b"idempotency-key"] = idempotency_key
    return RelayRequest(
        new_request_id(),
        "POST",
        "/v1/chat/completions",
        "",
        headers,
        "192.0.2.1",
        member.email.encode()[:16],
        now_ms(),
        monotonic_s(),
    )


def body_of(case: Case) -> bytes:
    body: dict[str, Any] = {"model": case.model, "messages": [{"role": "user", "content": case.content}]}
    body["stream"] = case.stream
    if case.script is not None:
        body["script"] = json.loads(msgspec.json.encode(case.script))
    return json.dumps(body).encode()


async def settle_down(app: App) -> None:
    """Until all that was queued for the store is there."""
    for _ in range(3):
        await app.ledger.run(lambda connection: None)
        await asyncio.sleep(0)


async def check_given_back(app: App, member: Member) -> list[Outcome]:
    """Nothing is held, under way or claimed; the records agree with the balance. Returns the records."""
    await settle_down(app)
    assert app.relay.running == 0
    assert app.ledger.held_nanos == 0
    wallet, budget = app.ledger.wallet(member.account_id), app.ledger.budget(member.key.id)
    assert wallet is None or wallet.unsettled == 0
    assert budget is None or budget.held_nanos == 0
    now_s = asyncio.get_running_loop().time()
    health = app.relay._forwarder._router._health
    assert [one.in_flight for one in health.standings(now_s) if one.in_flight] == []
    leases = [one.in_flight for pool in app.market.pools.values() for one in pool.standings(now_s)]
    assert sum(leases) == 0
    _, exchanges = app.observer.gauges["posthouse_upstream_exchanges"]
    await until(lambda: exchanges() == 0)  # an answer that nobody hears may run out meanwhile
    with app.store.read() as connection:
        assert connection.execute(select(idempotency).where(idempotency.c.process_id != "")).all() == []
    records = list_usage(app.store, UsageFilter(account=member.email), limit=10).records
    if budget is not None:
        assert budget.spent_nanos == sum(record.charge_nanos for record in records)
    return records


def check_record(door: Paper, records: list[Outcome]) -> None:
    """One record at most; a whole answer has its charge on disk."""
    assert len(records) <= 1
    if door.is_whole and door.status == 200:
        assert [(one.ending, one.charge_nanos > 0) for one in records] == [(Ending.COMPLETED, True)]
    for one in records:
        assert one.ending in (Ending.CANCELLED, Ending.COMPLETED)
        if one.ending is Ending.CANCELLED and not door.is_open:
            assert one.charge_nanos == 0, "nothing was delivered"
        words = len(re.findall(rb'"content":"[^"]', b"".join(door.written)))
        if one.ending is Ending.CANCELLED and door.is_open:
            assert one.completion_tokens >= words, "what was delivered counts"


async def cancel_at_each(settings: Settings, case: Case, *, keyed: bool, late: bool, again: bool) -> int:
    """Returns how many moments there were."""
    async with running(settings) as app:
        for step in range(1, STEPS_MAX):
            member = Member(app.store)
            body = body_of(case)
            idempotency_key = member.email.encode() if keyed else b""
            door = Paper(body)
            steps = (lambda n, first=step: n >= first) if again else (lambda n, first=step: n == first)
            handling = app.relay.handle(request_of(member, idempotency_key), door)
            async with asyncio.timeout(10):
                task = asyncio.create_task(_run(cancelled_at(handling, steps, late)))
                await asyncio.wait((task,))
            suspensions = 0 if task.cancelled() else task.result()
            records = await check_given_back(app, member)
            check_record(door, records)
            await check_next_call(app, member, body, idempotency_key)
            if not task.cancelled() and suspensions < step:
                assert door.is_whole
                assert len(records[0].attempts) == case.attempts
                assert list(verify(app.store)) == []
                return step - 1
    raise AssertionError("it never ended")


async def _run(steps: Generator[Any, Any, int]) -> int:
    return await steps  # type: ignore[misc]  # types.coroutine makes it awaitable


async def check_next_call(app: App, member: Member, body: bytes, idempotency_key: bytes) -> None:
    """The caller's next try gets its answer: no limit is still taken, no claim still running; and where the
    key says that both are one, they cost what one costs."""
    door = Paper(body)
    await app.relay.handle(request_of(member, idempotency_key), door)
    assert (door.status, door.is_whole) == (200, True), b"".join(door.written)
    records = sorted(await check_given_back(app, member), key=lambda one: one.request_id)
    charged = sum(one.charge_nanos for one in records)
    prices = [150 * one.quantities.get("input", 0) + 600 * one.quantities.get("output", 0) for one in records]
    assert charged == (max(prices) if idempotency_key else sum(prices))


@pytest.mark.parametrize(
    ("late", "again"), [(False, False), (True, False), (True, True)], ids=["early", "late", "late, and again"]
)
@pytest.mark.parametrize(
    ("name", "keyed"),
    [
        ("whole", False),
        ("whole", True),
        ("stream", False),
        ("stream", True),
        ("long", True),
        ("long stream", False),
        ("failover", False),
        ("failover", True),
        ("failover, stream", False),
    ],
)
def test_a_call_that_is_cancelled_at_any_await(
    settings: Settings,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    keyed: bool,
    late: bool,
    again: bool,
) -> None:
    monkeypatch.setattr(router, "BACK_OFF_S", 0.001)
    for refused in ("sk-refused", "sk-refused-too"):
        upstream.for_credential(refused, Script(status=429, headers=(("retry-after", "0"),)))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        moments = runner.run(cancel_at_each(settings, CASES[name], keyed=keyed, late=late, again=again))
    assert moments >= 5, "body, key, wallet, budget, upstream, disk"


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize(
    "error", [Refusal(RelayCode.OVERLOADED, "no_channel"), ZeroDivisionError("a fault of ours")]
)
def test_a_call_that_no_channel_was_asked_for_gives_all_back(
    settings: Settings,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    keyed: bool,
) -> None:
    """It was admitted and its ceiling held; then none had room for it, or a fault of ours came between."""

    async def fail(*_: object, **__: object) -> None:
        raise error

    async def run() -> None:
        async with running(settings) as app:
            member, body = Member(app.store), body_of(CASES["whole"])
            idempotency_key = member.email.encode() if keyed else b""
            door = Paper(body)
            with monkeypatch.context() as patch:
                patch.setattr(Forwarder, "fetch", fail)
                await app.relay.handle(request_of(member, idempotency_key), door)
            assert (door.status, door.is_whole) == (503, True)
            assert not await check_given_back(app, member)
            await check_next_call(app, member, body, idempotency_key)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
