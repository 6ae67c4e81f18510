"""What people are told when what they asked can't be done: in both languages, as data.

data/problems.json has a row for each problem, with {fields} in its texts; and what can be wrong with one
value, by kind: words that go on after the value's name. Rooms raise codes and kinds, without a word of either
language.

Declined          a row of the table, by `code`
├── Unknown       no such thing
└── UnfitValue    a value that can't be what it stands for; a ValueError too, so that msgspec names its place
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct

from posthouse.kernel.errors import Language, PosthouseError

Texts = dict[Language, str]


class ProblemRow(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of data/problems.json. `situations`: details that tell more than `detail` where it is known."""

    code: str
    status: int
    title: Texts
    detail: Texts
    situations: dict[str, Texts] = {}


class ProblemTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `fields`: what is wrong with a value, by kind, among them pydantic's types of error that
    there can be; "" is any other."""

    problems: list[ProblemRow]
    fields: dict[str, Texts]


class FieldError(Struct, frozen=True):
    """What is wrong with one value: "items.0.amount" (empty: with all of it), `kind` of the table's `fields`,
    and what fills it. `near` in the context is what may have been meant; `line` is of a file, 0: of none."""

    field: str
    kind: str
    context: Mapping[str, Any] = {}
    line: int = 0

    def message(self, language: Language) -> str:
        """What is wrong, without the field's name."""
        text = field_text(self.kind, self.context, language)
        return field_text("at_line", {"line": self.line, "text": text}, language) if self.line else text

    def told(self, language: Language) -> str:
        """What is wrong, with the field's name."""
        message = self.message(language)
        return f"{self.field}: {message}" if self.field else message


class Declined(PosthouseError):
    """What was asked can't be done. `situation` names a detail of the row, `fields` fill it. `errors` tell
    what is wrong with which value; `retry_after_s`: when to try again."""

    code: str
    situation = ""
    errors: tuple[FieldError, ...] = ()
    retry_after_s: float | None = None

    def __init__(self, situation: str = "", **fields: object) -> None:
        super().__init__()
        self.situation = situation or self.situation
        self.fields = fields

    def __str__(self) -> str:
        if self.errors:
            return self.detail("en")
        return f"{self.row.title['en']}. {self.detail('en')}"

    @property
    def row(self) -> ProblemRow:
        return problem_rows()[self.code]

    def detail(self, language: Language) -> str:
        """What is the matter, and what to do about it; of values at fault a line each."""
        if self.errors:
            return "\n".join(one.told(language) for one in self.errors)
        texts = self.row.situations[self.situation] if self.situation else self.row.detail
        return texts[language].format_map(self.fields)


class Unknown(Declined):
    """No such thing. Its name is for the command line alone: the API must not show whether it is there
    for another."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def __str__(self) -> str:
        return self._what


class UnfitValue(Declined, ValueError):
    """A value that can't be what it stands for. `field`: its name, with dots within; `kind` and `context` as
    in FieldError. What was given is no part of it where it may be a secret."""

    code = "invalid_request"

    def __init__(self, field: str, kind: str, **context: object) -> None:
        super().__init__()
        self.error = FieldError(field, kind, context)
        self.errors = (self.error,)

    def within(self, field: str) -> "UnfitValue":
        """The same of a value that has a name."""
        return UnfitValue(field, self.error.kind, **self.error.context)


def field_text(kind: str, context: Mapping[str, Any], language: Language) -> str:
    """The words for a kind, and what may have been meant instead."""
    fields = problem_table().fields
    text = fields.get(kind, fields[""])[language].format_map(_Context(context))
    return text + (
        field_text("did_you_mean", {"word": context["near"]}, language) if context.get("near") else ""
    )


@cache
def problem_table() -> ProblemTable:
    """data/problems.json."""
    text = (resources.files("posthouse") / "data" / "problems.json").read_bytes()
    return msgspec.json.decode(text, type=ProblemTable)


@cache
def problem_rows() -> dict[str, ProblemRow]:
    """Its rows by code."""
    return {row.code: row for row in problem_table().problems}


class _Context(dict[str, Any]):
    """Fills a text's {fields} as far as they are told: pydantic may leave one out."""

    def __missing__(self, key: str) -> str:
        return "…"
