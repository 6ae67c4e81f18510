"""The one command: sets up the gateways, runs the sections, prints tables, writes every sample as JSON.

scripts/bench                     everything, some 25 minutes with the peers
scripts/bench calls streams       these sections
scripts/bench --quick             a minute: to see that it runs, not to quote
"""

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
from rich.console import Console

from bench import gateways, machine, report, sections
from bench.machine import NotMeasurable

RESULTS = Path(__file__).parent / "results" / "raw"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(sections.SECTIONS)}; all of them"
    )
    parser.add_argument("--quick", action="store_true", help="short rounds, few of them")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    parser.add_argument("--minutes", type=float, help="how long the soak lasts")
    parser.add_argument(
        "--only", nargs="+", choices=gateways.GATEWAYS, default=list(gateways.GATEWAYS), metavar="GATEWAY"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path.home() / ".cache" / "posthouse-bench", help="peers live here"
    )
    parser.add_argument("--out", type=Path, help="the JSON file with all samples")
    given = parser.parse_args()
    unknown = set(given.sections) - set(sections.SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    return given


def effort_of(given: argparse.Namespace) -> sections.Effort:
    effort = sections.QUICK if given.quick else sections.Effort()
    if given.rounds:
        effort = msgspec.structs.replace(effort, rounds=given.rounds)
    if given.minutes:
        effort = msgspec.structs.replace(effort, soak_minutes=given.minutes)
    return effort


def main() -> None:
    given = arguments()
    console = Console(width=max(120, Console().width))  # a pipe or a file has no width of its own
    machine.raise_limits()
    os.sched_setaffinity(0, machine.OTHER_CORES)
    if len(machine.CORES) < 2:
        console.print("[yellow]one core only: gateway, mock and load share it; ratios hold less[/]")
    given.cache.mkdir(parents=True, exist_ok=True)
    results: dict[str, object] = {"machine": machine.facts(), "effort": effort_of(given)}
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="posthouse-bench-")))
        mock, mock_port = gateways.start_mock(work)
        stack.callback(mock.stop)
        place = gateways.Place(work, given.cache, mock_port)
        running, left_out = [], {}
        for name in given.only:
            try:
                running.append(stack.enter_context(gateways.running(gateways.GATEWAYS[name], place)))
                console.print(f"{name} answers through the mock")
            except NotMeasurable as reason:
                left_out[name] = str(reason)
                console.print(f"[yellow]{name} is left out:[/] {reason}", markup=True, highlight=False)
        results["left_out"] = left_out
        for name in given.sections or sections.SECTIONS:
            section = sections.SECTIONS[name]
            samples = section(running, mock_port, effort_of(given))
            results[name] = {"samples": samples, "medians": report.medians(samples)}
            report.show(console, name, (section.__doc__ or "").partition(":")[0], samples)
        if "posthouse" in {gateway.name for gateway in running}:
            results["books"] = gateways.verify_books(place)
            console.print(results["books"])
    out = given.out or RESULTS / time.strftime("%Y%m%dT%H%M%SZ.json", time.gmtime())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    console.print(f"all samples: {out}")


if __name__ == "__main__":
    main()
