"""What is measured, section by section. Each takes the running gateways and returns samples: one for each
gateway and round, rounds interleaved, so that a noisy minute falls on all alike."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench import load
from bench.gateways import Gateway
from bench.machine import GATEWAY_CORE

CONCURRENCY = 64
CHUNKS, PACE_MS = 100, 20
# Models of operator.toml by what stands behind them.
ONE_AND_MANY = {"1 channel": "gpt-4o-mini", "50 channels": "gpt-4o"}
FAILING_FIRST = "gpt-4.1"
SLICES = 16  # of a round of `routing`: of a quarter of a second each at the usual effort


class Sample(msgspec.Struct, frozen=True):
    """One measurement; `values` by column name, units last in the name."""

    gateway: str
    round: int
    values: dict[str, float]


class Effort(msgspec.Struct, frozen=True):
    """How much is measured. `slow` gateways get fewer streams, because they can't carry more."""

    rounds: int = 5
    seconds: float = 4.0  # of calls, in each round
    latency_calls: int = 2000
    streams: int = 400
    slow_streams: int = 20
    open_streams: int = 1000
    slow_open_streams: int = 100
    soak_minutes: float = 10.0


QUICK = Effort(
    rounds=2,
    seconds=1.0,
    latency_calls=300,
    streams=100,
    slow_streams=5,
    open_streams=200,
    slow_open_streams=20,
    soak_minutes=0.25,
)

Section = Callable[[Sequence[Gateway], int, Effort], list[Sample]]


def calls(gateways: Sequence[Gateway], mock_port: int, effort: Effort) -> list[Sample]:
    """64 callers that call again as soon as they are answered: CPU of the gateway for each call."""
    samples = []
    for number in range(effort.rounds):
        for gateway in gateways:
            result = load.calls(
                gateway.calls,
                concurrency=CONCURRENCY,
                warm_up_s=effort.seconds / 4,
                seconds=effort.seconds,
                probe=gateway.process.cpu_ns,
            )
            values = {
                "cpu_us_per_call": result.cpu_ns / 1000 / max(1, result.calls),
                "calls_per_s": result.calls / result.seconds,
                "core_busy_percent": result.cpu_ns / result.seconds / 1e7,
            }
            samples.append(Sample(gateway.name, number, values))
    return samples


def latency(gateways: Sequence[Gateway], mock_port: int, effort: Effort) -> list[Sample]:
    """One call at a time: what a gateway adds to the time of a call that goes straight to the mock."""
    samples = []
    for number in range(effort.rounds):
        direct = _quantiles(load.Target(mock_port), effort.latency_calls)
        samples.append(Sample("direct", number, {**direct, "added_p50_us": 0.0, "added_p99_us": 0.0}))
        for gateway in gateways:
            count = effort.latency_calls // (20 if gateway.slow else 1)
            taken = _quantiles(gateway.calls, count)
            added = {f"added_{name}": taken[name] - direct[name] for name in ("p50_us", "p99_us")}
            samples.append(Sample(gateway.name, number, {**taken, **added}))
    return samples


def _quantiles(target: load.Target, count: int) -> dict[str, float]:
    taken = sorted(load.latencies_ns(target, count + 20)[20:])  # the first calls warm the connections up
    return {"p50_us": statistics.median(taken) / 1000, "p99_us": taken[len(taken) * 99 // 100] / 1000}


def streams(gateways: Sequence[Gateway], mock_port: int, effort: Effort) -> list[Sample]:
    """Paced streams of 100 chunks, one each 20 ms: CPU of the gateway for each chunk, all included, and every
    chunk checked."""
    samples = []
    for number in range(effort.rounds):
        for gateway in gateways:
            count = effort.slow_streams if gateway.slow else effort.streams
            samples.append(_wave(gateway, number, count=count, chunks=CHUNKS, pace_ms=PACE_MS))
    return samples


def _wave(
    gateway: Gateway, number: int, *, count: int, chunks: int, pace_ms: int, ramp_s: float = 1.0
) -> Sample:
    process = gateway.process
    result = load.streams(
        gateway.streams,
        count=count,
        chunks=chunks,
        pace_ms=pace_ms,
        ramp_s=ramp_s,
        cpu=process.cpu_ns,
        rss=process.rss_bytes,
    )
    values = {
        "streams": count,
        "cpu_us_per_chunk": result.cpu_ns / 1000 / max(1, result.chunks),
        "core_busy_percent": result.cpu_ns / result.seconds / 1e7,
        "rss_mb": result.rss_bytes / 1e6,
        "faults": result.faults,
    }
    return Sample(gateway.name, number, values)


def open_streams(gateways: Sequence[Gateway], mock_port: int, effort: Effort) -> list[Sample]:
    """Many streams open at once, a chunk every two seconds each: resident memory."""
    samples = []
    for gateway in gateways:
        count = effort.slow_open_streams if gateway.slow else effort.open_streams
        before = gateway.process.rss_bytes() / 1e6
        wave = _wave(gateway, 0, count=count, chunks=6, pace_ms=2000, ramp_s=4.0)
        kept = {name: wave.values[name] for name in ("streams", "rss_mb", "faults")}
        samples.append(Sample(gateway.name, 0, {"rss_before_mb": before, **kept}))
    return samples


def routing(gateways: Sequence[Gateway], mock_port: int, effort: Effort) -> list[Sample]:
    """Posthouse alone: CPU of a call whose model one channel offers, and how much more one costs that fifty
    do. A round is many short slices of the two in turn (one, fifty, fifty, one, …), of each the median, since
    a core's speed drifts over seconds by more than the difference."""
    samples = []
    for number in range(effort.rounds):
        for gateway in _posthouse(gateways):
            costs = _in_slices(gateway, effort.seconds / SLICES)
            for name, of_slices in costs.items():
                more = [cost - one for cost, one in zip(of_slices, costs["1 channel"], strict=True)]
                values = {
                    "cpu_us_per_call": statistics.median(of_slices),
                    "more_us_per_call": statistics.median(more),
                }
                samples.append(Sample(name, number, values))
    return samples


def _in_slices(gateway: Gateway, seconds: float) -> dict[str, list[float]]:
    """What a call costs in each slice, by how many channels there are."""
    costs: dict[str, list[float]] = {name: [] for name in ONE_AND_MANY}
    for turn in range(SLICES):
        for name, model in sorted(ONE_AND_MANY.items(), reverse=turn % 2 == 0):
            result = load.calls(
                msgspec.structs.replace(gateway.calls, model=model),
                concurrency=CONCURRENCY,
                warm_up_s=seconds / 4,
                seconds=seconds,
                probe=gateway.process.cpu_ns,
            )
            costs[name].append(result.cpu_ns / 1000 / max(1, result.calls))
    return costs


def failover(gateways: Sequence[Gateway], mock_port: int, effort: Effort) -> list[Sample]:
    """Posthouse alone, one call at a time: what a call takes whose first channel fails, beside one whose
    channel works and the failing attempt by itself. The rest is what failing over adds."""
    failing = load.Target(mock_port, "/failing/v1/chat/completions", status=500)
    samples = []
    for number in range(effort.rounds):
        for gateway in _posthouse(gateways):
            taken = {
                "failed attempt": _quantiles(failing, effort.latency_calls),
                "no failover": _quantiles(gateway.calls, effort.latency_calls),
                "failover": _quantiles(
                    msgspec.structs.replace(gateway.calls, model=FAILING_FIRST), effort.latency_calls
                ),
            }
            known = taken["failed attempt"]["p50_us"] + taken["no failover"]["p50_us"]
            for name, values in taken.items():
                added = {"added_p50_us": values["p50_us"] - known if name == "failover" else 0.0}
                samples.append(Sample(name, number, values | added))
    return samples


def _posthouse(gateways: Sequence[Gateway]) -> list[Gateway]:
    return [gateway for gateway in gateways if gateway.name == "posthouse"]


def soak(gateways: Sequence[Gateway], mock_port: int, effort: Effort) -> list[Sample]:
    """Posthouse alone under calls and streams for minutes: resident memory after each turn. Flat after the
    first third, or something leaks."""
    samples = []
    for gateway in _posthouse(gateways):
        started, turn = time.monotonic(), 0
        while (elapsed := time.monotonic() - started) < effort.soak_minutes * 60:
            done = load.calls(
                gateway.calls, concurrency=32, warm_up_s=0, seconds=3, probe=gateway.process.cpu_ns
            )
            wave = _wave(gateway, turn, count=100, chunks=50, pace_ms=20, ramp_s=0.5)
            values = {
                "minute": elapsed / 60,
                "calls_per_s": done.calls / done.seconds,
                "rss_mb": gateway.process.rss_bytes() / 1e6,
                "faults": wave.values["faults"],
            }
            samples.append(Sample(gateway.name, turn, values))
            turn += 1
    return samples


def store(gateways: Sequence[Gateway], mock_port: int, effort: Effort) -> list[Sample]:
    """Settled calls without HTTP: what one core writes durably; by callers at a time and µs of other work."""
    script = Path(__file__).with_name("store.py")
    options = {"--rounds": effort.rounds, "--seconds": effort.seconds / 2, "--core": GATEWAY_CORE}
    arguments = [str(part) for option in options.items() for part in option]
    subprocess.run([sys.executable, script, *arguments], check=True, stdout=subprocess.DEVNULL)
    rows = msgspec.json.decode((script.parent / "results" / "store.json").read_bytes())["rows"]
    return [
        Sample(f"{row['concurrency']} callers, {row['busy_us']} µs", number, values)
        for row in rows
        for number, values in enumerate(row["rounds"])
    ]


SECTIONS: dict[str, Section] = {
    "calls": calls,
    "latency": latency,
    "streams": streams,
    "open": open_streams,
    "routing": routing,
    "failover": failover,
    "soak": soak,
    "store": store,
}
