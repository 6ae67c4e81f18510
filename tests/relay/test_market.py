"""What is for sale, looked up once."""

import pytest
from tests.accounts.entries import an_entry

from posthouse.accounts.rules import KeyEntry
from posthouse.catalogue import service
from posthouse.catalogue.compiled import Catalogue
from posthouse.catalogue.document import read_document
from posthouse.kernel.secrets import SecretBox
from posthouse.relay import market as module
from posthouse.relay.market import Market
from posthouse.store.engine import Store

CONFIGURATION = """
[families]
small = {}
[models.gpt-4o-mini]
list = "openai/gpt-4o-mini"
family = "small"
[models.gpt-4o]
list = "openai/gpt-4o"
[plans.free]
kind = "free"
[[plans.free.limits]]
per = "key"
requests = 3
[[plans.free.limits]]
per = "key"
family = "small"
requests = 2
[channels.main]
base_url = "http://127.0.0.1:1/v1"
"""


def key(*models: str) -> KeyEntry:
    return an_entry(models=frozenset(models) or None)


def test_the_limits_of_all_that_a_key_can_call_are_looked_up_once(
    store: Store, box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = read_document(CONFIGURATION, source="a test", environment={})
    service.apply(store, document, box, now_ms=1)
    market = Market(store, box)
    looked: list[str] = []
    models_for = Catalogue.models_for
    monkeypatch.setattr(
        Catalogue, "models_for", lambda self, *of: looked.append(of[0]) or models_for(self, *of)
    )
    monkeypatch.setattr(module, "SCOPES_MAX", 2)
    for _ in range(2):
        assert [rule.requests for rule in market.rules_for(key())] == [3, 2]
        assert [rule.requests for rule in market.rules_for(key("gpt-4o"))] == [3]
        assert len(looked) == 2
    assert [rule.requests for rule in market.rules_for(key("gpt-4o-mini", "gpt-4o"))] == [3, 2]
    market.rules_for(key())
    assert len(looked) == 4  # over the bound all were forgotten
