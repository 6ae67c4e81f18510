"""A piece that is one chunk passes the parser by: the answer is the same however chunks and pieces lie."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.upstream.wire import Taker, Wire, a_loop

from posthouse.wire.chunks import LAST_CHUNK, framed

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
FRAMINGS = {
    "plain": framed,
    "upper": lambda data: b"%X\r\n%b\r\n" % (len(data), data),
    "zeros": lambda data: b"%04x\r\n%b\r\n" % (len(data), data),
    "extended": lambda data: b"%x;a=b\r\n%b\r\n" % (len(data), data),
}
# Texts that look like framing, too.
datas = st.one_of(
    st.text("0123456789abc;\r\n", min_size=1, max_size=20).map(str.encode), st.binary(min_size=1)
)
chunks = st.lists(st.tuples(st.sampled_from(sorted(FRAMINGS)), datas), max_size=6)


@given(chunks, st.sets(st.integers(0, 400), max_size=5), st.booleans())
def test_chunks_come_out_the_same_however_they_are_cut(
    chunks: list[tuple[str, bytes]], cuts: set[int], by_chunk: bool
) -> None:
    """Cut at any bytes and, in half of all cases, between the chunks."""
    parts = [HEAD, *(FRAMINGS[name](data) for name, data in chunks), LAST_CHUNK]
    raw = b"".join(parts)
    ends = set(accumulate(map(len, parts))) if by_chunk else {len(HEAD), len(raw)}
    ends |= {len(HEAD) + cut for cut in cuts if len(HEAD) + cut < len(raw)}
    pieces = [raw[start:end] for start, end in pairwise([0, *sorted(ends)])]
    with a_loop() as loop:
        wire = Wire(loop)
        for _ in range(2):  # the second on the same connection
            exchange, taker = wire.ask(), Taker()
            wire.feed(pieces[:1])
            exchange.consume(taker)
            wire.feed(pieces[1:])
            assert b"".join(taker.pieces) == b"".join(data for _, data in chunks)
            assert taker.ends == [None]
            assert wire.seen().alive


def test_a_chunk_for_an_answer_that_names_its_length_is_its_text() -> None:
    text = framed(b"hello")
    with a_loop() as loop:
        wire, taker = Wire(loop), Taker()
        exchange = wire.ask()
        wire.feed([b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(text)])
        exchange.consume(taker)
        wire.feed([text])
    assert (taker.pieces, taker.ends) == ([text], [None])


@pytest.mark.parametrize(
    ("before", "text", "after"),
    [
        (b"a\r\n", b"5\r\nhello\r\n", b"\r\n"),  # within a chunk of 10
        (b"1", b"5\r\nhello\r\n", b"and fourteen..\r\n"),  # within the size line of one of 21
    ],
)
def test_a_chunk_where_none_begins_is_for_the_parser(before: bytes, text: bytes, after: bytes) -> None:
    with a_loop() as loop:
        wire, taker = Wire(loop), Taker()
        exchange = wire.ask()
        wire.feed([HEAD])
        exchange.consume(taker)
        wire.feed([b"2\r\nhi\r\n" + before, text, after + LAST_CHUNK])
    whole = text if before.endswith(b"\n") else b"hello\r\nand fourteen.."
    assert (b"".join(taker.pieces), taker.ends) == (b"hi" + whole, [None])
