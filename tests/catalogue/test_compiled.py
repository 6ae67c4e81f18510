import pytest
from tests.catalogue.files import compiled

from posthouse.kernel.errors import RelayCode

TEXT = """
[operator]
exchange_rate = 7

[families.small]
kind = "standard"
[families.big]
kind = "premium"

[models."gpt-*"]
list = "openai/*"
family = "big"
[models."gpt-4o-mini*"]
list = "openai/*"
family = "small"
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
aliases = ["mini", "gpt-mini"]
family = "small"
max_output_tokens = 1000
[models.own]
price = [
  { input = 2, output = 8, cached_input = 0.5 },
  { prompt_tokens_over = 200000, input = 4, output = 16 },
  { service_tier = "flex", input = 1 },
]
[models.unpriced]

[plans.free]
kind = "free"
models = ["family:small", "own", "unpriced", "!gpt-4o-mini-*"]
endpoints = ["chat/completions"]
streaming = false
request_tokens_max = 4000
[[plans.free.limits]]
requests = 10
spend = 0.5
per = ["key", "plan"]
[[plans.free.limits]]
family = ["small", "big"]
window = "1 day"
tokens = 1000
per = "account"
concurrency = 2

[plans.paid]
kind = "paid"
multiplier = 0.5
multipliers = { "gpt-4o-mini" = "1/3", "family:small" = 2 }

[channels.main]
base_url = "http://127.0.0.1:1/v1"
models = ["gpt-4o*", "own"]
cost_multiplier = 0.9
[channels.main.costs]
"gpt-4o-2024-*" = { input = 3, output = "5", per = "1M" }
"gpt-4o-2024-08-06" = [{ input = 1 }, { input = 2, prompt_tokens_over = 1000 }]
"""

CATALOGUE = compiled(TEXT)


def lines(plan: str, model: str) -> dict[tuple[str, int, str], int]:
    tariff = CATALOGUE.tariff(plan, model)
    assert tariff is not None
    return {(line.component, line.prompt_tokens_over, line.service_tier): line.nanos for line in tariff.lines}


def test_a_model_is_found_by_its_name_and_its_aliases() -> None:
    mini = CATALOGUE.model("gpt-4o-mini")
    assert mini is not None
    assert CATALOGUE.model("mini") is CATALOGUE.model("gpt-mini") is mini
    assert (mini.family, mini.family_kind, mini.kind, mini.owned_by) == (
        "small",
        "standard",
        "chat",
        "openai",
    )
    assert (mini.max_input_tokens, mini.max_output_tokens) == (128000, 1000)
    assert CATALOGUE.model("nothing") is None


def test_of_several_patterns_the_longest_has_a_model() -> None:
    families = {name: CATALOGUE.model(name) for name in ("gpt-4o", "gpt-4o-mini-2024-07-18", "own")}
    assert [spec.family for spec in families.values() if spec] == ["big", "small", "other"]


def test_a_plan_allows_what_its_patterns_name() -> None:
    free = CATALOGUE.plan("free")
    assert free is not None
    assert free.models == {"gpt-4o-mini", "own", "unpriced"}
    assert free.endpoints == {"chat/completions"}
    assert (free.kind, free.streaming, free.request_tokens_max) == ("free", False, 4000)
    assert CATALOGUE.plan("gold") is None


def test_a_model_without_a_price_is_not_for_sale() -> None:
    assert CATALOGUE.tariff("paid", "unpriced") is CATALOGUE.tariff("free", "unpriced") is None
    assert CATALOGUE.plans_with("unpriced") == ()
    assert CATALOGUE.tariff("gold", "own") is CATALOGUE.tariff("paid", "nothing") is None


def test_only_what_a_channel_offers_can_be_called() -> None:
    assert [model.name for model in CATALOGUE.models_for("free")] == ["gpt-4o-mini", "own"]
    assert all(model.name.startswith(("gpt-4o", "own")) for model in CATALOGUE.models_for("paid"))
    assert CATALOGUE.models_for("gold") == ()
    assert CATALOGUE.models_for("paid", "gemini") == ()
    assert CATALOGUE.models_for("paid") is CATALOGUE.models_for("paid"), "it is asked for at any time"


@pytest.mark.parametrize(
    ("model", "nanos"),
    [
        ("gpt-4o-mini", 150_000_000 * 7 // 3),  # its own ratio: the first that fits
        ("gpt-4o-mini-2024-07-18", 150_000_000 * 7 * 2),  # its family's
        ("gpt-4o", 2_500_000_000 * 7 // 2),  # the plan's
    ],
)
def test_list_prices_are_times_rate_and_ratio(model: str, nanos: int) -> None:
    assert lines("paid", model)["input", 0, "default"] == nanos


def test_what_an_operator_sets_outright_is_what_members_pay() -> None:
    assert lines("paid", "own") == {
        ("input", 0, "default"): 2 * 10**9,
        ("output", 0, "default"): 8 * 10**9,
        ("cached_input", 0, "default"): 5 * 10**8,
        ("input", 200000, "default"): 4 * 10**9,
        ("output", 200000, "default"): 16 * 10**9,
        ("input", 0, "flex"): 10**9,
    }


def test_a_free_plan_charges_nothing() -> None:
    assert set(lines("free", "own").values()) == set(lines("free", "gpt-4o-mini").values()) == {0}


def test_prices_and_rules_are_made_once() -> None:
    assert CATALOGUE.tariff("paid", "own") is CATALOGUE.tariff("paid", "own")
    assert CATALOGUE.rules("free", "own") is CATALOGUE.rules("free", "own")


def test_rules_that_are_equal_are_the_same_for_all_models() -> None:
    own = CATALOGUE.rules("free", "own")
    assert CATALOGUE.rules("free", "unpriced") is CATALOGUE.rules_of("free", ["unpriced", "own"]) is own
    both = CATALOGUE.rules_of("free", ["own", "gpt-4o-mini"])
    assert len(both) == len(CATALOGUE.rules("free", "gpt-4o-mini"))
    assert CATALOGUE.rules_of("free", ["own", "gpt-4o-mini"]) is both


def test_rules_of_several_models_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.catalogue.compiled.SAME_RULES_MAX", 0)
    families = "[families.small]\n[families.big]\n[models.a]\nfamily = 'small'\n[models.b]\nfamily = 'big'\n"
    limits = (
        "[[plans.p.limits]]\nrequests = 1\nfamily = 'small'\n[[plans.p.limits]]\nrequests = 2\nfamily = 'big'"
    )
    catalogue = compiled(f"{families}[plans.p]\nkind = 'free'\n{limits}")
    assert catalogue.rules_of("p", ["a"]) is catalogue.rules("p", "a")
    found = [catalogue.rules_of("p", ["a", "b"]) for _ in range(2)]
    assert found[0] == found[1] == catalogue.rules("p", "a") + catalogue.rules("p", "b")
    assert found[0] is not found[1]


def test_what_a_channel_costs_is_its_share_of_the_list_price() -> None:
    [channel] = CATALOGUE.channels
    cost = CATALOGUE.cost(channel, "gpt-4o-mini")
    assert cost is not None
    assert CATALOGUE.cost(channel, "gpt-4o-mini") is cost
    assert cost.charge({"input": 1_000_000}, prompt_tokens=0).nanos == 150_000_000 * 7 * 9 // 10
    assert CATALOGUE.cost(channel, "own") is CATALOGUE.cost(channel, "nothing") is None


def test_what_a_channel_costs_may_be_said_outright() -> None:
    [channel] = CATALOGUE.channels
    named, fitting = (CATALOGUE.cost(channel, f"gpt-4o-2024-{day}") for day in ("08-06", "05-13"))
    assert named is not None
    assert fitting is not None
    assert named.charge({"input": 10}, prompt_tokens=10).nanos == 10_000
    assert named.charge({"input": 2000}, prompt_tokens=2000).nanos == 4_000_000
    assert fitting.charge({"input": 10, "output": 1}, prompt_tokens=10).nanos == 35_000


def test_a_limit_makes_a_rule_for_each_subject() -> None:
    rules = CATALOGUE.rules("free", "gpt-4o-mini")
    assert [(rule.name, rule.subject, rule.family) for rule in rules] == [
        ("free/*/1 hour", "key", "*"),
        ("free/*/1 hour", "plan", "*"),
        ("free/big+small/1 day", "account", "big+small"),
    ]
    assert [(rule.requests, rule.tokens, rule.spend_nanos, rule.concurrency) for rule in rules[1:]] == [
        (10, None, 500_000_000, None),
        (None, 1000, None, 2),
    ]
    assert rules[0].requests_code is RelayCode.FREE_STANDARD_REQUESTS  # by the model, also of all together
    assert rules[2].tokens_code is RelayCode.FREE_STANDARD_TOKENS


def test_a_limit_of_other_families_does_not_count() -> None:
    assert [rule.name for rule in CATALOGUE.rules("free", "own")] == ["free/*/1 hour"] * 2
    assert CATALOGUE.rules("paid", "own") == CATALOGUE.rules("gold", "own") == ()


def test_an_empty_configuration_sells_nothing() -> None:
    empty = compiled("")
    assert (empty.models(), empty.plans(), empty.channels) == ((), (), ())
    assert empty.operator.key_prefix == "sk-"
