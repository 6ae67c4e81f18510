import pytest

from posthouse.relay.values import RelayRequest
from posthouse.server.heads import HEAD_BYTES_MAX, HEADS_MAX, KnownHeads, head_of, known_head

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
        HEAD.replace(b"12", b"12 "),
        HEAD.replace(
            b"Host: a\r\n", b"Host: a\n"
        ),  # a parser may take it, and an empty line of that kind too
        HEAD.replace(b"\r\n", b"\n") + b"\r\n\r\n",
    ],
)
def test_a_head_that_can_not_be_known_again(raw: bytes) -> None:
    assert known_head(head_of(raw), REQUEST) is None


def test_the_heads_of_all_callers_are_found_until_they_are_forgotten() -> None:
    heads = KnownHeads()
    other = HEAD.replace(b"x: 1", b"x: 2")
    for head in (HEAD, other):
        known = heads.learn(head_of(head), REQUEST)
        assert known is not None
        again = head.replace(b"12", b"5") + b"hello\r\n\r\n"
        assert heads.find(again) == (known, *(known.read(again) or ()))
    for data in (
        *(b"", HEAD[:-1], b"x" + HEAD, HEAD.replace(b"x: 1", b"x: 3"), HEAD.replace(b"C", b"c")),
        *(HEAD.replace(b"12", digits) for digits in (b"", b"1x", b"12345678901")),
    ):
        assert heads.find(data) is None
    heads.forget()
    assert heads.find(HEAD) is None


def test_no_long_heads_and_not_too_many_are_kept() -> None:
    heads = KnownHeads()
    long = HEAD.replace(b"x: 1", b"x: " + b"1" * HEAD_BYTES_MAX)
    assert heads.learn(long, REQUEST) is not None
    assert heads.find(long) is None
    many = [HEAD.replace(b"x: 1", b"x: %d" % number) for number in range(HEADS_MAX + 1)]
    for head in many:
        heads.learn(head, REQUEST)
    assert [head for head in many if heads.find(head) is not None] == many[-1:]
