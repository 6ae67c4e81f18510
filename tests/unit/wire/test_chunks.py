"""Chunked framing of single pieces: what is taken as one chunk is what an HTTP parser reads as that."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.chunks import LAST_CHUNK, data_of_chunk, framed, unframed

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
SIZES = [1, 9, 15, 16, 17, 255, 256, 300, 4095, 4096, 70_000]


class Reader:
    """What llhttp makes of an answer: its body's data, and whether it is between two chunks."""

    def __init__(self) -> None:
        self.data = b""
        self.chunks = 0
        self.is_over = False

    def on_body(self, piece: bytes) -> None:
        self.data += piece

    def on_chunk_complete(self) -> None:
        self.chunks += 1

    def on_message_complete(self) -> None:
        self.is_over = True


def read(piece: bytes) -> Reader:
    reader = Reader()
    parser = httptools.HttpResponseParser(reader)
    parser.feed_data(HEAD)
    parser.feed_data(piece)
    return reader


@pytest.mark.parametrize("size", SIZES)
def test_a_parser_reads_what_is_framed(size: int) -> None:
    reader = read(framed(b"x" * size) + LAST_CHUNK)
    assert (reader.data, reader.is_over) == (b"x" * size, True)


@pytest.mark.parametrize("size", [size for size in SIZES if size < 4096])
def test_unframed_undoes_framed(size: int) -> None:
    assert unframed(framed(b"\n" * size)) == b"\n" * size


@pytest.mark.parametrize("size", SIZES)
def test_a_chunks_data(size: int) -> None:
    assert data_of_chunk(framed(b"\n" * size)) == b"\n" * size


@pytest.mark.parametrize(
    "piece",
    [
        b"",
        b"\r\n",
        LAST_CHUNK,
        b"5\r\nhello",
        b"5\r\nhello\r",
        b"5\r\nhello\n\n",
        b"5\r\nhello!!",
        b"6\r\nhello\r\n",
        b"4\r\nhello\r\n",
        b"05\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5;a=b\r\nhello\r\n",
        b"5\nhello\r\n",
        b"A\r\nhellohello\r\n",
        b"1\r\na\r\n1\r\na\r\n",
        framed(b"x" * 4096),
    ],
)
def test_anything_else_is_for_the_parser(piece: bytes) -> None:
    assert unframed(piece) is None


@given(st.binary(min_size=1, max_size=40))
def test_no_beginning_of_a_chunk_is_one(data: bytes) -> None:
    piece = framed(data)
    assert all(unframed(piece[:end]) is None for end in range(len(piece)))


@given(st.text("0123456789abc\r\nx;", max_size=24).map(str.encode))
def test_what_is_taken_as_a_chunk_a_parser_takes_as_that_one(piece: bytes) -> None:
    data = unframed(piece)
    if data is not None:
        reader = read(piece)
        assert (reader.data, reader.chunks, reader.is_over) == (data, 1, False)
