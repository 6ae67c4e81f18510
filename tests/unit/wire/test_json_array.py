"""An array cut into its elements, however it is split on its way."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.json_array import ArraySplitter, element_of
from posthouse.wire.sse import EventTooLarge

ARRAY = b'[{"a": "]}[{,\\"\\\\"}\n,\r\n{"b": [[1], {}]}\n]'
PIECES = [b'[{"a": "]}[{,\\"\\\\"}', b'\n,\r\n{"b": [[1], {}]}', b"\n]"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
elements = st.lists(st.dictionaries(st.text(), values, max_size=3), max_size=4)


def split(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = ArraySplitter()
    pieces = [piece for chunk in chunks for piece in splitter.feed(chunk)]
    return pieces, splitter.tail


def test_each_element_comes_with_what_stands_before_it() -> None:
    assert split([ARRAY]) == (PIECES, b"")
    assert [element_of(piece) for piece in PIECES] == [
        b'{"a": "]}[{,\\"\\\\"}',
        b'{"b": [[1], {}]}',
        None,
    ]


def test_every_byte_apart() -> None:
    assert split([ARRAY[at : at + 1] for at in range(len(ARRAY))]) == (PIECES, b"")


@given(elements, st.sampled_from([None, 1]), st.lists(st.integers(0, 200), max_size=6))
def test_any_splits_of_any_array_give_its_elements(
    given_elements: list[object], indent: int | None, cuts: list[int]
) -> None:
    array = json.dumps(given_elements, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    places = [0, *sorted(min(cut, len(array)) for cut in cuts), len(array)]
    pieces, tail = split([array[start:end] for start, end in pairwise(places)])
    assert b"".join(pieces) == array
    assert tail == b""
    found = [element for piece in pieces if (element := element_of(piece)) is not None]
    assert [json.loads(element.decode("utf-8", "surrogatepass")) for element in found] == given_elements


def test_what_is_not_whole_is_held_back() -> None:
    splitter = ArraySplitter()
    assert splitter.is_between
    assert splitter.feed(b'[{"a":1}, {"b"') == [b'[{"a":1}']
    assert not splitter.is_between
    assert splitter.tail == b', {"b"'


@pytest.mark.parametrize(
    ("chunk", "pieces"),
    [
        (b',\r\n{"b":{}}', [b',\r\n{"b":{}}']),
        (b',\r\n{"b":{}', []),
        (b',{"b":1},{"c":2}', [b',{"b":1}', b',{"c":2}']),
        (b",[1]", [b",[1]"]),
        (b"]", [b"]"]),
    ],
)
def test_after_the_first_element(chunk: bytes, pieces: list[bytes]) -> None:
    splitter = ArraySplitter()
    splitter.feed(b'[{"a":1}')
    assert splitter.feed(chunk) == pieces


@pytest.mark.parametrize("chunks", [[b'[{"a":"1234567"}'], [b'[{"a":', b'"1234567']])
def test_an_element_over_the_limit_is_refused(chunks: list[bytes]) -> None:
    splitter = ArraySplitter(event_bytes_max=10)
    with pytest.raises(EventTooLarge):
        [splitter.feed(chunk) for chunk in chunks]
