"""Whatever can't be done is told in both languages: each code, situation and kind that the source raises has
its sentence, filled by what is raised; and no sentence is left over."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest
from pydantic_core.core_schema import ErrorType

import posthouse
from posthouse.catalogue.rules import KINDS
from posthouse.kernel.errors import words
from posthouse.kernel.problems import Declined, Texts, problem_rows, problem_table
from posthouse.limits.rules import Subject
from posthouse.relay import ask

SOURCE = Path(posthouse.__file__).parent
# Of the calls that name a kind: which of their arguments it is.
KIND_AT = {"UnfitValue": 1, "PydanticCustomError": 0, "_known": 2, "_unknown": 1, "catalogue.Problem": 1}
# What the renderer itself adds, and what any other type of error is.
OWN_KINDS = {"", "at_line", "did_you_mean", *(f"unknown_{kind}" for kind in KINDS)}
# Filled by all that have a name that is not known.
FILLED_BY = {"_known": {"name"}, "_unknown": {"name"}}


@cache
def parts() -> dict[str, list[ast.Call | ast.Constant]]:
    """Of each file what is looked at here."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        found[str(path.relative_to(SOURCE))] = [
            one for one in nodes if isinstance(one, ast.Call | ast.Constant)
        ]
    return found


def texts_of(nodes: Iterable[ast.AST]) -> set[str]:
    return {one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def all_declined(kind: type[Declined] = Declined) -> Iterator[type[Declined]]:
    yield kind
    for below in kind.__subclasses__():
        yield from all_declined(below)


def fields_of(texts: Texts) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(texts["en"]) if name}


def calls(*names: str) -> Iterator[tuple[str, ast.Call, str]]:
    """Each call of one of these: where it stands, and its name, with the room where two rooms' are alike."""
    for file, nodes in parts().items():
        for node in nodes:
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if name == "Problem" and file.startswith("catalogue/"):
                name = "catalogue.Problem"
            if isinstance(node, ast.Call) and name in names:
                yield f"{file}:{node.lineno}", node, name


def given(call: ast.Call) -> set[str]:
    """What a call fills a text with, by name: as keywords, or in a dictionary."""
    names = {one.arg or "**" for one in call.keywords}
    for argument in call.args:
        if isinstance(argument, ast.Dict):
            names |= {key.value for key in argument.keys if isinstance(key, ast.Constant)}
        elif isinstance(argument, ast.Name) and argument.id == "context":
            names.add("**")
    return names


def text_at(call: ast.Call, at: int) -> str | None:
    """The argument, where it is written out as it is."""
    found = call.args[at] if len(call.args) > at else None
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else None


def test_every_sentence_is_in_both_languages_with_the_same_fields() -> None:
    table = problem_table()
    texts = [*table.fields.values()]
    for row in table.problems:
        texts += [row.title, row.detail, *row.situations.values()]
    for one in texts:
        assert set(one) == {"en", "zh"}
        names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in one.values()]
        assert names[0] == names[1], one
        assert any("\u4e00" <= char <= "\u9fff" for char in one["zh"]), one
        assert one["en"].isascii(), one
    assert len(problem_rows()) == len(table.problems)


@pytest.fixture
def declined() -> dict[str, type[Declined]]:
    """All classes of it that there are, by name."""
    for module in pkgutil.walk_packages(posthouse.__path__, "posthouse."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {one.__name__: one for one in all_declined()}


def test_every_error_has_its_row_and_every_row_its_error(declined: dict[str, type[Declined]]) -> None:
    codes = {code for one in declined.values() if (code := getattr(one, "code", ""))}
    for where, call, _ in calls("Problem"):
        for part in ast.walk(call.args[0]):
            if isinstance(part, ast.Constant):
                assert fields_of(problem_rows()[part.value].detail) <= given(call), where
                codes.add(part.value)
    for where, call, name in calls(*declined):
        if declined[name].__init__ is Declined.__init__:
            row, situation = problem_rows()[declined[name].code], text_at(call, 0)
            texts = row.situations[situation] if situation else row.detail
            assert fields_of(texts) <= given(call), where
    # The API answers some of what its framework refuses by a table.
    written = texts_of(parts()["api/app.py"])
    assert codes | (written & problem_rows().keys()) == problem_rows().keys()


def test_every_situation_is_raised(declined: dict[str, type[Declined]]) -> None:
    classes = {name: one for name, one in declined.items() if one.__init__ is Declined.__init__}
    raised = {(classes[name].code, text_at(call, 0)) for _, call, name in calls(*classes) if call.args}
    assert raised == {(row.code, one) for row in problem_table().problems for one in row.situations}


def test_every_kind_has_its_words_and_all_words_their_kind() -> None:
    known = problem_table().fields
    for where, call, name in calls(*KIND_AT):
        kind = text_at(call, KIND_AT[name])
        if kind is None:
            continue
        assert kind in known, f"{where}: {kind}"
        filled = given(call) | FILLED_BY.get(name, set())
        assert "**" in filled or fields_of(known[kind]) <= filled, f"{where}: {kind}"
    written = set().union(*map(texts_of, parts().values()))
    assert known.keys() <= {*get_args(ErrorType)} | OWN_KINDS | written


def test_what_fills_a_refusal_is_told_in_chinese_too() -> None:
    said = {*get_args(Subject), *ask._EXPECTED.values(), *ask._WHERE.values()}
    for _, call, name in calls("_bad_http", "Refusal"):
        of = [one.value for one in call.keywords if one.arg in ("expected", "reason", "where")]
        of += call.args if name == "_bad_http" else []
        said |= {one for one in texts_of(of) if re.search("[a-z] [a-z]", one)}  # not "asc, desc"
    assert said <= words().keys(), said - words().keys()
    assert all(any("\u4e00" <= char <= "\u9fff" for char in one) for one in words().values())
