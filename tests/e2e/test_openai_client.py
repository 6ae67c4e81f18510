"""The official Python client notices no difference."""

import openai
import pytest
from pydantic import BaseModel

from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream

HELLO: list[dict[str, str]] = [{"role": "user", "content": "Say hello"}]


def _relay_code(error: openai.APIError) -> object:
    assert isinstance(error.body, dict)
    return error.body["relay_code"]


def test_a_chat_is_answered_and_charged_exactly(
    client: openai.OpenAI, relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    before = relay.balance(email)
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.usage is not None
    (record,) = relay.usage(email)
    # 0.15 and 0.60 USD per million tokens: 150 and 600 nanos each.
    assert record.charge_nanos == 150 * answer.usage.prompt_tokens + 600 * answer.usage.completion_tokens
    assert relay.balance(email) == before - record.charge_nanos
    assert not record.estimated
    assert upstream.received[0].header("authorization") == "Bearer sk-upstream-credential"


def test_the_answer_is_the_upstreams_byte_for_byte(
    client: openai.OpenAI, relay: ServedRelay, upstream: ScriptedUpstream
) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    direct = openai.OpenAI(base_url=upstream.base_url, api_key="sk-upstream-credential")
    expected = direct.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    assert raw.content == expected.content
    assert raw.headers["content-type"] == expected.headers["content-type"]
    assert raw.headers["x-request-id"] == raw.request_id


def test_a_stream_ends_with_done_and_hides_usage(
    client: openai.OpenAI, relay: ServedRelay, email: str
) -> None:
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert all(chunk.usage is None and "usage" not in chunk.model_fields_set for chunk in chunks)
    (record,) = relay.usage(email)
    assert record.stream
    assert not record.estimated
    assert record.charge_nanos > 0


def test_a_stream_shows_usage_to_who_asks(client: openai.OpenAI, relay: ServedRelay, email: str) -> None:
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    last = list(stream)[-1]
    assert last.usage is not None
    (record,) = relay.usage(email)
    assert (record.prompt_tokens, record.completion_tokens) == (
        last.usage.prompt_tokens,
        last.usage.completion_tokens,
    )


async def _async_chat(relay: ServedRelay, key: str) -> str:
    async with openai.AsyncOpenAI(base_url=relay.base_url, api_key=key, max_retries=0) as client:
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def test_the_async_client(relay: ServedRelay, key: str) -> None:
    import asyncio

    assert asyncio.run(_async_chat(relay, key))


class Greeting(BaseModel):
    greeting: str


def test_parse_gives_the_structure(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.enqueue(Script(text='{"greeting": "hello"}'))
    answer = client.chat.completions.parse(model="gpt-4o-mini", messages=HELLO, response_format=Greeting)
    assert answer.choices[0].message.parsed == Greeting(greeting="hello")


def test_embeddings(client: openai.OpenAI, relay: ServedRelay, email: str) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert len(answer.data) == 2
    (record,) = relay.usage(email)
    assert record.charge_nanos == 20 * answer.usage.prompt_tokens


def test_models_are_those_that_can_be_called(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {"gpt-4o-mini", "text-embedding-3-small"}
    assert client.models.retrieve("gpt-4o-mini").owned_by == "openai"


def test_an_upstream_error_passes_as_it_came(
    client: openai.OpenAI, relay: ServedRelay, email: str, upstream: ScriptedUpstream
) -> None:
    upstream.enqueue(Script(status=400))
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    (record,) = relay.usage(email)
    assert record.charge_nanos == 0
    assert record.http_status == 400


def test_an_unknown_model_is_the_relays_404(client: openai.OpenAI, relay: ServedRelay, email: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert _relay_code(caught.value) == 48001
    assert relay.usage(email) == []


def test_no_key_no_answer(relay: ServedRelay) -> None:
    client = openai.OpenAI(base_url=relay.base_url, api_key="sk-wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert _relay_code(caught.value) == 40038
