"""Processes, cores, CPU clocks and memory: what the figures are read from. Linux only."""

import os
import platform
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

START_TIMEOUT_S = 120.0  # LiteLLM's proxy imports for half a minute on a slow core
STOP_TIMEOUT_S = 15.0

CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE = CORES[0]
OTHER_CORES = set(CORES[1:]) or {
    CORES[0]
}  # mock upstream and load generator; the same core where there is one


class NotMeasurable(Exception):
    """This can't be run here; the message says why and what would help."""


def raise_limits() -> None:
    """As many open files as may be: 1,000 streams are 2,000 sockets in a gateway."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def facts() -> dict[str, object]:
    """The machine and the moment, for the head of the results."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": model,
        "cores": len(CORES),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Process:
    """One program of ours, pinned to some cores, its output in a file; ended with `stop`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cores: set[int],
        log: Path,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        os.sched_setaffinity(self._process.pid, cores)

    @property
    def pids(self) -> list[int]:
        """The process and all its descendants."""
        found, fresh = [], [self._process.pid]
        while fresh:
            pid = fresh.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                fresh += [int(child) for child in children.read_text().split()]
        return found

    def cpu_ns(self) -> int:
        """CPU time of all threads of these processes so far, to the nanosecond (the kernel's clock of each
        process; /proc/PID/stat counts the same in steps of 10 ms)."""
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.pids)

    def rss_bytes(self) -> int:
        """Resident memory of these processes together."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids)
        return pages * resource.getpagesize()

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Until it serves; NotMeasurable with the end of its output when it ends or hangs instead."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise NotMeasurable(f"it did not start:\n{self.output_end()}")
            time.sleep(0.1)  # before anything is measured: nothing tells of a foreign program's readiness

    def output_end(self) -> str:
        return self._log.read_text(errors="replace")[-1500:]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)  # its own session: nobody else's processes
                self._process.wait()


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
