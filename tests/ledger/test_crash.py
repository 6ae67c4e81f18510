"""kill -9 while settlements are written: none whose caller was told is lost, and the books are right."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from posthouse.ledger.queries import balances, verify
from posthouse.store.engine import open_store
from posthouse.testing.check_store import new_member

MEMBERS = 4
BALANCE_NANOS = 10**15

# Settles as fast as it can from many tasks, and says each request id once its future has resolved.
WRITER = """
import asyncio, os, sys
from posthouse.ledger.service import Ledger
from posthouse.store.engine import open_store
from posthouse.testing.check_store import Member, PRICE, outcome_of

async def main():
    store = open_store(sys.argv[1])
    ledger = Ledger(store)
    await ledger.start()
    async def caller(member):
        while True:
            wallet = ledger.wallet(member.account_id) or await ledger.load_wallet(member.account_id)
            outcome = await ledger.settle(wallet.hold(1000), outcome_of(member, 7), snapshot=PRICE)
            os.write(1, outcome.request_id.encode() + b"\\n")
    members = [Member(*pair.split("/"), "") for pair in sys.argv[2:]]
    await asyncio.gather(*(caller(member) for member in members for _ in range(8)))

asyncio.run(main())
"""


def kill_while_writing(url: str, members: list[str], lines: int) -> set[str]:
    """Start the writer, kill it after it has said so many lines and a random moment more; what it said."""
    with subprocess.Popen([sys.executable, "-c", WRITER, url, *members], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        time.sleep(random.random() * 0.02)
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)
    return {line.strip().decode() for line in said if line.endswith(b"\n")}


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9(tmp_path: Path, rounds: int) -> None:
    url = f"sqlite:///{tmp_path}/posthouse.db"
    store = open_store(url)
    made = [new_member(store, BALANCE_NANOS) for _ in range(MEMBERS)]
    members = [f"{member.account_id}/{member.key_id}" for member in made]
    said: set[str] = set()
    for _ in range(rounds):
        said |= kill_while_writing(url, members, lines=random.randint(1, 400))
        assert verify(store) == []
    with store.read() as connection:
        written = set(connection.exec_driver_sql("SELECT request_id FROM usage_records").scalars())
    assert said <= written
    assert sum(balances(store).values()) == -7 * len(written)
    store.close()
