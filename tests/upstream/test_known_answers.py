"""An answer whose head is known from one before comes to what the parser makes of it, whatever it is."""

import pytest
from tests.upstream.wire import Seen, Wire, a_loop, answer_of

from posthouse.upstream.client import LEARNED_MAX
from posthouse.upstream.connection import Exchange

HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 09:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"x-request-id: req_1\r\nConnection: keep-alive\r\nContent-Length: 7\r\n\r\n"
)
BODY = b'{"a":1}'
RAW = HEAD + BODY
CHUNKED = HEAD.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked") + b"7\r\n%b\r\n0\r\n\r\n" % BODY
INSERTED = (b"\r", b"\n", b"\r\n", b" ", b"\t", b"\x00", b"0", b":", b"\xe9", b"HTTP/1.1 200 OK\r\n\r\n")


def after_one_like_it(pieces: list[bytes], answer_bytes_max: int = 1_000_000) -> Seen:
    """What an answer comes to on a connection that has brought RAW and CHUNKED before."""
    with a_loop() as loop:
        wire = Wire(loop)
        for raw in (RAW, CHUNKED):
            wire.ask()
            wire.feed([raw])
        assert len(wire.origin.known) == 2
        wire.ask(answer_bytes_max)
        wire.feed(pieces)
        return wire.seen()


def test_it_is_not_parsed() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        wire.ask()
        wire.feed([RAW])
        wire.connection._parser = None  # one is made when there is something to parse
        exchange = wire.ask()
        wire.feed([RAW])
        assert wire.connection._parser is None
        assert wire.seen() == answer_of([RAW])
        assert exchange.header_block == b"content-type: application/json\r\nx-request-id: req_1\r\n"


def test_of_one_in_chunks_the_head_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    other = CHUNKED.replace(b"req_1", b"req_2")
    parsed = answer_of([other])
    with a_loop() as loop:
        wire = Wire(loop)
        wire.ask()
        wire.feed([CHUNKED])
        monkeypatch.setattr(Exchange, "on_head", None)
        exchange = wire.ask()
        wire.feed([other])
        assert wire.seen() == parsed
        assert exchange.header_block == b"content-type: application/json\r\nx-request-id: req_2\r\n"


@pytest.mark.parametrize("sound", [RAW, CHUNKED], ids=["of a length", "in chunks"])
def test_however_it_is_cut(sound: bytes) -> None:
    for at in range(len(sound) + 1):
        assert after_one_like_it([sound[:at], sound[at:]]) == answer_of([sound])


@pytest.mark.parametrize("sound", [RAW, CHUNKED], ids=["of a length", "in chunks"])
def test_with_anything_put_into_it(sound: bytes) -> None:
    for at in range(len(sound) + 1):
        for inserted in INSERTED:
            raw = sound[:at] + inserted + sound[at:]
            assert after_one_like_it([raw]) == answer_of([raw]), raw


@pytest.mark.parametrize("sound", [RAW, CHUNKED], ids=["of a length", "in chunks"])
def test_with_any_byte_left_out_or_another_in_its_place(sound: bytes) -> None:
    for at in range(len(sound)):
        for other in (b"", b" ", b"\r", b"\n", b"9", b"\x7f"):
            raw = sound[:at] + other + sound[at + 1 :]
            assert after_one_like_it([raw]) == answer_of([raw]), raw


def test_too_large_an_answer_is_none() -> None:
    assert after_one_like_it([RAW], answer_bytes_max=6) == answer_of([RAW], answer_bytes_max=6)


def test_a_connection_whose_request_is_not_out_is_not_used_again() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        for unsent_bytes in (0, 1):
            wire.ask()
            wire.transport.unsent_bytes = unsent_bytes
            wire.feed([RAW])
            assert wire.seen().alive is (unsent_bytes == 0)


def test_beside_answers_in_chunks() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n%b\r\n0\r\n\r\n" % BODY
    with a_loop() as loop:
        wire = Wire(loop)
        for raw in (RAW, chunked, RAW, RAW, chunked, RAW):
            wire.ask()
            wire.feed([raw])
            assert wire.seen() == answer_of([raw])
            assert not wire.connection._is_between_chunks


def test_the_latest_heads_are_known() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        for number in [*range(6), 5]:
            wire.ask()
            wire.feed([RAW.replace(b"x-request-id", b"x-%d" % number)])
        assert [known.names[2] for known in wire.origin.known] == [b"x-5", b"x-4", b"x-3", b"x-2"]


def test_answers_that_are_all_different_are_not_learned_for_ever() -> None:
    with a_loop() as loop:
        wire = Wire(loop)
        for number in range(LEARNED_MAX + 1):
            wire.ask()
            wire.feed([RAW.replace(b"x-request-id", b"x-%d" % number)])
        assert wire.origin.known[0].names[2] == b"x-%d" % (LEARNED_MAX - 1)


def test_errors_do_not_use_up_what_may_be_learned() -> None:
    error = RAW.replace(b"200 OK", b"500 Internal Server Error")
    with a_loop() as loop:
        wire = Wire(loop)
        for _ in range(LEARNED_MAX):
            wire.ask()
            wire.feed([error])
        wire.ask()
        wire.feed([RAW])
        assert len(wire.origin.known) == 1
