"""Which of two equal channels a served relay asks: the one that has the prompt cached, or the quicker one,
and not one that has been failing."""

from collections import Counter
from collections.abc import Iterator

import pytest
from tests.e2e.stage import SECOND_TEXT, Scene, Stage, body_of, content_of, staged

from posthouse.testing.upstream import Script

EQUALS = """
[models.{name}]
list = "openai/gpt-4o-mini"
[channels."{name}-one"]
base_url = "{{first}}"
credential = "sk-one"
models = ["{name}"]
health = {{{{ consecutive = 3, cool_down_s = 300 }}}}
[channels."{name}-two"]
base_url = "{{second}}"
credential = "sk-second"
models = ["{name}"]
"""
MORE = "".join(EQUALS.format(name=name) for name in ("cached", "failing", "quick"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("choice"), MORE, operator='choice = "latency"', scenes=4) as stage:
        yield stage


def upstreams_of(scene: Scene, bodies: list[bytes]) -> list[str]:
    """Who answered each."""
    replies = scene.chats(bodies, at_once=1)
    return ["second" if content_of(reply) == SECOND_TEXT else "first" for reply in replies]


def test_calls_that_share_a_prompt_cache_go_to_one_channel_while_it_is_fit(scene: Scene) -> None:
    keys = [f"conversation {number}" for number in range(30)]
    first = upstreams_of(scene, [body_of("cached", prompt_cache_key=key) for key in keys])
    again = upstreams_of(scene, [body_of("cached", prompt_cache_key=key) for key in keys])
    assert again == first
    assert set(first) == {"first", "second"}
    key = keys[first.index("first")]
    scene.first.enqueue(Script(status=500))
    moved = upstreams_of(scene, [body_of("cached", prompt_cache_key=key)] * 2)
    assert moved == ["second", "first"]


def test_calls_that_share_a_prompt_cache_go_with_one_credential_while_it_is_fit(scene: Scene) -> None:
    bodies = [body_of(scene.pool, prompt_cache_key=f"conversation {number}") for number in range(12)]
    for _ in range(2):
        scene.chats(bodies, at_once=1)
    used = [received.credential for received in scene.first.received]
    assert used[:12] == used[12:]
    assert len(set(used)) > 1
    scene.first.for_credential(used[0], Script(status=429))
    (moved,) = scene.chats(bodies[:1])
    assert moved.status == 200


def test_a_channel_that_keeps_failing_is_left_alone(scene: Scene) -> None:
    scene.first.default = Script(status=500)
    assert set(upstreams_of(scene, [body_of("failing")] * 60)) == {"second"}
    assert len(scene.first.received) == 3
    attempts = Counter(len(record.attempts) for record in scene.records())
    assert attempts == {1: 57, 2: 3}


def test_the_quicker_of_two_is_asked(scene: Scene) -> None:
    scene.first.default = Script(delay_s=0.1)
    asked = upstreams_of(scene, [body_of("quick")] * 20)
    assert asked.count("first") <= 1  # to find out
