"""The line that each call leaves in the log."""

import json
from datetime import UTC, datetime

from posthouse.kernel.outcome import Ending, Outcome
from posthouse.observe.observer import Observer


def test_a_calls_line_has_what_every_line_has() -> None:
    written: list[bytes] = []
    observer = Observer(written.append)
    observer.finished(Outcome(request_id="req_1", ending=Ending.COMPLETED, http_status=200))
    before = datetime.now(UTC)
    observer.flush()
    line = json.loads(b"".join(written))
    assert (line["event"], line["level"], line["request_id"]) == ("request_finished", "info", "req_1")
    assert line["timestamp"].endswith("Z")
    assert abs((datetime.fromisoformat(line["timestamp"]) - before).total_seconds()) < 5
