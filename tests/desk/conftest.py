from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from posthouse.accounts.service import create_account
from posthouse.store.engine import Store, open_store
from posthouse.store.schema_people import profiles

NOW_MS = 1_800_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/posthouse.db")
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
