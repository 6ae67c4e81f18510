from collections.abc import Callable

import pytest
from tests.catalogue.files import EXAMPLES, compiled

from posthouse.catalogue.compiled import Catalogue


@pytest.fixture(scope="session")
def example() -> Callable[[str], Catalogue]:
    """The catalogue that a file of examples/ makes."""
    made: dict[str, Catalogue] = {}

    def load(name: str) -> Catalogue:
        if name not in made:
            made[name] = compiled((EXAMPLES / name).read_text())
        return made[name]

    return load
