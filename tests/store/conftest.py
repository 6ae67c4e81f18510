"""A database of each kind that the store supports, one a session; PostgreSQL is a real server."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from posthouse.store.engine import Store, open_store

_numbers = count(1)


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: str) -> str:
    """A database of its own, for each room whose conftest takes this fixture."""
    return new_database(postgresql_server)


def new_database(postgresql_server: str) -> str:
    """An empty one; its address."""
    name = f"room{next(_numbers)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return urlsplit(postgresql_server)._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("store")
    url = f"sqlite:///{folder}/posthouse.db"
    opened = open_store(url if request.param == "sqlite" else request.getfixturevalue("postgresql_url"))
    yield opened
    opened.close()
