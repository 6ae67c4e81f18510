"""What an application of a configuration changes, for people to read before it does. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from posthouse.catalogue.errors import Path, dotted
from posthouse.catalogue.rules import SINGLE, TABLES, Definition, Kind

_HIDDEN = ("proxy", "headers")  # of a channel: they may hold a password


class FieldChange(Struct, frozen=True):
    """One field of a definition; None: it was, or is, left out."""

    field: str
    before: Any
    after: Any


class Change(Struct, frozen=True):
    """One definition that is added, removed or changed (and then in which fields)."""

    kind: Kind
    name: str
    action: Literal["add", "change", "remove"]
    fields: tuple[FieldChange, ...] = ()

    @property
    def path(self) -> Path:
        return (TABLES[self.kind],) if self.kind in SINGLE else (TABLES[self.kind], self.name)

    def __str__(self) -> str:
        sign = {"add": "+", "change": "~", "remove": "-"}[self.action]
        lines = [f"{sign} {dotted(self.path)}"]
        lines += [f"    {one.field}: {_text(one.before)} -> {_text(one.after)}" for one in self.fields]
        return "\n".join(lines)


def diff(
    before: Mapping[tuple[Kind, str], Definition], after: Mapping[tuple[Kind, str], Definition]
) -> list[Change]:
    """The changes that lead from one set of definitions to another, in the order of the file's tables."""
    order = list(TABLES)
    keys = sorted(before.keys() | after.keys(), key=lambda key: (order.index(key[0]), key[1]))
    return [change for key in keys if (change := _change(key, before.get(key), after.get(key)))]


def _change(key: tuple[Kind, str], before: Definition | None, after: Definition | None) -> Change | None:
    kind, name = key
    if before is None:
        return Change(kind, name, "add")
    if after is None:
        return Change(kind, name, "remove")
    fields = tuple(_fields(before, after))
    return Change(kind, name, "change", fields) if fields else None


def _fields(before: Definition, after: Definition) -> Iterator[FieldChange]:
    """A field that is left out is no other than one that says its default."""
    said: list[dict[str, Any]] = [msgspec.to_builtins(one) for one in (before, after)]
    for field in before.__struct_fields__:
        if _meant(getattr(before, field)) != _meant(getattr(after, field)):
            hidden = field in _HIDDEN
            yield FieldChange(field, *("(hidden)" if hidden else one.get(field) for one in said))


def _meant(value: Any) -> Any:
    """A value to compare: an amount is the same as number and as text, and the order of `multipliers` has a
    meaning, which == on dicts overlooks."""
    if isinstance(value, dict):
        return list(value.items())
    return str(value) if isinstance(value, int) else value


def _text(value: Any) -> str:
    return "(default)" if value is None else msgspec.json.encode(value).decode()
