"""What is written as TOML is read back as it was."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalogue.files import ENVIRONMENT, EXAMPLES, read

from posthouse.catalogue.document import define, read_document
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.masking import KEPT, masked, restored
from posthouse.catalogue.queries import read_definitions
from posthouse.catalogue.rules import Definition, Kind
from posthouse.catalogue.service import apply, export, put
from posthouse.catalogue.toml_text import definition_text, toml_text
from posthouse.kernel.secrets import SecretBox
from posthouse.store.engine import Store

FILES = sorted(EXAMPLES.glob("*.toml"), key=lambda path: path.name)
NOW_MS = 1_800_000_000_000


def again(definitions: dict[tuple[Kind, str], Definition]) -> dict[tuple[Kind, str], Definition]:
    """The definitions that their text makes; the names of an environment that nothing may take from."""
    return read_document(toml_text(definitions), source="f", environment={"NAME": "taken"}).definitions


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_an_export_is_applied_with_no_difference(store: Store, box: SecretBox, file: Path) -> None:
    apply(store, read(file.read_text()), box, now_ms=NOW_MS)
    text = export(store)
    assert apply(store, read_document(text, source="f", environment={}), box, now_ms=NOW_MS) == []
    assert "canary" not in text


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_each_definition_alone_is_read_back(file: Path) -> None:
    for (kind, name), definition in read(file.read_text()).definitions.items():
        text = definition_text(kind, name, definition)
        assert read_document(text, source="f", environment=ENVIRONMENT).definitions == {
            (kind, name): definition
        }


def test_an_export_reads_well() -> None:
    document = read(
        """
        [operator]
        name = 'The "Relay"'
        [families]
        small = {}
        [models]
        m = { family = "small", price = { input = 0.5 } }
        [plans.paid]
        kind = "paid"
        limits = [{ requests = 5, window = "1 day" }]
        [channels.main]
        base_url = "https://u.example/v1"
        credential = "canary"
        model_map = { "*-ca" = "*" }
        health = { error_rate = 0.25 }
        """
    )
    assert toml_text(document.definitions).partition("\n\n")[2] == (
        """\
[operator]
name = "The \\"Relay\\""

[families]
small = {}

[models]
m = { family = "small", price = { input = "0.5" } }

[plans.paid]
kind = "paid"
limits = [{ window = "1 day", requests = 5 }]

[channels.main]
base_url = "https://u.example/v1"
model_map = { "*-ca" = "*" }
health = { error_rate = 0.25 }
"""
    )


def test_a_kind_of_which_there_is_nothing_has_an_empty_table() -> None:
    assert toml_text({}).split("\n\n")[1:] == ["[families]", "[models]", "[plans]", "[channels]\n"]


# --- any definition ---

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
amounts = st.integers(0, 10**9) | st.decimals(0, 1000, places=6).map(str)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
prices = st.fixed_dictionaries(
    {"input": amounts},
    optional={"output": amounts, "service_tier": texts, "prompt_tokens_over": st.integers(0, 10**6)},
)
models: Any = st.fixed_dictionaries(
    {},
    optional={
        "family": texts,
        "list": texts,
        "price": prices | st.lists(prices, max_size=4),
        "aliases": st.lists(texts, max_size=9),
        "max_input_tokens": st.integers(0, 2**40),
    },
)
plans = st.fixed_dictionaries(
    {"kind": st.sampled_from(["free", "paid"])},
    optional={
        "models": st.lists(texts, max_size=9),
        "streaming": st.booleans(),
        "multipliers": st.dictionaries(texts, amounts, max_size=5),
        "limits": st.lists(
            st.fixed_dictionaries(
                {"requests": st.integers(0, 99)},
                optional={"family": texts | st.lists(texts), "spend": amounts},
            ),
            max_size=3,
        ),
    },
)
header_names = st.text("abcXYZ-_", min_size=1, max_size=8).map("x-".__add__)
channels = st.fixed_dictionaries(
    {"base_url": st.just("https://u.example/v1")},
    optional={
        "headers": st.dictionaries(header_names, printable | st.just("${NAME}"), max_size=3),
        "model_map": st.dictionaries(texts, texts, max_size=3),
        "api_version": texts | st.just("a${NAME}$${NAME}$"),
        "proxy": st.sampled_from(["http://u:p%40w@p:1", "socks5://p:1080"]),
        "idle_s": st.floats(1e-9, 1e9),
        "health": st.fixed_dictionaries(
            {}, optional={"error_rate": st.floats(1e-6, 1), "probe_model": texts}
        ),
        "costs": st.dictionaries(texts, prices, max_size=2),
    },
)


@given(names, models)
def test_any_model_is_read_back(name: str, fields: dict[str, Any]) -> None:
    definitions: dict[tuple[Kind, str], Definition] = {("model", name): define("model", name, fields)}
    assert again(definitions) == definitions


@given(names, plans)
def test_any_plan_is_read_back(name: str, fields: dict[str, Any]) -> None:
    definition = define("plan", name, fields)
    found = again({("plan", name): definition})["plan", name]
    assert found == definition
    assert list(found.multipliers) == list(definition.multipliers)  # type: ignore[union-attr]  # plans both


@given(channels)
def test_any_channel_is_applied_with_no_difference(fields: dict[str, Any]) -> None:
    definition = define("channel", "main", fields)
    text = definition_text("channel", "main", definition)
    shown = read_document(text, source="f", environment={"NAME": "taken"}).definitions["channel", "main"]
    assert shown == masked(definition)
    assert restored(shown, definition) == definition


@given(st.dictionaries(texts, texts, max_size=5))
def test_what_is_written_is_toml(values: dict[str, str]) -> None:
    fields = {"kind": "paid", "multipliers": dict.fromkeys(values, 1), "models": [*values.values()]}
    text = definition_text("plan", "p", define("plan", "p", fields))
    plan = tomllib.loads(text)["plans"]["p"]
    assert plan.get("multipliers", {}) == dict.fromkeys(values, 1)


def test_a_bound_that_was_lifted_is_read_back() -> None:
    lifted = {"accounts_per_address_per_day": None, "free_keys_max": None, "paid_keys_max": None}
    site = define("site", "site", {"registration": lifted})
    assert again({("site", "site"): site}) == {("site", "site"): site}


# --- what is not shown ---


def test_what_is_not_shown_stays_as_it_is(store: Store, box: SecretBox) -> None:
    fields = {"base_url": "http://u", "headers": {"x-key": "canary"}, "proxy": "http://u:canary@p:1"}
    put(store, box, "channel", "c", fields, now_ms=NOW_MS)
    text = export(store)
    assert "canary" not in text
    assert 'proxy = "http://(kept)@p:1"' in text
    changed = text.replace('base_url = "http://u"', 'base_url = "http://v"')
    document = read_document(changed, source="f", environment={})
    assert [str(one) for one in apply(store, document, box, now_ms=NOW_MS)] == [
        '~ channels.c\n    base_url: "http://u" -> "http://v"'
    ]
    with store.read() as connection:
        stored: Any = read_definitions(connection)["channel", "c"]
    assert (stored.headers, stored.proxy) == (fields["headers"], fields["proxy"])


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"headers": {"x-other": KEPT}}, "headers.x-other"),
        ({"proxy": f"http://{KEPT}@elsewhere:1"}, "proxy"),  # a stored password goes to no other host
        ({"proxy": KEPT}, "proxy"),
    ],
)
def test_what_is_not_stored_can_not_be_kept(
    store: Store, box: SecretBox, fields: dict[str, Any], place: str
) -> None:
    stored = {"base_url": "http://u", "headers": {"x-key": "canary"}, "proxy": "http://u:canary@p:1"}
    put(store, box, "channel", "c", stored, now_ms=NOW_MS)
    with pytest.raises(ConfigurationError) as refused:
        put(store, box, "channel", "c", {"base_url": "http://u", **fields}, now_ms=NOW_MS)
    assert place in str(refused.value)
    assert "canary" not in str(refused.value)
