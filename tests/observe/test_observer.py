"""The line that each call leaves in the log, and the figures of its attempts."""

import json
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest

from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.observe.observer import Figures, Observer


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


def exposed(observer: Observer) -> dict[str, str]:
    """Each sample by its name and labels, as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(observer)
    lines = generate_latest(registry).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_attempts_are_counted_by_channel_model_and_verdict() -> None:
    observer = Observer(lambda _: None)
    refused = AttemptRecord("spare", 429, "", 3, "one", "rate_limited")
    answered = AttemptRecord("main", 200, "", 700, "one", "ok", 250)
    for model in ("gpt-4o", "gpt-4o-mini"):
        for _ in range(2):
            observer.finished(
                Outcome(
                    request_id="req_1",
                    ending=Ending.COMPLETED,
                    http_status=200,
                    model=model,
                    attempts=(refused, answered),
                )
            )
    observer.flush()
    found = exposed(observer)
    name, labels = "posthouse_upstream_attempts_total", 'fault="",model="gpt-4o",status='
    assert found[f'{name}{{channel="spare",{labels}"429",verdict="rate_limited"}}'] == "2.0"
    assert found[f'{name}{{channel="main",{labels}"200",verdict="ok"}}'] == "2.0"
    first = 'posthouse_upstream_first_byte_seconds_%s{channel="%s",model="gpt-4o"}'
    assert found[first % ("count", "main")] == "2.0"
    assert found[first % ("sum", "main")] == "0.5"
    assert found[first % ("count", "spare")] == "0.0"


def test_figures_are_asked_for_at_each_scrape() -> None:
    observer = Observer(lambda _: None)
    scrapes: list[int] = []

    def source() -> list[Figures]:
        scrapes.append(1)
        return [Figures("posthouse_x", "X.", ("channel",), ((("main",), len(scrapes)),))]

    observer.sources.append(source)
    assert exposed(observer)['posthouse_x{channel="main"}'] == "1.0"
    assert exposed(observer)['posthouse_x{channel="main"}'] == "2.0"
