"""Reads the configuration that the store holds."""

import msgspec
from sqlalchemy import Connection, Row, select

from posthouse.catalogue.compiled import Catalogue
from posthouse.catalogue.rules import TYPES, Configuration, Definition, Kind
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.store.engine import Store
from posthouse.store.schema import configuration, secrets

CHANNEL_SECRET = "channel:"  # noqa: S105 - the prefix of a secret's name, no secret


def load_catalogue(store: Store) -> Catalogue:
    """The catalogue that the store's configuration makes. Raises StoreDown."""
    with store.read() as connection:
        return Catalogue(Configuration.of(read_definitions(connection)))


def load_configuration(store: Store) -> Configuration:
    """The definitions as they were applied. Raises StoreDown."""
    with store.read() as connection:
        return Configuration.of(read_definitions(connection))


def load_credentials(store: Store, box: SecretBox) -> dict[str, SecretText]:
    """The credentials of all channels that have one, by channel name. Raises StoreDown, UnreadableSecret."""
    with store.read() as connection:
        return read_credentials(connection, box)


def read_definitions(connection: Connection) -> dict[tuple[Kind, str], Definition]:
    rows = connection.execute(select(configuration).order_by(configuration.c.kind, configuration.c.name))
    return {(row.kind, row.name): _definition(row) for row in rows}


def read_credentials(connection: Connection, box: SecretBox) -> dict[str, SecretText]:
    rows = connection.execute(select(secrets).where(secrets.c.name.startswith(CHANNEL_SECRET)))
    return {row.name.removeprefix(CHANNEL_SECRET): box.open(row.name, row.sealed) for row in rows}


def _definition(row: Row[tuple[str, str, str, int]]) -> Definition:
    found: Definition = msgspec.json.decode(row.definition, type=TYPES[row.kind])
    return found
