"""SQLite stores for tests. Migrating one takes longer than most tests do, so that is done once a process."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from posthouse.store.engine import Store, open_store

FILE = "posthouse.db"  # as a server calls it


def store_in(folder: Path) -> Store:
    """Open the folder's store; a new one where there is none."""
    path = folder / FILE
    if not path.exists():
        path.write_bytes(_new())
    return open_store(f"sqlite:///{path}")


@cache
def _new() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        open_store(f"sqlite:///{path}").close()
        return path.read_bytes()
