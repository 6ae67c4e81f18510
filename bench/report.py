"""Samples as tables for people: medians of the rounds, their spread, ratios to the floor and to Posthouse."""

import statistics
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench.sections import Sample

# The column that a section is about; the others stand beside it.
MAIN = {
    "calls": "cpu_us_per_call",
    "latency": "added_p50_us",
    "streams": "cpu_us_per_chunk",
    "open": "rss_mb",
    "routing": "more_us_per_call",
    "failover": "added_p50_us",
    "soak": "rss_mb",
    "store": "calls_per_s",
}


def medians(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """By gateway in order of appearance, then by column."""
    grouped: dict[str, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.gateway, []).append(sample)
    return {
        name: {column: statistics.median(one.values[column] for one in own) for column in own[0].values}
        for name, own in grouped.items()
    }


def course(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Some six moments of a soak, the last among them."""
    step = max(1, len(samples) // 6)
    return {f"turn {one.round + 1}": one.values for one in [*samples[:-1:step], samples[-1]]}


def growth_mb_per_minute(samples: Sequence[Sample]) -> float:
    """How fast resident memory grows after the first third of a soak: the slope of a line through it."""
    late = samples[len(samples) // 3 :]
    if len(late) < 2:
        return 0.0
    return statistics.linear_regression(
        [s.values["minute"] for s in late], [s.values["rss_mb"] for s in late]
    ).slope


def show(console: Console, section: str, title: str, samples: Sequence[Sample]) -> None:
    """Print one section's table."""
    if not samples:
        return
    main, rows = MAIN[section], course(samples) if section == "soak" else medians(samples)
    has_rounds = len(samples) > len(rows) and section != "soak"
    table = Table(title=f"{section}: {title}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("gateway", no_wrap=True)
    for column in next(iter(rows.values())):
        table.add_column(
            _heading(column), justify="right", style="bold" if column == main else "", no_wrap=True
        )
    compared: list[str] = [name for name in ("nginx", "posthouse") if name in rows and len(rows) > 1]
    if has_rounds:
        table.add_column("min–max", justify="right", no_wrap=True)
    for name in compared:
        table.add_column(f"× {name}", justify="right", no_wrap=True)
    for name, values in rows.items():
        cells = [_number(value) for value in values.values()]
        if has_rounds:
            own = [sample.values[main] for sample in samples if sample.gateway == name]
            cells.append(f"{_number(min(own))}–{_number(max(own))}")
        cells += [_ratio(values[main], rows[other][main]) for other in compared]
        table.add_row(name, *cells)
    console.print(table)
    if section == "soak":
        console.print(
            f"memory grows by {growth_mb_per_minute(samples):+.2f} MB a minute after the first third"
        )


def _heading(column: str) -> str:
    """ "cpu_us_per_call" as "CPU µs/call"."""
    words = {"per": "/", "us": "µs", "ms": "ms", "mb": "MB", "percent": "%", "cpu": "CPU", "rss": "RSS"}
    return " ".join(words.get(word, word) for word in column.split("_")).replace(" / ", "/")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.1f}"


def _ratio(value: float, other: float) -> str:
    return f"{value / other:.2f}" if other > 0 and value > 0 else "–"
