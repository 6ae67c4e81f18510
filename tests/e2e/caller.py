"""A caller on a bare socket: sends any bytes, well-formed or not, and tells exactly what came back."""

import contextlib
import json
import re
import socket
import struct
from types import TracebackType
from typing import Any, Self

import msgspec

TIMEOUT_S = 30.0  # what takes longer hangs
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHAT = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say hello"}]}'


class Reply(msgspec.Struct, frozen=True):
    """One answer. `whole`: its framing says that this is all of it."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def relay_code(self) -> int:
        """Of an error in OpenAI's envelope; checks that it is one, with a text for people."""
        error = self.json["error"]
        assert error.keys() == {"message", "type", "param", "code", "relay_code"}
        assert len(error["message"]) > 20
        assert not re.search(r"\{\w+\}", error["message"]), "a field of the text is not filled in"
        return int(error["relay_code"])

    @property
    def events(self) -> list[bytes]:
        """The data of a stream's events."""
        return [part.removeprefix(b"data: ") for part in self.body.split(b"\n\n") if part]


class Caller:
    """One connection."""

    def __init__(self, port: int, *, timeout_s: float = TIMEOUT_S, receive_buffer: int = 0) -> None:
        self.received = bytearray()
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(timeout_s)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> Self:
        """Send all of it, or what the other side takes before it closes."""
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)
        return self

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Hang up with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def read_until(self, mark: bytes) -> bytes:
        """All that came, once `mark` has; AssertionError when the connection ends without it."""
        while mark not in self.received:
            assert self._more(), self.received[-300:]
        return bytes(self.received)

    def read_all(self) -> bytes:
        """All that comes until the connection ends; TimeoutError when it stays open."""
        while self._more():
            pass
        return bytes(self.received)

    def read_reply(self, method: str = "GET") -> Reply:
        """The next whole answer, taken off what was received; AssertionError when the connection ends
        before."""
        while (parsed := parse_reply(bytes(self.received), method)) is None or not parsed[0].whole:
            assert self._more(), self.received[-300:]
        reply, rest = parsed
        self.received = bytearray(rest)
        return reply

    def replies(self, method: str = "GET") -> list[Reply]:
        """All answers until the connection ends, the last one perhaps broken off."""
        rest = self.read_all()
        found = []
        while (parsed := parse_reply(rest, method)) is not None:
            reply, rest = parsed
            found.append(reply)
        assert not rest, rest[-300:]
        return found

    def _more(self) -> bool:
        try:
            data = self._socket.recv(1 << 20)
        except ConnectionError:
            return False
        self.received += data
        return bool(data)


def request(
    key: str,
    body: bytes = CHAT,
    *headers: str,
    method: str = "POST",
    target: str = "/v1/chat/completions",
    version: str = "HTTP/1.1",
) -> bytes:
    """A request as a well-behaved client sends it; `headers` are lines that come on top. No key: no
    Authorization header."""
    lines = [f"{method} {target} {version}", "host: relay.example", *headers]
    if key:
        lines.append(f"authorization: Bearer {key}")
    if method == "POST":
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    else:
        body = b""
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*pieces: bytes) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def parse_reply(data: bytes, method: str = "GET") -> tuple[Reply, bytes] | None:
    """The first answer in the bytes and what follows it; None while its head is not all there. 100 Continue
    is skipped."""
    data = data.removeprefix(CONTINUE)
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, status, _ = status_line.split(" ", 2)
    assert version == "HTTP/1.1"
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        assert colon, line
        assert name not in headers or name == "set-cookie", f"{name} stands twice"
        headers[name] = value
    if headers.get("transfer-encoding") == "chunked":
        body, rest, whole = _unchunk(rest)
    elif "content-length" in headers:
        size = 0 if method == "HEAD" else int(headers["content-length"])
        body, rest, whole = rest[:size], rest[size:], len(rest) >= size
    elif status == "204":
        body, whole = b"", True
    else:
        body, rest, whole = rest, b"", False  # until the connection ends
    return Reply(int(status), headers, body, whole), rest


def _unchunk(data: bytes) -> tuple[bytes, bytes, bool]:
    pieces = []
    at = 0
    while (line_end := data.find(b"\r\n", at)) >= 0:
        begin = line_end + 2
        size = int(data[at:line_end], 16)
        at = begin + size + 2
        pieces.append(data[begin : begin + size])
        if len(data) < at:
            break
        assert data[at - 2 : at] == b"\r\n"
        if size == 0:
            return b"".join(pieces), data[at:], True
    return b"".join(pieces), b"", False
