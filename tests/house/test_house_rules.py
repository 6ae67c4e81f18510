"""Rules of the house that ruff and mypy don't know."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.kernel.errors import RelayCode, error_table

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
ALL = sorted(path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))

_SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no cover)")
_WITH_REASON = re.compile(
    r"#\s*(?:noqa:\s*\w+(?:,\s*\w+)*|type:\s*ignore\[[\w, -]+\]|pragma:\s*no cover)[\s:#]+\S+ \S+"
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_what_silences_a_checker_says_why() -> None:
    without = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in ALL
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if _SUPPRESSION.search(line) and path != Path(__file__) and not _WITH_REASON.search(line)
    ]
    assert without == []


def nanos_values(tree: ast.AST) -> Iterator[tuple[int, ast.AST]]:
    """Everything that is given to a name ending in `nanos`: by assignment or as an argument."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            targets = [node.target]
        elif isinstance(node, ast.keyword) and (node.arg or "").endswith("nanos"):
            yield node.value.lineno, node.value
        for target in targets:
            name = getattr(target, "id", getattr(target, "attr", ""))
            value = getattr(node, "value", None)
            if name.endswith("nanos") and value is not None:
                yield target.lineno, value


def is_float(node: ast.AST) -> bool:
    """Whether an expression divides truly, or has a float in it."""
    for part in ast.walk(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div):
            return True
        if isinstance(part, ast.Constant) and isinstance(part.value, float):
            return True
        if isinstance(part, ast.Name) and part.id == "float":
            return True
    return False


def test_money_is_never_a_float() -> None:
    floats = [
        f"{name_of(path)}:{line}"
        for path in SOURCES
        for line, value in nanos_values(ast.parse(path.read_text("utf-8")))
        if is_float(value)
    ]
    assert floats == []


@pytest.mark.parametrize(
    ("line", "floats"),
    [
        ("a_nanos = b / 2", True),
        ("self.nanos += 1.5", True),
        ("f(c_nanos=float(x))", True),
        ("d_nanos = 7 // 2", False),
        ("timeout_s = 1.5", False),
    ],
)
def test_a_float_near_money_is_found(line: str, floats: bool) -> None:
    assert any(is_float(value) for _, value in nanos_values(ast.parse(line))) is floats


def refusals(tree: ast.AST) -> Iterator[tuple[ast.Call, RelayCode, str]]:
    """Each `Refusal(RelayCode.NAME, "situation", …)` whose code and situation are written out."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal" and node.args):
            continue
        code, situation = node.args[0], node.args[1] if len(node.args) > 1 else ast.Constant("default")
        for keyword in node.keywords:
            situation = keyword.value if keyword.arg == "situation" else situation
        if (
            isinstance(code, ast.Attribute)
            and isinstance(situation, ast.Constant)
            and getattr(code.value, "id", "") == "RelayCode"
        ):
            yield node, RelayCode[code.attr], str(situation.value)


def fault_of(call: ast.Call, code: RelayCode, situation: str) -> str:
    messages = error_table()[code].messages
    if situation not in messages:
        return f"{code.name} has no situation {situation!r}"
    given = {keyword.arg for keyword in call.keywords}
    needed = {field for _, field, _, _ in string.Formatter().parse(messages[situation]["en"]) if field}
    # None: **fields, which can't be read here
    return "" if None in given or needed <= given else f"{code.name} {situation} needs {needed - given}"


def test_each_refusal_has_its_text_and_fills_it() -> None:
    found = [
        (f"{name_of(path)}:{refusal[0].lineno}", fault_of(*refusal))
        for path in SOURCES
        for refusal in refusals(ast.parse(path.read_text("utf-8")))
    ]
    assert len(found) > 20
    assert [one for one in found if one[1]] == []
