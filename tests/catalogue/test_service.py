"""apply, put and remove on a real store."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from tests.catalogue.files import EXAMPLES, read

from posthouse.catalogue.diff import Change
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.queries import load_catalogue, load_configuration
from posthouse.catalogue.sealed import load_credentials
from posthouse.catalogue.service import apply, put, remove
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, changes, configuration, secrets

MINIMAL = (EXAMPLES / "minimal.toml").read_text()
NOW_MS = 1_800_000_000_000


def applied(store: Store, box: SecretBox, text: str, *, dry_run: bool = False) -> list[str]:
    return [str(change) for change in apply(store, read(text), box, now_ms=NOW_MS, dry_run=dry_run)]


def count(store: Store, table: Any) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_what_is_applied_is_loaded_and_announced(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    catalogue = load_catalogue(store)
    assert [model.name for model in catalogue.models_for("paid")] == ["gpt-4o-mini", "text-embedding-3-small"]
    assert catalogue.operator.topup_plan == "paid"
    with store.read() as connection:
        assert connection.execute(select(changes.c.kind)).scalars().all() == ["configuration"]


def test_the_store_keeps_a_file_exactly(store: Store, box: SecretBox) -> None:
    for name in ("operator-a.toml", "operator-a-2026.toml", "operator-b.toml", "minimal.toml"):
        text = (EXAMPLES / name).read_text()
        applied(store, box, text)
        kept = load_configuration(store)
        given = read(text).definitions
        for kind, definitions in (("model", kept.models), ("plan", kept.plans), ("channel", kept.channels)):
            assert definitions == {key: one for (k, key), one in given.items() if k == kind}


def test_a_dry_run_shows_what_apply_does_and_does_nothing(store: Store, box: SecretBox) -> None:
    planned = applied(store, box, MINIMAL, dry_run=True)
    assert count(store, configuration) == count(store, secrets) == count(store, changes) == 0
    assert planned[0] == "+ operator"
    assert "+ plans.free" in planned
    assert applied(store, box, MINIMAL) == planned


def test_applying_a_file_again_changes_nothing(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    assert applied(store, box, MINIMAL) == []
    assert count(store, changes) == 1


def test_the_difference_names_each_field(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    text = MINIMAL.replace("exchange_rate = 1 ", "exchange_rate = 7.2 ").replace(
        'kind = "paid"', 'kind = "paid"\nmultiplier = 0.8'
    )
    assert applied(store, box, text) == [
        '~ operator\n    exchange_rate: 1 -> "7.2"',
        '~ plans.paid\n    multiplier: (default) -> "0.8"',
    ]


def test_what_is_left_out_is_no_other_than_its_default(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    assert "timezone" not in MINIMAL
    text = MINIMAL.replace("[operator]", '[operator]\ntimezone = "UTC"')
    assert applied(store, box, text.replace("exchange_rate = 1 ", 'exchange_rate = "1" ')) == []


def test_the_order_of_multipliers_is_a_difference(store: Store, box: SecretBox) -> None:
    plan = '[plans.p]\nkind = "paid"\nmultipliers = { %s }\n'
    applied(store, box, plan % '"a*" = 1, "*b" = 2')
    assert len(applied(store, box, plan % '"*b" = 2, "a*" = 1')) == 1


def test_a_file_takes_away_what_it_no_longer_names(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    text = MINIMAL.replace('[models."text-embedding-3-small"]\nlist = "openai/text-embedding-3-small"\n', "")
    assert applied(store, box, text) == ["- models.text-embedding-3-small"]


def test_a_file_leaves_the_tables_alone_that_it_does_not_have(store: Store, box: SecretBox) -> None:
    put(store, box, "channel", "hand", {"base_url": "http://u"}, now_ms=NOW_MS, credential=SecretText("s"))
    applied(store, box, '[plans.free]\nkind = "free"\n')
    assert list(load_configuration(store).channels) == ["hand"]
    applied(store, box, "[channels]\n")
    assert load_configuration(store).channels == {}
    assert count(store, secrets) == 0


def test_a_wrong_file_changes_nothing(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    with pytest.raises(
        ConfigurationError, match=r"operator\.toml:3: plans\.paid.models\[0\]: there is no model"
    ):
        applied(store, box, '[plans.paid]\nkind = "paid"\nmodels = ["gpt-5"]\n')
    assert applied(store, box, MINIMAL) == []


def test_a_plan_with_members_stays(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    with store.begin() as connection:
        row = {"id": "acc_1", "email": "a@b", "plan": "free", "status": "active", "created_ms": NOW_MS}
        connection.execute(insert(accounts).values(row))
    text = '[plans.paid]\nkind = "paid"\n[operator]\n'
    with pytest.raises(
        ConfigurationError, match=r"plans\.free: can't go while accounts are on it \(1\); move them first"
    ):
        applied(store, box, text)


# --- credentials ---


def test_a_credential_is_sealed_and_never_shown(store: Store, box: SecretBox) -> None:
    report = apply(store, read(MINIMAL), box, now_ms=NOW_MS)
    assert "canary" not in repr(report) + "".join(map(str, report))
    assert load_credentials(store, box)["main", "default"].reveal() == "canary UPSTREAM"
    with store.read() as connection:
        stored = repr(connection.execute(select(configuration)).all())
        sealed = connection.execute(select(secrets.c.sealed)).scalar_one()
    assert "canary" not in stored
    assert b"canary" not in sealed


def test_a_changed_credential_is_a_difference_that_tells_nothing(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    new = MINIMAL.replace("${UPSTREAM_API_KEY}", "${CHEAP_API_KEY}")
    shown = ['~ channels.main\n    credential: (default) -> "(new)"']
    assert applied(store, box, new, dry_run=True) == shown
    assert load_credentials(store, box)["main", "default"].reveal() == "canary UPSTREAM"
    assert applied(store, box, new) == shown
    assert load_credentials(store, box)["main", "default"].reveal() == "canary CHEAP"


def test_a_credential_that_no_longer_opens_is_set_again(store: Store, box: SecretBox) -> None:
    applied(store, SecretBox(b"another master key's 32 bytes...".ljust(32)), MINIMAL)
    assert len(applied(store, box, MINIMAL)) == 1
    assert load_credentials(store, box)["main", "default"].reveal() == "canary UPSTREAM"


def test_a_proxys_password_is_not_shown(store: Store, box: SecretBox) -> None:
    fields = {"base_url": "http://u", "headers": {"x-key": "canary"}}
    put(store, box, "channel", "c", {**fields, "proxy": "http://u:canary@p:1"}, now_ms=NOW_MS)
    [change] = put(store, box, "channel", "c", {**fields, "proxy": "http://u:canary2@p:1"}, now_ms=NOW_MS)
    assert "canary" not in str(change) + repr(change)
    assert [field.field for field in change.fields] == ["proxy"]


# --- one definition at a time ---


@pytest.mark.parametrize("text", ["canary\r\nx-injected: 1", "canary\n", "钥匙"])
def test_a_credential_that_could_split_a_request_is_refused(store: Store, box: SecretBox, text: str) -> None:
    with pytest.raises(ConfigurationError, match="credential: must be printable ASCII") as refused:
        put(store, box, "channel", "c", {"base_url": "http://u"}, now_ms=NOW_MS, credential=SecretText(text))
    assert "canary" not in str(refused.value)
    assert load_credentials(store, box) == {}


def test_a_channel_comes_changes_and_goes(store: Store, box: SecretBox) -> None:
    fields: dict[str, Any] = {"base_url": "http://u", "models": ["gpt-*"], "weight": 2}
    added = put(store, box, "channel", "c", fields, now_ms=NOW_MS, credential=SecretText("s"))
    assert [(change.action, change.name) for change in added] == [("add", "c")]
    changed = put(store, box, "channel", "c", {**fields, "weight": 3}, now_ms=NOW_MS)
    assert [str(change) for change in changed] == ["~ channels.c\n    weight: 2 -> 3"]
    assert load_configuration(store).channels["c"].weight == 3
    assert load_credentials(store, box)["c", "default"].reveal() == "s"
    assert remove(store, box, "channel", "c", now_ms=NOW_MS) == [Change("channel", "c", "remove")]
    assert load_configuration(store).channels == load_credentials(store, box) == {}


def test_a_dry_run_of_one_definition_does_nothing(store: Store, box: SecretBox) -> None:
    assert put(store, box, "plan", "p", {"kind": "paid"}, now_ms=NOW_MS, dry_run=True)
    assert load_configuration(store).plans == {}
    put(store, box, "plan", "p", {"kind": "paid"}, now_ms=NOW_MS)
    assert remove(store, box, "plan", "p", now_ms=NOW_MS, dry_run=True)
    assert list(load_configuration(store).plans) == ["p"]


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("channel", {"base_url": "nowhere"}, "channels.x.base_url: needs a URL"),
        ("plan", {"kind": "paid", "modles": []}, "plans.x: unknown field 'modles'; did you mean 'models'?"),
        ("model", {"list": "openai/gpt-4oo"}, "models.x.list: there is no list price"),
    ],
)
def test_a_wrong_definition_changes_nothing(
    store: Store, box: SecretBox, kind: Any, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        put(store, box, kind, "x", fields, now_ms=NOW_MS)
    assert str(caught.value).startswith(message)
    assert count(store, configuration) == 0


def test_what_is_needed_or_not_there_is_not_removed(store: Store, box: SecretBox) -> None:
    applied(store, box, MINIMAL)
    with pytest.raises(ConfigurationError, match=r"operator\.topup_plan: there is no plan 'paid'"):
        remove(store, box, "plan", "paid", now_ms=NOW_MS)
    with pytest.raises(ConfigurationError, match="there is no channel 'other'"):
        remove(store, box, "channel", "other", now_ms=NOW_MS)


def test_a_definition_that_this_version_cannot_read_is_named_and_can_be_applied_again(
    store: Store, box: SecretBox
) -> None:
    applied(store, box, MINIMAL)
    with store.begin() as connection:
        row = configuration.c.name == "paid"
        connection.execute(update(configuration).where(row).values(definition='{"kind":"paid","gone":1}'))
    with pytest.raises(ConfigurationError, match=r"plan\.paid: this version can't read it") as refused:
        load_catalogue(store)
    assert "plan.paid: unknown field 'gone'" in str(refused.value)
    assert applied(store, box, MINIMAL) == ["+ plans.paid"]
    assert load_catalogue(store).plan("paid") is not None
