import pytest

from posthouse.relay.values import RelayRequest
from posthouse.server.heads import head_of, known_head

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nx: 1\r\n\r\n"
REQUEST = RelayRequest("req_1", "POST", "/v1/x", "", {}, "192.0.2.1", b"hash", 0, 0.0)


def read(data: bytes) -> tuple[bytes, bytes] | None:
    known = known_head(head_of(HEAD + b"hello"), REQUEST)
    assert known is not None
    return known.read(data)


@pytest.mark.parametrize("digits", [b"12", b"0", b"7", b"1234567890"])
def test_the_same_head_with_another_length_is_known(digits: bytes) -> None:
    again = HEAD.replace(b"12", digits)
    assert read(again) == (digits, b"")
    assert read(again + b"body\r\n\r\n") == (digits, b"body\r\n\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD[:-1],
        HEAD[:50],
        HEAD.replace(b"12", b""),
        HEAD.replace(b"12", b"1x"),
        HEAD.replace(b"12", b" 12"),
        HEAD.replace(b"12", b"12345678901"),
        HEAD.replace(b"12", "¹²".encode()),
        HEAD.replace(b"x: 1", b"x: 2"),
        HEAD.replace(b"/v1/x", b"/v1/y"),
        HEAD.replace(b"Content", b"content"),
        b"\r\n" + HEAD,
    ],
)
def test_any_other_head_is_not(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize(
    "raw",
    [
        HEAD.replace(b"Content-Length: 12\r\n", b""),
        HEAD.replace(b"Content-Length: 12", b"x: content-length: 12"),
        HEAD.replace(
            b"Host: a\r\n", b"Host: a\n"
        ),  # a parser may take it, and an empty line of that kind too
        HEAD.replace(b"\r\n", b"\n") + b"\r\n\r\n",
    ],
)
def test_a_head_that_can_not_be_known_again(raw: bytes) -> None:
    assert known_head(head_of(raw), REQUEST) is None
