"""A channel's credentials: changed one at a time, each sealed for itself, gone when nothing names them."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.catalogue.files import read

from posthouse.catalogue.credentials import put_credential, remove_credential
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.queries import load_configuration, load_credential_states
from posthouse.catalogue.sealed import address_key, load_credentials, reseal
from posthouse.catalogue.service import apply, put, remove, set_by_hand
from posthouse.catalogue.states import note_out
from posthouse.kernel.secrets import SecretBox, SecretText, UnreadableSecret
from posthouse.routing.channels import CredentialDef
from posthouse.store.engine import Store
from posthouse.store.schema import secrets

NOW_MS = 1_700_000_000_000


@pytest.fixture
def channel(store: Store, box: SecretBox) -> str:
    """A channel with one credential."""
    fields = {"base_url": "http://u"}
    put(store, box, "channel", "c", fields, now_ms=NOW_MS, credential=SecretText("first"))
    return "c"


def listed(store: Store, channel: str) -> tuple[CredentialDef, ...]:
    return load_configuration(store).channels[channel].credentials


def texts(store: Store, box: SecretBox) -> dict[tuple[str, str], str]:
    return {name: secret.reveal() for name, secret in load_credentials(store, box).items()}


def add(
    store: Store, box: SecretBox, channel: str, name: str, secret: str | None, **fields: Any
) -> list[str]:
    credential = None if secret is None else SecretText(secret)
    changes = put_credential(store, box, channel, name, fields, now_ms=NOW_MS, credential=credential)
    return [str(change) for change in changes]


def test_a_second_credential_joins_the_first(store: Store, box: SecretBox, channel: str) -> None:
    (said,) = add(store, box, channel, "b", "second", weight=2, concurrency=5)
    assert 'credentials.b: (default) -> "(new)"' in said
    assert "second" not in said
    assert listed(store, channel) == (
        CredentialDef(name="default"),
        CredentialDef(name="b", weight=2, concurrency=5),
    )
    assert texts(store, box) == {("c", "default"): "first", ("c", "b"): "second"}


def test_ceilings_change_without_the_secret(store: Store, box: SecretBox, channel: str) -> None:
    add(store, box, channel, "default", None, tokens_per_minute=1000)
    assert listed(store, channel) == (CredentialDef(name="default", tokens_per_minute=1000),)
    assert texts(store, box) == {("c", "default"): "first"}
    add(store, box, channel, "default", None)
    assert listed(store, channel) == ()


def test_the_first_credential_of_a_channel_that_had_none(store: Store, box: SecretBox) -> None:
    put(store, box, "channel", "bare", {"base_url": "http://u"}, now_ms=NOW_MS)
    add(store, box, "bare", "b", "secret")
    assert listed(store, "bare") == (CredentialDef(name="b"),)
    assert add(store, box, "bare", "b", "secret") == []


def test_credentials_go_one_by_one(store: Store, box: SecretBox, channel: str) -> None:
    add(store, box, channel, "b", "second")
    remove_credential(store, box, channel, "default", now_ms=NOW_MS)
    assert texts(store, box) == {("c", "b"): "second"}
    remove_credential(store, box, channel, "b", now_ms=NOW_MS)
    assert texts(store, box) == {}
    assert listed(store, channel) == ()


def test_a_channels_only_credential_goes(store: Store, box: SecretBox, channel: str) -> None:
    assert remove_credential(store, box, channel, "default", now_ms=NOW_MS, dry_run=True)
    assert texts(store, box) == {("c", "default"): "first"}
    (change,) = remove_credential(store, box, channel, "default", now_ms=NOW_MS)
    assert str(change) == '~ channels.c\n    credential: "(set)" -> (default)'
    assert texts(store, box) == {}


def test_a_removed_channel_takes_all_its_credentials_along(
    store: Store, box: SecretBox, channel: str
) -> None:
    add(store, box, channel, "b", "second")
    put(store, box, "channel", "other", {"base_url": "http://u"}, now_ms=NOW_MS, credential=SecretText("x"))
    remove(store, box, "channel", channel, now_ms=NOW_MS)
    assert texts(store, box) == {("other", "default"): "x"}


def test_a_file_that_no_longer_names_a_credential_deletes_it(store: Store, box: SecretBox) -> None:
    one = '{name = "a", credential = "1"}'
    two = '{name = "b", credential = "2"}'
    for credentials, kept in ((f"{one}, {two}", {"a", "b"}), (two, {"b"})):
        text = f'[channels.c]\nbase_url = "http://u"\ncredentials = [{credentials}]\n'
        apply(store, read(text), box, now_ms=NOW_MS)
        assert {name for _, name in texts(store, box)} == kept


def test_a_channel_that_is_named_like_anothers_credential_is_refused(
    store: Store, box: SecretBox, channel: str
) -> None:
    """The two would share a row."""
    add(store, box, channel, "b", "second")
    with pytest.raises(ConfigurationError, match="has no ':'"):
        put(store, box, "channel", "c:b", {"base_url": "http://u"}, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("name", "secret", "fields", "message"),
    [
        ("b", None, {}, "its secret is missing"),
        ("b", "two\r\nlines", {}, "printable ASCII"),
        ("b b", "x", {}, "at most 100 letters"),
        ("b", "x", {"concurrency": 0}, "must be at least 1"),
        ("b", "x", {"weight": 0}, "must be at least 1"),
    ],
)
def test_what_is_refused(
    store: Store,
    box: SecretBox,
    channel: str,
    name: str,
    secret: str | None,
    fields: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        add(store, box, channel, name, secret, **fields)
    assert texts(store, box) == {("c", "default"): "first"}


def test_what_is_not_there(store: Store, box: SecretBox, channel: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no channel 'd'"):
        add(store, box, "d", "b", "x")
    with pytest.raises(ConfigurationError, match="there is none named 'b': default"):
        remove_credential(store, box, channel, "b", now_ms=NOW_MS)
    remove_credential(store, box, channel, "default", now_ms=NOW_MS)
    with pytest.raises(ConfigurationError, match="it has none"):
        remove_credential(store, box, channel, "default", now_ms=NOW_MS)


def test_a_new_secret_brings_a_credential_back(store: Store, box: SecretBox, channel: str) -> None:
    with store.begin() as connection:
        note_out(connection, channel, "default", reason="quota", process_id="prc_1", now_ms=NOW_MS)
    add(store, box, channel, "default", "first")
    assert load_credential_states(store)
    add(store, box, channel, "default", "another")
    assert load_credential_states(store) == {}


def test_a_new_secret_of_what_was_disabled_by_hand_stays_so(
    store: Store, box: SecretBox, channel: str
) -> None:
    set_by_hand(store, channel, "default", "disabled", now_ms=NOW_MS)
    add(store, box, channel, "default", "another")
    assert load_credential_states(store)[channel]["default"][0] == "disabled"


def test_all_is_sealed_anew_or_nothing(store: Store, box: SecretBox, channel: str) -> None:
    add(store, box, channel, "b", "second")
    new = SecretBox(b"n" * 32, bytes(32))
    with store.begin() as connection:
        sealed = SecretBox(b"?" * 32).seal("channel:lost", "x")
        connection.execute(insert(secrets).values(name="channel:lost", sealed=sealed, updated_ms=NOW_MS))
    with pytest.raises(UnreadableSecret, match="channel:lost"):
        reseal(store, new, now_ms=NOW_MS)
    with store.begin() as connection:
        connection.execute(secrets.delete().where(secrets.c.name == "channel:lost"))
    assert texts(store, box) == {("c", "default"): "first", ("c", "b"): "second"}
    assert reseal(store, new, now_ms=NOW_MS) == 2
    assert texts(store, SecretBox(b"n" * 32)) == {("c", "default"): "first", ("c", "b"): "second"}


def test_addresses_are_hashed_with_the_same_key_for_good(store: Store, box: SecretBox, channel: str) -> None:
    first = address_key(store, box, now_ms=NOW_MS)
    assert first == hashlib.sha256(b"addresses" + bytes(32)).digest()
    assert reseal(store, SecretBox(b"n" * 32, bytes(32)), now_ms=NOW_MS) == 2
    assert address_key(store, SecretBox(b"n" * 32), now_ms=NOW_MS) == first
    assert texts(store, SecretBox(b"n" * 32)) == {("c", "default"): "first"}


def test_a_lost_master_key_costs_the_address_key_alone(store: Store, box: SecretBox) -> None:
    first = address_key(store, box, now_ms=NOW_MS)
    other = SecretBox(b"n" * 32)
    second = address_key(store, other, now_ms=NOW_MS)
    assert second != first
    assert address_key(store, other, now_ms=NOW_MS) == second


def test_no_secret_is_stored_readable(store: Store, box: SecretBox, channel: str, tmp_path: Path) -> None:
    add(store, box, channel, "b", "canary-second")
    with store.read() as connection:
        rows = connection.execute(select(secrets)).all()
    assert len(rows) == 2
    assert not any(b"canary" in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
