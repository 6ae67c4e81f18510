"""Stored chat completions by the official client: one's own, wherever they are kept, and nobody else's."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest
from tests.docs.pages import ROOT, blocks_of

from posthouse.accounts.queries import get_account
from posthouse.accounts.service import create_key, issue_playground_key
from posthouse.catalogue.service import set_by_hand
from posthouse.catalogue.states import State
from posthouse.kernel.clock import now_ms
from posthouse.ledger import owned
from posthouse.metering.tokens import TokenCounter
from posthouse.people.profiles import delete_account
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.simulated import TEXT, SimulatedProvider
from posthouse.testing.threaded import ThreadedServer
from posthouse.testing.waiting import eventually

MODEL, OTHER = "gpt-4o-mini", "gpt-4o"
# Calls go to both channels in turn, and each of the first's to one of its credentials.
CONFIGURATION = """
[operator]
default_plan = "paid"
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
[models."gpt-4o"]
list = "openai/gpt-4o"
[plans.paid]
kind = "paid"
[[plans.paid.limits]]
per = "key"
window = "1 hour"
requests = 100
[channels.first]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
[channels.second]
base_url = "SECOND"
credential = "sk-second"
models = ["gpt-4o-mini"]
"""
HELLO: Any = [{"role": "user", "content": "Say hello"}]


class Scene(msgspec.Struct):
    """A relay before two providers."""

    relay: EmbeddedRelay
    providers: dict[str, SimulatedProvider]

    def client(self, email: str) -> openai.OpenAI:
        key = self.relay.member(email, credit="10")
        return openai.OpenAI(base_url=self.relay.base_url, api_key=key, max_retries=0)

    def keeper(self, name: str) -> str:
        """The channel whose provider has it."""
        (channel,) = [channel for channel, one in self.providers.items() if name in one.stored.kept]
        return channel

    def set_state(self, channel: str, state: State) -> None:
        set_by_hand(self.relay.store, channel, "", state, now_ms=now_ms())
        self.relay.run(lambda: self.relay.app.market.on_change("configuration", ""))


@contextmanager
def simulated() -> Iterator[tuple[SimulatedProvider, str]]:
    """A provider in a thread, and its base URL."""
    provider = SimulatedProvider(TokenCounter(), pace_s=0)
    with ThreadedServer(provider.handle) as server:
        yield provider, server.base_url


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with simulated() as (first, first_url), simulated() as (second, second_url):
        text = CONFIGURATION.replace("SECOND", second_url)
        with EmbeddedRelay(tmp_path_factory.mktemp("stored"), first_url, text) as relay:
            yield Scene(relay, {"first": first, "second": second})
            assert relay.differences() == []


@pytest.fixture(autouse=True)
def _as_before(scene: Scene) -> Iterator[None]:
    yield
    for channel in ("first", "second"):
        scene.set_state(channel, "enabled")


@pytest.fixture
def ann(scene: Scene, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    with scene.client(f"ann-{request.node.name[:40]}@example.org") as client:
        yield client


@pytest.fixture
def bob(scene: Scene, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    with scene.client(f"bob-{request.node.name[:40]}@example.org") as client:
        yield client


def stored(client: openai.OpenAI, **fields: Any) -> str:
    return client.chat.completions.create(model=MODEL, messages=HELLO, store=True, **fields).id


def kept_on(scene: Scene, client: openai.OpenAI, channel: str) -> str:
    """The id of a completion that this channel keeps."""
    for _ in range(50):
        name = stored(client)
        if scene.keeper(name) == channel:
            return name
    raise AssertionError("the other channel was always taken")


def code_of(error: openai.APIStatusError) -> int:
    body: Any = error.body
    return int(body["relay_code"])


def test_each_goes_back_to_the_channel_that_keeps_it(scene: Scene, ann: openai.OpenAI) -> None:
    names = [kept_on(scene, ann, channel) for channel in ("first", "second")]
    for name in names:
        got = ann.chat.completions.retrieve(name)
        assert (got.id, got.choices[0].message.content) == (name, TEXT)
        assert ann.chat.completions.update(name, metadata={"topic": "hello"}).metadata == {"topic": "hello"}
        assert scene.providers[scene.keeper(name)].stored.kept[name]["metadata"] == {"topic": "hello"}
        (message,) = ann.chat.completions.messages.list(name, order="asc")
        assert (message.role, message.content) == ("user", "Say hello")
        assert ann.chat.completions.delete(name).deleted
        with pytest.raises(openai.NotFoundError) as gone:
            ann.chat.completions.retrieve(name)
        assert code_of(gone.value) == 40253


def test_nobody_elses_can_be_told_from_what_never_was(ann: openai.OpenAI, bob: openai.OpenAI) -> None:
    name = stored(ann)
    told = []
    for one in (name, "chatcmpl-never"):
        calls = bob.chat.completions
        for call in (calls.retrieve, calls.delete, calls.messages.list):
            with pytest.raises(openai.NotFoundError) as refused:
                call(one)
            told.append(refused.value.body)
        with pytest.raises(openai.NotFoundError) as refused:
            calls.update(one, metadata={})
        told.append(refused.value.body)
    assert told == [told[0]] * 8
    assert told[0]["relay_code"] == 40253
    assert list(bob.chat.completions.list()) == []
    assert ann.chat.completions.retrieve(name).id == name


def test_a_list_has_ones_own_of_all_channels(scene: Scene, ann: openai.OpenAI, bob: openai.OpenAI) -> None:
    stored(bob)
    names = [kept_on(scene, ann, channel) for channel in ("first", "second", "first")]
    listed = [one.id for one in ann.chat.completions.list(limit=2)]  # page by page
    assert [name for name in listed if name in names] == names
    assert [one.id for one in ann.chat.completions.list(order="desc")] == listed[::-1]
    page = ann.chat.completions.list(after=names[0], limit=1)
    assert (len(page.data), page.has_more) == (1, True)
    assert page.data[0].choices[0].message.content == TEXT
    assert list(ann.chat.completions.list(model=OTHER)) == []
    gone = names[1]
    del scene.providers["second"].stored.kept[gone]  # the upstream has forgotten it
    assert gone not in [one.id for one in ann.chat.completions.list()]
    wrong: list[dict[str, Any]] = [{"limit": 101}, {"order": "up"}, {"metadata": {"topic": "hello"}}]
    for one in wrong:
        with pytest.raises(openai.BadRequestError):
            ann.chat.completions.list(**one)


def test_what_is_not_asked_to_be_stored_is_not_owned(scene: Scene, ann: openai.OpenAI) -> None:
    ann.chat.completions.create(model=MODEL, messages=HELLO)
    ann.chat.completions.create(model=MODEL, messages=HELLO, store=False)
    assert list(ann.chat.completions.list()) == []


def test_a_stream_names_what_is_stored(scene: Scene, ann: openai.OpenAI) -> None:
    chunks = list(ann.chat.completions.create(model=MODEL, messages=HELLO, store=True, stream=True))
    assert ann.chat.completions.retrieve(chunks[0].id).choices[0].message.content == TEXT


def test_a_drained_channel_serves_what_it_keeps_and_a_disabled_one_refuses_clearly(
    scene: Scene, ann: openai.OpenAI
) -> None:
    name = kept_on(scene, ann, "second")
    scene.set_state("second", "draining")
    assert {scene.keeper(stored(ann)) for _ in range(5)} == {"first"}
    assert ann.chat.completions.retrieve(name).id == name
    scene.set_state("second", "disabled")
    with pytest.raises(openai.InternalServerError) as refused:
        ann.chat.completions.retrieve(name)
    assert (refused.value.status_code, code_of(refused.value)) == (503, -1)
    assert refused.value.response.headers["x-should-retry"] == "false"
    shown = {one.id: one for one in ann.chat.completions.list(limit=20)}
    assert (shown[name].model, shown[name].choices) == (MODEL, [])


def test_they_are_free_counted_and_on_record(scene: Scene, request: pytest.FixtureRequest) -> None:
    email = "counted@example.org"
    with scene.client(email) as client:
        name = stored(client)
        balance = scene.relay.balance(email)
        raw = client.chat.completions.with_raw_response.retrieve(name)
        assert raw.headers["x-ratelimit-remaining-requests"] == "98"
        assert raw.headers["x-posthouse-attempts"] == "1"
        client.chat.completions.list()
        assert eventually(lambda: len(scene.relay.usage(email)) == 3)
    assert scene.relay.balance(email) == balance
    made, *about = scene.relay.usage(email)
    assert [(one.endpoint, one.model, one.charge_nanos) for one in about] == [
        ("chat/completions/stored", MODEL, 0)
    ] * 2
    assert {one.channel for one in (made, *about)} == {scene.keeper(name)}


def test_what_asks_no_upstream_says_where_the_caller_stands_too(scene: Scene) -> None:
    with scene.client("asking@example.org") as client:
        empty = client.chat.completions.with_raw_response.list()
        with pytest.raises(openai.NotFoundError) as refused:
            client.chat.completions.retrieve("chatcmpl-none")
    assert empty.parse().data == []
    for headers in (empty.headers, refused.value.response.headers):
        assert headers["x-ratelimit-remaining-requests"] == "100"


def test_the_playground_counts_on_the_limits_of_the_oldest_key(scene: Scene) -> None:
    email = "playing@example.org"
    with scene.client(email) as client:
        name = stored(client)
    account_id = get_account(scene.relay.store, email).id
    key = issue_playground_key(scene.relay.store, account_id, lifetime_ms=60_000).key
    with openai.OpenAI(base_url=scene.relay.base_url, api_key=key, max_retries=0) as page:
        raw = page.chat.completions.with_raw_response.retrieve(name)
    assert raw.headers["x-ratelimit-remaining-requests"] == "98"


def test_only_a_key_whose_scope_has_the_endpoint_may_ask(scene: Scene) -> None:
    email = "scoped@example.org"
    with scene.client(email) as client:
        name = stored(client)
    key = create_key(scene.relay.store, email, endpoints=["embeddings"]).key
    with openai.OpenAI(base_url=scene.relay.base_url, api_key=key, max_retries=0) as scoped:
        for call in (lambda: scoped.chat.completions.retrieve(name), scoped.chat.completions.list):
            with pytest.raises(openai.PermissionDeniedError) as refused:
                call()
            assert code_of(refused.value) == 40252


def test_what_its_upstream_has_lost_is_forgotten_and_held_against_nobody(
    scene: Scene, ann: openai.OpenAI
) -> None:
    name = kept_on(scene, ann, "second")
    del scene.providers["second"].stored.kept[name]
    with pytest.raises(openai.NotFoundError) as gone:
        ann.chat.completions.retrieve(name)
    assert gone.value.code == "not_found"  # the provider's own words
    standings = scene.relay.run(lambda: _standings(scene))
    assert all(one.state == "closed" for one in standings)
    with pytest.raises(openai.NotFoundError) as forgotten:
        ann.chat.completions.retrieve(name)
    assert code_of(forgotten.value) == 40253


async def _standings(scene: Scene) -> Any:
    loop_s = asyncio.get_running_loop().time()
    return scene.relay.app.relay._forwarder._router._health.standings(loop_s)


def test_a_deleted_account_owns_nothing(scene: Scene) -> None:
    email = "deleted@example.org"
    with scene.client(email) as client:
        stored(client)
    account_id = scene.relay.usage(email)[0].account_id
    assert len(owned.page(scene.relay.store, account_id, "chat_completion", now_ms(), limit=9)) == 1
    delete_account(scene.relay.store, account_id, actor="test", now_ms=now_ms())
    assert owned.page(scene.relay.store, account_id, "chat_completion", now_ms(), limit=9) == []


def test_other_methods_and_paths_are_told_apart(scene: Scene, ann: openai.OpenAI) -> None:
    headers = {"authorization": f"Bearer {ann.api_key}"}
    wrong = httpx.put(scene.relay.base_url + "/chat/completions/chatcmpl-1", headers=headers)
    assert (wrong.status_code, wrong.json()["error"]["relay_code"]) == (404, 48004)
    deeper = httpx.get(scene.relay.base_url + "/chat/completions/chatcmpl-1/choices", headers=headers)
    assert deeper.json()["error"]["relay_code"] == 48004


@pytest.mark.parametrize("page", ["members.md", "members.zh.md"])
def test_the_program_on_the_members_page(scene: Scene, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = blocks_of((ROOT / "docs" / page).read_text("utf-8"), "python")
    (program,) = [block.text for block in blocks if "import openai" in block.text]
    key = scene.relay.member(f"{page}@example.org", credit="10")
    names: dict[str, Any] = {}
    program = program.replace("https://api.example.com/v1", scene.relay.base_url).replace("YOUR_KEY", key)
    exec(compile(program, page, "exec"), names)
    names["client"].close()
    assert capsys.readouterr().out == f"{TEXT}\n{names['made'].id} {MODEL}\n"


def test_a_relay_that_starts_again_knows_what_was_stored(tmp_path: Path) -> None:
    with simulated() as (provider, url):
        with EmbeddedRelay(tmp_path, url) as relay:
            key = relay.member("ann@example.org", credit="10")
            with openai.OpenAI(base_url=relay.base_url, api_key=key, max_retries=0) as client:
                name = stored(client)
        with (
            EmbeddedRelay(tmp_path, url) as relay,
            openai.OpenAI(base_url=relay.base_url, api_key=key, max_retries=0) as client,
        ):
            assert client.chat.completions.retrieve(name).id == name
            assert name in provider.stored.kept
