"""Reads an operator's TOML file into definitions, and says on which line anything is wrong."""

import re
import tomllib
import typing
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from posthouse.catalogue.errors import ConfigurationError, Path, Problem
from posthouse.catalogue.rules import FILLED, SINGLE, TABLES, TYPES, VARIABLE, Definition, Kind, did_you_mean
from posthouse.catalogue.sealed import SITE, Name
from posthouse.catalogue.site import GITHUB, MAIL, OIDC
from posthouse.catalogue.toml_lines import line_at, lines_of
from posthouse.kernel.secrets import SecretText
from posthouse.routing.channels import DEFAULT_CREDENTIAL, is_header_text

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_AT = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_FIELD = re.compile(r"([a-z_0-9]+(?:\.[^ :]+)?): ")
_ANY = "*"
SECRET_CHARS_MAX = 1000  # longer than any provider's, short enough to be no file
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_ENUM = re.compile(r"Invalid enum value '(.*)'")


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
    """The definition that the fields make. Raises ConfigurationError; its paths begin with `path`."""
    struct = TYPES[kind]
    if kind == "channel":
        fields = {**fields, "name": name}
    try:
        return msgspec.convert(fields, struct, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError([_explained(str(error), struct, path)]) from None


def _parse(text: str, source: str) -> tuple[dict[str, Any], dict[Path, int]]:
    try:
        return tomllib.loads(text, parse_float=str), lines_of(text)  # 0.01 stays what was written
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        message = _TOML_PLACE.sub("", str(error))
        raise ConfigurationError([Problem((), f"not TOML: {message}", line)], source=source) from None


def _entries(
    tables: dict[str, Any], problems: list[Problem]
) -> typing.Iterator[tuple[Kind, str, Path, dict[str, Any]]]:
    """Each definition of the file: kind, name, path, fields. What can be none goes to the problems."""
    kinds = {table_name: kind for kind, table_name in TABLES.items()}
    for table_name, table in tables.items():
        kind = kinds.get(table_name)
        if kind is None:
            problems.append(Problem((table_name,), "unknown table" + did_you_mean(table_name, kinds)))
            continue
        named = {kind: table} if kind in SINGLE else table
        if not isinstance(named, dict):
            problems.append(Problem((table_name,), "must be a table of tables"))
            continue
        for name, fields in named.items():
            path: Path = (table_name,) if kind in SINGLE else (table_name, name)
            if isinstance(fields, dict):
                yield kind, name, path, fields
            else:
                problems.append(Problem(path, "must be a table"))


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
            Problem(at, f"the environment variable {name} is not set")
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
        raise ConfigurationError([Problem((*path, "credential"), "has `credentials` too; keep one of them")])
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
        raise ConfigurationError([Problem((*path, "credential"), "must be printable ASCII text")])
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
        raise ConfigurationError([Problem((*path, field), "must be printable text, and not empty")])
    return {(SITE, name): SecretText(secret)}


def is_secret(text: object) -> bool:
    """Whether it can be one of the site's secrets."""
    return isinstance(text, str) and text.isprintable() and 0 < len(text) <= SECRET_CHARS_MAX


def _placed(problem: Problem, lines: dict[Path, int]) -> Problem:
    path = (*problem.path, problem.key) if problem.key else problem.path
    return Problem(problem.path, problem.message, line_at(lines, path))


def _explained(message: str, struct: type[Struct], path: Path) -> Problem:
    """msgspec's message in our words, with what may have been meant."""
    place = _AT.search(message)
    inner = _parts(place[1]) if place else ()
    message = _AT.sub("", message)
    if unknown := _UNKNOWN.fullmatch(message):
        known = _a_struct(_type_at(struct, inner)).__struct_fields__
        hint = did_you_mean(unknown[1], known)
        return Problem((*path, *inner), f"unknown field {unknown[1]!r}{hint}", key=unknown[1])
    if missing := _MISSING.fullmatch(message):
        return Problem((*path, *inner), f"{missing[1]!r} is missing")
    if value := _ENUM.fullmatch(message):
        known = _choices(_type_at(struct, inner))
        return Problem(
            (*path, *inner), f"{value[1]!r} is none of {', '.join(known)}{did_you_mean(value[1], known)}"
        )
    if field := _FIELD.match(message):
        return Problem((*path, *inner, *field[1].split(".", 1)), message[field.end() :])
    return Problem((*path, *inner), message[:1].lower() + message[1:].replace("`", ""))


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
