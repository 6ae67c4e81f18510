"""Tokens counted offline agree with OpenAI's own published counts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from posthouse.metering import tokens
from posthouse.metering.ceilings import (
    IMAGE_TOKENS_MAX,
    REFERENCE_TOKENS_MAX,
    SOUND_BYTES_PER_TOKEN,
    TEMPLATE_TOKENS_MAX,
    names_elsewhere,
    prompt_tokens_bound,
    sound_tokens_bound,
)
from posthouse.metering.tokens import (
    IMAGE_TOKENS,
    LOW_DETAIL_IMAGE_TOKENS,
    PIECE_CHARS_MAX,
    BrokenVocabulary,
    TokenCounter,
    encoding_for,
)
from posthouse.wire.json_edit import COMMAS_MAX

TEXT = "word " * 2000
COUNTER = (
    TokenCounter()
)  # loads nothing before its first use; one for all tests, a vocabulary takes half a second


def count_chat(model: str = "gpt-4o", **fields: Any) -> int:
    return COUNTER.count_prompt(model, json.dumps(fields).encode(), "chat/completions")


@pytest.mark.parametrize("name", ["cl100k_base", "o200k_base"])
def test_vocabularies_are_as_tiktoken_itself_defines_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        openai_public, "load_tiktoken_bpe", lambda url, expected_hash: asked.append(expected_hash)
    )
    definition = openai_public.ENCODING_CONSTRUCTORS[name]()
    vocabulary = tokens._VOCABULARIES[name]
    assert [vocabulary.sha256] == asked
    assert vocabulary.pattern == definition["pat_str"]


def test_a_vocabulary_that_is_not_openais_is_refused() -> None:
    with pytest.raises(BrokenVocabulary, match="o200k_base"):
        tokens._read_ranks("o200k_base", b"IQ== 0\n", tokens._VOCABULARIES["o200k_base"].sha256)


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-16k-0613", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-32k-0314", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("ft:gpt-4-0613:acme::id", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("text-embedding-ada-002-v2", "cl100k_base"),
        ("text-davinci-003", "cl100k_base"),
        ("davinci-002", "cl100k_base"),
        ("ft:babbage-002", "cl100k_base"),
        ("code-davinci-002", "cl100k_base"),
        ("gpt-4o", "o200k_base"),
        ("openai/gpt-4o-mini-2024-07-18", "o200k_base"),
        ("ft:gpt-4o-2024-08-06:acme", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-4.5-preview", "o200k_base"),
        ("gpt-5.4-mini", "o200k_base"),
        ("gpt-6-sol", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("o1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-oss-120b", "o200k_base"),
        ("claude-haiku-4-5", "o200k_base"),
        ("", "o200k_base"),
    ],
)
def test_encoding_for(model: str, encoding: str) -> None:
    assert encoding_for(model) == encoding


@pytest.mark.parametrize(
    ("model", "text", "count"),
    [
        ("gpt-4", "antidisestablishmentarianism", 6),
        ("gpt-4", "2 + 2 = 4", 7),
        ("gpt-4", "お誕生日おめでとう", 9),
        ("gpt-4o", "お誕生日おめでとう", 8),
        ("gpt-4o", "", 0),
        ("gpt-4o", "<|endoftext|>", 7),
        ("gpt-4o", "\ud800", 1),
    ],
)
def test_count_text_as_published(model: str, text: str, count: int) -> None:
    assert COUNTER.count_text(model, text) == count


def test_a_long_text_counts_as_its_pieces() -> None:
    words = "Tell me about horses, " * 4000
    assert len(words) > 2 * PIECE_CHARS_MAX
    assert COUNTER.count_text("gpt-4o", words) == 4000 * 5 + 1
    assert COUNTER.count_text("gpt-4", " " * 10**6) > 0  # tiktoken alone overflows its stack here


# The example of OpenAI's cookbook, "How to count tokens with tiktoken", and its counts by the API.
COOKBOOK = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate jargon into "
        "plain English.",
    },
    {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities for "
        "increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
]


@pytest.mark.parametrize(("model", "count"), [("gpt-3.5-turbo", 129), ("gpt-4", 129), ("gpt-4o", 124)])
def test_counts_the_cookbooks_chat(model: str, count: int) -> None:
    assert count_chat(model, messages=COOKBOOK) == count


def test_counts_parts_tools_and_media() -> None:
    plain = count_chat(messages=[{"role": "user", "content": "hi"}])
    assert plain == 3 + 3 + 1 + 1
    parts = [{"type": "text", "text": "hi"}]
    assert count_chat(messages=[{"role": "user", "content": parts}]) == plain
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert count_chat(messages=[{"role": "user", "content": [*parts, image]}]) == plain + IMAGE_TOKENS
    image["image_url"]["detail"] = "low"
    assert (
        count_chat(messages=[{"role": "user", "content": [*parts, image]}]) == plain + LOW_DETAIL_IMAGE_TOKENS
    )
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    assert count_chat(messages=[{"role": "user", "content": [*parts, sound]}]) == plain + IMAGE_TOKENS
    tools = [{"type": "function", "function": {"name": "f"}}]
    json_tokens = COUNTER.count_text("gpt-4o", '[{"type":"function","function":{"name":"f"}}]')
    assert count_chat(messages=[{"role": "user", "content": "hi"}], tools=tools) == plain + json_tokens
    assert count_chat(messages=[{"role": "user", "content": "hi", "tool_call_id": "call_abc"}]) == plain


@pytest.mark.parametrize(
    ("endpoint", "body", "count"),
    [
        ("embeddings", {"input": "hello world"}, 2),
        ("embeddings", {"input": ["hello world", "hello"]}, 3),
        ("embeddings", {"input": [1, 2, 3]}, 3),
        ("embeddings", {"input": [[1, 2, 3], [4]]}, 4),
        ("embeddings", {}, 0),
        ("completions", {"prompt": "hello world", "input": "not this"}, 2),
        ("completions", {"prompt": None}, 0),
        ("chat/completions", {}, 6),
        ("chat/completions", {"messages": "hello"}, 7),
        ("chat/completions", {"messages": [None, "hello"]}, 10),
    ],
)
def test_counts_other_inputs(endpoint: str, body: dict[str, Any], count: int) -> None:
    assert COUNTER.count_prompt("gpt-4o", json.dumps(body).encode(), endpoint) == count


def count_text(text: str) -> int:
    return COUNTER.count_text("gpt-4o", text)


def count(endpoint: str, body: dict[str, Any]) -> int:
    return COUNTER.count_prompt("gpt-4o", json.dumps(body).encode(), endpoint, image_tokens=1000)


def test_counts_an_anthropic_prompt() -> None:
    message = {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "thinking", "thinking": "hm", "signature": "c2lnbmF0dXJl"},
        ],
    }
    assert count("messages", {"messages": [message], "system": "Be brief."}) == (
        6
        + 1000
        + count_text("user")
        + count_text("What is this?")
        + count_text("hm")
        + count_text("Be brief.")
    )


def test_counts_a_gemini_prompt() -> None:
    parts = [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
    tools = [{"functionDeclarations": [{"name": "f"}]}]
    body = {
        "contents": [{"role": "user", "parts": parts}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }
    text = 1000 + count_text("user") + count_text("What is this?") + count_text("Be brief.")
    assert count("generateContent", body) == text
    assert count("streamGenerateContent", {**body, "tools": tools}) == text + count_text(
        '[{"functionDeclarations":[{"name":"f"}]}]'
    )


def test_counts_what_gemini_embeds() -> None:
    content = {"parts": [{"text": "Embed me"}]}
    assert count("embedContent", {"model": "models/m", "content": content}) == count_text("Embed me")
    requests = [{"model": "models/m", "content": content}] * 3
    assert count("batchEmbedContents", {"requests": requests}) == 3 * count_text("Embed me")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("chat/completions", {"messages": [{"role": "user", "type": "image", "content": TEXT}]}),
        (
            "messages",
            {"messages": [{"content": [{"type": "tool_use", "input": {"type": "image", "x": TEXT}}]}]},
        ),
        ("messages", {"messages": [{"content": [{"type": "tool_use", "input": {"rows": [123] * 1000}}]}]}),
        (
            "generateContent",
            {"contents": [{"parts": [{"functionCall": {"args": {"file_data": 1, "x": TEXT}}}]}]},
        ),
        ("generateContent", {"contents": [{"functionResponse": {"response": {"rows": [True] * 1000}}}]}),
    ],
)
def test_no_text_passes_for_an_image_or_for_nothing(endpoint: str, body: dict[str, Any]) -> None:
    assert COUNTER.count_prompt("gpt-4o", json.dumps(body).encode(), endpoint) > 1000


@pytest.mark.parametrize(
    ("part", "sounds"),
    [
        (b'{"type":"input_audio","input_audio":{"data":"AAAA"}}', True),
        (b'{"inlineData":{"mimeType":"audio/mp3","data":"AAAA"}}', True),
        (rb'{"inline_data":{"mime_type":"Audio\/ogg","data":"AAAA"}}', True),
        (b'{"inlineData":{"mimeType":"image/png","data":"AAAA"}}', False),
        (b'{"modalities":["audio"],"audio":{"voice":"alloy"}}', False),
    ],
)
def test_sound_is_known(part: bytes, sounds: bool) -> None:
    assert sound_tokens_bound(part) == (len(part) // SOUND_BYTES_PER_TOKEN if sounds else 0)


def test_an_image_counts_the_same_however_large() -> None:
    large = {"inlineData": {"mimeType": "image/png", "data": "A" * 160_000}}
    assert count_chat(messages=[large]) == 6 + IMAGE_TOKENS


def test_what_has_more_pieces_than_any_prompt_counts_by_its_bytes() -> None:
    body = b'{"messages":[' + b"{}," * COMMAS_MAX + b"{}]}"
    assert COUNTER.count_prompt("gpt-4o", body + b" ", "chat/completions") == 6 + 3 * COMMAS_MAX
    assert (
        COUNTER.count_prompt("gpt-4o", body.replace(b"{}]", b"{},{}]"), "chat/completions") == len(body) + 3
    )


@pytest.mark.parametrize("body", [b"hello", b"[1]", b"\xff", b'{"a":' + b"[" * 10_000])
def test_what_is_no_json_object_counts_as_text(body: bytes) -> None:
    assert COUNTER.count_prompt("gpt-4o", body, "embeddings") == COUNTER.count_text(
        "gpt-4o", body.decode(errors="replace")
    )


def test_bound_of_plain_text_is_its_bytes() -> None:
    body = b'{"messages":[{"role":"user","content":"say \\"image_url\\": hi"}]}'
    assert prompt_tokens_bound(body) == len(body) + TEMPLATE_TOKENS_MAX
    assert prompt_tokens_bound(body, context_tokens_max=100) == 100


@pytest.mark.parametrize(
    ("part", "tokens_max"),
    [
        (b'{"type":"image_url","image_url":{"url":"https://x"}}', IMAGE_TOKENS_MAX),
        (b'{"type":"image_url","image_url" : "https://x"}', IMAGE_TOKENS_MAX),
        (rb'{"type":"image_url","\u0069mage\u005furl":"x"}', IMAGE_TOKENS_MAX),
        (rb'{"type":"image_url","image_ur\u006C":"x"}', IMAGE_TOKENS_MAX),
        (b'{"type":"file","file":{"x":"id"}}', REFERENCE_TOKENS_MAX),
        (rb'{"type":"file","\u0066ile":{"x":"id"}}', REFERENCE_TOKENS_MAX),
        (b'{"type":"video_url","video_url":{"url":"x"}}', REFERENCE_TOKENS_MAX),
        (b'{"role":"assistant","audio":{"id":"x"}}', REFERENCE_TOKENS_MAX),
        (b'{"type": "image", "source":{"type":"url","url":"https://x"}}', IMAGE_TOKENS_MAX),
        (b'{"source":{"type":"file","file_id":"f"}}', REFERENCE_TOKENS_MAX),
        (b'{"source":{"type":"url","url":"https://x"},"type":"document"}', REFERENCE_TOKENS_MAX),
        (b'{"inlineData":{"mimeType":"image/png","data":"AAAA"}}', IMAGE_TOKENS_MAX),
        (b'{"inline_data":{"data":"AAAA"}}', IMAGE_TOKENS_MAX),
        (b'{"fileData":{"fileUri":"https://x"}}', REFERENCE_TOKENS_MAX),
        (b'{"cachedContent":"cachedContents/x"}', REFERENCE_TOKENS_MAX),
        (rb'{"mimeType":"application\/pdf"}', REFERENCE_TOKENS_MAX),
        (b'{"type":"web_search_20250305","name":"web_search"}', REFERENCE_TOKENS_MAX),
        (rb'{"type":"web\u005ffetch_\u00320250910"}', REFERENCE_TOKENS_MAX),
        (b'{"type":"code_execution_20250825"}', REFERENCE_TOKENS_MAX),
        (b'{"mcp_servers" : []}', REFERENCE_TOKENS_MAX),
        *[
            (b'{"%b": {}}' % tool, REFERENCE_TOKENS_MAX)
            for tool in (
                b"googleSearch",
                b"google_search",
                b"googleSearchRetrieval",
                b"urlContext",
                b"url_context",
            )
        ],
        (b'{"codeExecution":{},"googleMaps":{}}', 2 * REFERENCE_TOKENS_MAX),
        (b'{"name":"google_search","web_search_options":{},"text":"\\"googleSearch\\":"}', 0),
        (rb'{"mimeType":"application\u002fpdf"}', REFERENCE_TOKENS_MAX),
        (rb'{"mimeType":"video\u002Fmp4"}', REFERENCE_TOKENS_MAX),
        (rb'{"\u006dimeType":"VIDEO/mp4"}', REFERENCE_TOKENS_MAX),
        (rb'{"type":"text","text":"caf\u00e9 \u0041"}', 0),
    ],
)
def test_bound_counts_what_the_body_only_names(part: bytes, tokens_max: int) -> None:
    body = b'{"messages":[' + part + b"]}"
    assert prompt_tokens_bound(body) == len(body) + TEMPLATE_TOKENS_MAX + tokens_max
    twice = b'{"messages":[' + part + b"," + part + b"]}"
    assert prompt_tokens_bound(twice, image_tokens_max=5) - len(twice) - TEMPLATE_TOKENS_MAX == 2 * min(
        tokens_max, 5 if tokens_max == IMAGE_TOKENS_MAX else tokens_max
    )


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (b'{"type":"file","file":{"file_id":"f"}}', True),
        (rb'{"type":"file","\u0066ile":{"file_id":"f"}}', True),
        (b'{"role":"assistant","audio":{"id":"audio_1"}}', True),
        (b'{"audio":{"voice":"alloy","format":"wav"}}', False),
        (b'{"type":"image_url","image_url":{"url":"x"}}', False),
        (b'{"text":"a \\"file\\": of mine"}', False),
        (b'{"type":"document","source":{"type":"base64","data":"AAAA"}}', True),
        (b'{"inlineData":{"mimeType":"application/pdf","data":"AAAA"}}', True),
        (b'{"fileData":{"fileUri":"https://x"}}', True),
        (b'{"type":"image","source":{"type":"base64","data":"AAAA"}}', False),
        (b'{"inlineData":{"mimeType":"image/png","data":"AAAA"}}', False),
        (b'{"inlineData":{"mimeType":"audio/mp3","data":"AAAA"}}', False),
        (b'{"inlineData":{"mimeType":"text/plain","data":"AAAA"}}', True),
        (b'{"inlineData":{"mimeType":"Video/mp4","data":"AAAA"}}', True),
        (rb'{"inlineData":{"mimeType":"text\/csv","data":"AAAA"}}', True),
        (b'{"generationConfig":{"responseMimeType":"application/json"}}', False),
        (b'{"tools":[{"googleSearch":{}}]}', True),
        (b'{"tools":[{"type":"web_search_20250305","name":"web_search"}]}', True),
    ],
)
def test_what_is_elsewhere_is_known(part: bytes, named: bool) -> None:
    assert names_elsewhere(b'{"messages":[' + part + b"]}") is named


@settings(max_examples=50)
@given(
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": st.text()}), max_size=4
    ),
    st.booleans(),
    st.sampled_from(["gpt-4", "gpt-4o"]),
)
def test_no_prompt_counts_more_than_its_bound(
    messages: list[dict[str, str]], ascii_only: bool, model: str
) -> None:
    body = json.dumps({"messages": messages}, ensure_ascii=ascii_only).encode()
    assert COUNTER.count_prompt(model, body, "chat/completions") <= prompt_tokens_bound(body)


@settings(max_examples=50)
@given(st.text(alphabet="ab 1.\n中", max_size=400), st.integers(1, 40))
def test_pieces_are_the_text_and_no_longer_than_allowed(text: str, longest: int) -> None:
    pieces = tokens._pieces(text, longest)
    assert "".join(pieces) == text
    assert all(len(piece) <= longest for piece in pieces)


def test_a_vocabulary_is_loaded_before_it_is_needed() -> None:
    counter = TokenCounter()
    assert not counter.is_loaded("gpt-4o")
    counter.load("gpt-4o-mini")  # which has the same
    assert counter.is_loaded("gpt-4o")
    assert not counter.is_loaded("gpt-4")
