"""Every row of the two reference operators' own tables, against the catalogue that their example file makes.
data/reference_operators.json is how they described themselves (A: June 2023 and June 2026; B: March 2024)."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from posthouse.catalogue.compiled import Catalogue
from posthouse.kernel.errors import RelayCode
from posthouse.kernel.money import parse_nanos
from posthouse.limits.rules import LimitRule
from posthouse.metering.official import official_models

FACTS = json.loads((Path(__file__).parents[1] / "data" / "reference_operators.json").read_text())
A, B = FACTS["A"], FACTS["B"]
LATER = A["later"]
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MILLION = 1_000_000

Example = Callable[[str], Catalogue]
B_MODELS = pytest.mark.parametrize("row", B["models"], ids=lambda row: row["model"])
B_IMAGES = pytest.mark.parametrize(
    ("row", "size"),
    [(row, size) for row in B["images"] for size in row["sizes"]],
    ids=lambda value: value if isinstance(value, str) else f"{value['model']}-{value.get('quality', '')}",
)


@pytest.fixture
def a(example: Example) -> Catalogue:
    return example("operator-a.toml")


@pytest.fixture
def later(example: Example) -> Catalogue:
    return example("operator-a-2026.toml")


@pytest.fixture
def b(example: Example) -> Catalogue:
    return example("operator-b.toml")


def quota(rules: tuple[LimitRule, ...]) -> dict[str, tuple[int, int | None, int | None]]:
    """Window, requests and tokens by subject; a model must have one rule for each."""
    found = {rule.subject: (rule.window_ms, rule.requests, rule.tokens) for rule in rules}
    assert len(found) == len(rules)
    return found


def charge(catalogue: Catalogue, plan: str, model: str, /, prompt_tokens: int = 0, **quantities: int) -> int:
    tariff = catalogue.tariff(plan, model)
    assert tariff is not None
    charged = tariff.charge(quantities, prompt_tokens=prompt_tokens)
    assert charged.unpriced == ()
    return charged.nanos


def usd(name: str, component: str) -> Fraction:
    """A list price of the default tier."""
    return next(
        Fraction(line.usd)
        for line in official_models()[name].lines
        if (line.component, line.prompt_tokens_over, line.service_tier) == (component, 0, "default")
    )


# --- Operator A, 2023 ---


def test_a_is_called_and_upgrades_as_it_says(a: Catalogue) -> None:
    assert (a.operator.currency, a.operator.key_prefix) == (A["currency"], A["key_prefix"])
    assert (a.operator.default_plan, a.operator.topup_plan) == ("free", "paid")
    assert len(a.channels) == A["hosts"]


@pytest.mark.parametrize(
    "model",
    ["text-embedding-ada-002", "text-davinci-003", "gpt-3.5-turbo", "gpt-3.5-turbo-16k"],
)
def test_a_free_members_share_120_calls_an_hour_among_all_models(a: Catalogue, model: str) -> None:
    free = A["plans"]["free"]
    assert model in a.plan("free").models
    expected = (HOUR_MS, free["requests_all_models_together"], None)
    rules = a.rules("free", model)
    assert quota(rules) == {"key": expected, "address": expected}
    assert {rule.name for rule in rules} == {rule.name for rule in a.rules("free", "gpt-3.5-turbo")}
    assert charge(a, "free", model, input=MILLION) == 0


@pytest.mark.parametrize("model", ["gpt-4", "gpt-4-0613", "dall-e-2", "dall-e-3", "whisper-1", "gpt-4o"])
def test_a_free_members_have_no_gpt_4_no_images_no_speech(a: Catalogue, model: str) -> None:
    assert model not in a.plan("free").models
    assert a.plans_with(model) == ("paid",)


def test_a_paid_members_have_every_model_without_limit(a: Catalogue) -> None:
    assert a.plan("paid").models == {model.name for model in a.models()}
    assert all(a.rules("paid", model.name) == () for model in a.models())
    assert {model.owned_by for model in a.models()} == {"openai"}


@pytest.mark.parametrize(
    ("model", "ratio"),
    [
        ("gpt-4", "0.8"),
        ("gpt-4-0613", "0.8"),
        ("gpt-4-32k", "0.8"),
        ("gpt-3.5-turbo", "1/7"),
        ("gpt-3.5-turbo-16k", "1/7"),
        ("text-embedding-ada-002", "1/7"),
        ("text-davinci-003", "1/7"),
    ],
)
def test_a_paid_members_pay_a_ratio_of_the_official_price(a: Catalogue, model: str, ratio: str) -> None:
    for component in ("input",) if "embedding" in model else ("input", "output"):
        exact = usd(f"openai/{model}", component) * a.operator.exchange_rate * Fraction(ratio) * 10**9
        assert abs(charge(a, "paid", model, **{component: MILLION}) - exact) <= Fraction(1, 2)


def test_a_serves_the_endpoints_that_it_lists(a: Catalogue) -> None:
    calls = {"models", "embeddings", "completions", "chat/completions"}
    assert a.plan("free").endpoints == calls
    assert a.plan("paid").endpoints == calls | {"images/generations", "audio/transcriptions"}
    assert len(a.plan("paid").endpoints) == len(A["endpoints"])


# --- Operator A, 2026 ---


@pytest.mark.parametrize(
    ("row", "models"),
    [
        ("flagship (gpt-5, gpt-4o, gpt-4.1)", ["gpt-5", "gpt-4o", "gpt-4.1"]),
        ("deepseek", ["deepseek-chat", "deepseek-reasoner"]),
        (
            "small (4o-mini, 3.5, 4.1-mini/nano, 5-mini/nano)",
            ["gpt-4o-mini", "gpt-3.5-turbo", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5-mini", "gpt-5-nano"],
        ),
        ("embeddings", ["text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"]),
    ],
)
def test_a_later_counts_free_calls_by_the_day_and_by_class(
    later: Catalogue, row: str, models: list[str]
) -> None:
    expected = (DAY_MS, LATER["free_per_day"][row], None)
    for model in models:
        assert quota(later.rules("free", model)) == {"key": expected, "address": expected}
    assert len({rule.name for model in models for rule in later.rules("free", model)}) == 1


def test_a_later_has_a_row_for_each_family_and_counts_chat_and_embeddings_apart(later: Catalogue) -> None:
    free = later.plan("free").models
    names = {rule.name for model in free for rule in later.rules("free", model)}
    assert len(names) == len(LATER["free_per_day"])
    chat, embeddings = later.rules("free", "gpt-4o-mini"), later.rules("free", "text-embedding-3-small")
    assert chat[0].name != embeddings[0].name
    assert "claude-fable-5" not in free


def test_a_later_caps_the_prompt_of_free_calls(later: Catalogue) -> None:
    assert later.plan("free").input_tokens_max is not None
    assert later.plan("paid").input_tokens_max is None


def test_a_later_sells_the_models_of_its_eight_providers(later: Catalogue) -> None:
    named = {"qwen": "dashscope", "kimi": "moonshot"}
    sold = {model.owned_by for model in later.models_for("paid")}
    assert sold == {named.get(provider, provider) for provider in LATER["providers"]}


def test_a_later_has_tiered_prices(later: Catalogue) -> None:
    rate = later.operator.exchange_rate
    over = next(
        line
        for line in official_models()["gemini/gemini-2.5-pro"].lines
        if line.component == "input" and line.prompt_tokens_over and line.service_tier == "default"
    )
    dear = charge(later, "paid", "gemini-2.5-pro", over.prompt_tokens_over + 1, input=MILLION)
    cheap = charge(later, "paid", "gemini-2.5-pro", over.prompt_tokens_over, input=MILLION)
    assert dear == Fraction(over.usd) * rate * 10**9
    assert cheap == usd("gemini/gemini-2.5-pro", "input") * rate * 10**9 < dear


def test_a_later_charges_for_each_image_and_each_search(later: Catalogue) -> None:
    rate = later.operator.exchange_rate
    image = charge(later, "paid", "gpt-image-1", **{"image:1024x1024:high": 2})
    search = charge(later, "paid", "gpt-4o-search-preview", web_search=1)
    assert image == 2 * Fraction("0.167") * rate * 10**9
    assert search > 0


def test_a_later_has_a_cheaper_line_under_its_own_name(later: Catalogue) -> None:
    full, cheap = (charge(later, "paid", model, input=MILLION) for model in ("gpt-4o", "gpt-4o-ca"))
    assert cheap == full * 4 // 10
    offers = [[one for one in later.channels if one.offers(model)] for model in ("gpt-4o", "gpt-4o-ca")]
    assert [[one.name for one in channels] for channels in offers] == [["openai"], ["cheap"]]
    assert offers[1][0].upstream_model("gpt-4o-ca") == "gpt-4o"
    cost = later.cost(offers[1][0], "gpt-4o-ca")
    assert cost is not None
    assert cost.charge({"input": MILLION}, prompt_tokens=0).nanos == full * 3 // 10, "it leaves a margin"
    assert "gpt-4o-ca" not in later.plan("free").models


# --- Operator B ---


def test_b_is_called_and_upgrades_as_it_says(b: Catalogue) -> None:
    assert (b.operator.currency, b.operator.key_prefix) == (B["currency"], B["key_prefix"])
    assert b.operator.topup_plan == B["topup"]["any_topup_upgrades_to"]
    assert b.operator.default_plan == "free"


def test_b_sells_what_it_lists_and_nothing_else(b: Catalogue) -> None:
    listed = {row["model"] for row in B["models"]} | {row["model"] for row in B["images"]}
    assert {model.name for model in b.models()} == listed == b.plan("paid").models
    assert all(b.model(name) is None for name in B["not_supported"])


@B_MODELS
def test_b_prices(b: Catalogue, row: dict[str, Any]) -> None:
    tokens = {"input": 1000, "output": 1000}
    for component, price in (("input", row["in_per_1k"]), ("output", row["out_per_1k"])):
        assert charge(b, "paid", row["model"], **{component: tokens[component]}) == parse_nanos(price)
    if row["free"]:
        assert charge(b, "free", row["model"], **tokens) == parse_nanos(B["plans"]["free"]["price"])


@B_MODELS
def test_b_who_may_use_what(b: Catalogue, row: dict[str, Any]) -> None:
    expected = tuple(plan for plan in ("free", "paid") if row[plan])
    assert b.plans_with(row["model"]) == expected
    assert tuple(p.name for p in b.plans() if row["model"] in p.models) == expected


@B_MODELS
def test_b_quotas_and_their_error_numbers(b: Catalogue, row: dict[str, Any]) -> None:
    family, model = row["family"], row["model"]
    assert (b.model(model).family, b.model(model).family_kind) == (family, family)
    for plan in ("free", "paid"):
        if not row[plan]:
            continue
        given = B["plans"][plan][family]
        assert given["requests"] == row[f"{plan}_per_hour"]
        expected = (HOUR_MS, given["requests"], given.get("tokens"))
        assert quota(b.rules(plan, model)) == {"key": expected, "address": expected}
        codes = {(rule.requests_code, rule.tokens_code) for rule in b.rules(plan, model)}
        number = {"free": {"standard": 0, "premium": 1}, "paid": {"standard": 2, "premium": 3}}[plan][family]
        tokens = {0: RelayCode.FREE_STANDARD_TOKENS, 1: RelayCode.FREE_PREMIUM_TOKENS}
        assert codes == {(RelayCode(40020 + number), tokens.get(number, RelayCode.RATE_LIMITED))}


@B_MODELS
def test_b_bounds_a_call_by_the_models_own_context_only(b: Catalogue, row: dict[str, Any]) -> None:
    assert b.plan("paid").request_tokens_max is None
    assert b.plan("paid").input_tokens_max is None
    assert b.model(row["model"]).max_input_tokens is not None


@B_IMAGES
def test_b_image_prices(b: Catalogue, row: dict[str, Any], size: str) -> None:
    component = ":".join(filter(None, ("image", size, row.get("quality"))))
    assert charge(b, "paid", row["model"], **{component: 3}) == 3 * parse_nanos(row["each"])


@pytest.mark.parametrize(
    ("model", "code"),
    [("dall-e-3", RelayCode.PAID_IMAGE_REQUESTS), ("dall-e-2", RelayCode.PAID_OLD_IMAGE_REQUESTS)],
)
def test_b_images_are_for_paid_members(b: Catalogue, model: str, code: RelayCode) -> None:
    assert b.plans_with(model) == ("paid",)
    assert B["images_free"] is False
    expected = (HOUR_MS, B["images_paid_per_hour"], None)
    assert B["plans"]["paid"]["images"]["requests"] == expected[1]
    assert quota(b.rules("paid", model)) == {"key": expected, "address": expected}
    assert {rule.requests_code for rule in b.rules("paid", model)} == {code}


def test_b_streams_on_both_plans(b: Catalogue) -> None:
    for plan in ("free", "paid"):
        assert b.plan(plan).streaming is B["plans"][plan]["streaming"]


def test_b_models_of_a_family_share_one_quota(b: Catalogue) -> None:
    for family in ("standard", "premium"):
        rows = [row["model"] for row in B["models"] if row["family"] == family]
        assert len({rule.name for model in rows for rule in b.rules("paid", model)}) == 1


# --- The smallest file ---


def test_the_minimal_file_sells_two_models_at_list_price(example: Example) -> None:
    minimal = example("minimal.toml")
    assert [model.name for model in minimal.models_for("paid")] == ["gpt-4o-mini", "text-embedding-3-small"]
    assert charge(minimal, "paid", "gpt-4o-mini", input=MILLION, output=MILLION) == 750_000_000
    assert charge(minimal, "paid", "text-embedding-3-small", input=MILLION) == 20_000_000
    assert charge(minimal, "free", "gpt-4o-mini", input=MILLION) == 0
