"""The simulated provider, seen by the official client."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from posthouse.metering.tokens import TokenCounter
from posthouse.testing.simulated import JSON_TEXT, TEXT, SimulatedProvider, start_simulated
from posthouse.testing.stored_completions import KEPT_MAX, StoredCompletions
from posthouse.testing.threaded import ThreadedServer

MESSAGES: Any = [{"role": "user", "content": "你好, are you there?"}]


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    """A client of a simulated provider that does not pause between chunks, of a thread."""
    with (
        ThreadedServer(SimulatedProvider(TokenCounter(), pace_s=0).handle) as server,
        openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as made,
    ):
        yield made


def chat(client: openai.OpenAI, **fields: Any) -> Any:
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, **fields)


def test_answer_says_in_both_languages_that_it_is_simulated(client: openai.OpenAI) -> None:
    answer = chat(client)
    assert answer.choices[0].message.content == TEXT
    assert "simulated answer" in TEXT
    assert "模拟回答" in TEXT
    assert answer.choices[0].finish_reason == "stop"


def test_usage_is_counted(client: openai.OpenAI) -> None:
    usage = chat(client, n=2).usage
    assert usage.completion_tokens == 2 * TokenCounter().count_text("gpt-4o-mini", TEXT)
    assert 0 < usage.prompt_tokens < 30


def test_stream_joins_to_the_same_text(client: openai.OpenAI) -> None:
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == TEXT
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == TokenCounter().count_text("gpt-4o-mini", TEXT)
    assert len(chunks) > 20


def test_limit_is_kept(client: openai.OpenAI) -> None:
    answer = chat(client, max_tokens=7)
    assert answer.choices[0].finish_reason == "length"
    assert 0 < answer.usage.completion_tokens <= 7
    assert TEXT.startswith(answer.choices[0].message.content)


def test_json_is_given_where_asked_for(client: openai.OpenAI) -> None:
    answer = chat(client, response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content) == json.loads(JSON_TEXT)


def test_completions_and_embeddings(client: openai.OpenAI) -> None:
    assert client.completions.create(model="m", prompt="a").choices[0].text == TEXT
    assert (
        "".join(c.choices[0].text for c in client.completions.create(model="m", prompt="a", stream=True))
        == TEXT
    )
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [len(one.embedding) for one in vectors.data] == [1536, 1536]
    assert vectors.usage.prompt_tokens == 2


def test_other_paths_and_broken_bodies_are_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.images.generate(prompt="a")
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", body={"model": 7}, cast_to=object)


def test_it_starts_on_a_free_port_inside_a_loop() -> None:
    async def start_and_ask() -> str:
        server, base_url = await start_simulated()
        async with openai.AsyncOpenAI(base_url=base_url, api_key="x") as asking:
            answer = await asking.embeddings.create(model="m", input="a", dimensions=3)
        await server.close()
        return f"{base_url} {len(answer.data[0].embedding)}"

    base_url, dimensions = asyncio.run(start_and_ask()).split()
    assert base_url.startswith("http://127.0.0.1:")
    assert dimensions == "3"


def test_what_is_asked_with_store_is_kept_until_it_is_deleted(client: openai.OpenAI) -> None:
    made = chat(client, store=True, metadata={"topic": "one"})
    assert client.chat.completions.retrieve(made.id).choices == made.choices
    assert client.chat.completions.update(made.id, metadata={"topic": "two"}).metadata == {"topic": "two"}
    (message,) = client.chat.completions.messages.list(made.id)
    assert (message.role, message.content) == ("user", MESSAGES[0]["content"])
    (first, *_) = chat(client, store=True, stream=True)
    assert client.chat.completions.retrieve(first.id).choices[0].message.content == TEXT
    assert client.chat.completions.delete(made.id).deleted
    for gone in (made.id, chat(client).id):
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.retrieve(gone)


def test_only_so_many_are_kept() -> None:
    stored = StoredCompletions()
    for number in range(KEPT_MAX + 1):
        stored.keep(json.dumps({"id": f"chatcmpl-{number}"}).encode(), None, None)
    assert len(stored.kept) == KEPT_MAX
    assert "chatcmpl-0" not in stored.kept
    assert json.loads(stored.answer("GET", "/v1/chat/completions/chatcmpl-1/messages", b"")[1])["data"] == []
