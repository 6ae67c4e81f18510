"""Brings a database's tables to what schema.py says, step by step, each step once."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from posthouse.store.errors import StoreTooNew
from posthouse.store.schema import REVISION

_MIGRATION_LOCK = 0x706F7374  # "post": any number, the same in every process


def upgrade(connection: Connection) -> None:
    """Migrate to the newest revision within the caller's transaction; nothing to do costs one query.
    Raises StoreTooNew."""
    if connection.dialect.name == "postgresql":  # two processes may start at once
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
    if _revision(connection) != REVISION:
        _run(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _run(connection: Connection) -> None:
    # Imported here because it is slow to import and a store that is up to date needs none of it.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    script = ScriptDirectory(str(Path(__file__).parent))
    environment = EnvironmentContext(
        Config(),
        script,
        fn=lambda revision, _: script._upgrade_revs(REVISION, revision),
        destination_rev=REVISION,
    )
    environment.configure(connection=connection, transactional_ddl=True)
    try:
        environment.run_migrations()
    except CommandError as error:
        raise StoreTooNew(
            f"this store is of revision {_revision(connection)}, newer than this program ({REVISION}); "
            "run the Posthouse that made it, or a newer one"
        ) from error
