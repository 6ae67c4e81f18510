"""Both databases, as in tests/store: what is proven of money is proven of each."""

from tests.store.conftest import postgresql_url, store

__all__ = ["postgresql_url", "store"]
