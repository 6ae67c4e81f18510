"""What reaches the store of what happens to channels: with the real ledger's writer, health and pools."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from posthouse.catalogue.events import ChannelEvent, list_events
from posthouse.catalogue.standings import Answers, ask_reports
from posthouse.catalogue.states import read_states
from posthouse.kernel.clock import monotonic_s, now_ms
from posthouse.ledger.service import Ledger
from posthouse.observe.observer import Figures
from posthouse.relay import watch as module
from posthouse.relay.watch import Watch, figures_of
from posthouse.routing.channels import CredentialDef
from posthouse.routing.health import Health, HealthPolicy
from posthouse.routing.pools import Pool
from posthouse.routing.verdicts import Verdict
from posthouse.store.changes import ChangeFeed
from posthouse.store.engine import Store
from posthouse.store.errors import StoreDown
from posthouse.testing.stores import store_in
from posthouse.testing.waiting import until

POLICY = HealthPolicy(consecutive=2)


class Stage:
    """A process as far as it watches channels: one channel "main" with the credentials one and two."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self.store = store
        self.health = Health(lambda: 0.0)
        self.pool = Pool(
            "main", [CredentialDef(name="one"), CredentialDef(name="two", requests_per_minute=9)]
        )
        self.watch = Watch(ledger.run, ledger.process_id, self.health, lambda: [self.pool])
        self.health.on_transition = self.watch.moved

    def call(self, verdict: Verdict) -> None:
        """One attempt that ends so."""
        ticket = self.health.begin("main", "gpt-4o", POLICY, monotonic_s())
        self.health.end(ticket, verdict, monotonic_s(), ttft_s=0.25)

    def figures(self) -> list[Figures]:
        return list(figures_of(self.watch.report()))

    async def events(self, count: int) -> list[ChannelEvent]:
        await until(lambda: len(list_events(self.store, limit=99)) >= count)
        return list_events(self.store, limit=99)


Story = Callable[[Stage], Awaitable[None]]
Play = Callable[[Story], None]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    monkeypatch.setattr(module, "GATHER_S", 0.01)
    store = store_in(tmp_path)

    async def run(story: Story) -> None:
        ledger, feed = Ledger(store), ChangeFeed(store, poll_s=0.01)
        await ledger.start()
        stage = Stage(store, ledger)
        feed.listen(stage.watch.on_change)
        await feed.start()
        try:
            await story(stage)
        finally:
            await feed.stop()
            await ledger.stop()
            store.close()

    return lambda story: asyncio.run(run(story))


def test_a_breaker_that_opens_is_an_event_with_its_reason(play: Play) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(2):
            stage.call(Verdict.ERROR)
        (event,) = await stage.events(1)
        assert (event.channel, event.model, event.kind) == ("main", "gpt-4o", "breaker")
        assert (event.before, event.after) == ("closed", "open")
        assert event.reason
        assert event.process_id.startswith("prc_")

    play(story)


def test_a_credential_that_leaves_and_comes_back_is_known_to_all(play: Play) -> None:
    async def story(stage: Stage) -> None:
        lease = stage.pool.take(1, monotonic_s(), {"two"})
        assert lease is not None
        departure = stage.pool.end(lease, Verdict.QUOTA, monotonic_s())
        assert departure is not None
        stage.watch.left(departure)
        await stage.events(1)
        with stage.store.read() as connection:
            state = read_states(connection)["main", "one"]
        assert (state.state, state.reason) == ("out", "quota")
        back = stage.pool.probed("one", True, monotonic_s())
        assert back is not None
        stage.watch.came_back(back)
        newest, _ = await stage.events(2)
        assert (newest.before, newest.after, newest.credential) == ("out", "enabled", "one")
        with stage.store.read() as connection:
            assert read_states(connection) == {}

    play(story)


def test_a_missing_model_is_told_once(play: Play) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(3):
            stage.watch.model_missing("main", "gpt-4o")
        stage.watch.model_missing("main", "gpt-5")
        events = await stage.events(2)
        assert [(one.kind, one.model) for one in events] == [("model", "gpt-5"), ("model", "gpt-4o")]
        assert "model_map" in events[0].reason

    play(story)


def test_events_in_memory_are_bounded(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    monkeypatch.setattr(module, "MISSING_MAX", 2)

    async def story(stage: Stage) -> None:
        for number in range(9):
            stage.watch.model_missing("main", f"model-{number}")
        stage.watch.flush()
        events = await stage.events(3)
        assert [one.model for one in events] == ["model-2", "model-1", "model-0"]

    play(story)


def test_whoever_asks_hears_how_the_channels_stand(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.call(Verdict.OK)
        stage.call(Verdict.ERROR)
        stage.pool.take(5, monotonic_s(), {"one"})
        answers = await asyncio.to_thread(ask_reports, stage.store, now_ms=now_ms(), patience_s=5)
        assert answers.silent == 0
        (report,) = answers.reports
        (channel,) = report.channels
        (model,) = channel.models
        assert (channel.channel, model.model, model.state, model.until_ms) == ("main", "gpt-4o", "closed", 0)
        assert (model.calls, model.error_rate, model.in_flight) == (2, 0.5, 0)
        assert 200 <= model.ttft_p50_ms <= model.ttft_p99_ms <= 300
        one, two = channel.credentials
        assert (one.name, one.state, one.in_flight) == ("one", "in", 0)
        assert (two.name, two.in_flight, two.requests, two.tokens) == ("two", 1, 1, 5)

    play(story)


def test_an_open_breaker_says_until_when(play: Play) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(2):
            stage.call(Verdict.ERROR)
        (model,) = stage.watch.report().channels[0].models
        assert model.state == "open"
        assert 0 < model.until_ms - now_ms() <= POLICY.cool_down_s * 1000
        assert model.why

    play(story)


def test_nobody_answers_where_nobody_serves(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert ask_reports(store, now_ms=now_ms(), patience_s=5) == Answers((), 0)
    store.close()


def test_a_process_that_does_not_answer_is_counted(tmp_path: Path) -> None:
    store = store_in(tmp_path)

    async def story() -> None:
        ledger = Ledger(store)  # alive, but deaf: no change feed
        await ledger.start()
        answers = await asyncio.to_thread(ask_reports, store, now_ms=now_ms(), patience_s=0.06)
        assert answers == Answers((), 1)
        await ledger.stop()

    asyncio.run(story())
    store.close()


def test_what_is_not_written_is_told(tmp_path: Path) -> None:
    faults: list[Exception] = []

    async def story() -> None:
        def run(job: object) -> asyncio.Future[None]:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.set_exception(StoreDown("away"))
            return future

        watch = Watch(run, "prc_1", Health(lambda: 0.0), list)
        watch.on_error = faults.append
        watch.model_missing("main", "gpt-4o")
        watch.flush()
        await asyncio.sleep(0)
        assert watch.report().channels == ()

    asyncio.run(story())
    assert [str(fault) for fault in faults] == ["away"]


def test_figures_tell_states_and_calls(play: Play) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(2):
            stage.call(Verdict.ERROR)
        lease = stage.pool.take(1, monotonic_s(), {"two"})
        assert lease is not None
        stage.pool.end(lease, Verdict.QUOTA, monotonic_s())
        stage.pool.take(1, monotonic_s())
        found = {one.name.removeprefix("posthouse_"): dict(one.samples) for one in stage.figures()}
        assert found == {
            "breaker_state": {
                ("main", "gpt-4o", "closed"): 0.0,
                ("main", "gpt-4o", "open"): 1.0,
                ("main", "gpt-4o", "half_open"): 0.0,
                ("main", "gpt-4o", "ramping"): 0.0,
            },
            "channel_calls": {("main", "gpt-4o"): 0.0},
            "credential_usable": {("main", "one"): 0.0, ("main", "two"): 1.0},
            "credential_calls": {("main", "one"): 0.0, ("main", "two"): 1.0},
        }

    play(story)
