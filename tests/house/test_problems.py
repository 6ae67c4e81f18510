"""Whatever can't be done is told in both languages: each code, situation and kind that the source raises has
its sentence, filled by what is raised; and no sentence is left over."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import get_args

from pydantic_core.core_schema import ErrorType

import posthouse
from posthouse.catalogue.rules import KINDS
from posthouse.kernel.errors import words
from posthouse.kernel.problems import Declined, Texts, problem_rows, problem_table
from posthouse.limits.rules import Subject
from posthouse.relay import ask

SOURCE = Path(posthouse.__file__).parent
TREES = {
    str(path.relative_to(SOURCE)): ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))
}
# Of the calls that name a kind: which of their arguments it is.
KIND_AT = {"UnfitValue": 1, "PydanticCustomError": 0, "_known": 2, "_unknown": 1, "catalogue.Problem": 1}
# What the renderer itself adds, and what any other type of error is.
OWN_KINDS = {"", "at_line", "did_you_mean", *(f"unknown_{kind}" for kind in KINDS)}
# Filled by all that have a name that is not known.
FILLED_BY = {"_known": {"name"}, "_unknown": {"name"}}


for module in pkgutil.walk_packages(posthouse.__path__, "posthouse."):  # or a class may not be known yet
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)


def all_declined(kind: type[Declined] = Declined) -> Iterator[type[Declined]]:
    yield kind
    for below in kind.__subclasses__():
        yield from all_declined(below)


def fields_of(texts: Texts) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(texts["en"]) if name}


def calls(*names: str) -> Iterator[tuple[str, ast.Call, str]]:
    """Each call of one of these: where it stands, and its name, with the room where two rooms' are alike."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
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


def test_every_error_has_its_row_and_every_row_its_error() -> None:
    classes = {one.__name__: one for one in all_declined()}
    codes = {code for one in classes.values() if (code := getattr(one, "code", ""))}
    for where, call, _ in calls("Problem"):
        for part in ast.walk(call.args[0]):
            if isinstance(part, ast.Constant):
                assert fields_of(problem_rows()[part.value].detail) <= given(call), where
                codes.add(part.value)
    for where, call, name in calls(*classes):
        if classes[name].__init__ is Declined.__init__:
            row, situation = problem_rows()[classes[name].code], text_at(call, 0)
            texts = row.situations[situation] if situation else row.detail
            assert fields_of(texts) <= given(call), where
    # The API answers some of what its framework refuses by a table.
    written = {node.value for node in ast.walk(TREES["api/app.py"]) if isinstance(node, ast.Constant)}
    assert codes | (written & problem_rows().keys()) == problem_rows().keys()


def test_every_situation_is_raised() -> None:
    classes = {one.__name__: one for one in all_declined() if one.__init__ is Declined.__init__}
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
    written = {
        node.value
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert known.keys() <= {*get_args(ErrorType)} | OWN_KINDS | written


def test_what_fills_a_refusal_is_told_in_chinese_too() -> None:
    said = {*get_args(Subject), *ask._EXPECTED.values(), *ask._WHERE.values()}
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_bad_http", "Refusal"):
                of = [one.value for one in node.keywords if one.arg in ("expected", "reason", "where")]
                of += node.args if getattr(node.func, "id", "") == "_bad_http" else []
                texts = {str(one.value) for one in of if isinstance(one, ast.Constant)}
                said |= {one for one in texts if re.search("[a-z] [a-z]", one)}  # not "asc, desc"
    assert said <= words().keys(), said - words().keys()
    assert all(any("\u4e00" <= char <= "\u9fff" for char in one) for one in words().values())
