from importlib import import_module
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from posthouse.kernel.outcome import Outcome
from posthouse.store import migrations
from posthouse.store.engine import open_store
from posthouse.store.errors import NotAStore, StoreDown, StoreTooNew
from posthouse.store.schema import REVISION, usage_records


def test_the_revision_is_the_newest_migration() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert script.get_current_head() == REVISION


def test_usage_columns_are_the_outcomes_fields() -> None:
    """The writer passes an outcome's fields as a row, by position."""
    assert tuple(column.name for column in usage_records.columns) == Outcome.__struct_fields__


def test_a_store_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/posthouse.db"
    store = open_store(url)
    with store.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreTooNew, match="9999"):
        open_store(url)


def test_a_store_of_the_first_revision_gets_all_later_tables(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/posthouse.db")
    first = import_module("posthouse.store.migrations.versions.v0001_first_tables")
    with engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            first.upgrade()
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
        connection.exec_driver_sql(
            "INSERT INTO accounts VALUES ('acc_1', 'ann@example.org', '', 'active', 1)"
        )
    engine.dispose()
    store, new = (open_store(f"sqlite:///{tmp_path}/{name}.db") for name in ("posthouse", "new"))
    with store.read() as connection, new.read() as other:
        assert connection.exec_driver_sql("SELECT count(*) FROM accounts").scalar() == 1
        assert inspect(connection).get_table_names() == inspect(other).get_table_names()
    store.close()
    new.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "x", "x+y://z"])
def test_what_is_no_store(url: str) -> None:
    with pytest.raises(NotAStore):
        open_store(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "posthouse.db").write_text("not a database at all")
    with pytest.raises(NotAStore, match="not a database"):
        open_store(f"sqlite:///{tmp_path}/posthouse.db")


def test_a_database_that_is_not_there() -> None:
    with pytest.raises(StoreDown):
        open_store("postgresql://nobody@127.0.0.1:1/nothing")


def test_sqlite_commits_are_on_disk(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/posthouse.db")
    with store.read() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    store.close()
    assert pragmas == ["wal", 2, 1]
