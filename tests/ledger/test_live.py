import pytest
from tests.ledger.test_rollups import settle

from posthouse.kernel.outcome import Ending
from posthouse.ledger.live import Minute, recent_minutes
from posthouse.store.engine import Store
from posthouse.testing.check_store import new_member, outcome_of

MINUTE_MS = 60_000
NOW_MS = 100 * MINUTE_MS + 1


def test_minutes_with_calls_and_without(store: Store) -> None:
    member = new_member(store, 1_000)
    tokens = {"prompt_tokens": 3, "completion_tokens": 4}
    settle(
        store,
        outcome_of(member, 10, started_ms=100 * MINUTE_MS, ttft_ms=90, **tokens),
        outcome_of(member, 10, started_ms=98 * MINUTE_MS, ending=Ending.BROKEN, ttft_ms=0, **tokens),
        outcome_of(member, 20, started_ms=98 * MINUTE_MS, http_status=400, ttft_ms=0, **tokens),
        outcome_of(member, 10, started_ms=97 * MINUTE_MS, **tokens),
    )
    broken, quiet, now = recent_minutes(store, now_ms=NOW_MS, minutes=3)
    assert quiet == Minute(start_ms=99 * MINUTE_MS)
    assert (broken.requests, broken.errors, broken.faults, broken.charge_nanos) == (2, 2, 1, 30)
    assert (broken.prompt_tokens, broken.completion_tokens, broken.ttft_p50_ms) == (6, 8, 0)
    assert (now.start_ms, now.requests, now.ttft_p50_ms, now.ttft_p95_ms) == (100 * MINUTE_MS, 1, 50, 95)


def test_a_busy_service_sees_fewer_minutes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.ledger.live.RECENT_MAX", 3)
    member = new_member(store, 1_000)
    settle(store, *[outcome_of(member, 1, started_ms=(100 - ago) * MINUTE_MS) for ago in (9, 5, 4, 4, 3)])
    minutes = recent_minutes(store, now_ms=NOW_MS, minutes=60)
    assert [one.requests for one in minutes] == [2, 1, 0, 0, 0]
    monkeypatch.setattr("posthouse.ledger.live.RECENT_MAX", 0)
    assert len(recent_minutes(store, now_ms=NOW_MS - 3 * MINUTE_MS, minutes=60)) == 2
