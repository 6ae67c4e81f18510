"""Changes of the configuration as functions from definitions to definitions: what `service` writes, and what
a preview looks at. Pure.

An edit raises ConfigurationError where it can't be made of these definitions, and ChangedMeanwhile where they
are not the ones that the caller has seen (`seen`: a version; None: whatever they are).
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from posthouse.catalogue.document import Document, define
from posthouse.catalogue.errors import ChangedMeanwhile, ConfigurationError, Problem
from posthouse.catalogue.masking import restored
from posthouse.catalogue.price_import import PriceImport, imported
from posthouse.catalogue.rules import TABLES, Configuration, Definition, Kind

Definitions = dict[tuple[Kind, str], Definition]
Edit = Callable[[Definitions], Definitions]

VERSION_CHARS = 16  # of a SHA-256: no two states of one definition share them by chance


def version_of(definition: Definition | None) -> str:
    """Names a state of a definition; empty where there is none."""
    if definition is None:
        return ""
    return hashlib.sha256(msgspec.json.encode(definition)).hexdigest()[:VERSION_CHARS]


def version_of_all(definitions: Definitions) -> str:
    """Names a state of the whole configuration."""
    versions = {f"{kind}:{name}": version_of(one) for (kind, name), one in definitions.items()}
    return hashlib.sha256(msgspec.json.encode(versions, order="sorted")).hexdigest()[:VERSION_CHARS]


def putting(kind: Kind, name: str, fields: Mapping[str, Any], *, seen: str | None = None) -> Edit:
    """Add or replace one definition."""
    definition = define(kind, name, fields, (TABLES[kind], name))

    def edit(before: Definitions) -> Definitions:
        stored = _seen(before, kind, name, seen)
        return {**before, (kind, name): restored(definition, stored)}

    return edit


def removing(kind: Kind, name: str, *, seen: str | None = None) -> Edit:
    """Take one definition out."""

    def edit(before: Definitions) -> Definitions:
        if _seen(before, kind, name, seen) is None:
            raise ConfigurationError([Problem((TABLES[kind],), f"unknown_{kind}", {"name": name})])
        return {key: one for key, one in before.items() if key != (kind, name)}

    return edit


def applying(document: Document, *, seen: str | None = None) -> Edit:
    """Make the kinds that a file speaks of what it says; the others stay."""

    def edit(before: Definitions) -> Definitions:
        _check_all(before, seen)
        after = {key: one for key, one in before.items() if key[0] not in document.kinds}
        try:
            return after | {key: restored(one, before.get(key)) for key, one in document.definitions.items()}
        except ConfigurationError as error:
            raise document.error([*error.problems]) from None

    return edit


def importing(wanted: PriceImport, *, seen: str | None = None) -> Edit:
    """Take prices of the official list."""

    def edit(before: Definitions) -> Definitions:
        _check_all(before, seen)
        return before | imported(Configuration.of(before), wanted)

    return edit


def _seen(before: Definitions, kind: Kind, name: str, seen: str | None) -> Definition | None:
    stored = before.get((kind, name))
    if seen is not None and seen != version_of(stored):
        raise ChangedMeanwhile
    return stored


def _check_all(before: Definitions, seen: str | None) -> None:
    if seen is not None and seen != version_of_all(before):
        raise ChangedMeanwhile
