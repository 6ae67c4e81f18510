"""How many settled calls a second one core writes durably: hold, settle, wait until it is on disk.

    python bench/store.py [--seconds 3] [--rounds 5] [--core 0] [--database URL]

Prints a table and writes bench/results/store.json. The busy rounds also burn the event loop's thread between
calls, as the relay does, because the writer must win the interpreter's lock from it.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from posthouse.accounts.service import create_account, create_key
from posthouse.kernel.ids import new_request_id
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.ledger.queries import verify
from posthouse.ledger.service import Ledger
from posthouse.ledger.settlement import Snapshot
from posthouse.ledger.transfers import credit
from posthouse.metering.prices import PriceLine, Tariff
from posthouse.store.engine import Store, open_store

RESULTS = Path(__file__).parent / "results" / "store.json"
TARIFF = Tariff([PriceLine("input", "1M tokens", 150_000_000), PriceLine("output", "1M tokens", 600_000_000)])
PRICE = Snapshot(TARIFF.id, TARIFF.lines_json.decode())
QUANTITIES = {"input": 1_000, "output": 200}
CHARGE_NANOS = TARIFF.charge(QUANTITIES, prompt_tokens=1_000).nanos
ACCOUNTS = 20


def outcome_of(account_id: str, key_id: str) -> Outcome:
    """A usual call's outcome."""
    return Outcome(
        request_id=new_request_id(),
        ending=Ending.COMPLETED,
        http_status=200,
        account_id=account_id,
        key_id=key_id,
        plan="paid",
        family="gpt",
        model="gpt-4o-mini",
        endpoint="/v1/chat/completions",
        address_hash=b"0123456789abcdef",
        channel="main",
        attempts=(AttemptRecord("main", 200, "", 812),),
        quantities=QUANTITIES,
        prompt_tokens=1_000,
        completion_tokens=200,
        charge_nanos=CHARGE_NANOS,
        price_id=PRICE.price_id,
        started_ms=time.time_ns() // 1_000_000,
        duration_ms=812,
    )


def burn(turns: int) -> None:
    """Work in Python that never lets go of the interpreter, as the relay's own share of a call."""
    for _ in range(turns):
        pass


def turns_per_us() -> float:
    """How much of that a microsecond of this core's time is."""
    turns = 2_000_000
    before = time.thread_time()
    burn(turns)
    return turns / ((time.thread_time() - before) * 1e6)


async def measure(
    store: Store, members: list[tuple[str, str]], *, seconds: float, concurrency: int, busy_us: int
):
    """One round: calls a second, CPU µs per call beside the burnt ones, latency."""
    ledger = Ledger(store)
    await ledger.start()
    waits: list[float] = []
    turns = round(busy_us * turns_per_us())

    async def caller(account_id: str, key_id: str, until: float) -> None:
        while time.perf_counter() < until:
            wallet = ledger.wallet(account_id) or await ledger.load_wallet(account_id)
            hold = wallet.hold(10 * CHARGE_NANOS)
            assert hold is not None
            burn(turns)
            began = time.perf_counter()
            await ledger.settle(hold, outcome_of(account_id, key_id), snapshot=PRICE)
            waits.append(time.perf_counter() - began)

    for account_id, _ in members:
        await ledger.load_wallet(account_id)
    before, began = cpu_s(), time.perf_counter()
    await asyncio.gather(
        *(caller(*members[index % len(members)], began + seconds) for index in range(concurrency))
    )
    elapsed, cpu = time.perf_counter() - began, cpu_s() - before
    await ledger.stop()
    waits.sort()
    return {
        "calls_per_s": round(len(waits) / elapsed),
        "cpu_us_per_call": round((cpu - len(waits) * busy_us / 1e6) / len(waits) * 1e6, 1),
        "wait_ms_p50": round(waits[len(waits) // 2] * 1e3, 2),
        "wait_ms_p99": round(waits[len(waits) * 99 // 100] * 1e3, 2),
    }


def cpu_s() -> float:
    """CPU time of all threads of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", default="")
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    shapes = [(1, 0), (16, 0), (64, 0), (64, 50), (400, 0)]
    results: dict[tuple[int, int], list[dict[str, float]]] = {shape: [] for shape in shapes}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    # Beside the results, not in /tmp: that may be memory, where a durable write costs nothing.
    with tempfile.TemporaryDirectory(dir=RESULTS.parent) as folder:
        store = open_store(options.database or f"sqlite:///{folder}/bench.db")
        members = []
        for index in range(ACCOUNTS):
            account = create_account(store, f"bench{index}-{time.time_ns()}@example.org")
            credit(store, account.id, 10**15, reason="bench")
            members.append((account.id, create_key(store, account.id).id))
        for _ in range(options.rounds):
            for concurrency, busy_us in shapes:
                round_ = measure(
                    store, members, seconds=options.seconds, concurrency=concurrency, busy_us=busy_us
                )
                results[concurrency, busy_us].append(uvloop.run(round_))
        differences = verify(store)
        assert not differences, differences
        store.close()
    report(results, options)


def report(results: dict[tuple[int, int], list[dict[str, float]]], options: argparse.Namespace) -> None:
    """Print the medians and keep all rounds."""
    rows = []
    print(f"{'callers':>8} {'busy µs':>8} {'calls/s':>9} {'CPU µs/call':>12} {'p50 ms':>8} {'p99 ms':>8}")
    for (concurrency, busy_us), rounds in results.items():
        median = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        rows.append({"concurrency": concurrency, "busy_us": busy_us, "median": median, "rounds": rounds})
        print(
            f"{concurrency:>8} {busy_us:>8} {median['calls_per_s']:>9.0f} {median['cpu_us_per_call']:>12.1f}"
            f" {median['wait_ms_p50']:>8.2f} {median['wait_ms_p99']:>8.2f}"
        )
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    document = {
        "what": "settled calls on one core",
        "machine": machine,
        "seconds": options.seconds,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
