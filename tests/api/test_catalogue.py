"""Models, prices, plans and the configuration by the API."""

import time
from typing import Any

import pytest
from tests.api.conftest import Api, Browser, Statements

from posthouse.api import definitions
from posthouse.catalogue import rules
from posthouse.catalogue.queries import load_configuration
from posthouse.routing.channels import CredentialDef
from posthouse.routing.health import HealthPolicy
from posthouse.testing.waiting import eventually


@pytest.fixture(scope="module")
def operator(api: Api) -> Browser:
    return api.as_("operator")


def put(operator: Browser, path: str, definition: Any, *, seen: str = "") -> Any:
    answer = operator.put(path, {"version": seen, "definition": definition})
    assert answer.status_code == 200, answer.text
    return answer.json()


def item(operator: Browser, path: str, name: str) -> Any:
    return next(one for one in operator.get(path).json()["items"] if one["name"] == name)


@pytest.mark.parametrize(
    ("fields", "definition"),
    [
        (definitions.PriceFields, rules.PriceDef),
        (definitions.FamilyFields, rules.FamilyDef),
        (definitions.ModelFields, rules.ModelDef),
        (definitions.LimitFields, rules.LimitDef),
        (definitions.PlanFields, rules.PlanDef),
        (definitions.HealthFields, HealthPolicy),
        (definitions.NamedCredential, CredentialDef),
        (definitions.ChannelFields, rules.ChannelDef),
    ],
)
def test_the_api_has_the_fields_of_the_file(fields: Any, definition: Any) -> None:
    own = {"name"} if definition is rules.ChannelDef else set()
    assert set(fields.model_fields) == set(definition.__struct_fields__) - own
    for name in definition.__struct_defaults__ and fields.model_fields:
        described = fields.model_fields[name]
        assert described.description


def test_defaults_are_those_of_the_file() -> None:
    """What is left out is left out of the definition; but the document tells what it then is."""
    made: list[tuple[Any, Any]] = [
        (definitions.PlanFields, rules.PlanDef(kind="paid")),
        (definitions.HealthFields, HealthPolicy()),
        (definitions.NamedCredential, CredentialDef(name="a")),
    ]
    for fields, definition in made:
        for name, field in fields.model_fields.items():
            stored = getattr(definition, name)
            if name not in ("kind", "name"):
                assert field.default == ([*stored] if isinstance(stored, tuple) else stored), name


def test_a_model_is_priced_shown_and_taken_out(operator: Browser) -> None:
    put(operator, "/families/large", {"kind": "premium"})
    put(
        operator, "/model-definitions/own/model", {"family": "large", "price": {"input": "1.50", "output": 6}}
    )
    eventually(lambda: any(one["name"] == "own/model" for one in operator.get("/models").json()["items"]))
    shown = item(operator, "/models", "own/model")
    assert (shown["defined_by"], shown["family"], shown["is_list_priced"]) == ("own/model", "large", False)
    paid = next(one for one in shown["plans"] if one["plan"] == "paid")
    assert {line["component"]: line["price"] for line in paid["lines"]} == {"input": "1.50", "output": "6.00"}
    kept = item(operator, "/model-definitions", "own/model")
    assert kept["definition"] == {"family": "large", "price": {"input": "1.50", "output": 6}}
    needed = operator.delete(
        "/families/large", params={"version": item(operator, "/families", "large")["version"]}
    )
    assert needed.status_code == 422
    gone = operator.delete("/model-definitions/own/model", params={"version": kept["version"]})
    assert gone.status_code == 200
    again = operator.delete("/model-definitions/own/model", params={"version": kept["version"]})
    assert again.status_code == 404


def test_a_preview_shows_members_prices(operator: Browser) -> None:
    plan = item(operator, "/plans", "paid")
    body = {"version": plan["version"], "definition": plan["definition"] | {"multiplier": "2"}}
    found = operator.put("/plans/paid", body, params={"dry_run": True}).json()
    assert found["dry_run"] is True
    assert found["price_count"] == len(found["prices"]) > 0
    prices = {(one["model"], one["component"], one["service_tier"]): one for one in found["prices"]}
    line = prices["gpt-4o-mini", "input", "default"]
    assert (line["before"], line["after"]) == ("0.15", "0.30")
    assert item(operator, "/plans", "paid")["version"] == plan["version"]


def test_prices_are_imported_from_the_list(operator: Browser) -> None:
    listed = operator.get("/official-prices", params={"search": "gpt-4.1-nano", "provider": "openai"}).json()
    names = [one["name"] for one in listed["items"]]
    assert "openai/gpt-4.1-nano" in names
    body = {"names": ["openai/gpt-4.1-nano"], "mode": "fix", "exchange_rate": "7", "multiplier": "1.5"}
    (error,) = operator.post("/price-import", body | {"multiplier": 1.5}).json()["errors"]
    assert (error["field"], error["message"].partition(" such")[0]) == ("multiplier", "must be an amount")
    preview = operator.post("/price-import", body, params={"dry_run": True}).json()
    prices = {(one["component"], one["service_tier"]): one for one in preview["prices"]}
    assert (prices["input", "default"]["before"], prices["input", "default"]["after"]) == (None, "1.05")
    assert operator.post("/price-import", body).json()["changes"] == preview["changes"]
    eventually(lambda: any(one["name"] == "gpt-4.1-nano" for one in operator.get("/models").json()["items"]))
    history = operator.get("/price-history", params={"model": "gpt-4.1-nano"}).json()["items"]
    assert (history[0]["kind"], history[0]["name"], history[0]["before"]) == ("model", "gpt-4.1-nano", None)
    assert (history[0]["actor"], history[0]["actor_email"]) == (operator.account_id, operator.email)
    known = operator.get("/official-prices", params={"search": "openai/gpt-4.1-nano"}).json()["items"]
    assert known[0]["is_known"] is True
    wrong = operator.post("/price-import", {**body, "names": ["openai/gpt-5000"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "names")
    assert "openai" in operator.get("/official-providers").json()["items"]


def test_a_plan_with_members_stays(api: Api, operator: Browser) -> None:
    put(operator, "/plans/trial", {"kind": "free", "limits": [{"requests": 5, "window": "1 day"}]})
    plan = item(operator, "/plans", "trial")
    assert (plan["members"], plan["is_default"]) == (0, False)
    api.relay.member(f"{time.monotonic_ns()}@example.org", plan="trial")
    assert item(operator, "/plans", "trial")["members"] == 1
    refused = operator.delete("/plans/trial", params={"version": plan["version"]})
    assert refused.status_code == 422
    assert "members" in refused.text or "accounts" in refused.text
    wrong = operator.put(
        "/plans/trial", {"version": plan["version"], "definition": {"kind": "free", "limits": [{}]}}
    )
    assert wrong.json()["errors"][0]["field"] == "limits.0"
    assert "chat/completions" in operator.get("/plan-endpoints").json()["items"]


def test_the_configuration_goes_out_and_comes_back(api: Api, operator: Browser) -> None:
    exported = operator.get("/configuration").json()
    same = {"version": exported["version"], "toml": exported["toml"]}
    assert operator.post("/configuration", same).json()["changes"] == []
    more = exported["toml"] + '\n[channels.second]\nbase_url = "${URL}"\ncredential = "${KEY}"\n'
    unset = operator.post("/configuration", {**same, "toml": more})
    assert unset.status_code == 422
    assert "the environment variable URL is not set" in unset.json()["errors"][0]["message"]
    variables = {"URL": "https://u.example/v1", "KEY": "canary-key"}
    filled = {**same, "toml": more, "variables": variables}
    planned = operator.post("/configuration", filled, params={"dry_run": True})
    assert [one["name"] for one in planned.json()["changes"]] == ["second"]
    done = operator.post("/configuration", filled)
    assert done.status_code == 200
    late = operator.post("/configuration", filled)
    assert late.json()["code"] == "changed_meanwhile"
    assert load_configuration(api.store).channels["second"].base_url == "https://u.example/v1"
    assert "canary" not in planned.text + done.text + operator.get("/configuration").text
    version = next(
        one["version"] for one in operator.get("/channels").json()["items"] if one["name"] == "second"
    )
    operator.delete("/channels/second", params={"version": version})


def test_a_file_can_not_read_the_servers_environment(
    operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTHOUSE_MASTER_KEY_TEST", "canary")
    toml = '[channels.x]\nbase_url = "https://u.example/${POSTHOUSE_MASTER_KEY_TEST}"\n'
    assert operator.post("/configuration", {"toml": toml}).status_code == 422


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[plans", "line 1: not TOML"),
        ('[plans.p]\nkind = "paid"\nmodles = []', "line 3: unknown field 'modles'; did you mean 'models'?"),
        (
            '[channels.c]\nbase_url = "https://u.example"\npreset = "none"',
            "line 3: there is no preset 'none'",
        ),
    ],
)
def test_a_wrong_file_is_told_by_its_lines(operator: Browser, toml: str, message: str) -> None:
    refused = operator.post("/configuration", {"toml": toml})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["message"].startswith(message)


@pytest.mark.parametrize(
    ("path", "count"), [("/models", 2), ("/model-definitions", 2), ("/families", 2), ("/plans", 3)]
)
def test_how_many_statements_a_page_takes(
    operator: Browser, statements: Statements, path: str, count: int
) -> None:
    with statements() as asked:
        operator.get(path)
    assert len([one for one in asked if one.startswith("SELECT")]) == count, asked


def test_pages_of_models_follow_each_other(operator: Browser) -> None:
    names: list[str] = []
    after = ""
    while True:
        page = operator.get("/models", params={"limit": 1, "after": after}).json()
        names += [one["name"] for one in page["items"]]
        after = page["next"]
        if not after:
            break
    assert names == sorted(set(names))
    assert len(names) >= 2
    assert operator.get("/models", params={"after": "rubbish"}).status_code == 422
