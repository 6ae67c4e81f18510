"""A real OpenID provider, for tests of signing in elsewhere."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PROVIDER = """
import sys, oidc_provider_mock
with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
    print(server.server_port, flush=True)
    sys.stdin.read()
"""


@contextmanager
def openid_provider() -> Iterator[str]:
    """Its issuer's address. It runs in a process of its own: what it is made of warns of itself."""
    command = [sys.executable, "-W", "ignore", "-c", _PROVIDER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://localhost:{int(process.stdout.readline())}"
        process.communicate("")
