"""What a channel offers, where and how its requests go, and what of a body it may change."""

import pytest

from posthouse.routing.channels import (
    ChannelSpec,
    auth_line,
    check_auth,
    check_reshaping,
    check_url,
    upstream_target,
)


def channel(**fields: object) -> ChannelSpec:
    return ChannelSpec(**{"name": "one", "base_url": "https://u.example/v1/", **fields})  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(
    ("patterns", "model", "offered"),
    [
        (("*",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("gpt-4*", "o1"), "gpt-4o-mini", True),
        (("gpt-4*", "o1"), "o1", True),
        (("GPT-4O",), "gpt-4o", False),
        (("*", "!*-ca"), "gpt-4o", True),
        (("*", "!*-ca"), "gpt-4o-ca", False),
        (("!*-ca",), "gpt-4o", False),
        ((), "gpt-4o", False),
    ],
)
def test_a_channel_offers_the_models_that_its_patterns_name(
    patterns: tuple[str, ...], model: str, offered: bool
) -> None:
    assert channel(models=patterns).offers(model) is offered


def test_a_channel_that_is_switched_off_offers_nothing() -> None:
    assert channel(enabled=False).offers("gpt-4o") is False


@pytest.mark.parametrize(
    ("model", "upstream"),
    [
        ("gpt-4o-ca", "gpt-4o"),  # the star carries what it stood for
        ("small", "gpt-4o-mini"),  # an exact entry
        ("small-ca", "tiny"),  # exact before pattern
        ("ca", "ca"),  # the pattern needs "-ca"
        ("-ca", "-ca"),  # an empty name is no name
        ("gpt-4o", "gpt-4o"),
    ],
)
def test_the_upstream_is_asked_by_its_own_name(model: str, upstream: str) -> None:
    mapping = {"*-ca": "*", "small": "gpt-4o-mini", "small-ca": "tiny"}
    assert channel(model_map=mapping).upstream_model(model) == upstream


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("chat/completions", "/v1/chat/completions"),
        ("embeddings", "/v1/embeddings"),
        ("messages", "/v1/messages"),
        ("messages/count_tokens", "/v1/messages/count_tokens"),
        ("streamGenerateContent", "/v1beta/models/m:streamGenerateContent"),
        ("rerank", "/v2/rerank"),
        ("", "/v1/models"),
    ],
)
def test_an_endpoint_stands_where_its_dialect_begins(endpoint: str, target: str) -> None:
    spec = channel(roots={"gemini": "/v1beta"}, paths={"rerank": "//v2/rerank"})
    assert upstream_target(spec, endpoint, "m") == target


def test_a_dialect_of_its_own_is_asked_for_its_own_models() -> None:
    spec = channel(dialects=("gemini", "openai"), roots={"gemini": "/v1beta"})
    assert upstream_target(spec, "", "") == "/v1beta/models"
    assert spec.speaks("gemini")
    assert not spec.speaks("anthropic")


def test_what_stands_in_a_path_can_not_end_it() -> None:
    path = "/deployments/{model}/chat?api-version={api_version}"
    spec = channel(paths={"chat/completions": path}, api_version="1&x=y z")
    target = upstream_target(spec, "chat/completions", "a/b c?d\r\n")
    assert target == "/v1/deployments/a%2Fb%20c%3Fd%0D%0A/chat?api-version=1%26x%3Dy%20z"


@pytest.mark.parametrize(
    ("auth", "dialect", "line"),
    [
        ({}, "openai", "authorization: Bearer sk"),
        ({}, "anthropic", "x-api-key: sk"),
        ({}, "gemini", "x-goog-api-key: sk"),
        ({"openai": "header:api-key"}, "openai", "api-key: sk"),
        ({"anthropic": "bearer"}, "anthropic", "authorization: Bearer sk"),
        ({"openai": "none"}, "openai", ""),
    ],
)
def test_each_dialect_carries_the_credential_in_its_own_way(
    auth: dict[str, str], dialect: str, line: str
) -> None:
    assert auth_line(channel(auth=auth), dialect, "sk") == line
    assert auth_line(channel(auth=auth), dialect, "") == ""


@pytest.mark.parametrize(
    ("drop", "rename", "message"),
    [
        (["model"], {}, "drop: 'model' is what the relay charges or routes by"),
        (["max_tokens"], {}, "drop: 'max_tokens'"),
        ([], {"stream": "x"}, "rename: 'stream' or 'x'"),
        ([], {"x": "n"}, "rename: 'x' or 'n'"),
        ([], {"x": "Stream"}, "rename: 'x' or 'Stream'"),
        ([], {"x": "web_search_options"}, "rename: 'x' or 'web_search_options'"),
        ([], {"x": "generationConfig"}, "rename: 'x' or 'generationConfig'"),
        ([], {"max_tokens": "x"}, "not both limits of the output"),
        ([], {"x": "max_tokens"}, "not both limits of the output"),
        ([], {"a": "b", "b": "c"}, "contradicts another rule"),
        (["b"], {"a": "b"}, "contradicts another rule"),
        (["a"], {"a": "b"}, "contradicts another rule"),
        ([], {"a": "c", "b": "c"}, "two members get the same name"),
        ([], {"a": 'b"'}, "plain ASCII"),
        ([], {"a": "b\\"}, "plain ASCII"),
        ([], {"钥": "b"}, "plain ASCII"),
    ],
)
def test_rules_that_would_mislead_or_clash_are_refused(
    drop: list[str], rename: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_reshaping(drop, rename)


def test_ordinary_rules_are_taken() -> None:
    check_reshaping(["logit_bias", "user"], {"max_tokens": "max_completion_tokens", "seed": "random_seed"})


@pytest.mark.parametrize("style", ["bearer", "none", "header:api-key"])
def test_ways_to_carry_a_credential(style: str) -> None:
    check_auth(style)


@pytest.mark.parametrize("style", ["basic", "header:", "header:a b", "header:host", "header:x\r\ny"])
def test_what_is_no_way_to_carry_a_credential(style: str) -> None:
    with pytest.raises(ValueError, match=r"auth: needs|no header's name|set by the relay"):
        check_auth(style)


@pytest.mark.parametrize("url", ["https://u.example/v1?a=b", "https://u.example/#x", "ftp://u.example", "u"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(
        ValueError, match="base_url: needs a URL such as http://host:port/path; it begins with http, https"
    ):
        check_url("base_url", url, schemes=("http", "https"))
