"""Opens the store: SQLite by default, PostgreSQL by URL. Sync SQLAlchemy Core, for threads and the CLI.

Two kinds of transaction: `begin()` writes (SQLite: BEGIN IMMEDIATE, so that it waits for the lock at its
start and can't fail for it later), `read()` sees one snapshot and changes nothing.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from posthouse.store.errors import NotAStore, StoreDown, StoreInUse
from posthouse.store.migrations import upgrade

BUSY_TIMEOUT_S = 10.0  # how long a write waits for another process's write
STATEMENT_TIMEOUT_S = 30  # PostgreSQL: no statement of ours takes longer, but for a report over years
POOL_CONNECTIONS = 8  # the writer, the change feed, and the threads that answer queries
SQLITE_WAL_PAGES = 4000  # 16 MB: the pages that every group touches are copied back once for many groups
SQLITE_CACHED_STATEMENTS = 512  # the writer has a statement per group size: see ledger/settlement.py


class Store:
    """An opened and migrated database. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        read_options = (
            {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        self._readers = engine.execution_options(posthouse_read=True, **read_options)
        self._lock_file: int | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that writes; committed at the end, rolled back on an exception. Raises StoreDown."""
        with _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot and writes nothing. Raises StoreDown."""
        with _translated(), self._readers.begin() as connection:
            yield connection

    def lock_exclusively(self) -> None:
        """SQLite: keep any other server process away from this file until closed, else raise StoreInUse.
        PostgreSQL serves many: nothing to do."""
        path = self.engine.url.database
        if not self.is_sqlite or self._lock_file is not None or path is None:
            return
        descriptor = os.open(path + ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StoreInUse(f"another posthouse server already works on {path}; stop it first") from None
        self._lock_file = descriptor

    def close(self) -> None:
        """Close all connections and let go of the lock."""
        self.engine.dispose()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def open_store(url: str) -> Store:
    """Open the database that a URL names (sqlite:///path or postgresql://…), making or migrating its tables.
    Raises NotAStore, StoreDown when it can't be reached, StoreTooNew when a newer Posthouse made it."""
    try:
        engine = _sqlite(url) if url.startswith("sqlite") else _postgresql(url)
    except (ArgumentError, ValueError) as error:
        raise NotAStore(f"can't open the database: {error}") from None
    store = Store(engine)
    try:
        with store.begin() as connection:
            upgrade(connection)
    except DatabaseError as error:
        store.close()
        raise NotAStore(f"can't open the database: {error.orig}") from error
    except BaseException:
        store.close()
        raise
    return store


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise StoreDown(f"the store does not answer: {error.orig}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreDown(f"the store's connection broke: {error.orig}") from error
        raise


def _sqlite(text: str) -> Engine:
    url = make_url(text)
    if url.database is None or url.database in ("", ":memory:"):
        raise ValueError("SQLite needs a file: sqlite:///path/to/posthouse.db")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=POOL_CONNECTIONS,
        connect_args={
            "timeout": BUSY_TIMEOUT_S,
            "isolation_level": None,  # we say BEGIN ourselves, below
            "check_same_thread": False,
            "cached_statements": SQLITE_CACHED_STATEMENTS,
        },
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # a commit is on disk when it returns
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {SQLITE_WAL_PAGES}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("posthouse_read", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql(text: str) -> Engine:
    url = make_url(text)
    if url.get_backend_name() != "postgresql":
        raise ValueError(f"{url.get_backend_name()!r} is no store: use sqlite:///… or postgresql://…")
    options = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_S}s -c lock_timeout={int(BUSY_TIMEOUT_S)}s "
        f"-c idle_in_transaction_session_timeout={STATEMENT_TIMEOUT_S}s"
    )
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOL_CONNECTIONS,
        pool_pre_ping=True,
        pool_timeout=BUSY_TIMEOUT_S,
        connect_args={"options": options, "connect_timeout": int(BUSY_TIMEOUT_S)},
    )
