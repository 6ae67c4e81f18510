from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

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


def test_a_store_of_the_first_revision_gets_the_later_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/posthouse.db"
    store = open_store(url)
    later = ("channel_states", "channel_events", "channel_standings")
    with store.begin() as connection:
        for table in later:
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        connection.exec_driver_sql(
            "INSERT INTO accounts VALUES ('acc_1', 'ann@example.org', '', 'active', 1)"
        )
    store.close()
    store = open_store(url)
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM accounts").scalar() == 1
        assert set(later) <= set(inspect(connection).get_table_names())
    store.close()


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
