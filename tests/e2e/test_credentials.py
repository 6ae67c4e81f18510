"""A channel's credentials under a relay that goes on answering: kept within ceilings, taken out, changed,
sealed anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.caller import Caller, request
from tests.e2e.stage import CREDENTIALS, NO_CHANNEL, Scene, Stage, body_of, staged

from posthouse.catalogue.credentials import put_credential, remove_credential
from posthouse.catalogue.queries import load_credential_states
from posthouse.catalogue.sealed import rotate
from posthouse.catalogue.service import set_by_hand
from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import Ending
from posthouse.kernel.secrets import SecretText, load_master_keys
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import eventually

CHANNEL = """
[models.{name}]
list = "openai/gpt-4o-mini"
[channels.{name}]
base_url = "{{first}}"
models = ["{name}"]
credentials = [{credentials}]
"""


def credential(name: str, more: str = "weight = 1") -> str:
    return f'{{{{ name = "{name}", credential = "sk-{name}", {more} }}}}'


CHANNELS = {
    "requests": credential("one", "requests_per_minute = 2"),
    "spill": credential("one", "requests_per_minute = 2") + ", " + credential("two"),
    "tokens": credential("one", "tokens_per_minute = 500"),
    "tokens-of-files": credential("one", "tokens_per_minute = 500"),
    "tokens-streamed": credential("one", "tokens_per_minute = 500"),
    "at-once": credential("one", "concurrency = 1"),
    "shared": credential("one", "weight = 2") + ", " + credential("two"),
    "changed": credential("one"),
    "refused": credential("one") + ", " + credential("two"),
    "removed": credential("one") + ", " + credential("two"),
    "rotated": credential("one"),
}
FORBIDDEN = """
[models.allowed]
list = "openai/gpt-4o-mini"
[models.forbidden]
list = "openai/gpt-4o-mini"
[channels.mixed]
base_url = "{first}"
models = ["allowed", "forbidden"]
credential = "sk-one"
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    more = "".join(CHANNEL.format(name=name, credentials=text) for name, text in CHANNELS.items())
    with staged(tmp_path_factory.mktemp("credentials"), more + FORBIDDEN) as stage:
        yield stage


def used(scene: Scene) -> list[str]:
    return [received.credential for received in scene.first.received]


def change(scene: Scene, channel: str, secret: str) -> None:
    """As `posthouse channel credential add` does, from a process of its own."""
    relay = scene.relay
    put_credential(relay.store, relay.box, channel, "one", {}, now_ms=now_ms(), credential=SecretText(secret))


def test_an_upstreams_limit_is_kept_to_before_it_is_hit(scene: Scene) -> None:
    assert [scene.chat("requests").status for _ in range(4)] == [200, 200, 503, 503]
    refused = scene.chat("requests")
    assert refused.relay_code == NO_CHANNEL
    assert 50 <= int(refused.headers["retry-after"]) <= 61
    assert len(scene.first.received) == 2
    assert [one.ending for one in scene.relay.outcomes].count(Ending.COMPLETED) == 2


def test_what_one_has_no_room_for_goes_to_the_other(scene: Scene) -> None:
    assert [scene.chat("spill").status for _ in range(6)] == [200] * 6
    assert (used(scene).count("sk-one"), used(scene).count("sk-two")) == (2, 4)


@pytest.mark.parametrize(("model", "stream"), [("tokens", False), ("tokens-streamed", True)])
def test_tokens_count_as_the_upstream_counted_them(scene: Scene, model: str, stream: bool) -> None:
    """A short prompt is little of 500; what the answer says that it used is nearly all."""
    scene.first.default = Script(usage="each", prompt_tokens=100, completion_tokens=395)
    assert scene.chat(model, stream=stream).status == 200
    scene.relay.check_nothing_left()
    assert scene.chat(model, stream=stream).relay_code == NO_CHANNEL
    assert len(scene.first.received) == 1


def test_a_call_with_a_file_is_not_held_back_for_the_longest_there_could_be(scene: Scene) -> None:
    said = [
        {"role": "user", "content": [{"type": "file", "file": {"file_url": "https://example.org/1.pdf"}}]}
    ]
    assert [scene.chat("tokens-of-files", messages=said).status for _ in range(2)] == [200, 200]


def test_no_more_calls_at_once_than_the_upstream_takes(scene: Scene) -> None:
    with Caller(scene.relay.port) as caller:
        caller.send(scene.request(body_of("at-once", Script(stall_after=0)), "connection: close"))
        assert eventually(lambda: len(scene.first.received) == 1)
        assert scene.chat("at-once").relay_code == NO_CHANNEL
        scene.first.resume()
        (reply,) = caller.replies()
    assert reply.status == 200
    assert eventually(lambda: scene.chat("at-once").status == 200)


def test_calls_are_shared_by_weight(scene: Scene) -> None:
    replies = scene.chats([body_of("shared")] * 30, at_once=1)
    assert {reply.status for reply in replies} == {200}
    assert (used(scene).count("sk-one"), used(scene).count("sk-two")) == (20, 10)


def test_a_new_secret_is_used_at_once_and_the_old_one_no_longer(scene: Scene) -> None:
    scene.first.for_credential("sk-one", Script(error="invalid_api_key"))
    assert scene.chat("changed").status == 401
    assert scene.chat("changed").relay_code == NO_CHANNEL
    assert eventually(lambda: "changed" in load_credential_states(scene.relay.store))
    change(scene, "changed", "sk-two")
    assert eventually(lambda: scene.chat("changed").status == 200)
    assert used(scene)[-1] == "sk-two"
    assert load_credential_states(scene.relay.store).get("changed") is None


def test_the_master_key_is_replaced_under_a_running_relay(scene: Scene) -> None:
    (before,) = load_master_keys(scene.relay.data)
    assert scene.chat("rotated").status == 200
    assert rotate(scene.relay.store, scene.relay.data, now_ms=now_ms()) > 1
    assert load_master_keys(scene.relay.data) != (before,)
    assert scene.chat("rotated").status == 200
    change(scene, "rotated", "sk-three")  # read by a relay that has only seen the old key
    assert eventually(lambda: scene.chat("rotated").status == 200 and used(scene)[-1] == "sk-three")


def test_a_model_that_a_credential_may_not_have_costs_it_no_other(scene: Scene) -> None:
    scene.first.for_model("forbidden", Script(status=403))
    for _ in range(5):
        assert scene.chat("allowed").status == 200
        assert scene.chat("forbidden").status == 403
    assert load_credential_states(scene.relay.store).get("mixed") is None


def test_a_removed_credential_is_used_no_more(scene: Scene) -> None:
    relay = scene.relay
    remove_credential(relay.store, relay.box, "removed", "two", now_ms=now_ms())
    assert eventually(lambda: len(relay.app.market.pools["removed"].standings(0.0)) == 1)
    assert [scene.chat("removed").status for _ in range(4)] == [200] * 4
    assert set(used(scene)) == {"sk-one"}


def test_no_secret_is_written(scene: Scene) -> None:
    """One in use, one refused, all sealed anew; and whatever the tests before did is in the files too."""
    scene.first.for_credential("sk-two", Script(error="invalid_api_key"))
    assert [scene.chat("refused").status for _ in range(3)] == [200] * 3
    rotate(scene.relay.store, scene.relay.data, now_ms=now_ms())
    for path in scene.relay.data.rglob("*"):
        assert not any(secret.encode() in path.read_bytes() for secret in CREDENTIALS), path


def test_what_is_out_stays_so_over_a_restart_until_somebody_enables_it(tmp_path: Path) -> None:
    key = "sk-upstream-credential"
    with ScriptedUpstream(credential=key) as upstream:
        with EmbeddedRelay(tmp_path, upstream.base_url) as relay:
            member = relay.member("ada@example.org", credit="10")
            upstream.enqueue(Script(error="insufficient_quota"))
            assert chat(relay, member) == 429
            assert eventually(lambda: "main" in load_credential_states(relay.store))
        with EmbeddedRelay(tmp_path, upstream.base_url) as relay:
            assert chat(relay, member) == 503
            assert len(upstream.received) == 1
            set_by_hand(relay.store, "main", "default", "enabled", now_ms=now_ms())
            assert eventually(lambda: chat(relay, member) == 200)


def chat(relay: EmbeddedRelay, key: str) -> int:
    """The status of one call."""
    with Caller(relay.port) as caller:
        caller.send(request(key, body_of("gpt-4o-mini"), "connection: close"))
        (reply,) = caller.replies()
        return reply.status
