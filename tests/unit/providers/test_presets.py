"""The presets are whole, and each makes a channel that reaches its provider as the provider documents it."""

import pytest

from posthouse.catalogue.channels import resolved
from posthouse.catalogue.rules import ChannelDef
from posthouse.providers.presets import presets
from posthouse.routing.channels import (
    AUTH,
    ChannelSpec,
    auth_line,
    check_auth,
    check_reshaping,
    upstream_target,
)

# Who has no address of its own: the operator's servers, and resources with a name.
WITHOUT_URL = {"openai-compatible", "azure", "azure-v1"}


def channel(preset: str, **fields: object) -> ChannelSpec:
    if preset in WITHOUT_URL:
        fields.setdefault("base_url", "https://own.example/v1")
    return resolved(ChannelDef(name="one", preset=preset, **fields))  # type: ignore[arg-type]  # any field


def url(spec: ChannelSpec, endpoint: str) -> str:
    host = "/".join(spec.base_url.split("/")[:3])
    return host + upstream_target(spec, endpoint, "m")


def test_the_presets_are_those_that_are_promised() -> None:
    assert set(presets()) == {
        *("openai-compatible", "openai", "azure", "azure-v1", "anthropic", "gemini", "deepseek", "moonshot"),
        *("zhipu", "dashscope", "minimax", "mistral", "xai", "groq", "openrouter", "siliconflow"),
        *("volcengine", "cohere", "jina", "ollama", "vllm", "llamacpp"),
    }


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_well_formed_and_has_a_source(name: str) -> None:
    preset = presets()[name]
    assert bool(preset.base_url) is (name not in WITHOUT_URL)
    assert preset.source.startswith("https://")
    assert preset.dialects
    assert set(preset.dialects) <= set(AUTH)
    assert set(preset.auth) <= set(preset.dialects)
    for style in preset.auth.values():
        check_auth(style)
    check_reshaping(preset.drop, preset.rename)
    assert upstream_target(channel(name), "", "").startswith("/")


@pytest.mark.parametrize(
    ("preset", "endpoint", "expected", "header"),
    [
        ("openai", "chat/completions", "https://api.openai.com/v1/chat/completions", "authorization: Bearer"),
        ("anthropic", "messages", "https://api.anthropic.com/v1/messages", "x-api-key:"),
        (
            "anthropic",
            "chat/completions",
            "https://api.anthropic.com/v1/chat/completions",
            "authorization: Bearer",
        ),
        (
            "gemini",
            "generateContent",
            "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
            "x-goog-api-key:",
        ),
        (
            "gemini",
            "chat/completions",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            "authorization: Bearer",
        ),
        (
            "deepseek",
            "chat/completions",
            "https://api.deepseek.com/chat/completions",
            "authorization: Bearer",
        ),
        ("deepseek", "messages", "https://api.deepseek.com/anthropic/v1/messages", "x-api-key:"),
        ("moonshot", "messages", "https://api.moonshot.cn/anthropic/v1/messages", "authorization: Bearer"),
        (
            "zhipu",
            "chat/completions",
            "https://open.bigmodel.cn/api/paas/v4/chat/completions",
            "authorization: Bearer",
        ),
        ("zhipu", "messages", "https://open.bigmodel.cn/api/anthropic/v1/messages", "authorization: Bearer"),
        ("dashscope", "messages", "https://dashscope.aliyuncs.com/apps/anthropic/v1/messages", "x-api-key:"),
        ("openrouter", "messages", "https://openrouter.ai/api/v1/messages", "authorization: Bearer"),
        ("cohere", "rerank", "https://api.cohere.ai/v2/rerank", "authorization: Bearer"),
        ("cohere", "", "https://api.cohere.ai/v1/models", "authorization: Bearer"),
        ("ollama", "messages", "http://localhost:11434/v1/messages", "authorization: Bearer"),
    ],
)
def test_calls_go_where_the_provider_says(preset: str, endpoint: str, expected: str, header: str) -> None:
    spec = channel(preset)
    dialect = "anthropic" if endpoint == "messages" else "gemini" if "Content" in endpoint else "openai"
    assert spec.speaks(dialect)
    assert url(spec, endpoint) == expected
    assert auth_line(spec, dialect, "sk") == f"{header} sk"


def test_at_openrouter_no_other_model_answers_than_the_one_that_is_charged() -> None:
    assert {"models", "route", "preset", "plugins"} <= set(channel("openrouter").drop)


def test_azure_names_the_deployment_and_the_version() -> None:
    spec = channel("azure", base_url="https://me.openai.azure.com", api_version="2025-01-01-preview")
    assert url(spec, "chat/completions") == (
        "https://me.openai.azure.com/openai/deployments/m/chat/completions?api-version=2025-01-01-preview"
    )
    assert url(spec, "") == "https://me.openai.azure.com/openai/models?api-version=2025-01-01-preview"
    assert auth_line(spec, "openai", "sk") == "api-key: sk"
    assert "api-version=2024-10-21" in url(channel("azure"), "embeddings")
    v1 = channel("azure-v1", base_url="https://me.openai.azure.com/openai/v1")
    assert url(v1, "chat/completions") == "https://me.openai.azure.com/openai/v1/chat/completions"
    assert auth_line(v1, "openai", "sk") == "api-key: sk"


def test_what_a_channel_says_goes_before_its_preset() -> None:
    spec = channel(
        "mistral",
        base_url="http://own.example/v1",
        drop=["seed"],
        rename={"max_tokens": "max_completion_tokens", "user": "user_id"},
        first_byte_s=3,
        auth="header:x-own",
        dialects=["openai", "anthropic"],
    )
    assert spec.drop == ("store", "safety_identifier", "seed", "stream_options")
    assert spec.rename == {"max_tokens": "max_completion_tokens", "user": "user_id"}
    assert (spec.first_byte_s, spec.idle_s, spec.stream_usage) == (3.0, 300.0, False)
    assert auth_line(spec, "anthropic", "sk") == "x-own: sk"
    kept = channel("mistral", drop=["user"])
    assert kept.drop == ("store", "safety_identifier", "user", "stream_options")
    assert kept.rename == {"max_completion_tokens": "max_tokens"}
    assert channel("mistral", drop=[]).default_headers == {}
    assert channel("anthropic").default_headers == {"anthropic-version": "2023-06-01"}
