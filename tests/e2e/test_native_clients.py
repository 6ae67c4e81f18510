"""Anthropic's and Google's official Python clients notice no difference, and what they use is charged."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from google import genai
from google.genai import errors, types
from tests.docs.pages import ROOT, blocks_of

from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream

CLAUDE, GEMINI, EMBEDDING = "claude-haiku-4-5", "gemini-2.5-flash", "gemini-embedding-001"
CONFIGURATION = f"""
[operator]
default_plan = "paid"
[models."{CLAUDE}"]
list = "anthropic/{CLAUDE}"
[models."{GEMINI}"]
list = "gemini/{GEMINI}"
[models."{EMBEDDING}"]
list = "gemini/{EMBEDDING}"
[plans.paid]
kind = "paid"
[[plans.paid.limits]]
per = "key"
requests = 1000
[channels.anthropic]
preset = "anthropic"
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["claude-*"]
[channels.gemini]
preset = "gemini"
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gemini-*"]
"""
# Nanos for a token: 1 and 5 USD a million; 0.30, 0.03 where cached, and 2.50.
CLAUDE_IN, CLAUDE_CACHED, CLAUDE_OUT = 1000, 100, 5000
GEMINI_IN, GEMINI_CACHED, GEMINI_OUT = 300, 30, 2500
TEXT = "Hello from the scripted upstream."
HELLO: Any = [{"role": "user", "content": "Say hello"}]


@pytest.fixture(scope="module")
def relay(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    with ServedRelay(tmp_path_factory.mktemp("native"), upstream.base_url, CONFIGURATION) as relay:
        yield relay


@pytest.fixture
def claude(relay: ServedRelay, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=relay.origin, api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
def gemini(relay: ServedRelay, key: str) -> Iterator[genai.Client]:
    with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=relay.origin)) as client:
        yield client


# -- Anthropic -------------------------------------------------------------------------------------------


def test_a_message_is_answered_and_charged_exactly(
    claude: anthropic.Anthropic, relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(cached_tokens=4))
    answer = claude.messages.create(model=CLAUDE, max_tokens=100, messages=HELLO)
    assert [block.text for block in answer.content if block.type == "text"] == [TEXT]
    assert answer._request_id == "req_upstream"
    (record,) = relay.usage(email)
    assert record.charge_nanos == 5 * CLAUDE_IN + 4 * CLAUDE_CACHED + 5 * CLAUDE_OUT
    assert (record.endpoint, record.estimated, record.cost_nanos) == ("messages", False, record.charge_nanos)
    (received,) = upstream.received
    assert received.head.target == "/v1/messages"
    assert received.header("x-api-key") == "sk-upstream-credential"
    assert received.header("authorization") is None
    assert received.header("anthropic-version") == claude.default_headers["anthropic-version"]
    assert received.header("x-stainless-lang") is None


def test_a_message_is_streamed_and_charged(
    claude: anthropic.Anthropic, relay: ServedRelay, email: str
) -> None:
    with claude.messages.stream(model=CLAUDE, max_tokens=3, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "Hello from the"
        message = stream.get_final_message()
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 3)
    (record,) = relay.usage(email)
    assert record.stream
    assert record.charge_nanos == 9 * CLAUDE_IN + 3 * CLAUDE_OUT


def test_counting_tokens_is_free_and_counts_as_a_request(
    claude: anthropic.Anthropic, relay: ServedRelay, email: str
) -> None:
    raw = claude.messages.with_raw_response.count_tokens(model=CLAUDE, messages=HELLO)
    assert raw.parse().input_tokens == 9
    assert raw.headers["x-ratelimit-remaining-requests"] == "999"
    (record,) = relay.usage(email)
    assert (record.endpoint, record.charge_nanos, record.quantities) == ("messages/count_tokens", 0, {})


def test_a_beta_passes_to_who_offers_it(claude: anthropic.Anthropic, upstream: ScriptedUpstream) -> None:
    claude.beta.messages.create(model=CLAUDE, max_tokens=10, messages=HELLO, betas=["some-beta-2026-01-01"])
    assert upstream.received[0].header("anthropic-beta") == "some-beta-2026-01-01"


def test_an_anthropic_error_passes_as_it_came(
    claude: anthropic.Anthropic, relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(error="context_length_exceeded"))
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model=CLAUDE, max_tokens=10, messages=HELLO)
    assert [record.charge_nanos for record in relay.usage(email)] == [0]


def test_the_relays_refusals_are_anthropics_errors(claude: anthropic.Anthropic, relay: ServedRelay) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.messages.create(model="claude-9", max_tokens=10, messages=HELLO)
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"], body["error"]["relay_code"]) == (
        "error",
        "not_found_error",
        48001,
    )
    assert body["request_id"] == caught.value.request_id
    stranger = anthropic.Anthropic(base_url=relay.origin, api_key="sk-wrong", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError):
        stranger.messages.create(model=CLAUDE, max_tokens=10, messages=HELLO)


def test_a_broken_stream_ends_in_anthropics_error_event(
    claude: anthropic.Anthropic, relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(cut_after=5))  # after "Hello from"
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        claude.messages.stream(model=CLAUDE, max_tokens=100, messages=HELLO) as stream,
    ):
        list(stream.text_stream)
    body: Any = caught.value.body
    assert body["error"]["relay_code"] == 40257
    (record,) = relay.usage(email)
    assert (record.ending.value, record.estimated) == ("broken", True)
    assert record.charge_nanos == 9 * CLAUDE_IN + 2 * CLAUDE_OUT


def test_models_are_listed_for_anthropics_client(claude: anthropic.Anthropic) -> None:
    assert [model.id for model in claude.models.list()] == [CLAUDE]
    assert claude.models.retrieve(CLAUDE).display_name == CLAUDE
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve(GEMINI)


# -- Gemini ----------------------------------------------------------------------------------------------


def test_content_is_generated_and_charged_exactly(
    gemini: genai.Client, relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(cached_tokens=4, reasoning_tokens=6, completion_tokens=11))
    answer = gemini.models.generate_content(model=GEMINI, contents="Say hello")
    assert answer.text == TEXT
    (record,) = relay.usage(email)
    assert record.quantities == {"cached_input": 4, "input": 5, "reasoning_output": 6, "output": 5}
    assert record.charge_nanos == 4 * GEMINI_CACHED + 5 * GEMINI_IN + 11 * GEMINI_OUT
    (received,) = upstream.received
    assert received.head.target == f"/v1/models/{GEMINI}:generateContent"
    assert received.header("x-goog-api-key") == "sk-upstream-credential"
    assert received.header("x-goog-api-client") is None


def test_content_is_streamed_and_charged(
    gemini: genai.Client, relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    config = types.GenerateContentConfig(max_output_tokens=3)
    chunks = list(gemini.models.generate_content_stream(model=GEMINI, contents="Say hello", config=config))
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello from the"
    finish = (chunks[-1].candidates or [])[0].finish_reason
    assert finish is types.FinishReason.MAX_TOKENS
    (record,) = relay.usage(email)
    assert (record.stream, record.endpoint, record.estimated) == (True, "streamGenerateContent", False)
    assert record.charge_nanos == 9 * GEMINI_IN + 3 * GEMINI_OUT
    assert upstream.received[0].head.target == f"/v1/models/{GEMINI}:streamGenerateContent?alt=sse"


def test_contents_are_embedded(gemini: genai.Client, relay: ServedRelay, email: str) -> None:
    answer = gemini.models.embed_content(model=EMBEDDING, contents=["one", "two"])
    assert len(answer.embeddings or ()) == 2
    (record,) = relay.usage(email)
    assert record.estimated
    assert record.charge_nanos == 150 * record.prompt_tokens > 0


def test_gemini_counts_tokens_for_free(gemini: genai.Client, relay: ServedRelay, email: str) -> None:
    assert gemini.models.count_tokens(model=GEMINI, contents="Say hello").total_tokens == 9
    assert [(one.endpoint, one.charge_nanos) for one in relay.usage(email)] == [("countTokens", 0)]


def test_the_relays_refusals_are_googles_errors(gemini: genai.Client, relay: ServedRelay) -> None:
    with pytest.raises(errors.ClientError) as caught:
        gemini.models.generate_content(model="gemini-9", contents="Say hello")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    stranger = genai.Client(api_key="sk-wrong", http_options=types.HttpOptions(base_url=relay.origin))
    with pytest.raises(errors.ClientError) as refused:
        stranger.models.generate_content(model=GEMINI, contents="Say hello")
    assert (refused.value.code, refused.value.status) == (401, "UNAUTHENTICATED")


def test_models_are_listed_for_googles_client(gemini: genai.Client) -> None:
    assert {model.name for model in gemini.models.list()} == {f"models/{GEMINI}", f"models/{EMBEDDING}"}
    model = gemini.models.get(model=GEMINI)
    assert (model.display_name, model.input_token_limit) == (GEMINI, 1048576)


# -- as the members' page shows them -----------------------------------------------------------------------


@pytest.mark.parametrize("page", ["members.md", "members.zh.md"])
def test_the_programs_on_the_members_page_print_an_answer(
    relay: ServedRelay, key: str, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = blocks_of((ROOT / "docs" / page).read_text("utf-8"), "python")
    blocks = [block for block in blocks if "import openai" not in block.text]
    assert len(blocks) == 2
    for block in blocks:
        program = block.text.replace("https://api.example.com", relay.origin).replace("YOUR_KEY", key)
        names: dict[str, Any] = {}
        exec(compile(program, page, "exec"), names)
        names["client"].close()
        assert capsys.readouterr().out == TEXT
