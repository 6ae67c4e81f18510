from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from tests.store.conftest import postgresql_url

from posthouse.accounts.service import create_account
from posthouse.store.engine import Store, open_store
from posthouse.store.schema import metadata
from posthouse.store.schema_people import profiles
from posthouse.store.schema_rollups import usage_watermark
from posthouse.testing.stores import store_in

__all__ = ["ann", "ben", "postgresql_url", "staff", "store"]

NOW_MS = 1_800_000_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Both databases, with nothing in them: who lists members sees those of the test alone."""
    is_sqlite = request.param == "sqlite"
    opened = store_in(tmp_path) if is_sqlite else open_store(request.getfixturevalue("postgresql_url"))
    if not is_sqlite:
        with opened.begin() as connection:
            names = ", ".join(table.name for table in metadata.sorted_tables)
            connection.execute(text(f"TRUNCATE {names} CASCADE"))
            connection.execute(insert(usage_watermark).values(id=1, rolled="", promised=""))
    yield opened
    opened.close()


@pytest.fixture
def ann(store: Store) -> str:
    return create_account(store, "ann@example.org").id


@pytest.fixture
def ben(store: Store) -> str:
    return create_account(store, "ben@example.org").id


@pytest.fixture
def staff(store: Store) -> str:
    account_id = create_account(store, "desk@example.org").id
    with store.begin() as connection:
        row = {"account_id": account_id, "role": "support", "name": "Dana", "created_ms": NOW_MS}
        connection.execute(insert(profiles).values(row))
    return account_id
