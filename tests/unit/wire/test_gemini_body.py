"""What the relay reads and changes in a Gemini request's JSON, and that nothing else moves."""

import pytest
from tests.unit.nesting import DEPTH

from posthouse.wire.gemini_body import REQUESTS_MAX, edit_gemini, peek_gemini
from posthouse.wire.json_edit import COMMAS_MAX, MEMBERS_MAX, BrokenBody


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents":[],"generationConfig":{"maxOutputTokens":7,"candidateCount":2},"serviceTier":"FLEX"}',
        b'{"generation_config":{"max_output_tokens":7,"candidate_count":2},"service_tier":"flex"}',
        b'{"generationConfig":{"max_output_tokens":7,"candidateCount":2},"service_tier":"flex","x":"\\ud800"}',
    ],
)
def test_reads_the_governed_fields_in_either_spelling(body: bytes) -> None:
    got = peek_gemini(body, stream=True)
    assert (got.stream, got.max_tokens, got.choices, got.service_tier) == (True, 7, 2, "flex")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"generationConfig":null,"model":null,"requests":null,"serviceTier":null}',
        b'{"generationConfig":{"maxOutputTokens":null,"candidateCount":0}}',
    ],
)
def test_absent_and_null_are_the_same(body: bytes) -> None:
    got = peek_gemini(body, stream=False)
    assert (got.stream, got.max_tokens, got.choices, got.service_tier) == (False, None, 1, None)


@pytest.mark.parametrize(
    ("body", "situation", "param"),
    [
        (b"{", "invalid_json", ""),
        (b"[]", "not_an_object", ""),
        (rb'{"a":"\ud800"', "invalid_json", ""),
        (rb'["\ud800"]', "not_an_object", ""),
        (b'{"a":' * DEPTH, "too_deep", ""),
        (b"{%b}" % b",".join(b'"a%d":1' % n for n in range(MEMBERS_MAX + 1)), "too_many_fields", ""),
        (b'{"generationConfig":[]}', "not_an_object", ""),
        (b'{"generationConfig":{"maxOutputTokens":"7"}}', "wrong_type", "maxOutputTokens"),
        (b'{"generationConfig":{"candidateCount":1.5}}', "wrong_type", "candidateCount"),
        (b'{"serviceTier":1}', "wrong_type", "serviceTier"),
        (b'{"model":1}', "wrong_type", "model"),
        (b'{"requests":{}}', "wrong_type", "requests"),
        (b'{"requests":[{"model":1}]}', "wrong_type", "model"),
        (b'{"requests":[{"model":"a","model":"b"}]}', "repeated_field", "model"),
        (b'{"generationConfig":{},"generation_config":{}}', "repeated_field", "generation_config"),
        (b'{"generationConfig":null,"generationConfig":{}}', "repeated_field", "generationConfig"),
        (
            b'{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}',
            "repeated_field",
            "max_output_tokens",
        ),
        (b'{"GenerationConfig":{}}', "ambiguous_field", "GenerationConfig"),
        (b'{"generationConfig":{"MaxOutputTokens":1}}', "ambiguous_field", "MaxOutputTokens"),
    ],
)
def test_refuses_what_can_not_be_governed(body: bytes, situation: str, param: str) -> None:
    with pytest.raises(BrokenBody) as caught:
        peek_gemini(body, stream=False)
    assert (caught.value.situation, caught.value.param) == (situation, param)


@pytest.mark.parametrize(
    "requests",
    [
        b"{}," * REQUESTS_MAX + b"{}",
        b"0," * (COMMAS_MAX + 1) + b"0",
    ],
)
def test_a_batch_is_no_longer_than_it_may_take_to_look_at_it(requests: bytes) -> None:
    with pytest.raises(BrokenBody) as broken:
        peek_gemini(b'{"requests":[' + requests + b"]}", stream=False)
    assert (broken.value.situation, broken.value.param) == ("too_many_elements", "requests")
    peek_gemini(b'{"requests":[' + b"{}," * (REQUESTS_MAX - 1) + b"{}]}", stream=False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents" : [{"parts":[{"text":"the \\"model\\""}]}] , "x":1e2}',
        b'{"model": "models/m", "caf\\u00e9":1}',
        b'{"requests":[{"model":"models/m"},{}],"x":"model"}',
        b'{"requests":null,"model":"models/m"}',
    ],
)
def test_what_need_not_change_stays(body: bytes) -> None:
    assert edit_gemini(body, "m") is body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{ "model" : "models/other" , "x": 1 }', b'{ "model" : "models/m" , "x": 1 }'),
        (b'{"\\u006dodel":"x"}', b'{"\\u006dodel":"models/m"}'),
        (
            b'{"requests": [ {"model":"models/m"}, { "model" : "x" }, {"content":{}} ] }',
            b'{"requests": [{"model":"models/m"},{ "model" : "models/m" },{"content":{}}] }',
        ),
    ],
)
def test_a_body_names_the_paths_model(body: bytes, expected: bytes) -> None:
    assert edit_gemini(body, "m") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"x":1}', b'{"generationConfig":{"maxOutputTokens":5},"x":1}'),
        (b'{"generation_config": null}', b'{"generation_config": {"maxOutputTokens":5}}'),
        (b'{"generationConfig": {"a" : 1}}', b'{"generationConfig": {"maxOutputTokens":5,"a" : 1}}'),
        (b'{"generationConfig":{"maxOutputTokens": 9 }}', b'{"generationConfig":{"maxOutputTokens": 5 }}'),
        (b'{"generation_config":{"max_output_tokens":9}}', b'{"generation_config":{"max_output_tokens":5}}'),
    ],
)
def test_caps_the_answer(body: bytes, expected: bytes) -> None:
    assert edit_gemini(body, "m", 5) == expected
