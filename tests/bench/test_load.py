"""The check behind "no chunk lost, order kept"."""

import pytest
from bench.load import Target, WrongAnswer, check_stream

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def answer(*marks: str, done: bool = True, end: bool = True) -> bytes:
    events = [f"data: {mark}\n\n".encode() for mark in marks] + [b"data: [DONE]\n\n"] * done
    return HEAD + b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n" * end


@pytest.mark.parametrize(
    ("raw", "chunks", "faults"),
    [
        (answer("#7-0#", "#7-1#", "#7-2#"), 3, 0),
        (answer("#7-0#", "#7-1#"), 2, 1),
        (answer("#7-0#", "#7-2#", "#7-1#"), 3, 2),
        (answer("#7-0#", "#7-1#", "#7-1#", "#7-2#"), 4, 2),
        (answer("#7-0#", "#8-1#", "#7-2#"), 3, 1),
        (answer("#7-0#", "#7-1#", "#7-2#", done=False), 3, 1),
        (answer("#7-0#", "#7-1#", "#7-2#", end=False), 3, 1),
    ],
    ids=["whole", "lost", "out of order", "doubled", "foreign", "not done", "cut"],
)
def test_each_fault_of_a_stream_is_counted(raw: bytes, chunks: int, faults: int) -> None:
    assert check_stream(raw, 7, 3) == (chunks, faults)


def test_event_split_over_two_http_chunks_is_one() -> None:
    raw = HEAD + b"b\r\ndata: #7-0#\r\n10\r\n\n\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    assert check_stream(raw, 7, 1) == (1, 0)


def test_refusal_is_no_stream() -> None:
    with pytest.raises(WrongAnswer, match="429"):
        check_stream(b"HTTP/1.1 429 Too Many Requests\r\n\r\n{}", 7, 3)


def test_request_has_a_body_of_one_kilobyte() -> None:
    head, _, body = Target(1, headers=(("a", "b"),)).request("pace=20 ", stream=True).partition(b"\r\n\r\n")
    assert len(body) == 1024
    assert b"content-length: 1024\r\n" in head
    assert head.endswith(b"\r\na: b")
