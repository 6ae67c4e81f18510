"""Changes are noted with who made them, refused when somebody else was quicker, and previewed in prices."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from tests.catalogue.files import EXAMPLES, read

from posthouse.catalogue.credentials import put_credential, remove_credential
from posthouse.catalogue.edits import applying, importing, putting, removing, version_of, version_of_all
from posthouse.catalogue.errors import ChangedMeanwhile, ConfigurationError
from posthouse.catalogue.history import price_notes
from posthouse.catalogue.price_import import PriceImport, fixed
from posthouse.catalogue.prices import own_lines
from posthouse.catalogue.queries import load_catalogue, load_configuration, read_definitions
from posthouse.catalogue.rules import EACH, ModelDef, PriceDef
from posthouse.catalogue.service import apply, change, preview_prices, put, remove, set_by_hand
from posthouse.kernel.money import parse_ratio
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.metering.official import official_models
from posthouse.metering.prices import price
from posthouse.store.engine import Store
from posthouse.store.schema_desk import audit_log

MINIMAL = (EXAMPLES / "minimal.toml").read_text()
NOW_MS = 1_800_000_000_000


def notes(store: Store) -> list[tuple[str, str, str, Any, Any]]:
    with store.read() as connection:
        rows = connection.execute(select(audit_log).order_by(audit_log.c.id)).all()
    return [
        (one.actor, one.action, one.subject, msgspec.json.decode(one.before), msgspec.json.decode(one.after))
        for one in rows
    ]


# --- who changed what ---


def test_each_change_is_noted_without_its_secrets(store: Store, box: SecretBox) -> None:
    fields = {"base_url": "http://u", "headers": {"x-key": "canary"}, "proxy": "http://u:canary@p:1"}
    secret = SecretText("canary")
    put(store, box, "channel", "c", fields, now_ms=NOW_MS, actor="acc_1", credential=secret)
    put(store, box, "channel", "c", fields | {"weight": 2}, now_ms=NOW_MS, actor="acc_1/tok_1")
    set_by_hand(store, "c", "", "draining", reason="slow", now_ms=NOW_MS)
    remove(store, box, "channel", "c", now_ms=NOW_MS)
    shown = {
        "name": "c",
        "base_url": "http://u",
        "headers": {"x-key": "(kept)"},
        "proxy": "http://(kept)@p:1",
    }
    assert notes(store) == [
        ("acc_1", "channel.add", "channel:c", None, shown | {"credential": "(new)"}),
        ("acc_1/tok_1", "channel.change", "channel:c", {"weight": None}, {"weight": 2}),
        (
            *("cli", "channel.state", "channel:c", {"credential": "", "state": "enabled"}),
            {"credential": "", "state": "draining", "reason": "slow"},
        ),
        ("cli", "channel.remove", "channel:c", shown | {"weight": 2}, None),
    ]


def test_a_credential_that_comes_or_goes_is_noted(store: Store, box: SecretBox) -> None:
    put(store, box, "channel", "c", {"base_url": "http://u"}, now_ms=NOW_MS)
    put_credential(store, box, "c", "b", {}, now_ms=NOW_MS, actor="acc_1", credential=SecretText("canary"))
    remove_credential(store, box, "c", "b", now_ms=NOW_MS, actor="acc_1")
    changed = [(action, before, after) for _, action, _, before, after in notes(store)[1:]]
    assert changed == [
        (
            "channel.change",
            {"credentials": None, "credentials.b": None},
            {"credentials": [{"name": "b"}], "credentials.b": "(new)"},
        ),
        (
            "channel.change",
            {"credentials": [{"name": "b"}], "credentials.b": "(set)"},
            {"credentials": None, "credentials.b": None},
        ),
    ]


def test_what_changes_nothing_is_not_noted(store: Store, box: SecretBox) -> None:
    apply(store, read(MINIMAL), box, now_ms=NOW_MS, dry_run=True)
    assert notes(store) == []
    apply(store, read(MINIMAL), box, now_ms=NOW_MS)
    count = len(notes(store))
    apply(store, read(MINIMAL), box, now_ms=NOW_MS)
    assert len(notes(store)) == count > 0


# --- somebody else was quicker ---


def test_a_definition_that_was_changed_meanwhile_is_not_overwritten(store: Store, box: SecretBox) -> None:
    seen = version_of(None)
    change(store, box, putting("family", "f", {}, seen=seen), now_ms=NOW_MS)
    with pytest.raises(ChangedMeanwhile):
        change(store, box, putting("family", "f", {"kind": "premium"}, seen=seen), now_ms=NOW_MS)
    seen = version_of(load_configuration(store).families["f"])
    change(store, box, putting("family", "f", {"kind": "premium"}, seen=seen), now_ms=NOW_MS)
    with pytest.raises(ChangedMeanwhile):
        change(store, box, removing("family", "f", seen=seen), now_ms=NOW_MS)
    assert load_configuration(store).families["f"].kind == "premium"


def test_a_file_made_for_another_state_is_not_applied(store: Store, box: SecretBox) -> None:
    with store.read() as connection:
        seen = version_of_all(read_definitions(connection))
    put(store, box, "family", "f", {}, now_ms=NOW_MS)
    with pytest.raises(ChangedMeanwhile):
        change(store, box, applying(read(MINIMAL), seen=seen), now_ms=NOW_MS)


# --- what members would pay ---


def test_a_preview_shows_each_price_that_changes_and_changes_nothing(store: Store, box: SecretBox) -> None:
    apply(store, read(MINIMAL), box, now_ms=NOW_MS)
    edit = putting("plan", "paid", {"kind": "paid", "models": ["gpt-4o-mini"], "multiplier": "2"})
    found = preview_prices(store, edit)
    dearer = {(one.component, one.service_tier): one for one in found if one.model == "gpt-4o-mini"}
    line = dearer["input", "default"]
    assert (line.plan, line.before_nanos, line.after_nanos) == ("paid", 150_000_000, 300_000_000)
    gone = [one for one in found if one.model == "text-embedding-3-small"]
    assert {one.after_nanos for one in gone} == {None}
    assert preview_prices(store, edit) == found


def test_free_plans_have_no_prices_to_preview(store: Store, box: SecretBox) -> None:
    apply(store, read(MINIMAL), box, now_ms=NOW_MS)
    assert preview_prices(store, putting("plan", "free", {"kind": "free", "multiplier": "9"})) == []


# --- prices of the official list ---


@pytest.mark.parametrize("factor", ["7.2", "1/7"])
def test_fixed_prices_are_what_the_list_makes(factor: str) -> None:
    for model in official_models().values():
        made = fixed(model.lines, parse_ratio(factor))
        lines = own_lines((made,) if isinstance(made, PriceDef) else made)
        said = [one for one in model.lines if ":" not in one.component or one.component.split(":")[0] in EACH]
        assert sorted(lines) == sorted(price(said, parse_ratio(factor))), model.model


def test_models_take_fixed_prices_or_follow_the_list(store: Store, box: SecretBox) -> None:
    apply(store, read(MINIMAL), box, now_ms=NOW_MS)
    put(store, box, "family", "small", {}, now_ms=NOW_MS)
    fix = PriceImport(names=("openai/gpt-4o-mini",), mode="fix", exchange_rate="7", multiplier="0.5")
    change(store, box, importing(fix), now_ms=NOW_MS)
    model = load_configuration(store).models["gpt-4o-mini"]
    assert model.list == ""
    assert model.max_output_tokens == 16384  # what the list told is kept
    tariff = load_catalogue(store).tariff("paid", "gpt-4o-mini")
    assert tariff is not None
    lines = {(one.component, one.service_tier): one.nanos for one in tariff.lines}
    assert lines["input", "default"] == 525_000_000
    follow = PriceImport(names=("openai/gpt-4o-mini", "openai/gpt-4o"), family="small")
    change(store, box, importing(follow), now_ms=NOW_MS)
    models = load_configuration(store).models
    assert models["gpt-4o-mini"] == ModelDef(
        family=model.family,
        list="openai/gpt-4o-mini",
        kind="chat",
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=16384,
        owned_by="openai",
    )
    assert models["gpt-4o"] == ModelDef(family="small", list="openai/gpt-4o")


def test_a_model_that_follows_the_list_by_a_pattern_needs_nothing(store: Store, box: SecretBox) -> None:
    put(store, box, "model", "gpt-*", {"list": "openai/*"}, now_ms=NOW_MS)
    wanted = PriceImport(names=("openai/gpt-4o",))
    assert change(store, box, importing(wanted), now_ms=NOW_MS) == []


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (PriceImport(names=("openai/gpt-4oo",)), "there is no list price 'openai/gpt-4oo'; did you mean"),
        (PriceImport(names=(), multiplier="x"), "multiplier: 'x' is not a ratio"),
        (PriceImport(names=(), exchange_rate="-1"), "exchange_rate: '-1' is negative"),
        (
            PriceImport(names=("groq/openai/gpt-oss-120b", "openai/gpt-4o"), family="none"),
            "family: there is no family 'none'",
        ),
    ],
)
def test_a_wrong_import_changes_nothing(
    store: Store, box: SecretBox, wanted: PriceImport, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        change(store, box, importing(wanted), now_ms=NOW_MS)
    assert load_configuration(store).models == {}


# --- history ---


def test_the_history_of_a_price_has_all_that_it_is_made_of(store: Store, box: SecretBox) -> None:
    apply(store, read(MINIMAL), box, now_ms=NOW_MS)
    put(store, box, "plan", "paid", {"kind": "paid", "multiplier": "2"}, now_ms=NOW_MS + 1, actor="acc_1")
    put(
        store, box, "plan", "paid", {"kind": "paid", "multiplier": "2", "streaming": False}, now_ms=NOW_MS + 2
    )
    put(store, box, "model", "other", {"price": {"input": 1}}, now_ms=NOW_MS + 3)
    put(store, box, "model", "gpt-4o-mini", {"price": {"input": 2}}, now_ms=NOW_MS + 4)
    found = price_notes(store, model="gpt-4o-mini", limit=10)
    assert [(one.kind, one.name, one.at_ms - NOW_MS) for one in found[:2]] == [
        ("model", "gpt-4o-mini", 4),
        ("plan", "paid", 1),
    ]
    assert (found[1].actor, found[1].after) == ("acc_1", {"multiplier": "2"})
    assert found[0].before == {"list": "openai/gpt-4o-mini", "price": None}
    everything = price_notes(store, limit=100)
    assert {one.name for one in everything} >= {"other", "gpt-4o-mini", "paid"}
    older = price_notes(store, before_id=everything[1].id, limit=1)
    assert older == everything[2:3]
