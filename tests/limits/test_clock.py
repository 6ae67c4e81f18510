"""Limits of a whole relay while the system's clock is set forward and back."""

import time
from pathlib import Path

import httpx
import pytest

from posthouse.kernel.periods import HOUR_MS
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.operated import MINIMAL
from posthouse.testing.upstream import ScriptedUpstream

LIMITED = """
[[plans.paid.limits]]
per = "key"
window = "1 hour"
requests = 2
"""


def test_a_clock_that_is_set_moves_no_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_ms, time_ns = [0], time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: time_ns() + set_ms[0] * 1_000_000)
    with (
        ScriptedUpstream() as upstream,
        EmbeddedRelay(tmp_path, upstream.base_url, MINIMAL + LIMITED) as relay,
    ):
        headers = {"authorization": f"Bearer {relay.member('ann@example.org', credit='1')}"}
        with httpx.Client(base_url=relay.base_url, headers=headers, verify=False) as client:
            body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}

            def call(*, set_hours: int) -> httpx.Response:
                set_ms[0] = set_hours * HOUR_MS
                return client.post("/chat/completions", json=body)

            assert [call(set_hours=hours).status_code for hours in (0, 5)] == [200, 200]
            for hours in (10, 0):
                refused = call(set_hours=hours)
                assert refused.status_code == 429
                assert 3540 < int(refused.headers["retry-after"]) <= 3600
            limits = client.get("/key").json()["limits"]
            assert [(one["remaining"], one["reset"][:2]) for one in limits] == [(0, "59")]
