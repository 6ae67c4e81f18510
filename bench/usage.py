"""How long the pages of a store with many usage records take: `python -m bench.usage --records 1000000`.

Fills an SQLite store with records of 90 days, rolls them up, and times each read that a page makes.
"""

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from posthouse.accounts.service import create_account, create_key
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.kernel.periods import DAY_MS
from posthouse.ledger.settlement import usage_row
from posthouse.ledger.sums import Scope, channel_totals, model_statuses, ranking, series, totals
from posthouse.ledger.usage import UsageFilter, list_usage
from posthouse.store.engine import Store, open_store
from posthouse.store.schema import usage_records
from posthouse.testing.rolled import roll_all

RESULTS = Path(__file__).parent / "results" / "usage.json"
DAYS = 90
END_MS = 1_795_305_600_000  # 2026-11-22
TAIL = 3_000  # records that are not yet rolled up: ten a second for five minutes
ACCOUNTS, MODELS, CHANNELS = 200, 12, 4
ENDINGS = [Ending.COMPLETED] * 97 + [Ending.CANCELLED, Ending.BROKEN, Ending.FAILED]


def fill(store: Store, count: int) -> list[tuple[str, str]]:
    """Write records that are spread over 90 days; the accounts and keys, the busiest first."""
    members = []
    for number in range(ACCOUNTS):
        account = create_account(store, f"bench{number}@example.org")
        members.append((account.id, create_key(store, account.id).id))
    names = [column.name for column in usage_records.columns]
    sql = f"INSERT INTO usage_records ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    with store.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.executemany(sql, _rows(members, count))
    roll_all(store, _request_id(count - TAIL, count))
    with store.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    return members


def _request_id(number: int, count: int) -> str:
    at_ms = END_MS - DAYS * DAY_MS + number * DAYS * DAY_MS // count
    return f"req_{at_ms:012x}{'0' * 10}{number & 0xFFFFFF:06x}"


def _rows(members: list[tuple[str, str]], count: int) -> Iterator[list[Any]]:
    chance = random.Random(1)  # the same records each time
    for number in range(count):
        account_id, key_id = members[min(int(chance.expovariate(0.03)), ACCOUNTS - 1)]
        prompt, answer, charge = (chance.randrange(1, 4_000) for _ in range(3))
        channel = f"channel{chance.randrange(CHANNELS)}"
        request_id = _request_id(number, count)
        yield usage_row(
            Outcome(
                request_id=request_id,
                ending=chance.choice(ENDINGS),
                http_status=200,
                account_id=account_id,
                key_id=key_id,
                plan="paid",
                family="gpt",
                model=f"model{min(int(chance.expovariate(0.4)), MODELS - 1)}",
                endpoint="/v1/chat/completions",
                stream=True,
                address_hash=chance.randbytes(1) * 16,
                channel=channel,
                attempts=(AttemptRecord(channel, 200, "", 812, "one", "served", 210),),
                quantities={"input": prompt, "cached_input": 7, "output": answer},
                prompt_tokens=prompt,
                completion_tokens=answer,
                service_tier="default",
                charge_nanos=charge * 1_000,
                cost_nanos=charge * 800,
                price_id="0123456789abcdef0123",
                started_ms=int(request_id[4:16], 16),
                duration_ms=812,
                ttft_ms=210,
            )
        )


def reads(store: Store, account_id: str, key_id: str) -> dict[str, Callable[[], Any]]:
    """What the pages ask."""
    month = {"since_ms": END_MS - 30 * DAY_MS, "until_ms": END_MS}
    day = {"since_ms": END_MS - DAY_MS, "until_ms": END_MS}
    quarter = {"since_ms": END_MS - 90 * DAY_MS, "until_ms": END_MS}
    four_days = {"since_ms": END_MS - 4 * DAY_MS, "until_ms": END_MS}  # of a million: 44,000
    mine, all_ = Scope(account_id=account_id), Scope()
    deep = _request_id(1_000, 1_000_000)

    def page(before: str = "", **wanted: Any) -> Callable[[], Any]:
        return lambda: list_usage(store, UsageFilter(**wanted), before=before, limit=50)

    return {
        "usage, newest page": page(),
        "usage, a page 89 days back": page(deep),
        "usage of a member": page(account=account_id),
        "usage of a key": page(account=account_id, key_id=key_id, ending="failed"),
        "usage of a rare model": page(model="model11"),
        "usage of a model that is not there": page(model="nothing"),
        "usage that broke off, of a member": page(account=account_id, ending="broken"),
        "usage of one week, by status": page(http_status=500, **quarter),
        "usage of a channel": page(channel="channel3"),
        "member's totals of 30 days": lambda: totals(store, mine, **month),
        "member's 30 days by day and model": lambda: series(
            store, mine, **month, step="day", zone=UTC, by="model"
        ),
        "member's 90 days by day and key": lambda: series(
            store, mine, **quarter, step="day", zone=UTC, by="key"
        ),
        "all members' 24 h by hour": lambda: series(store, all_, **day, step="hour", zone=UTC),
        "all members' 30 days by day and model": lambda: series(
            store, all_, **month, step="day", zone=UTC, by="model"
        ),
        "the 20 largest accounts of 30 days": lambda: ranking(store, all_, **month, by="account"),
        "a member's 30 days by day and model, of a channel": lambda: series(
            store, Scope(account_id=account_id, channel="channel1"), **month, step="day", zone=UTC, by="model"
        ),
        "all members' 24 h by hour, of a status": lambda: series(
            store, Scope(http_status=200), **day, step="hour", zone=UTC, by="model"
        ),
        "all members' 4 days by hour, of a status": lambda: series(
            store, Scope(http_status=200), **four_days, step="hour", zone=UTC, by="model"
        ),
        "models' status of 24 h": lambda: model_statuses(store, **day, step="hour", zone=UTC),
        "models' status of 90 days": lambda: model_statuses(store, **quarter, step="day", zone=UTC),
        "channels of 24 h": lambda: channel_totals(store, **day),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--store", default="", help="keep the store at this path, and use it if it is there")
    options = parser.parse_args()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RESULTS.parent) as folder:
        path = Path(options.store or f"{folder}/bench.db")
        is_new = not path.exists()
        store = open_store(f"sqlite:///{path.absolute()}")
        if is_new:
            fill(store, options.records)
        with store.read() as connection:
            sql = "SELECT account_id, key_id FROM usage_sums GROUP BY 1, 2 ORDER BY sum(requests) DESC"
            account_id, key_id = connection.exec_driver_sql(f"{sql} LIMIT 1").one()
        rows = []
        print(f"{'page':<40} {'median ms':>10} {'worst ms':>10}")
        for name, read in reads(store, account_id, key_id).items():
            times = []
            for _ in range(options.rounds):
                began = time.perf_counter()
                read()
                times.append((time.perf_counter() - began) * 1e3)
            rows.append({"page": name, "ms": [round(one, 2) for one in times]})
            print(f"{name:<40} {statistics.median(times):>10.1f} {max(times):>10.1f}")
        store.close()
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    document = {"what": "reads of a store", "records": options.records, "machine": machine, "rows": rows}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
