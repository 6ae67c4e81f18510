"""Reads an operator's TOML file into definitions, and says on which line anything is wrong."""

import re
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from posthouse.catalogue.errors import ConfigurationError, Path, Problem
from posthouse.catalogue.rules import FILLED, SINGLE, TABLES, TYPES, VARIABLE, Definition, Kind, nearest
from posthouse.catalogue.sealed import SITE, Name
from posthouse.catalogue.site import GITHUB, MAIL, OIDC
from posthouse.catalogue.toml_lines import line_at, lines_of
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import SecretText
from posthouse.routing.channels import DEFAULT_CREDENTIAL, is_header_text

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_AT = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_ANY = "*"
SECRET_CHARS_MAX = 1000  # longer than any provider's, short enough to be no file
_UNKNOWN = "Object contains unknown field "
_MISSING = re.compile(r"Object missing required field `(.*)`")
_ENUM = re.compile(r"Invalid enum value '(.*)'")
_EXPECTED = re.compile(r"Expected `([^`]*)`")
_BOUND = re.compile(r"Expected `\w+` (>=|<=|>|<) (.*)")
_BOUNDS = {
    ">=": ("greater_than_equal", "ge"),
    "<=": ("less_than_equal", "le"),
    ">": ("greater_than", "gt"),
    "<": ("less_than", "lt"),
}
# What msgspec would have had, and what to say of it.
_TYPES = {
    frozenset(types): kind
    for *types, kind in (
        ("str", "string_type"),
        ("int", "int_type"),
        ("float", "float_type"),
        ("bool", "bool_type"),
        ("array", "list_type"),
        ("object", "table"),
        ("int", "str", "amount"),
        ("str", "array", "text_or_list"),
        ("array", "object", "table_or_list"),
    )
}
# What tomllib says, and what to say of it; the first that fits.
_TOML_KINDS = (
    ("Expected ']", "toml_header"),
    ("Expected '='", "toml_equals"),
    ("Expected newline", "toml_newline"),
    ("Invalid statement", "toml_equals"),
    ("Invalid initial character", "toml_key"),
    ("character", "toml_character"),
    ("Unclosed", "toml_unclosed"),
    ("Unterminated", "toml_unterminated"),
    ("Unescaped", "toml_escape"),
    ("Invalid hex value", "toml_escape"),
    ("Invalid date", "toml_value"),
    ("Invalid value", "toml_value"),
    ("Cannot", "toml_twice"),
    ("Duplicate", "toml_twice"),
)


class Document(Struct, frozen=True, kw_only=True):
    """A file's definitions by kind and name; the secrets of its channels and of the site by name; `kinds` are
    those that the file speaks of at all."""

    source: str
    kinds: frozenset[Kind]
    definitions: dict[tuple[Kind, str], Definition]
    credentials: dict[Name, SecretText]
    lines: dict[Path, int]

    def error(self, problems: list[Problem]) -> ConfigurationError:
        """The problems as an error that names their lines."""
        return ConfigurationError([_placed(one, self.lines) for one in problems], source=self.source)


def read_document(text: str, *, source: str, environment: Mapping[str, str]) -> Document:
    """Definitions of a TOML text; `${NAME}` in channels and in the site stands for a variable of the
    environment, `$${NAME}` for that text itself. Raises ConfigurationError with everything that is wrong with
    single definitions."""
    tables, lines = _parse(text, source)
    problems: list[Problem] = []
    definitions: dict[tuple[Kind, str], Definition] = {}
    credentials: dict[Name, SecretText] = {}
    for kind, name, path, table in _entries(tables, problems):
        try:
            if kind in FILLED:
                table = _filled(table, environment, path)
                taken = _credentials(name, table, path) if kind == "channel" else _site_secrets(table, path)
                credentials |= taken
            definitions[kind, name] = define(kind, name, table, path)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError([_placed(one, lines) for one in problems], source=source)
    kinds = frozenset(kind for kind, table_name in TABLES.items() if table_name in tables)
    return Document(source=source, kinds=kinds, definitions=definitions, credentials=credentials, lines=lines)


def define(kind: Kind, name: str, fields: Mapping[str, Any], path: Path = ()) -> Definition:
    """The definition that the fields make; a number may be text, and "null" is none. Raises
    ConfigurationError; its paths begin with `path`."""
    struct = TYPES[kind]
    if kind == "channel":
        fields = {**fields, "name": name}
    try:
        return msgspec.convert(fields, struct, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(explained(error, struct, fields, path)) from None


def _parse(text: str, source: str) -> tuple[dict[str, Any], dict[Path, int]]:
    try:
        return tomllib.loads(text, parse_float=str), lines_of(text)  # 0.01 stays what was written
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        kind = next((kind for words, kind in _TOML_KINDS if words in str(error)), "toml")
        raise ConfigurationError([Problem((), kind, line=line)], source=source) from None


def _entries(
    tables: dict[str, Any], problems: list[Problem]
) -> Iterator[tuple[Kind, str, Path, dict[str, Any]]]:
    """Each definition of the file: kind, name, path, fields. What can be none goes to the problems."""
    kinds = {table_name: kind for kind, table_name in TABLES.items()}
    for table_name, table in tables.items():
        kind = kinds.get(table_name)
        if kind is None:
            problems.append(_unknown((table_name,), "unknown_table", table_name, kinds))
            continue
        named = {kind: table} if kind in SINGLE else table
        if not isinstance(named, dict):
            problems.append(Problem((table_name,), "table_of_tables"))
            continue
        for name, fields in named.items():
            path: Path = (table_name,) if kind in SINGLE else (table_name, name)
            if isinstance(fields, dict):
                yield kind, name, path, fields
            else:
                problems.append(Problem(path, "table"))


def _filled(table: dict[str, Any], environment: Mapping[str, str], path: Path) -> dict[str, Any]:
    """The table with every `${NAME}` in its texts replaced."""
    missing: list[Problem] = []

    def fill(value: Any, at: Path) -> Any:
        if isinstance(value, dict):
            return {key: fill(inner, (*at, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner, (*at, i)) for i, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        missing.extend(
            Problem(at, "variable_missing", {"name": name})
            for escape, name in VARIABLE.findall(value)
            if not escape and name not in environment
        )
        return VARIABLE.sub(lambda one: one[0][1:] if one[1] else environment.get(one[2], ""), value)

    filled: dict[str, Any] = fill(table, path)
    if missing:
        raise ConfigurationError(missing)
    return filled


def _credentials(name: str, table: dict[str, Any], path: Path) -> dict[Name, SecretText]:
    """Take the credentials out of a channel's table: they are never part of a definition."""
    listed = table.get("credentials", [])
    if "credential" in table and listed:
        raise ConfigurationError([Problem((*path, "credential"), "two_credentials")])
    found = _taken((name, DEFAULT_CREDENTIAL), table, path)
    for i, one in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(one, dict):
            found |= _taken((name, str(one.get("name"))), one, (*path, "credentials", i))
    return found


def _taken(name: Name, table: dict[str, Any], path: Path) -> dict[Name, SecretText]:
    if "credential" not in table:
        return {}
    credential = table.pop("credential")
    if not isinstance(credential, str) or not is_header_text(credential):
        raise ConfigurationError([Problem((*path, "credential"), "ascii")])
    return {name: SecretText(credential)}


def _site_secrets(table: dict[str, Any], path: Path) -> dict[Name, SecretText]:
    """Take the secrets out of the site's table."""
    mail, sign_in = table.get("mail"), table.get("sign_in")
    found = _site_secret(MAIL, "password", mail, (*path, "mail"))
    found |= _site_secret(GITHUB, "github_client_secret", sign_in, (*path, "sign_in"))
    listed = sign_in.get("oidc") if isinstance(sign_in, dict) else None
    for i, one in enumerate(listed if isinstance(listed, list) else ()):
        name = OIDC + str(one.get("name") if isinstance(one, dict) else "")
        found |= _site_secret(name, "client_secret", one, (*path, "sign_in", "oidc", i))
    return found


def _site_secret(name: str, field: str, table: Any, path: Path) -> dict[Name, SecretText]:
    if not isinstance(table, dict) or field not in table:
        return {}
    secret = table.pop(field)
    if not is_secret(secret):
        raise ConfigurationError([Problem((*path, field), "secret")])
    return {(SITE, name): SecretText(secret)}


def is_secret(text: object) -> bool:
    """Whether it can be one of the site's secrets."""
    return isinstance(text, str) and text.isprintable() and 0 < len(text) <= SECRET_CHARS_MAX


def _placed(problem: Problem, lines: dict[Path, int]) -> Problem:
    path = (*problem.path, problem.key) if problem.key else problem.path
    return msgspec.structs.replace(problem, line=line_at(lines, path))


def explained(
    error: msgspec.ValidationError, struct: type[Struct], fields: Mapping[str, Any], path: Path
) -> list[Problem]:
    """What is wrong with a definition that is at `path`, with what may have been meant: all fields that no
    table has, and what else msgspec found first."""
    unknown = [*_unknown_fields(struct, fields, path)]
    return unknown if str(error).startswith(_UNKNOWN) else [*unknown, _explained(error, struct, path)]


def _unknown_fields(found: Any, value: Any, path: Path) -> Iterator[Problem]:
    """Those of all tables in the value at `path`, which is to be of a type."""
    is_union = typing.get_origin(found) in (typing.Union, types.UnionType)
    for one in typing.get_args(found) if is_union else (found,):
        origin, inner = typing.get_origin(one), typing.get_args(one)
        if origin is tuple and isinstance(value, list):
            for i, element in enumerate(value):
                yield from _unknown_fields(inner[0], element, (*path, i))
        elif origin is dict and isinstance(value, dict):
            for name, member in value.items():
                yield from _unknown_fields(inner[1], member, (*path, name))
        elif isinstance(one, type) and issubclass(one, Struct) and isinstance(value, Mapping):
            known, hints = one.__struct_fields__, typing.get_type_hints(one)
            for name, member in value.items():
                if name in known:
                    yield from _unknown_fields(hints[name], member, (*path, name))
                else:
                    yield _unknown(path, "unknown_field", name, known, key=name)


def _explained(error: msgspec.ValidationError, struct: type[Struct], path: Path) -> Problem:
    message = str(error)
    place = _AT.search(message)
    inner = _parts(place[1]) if place else ()
    at, message = (*path, *inner), _AT.sub("", message)
    if isinstance(error.__cause__, UnfitValue):
        return Problem.of(error.__cause__, at)
    if missing := _MISSING.fullmatch(message):
        return Problem(at, "field_missing", {"name": missing[1]})
    if value := _ENUM.fullmatch(message):
        known = _choices(_type_at(struct, inner))
        return _unknown(at, "none_of", value[1], known, expected=", ".join(known))
    if bound := _BOUND.fullmatch(message):
        kind, name = _BOUNDS[bound[1]]
        return Problem(at, kind, {name: bound[2]})
    expected = _EXPECTED.match(message)
    return Problem(at, _TYPES.get(frozenset(expected[1].split(" | ")) - {"null"}, "") if expected else "")


def _unknown(
    path: Path, kind: str, name: str, known: Iterable[str], key: str = "", **context: str
) -> Problem:
    """A name that is none of the known ones."""
    return Problem(path, kind, {"name": name, "near": nearest(name, known), **context}, key=key)


def _parts(place: str) -> Path:
    """msgspec's `.limits[0].requests` as a path; it does not tell names of the operator's own: `[...]`."""
    parts = re.findall(r"\[(\d+|\.\.\.)\]|\.([^.\[]+)", place)
    return tuple(name or (_ANY if index == "..." else int(index)) for index, name in parts)


def _type_at(struct: type[Struct], inner: Path) -> Any:
    """The type of the value at a path within a definition."""
    found: Any = struct
    for part in inner:
        if part == _ANY:
            found = typing.get_args(found)[1]
        elif isinstance(part, str):
            found = typing.get_type_hints(_a_struct(found), include_extras=True)[part]
        else:
            found = next(
                typing.get_args(one)[0]
                for one in (found, *typing.get_args(found))
                if typing.get_origin(one) is tuple
            )
    return found


def _a_struct(found: Any) -> type[Struct]:
    """The struct among the types that a value may have."""
    return next(
        one for one in (found, *typing.get_args(found)) if isinstance(one, type) and issubclass(one, Struct)
    )


def _choices(found: Any) -> tuple[str, ...]:
    """The texts that a value may be."""
    if typing.get_origin(found) is typing.Literal:
        return typing.get_args(found)
    return tuple(dict.fromkeys(choice for one in typing.get_args(found) for choice in _choices(one)))
