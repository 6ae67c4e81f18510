"""Reads the configuration that the store holds."""

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from posthouse.catalogue.compiled import Catalogue
from posthouse.catalogue.document import explained
from posthouse.catalogue.errors import ConfigurationError, Problem
from posthouse.catalogue.rules import TYPES, ChannelDef, Configuration, Definition, Kind
from posthouse.catalogue.sealed import all_stored_names
from posthouse.catalogue.states import ChannelState, read_states
from posthouse.routing.pools import CredentialState
from posthouse.store.engine import Store
from posthouse.store.schema import configuration


def load_catalogue(store: Store) -> Catalogue:
    """The catalogue that the store's configuration makes. Raises ConfigurationError, StoreDown."""
    with store.read() as connection:
        states = read_states(connection)
        apart = {channel: one.state for (channel, credential), one in states.items() if not credential}
        return Catalogue(Configuration.of(read_definitions(connection)), apart)


def load_configuration(store: Store) -> Configuration:
    """The definitions as they were applied. Raises ConfigurationError, StoreDown."""
    with store.read() as connection:
        return Configuration.of(read_definitions(connection))


class ChannelRecord(Struct, frozen=True, kw_only=True):
    """What the store has of a channel: its definition, which of its credentials' secrets are there, and what
    of it is set apart ("" is the whole channel)."""

    definition: ChannelDef
    stored: frozenset[str]
    apart: dict[str, ChannelState]


def load_channels(store: Store) -> list[ChannelRecord]:
    """All channels in the order in which they are tried. Raises ConfigurationError, StoreDown."""
    with store.read() as connection:
        channels = Configuration.of(read_definitions(connection)).channels.values()
        stored, states = all_stored_names(connection), read_states(connection)
    return [
        ChannelRecord(
            definition=one,
            stored=frozenset(credential for channel, credential in stored if channel == one.name),
            apart={name: state for (channel, name), state in states.items() if channel == one.name},
        )
        for one in sorted(channels, key=lambda one: (one.priority, one.name))
    ]


States = dict[str, tuple[CredentialState, str]]  # by credential: its state and why


def load_credential_states(store: Store) -> dict[str, States]:
    """The credentials that are set apart, by channel. Raises StoreDown."""
    states: dict[str, States] = {}
    with store.read() as connection:
        for (channel, credential), one in read_states(connection).items():
            if credential:
                states.setdefault(channel, {})[credential] = (_APART[one.state], one.reason)
    return states


_APART = {
    "enabled": CredentialState.IN,
    "out": CredentialState.OUT,
    "draining": CredentialState.DISABLED,
    "disabled": CredentialState.DISABLED,
}


def read_definitions(
    connection: Connection, *, unreadable: list[Problem] | None = None
) -> dict[tuple[Kind, str], Definition]:
    """All definitions. One that this version can't read raises ConfigurationError, or is left out and told
    in `unreadable`."""
    rows = connection.execute(select(configuration).order_by(configuration.c.kind, configuration.c.name))
    definitions: dict[tuple[Kind, str], Definition] = {}
    problems: list[Problem] = [] if unreadable is None else unreadable
    for kind, name, text, _ in rows:
        try:
            definitions[kind, name] = msgspec.json.decode(text, type=TYPES[kind])
        except KeyError:
            problems.append(Problem((kind, name), "unreadable"))
        except msgspec.ValidationError as error:
            wrong = explained(error, TYPES[kind], msgspec.json.decode(text), (kind, name))
            problems += [Problem((kind, name), "unreadable"), *wrong]
    if problems and unreadable is None:
        raise ConfigurationError(problems, source="the store's configuration")
    return definitions
