"""Reads single fields of the operator's configuration, for rooms below the catalogue."""

import msgspec
from sqlalchemy import Connection, select

from posthouse.store.schema import configuration


def operator_field(connection: Connection, field: str, default: str) -> str:
    """One text field of the operator's configuration; the default where it is not configured."""
    query = select(configuration.c.definition).where(configuration.c.kind == "operator")
    text = connection.execute(query).scalar()
    value = msgspec.json.decode(text).get(field) if text else None
    return value if isinstance(value, str) and value else default
