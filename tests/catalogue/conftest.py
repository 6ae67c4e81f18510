from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.catalogue.files import EXAMPLES, compiled

from posthouse.catalogue.compiled import Catalogue
from posthouse.kernel.secrets import SecretBox
from posthouse.store.engine import Store, open_store


@pytest.fixture(scope="session")
def example() -> Callable[[str], Catalogue]:
    """The catalogue that a file of examples/ makes."""
    made: dict[str, Catalogue] = {}

    def load(name: str) -> Catalogue:
        if name not in made:
            made[name] = compiled((EXAMPLES / name).read_text())
        return made[name]

    return load


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/posthouse.db")
    yield opened
    opened.close()


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(bytes(32))
