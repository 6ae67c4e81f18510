"""What anybody may know: the site, prices, status, paths."""

from typing import Any

import pytest
from tests.api.conftest import Api, Statements

from posthouse.api import status
from posthouse.api.status import Board, Status
from posthouse.relay.endpoints import find_endpoint


def test_the_site_is_told_without_its_secrets(api: Api) -> None:
    told = api.visitor().get("/site").json()
    assert (told["name"], told["currency"], told["registration"]) == ("Posthouse", "USD", "open")
    assert "mail" not in told
    assert "sign_in" not in told


def test_prices_are_those_that_calls_are_charged_by(api: Api) -> None:
    prices = api.visitor().get("/prices").json()
    assert prices["plan"] == "paid"
    (model,) = (one for one in prices["models"] if one["name"] == "gpt-4o-mini")
    tariff = api.relay.app.market.catalogue.tariff("paid", "gpt-4o-mini")
    assert tariff is not None
    assert len(model["lines"]) == len(tariff.lines)
    plain = {line["component"]: line["price"] for line in model["lines"] if line["service_tier"] == "default"}
    assert (plain["input"], plain["cached_input"], plain["output"]) == ("0.15", "0.075", "0.60")
    assert model["dialects"] == ["openai"]


def test_prices_of_a_kind_and_of_a_few(api: Api) -> None:
    def names(**query: Any) -> list[str]:
        return [one["name"] for one in api.visitor().get("/prices", params=query).json()["models"]]

    assert names() == ["gpt-4o-mini", "text-embedding-3-small"]
    assert names(kind="embedding") == ["text-embedding-3-small"]
    assert names(limit=1) == ["gpt-4o-mini"]


def test_prices_of_a_plan_that_there_is_not(api: Api) -> None:
    assert api.visitor().get("/prices", params={"plan": "gold"}).status_code == 404


def test_prices_ask_nothing_of_the_store(api: Api, statements: Statements) -> None:
    visitor = api.visitor()
    with statements() as asked:
        visitor.get("/prices")
        visitor.get("/site")
        visitor.get("/endpoints")
    assert asked == []


def test_every_path_that_is_told_is_answered(api: Api) -> None:
    items = api.visitor().get("/endpoints").json()["items"]
    assert {"/v1/chat/completions", "/v1/messages", "/v1beta/models/{model}:generateContent"} <= {
        one["path"] for one in items
    }
    for one in items:
        endpoint, _ = find_endpoint(one["method"], one["path"].replace("{model}", "some-model"))
        assert endpoint.name == one["name"]
        assert endpoint.dialect == one["dialect"] or endpoint.dialect == "openai"


def test_status_has_every_model_for_sale_and_no_numbers_of_calls(api: Api) -> None:
    told = api.visitor().get("/status").json()
    assert [one["name"] for one in told["models"]] == ["gpt-4o-mini", "text-embedding-3-small"]
    assert len(told["starts_ms"]) == 24
    for one in told["models"]:
        assert (one["state"], one["permille"]) == ("quiet", None)
        assert one["steps"] == [None] * 24
    quarter = api.visitor().get("/status", params={"span": "quarter"}).json()
    assert len(quarter["starts_ms"]) == 90


@pytest.mark.parametrize(
    ("requests", "faults", "permille", "state"),
    [
        (0, 0, None, "quiet"),
        (1000, 0, 1000, "up"),
        (3000, 1, 999, "up"),
        (100, 3, 970, "impaired"),
        (4, 3, 250, "down"),
    ],
)
def test_a_state_follows_from_the_share_of_good_calls(
    requests: int, faults: int, permille: int | None, state: str
) -> None:
    assert status._permille(requests, faults) == permille
    assert status._state(permille) == state


def test_the_board_is_added_up_once_a_minute() -> None:
    board, made = Board(), []

    def make(at_ms: int) -> Any:
        made.append(at_ms)
        return Status(made_ms=at_ms, starts_ms=[], models=[])

    for at_ms in (1_000, 2_000, 60_999, 61_000, 61_500):
        board.get("day", at_ms, lambda at_ms=at_ms: make(at_ms))  # type: ignore[misc]  # bound in the loop
    assert made == [1_000, 61_000]
    board.get("quarter", 61_500, lambda: make(61_500))
    assert made == [1_000, 61_000, 61_500]
