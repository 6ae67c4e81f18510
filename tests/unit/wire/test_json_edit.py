"""What the relay reads and changes in a request's JSON, and that nothing else moves."""

import json
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tests.unit.nesting import DEPTH

from posthouse.wire import json_edit
from posthouse.wire.json_edit import (
    GOVERNED,
    MEMBERS_MAX,
    BrokenBody,
    Peek,
    edit,
    normalise,
    peek,
    reshape,
    value_of,
)


def peek_of(**fields: object) -> Peek:
    return peek(json.dumps(fields).encode())[0]


def repeats(body: bytes) -> bool:
    return peek(body)[1]


def test_reads_the_governed_fields() -> None:
    got = peek_of(
        model="gpt-4o",
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=5,
        max_completion_tokens=6,
        max_output_tokens=7,
        n=2,
        best_of=3,
        service_tier="flex",
        prediction={"type": "content"},
        web_search_options={},
        messages=[{"role": "user", "content": "hi"}],
    )
    assert (got.model, got.stream, got.service_tier) == ("gpt-4o", True, "flex")
    assert (got.max_tokens, got.max_completion_tokens, got.choices) == (5, 6, 3)
    assert got.stream_options is not None
    assert got.stream_options.include_usage
    assert got.has_prediction
    assert not got.stores


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(sorted(GOVERNED))], ids=["absent", "null"])
def test_absent_and_null_are_the_same(empty: dict[str, None]) -> None:
    got = peek_of(**empty)
    assert (got.model, got.stream, got.stream_options, got.choices) == (None, None, None, 1)
    assert (got.max_tokens, got.max_completion_tokens, got.service_tier) == (None, None, None)
    assert not any((got.has_prediction, got.stores))


def test_limits_are_as_given_and_fewer_than_one_answer_is_one() -> None:
    got = peek_of(max_tokens=-1, n=0, best_of=-3)
    assert (got.max_tokens, got.choices) == (-1, 1)
    assert peek_of(max_tokens=0).max_tokens == 0


def test_big_integers_are_read_exactly() -> None:
    assert peek_of(max_tokens=123456789012345678901234567890).max_tokens == 123456789012345678901234567890


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("text", 1),
        ([1, 2, 3], 1),
        (["a", "b"], 2),
        ([[1, 2], [3]], 2),
        ([], 1),
        (["a", 1, "b"], 2),
        (None, 1),
    ],
)
def test_counts_prompts(prompt: object, prompts: int) -> None:
    assert peek_of(prompt=prompt, n=3).choices == 3 * prompts


def test_prompts_nested_too_deeply_to_be_counted_are_as_many_as_they_may_be() -> None:
    """As where they were read there may have been more of the stack left than where they are counted."""
    nested = b"[" * DEPTH + b"]" * DEPTH
    assert Peek(prompt=Raw(b"[%b,%b]" % (nested, nested))).choices == 2


def test_very_many_prompts_are_never_counted_short() -> None:
    assert peek_of(prompt=["a,b"] * 20_000).choices >= 20_000


@pytest.mark.parametrize(
    ("body", "situation", "param"),
    [
        (b"", "invalid_json", ""),
        (b"{", "invalid_json", ""),
        (b'{"model":"a"}x', "invalid_json", ""),
        (b'{"model":NaN}', "invalid_json", ""),
        (b'{"model":"\xff"}', "invalid_json", ""),
        (b'{"\xff":1}', "invalid_json", ""),
        (b'{"x":"\\ud800","y":}', "invalid_json", ""),
        (b"[]", "not_an_object", ""),
        (b'"model"', "not_an_object", ""),
        (b'{"model":1}', "wrong_type", "model"),
        (b'{"stream":"true"}', "wrong_type", "stream"),
        (b'{"stream":1}', "wrong_type", "stream"),
        (b'{"n":"3"}', "wrong_type", "n"),
        (b'{"n":1.0}', "wrong_type", "n"),
        (b'{"max_tokens":1e2}', "wrong_type", "max_tokens"),
        (b'{"stream_options":{"include_usage":1}}', "wrong_type", "stream_options"),
        (b'{"stream_options":[]}', "wrong_type", "stream_options"),
        (b'{"Model":"a"}', "ambiguous_field", "Model"),
        (b'{"model":"a","MAX_TOKENS":1}', "ambiguous_field", "MAX_TOKENS"),
        ('{"model":"a","ſtream":true}'.encode(), "ambiguous_field", "ſtream"),
        (b'{"model":"a","max_to\\u212aens":1}', "ambiguous_field", "max_to\u212aens"),
        (b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}", "too_deep", ""),
    ],
)
def test_refuses(body: bytes, situation: str, param: str) -> None:
    with pytest.raises(BrokenBody) as caught:
        peek(body)
    assert (caught.value.situation, caught.value.param) == (situation, param)


@pytest.mark.parametrize("filler", ["", "x" * 100_000], ids=["small", "large"])
def test_refuses_a_key_in_another_case_in_a_body_of_any_size(filler: str) -> None:
    with pytest.raises(BrokenBody, match="ambiguous_field"):
        peek(json.dumps({"a": filler, "Stream": True}).encode())


@pytest.mark.parametrize("filler", ["", "x" * 100_000], ids=["small", "large"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_refuses_very_many_members(filler: str, separators: tuple[str, str]) -> None:
    members: dict[str, object] = {"a": filler, **{f"k{i}": 1 for i in range(MEMBERS_MAX - 1)}}
    body = json.dumps(members, separators=separators).encode()
    assert peek(body)[0].model is None
    assert edit(edit(body, {"model": b"1"}), {"k7": b"2"}).startswith(b'{"model":1,')
    for more in (1, MEMBERS_MAX):
        members.update({f"more{i}": 1 for i in range(more)})
        with pytest.raises(BrokenBody, match="too_many_fields"):
            peek(json.dumps(members, separators=separators).encode())


def test_accepts_lone_surrogates_and_leaves_them_alone() -> None:
    body = rb'{"\udc00":1,"model":"m","messages":"\ud83d \ud83d\ude00 \ude00","n":2}'
    assert peek(body)[0].n == 2
    assert edit(body, {"n": b"3"}) == body.replace(b'"n":2', b'"n":3')


@pytest.mark.parametrize(
    ("body", "normal"),
    [
        (b'{"n":1,"n":2}', b'{"n":2}'),
        (b'{"n":1,"x":[1,{"n":9}],"n":2}', b'{"x":[1,{"n":9}],"n":2}'),
        (b'{"a":1,"n":1 , "n" : 2 }', b'{"a":1,"n" : 2 }'),
        (rb'{"m\u006fdel":"a","x":0,"model":"b"}', b'{"x":0,"model":"b"}'),
        (rb'{"model":"a","x":0,"m\u006fdel":"b"}', rb'{"x":0,"m\u006fdel":"b"}'),
        (b'{"x":1,"x":2,"stream":true,"stream":false,"x":3}', b'{"x":1,"x":2,"stream":false,"x":3}'),
    ],
)
def test_normalises_repeated_governed_fields_only(body: bytes, normal: bytes) -> None:
    assert repeats(body)
    assert normalise(body) == normal
    assert not repeats(normal)
    assert json.loads(normal) == json.loads(body)


def test_a_repeated_member_is_found_in_a_large_body_too() -> None:
    body = b'{"n":1,"x":"' + b"x" * 100_000 + b'","n":2}'
    assert repeats(body)
    assert normalise(body) == body.replace(b'"n":1,', b"")


def test_nothing_to_normalise_changes_nothing() -> None:
    body = b' {"x":1,"x":2,"model":"a"} '
    assert not repeats(body)
    assert normalise(body) == body


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b"{}", b'{"n":7}'),
        (b" { } ", b' {"n":7 } '),
        (b'{"a":1}', b'{"n":7,"a":1}'),
        (b'{"n":1}', b'{"n":7}'),
        (b'{"n": null }', b'{"n": 7 }'),
        (b'{"a":{"n":1},"n":{"n":2}}', b'{"a":{"n":1},"n":7}'),
        (b'{"n":1,"n":2}', b'{"n":7,"n":7}'),
        (rb'{"\u006e":1}', rb'{"\u006e":7}'),
        (rb'{"a":"\u0065"}', rb'{"n":7,"a":"\u0065"}'),
        (b'{"a":"n","b":"\\"n\\":1"}', b'{"n":7,"a":"n","b":"\\"n\\":1"}'),
        (b'{"n":"a\\\\","b":"]}"}', b'{"n":7,"b":"]}"}'),
        (b'{"n":[[],{"a":"]"}] ,"b":1}', b'{"n":7 ,"b":1}'),
    ],
)
def test_edits_in_place_else_first(body: bytes, edited: bytes) -> None:
    assert edit(body, {"n": b"7"}) == edited


def test_edits_several_and_nothing() -> None:
    body = b'{"model":"a","n":1}'
    assert edit(body, {"model": b'"b"', "stream": b"true"}) == b'{"stream":true,"model":"b","n":1}'
    assert edit(body, {}) == body


@pytest.mark.parametrize(
    ("body", "reshaped"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b' { "x" : 1 } ', b" {  } "),
        (b'{"x":1,"a":2}', b'{"a":2}'),
        (b'{"a":1, "x":2 ,\n"b":3}', b'{"a":1 ,\n"b":3}'),
        (b'{"a":1,"x":2,"x":3}', b'{"a":1}'),
        (b'{"a":{"x":1},"x":{"a":1}}', b'{"a":{"x":1}}'),
        (rb'{"\u0078":1,"a":2}', rb'{"a":2}'),
        (b'{"a":"x"}', b'{"a":"x"}'),
        (b'{"old" : 1}', b'{"new" : 1}'),
        (rb'{"\u006fld":1}', b'{"new":1}'),
        (b'{"old":1,"new":2}', b'{"new":2}'),
        (b'{"new":2,"old":"\\"","a":3}', b'{"new":2,"a":3}'),
    ],
)
def test_drops_and_renames(body: bytes, reshaped: bytes) -> None:
    assert reshape(body, ("x",), {"old": "new"}) == reshaped


def test_a_nesting_that_peek_refuses_is_refused_by_the_others() -> None:
    deep = b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b',"n":1}'
    with pytest.raises(BrokenBody, match="too_deep"):
        edit(deep, {"n": b"2"})
    with pytest.raises(BrokenBody, match="too_deep"):
        reshape(deep, ("n",), {})


def test_msgspec_says_where_a_value_ends() -> None:
    """The scanner rests on the text of msgspec's error; this is what fails first should it change."""
    body = b'{"a":[1,2]  ,"n":1}'
    assert json_edit._value_end(body, memoryview(body), 5) == 10


keys = st.sampled_from([*sorted(GOVERNED - {"stream_options", "prompt"}), "messages", "x", "日本", 'q"\\'])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | keys, inner, max_size=3)
    ),
    max_leaves=8,
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


def spell(text: str, escape_at: int) -> str:
    """A JSON string with one of its characters as an escape."""
    plain = json.dumps(text)
    if not text or not text[escape_at % len(text)].isalnum():
        return plain
    at = escape_at % len(text)
    unit = text[at]
    return json.dumps(text[:at])[:-1] + f"\\u{ord(unit):04x}" + json.dumps(text[at + 1 :])[1:]


class Spelled(NamedTuple):
    """A JSON object as written: raw keys and values, and what stands between them."""

    members: list[tuple[str, str]]
    comma: str
    colon: str

    def text(self) -> bytes:
        return ("{" + self.comma.join(self.colon.join(member) for member in self.members) + "}").encode()


@st.composite
def spelled_objects(draw: st.DrawFn) -> Spelled:
    comma, colon = draw(SEPARATORS)
    ascii_only = draw(st.booleans())
    members = []
    for key, value in draw(st.lists(st.tuples(keys, values), max_size=8)):
        raw = spell(key, draw(st.integers(0, 9))) if draw(st.booleans()) else json.dumps(key)
        members.append((raw, json.dumps(value, ensure_ascii=ascii_only, separators=(comma, colon))))
    return Spelled(members, comma, colon)


def refusal_or_peek(body: bytes) -> BrokenBody | tuple[Peek, bool]:
    try:
        return peek(body)
    except BrokenBody as refused:
        return refused


@given(spelled_objects())
def test_peek_agrees_with_json_loads(given_object: Spelled) -> None:
    body = given_object.text()
    expected = json.loads(body)
    names = [json.loads(key) for key, _ in given_object.members if json.loads(key) in GOVERNED]
    answer = refusal_or_peek(body)
    if isinstance(answer, BrokenBody):
        assert answer.situation == "wrong_type"
        assert answer.param in names
        return
    got, is_repeated = answer
    assert got.model == expected.get("model")
    assert got.stream == expected.get("stream")
    assert got.n == expected.get("n")
    assert is_repeated is (len(names) > len(set(names)))
    normal = normalise(body)
    assert json.loads(normal) == expected
    assert not repeats(normal)


@given(spelled_objects(), st.sampled_from(["model", "n", "stream_options", "x"]))
def test_edit_leaves_every_other_byte(given_object: Spelled, key: str) -> None:
    members = [(raw, "[7]" if json.loads(raw) == key else value) for raw, value in given_object.members]
    expected = given_object._replace(members=members).text()
    if members == given_object.members and not any(json.loads(raw) == key for raw, _ in members):
        expected = b'{"' + key.encode() + b'":[7]' + (b"," if members else b"") + given_object.text()[1:]
    assert edit(given_object.text(), {key: b"[7]"}) == expected


@given(spelled_objects(), st.sampled_from(["model", "n", "stream_options", "x"]))
def test_value_of_is_the_last_ones_bytes(given_object: Spelled, key: str) -> None:
    values = [value for raw, value in given_object.members if json.loads(raw) == key]
    assert value_of(given_object.text(), key) == (values[-1].encode() if values else b"")


@given(spelled_objects())
def test_normalise_cuts_out_whole_members_only(given_object: Spelled) -> None:
    names = [json.loads(raw) for raw, _ in given_object.members]
    kept = [
        member
        for index, member in enumerate(given_object.members)
        if names[index] not in GOVERNED or names[index] not in names[index + 1 :]
    ]
    assert normalise(given_object.text()) == given_object._replace(members=kept).text()


@given(spelled_objects(), st.sets(keys, max_size=3), st.sampled_from([{}, {"x": "y"}, {"messages": "model"}]))
def test_reshape_leaves_every_other_byte(
    given_object: Spelled, drop: set[str], rename: dict[str, str]
) -> None:
    names = {json.loads(raw) for raw, _ in given_object.members}
    members = []
    for raw, value in given_object.members:
        new = rename.get(json.loads(raw))
        if json.loads(raw) not in drop and new not in names:
            members.append((raw if new is None else json.dumps(new), value))
    assert reshape(given_object.text(), drop, rename) == given_object._replace(members=members).text()
