"""Every database passes the same suite."""

from collections.abc import Callable

import pytest

from posthouse.store.engine import Store
from posthouse.testing.check_store import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_store(store: Store, check: Callable[[Store], None]) -> None:
    check(store)
