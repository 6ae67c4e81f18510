import tomllib

import pytest

from posthouse.catalogue.errors import Path, dotted
from posthouse.catalogue.toml_lines import line_at, lines_of

TEXT = '''# 注释 [not.a.table]
name = "a # [b] = c"
note = """
[still.text]
x = 1
"""  # the end

[plans.free]
models = [
  "gpt-4*",  # one
  'o"1',
]
"quoted.key" = { a = 1.5, b = [1, { c = 2 }] }
at = 1979-05-27T07:32:00.999Z

[[plans.free.limits]]
requests = 60
[[plans.free.limits]]
tokens.each = 7
[plans.free.limits.inner]
z = \'\'\'
it\'s
\'\'\'
[models."gpt-3.5-turbo"]
price = { input = "0.01" }
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("note",), 3),
        (("plans",), 8),
        (("plans", "free"), 8),
        (("plans", "free", "models"), 9),
        (("plans", "free", "models", 0), 10),
        (("plans", "free", "models", 1), 11),
        (("plans", "free", "quoted.key", "a"), 13),
        (("plans", "free", "quoted.key", "b", 1, "c"), 13),
        (("plans", "free", "at"), 14),
        (("plans", "free", "limits"), 16),
        (("plans", "free", "limits", 0, "requests"), 17),
        (("plans", "free", "limits", 1), 18),
        (("plans", "free", "limits", 1, "tokens", "each"), 19),
        (("plans", "free", "limits", 1, "inner", "z"), 21),
        (("models", "gpt-3.5-turbo", "price", "input"), 25),
    ],
)
def test_each_value_is_found_on_its_line(path: Path, line: int) -> None:
    assert lines_of(TEXT)[path] == line


def test_every_value_that_tomllib_reads_has_a_line() -> None:
    def walk(value: object, path: Path = ()) -> set[Path]:
        found = {path} if path else set()
        if isinstance(value, dict):
            return found.union(*(walk(inner, (*path, key)) for key, inner in value.items()))
        if isinstance(value, list):
            return found.union(*(walk(inner, (*path, i)) for i, inner in enumerate(value)))
        return found

    assert walk(tomllib.loads(TEXT)) == set(lines_of(TEXT))


def test_what_the_file_lacks_is_placed_at_the_nearest_thing_it_has() -> None:
    lines = lines_of(TEXT)
    assert line_at(lines, ("plans", "free", "limits", 0, "tokens")) == 16
    assert line_at(lines, ("nothing", "here")) == 1


def test_a_path_reads_as_toml_writes_it() -> None:
    assert dotted(("models", "gpt-3.5-turbo", "price", 1, "input")) == 'models."gpt-3.5-turbo".price[1].input'
