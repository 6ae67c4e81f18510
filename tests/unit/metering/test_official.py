"""The shipped list prices."""

from fractions import Fraction

import pytest

from posthouse.metering.official import official, official_models
from posthouse.metering.prices import ListLine, Tariff, price


def test_every_model_compiles_to_a_tariff() -> None:
    assert len(official_models()) == 560
    for name, model in official_models().items():
        assert name == f"{model.provider}/{model.model}"
        assert Tariff(price(model.lines, Fraction(1))).lines


def test_a_model_by_its_full_and_by_its_bare_name() -> None:
    model = official("openai/gpt-4o-mini")
    assert model is not None
    assert official("gpt-4o-mini") == model
    assert (model.kind, model.max_input_tokens, model.max_output_tokens) == ("chat", 128_000, 16_384)
    assert ListLine("input", "1M tokens", "0.15") in model.lines
    assert ListLine("input", "1M tokens", "0.25", 0, "priority") in model.lines


def test_a_bare_name_that_two_providers_have_names_neither() -> None:
    assert official("glm-5.1") is None
    assert official("zai/glm-5.1") is not None
    assert official("no-such-model") is None


def test_image_prices_by_size_and_quality() -> None:
    model = official("openai/dall-e-3")
    assert model is not None
    assert ListLine("image:1024x1024:hd", "each", "0.08") in model.lines
    assert official("openai/dall-e-2").lines[0].component == "image:1024x1024"


@pytest.mark.parametrize(
    ("name", "component"), [("gpt-4o-mini", "web_search"), ("gemini-3-pro-image", "image")]
)
def test_of_several_prices_for_one_thing_the_dearest(name: str, component: str) -> None:
    model = official(name)
    assert model is not None
    prices = [line.usd for line in model.lines if line.component == component]
    assert prices == {"web_search": ["0.025"], "image": ["0.134"]}[component]
