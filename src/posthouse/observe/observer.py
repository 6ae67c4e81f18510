"""The one place that sees every Outcome: a `request_finished` log line and the metrics' sums.

A call costs an append; lines and sums are made together a few times a second (a crash loses that much of
them, of the usage records nothing), and Prometheus's own objects only when somebody scrapes.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import msgspec
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from posthouse.kernel.clock import now_ms
from posthouse.kernel.money import NANOS
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.observe.trail import Trail

SECONDS_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
# How an Outcome begins as JSON. Nothing in it can look like this: within a text the quotes are escaped.
_BEGIN = b'{"request_id":'
_MS_BOUNDS = tuple(int(bound * 1000) for bound in SECONDS_BOUNDS)


class Histogram:
    """Counts by upper bound, in ms."""

    __slots__ = ("counts", "sum_ms")

    def __init__(self) -> None:
        self.counts = [0] * (len(_MS_BOUNDS) + 1)
        self.sum_ms = 0

    def add(self, values_ms: list[int]) -> None:
        for value_ms, count in Counter(values_ms).items():
            self.counts[bisect_left(_MS_BOUNDS, value_ms)] += count
        self.sum_ms += sum(values_ms)

    def add_all(self, other: Histogram) -> None:
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.sum_ms += other.sum_ms

    def family_sample(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative buckets and sum, as prometheus-client takes them, in seconds."""
        total, buckets = 0, []
        for bound, count in zip((*map(str, SECONDS_BOUNDS), "+Inf"), self.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return buckets, self.sum_ms / 1000


class Totals:
    """Sums over the calls that ended alike."""

    __slots__ = ("calls", "charge_nanos", "completion_tokens", "duration", "prompt_tokens", "ttft")

    def __init__(self) -> None:
        self.calls = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.charge_nanos = 0
        self.duration = Histogram()
        self.ttft = Histogram()

    def add(self, calls: list[Outcome]) -> None:
        self.calls += len(calls)
        self.prompt_tokens += sum([one.prompt_tokens for one in calls])
        self.completion_tokens += sum([one.completion_tokens for one in calls])
        self.charge_nanos += sum([one.charge_nanos for one in calls])
        self.duration.add([one.duration_ms for one in calls])
        self.ttft.add([one.ttft_ms for one in calls if one.stream and one.ttft_ms])


class Tries:
    """Sums over the attempts that ended alike."""

    __slots__ = ("count", "first_byte")

    def __init__(self) -> None:
        self.count = 0
        self.first_byte = Histogram()

    def add(self, first_bytes_ms: list[int]) -> None:
        self.count += len(first_bytes_ms)
        self.first_byte.add([ms for ms in first_bytes_ms if ms >= 0])


class Figures(msgspec.Struct, frozen=True):
    """A gauge with labels, read when somebody scrapes: the labels' values and the figure of each sample."""

    name: str
    documentation: str
    labels: tuple[str, ...]
    samples: tuple[tuple[tuple[str, ...], float], ...]


class Observer:
    """`write` takes whole log lines, e.g. os.write to standard error."""

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or _write_stderr
        self._encode_lines = msgspec.json.Encoder().encode_lines
        self._waiting: list[Outcome] = []
        self.finished = self._waiting.append  # once per call
        self.totals: defaultdict[tuple[str, str, str, Ending, int, int], Totals] = defaultdict(Totals)
        self.tries: defaultdict[tuple[str, str, str, str, int], Tries] = defaultdict(Tries)
        self.trail = Trail()
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.sources: list[Callable[[], Iterable[Figures]]] = []  # each asked once a scrape, in its thread

    def flush(self) -> None:
        """Write the lines and add up the sums of the calls since the last time; the server does it a few
        times a second and at its end."""
        self.trail.look(self.tries, now_ms())
        if not self._waiting:
            return
        outcomes = self._waiting.copy()
        self._waiting.clear()
        self._add(outcomes)
        at = datetime.fromtimestamp(now_ms() / 1000, UTC).isoformat(timespec="milliseconds")[:-6]
        begin = b'{"event":"request_finished","level":"info","timestamp":"%bZ",%b' % (at.encode(), _BEGIN[1:])
        self._write(begin.join(self._encode_lines(outcomes).split(_BEGIN)))

    def _add(self, outcomes: list[Outcome]) -> None:
        """Those that ended alike together: under load they are many, and one costs the less."""
        calls, tries = defaultdict(list), defaultdict(list)
        for one in outcomes:
            model = one.model
            calls[one.endpoint, model, one.plan, one.ending, one.http_status, one.relay_code].append(one)
            for attempt in one.attempts:
                tried = (attempt.channel, model, attempt.verdict, attempt.fault, attempt.status)
                tries[tried].append(attempt.ttft_ms)
        for ended, alike in calls.items():
            self.totals[ended].add(alike)
        for tried, first_bytes_ms in tries.items():
            self.tries[tried].add(first_bytes_ms)

    def gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """A figure that is read when somebody scrapes."""
        self.gauges[name] = (documentation, read)

    # -- Prometheus ------------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """prometheus-client's collector interface; runs in the metrics server's thread."""
        labels = ["endpoint", "model", "plan", "ending", "status", "relay_code"]
        calls = CounterMetricFamily("posthouse_requests", "Calls by how they ended.", labels=labels)
        tokens = CounterMetricFamily("posthouse_tokens", "Tokens metered.", labels=["model", "plan", "kind"])
        charges = CounterMetricFamily(
            "posthouse_charge", "Charged, in the operator's currency.", labels=["model", "plan"]
        )
        duration = HistogramMetricFamily("posthouse_request_seconds", "Whole calls.", labels=labels)
        ttft = HistogramMetricFamily(
            "posthouse_first_event_seconds", "Time to a stream's first word.", labels=labels
        )
        sums: dict[tuple[str, str], list[int]] = {}
        for key, totals in list(self.totals.items()):
            endpoint, model, plan, ending, status, code = key
            values = [endpoint, model, plan, ending.value, str(status or ""), str(code or "")]
            calls.add_metric(values, totals.calls)
            duration.add_metric(values, *totals.duration.family_sample())
            if totals.ttft.sum_ms:
                ttft.add_metric(values, *totals.ttft.family_sample())
            added = (totals.prompt_tokens, totals.completion_tokens, totals.charge_nanos)
            known = sums.get((model, plan), [0, 0, 0])
            sums[model, plan] = [one + other for one, other in zip(known, added, strict=True)]
        for (model, plan), (prompt, completion, charge_nanos) in sums.items():
            tokens.add_metric([model, plan, "prompt"], prompt)
            tokens.add_metric([model, plan, "completion"], completion)
            charges.add_metric([model, plan], charge_nanos / NANOS)
        yield from (calls, tokens, charges, duration, ttft, *self._attempts())
        for name, (documentation, read) in self.gauges.items():
            yield GaugeMetricFamily(name, documentation, value=read())
        for source in self.sources:
            for figures in source():
                gauge = GaugeMetricFamily(figures.name, figures.documentation, labels=figures.labels)
                for sample, value in figures.samples:
                    gauge.add_metric(sample, value)
                yield gauge

    def _attempts(self) -> tuple[Metric, Metric]:
        """Tries by how they ended, and the first bytes of those that were answered."""
        labels = ["channel", "model", "verdict", "fault", "status"]
        attempts = CounterMetricFamily("posthouse_upstream_attempts", "Tries by channel.", labels=labels)
        first_bytes: dict[tuple[str, str], Histogram] = {}
        for (channel, model, verdict, fault, status), tries in list(self.tries.items()):
            attempts.add_metric([channel, model, verdict, fault, str(status or "")], tries.count)
            first_bytes.setdefault((channel, model), Histogram()).add_all(tries.first_byte)
        family = HistogramMetricFamily(
            "posthouse_upstream_first_byte_seconds", "From a try's start.", labels=["channel", "model"]
        )
        for names, first_byte in first_bytes.items():
            family.add_metric(names, *first_byte.family_sample())
        return attempts, family


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
