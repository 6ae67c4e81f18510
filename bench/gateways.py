"""What is measured: nginx as the floor, Posthouse, and its peers, all in front of the same mock upstream."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench import load
from bench.machine import GATEWAY_CORE, OTHER_CORES, NotMeasurable, Process, accepts, free_port

LITELLM_VERSION = "1.105.2"
PORTKEY_VERSION = "1.15.2"
PORTKEY_PACKAGE = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": PORTKEY_VERSION},
    # The newest found whose streams work with it: from 1.14 on each ends in 500 (headers are immutable).
    "overrides": {"@hono/node-server": "1.13.8"},
}
CREDENTIAL = "sk-bench-mock"  # the upstream's key; the mock asks for none
POSTHOUSE = [sys.executable, "-m", "posthouse"]
HERE = Path(__file__).parent


class Gateway(msgspec.Struct, frozen=True):
    """A running gateway. `streams` is where streamed calls go; `slow` ones get less load."""

    name: str
    process: Process
    calls: load.Target
    streams: load.Target
    slow: bool = False


class Place(msgspec.Struct, frozen=True):
    """Where gateways are set up: a working folder for this run, the cache of peers, the mock's port."""

    work: Path
    cache: Path
    upstream_port: int


Opener = Callable[[Place], Gateway]


def start_mock(work: Path) -> tuple[Process, int]:
    """The mock upstream, on the cores that the gateways don't get."""
    port = free_port()
    command = [sys.executable, "-m", "bench.mock", str(port)]
    mock = Process(command, cores=OTHER_CORES, log=work / "mock.log", cwd=HERE.parent)
    mock.wait_until(lambda: accepts(port))
    return mock, port


@contextmanager
def running(opener: Opener, place: Place) -> Iterator[Gateway]:
    """Start a gateway, see that it answers through the mock, and stop it in the end."""
    gateway = opener(place)
    try:
        load.latencies_ns(gateway.calls, 3)
        yield gateway
    finally:
        gateway.process.stop()


def start_nginx(place: Place) -> Gateway:
    """One worker that does nothing but `proxy_pass` over kept-alive connections; for streams unbuffered."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if binary is None:
        raise NotMeasurable("nginx is not installed; on Debian: apt-get install nginx-light")
    calls_port, streams_port = free_port(), free_port()
    folder = place.work / "nginx"
    folder.mkdir()
    configuration = (HERE / "nginx.conf").read_text()
    for name, value in {
        "FOLDER": folder,
        "UPSTREAM_PORT": place.upstream_port,
        "CALLS_PORT": calls_port,
        "STREAMS_PORT": streams_port,
    }.items():
        configuration = configuration.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(configuration)
    process = Process(
        [binary, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"],
        cores={GATEWAY_CORE},
        log=place.work / "nginx.log",
    )
    process.wait_until(lambda: accepts(calls_port) and accepts(streams_port))
    return Gateway("nginx", process, load.Target(calls_port), load.Target(streams_port))


def start_bare(place: Place) -> Gateway:
    """What Python itself takes: the same event loop and parser without a relay's work."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(port), str(place.upstream_port)]
    process = Process(command, cores={GATEWAY_CORE}, log=place.work / "bare.log", cwd=HERE.parent)
    process.wait_until(lambda: accepts(port))
    target = load.Target(port)
    return Gateway("bare", process, target, target)


# Beside the one channel of gpt-4o-mini: many for one model, and for another one that always fails first,
# without ever being left out for it.
MANY_CHANNELS = 50
_CHANNELS = "".join(
    f"""
[channels.many-{number}]
base_url = "${{UPSTREAM_BASE_URL}}"
credential = "${{UPSTREAM_API_KEY}}"
models = ["gpt-4o"]
weight = {1 + number % 3}
"""
    for number in range(MANY_CHANNELS)
)


def start_posthouse(place: Place, under: Sequence[str] = ()) -> Gateway:
    """`posthouse serve` as an operator runs it: a paid plan with limits, one account with credit, one key.
    `under`: the command of a tool that runs it."""
    operator = place.work / "operator.toml"
    operator.write_text((HERE / "operator.toml").read_text() + _CHANNELS)
    _posthouse(place, "apply", str(operator))
    _posthouse(place, "account", "create", "bench@example.com", "--plan", "paid", "--json")
    key = json.loads(_posthouse(place, "key", "create", "--account", "bench@example.com", "--json"))["key"]
    _posthouse(place, "credit", "bench@example.com", "1000000", "--reason", "bench")
    port, ops_port = free_port(), free_port()
    process = Process(
        [*under, *POSTHOUSE, "serve", "--host=127.0.0.1", f"--port={port}", f"--ops-port={ops_port}"],
        cores={GATEWAY_CORE},
        log=place.work / "posthouse.log",
        env=_posthouse_env(place),
    )
    process.wait_until(lambda: accepts(port))
    target = load.Target(port, headers=(("authorization", f"Bearer {key}"),))
    return Gateway("posthouse", process, target, target)


def verify_books(place: Place) -> str:
    """What `posthouse ledger verify` says of the calls so far, in one line."""
    records = _posthouse(place, "usage", "export").count("\n") - 1
    verdict = _posthouse(place, "ledger", "verify").strip()
    return f"{records:,} usage records; ledger verify: {verdict}"


def _posthouse_env(place: Place) -> dict[str, str]:
    return {
        "POSTHOUSE_DATA": str(place.work / "posthouse"),
        "UPSTREAM_BASE_URL": f"http://127.0.0.1:{place.upstream_port}/v1",
        "FAILING_BASE_URL": f"http://127.0.0.1:{place.upstream_port}/failing/v1",
        "UPSTREAM_API_KEY": CREDENTIAL,
    }


def _posthouse(place: Place, *arguments: str) -> str:
    """What a command of Posthouse prints; NotMeasurable where it fails."""
    env = {**os.environ, **_posthouse_env(place)}
    done = subprocess.run([*POSTHOUSE, *arguments], env=env, capture_output=True, text=True)
    if done.returncode:
        raise NotMeasurable(f"posthouse {arguments[0]} failed: {done.stdout}{done.stderr}"[-1500:])
    return done.stdout


def start_litellm(place: Place) -> Gateway:
    """LiteLLM's proxy in its own virtual environment: one worker, a check of its one key, no database."""
    home = place.cache / f"litellm-{LITELLM_VERSION}"
    if not (home / ".installed").exists():
        _install([sys.executable, "-m", "venv", home])
        _install([home / "bin" / "pip", "install", "-q", f"litellm[proxy]=={LITELLM_VERSION}"])
        (home / ".installed").touch()
    configuration = place.work / "litellm.yaml"
    configuration.write_text(
        (HERE / "litellm.yaml").read_text().replace("@UPSTREAM_PORT@", str(place.upstream_port))
    )
    port = free_port()
    process = Process(
        [home / "bin" / "litellm", "--config", configuration, "--host", "127.0.0.1", "--port", str(port)],
        cores={GATEWAY_CORE},
        log=place.work / "litellm.log",
        env={
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches its price list at start
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
        },
        cwd=place.work,
    )
    process.wait_until(lambda: accepts(port))
    target = load.Target(port, headers=(("authorization", "Bearer sk-bench-litellm"),))
    return Gateway("litellm", process, target, target, slow=True)


def start_portkey(place: Place) -> Gateway:
    """Portkey's gateway on Node: it checks no key; the upstream is told by request headers, as is its way."""
    home = place.cache / f"portkey-{PORTKEY_VERSION}"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotMeasurable("node and npm are not installed; on Debian: apt-get install nodejs npm")
    server = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not server.exists():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text(json.dumps(PORTKEY_PACKAGE))
        _install([npm, "install", "--prefix", home, "--ignore-scripts", "--no-audit", "--no-fund"])
    port = free_port()
    process = Process(
        [node, server, f"--port={port}", "--headless"],
        cores={GATEWAY_CORE},
        log=place.work / "portkey.log",
        env={"NODE_ENV": "production"},
        cwd=place.work,
    )
    process.wait_until(lambda: accepts(port))
    headers = (
        ("authorization", f"Bearer {CREDENTIAL}"),
        ("x-portkey-provider", "openai"),
        ("x-portkey-custom-host", f"http://127.0.0.1:{place.upstream_port}/v1"),
    )
    target = load.Target(port, headers=headers)
    return Gateway("portkey", process, target, target, slow=True)


def _install(command: list[str | Path]) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise NotMeasurable(f"it can't be installed here:\n{done.stderr[-1500:]}")


GATEWAYS: dict[str, Opener] = {
    "nginx": start_nginx,
    "bare": start_bare,
    "posthouse": start_posthouse,
    "portkey": start_portkey,
    "litellm": start_litellm,
}
