"""Limits of a whole relay while the system's clock is set, and while they are changed."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from posthouse.kernel.periods import HOUR_MS
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.operated import MINIMAL
from posthouse.testing.upstream import ScriptedUpstream
from posthouse.testing.waiting import eventually

LIMITED = """
[[plans.paid.limits]]
per = "key"
window = "1 hour"
requests = 2
"""
USED = 9 + 5  # tokens of a call, as the scripted upstream says
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[EmbeddedRelay]:
    with (
        ScriptedUpstream() as upstream,
        EmbeddedRelay(tmp_path, upstream.base_url, MINIMAL + LIMITED) as relay,
    ):
        yield relay


@pytest.fixture
def client(relay: EmbeddedRelay) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {relay.member('ann@example.org', credit='1')}"}
    with httpx.Client(base_url=relay.base_url, headers=headers, verify=False) as client:
        yield client


def test_a_clock_that_is_set_moves_no_window(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    set_ms, time_ns = [0], time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: time_ns() + set_ms[0] * 1_000_000)

    def call(*, set_hours: int) -> httpx.Response:
        set_ms[0] = set_hours * HOUR_MS
        return client.post("/chat/completions", json=BODY)

    assert [call(set_hours=hours).status_code for hours in (0, 5)] == [200, 200]
    for hours in (10, 0):
        refused = call(set_hours=hours)
        assert refused.status_code == 429
        assert 3540 < int(refused.headers["retry-after"]) <= 3600
    limits = client.get("/key").json()["limits"]
    assert [(one["remaining"], one["reset"][:2]) for one in limits] == [(0, "59")]


def test_what_a_change_limits_counts_the_calls_before_it(relay: EmbeddedRelay, client: httpx.Client) -> None:
    def left() -> dict[str, int | str]:
        limits = client.get("/key").json()["limits"]
        return {f"{one['measure']} {one['window_s']}": one["remaining"] for one in limits}

    assert client.post("/chat/completions", json=BODY).status_code == 200
    before = {"requests 3600": 1}
    assert left() == before
    tokens = before | {"tokens 3600": 1000 - USED}
    day = {"requests 86400": 8, "tokens 86400": 10_000 - 2 * USED}
    relay.apply(MINIMAL + LIMITED + "tokens = 1000")
    eventually(left, lambda now: now == tokens)
    assert client.post("/chat/completions", json=BODY).status_code == 200
    after = {"requests 3600": 0, "tokens 3600": 1000 - 2 * USED}
    assert left() == after
    relay.apply(MINIMAL + LIMITED)
    eventually(left, lambda now: now == {"requests 3600": 0})
    limits = (
        LIMITED + "tokens = 1000" + LIMITED.replace("1 hour", "1 day").replace("2", "10") + "tokens = 10000"
    )
    relay.apply(MINIMAL + limits)
    eventually(left, lambda now: now == after | day)
    assert client.post("/chat/completions", json=BODY).status_code == 429
    relay.apply(MINIMAL + LIMITED.replace('"key"', '"account"'))
    eventually(left, lambda now: now == {"requests 3600": 0})
