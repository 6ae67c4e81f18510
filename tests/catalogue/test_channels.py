"""What an operator says of a channel, and what its preset adds."""

import pytest

from posthouse.catalogue.channels import resolved
from posthouse.catalogue.checks import check
from posthouse.catalogue.document import define, read_document
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.rules import ChannelDef, Configuration, PriceDef
from posthouse.routing.channels import CredentialDef


def channel(**fields: object) -> ChannelDef:
    return ChannelDef(name="one", **fields)  # type: ignore[arg-type]  # any field


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        read_document(text, source="f", environment={})
    return str(error.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "upstream.example/v1",
        "ftp://upstream.example/v1",
        "https:///v1",
        "https://upstream.example/v1?key=1",
        "https://upstream.example/v1#top",
        "https://upstream.example/v1\r\nx-injected: 1",
        "https://upstream.example/v1\n",
        "https://upstream.example/v1\t",
        "https://upstream.example/v1 HTTP/1.1",
        "https://upstream.example/v1\x00",
        "https://上游.example/v1",
        "https://upstream.example/上游",
        "https://upstream.example:99999/v1",
        "https://upstream.example:0/v1",
        "https://upstream.example:port/v1",
        "https://[::1/v1",
    ],
)
def test_what_is_no_url_is_no_base_url(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url: needs a URL such as"):
        channel(base_url=base_url)


def test_a_proxy_is_held_to_the_same() -> None:
    for scheme in ("http", "socks5", "socks5h"):
        assert channel(proxy=f"{scheme}://user:p%20w@proxy.example:3128").proxy
    for proxy in (
        "https://proxy.example",
        "socks4://p.example",
        "http://proxy.example/\r\nx: y",
        "http://proxy.example:x",
    ):
        with pytest.raises(ValueError, match="proxy: needs a URL such as"):
            channel(proxy=proxy)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("x-key\r\nx-injected", "1", "no header's name"),
        ("x key", "1", "no header's name"),
        ("", "1", "no header's name"),
        ("x-key:", "1", "no header's name"),
        ("x-schlüssel", "1", "no header's name"),
        ("x-key", "1\r\nx-injected: 1", "printable ASCII"),
        ("x-key", "1\n", "printable ASCII"),
        ("x-key", "\x00", "printable ASCII"),
        ("x-key", "钥匙", "printable ASCII"),
        ("Content-Length", "0", "set by the relay"),
        ("transfer-encoding", "chunked", "set by the relay"),
        ("HOST", "other.example", "set by the relay"),
        ("accept-encoding", "gzip", "set by the relay"),
    ],
)
def test_a_header_that_could_split_a_request_is_refused(name: str, value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"headers: .*{reason}") as refused:
        channel(headers={name: value})
    assert "x-injected: 1" not in str(refused.value)  # a value may be a secret


def test_ordinary_headers_are_taken() -> None:
    headers = {"api-key": "a b~!", "OpenAI-Organization": "org-1", "X_Under": ""}
    assert channel(headers=headers).headers == headers


def test_a_channel_has_what_its_preset_says_and_its_definition_does_not() -> None:
    spec = resolved(
        channel(base_url="https://u.example/v1", first_byte_s=7, rename={"a": "b"}, cost_multiplier=2)
    )
    assert (spec.first_byte_s, spec.connect_s, spec.dialects) == (7.0, 5.0, ("openai",))
    assert (spec.rename, spec.cost_multiplier) == ({"a": "b"}, "2")
    assert spec.credentials == (CredentialDef(name="default"),)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"preset": "opnai-compatible"},
            r"there is no preset 'opnai-compatible'; did you mean 'openai-compatible'?",
        ),
        ({}, "base_url: is missing: the preset 'openai-compatible' has none"),
        ({"preset": "azure"}, "base_url: is missing: the preset 'azure' has none"),
    ],
)
def test_a_channel_that_no_preset_completes_is_refused(fields: dict[str, str], message: str) -> None:
    (problem,) = check(Configuration.of({("channel", "one"): channel(**fields)}), ())
    assert message in str(ConfigurationError([problem]))
    with pytest.raises(ConfigurationError, match="preset"):
        resolved(channel(**fields))


def test_a_cost_that_stands_twice_is_refused() -> None:
    costs = {"m*": (PriceDef(input="1"), PriceDef(input="2"))}
    definition = channel(base_url="https://u.example/v1", costs=costs)
    (problem,) = check(Configuration.of({("channel", "one"): definition}), ())
    assert str(ConfigurationError([problem])) == (
        'channels.one.costs."m*": a component is priced twice in one tier'
    )


def test_credentials_are_taken_out_of_the_definition_and_kept_by_name() -> None:
    document = read_document(
        """
        [channels.one]
        base_url = "https://u.example/v1"
        credentials = [
          { name = "default", credential = "${A}" },
          { name = "b", credential = "${B}", weight = 3, concurrency = 2, tokens_per_minute = 1000 },
          { name = "c" },
        ]
        """,
        source="f",
        environment={"A": "secret a", "B": "secret b"},
    )
    definition = document.definitions["channel", "one"]
    assert isinstance(definition, ChannelDef)
    assert definition.credentials == (
        CredentialDef(name="default"),
        CredentialDef(name="b", weight=3, concurrency=2, tokens_per_minute=1000),
        CredentialDef(name="c"),
    )
    found = {name: secret.reveal() for name, secret in document.credentials.items()}
    assert found == {("one", "default"): "secret a", ("one", "b"): "secret b"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            'credential = "a"\ncredentials = [{ name = "b" }]',
            "f:3: channels.one.credential: has `credentials` too; keep one of them",
        ),
        (
            'credentials = [{ name = "b", credential = 1 }]',
            "one.credentials[0].credential: must be printable",
        ),
        ('credentials = [{ name = "b", credential = "${NO}" }]', "the environment variable NO is not set"),
        ("keep_alive_s = 0.01", "keep_alive_s: is at least 0.1, or 0 for none"),
        ('credentials = [{ name = "b" }, { name = "b" }]', "credentials: two have the same name"),
        ('credentials = [{ name = "b:c" }]', "at most 100 letters"),
        ("credentials = [{ weight = 1 }]", "'name' is missing"),
        ("credentials = [1]", "channels.one.credentials[0]"),
        ('credentials = "x"', "channels.one.credentials"),
    ],
)
def test_credentials_that_can_not_be_are_refused(lines: str, message: str) -> None:
    assert message in refused(f'[channels.one]\nbase_url = "https://u.example/v1"\n{lines}\n')


def test_a_channels_name_can_not_be_taken_for_a_credentials() -> None:
    with pytest.raises(ConfigurationError, match="has no ':'"):
        define("channel", "a:b", {"base_url": "https://u.example/v1"})
