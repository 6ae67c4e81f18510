"""What an operator sees of the channels of a running relay, and what a command of theirs does to it."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.e2e.caller import Caller
from tests.e2e.stage import SECOND_TEXT, UNREACHABLE, Scene, body_of, content_of

from posthouse.catalogue.events import ChannelEvent, list_events
from posthouse.catalogue.service import set_by_hand
from posthouse.catalogue.standings import ChannelStanding, ask_reports
from posthouse.catalogue.states import State
from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import Ending
from posthouse.relay import probes
from posthouse.routing import pools
from posthouse.routing.health import HealthPolicy
from posthouse.testing.upstream import Script
from posthouse.testing.waiting import eventually

FAILING = Script(status=500)


def set_state(scene: Scene, channel: str, state: State, credential: str = "") -> None:
    """As `posthouse channel enable|disable|drain` does, of one of the scene's channels."""
    set_by_hand(scene.relay.store, f"{channel}-{scene.number}", credential, state, now_ms=now_ms())


def standing(scene: Scene, channel: str) -> ChannelStanding:
    """What `posthouse channel status` is told of one of the scene's channels."""
    answers = ask_reports(scene.relay.store, now_ms=now_ms(), patience_s=5)
    (report,) = answers.reports
    return next(one for one in report.channels if one.channel == f"{channel}-{scene.number}")


def events(scene: Scene, channel: str) -> list[ChannelEvent]:
    return list_events(scene.relay.store, channel=f"{channel}-{scene.number}", limit=99)


def scraped(scene: Scene) -> str:
    """As Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(scene.relay.app.observer)
    return generate_latest(registry).decode()


def test_an_answer_tells_how_many_tries_it_took(scene: Scene) -> None:
    assert scene.chat(scene.pair).headers["x-posthouse-attempts"] == "1"
    scene.first.default = FAILING
    assert scene.chat(scene.pair).headers["x-posthouse-attempts"] == "2"
    assert scene.chat(scene.pair, stream=True).headers["x-posthouse-attempts"] == "2"


def test_a_refusal_tells_it_only_where_something_was_tried(scene: Scene) -> None:
    scene.first.default = Script(cut_at=0)
    failed = scene.chat(scene.solo)
    assert (failed.relay_code, failed.headers["x-posthouse-attempts"]) == (UNREACHABLE, "1")
    assert scene.record().ending is Ending.FAILED  # what costs nothing is written after the answer
    assert "x-posthouse-attempts" not in scene.chat("no-such-model").headers


def test_a_drained_channel_gets_no_new_calls_and_ends_the_running_one(scene: Scene) -> None:
    with Caller(scene.relay.port) as caller:
        script = Script(stall_after=2)
        caller.send(scene.request(body_of(scene.pair, script, stream=True), "connection: close"))
        caller.read_until(b"data: ")
        set_state(scene, "first", "draining")
        assert eventually(lambda: content_of(scene.chat(scene.pair)) == SECOND_TEXT)
        scene.first.resume()
        (reply,) = caller.replies()
    assert reply.whole
    assert content_of(reply) == Script().text
    assert all(one.ending is Ending.COMPLETED for one in scene.records())
    set_state(scene, "first", "enabled")
    assert eventually(lambda: content_of(scene.chat(scene.pair)) == Script().text)


def test_a_disabled_channel_is_as_if_it_were_not_there(scene: Scene) -> None:
    assert scene.chat(scene.solo).status == 200
    set_state(scene, "solo", "disabled")
    assert eventually(lambda: scene.chat(scene.solo).status == 404)
    set_state(scene, "solo", "enabled")
    assert eventually(lambda: scene.chat(scene.solo).status == 200)


def test_a_breaker_that_opens_is_seen_everywhere_and_closed_by_hand(scene: Scene) -> None:
    scene.first.default = FAILING
    for _ in range(HealthPolicy().consecutive):
        scene.chat(scene.pair)
    (model,) = standing(scene, "first").models
    assert (model.model, model.state) == (scene.pair, "open")
    assert "failures in a row" in model.why
    assert eventually(lambda: len(events(scene, "first")) == 1)
    (opened,) = events(scene, "first")
    assert (opened.kind, opened.before, opened.after, opened.model) == (
        *("breaker", "closed", "open"),
        scene.pair,
    )
    labels = f'{{channel="first-{scene.number}",model="{scene.pair}",state="open"}}'
    assert f"posthouse_breaker_state{labels} 1.0" in scraped(scene)
    set_state(scene, "first", "enabled")
    assert eventually(lambda: len(events(scene, "first")) == 2)
    assert events(scene, "first")[0].after == "closed"
    assert standing(scene, "first").models[0].state == "closed"


def test_a_credential_that_is_refused_is_out_until_it_is_enabled(scene: Scene) -> None:
    scene.first.default = Script(status=401)
    scene.chat(scene.pool)
    assert eventually(lambda: len(events(scene, "pool")) == 3)
    assert {(one.kind, one.before, one.after) for one in events(scene, "pool")} == {
        ("credential", "enabled", "out")
    }
    assert [one.state for one in standing(scene, "pool").credentials] == ["out"] * 3
    scene.first.default = Script()
    set_state(scene, "pool", "enabled", "two")
    assert eventually(lambda: standing(scene, "pool").credentials[1].state == "in")
    assert scene.chat(scene.pool).status == 200
    assert scene.relay.usage(scene.email)[-1].attempts[-1].credential == "two"


def test_a_credential_that_works_again_comes_back_by_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "PROBE_S", 0.01)
    monkeypatch.setattr(probes, "EVERY_S", 0.01)
    scene.first.default = Script(status=401)
    scene.chat(scene.solo)
    assert eventually(lambda: standing(scene, "solo").credentials[0].state == "out")
    scene.first.default = Script()
    assert eventually(lambda: standing(scene, "solo").credentials[0].state == "trial")
    assert scene.chat(scene.solo).status == 200
    assert standing(scene, "solo").credentials[0].state == "in"
    assert [(one.before, one.after) for one in events(scene, "solo")] == [
        ("out", "enabled"),
        ("enabled", "out"),
    ]
