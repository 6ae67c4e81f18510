"""Vocabularies are loaded in a thread, and before anybody waits for them where most calls need them."""

import asyncio
import threading
from pathlib import Path

import pytest
import tiktoken
from tests.catalogue.files import compiled

from posthouse import bootstrap
from posthouse.metering import tokens
from posthouse.metering.tokens import TokenCounter
from posthouse.relay.ask import read_ask
from posthouse.relay.endpoints import CHAT, EMBEDDINGS
from posthouse.relay.estimate import Estimator
from posthouse.relay.market import counted_models
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.operated import MINIMAL
from posthouse.testing.waiting import eventually

LIMITS = """
[families.small]
[models.gpt-4o-mini]
family = "small"
[models.gpt-4]
[plans.free]
kind = "free"
[[plans.free.limits]]
family = "small"
tokens = {small}
[[plans.free.limits]]
requests = 10
[[plans.free.limits]]
window = "1 day"
tokens = 10000000
"""
CALL = '[[plans.paid.limits]]\nper = "key"\ntokens = 1000\n'


def test_models_with_small_token_limits_are_counted() -> None:
    assert [*counted_models(compiled(LIMITS.format(small=10_000)))] == ["gpt-4o-mini"]
    assert [*counted_models(compiled(LIMITS.format(small=1_000_000)))] == []


def test_what_most_calls_need_is_loaded_before_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "PREPARE_S", 0)
    with EmbeddedRelay(tmp_path, "http://127.0.0.1:1", MINIMAL) as relay:
        counter = relay.app.relay._estimator._counter
        assert not counter.is_loaded("gpt-4o-mini")
        relay.apply(MINIMAL + CALL)
        eventually(lambda: counter.is_loaded("gpt-4o-mini"))


def test_no_vocabulary_is_loaded_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = tokens._load

    def noted(name: str) -> tiktoken.Encoding:
        loaded.append(threading.current_thread().name.partition("_")[0])
        return load(name)

    monkeypatch.setattr(tokens, "_load", noted)
    model = compiled(LIMITS.format(small=1)).model("gpt-4")
    assert model is not None
    numbers = read_ask(EMBEDDINGS, {}, b'{"model":"gpt-4","input":[1,2,3]}', "", 1000)
    text = read_ask(CHAT, {}, b'{"model":"gpt-4","messages":[{"role":"user","content":"Hello"}]}', "", 1000)

    async def counted() -> list[int]:
        estimator = Estimator(TokenCounter())
        return [await estimator.prompt_tokens(ask, model) for ask in (numbers, text)]

    assert asyncio.run(counted()) == [3, 8]
    assert loaded == ["counting"]
