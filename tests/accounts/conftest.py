from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.store.engine import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/posthouse.db")
    yield opened
    opened.close()
