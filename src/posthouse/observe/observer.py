"""The one place that sees every Outcome: a `request_finished` log line and the metrics' sums.

A call costs a few additions and one encoded line here; lines are written together, and Prometheus's own
objects are made only when somebody scrapes.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator

import msgspec
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from posthouse.kernel.money import NANOS
from posthouse.kernel.outcome import Ending, Outcome

# Lines wait for each other at most until one of these; a crash loses them, the usage records it does not.
LINES_MAX = 256
SECONDS_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_MS_BOUNDS = tuple(int(bound * 1000) for bound in SECONDS_BOUNDS)


class _Finished(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The log line's fields."""

    event: str
    at_ms: int
    request_id: str
    ending: str
    http_status: int
    relay_code: int = 0
    account_id: str = ""
    key_id: str = ""
    endpoint: str = ""
    model: str = ""
    channel: str = ""
    attempts: int = 0
    stream: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    charge_nanos: int = 0
    estimated: bool = False
    duration_ms: int = 0
    ttft_ms: int = 0


class Histogram:
    """Counts by upper bound, in ms."""

    __slots__ = ("counts", "sum_ms")

    def __init__(self) -> None:
        self.counts = [0] * (len(_MS_BOUNDS) + 1)
        self.sum_ms = 0

    def add(self, value_ms: int) -> None:
        self.counts[bisect_left(_MS_BOUNDS, value_ms)] += 1
        self.sum_ms += value_ms

    def family_sample(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative buckets and sum, as prometheus-client takes them, in seconds."""
        total, buckets = 0, []
        for bound, count in zip((*map(str, SECONDS_BOUNDS), "+Inf"), self.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return buckets, self.sum_ms / 1000


class Observer:
    """`write` takes whole log lines, e.g. os.write to standard error."""

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or _write_stderr
        self._encoder = msgspec.json.Encoder()
        self._lines: list[bytes] = []
        self.finished_by: dict[tuple[str, str, str, int, int], int] = {}
        self.tokens_by: dict[tuple[str, str], list[int]] = {}
        self.charge_nanos_by: dict[str, int] = {}
        self.attempts_by: dict[tuple[str, str, int], int] = {}
        self.duration_by: dict[str, Histogram] = {}
        self.ttft_by: dict[str, Histogram] = {}
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def finished(self, outcome: Outcome) -> None:
        """Once per call."""
        self._lines.append(self._line(outcome))
        if len(self._lines) >= LINES_MAX:
            self.flush()
        o = outcome
        key = (o.endpoint, o.model, o.ending.value, o.http_status, o.relay_code)
        self.finished_by[key] = self.finished_by.get(key, 0) + 1
        for attempt in o.attempts:
            tried = (attempt.channel, attempt.fault, attempt.status)
            self.attempts_by[tried] = self.attempts_by.get(tried, 0) + 1
        if o.ending is Ending.REFUSED:
            return
        tokens = self.tokens_by.setdefault((o.model, o.plan), [0, 0])
        tokens[0] += o.prompt_tokens
        tokens[1] += o.completion_tokens
        self.charge_nanos_by[o.model] = self.charge_nanos_by.get(o.model, 0) + o.charge_nanos
        self.duration_by.setdefault(o.model, Histogram()).add(o.duration_ms)
        if o.stream:
            self.ttft_by.setdefault(o.model, Histogram()).add(o.ttft_ms)

    def flush(self) -> None:
        """Write the waiting lines; the server calls it a few times a second and at its end."""
        if self._lines:
            lines, self._lines = self._lines, []
            self._write(b"".join(lines))

    def gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """A figure that is read when somebody scrapes."""
        self.gauges[name] = (documentation, read)

    def _line(self, o: Outcome) -> bytes:
        finished = _Finished(
            event="request_finished",
            at_ms=o.started_ms + o.duration_ms,
            request_id=o.request_id,
            ending=o.ending.value,
            http_status=o.http_status,
            relay_code=o.relay_code,
            account_id=o.account_id,
            key_id=o.key_id,
            endpoint=o.endpoint,
            model=o.model,
            channel=o.channel,
            attempts=len(o.attempts),
            stream=o.stream,
            prompt_tokens=o.prompt_tokens,
            completion_tokens=o.completion_tokens,
            charge_nanos=o.charge_nanos,
            estimated=o.estimated,
            duration_ms=o.duration_ms,
            ttft_ms=o.ttft_ms,
        )
        return self._encoder.encode(finished) + b"\n"

    # -- Prometheus ------------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """prometheus-client's collector interface."""
        calls = CounterMetricFamily(
            "posthouse_requests",
            "Calls by how they ended.",
            labels=["endpoint", "model", "ending", "status", "relay_code"],
        )
        for (endpoint, model, ending, status, code), count in list(self.finished_by.items()):
            calls.add_metric([endpoint, model, ending, str(status), str(code or "")], count)
        tokens = CounterMetricFamily("posthouse_tokens", "Tokens metered.", labels=["model", "plan", "kind"])
        for (model, plan), (prompt, completion) in list(self.tokens_by.items()):
            tokens.add_metric([model, plan, "prompt"], prompt)
            tokens.add_metric([model, plan, "completion"], completion)
        charges = CounterMetricFamily(
            "posthouse_charge", "Charged, in the operator's currency.", labels=["model"]
        )
        for model, nanos in list(self.charge_nanos_by.items()):
            charges.add_metric([model], nanos / NANOS)
        attempts = CounterMetricFamily(
            "posthouse_upstream_attempts", "Tries by channel.", labels=["channel", "fault", "status"]
        )
        for (channel, fault, status), count in list(self.attempts_by.items()):
            attempts.add_metric([channel, fault, str(status or "")], count)
        yield from (calls, tokens, charges, attempts)
        yield _histogram("posthouse_request_seconds", "Whole calls.", self.duration_by)
        yield _histogram("posthouse_first_event_seconds", "Time to a stream's first event.", self.ttft_by)
        for name, (documentation, read) in self.gauges.items():
            yield GaugeMetricFamily(name, documentation, value=read())


def _histogram(name: str, documentation: str, by_model: dict[str, Histogram]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, documentation, labels=["model"])
    for model, histogram in list(by_model.items()):
        buckets, total_s = histogram.family_sample()
        family.add_metric([model], buckets, total_s)
    return family


def serve_metrics(observer: Observer, host: str, port: int) -> Callable[[], None]:
    """GET /metrics on its own port, from its own thread; returns what stops it. Raises OSError when the port
    is taken."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(observer)
    server, thread = start_http_server(port, addr=host, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _write_stderr(lines: bytes) -> None:
    os.write(2, lines)
