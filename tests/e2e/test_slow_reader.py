"""A caller who reads slowly, over the wire: the upstream waits, and the relay's memory stays what it was."""

import contextlib
import json
import socket
import time
from pathlib import Path

from tests.e2e.caller import Caller
from tests.e2e.calls import MODEL

from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream

EVENT = b'data: {"choices":[],"padding":"%b"}\n\n' % (b"x" * 50_000)
EVENTS = 1000  # 50 MB in all
# What four kernel buffers and the scripted upstream's own hold on loopback; the rest has to wait unsent.
BUFFERED_BYTES = 40_000_000
# A read, a write buffer, and what the allocator makes of them: half of what was sent.
MEMORY_BYTES_MAX = 25_000_000


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def settled(upstream: ScriptedUpstream) -> int:
    """How many bytes the upstream could send in all, once it has sent no more for a second."""
    before = -1
    while before != (sent := sum(one.sent_bytes for one in upstream.received)):
        before = sent
        time.sleep(1)  # longer than any pause of one that still sends, or is asked for the next answer
    return before


def read_on(caller: socket.socket, until: bytes) -> int:
    """How many bytes come up to and with `until`."""
    taken, tail = 0, b""
    while until not in tail:
        data = caller.recv(1024 * 1024)
        assert data, "the answer broke off"
        taken += len(data)
        tail = (tail + data)[-len(until) - len(data) :]
    return taken


def call_of(key: str, *, stream: bool) -> bytes:
    body = json.dumps({"model": MODEL, "messages": [], "stream": stream}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer %b\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
    )


def test_a_slow_caller_costs_no_memory(
    relay: ServedRelay, upstream: ScriptedUpstream, key: str, email: str
) -> None:
    upstream.enqueue(Script(events=(EVENT,) * EVENTS + (b"data: [DONE]\n\n",)))
    before_bytes = resident_bytes(relay.pid)
    with socket.create_connection(("127.0.0.1", relay.port), timeout=30) as caller:
        caller.sendall(call_of(key, stream=True))
        upstream.wait_received()
        assert settled(upstream) < BUFFERED_BYTES
        assert not upstream.received[0].finished.is_set()
        assert resident_bytes(relay.pid) - before_bytes < MEMORY_BYTES_MAX
        assert read_on(caller, b"data: [DONE]\n\n\r\n0\r\n\r\n") > EVENTS * len(EVENT)
    assert resident_bytes(relay.pid) - before_bytes < MEMORY_BYTES_MAX
    (record,) = relay.usage(email)
    assert record.ending == "completed"


def test_a_stream_behind_an_unread_answer_waits_too(
    relay: ServedRelay, upstream: ScriptedUpstream, key: str
) -> None:
    answer = json.dumps({"choices": [{"message": {"content": "y" * 8_000_000}}]}).encode()
    upstream.enqueue(Script(body=answer), Script(events=(EVENT,) * EVENTS + (b"data: [DONE]\n\n",)))
    with socket.create_connection(("127.0.0.1", relay.port), timeout=30) as caller:
        caller.sendall(b"".join(call_of(key, stream=stream) for stream in (False, True)))
        upstream.wait_received()
        assert settled(upstream) < BUFFERED_BYTES
        assert read_on(caller, b"data: [DONE]\n\n\r\n0\r\n\r\n") > EVENTS * len(EVENT)


def test_who_reads_no_answer_is_not_heard_any_more(relay: ServedRelay) -> None:
    """Nor does it cost memory, whatever it asks for, without even a key."""
    request = b"GET /v1/%b HTTP/1.1\r\nhost: relay\r\n\r\n" % (b"a" * 50_000)
    before_bytes = resident_bytes(relay.pid)
    sent = 0
    with Caller(relay.port) as other, socket.create_connection(("127.0.0.1", relay.port), 1) as caller:
        with contextlib.suppress(TimeoutError):
            while sent < 3000:
                caller.sendall(request)
                sent += 1
                # One by one, as too many that are sent ahead close it: the relay has read this before that.
                assert other.send(b"GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n").read_reply().status == 200
        assert sent < 3000, "the relay went on reading"
        assert resident_bytes(relay.pid) - before_bytes < MEMORY_BYTES_MAX
        caller.settimeout(30)
        assert caller.recv(1024).startswith(b"HTTP/1.1 404")
