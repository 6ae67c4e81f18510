"""A relay as an operator runs it: `posthouse serve` in its own process, with a data directory of its own.

with ScriptedUpstream() as upstream, ServedRelay(tmp_path, upstream.base_url) as relay:
    key = relay.member("ada@example.org", credit="10")
    openai.OpenAI(base_url=relay.base_url, api_key=key)...
    assert relay.usage()[0].charge_nanos == ...
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from posthouse.testing.operated import MINIMAL, Operated
from posthouse.testing.threaded import START_TIMEOUT_S, STOP_TIMEOUT_S


class ServedRelay(Operated):
    """`environment` is added to the server's. The log is kept in `log_path`."""

    def __init__(
        self,
        directory: Path,
        upstream_url: str,
        configuration: str = MINIMAL,
        *,
        upstream_key: str = "sk-upstream-credential",
        environment: Mapping[str, str] | None = None,
        database: str = "",
    ) -> None:
        super().__init__(directory, upstream_url, configuration, upstream_key=upstream_key, database=database)
        self.log_path = directory / "server.log"
        self.port, self.ops_port = _free_ports(2)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the relay is not running"
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self.store.close()

    # -- the process -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server and wait until it is ready; AssertionError with its log when it isn't."""
        command = [sys.executable, "-m", "posthouse", "serve", "--data", str(self.data)]
        command += ["--database", self._database]
        command += ["--port", str(self.port), "--ops-port", str(self.ops_port)]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command, stdout=log, stderr=log, env={**os.environ, **self._environment}
            )
        give_up_s = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < give_up_s, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop as an operator does (SIGTERM), and wait for it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        """Stop as a power cut does (SIGKILL)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def _is_ready(self) -> bool:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{self.origin}/readyz", timeout=5).close()  # noqa: S310 - a URL of ours
            return True
        return False


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
