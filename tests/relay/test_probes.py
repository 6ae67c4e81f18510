"""What the relay asks by itself: when, with which credential, and what follows from the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from posthouse.catalogue import service
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.relay import probes
from posthouse.relay.market import Market
from posthouse.relay.probes import Prober
from posthouse.routing import pools
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.health import Health
from posthouse.routing.pools import Departure, Return
from posthouse.routing.verdicts import Verdict
from posthouse.testing.stores import store_in
from posthouse.testing.waiting import until

HEALTH = {"consecutive": 1, "cool_down_s": 0.001, "cool_down_max_s": 0.001, "probe_every_s": 0.001}


class Stage:
    """A prober on a market of its own, asking an upstream that says `verdict`."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.health = Health(lambda: 0.0)
        self.verdict = Verdict.OK
        self.asked: list[tuple[str, str, str]] = []  # channel, credential, model
        self.told: list[Departure | Return] = []
        self.faults: list[Exception] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.prober = Prober(market, self.health, self, self._ask)
        self.prober.on_error = self.faults.append

    async def _ask(self, spec: ChannelSpec, credential: SecretText | None, model: str) -> Verdict:
        self.asked.append((spec.name, credential.reveal() if credential else "", model))
        await self.answering.wait()
        return self.verdict

    def left(self, departure: Departure) -> None:
        self.told.append(departure)

    def came_back(self, back: Return) -> None:
        self.told.append(back)

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def fail(self, channel: str, verdict: Verdict) -> None:
        """A caller's attempt ends so."""
        lease = self.market.pools[channel].take(1, self.now_s)
        assert lease is not None
        policy = next(one.health for one in self.market.catalogue.channels if one.name == channel)
        self.health.end(self.health.begin(channel, "gpt-4o", policy, self.now_s), verdict, self.now_s)
        self.market.pools[channel].end(lease, verdict, self.now_s)

    async def look(self) -> None:
        """A while later, until all that this begins has ended."""
        await asyncio.sleep(0.005)
        self.prober.look()
        for _ in range(3):
            await asyncio.sleep(0)


Story = Callable[[Stage], Awaitable[None]]
Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """A story with the channel "main" of the fields given."""
    monkeypatch.setattr(pools, "PROBE_S", 0.001)
    store, box = store_in(tmp_path), SecretBox(bytes(32))

    def run(story: Story, **fields: Any) -> None:
        given = {"base_url": "http://127.0.0.1:1/v1", **fields}
        service.put(store, box, "channel", "main", given, now_ms=1, credential=SecretText("sk-1"))

        async def told() -> None:
            stage = Stage(Market(store, box))
            await story(stage)
            assert stage.faults == []

        asyncio.run(told())
        store.close()

    return run


def test_a_credential_that_is_out_is_asked_after_and_comes_back(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.fail("main", Verdict.QUOTA)
        stage.verdict = Verdict.CREDENTIAL
        await stage.look()
        assert stage.asked == [("main", "sk-1", "")]
        assert stage.told == []
        stage.verdict = Verdict.OK
        await stage.look()
        assert [type(one) for one in stage.told] == [Return]
        await stage.look()
        assert len(stage.asked) == 2

    play(story)


def test_nothing_is_asked_while_all_is_well_or_nobody_wants_it(play: Play) -> None:
    async def story(stage: Stage) -> None:
        await stage.look()
        for _ in range(10):
            stage.fail("main", Verdict.ERROR)
        await stage.look()
        assert stage.asked == []

    play(story)


def test_a_half_open_channel_is_asked_for_its_model(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.fail("main", Verdict.ERROR)
        stage.verdict = Verdict.ERROR
        await stage.look()
        assert stage.asked == [("main", "sk-1", "gpt-4o")]
        assert stage.health.standings(stage.now_s)[0].state in ("open", "half_open")
        stage.verdict = Verdict.OK
        await stage.look()
        assert stage.health.standings(stage.now_s)[0].state == "ramping"
        assert stage.market.pools["main"].standings(stage.now_s)[0].in_flight == 0

    play(story, health=HEALTH)


def test_a_model_that_nobody_calls_is_asked_for(play: Play) -> None:
    async def story(stage: Stage) -> None:
        await stage.look()
        assert stage.asked == [("main", "sk-1", "gpt-4o-mini")]

    play(story, health={"probe_every_s": 3600, "probe_model": "gpt-4o-mini"})


def test_a_probe_may_take_its_credential_out(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.verdict = Verdict.QUOTA
        await stage.look()
        (departure,) = stage.told
        assert isinstance(departure, Departure)
        assert (departure.channel, departure.reason) == ("main", Verdict.QUOTA)

    play(story, health={"probe_every_s": 3600, "probe_model": "gpt-4o-mini"})


def test_a_ceiling_that_is_reached_is_kept_to(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.market.pools["main"].take(1, stage.now_s)
        await stage.look()
        assert stage.asked == []

    play(
        story,
        health={"probe_every_s": 3600, "probe_model": "gpt-4o-mini"},
        credentials=[{"name": "default", "concurrency": 1}],
    )


def test_so_many_at_once_and_no_more(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "AT_ONCE_MAX", 1)

    async def story(stage: Stage) -> None:
        stage.answering.clear()
        stage.fail("main", Verdict.ERROR)
        await stage.look()
        stage.fail("main", Verdict.QUOTA)
        await stage.look()
        assert len(stage.asked) == 1
        stage.answering.set()
        await stage.look()
        await stage.look()
        assert len(stage.asked) == 2

    play(story, health=HEALTH)


def test_credentials_of_one_channel_take_turns(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "AT_ONCE_MAX", 2)

    async def story(stage: Stage) -> None:
        for _ in range(5):
            stage.fail("main", Verdict.QUOTA)
        stage.answering.clear()
        await stage.look()
        assert len(stage.asked) == 2
        stage.answering.set()
        for _ in range(5):
            await stage.look()
        assert len(stage.asked) == 5

    play(story, credentials=[{"name": name} for name in ("default", "b", "c", "d", "e")])


def test_the_end_of_the_server_ends_its_probes(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "EVERY_S", 0.001)

    async def story(stage: Stage) -> None:
        stage.answering.clear()
        running = asyncio.create_task(stage.prober.run())
        await until(lambda: stage.asked)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert stage.health.in_flight("main", "gpt-4o-mini") == 0
        assert stage.market.pools["main"].standings(stage.now_s)[0].in_flight == 0

    play(story, health={"probe_every_s": 3600, "probe_model": "gpt-4o-mini"})


def test_a_channel_may_go_before_its_probe_has_begun(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.prober.look()
        gone = stage.market.pools.pop("main")
        for _ in range(3):
            await asyncio.sleep(0)
        assert stage.faults == []
        assert gone.standings(stage.now_s)[0].in_flight == 0
        assert stage.health.in_flight("main", "gpt-4o-mini") == 0

    play(story, health={"probe_every_s": 3600, "probe_model": "gpt-4o-mini"})


def test_a_fault_does_not_end_the_looks(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "EVERY_S", 0.001)

    async def story(stage: Stage) -> None:
        pool = stage.market.pools.pop("main")
        running = asyncio.create_task(stage.prober.run())
        await until(lambda: stage.faults)
        stage.market.pools["main"] = pool
        await until(lambda: stage.asked)
        stage.faults.clear()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(story, health={"probe_every_s": 3600, "probe_model": "gpt-4o-mini"})


def test_a_fault_of_ours_is_told(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async def fail(spec: ChannelSpec, credential: SecretText | None, model: str) -> Verdict:
            raise ValueError(model)

        stage.prober = Prober(stage.market, stage.health, stage, fail)
        told: list[Exception] = []
        stage.prober.on_error = told.append
        await stage.look()
        assert [str(one) for one in told] == ["gpt-4o-mini"]
        assert stage.health.in_flight("main", "gpt-4o-mini") == 0

    play(story, health={"probe_every_s": 3600, "probe_model": "gpt-4o-mini"})
