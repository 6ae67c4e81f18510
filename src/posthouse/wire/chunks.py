"""HTTP/1.1's chunked framing, for pieces that are one chunk: what nearly every event of a stream comes as.

Source: RFC 9112, 7.1. Whatever is framed in another way is the HTTP parser's to read.
"""

LAST_CHUNK = b"0\r\n\r\n"

# Chunks of fewer bytes have their size line ready; an event of text has some 300.
_READY_BYTES = 4096
_SIZE_LINES = tuple([b"%x\r\n" % size for size in range(_READY_BYTES)])
# By the length of a whole chunk the line that it begins with. A size line fixes the length, and no two lines
# fix the same.
_LINE_OF_LENGTH = {len(line) + size + 2: line for size, line in enumerate(_SIZE_LINES) if size}

line_of_length = _LINE_OF_LENGTH.get  # None: no chunk has this length in all, or its line is not ready


def size_line(size: int) -> bytes:
    """What stands before a chunk's data of that size."""
    return _SIZE_LINES[size] if size < _READY_BYTES else b"%x\r\n" % size


def framed(data: bytes) -> bytes:
    """The data, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def unframed(piece: bytes) -> bytes | None:
    """The data of a piece that is exactly one chunk as `framed` makes them, shorter than those that it has
    lines ready for; None when it may be anything else."""
    line = line_of_length(len(piece))
    if line is None:
        return None
    data = piece.removeprefix(line).removesuffix(b"\r\n")
    return data if len(data) + len(line) + 2 == len(piece) else None


def data_of_chunk(chunk: bytes) -> bytes:
    """The data of what is one chunk."""
    return chunk[chunk.index(b"\n") + 1 : -2]
