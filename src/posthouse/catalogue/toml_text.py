"""Writes definitions as the TOML file that `document` reads: what is read is what was written. Pure.

Secrets are never in it: credentials are no part of a definition, and what of a definition may hold one is
masked (see `masking`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from posthouse.catalogue.errors import Path
from posthouse.catalogue.masking import masked
from posthouse.catalogue.rules import FILLED, SINGLE, TABLES, VARIABLE, Definition, Kind

LINE_CHARS_MAX = 110  # what is longer gets a table, or lines, of its own

_HEAD = """\
# Posthouse's configuration, as `posthouse apply` reads it. Credentials and other secrets are not in it: they
# stay as they are where it is applied. "(kept)" stands for what is not shown.
"""
_ONE_LINE: frozenset[Kind] = frozenset(("family", "model"))  # many small ones: a line each, if it is enough
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(definitions: Mapping[tuple[Kind, str], Definition]) -> str:
    """The whole file, the kinds in the order of its tables. A kind of which there is nothing has an empty
    table: applied elsewhere, it takes away what is there."""
    blocks = [_HEAD.rstrip()]
    for kind, table in TABLES.items():
        named = {name: one for (of, name), one in definitions.items() if of == kind}
        if kind in SINGLE:
            blocks += [definition_text(kind, name, one).rstrip() for name, one in named.items()]
        else:
            blocks.append("\n".join(_named(kind, table, named)).strip())
    return "\n\n".join(blocks) + "\n"


def definition_text(kind: Kind, name: str, definition: Definition) -> str:
    """One definition under its own header."""
    path = (TABLES[kind],) if kind in SINGLE else (TABLES[kind], name)
    return "\n".join(_table(path, _fields(kind, definition))).strip() + "\n"


def _named(kind: Kind, table: str, named: Mapping[str, Definition]) -> Iterator[str]:
    """The table of a kind: first the definitions that a line is enough for."""
    fields = {name: _fields(kind, one) for name, one in named.items()}
    lines = {name: f"{_key(name)} = {_inline(one)}" for name, one in fields.items()}
    short = {name for name, line in lines.items() if kind in _ONE_LINE and len(line) <= LINE_CHARS_MAX}
    if short or not named:
        yield f"[{table}]"
        yield from (lines[name] for name in fields if name in short)
    for name, one in fields.items():
        if name not in short:
            yield from _table((table, name), one)


def _fields(kind: Kind, definition: Definition) -> dict[str, Any]:
    """What a definition says beside its header, as plain values."""
    fields: dict[str, Any] = msgspec.to_builtins(masked(definition))
    if kind == "channel":
        del fields["name"]
    return _unfilled(fields) if kind in FILLED else fields


def _unfilled(value: Any) -> Any:
    """With no text in it that would be taken for a variable: its "$" is doubled."""
    if isinstance(value, dict):
        return {name: _unfilled(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_unfilled, value)]
    return VARIABLE.sub(r"$\g<0>", value) if isinstance(value, str) else value


def _table(path: Path, fields: Mapping[str, Any]) -> Iterator[str]:
    """A table's header, its values, then its tables: TOML would take values after those for theirs."""
    yield ""
    yield f"[{'.'.join(_key(str(part)) for part in path)}]"
    tables: dict[str, Any] = {}
    for name, value in fields.items():
        line = f"{_key(name)} = {_inline(value)}"
        if len(line) <= LINE_CHARS_MAX or not isinstance(value, dict | list | tuple):
            yield line
        elif isinstance(value, dict):
            tables[name] = value
        else:
            yield from (f"{_key(name)} = [", *(f"  {_inline(one)}," for one in value), "]")
    for name, value in tables.items():
        yield from _table((*path, name), value)


def _inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(name)} = {_inline(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return '"null"'  # TOML has no word for it; this one is read as none (document.define)
    return repr(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    """A basic string: JSON's escapes are TOML's too, but for DEL and what JSON spells in two halves."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
