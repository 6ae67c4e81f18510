"""What the operator pays, by channel: noted with each call, so that the margin is a sum over records."""

from collections.abc import Callable, Iterator

import pytest
from tests.e2e.calls import chat

from posthouse.kernel.outcome import Outcome
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream

# gpt-4o is sold through the provider itself and, under a name and price of its own, through a cheap reseller;
# "own" through a channel that fails and one with a price of its own.
OPERATOR = """
[operator]
default_plan = "paid"
exchange_rate = 7
[models.gpt-4o]
list = "openai/gpt-4o"
[models.gpt-4o-ca]
list = "openai/gpt-4o"
[models.own]
price = {{ input = "20", output = "40" }}
[plans.paid]
kind = "paid"
multiplier = 1
multipliers = {{ "*-ca" = "0.4" }}

[channels.official]
preset = "openai"
base_url = "{first}"
models = ["gpt-4o", "own"]
cost_multiplier = "0.9"
[channels.cheap]
base_url = "{second}"
models = ["*-ca", "own"]
model_map = {{ "*-ca" = "*" }}
priority = 1
cost_multiplier = "0.3"
costs = {{ "ow*" = {{ input = "3", output = "5" }} }}
"""
# Nanos for a token: of the list, at 7 to the dollar.
INPUT, OUTPUT = 2_500 * 7, 10_000 * 7
PROMPT, COMPLETION = 9, 5  # what the scripted upstream says that each call used

Served = tuple[EmbeddedRelay, ScriptedUpstream, ScriptedUpstream]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with ScriptedUpstream() as first, ScriptedUpstream() as second:
        text = OPERATOR.format(first=first.base_url, second=second.base_url)
        with EmbeddedRelay(tmp_path_factory.mktemp("relay"), first.base_url, text) as relay:
            yield relay, first, second


@pytest.fixture
def call(served: Served, email: str) -> Callable[[str], Outcome]:
    relay, first, second = served
    first.reset()
    second.reset()
    key = relay.member(email, credit="10")

    def call(model: str) -> Outcome:
        calls = len(relay.usage(email))
        assert chat(relay, key, model).status == 200
        relay.check_nothing_left()
        records = relay.usage(email)
        assert len(records) == calls + 1
        return records[-1]

    return call


def of_list(ratio_percent: int) -> int:
    return (INPUT * PROMPT + OUTPUT * COMPLETION) * ratio_percent // 100


def test_one_model_is_sold_under_two_names_and_prices(
    served: Served, call: Callable[[str], Outcome], email: str
) -> None:
    relay, first, second = served
    dear, cheap = call("gpt-4o"), call("gpt-4o-ca")
    assert (dear.channel, dear.charge_nanos, dear.cost_nanos) == ("official", of_list(100), of_list(90))
    assert (cheap.channel, cheap.charge_nanos, cheap.cost_nanos) == ("cheap", of_list(40), of_list(30))
    for upstream in (first, second):
        assert upstream.received[-1].json["model"] == "gpt-4o", "the alias stays here"
    margin = sum(one.charge_nanos - one.cost_nanos for one in relay.usage(email))
    assert margin == of_list(20)


def test_a_call_costs_what_the_channel_that_answered_takes(
    served: Served, call: Callable[[str], Outcome]
) -> None:
    _, first, _ = served
    record = call("own")
    assert (record.channel, record.charge_nanos) == ("official", 20_000 * PROMPT + 40_000 * COMPLETION)
    assert record.cost_nanos == 0, "neither a list price nor an own one is known"
    first.enqueue(Script(status=500))
    record = call("own")
    assert [one.channel for one in record.attempts] == ["official", "cheap"]
    assert record.cost_nanos == 3_000 * PROMPT + 5_000 * COMPLETION
