"""The mock upstream: as little work as a Python process can do for an answer. It understands of a request
only whether it is a stream and, in its text, which every gateway hands on, the words
`pace=<ms> chunks=<count> stream=<number>`. Below /failing every call is answered by 500 at once.

    python -m bench.mock PORT
"""

import asyncio
import re
import socket
import sys
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": *true')
_USAGE = re.compile(rb'"include_usage": *true')
_ORDER = re.compile(rb"pace=(\d+) chunks=(\d+) stream=(\d+)")

_COUNTS = (
    b'{"prompt_tokens":230,"completion_tokens":100,"total_tokens":330,'
    b'"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)
_ANSWER_BODY = (
    b'{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1700000000,'
    b'"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Hello! How can I assist you today?","refusal":null,"annotations":[]},'
    b'"logprobs":null,"finish_reason":"stop"}],"usage":'
    + _COUNTS
    + b',"service_tier":"default","system_fingerprint":"fp_44709d6fcb"}'
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_mock\r\n"
    b"openai-processing-ms: 1\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_ANSWER_BODY), _ANSWER_BODY)
)
_FAILURE_BODY = b'{"error":{"message":"mock failure","type":"server_error","param":null,"code":null}}'
_FAILURE = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_FAILURE_BODY), _FAILURE_BODY)
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_mock\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_CHUNK = (
    b'data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk",'
    b'"created":1700000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_44709d6fcb",'
    b'"choices":[%b]%b}\n\n'
)
_DELTA = b'{"index":0,"delta":{"content":" #%d-%d#"},"logprobs":null,"finish_reason":null}'
_FINISH = b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}'


def _framed(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


class _Stream:
    """One paced answer: each chunk at its own time after the start, so that lateness does not add up."""

    def __init__(self, transport: asyncio.Transport, body: bytes) -> None:
        order = _ORDER.search(body)
        pace_ms, self._chunks, self._number = map(int, order.groups()) if order else (20, 100, 0)
        self._transport = transport
        self._pace_s = pace_ms / 1000
        self._null = b',"usage":null' if _USAGE.search(body) else b""
        self._sent = 0
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        transport.write(_STREAM_HEAD)
        self._send()

    def _send(self) -> None:
        if self._transport.is_closing():
            return
        if self._sent == self._chunks:
            self._end()
            return
        delta = _DELTA % (self._number, self._sent)
        self._transport.write(_framed(_CHUNK % (delta, self._null)))
        self._sent += 1
        self._loop.call_at(self._started + self._sent * self._pace_s, self._send)

    def _end(self) -> None:
        last = _framed(_CHUNK % (_FINISH, self._null))
        if self._null:
            last += _framed(_CHUNK % (b"", b',"usage":' + _COUNTS))
        self._transport.write(last + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        while (head := data.find(b"\r\n\r\n")) >= 0:
            end = _body_end(data, head)
            if not 0 <= end <= len(data):
                break
            body = data[head + 4 : end]
            if data.startswith(b"POST /failing/"):
                self._transport.write(_FAILURE)
            elif _STREAM.search(body):
                _Stream(self._transport, body)
            else:
                self._transport.write(_ANSWER)
            data = data[end:]
        self._rest = data


def _body_end(data: bytes, head: int) -> int:
    """Where the request that begins `data` ends; below zero: not known yet."""
    length = _LENGTH.search(data, 0, head)
    if length:
        return head + 4 + int(length[1])
    if not _CHUNKED.search(data, 0, head):
        return head + 4
    last = data.find(b"0\r\n\r\n", head)
    return last + 5 if last >= 0 else -1


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
