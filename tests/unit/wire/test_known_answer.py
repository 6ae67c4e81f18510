"""Which heads of answers are known again, and what of an answer is read by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.headers import answer_header_block
from posthouse.wire.known_answer import known_answer

OK = b"HTTP/1.1 200 OK\r\n"


def answer(*lines: bytes, body: bytes = b"{}", start: bytes = OK) -> bytes:
    return start + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


PLAIN = answer(
    *(b"Date: Sun, 22 Nov 2026 09:00:00 GMT", b"Content-Type: application/json", b"Content-Length: 2"),
    *(b"set-cookie: a", b"OpenAI-%s: 1", b"x-request-id: req_1", b"Connection: keep-alive"),
)


def test_the_next_answer_of_a_head_that_is_known_is_read() -> None:
    known = known_answer(PLAIN)
    assert known is not None
    nxt = PLAIN.replace(b"req_1", b"").replace(b"09:00", b"10:11").replace(b": 2\r\n", b": 3\r\n") + b" "
    assert known.read(nxt) is None  # an empty value
    whole = known.read(nxt.replace(b"id: ", b"id: other, longer"))
    assert whole is not None
    headers, block, body = whole
    assert [name for name, _ in headers] == [
        *(b"date", b"content-type", b"content-length", b"set-cookie", b"openai-%s", b"x-request-id"),
        b"connection",
    ]
    assert dict(headers)[b"date"] == b"Sun, 22 Nov 2026 10:11:00 GMT"
    assert block == answer_header_block(headers)
    assert block == b"content-type: application/json\r\nopenai-%s: 1\r\nx-request-id: other, longer\r\n"
    assert body == b"{} "


def test_one_header_may_be_all_that_the_caller_gets() -> None:
    raw = answer(b"content-type: text/plain", b"content-length: 2")
    known = known_answer(raw)
    assert known is not None
    assert known.read(raw) == (
        [(b"content-type", b"text/plain"), (b"content-length", b"2")],
        b"content-type: text/plain\r\n",
        b"{}",
    )


def test_of_an_answer_in_chunks_the_head_is_known() -> None:
    raw = answer(b"content-type: text/event-stream", b"Transfer-Encoding: chunked", body=b"")
    known = known_answer(raw)
    assert known is not None
    assert known.length is None
    read = known.read(raw.replace(b"chunked", b"Chunked") + b"5\r\nhello")
    assert read is not None
    assert read[1:] == (b"content-type: text/event-stream\r\n", b"5\r\nhello")
    assert known.read(raw.replace(b"chunked", b"gzip, chunked")) is None
    assert known.read(raw[:-1]) is None


def test_answers_of_the_same_names_are_known_by_one_head() -> None:
    assert known_answer(PLAIN) is known_answer(PLAIN.replace(b"req_1", b"req_2"))


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"content-type: a", b"content-length: 2", start=b"HTTP/1.1 201 Created\r\n"),
        answer(b"content-type: a", b"content-length: 2", start=b"HTTP/1.0 200 OK\r\n"),
        answer(b"content-type: a", b"content-length: 2", b"content-length: 2"),
        answer(b"content-type: a"),
        answer(b"content-type: a", b"transfer-encoding: chunked", b"transfer-encoding: chunked"),
        answer(b"content-type: a", b"content-length: 2", b"Transfer-Encoding: chunked"),
        answer(b"content-type: a", b"content-length: 2", b"Transfer-Encoding:chunked"),
        answer(b"content-type: a", b"content-length: 2", b"content-encoding: gzip"),
        answer(b"content-type: a", b"content-length: 2", b"proxy-connection: close"),
        answer(b"content-type: a", b"content-length: 2", b"upgrade: websocket"),
        answer(b"content-type: a", b"content-length: 2", *(b"x-%d: y" % n for n in range(63))),
        answer(b"content-length: 2", b"server: x"),
    ],
)
def test_what_is_not_plain_is_not_known(raw: bytes) -> None:
    assert known_answer(raw) is None


@pytest.mark.parametrize(
    ("found", "other"),
    [
        (b"200 OK", b"200 ok"),
        (b"200 OK", b"404 OK"),
        (b": 2\r\n", b": 02\r\n\r\n"),
        (b": 2\r\n", b": +2\r\n"),
        (b": 2\r\n", b": 1\r\n"),
        (b": 2\r\n", b": 3\r\n"),
        (b": 2\r\n", b": 0000000002\r\n"),
        (b"keep-alive", b"close"),
        (b"set-cookie: a", b"set-cookie:  a"),
        (b"set-cookie: a", b"set-cookie: a "),
        (b"set-cookie: a", b"set-cookie: a\tb"),
        (b"set-cookie: a", b"set-cookie: \xe9"),
        (b"set-cookie: a", b"set-cookie: a\n b"),
        (b"set-cookie: a", b"set-cookie: a\r\nset-cookie: b"),
        (b"set-cookie: a\r\n", b""),
        (b"Content-Type", b"content-type"),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_what_differs_in_more_than_values_is_not_read(found: bytes, other: bytes) -> None:
    known = known_answer(PLAIN)
    assert known is not None
    assert known.read(PLAIN) is not None
    assert known.read(PLAIN.replace(found, other)) is None


@given(st.binary(max_size=40))
def test_nothing_but_a_whole_answer_is_read(tail: bytes) -> None:
    known = known_answer(PLAIN)
    assert known is not None
    for at in range(len(PLAIN)):
        assert known.read(PLAIN[:at]) is None
    assert (known.read(PLAIN + tail) is None) is bool(tail)
