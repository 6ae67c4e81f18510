"""What a call and a stream cost the event loop's thread in instructions, as valgrind counts them: the same
within some percent on a busy machine, where times are not. Neither the kernel's work is among them nor the
ledger's thread, whose share depends on how many calls end together. Some two minutes.

    python -m bench.instructions

A process under valgrind is 50 times as slow, so the load is light, and what the thread does without any load
is subtracted by the time that has passed.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import gateways, load

CONCURRENCY = 64
CALLS_S = 15.0  # as long for the warm-up: CPython and SQLite prepare what they meet for the first time
STREAMS, RAMP_S, PACE_MS = 100, 5.0, 50
SHORT, LONG = 20, 220  # chunks: the difference between the two tells what one costs
IDLE_S = 5.0

_COUNT = re.compile(r"Th 1 +([\d,]+)")


class Counter:
    """Instructions of the first thread of a process that callgrind runs."""

    def __init__(self, pid: int) -> None:
        self._pid = str(pid)
        self._control("-i", "on")
        before = self()
        time.sleep(IDLE_S)  # what is measured is just this: a process that has nothing to do
        self.idle_per_s = (self() - before) / IDLE_S

    def __call__(self) -> int:
        (count,) = _COUNT.findall(self._control("-e", "Ir"))
        return int(count.replace(",", ""))

    def _control(self, *arguments: str) -> str:
        command = ["callgrind_control", *arguments, self._pid]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def of_a_call(target: load.Target, counter: Counter) -> float:
    done = load.calls(target, concurrency=CONCURRENCY, warm_up_s=CALLS_S, seconds=CALLS_S, probe=counter)
    return (done.cpu_ns - counter.idle_per_s * done.seconds) / done.calls


def of_a_stream(target: load.Target, counter: Counter, chunks: int) -> float:
    done = load.streams(
        target, count=STREAMS, chunks=chunks, pace_ms=PACE_MS, ramp_s=RAMP_S, cpu=counter, rss=lambda: 0
    )
    assert (done.faults, done.chunks) == (0, STREAMS * chunks), "every chunk has come"
    return (done.cpu_ns - counter.idle_per_s * done.seconds) / STREAMS


def main() -> None:
    if shutil.which("callgrind_control") is None:
        sys.exit("valgrind is not installed; on Debian: apt-get install valgrind")
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="posthouse-bench-")))
        mock, mock_port = gateways.start_mock(work)
        stack.callback(mock.stop)
        under = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={work}/counts"]
        gateway = gateways.start_posthouse(gateways.Place(work, work, mock_port), under)
        stack.callback(gateway.process.stop)
        counter = Counter(gateway.process.pids[0])
        print(f"a call                {of_a_call(gateway.calls, counter):12,.0f}", flush=True)
        of_a_stream(gateway.streams, counter, SHORT)  # warm
        short, long = (of_a_stream(gateway.streams, counter, chunks) for chunks in (SHORT, LONG))
        chunk = (long - short) / (LONG - SHORT)
        print(f"a chunk               {chunk:12,.0f}")
        print(f"a stream without them {short - SHORT * chunk:12,.0f}")


if __name__ == "__main__":
    main()
