"""Secrets that the store keeps sealed: channels' credentials, the site's own, and the key that addresses are
hashed with."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Column, Connection, delete, insert, select, update

from posthouse.kernel.secrets import SecretBox, SecretText, UnreadableSecret, rotation
from posthouse.routing.channels import DEFAULT_CREDENTIAL
from posthouse.store.engine import Store
from posthouse.store.schema import secrets
from posthouse.store.schema_people import mails, profiles
from posthouse.store.sealing import lock_sealing

# Rows' names. Neither a channel's nor a credential's has a colon.
ADDRESSES = "addresses"
SITE = "site:"  # in place of a channel's name, which has no colon: the secret is the site's
_CHANNEL = "channel:"

Name = tuple[str, str]  # a channel's name and its credential's, or SITE and the secret's (catalogue.site)
Credentials = Mapping[Name, SecretText]


def _row_name(name: Name) -> str:
    channel, credential = name
    if channel == SITE:
        return SITE + credential
    return _CHANNEL + (channel if credential == DEFAULT_CREDENTIAL else f"{channel}:{credential}")


def _name(row_name: str) -> Name:
    channel, _, credential = row_name.removeprefix(_CHANNEL).partition(":")
    return channel, credential or DEFAULT_CREDENTIAL


def load_credentials(store: Store, box: SecretBox) -> dict[Name, SecretText]:
    """All channels' credentials. Raises StoreDown, UnreadableSecret."""
    with store.read() as connection:
        rows = connection.execute(select(secrets).where(secrets.c.name.startswith(_CHANNEL))).all()
    return {_name(row.name): box.open(row.name, row.sealed) for row in rows}


def site_secret(store: Store, box: SecretBox, name: str) -> SecretText | None:
    """One of the site's secrets, None where it is not set. Raises StoreDown, UnreadableSecret."""
    with store.read() as connection:
        sealed = connection.execute(select(secrets.c.sealed).where(secrets.c.name == SITE + name)).scalar()
    return None if sealed is None else box.open(SITE + name, sealed)


def site_secret_names(connection: Connection) -> set[str]:
    """Which of the site's secrets are set, without opening any."""
    names = connection.execute(select(secrets.c.name).where(secrets.c.name.startswith(SITE))).scalars()
    return {name.removeprefix(SITE) for name in names}


def all_stored_names(connection: Connection) -> set[Name]:
    """Which credentials of channels there are, without opening any."""
    rows = connection.execute(select(secrets.c.name).where(secrets.c.name.startswith(_CHANNEL)))
    return {*map(_name, rows.scalars())}


def stored_names(connection: Connection, channel: str) -> set[str]:
    """The same of one channel."""
    return {credential for of, credential in all_stored_names(connection) if of == channel}


def renewed(connection: Connection, box: SecretBox, given: Credentials) -> dict[Name, SecretText]:
    """Those of which the store has another text, none, or one that no longer opens."""
    rows = connection.execute(select(secrets).where(secrets.c.name.in_(map(_row_name, given))))
    sealed = {row.name: row.sealed for row in rows}
    return {name: new for name, new in given.items() if not _is_same(box, _row_name(name), sealed, new)}


def _is_same(box: SecretBox, row_name: str, sealed: Mapping[str, bytes], new: SecretText) -> bool:
    try:
        return row_name in sealed and box.open(row_name, sealed[row_name]).reveal() == new.reveal()
    except UnreadableSecret:
        return False


def write_credentials(
    connection: Connection, box: SecretBox, given: Credentials, gone: Collection[Name], now_ms: int
) -> None:
    """Seal those that are given, in place of any of the same names, and delete those that are gone."""
    lock_sealing(connection)
    box.reload()  # while nobody can replace the key
    rows = [
        {"name": name, "sealed": box.seal(name, new.reveal()), "updated_ms": now_ms}
        for name, new in zip(map(_row_name, given), given.values(), strict=True)
    ]
    names = map(_row_name, (*gone, *given))
    connection.execute(delete(secrets).where(secrets.c.name.in_(names)))
    if rows:
        connection.execute(insert(secrets), rows)


def rotate(store: Store, data_dir: Path, *, now_ms: int) -> int:
    """Replace the master key and seal all with the new one; how many there are. Whenever this is killed, all
    still opens, and another one goes on with it. Raises UnreadableSecret, StoreDown, OSError, ValueError."""
    with rotation(data_dir) as box:
        return reseal(store, box, now_ms=now_ms)


def reseal(store: Store, box: SecretBox, *, now_ms: int) -> int:
    """Seal everything that is sealed with the box's first key, all or none; how many secrets there are, not
    counting what belongs to members (second factors, mails that wait). Raises UnreadableSecret, StoreDown."""
    with store.begin() as connection:
        lock_sealing(connection)
        rows = connection.execute(select(secrets)).all()
        for row in rows:
            sealed = box.seal(row.name, box.open(row.name, row.sealed).reveal())
            values = {"sealed": sealed, "updated_ms": now_ms}
            connection.execute(update(secrets).where(secrets.c.name == row.name).values(values))
        _reseal(connection, box, profiles.c.account_id, profiles.c.totp_sealed, "totp:")
        _reseal(connection, box, mails.c.id, mails.c.sealed, "")
    return len(rows)


def _reseal(
    connection: Connection, box: SecretBox, key: Column[str], column: Column[bytes], prefix: str
) -> None:
    """One column of a table, whose rows are sealed under a prefix and their key. What no key opens is left:
    nobody but its member could set it again, and it must not stand in the way of a new key."""
    for name, sealed in connection.execute(select(key, column).where(column.is_not(None))).all():
        with suppress(UnreadableSecret):
            renewed = box.seal(prefix + name, box.open(prefix + name, sealed).reveal())
            connection.execute(update(key.table).where(key == name).values({column.name: renewed}))


def address_key(store: Store, box: SecretBox, *, now_ms: int) -> bytes:
    """The key that addresses are hashed with, made of the master key when there is none yet, or none that
    opens. It stays when the master key is replaced: an address goes on being counted as itself. Raises
    StoreDown."""
    with store.begin() as connection:
        lock_sealing(connection)
        sealed = connection.execute(select(secrets.c.sealed).where(secrets.c.name == ADDRESSES)).scalar()
        with suppress(UnreadableSecret):
            if sealed is not None:
                return bytes.fromhex(box.open(ADDRESSES, sealed).reveal())
        key = box.derive(ADDRESSES)
        row = {"name": ADDRESSES, "sealed": box.seal(ADDRESSES, key.hex()), "updated_ms": now_ms}
        connection.execute(delete(secrets).where(secrets.c.name == ADDRESSES))
        connection.execute(insert(secrets).values(row))
    return key
