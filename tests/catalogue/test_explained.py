"""Whatever a field of a definition can't be is told in words of its own."""

import typing
from collections.abc import Iterator

import msgspec
import pytest
from msgspec import Struct

from posthouse.catalogue.document import explained
from posthouse.catalogue.rules import TYPES

WRONG = [
    7,
    -7,
    1.5,
    10**30,
    "x",
    "",
    True,
    None,
    [],
    ["x"],
    [7],
    [[]],
    [{"name": 7}],
    {},
    {"x": 7},
    {"x": {}},
]


def structs(found: object) -> Iterator[type[Struct]]:
    """The struct, or those in a type, and all that are in their fields."""
    if isinstance(found, type) and issubclass(found, Struct):
        yield found
        for field in typing.get_type_hints(found, include_extras=True).values():
            yield from structs(field)
    for one in typing.get_args(found):
        yield from structs(one)


@pytest.mark.parametrize(
    "struct", sorted({*structs(typing.Union[*TYPES.values()])}, key=lambda one: one.__name__)
)
def test_each_wrong_value_has_its_words(struct: type[Struct]) -> None:
    told = []
    for field in struct.__struct_fields__:
        for wrong in WRONG:
            try:
                msgspec.convert({field: wrong}, struct, strict=False)
            except msgspec.ValidationError as error:
                told += [(field, wrong, one.kind) for one in explained(error, struct, {field: wrong}, ())]
    assert told
    assert not [one for one in told if not one[2]]
