"""Objects that a call names (containers, files, caches): an account's own take it back to the channel and the
credential that made them, all others are refused before anything is charged or sent."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import httpx
import msgspec
import pytest

from posthouse.catalogue.events import list_events
from posthouse.catalogue.service import set_by_hand
from posthouse.catalogue.states import State
from posthouse.kernel.clock import now_ms
from posthouse.testing import anthropic_shapes as shapes
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream

CLAUDE, SOLO, GPT, GEMINI = "claude-haiku-4-5", "claude-opus-4-5", "gpt-4o-mini", "gemini-2.5-flash"
CONFIGURATION = f"""
[operator]
default_plan = "paid"
[models."{CLAUDE}"]
list = "anthropic/{CLAUDE}"
[models."{SOLO}"]
list = "anthropic/{SOLO}"
[models."{GPT}"]
list = "openai/{GPT}"
[models."{GEMINI}"]
list = "gemini/{GEMINI}"
[plans.paid]
kind = "paid"
[channels.first]
preset = "anthropic"
base_url = "${{UPSTREAM_BASE_URL}}"
models = ["{CLAUDE}"]
credentials = [
  {{ name = "one", credential = "sk-one" }},
  {{ name = "two", credential = "sk-two" }},
]
[channels.second]
preset = "anthropic"
base_url = "SECOND"
credential = "sk-second"
priority = 1
models = ["{CLAUDE}", "{SOLO}"]
[channels.others]
base_url = "SECOND"
credential = "sk-second"
dialects = ["openai", "gemini"]
models = ["{GPT}", "{GEMINI}"]
"""
HELLO: Any = [{"role": "user", "content": "Say hello"}]


class Scene(msgspec.Struct):
    """A relay before two upstreams, and its only two members."""

    relay: EmbeddedRelay
    first: ScriptedUpstream
    second: ScriptedUpstream
    ann: anthropic.Anthropic
    bob: anthropic.Anthropic

    def used(self) -> list[str]:
        """The credentials of the calls that came upstream since this was asked."""
        used = [one.credential for upstream in (self.first, self.second) for one in upstream.received]
        self.first.received, self.second.received = [], []
        return used

    def container(self, name: str, **fields: Any) -> None:
        """The first channel's answers are made in that container."""
        answer = shapes.message(CLAUDE, "Done.", "end_turn", shapes.usage(9, 2))
        self.first.default = Script(body=json.dumps(answer | {"container": {"id": name, **fields}}).encode())

    def set_first(self, state: State) -> None:
        set_by_hand(self.relay.store, "first", "", state, now_ms=now_ms())
        self.relay.run(lambda: self.relay.app.market.on_change("configuration", ""))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ScriptedUpstream() as first, ScriptedUpstream() as second:
        text = CONFIGURATION.replace("SECOND", second.base_url)
        with EmbeddedRelay(tmp_path_factory.mktemp("named"), first.base_url, text) as relay:
            ann, bob = (
                anthropic.Anthropic(base_url=relay.origin, api_key=key, max_retries=0)
                for key in (relay.member(f"{name}@example.org", credit="10") for name in ("ann", "bob"))
            )
            with ann, bob:
                yield Scene(relay, first, second, ann, bob)
            relay.check_nothing_left()
            assert relay.differences() == []


@pytest.fixture(autouse=True)
def _as_before(scene: Scene) -> Iterator[None]:
    yield
    scene.set_first("enabled")
    for upstream in (scene.first, scene.second):
        upstream.reset()
        upstream.default = Script()


def say(client: anthropic.Anthropic, model: str = CLAUDE, **fields: Any) -> Any:
    return client.messages.create(model=model, max_tokens=50, messages=HELLO, extra_body=fields)


def error_of(answer: anthropic.APIStatusError) -> dict[str, Any]:
    body: Any = answer.body
    return dict(body["error"])


def code_of(answer: anthropic.APIStatusError) -> int:
    return int(error_of(answer)["relay_code"])


def test_a_container_takes_its_owner_back_to_its_channel_and_credential(scene: Scene) -> None:
    scene.container("container_a")
    assert say(scene.ann).container.id == "container_a"
    (used,) = scene.used()
    for named in ("container_a", {"id": "container_a"}) * 2:
        say(scene.ann, container=named)
    assert scene.used() == [used] * 4
    before = len(scene.relay.usage())
    with pytest.raises(anthropic.NotFoundError) as refused:
        say(scene.bob, container="container_a")
    assert code_of(refused.value) == 40253
    with pytest.raises(anthropic.NotFoundError) as unknown:
        say(scene.ann, container="container_of_nobody")
    assert error_of(unknown.value) == error_of(refused.value)
    assert (scene.used(), len(scene.relay.usage())) == ([], before)


def test_a_container_of_a_stream(scene: Scene) -> None:
    container = {"id": "container_s", "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    begun, *events, ended, stop = shapes.events(CLAUDE, ["Done."], "end_turn", shapes.usage(9, 1), done=True)
    ended = ended.replace(b'"stop_sequence":null', b'"container":' + json.dumps(container).encode())
    scene.first.default = Script(events=(begun, *events, ended, stop))
    with scene.ann.messages.stream(model=CLAUDE, max_tokens=50, messages=HELLO) as stream:
        assert stream.get_final_text() == "Done."
    scene.first.default = Script()
    say(scene.ann, container="container_s")
    assert len(set(scene.used())) == 1


def test_an_expired_container_is_nobodys(scene: Scene) -> None:
    scene.container("container_old", expires_at="2026-01-01T00:00:00Z")
    say(scene.ann)
    with pytest.raises(anthropic.NotFoundError):
        say(scene.ann, container="container_old")


def test_a_call_that_belongs_to_a_channel_does_not_fail_over(scene: Scene) -> None:
    scene.container("container_f")
    say(scene.ann)
    scene.first.default = Script(status=500)
    with pytest.raises(anthropic.InternalServerError):
        say(scene.ann, container="container_f")
    assert {credential[:6] for credential in scene.used()} <= {"sk-one", "sk-two"}
    assert say(scene.ann).content[0].text == "Hello from the scripted upstream."
    assert "sk-second" in scene.used()


def test_what_the_upstream_has_lost_is_held_against_nobody(scene: Scene) -> None:
    scene.container("container_l")
    say(scene.ann)
    scene.first.default = Script(status=404)
    with pytest.raises(anthropic.NotFoundError) as lost:
        say(scene.ann, container="container_l")
    assert "There is nothing here." in str(lost.value)  # the provider's own words
    missing = [
        one for one in list_events(scene.relay.store, channel="first", limit=99) if one.kind == "model"
    ]
    assert missing == []


def test_a_drained_channel_serves_what_it_keeps_and_a_disabled_one_refuses_clearly(scene: Scene) -> None:
    scene.container("container_d")
    say(scene.ann)
    scene.used()
    scene.set_first("draining")
    say(scene.ann)
    assert scene.used() == ["sk-second"]
    say(scene.ann, container="container_d")
    assert scene.used() in (["sk-one"], ["sk-two"])
    with pytest.raises(anthropic.NotFoundError) as refused:
        say(scene.ann, SOLO, container="container_d")
    assert code_of(refused.value) == 48001
    scene.set_first("disabled")
    with pytest.raises(anthropic.APIStatusError) as refused:
        say(scene.ann, container="container_d")
    assert (refused.value.status_code, code_of(refused.value)) == (503, -1)
    assert "out of use" in str(refused.value)
    assert scene.used() == []


def test_a_model_whose_only_channel_is_drained_still_serves_what_that_keeps(scene: Scene) -> None:
    scene.container("container_o")
    say(scene.ann)
    scene.used()
    set_by_hand(scene.relay.store, "second", "", "disabled", now_ms=now_ms())
    scene.set_first("draining")
    say(scene.ann, container="container_o")
    with pytest.raises(anthropic.NotFoundError) as refused:
        say(scene.ann)
    assert code_of(refused.value) == 48001
    assert len(scene.used()) == 1
    set_by_hand(scene.relay.store, "second", "", "enabled", now_ms=now_ms())


def test_a_credential_that_is_out_takes_the_containers_calls_with_it(scene: Scene) -> None:
    scene.container("container_c")
    say(scene.ann)
    (used,) = scene.used()
    name = {"sk-one": "one", "sk-two": "two"}[used]
    set_by_hand(scene.relay.store, "first", name, "disabled", now_ms=now_ms())
    scene.set_first("enabled")
    with pytest.raises(anthropic.APIStatusError) as refused:
        say(scene.ann, container="container_c")
    assert (refused.value.status_code, code_of(refused.value)) == (503, -1)
    say(scene.ann)
    assert scene.used() == [{"one": "sk-two", "two": "sk-one"}[name]]
    set_by_hand(scene.relay.store, "first", name, "enabled", now_ms=now_ms())


def test_two_that_are_kept_apart_can_not_meet_in_one_call(scene: Scene) -> None:
    scene.container("container_1")
    say(scene.ann)
    answer = shapes.message(SOLO, "Done.", "end_turn", shapes.usage(9, 2)) | {"container": {"id": "file_2"}}
    scene.second.default = Script(body=json.dumps(answer).encode())
    say(scene.ann, SOLO)
    scene.used()
    file = {"type": "document", "source": {"type": "file", "file_id": "file_2"}}
    with pytest.raises(anthropic.NotFoundError) as refused:
        say(scene.ann, container="container_1", messages=[{"role": "user", "content": [file]}])
    assert "different upstreams" in str(refused.value)
    assert (code_of(refused.value), scene.used()) == (40253, [])


FILE = {"type": "file", "file": {"file_id": "file-1"}}
URI = {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": GPT, "messages": [{"role": "user", "content": [FILE]}]}),
        (f"/v1beta/models/{GEMINI}:generateContent", {"cachedContent": "cachedContents/1"}),
        (f"/v1beta/models/{GEMINI}:countTokens", {"contents": [{"parts": [URI]}]}),
    ],
)
def test_what_nobody_here_has_made_is_refused_in_each_dialect(
    scene: Scene, path: str, body: dict[str, Any]
) -> None:
    headers = {"authorization": f"Bearer {scene.ann.api_key}"}
    refused = httpx.post(scene.relay.origin + path, json=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]["relay_code"]) == (404, 40253)
    assert scene.used() == []
