"""The lane: the relay's own HTTP/1.1 door, a uvicorn protocol class on llhttp (httptools).

It exists because an ASGI round trip costs as much as all the rest of a relayed call (docs/adr/0001). A
request becomes a Turn, which is the pipeline's Door; requests for paths that are not the relay's are handed,
with their connection, to uvicorn's own protocol and so to the ASGI app.

What a connection waits for is one of

    REQUEST   between requests            keep_alive_s (head_timeout_s before the first)
    HEAD      a head has begun            head_timeout_s for all of it
    BODY      the body is wanted          body_timeout_s for each BODY_STEP_BYTES
    ANSWER    the pipeline is at work     no deadline of ours, unless the caller stops reading: WRITE_STALL_S
    LINGER    an early answer is out      LINGER_S for each BODY_STEP_BYTES; what still comes is thrown away,
                                          so that a caller which only reads after it has sent everything gets
                                          to see the answer

and one sweep a second looks at all connections, which is cheaper than a timer for each.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

import httptools

from posthouse.kernel.clock import now_ms
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.ids import new_request_id
from posthouse.relay.answers import render_refusal
from posthouse.relay.values import Head, RelayRequest
from posthouse.server.heads import FORGET_S, KnownHead, KnownHeads, head_of
from posthouse.server.turn import STATUS_LINES, Turn, too_large

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from posthouse.kernel.settings import Settings
    from posthouse.relay.pipeline import Relay
    from posthouse.server.addresses import Addresses

SWEEP_S = 1.0
# A caller that reads nothing for this long while we hold an answer for it.
WRITE_STALL_S = 120.0
LINGER_S = 10.0
LINGER_BYTES_MAX = 256 * 1024 * 1024
# The least that must come in each body_timeout_s: 2 KiB/s at the default, under any real uplink.
BODY_STEP_BYTES = 64 * 1024
# Requests that a caller may send ahead on one connection; real clients send none.
PIPELINED_MAX = 16
# Reading is paused while this much of a body is here and nobody has asked for it.
BODY_AHEAD_BYTES = 256 * 1024

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# A second value of one of these would let two readers of one request disagree about it.
SINGLE_HEADERS = frozenset(
    (
        *(b"host", b"authorization", b"x-api-key", b"x-goog-api-key"),
        *(b"content-length", b"content-type", b"transfer-encoding"),
    )
)
RELAY_PATHS = ("/v1/", "/v1beta/", "/dashboard/")
RELAY_PATHS_EXACT = frozenset(("/v1", "/healthz", "/readyz"))

# What a request to a proxy names before the path (RFC 9112 has every server take it).
_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_UPGRADE = re.compile(rb"(\r\n)upgrade:", re.IGNORECASE)


def is_relay_path(path: str) -> bool:
    """Whether a path is the relay's to answer, if only by a refusal."""
    return path.startswith(RELAY_PATHS) or path in RELAY_PATHS_EXACT


class Waiting(Enum):
    REQUEST = "request"
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"
    LINGER = "linger"


# By their bare names: CPython 3.11 takes six times as long to find one in its class.
REQUEST, HEAD, BODY, ANSWER, LINGER = Waiting


class Lane:
    """What all connections share; `protocol` is what uvicorn calls for each new one."""

    def __init__(self, relay: Relay, settings: Settings, addresses: Addresses) -> None:
        self.relay = relay
        self.settings = settings
        self.addresses = addresses
        self.connections: set[RelayProtocol] = set()
        self.body_bytes = 0  # of all requests in memory
        self.heads = KnownHeads()
        self._date_source: list[tuple[bytes, bytes]] = []
        self._date_block = b""

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> RelayProtocol:
        return RelayProtocol(self, config, server_state, app_state, _loop or asyncio.get_running_loop())

    def default_headers(self, source: list[tuple[bytes, bytes]]) -> bytes:
        """uvicorn's default headers (the date), rendered once for each list that it makes, a second long."""
        if source is not self._date_source:
            self._date_source = source
            self._date_block = b"".join([b"%b: %b\r\n" % header for header in source])
        return self._date_block

    async def sweep(self) -> None:
        """Runs as long as the server does."""
        loop = asyncio.get_running_loop()
        forget_s = 0.0
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = loop.time()
            if now_s >= forget_s:
                forget_s = now_s + FORGET_S
                self.heads.forget()
            for connection in [c for c in self.connections if 0 < c.deadline_s < now_s]:
                connection.on_deadline()

    def cut(self) -> None:
        """End all connections at once: what their calls have delivered is settled, then they end."""
        for connection in list(self.connections):
            connection.abort()


class RelayProtocol(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_app_state",
        "_body_left",
        "_config",
        "_fed_bytes",
        "_headers",
        "_headers_doubled",
        "_headers_joined",
        "_is_between",
        "_is_closing",
        "_known",
        "_linger_bytes",
        "_parser",
        "_peer",
        "_peer_hash",
        "_progressed",
        "_raw",
        "_reading",
        "_task",
        "_turn",
        "_turns",
        "_url",
        "_wake",
        "_yielded",
        "deadline_s",
        "is_stalled",
        "lane",
        "loop",
        "receiving",
        "server_state",
        "transport",
        "waiting",
    )

    def __init__(
        self,
        lane: Lane,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.lane = lane
        self.loop = loop
        self.server_state = server_state
        self._config = config
        self._app_state = app_state
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None
        self._peer = ""
        self._peer_hash = b""
        self._raw = b""
        self._fed_bytes = 0  # since the last whole head or piece of a body
        self._progressed = False
        self._is_between = True  # the parser has no part of a request
        self._known: KnownHead | None = None  # the last one, if it can be known again
        self._body_left = 0  # bytes still to come of a body that the parser is not asked for
        self._yielded = False
        self._reading = True
        self._linger_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self._wake: asyncio.Future[None] | None = None  # what the task waits for between two requests
        self._turn: Turn | None = None  # being answered
        self._turns: deque[Turn] = deque()  # sent ahead
        self.receiving: Turn | None = None  # whose body is coming in
        self.waiting = REQUEST
        self.deadline_s = 0.0
        self.is_stalled = False  # what was written waits for the caller to read

    # -- asyncio.Protocol --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports share no base class
        self.server_state.connections.add(self)  # type: ignore[arg-type]  # uvicorn's set names its own classes
        self.lane.connections.add(self)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._peer_hash = self.lane.addresses.hashed(self._peer)
        self._wait(HEAD, self.lane.settings.head_timeout_s)

    def data_received(self, data: bytes) -> None:
        if self._is_between and (self.waiting is REQUEST or (self.waiting is HEAD and not self._raw)):
            data = self._take_known(data)
            if not data:
                return
        if self.waiting is LINGER:
            self._linger_on(len(data))
            return
        if self._parser is None:
            return
        if self._body_left and not (data := self._take_body(data)):
            return
        if self.waiting is REQUEST:
            self._wait(HEAD, self.lane.settings.head_timeout_s)
        if self.waiting is HEAD and (self._raw or self._is_between):  # else it began behind another request
            self._raw = self._raw + data if self._raw else data
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._on_upgrade()
            return
        except httptools.HttpParserCallbackError as error:
            self.close()
            raise error.__context__ or error from None  # ours to mend: the loop logs it
        except httptools.HttpParserError as error:
            self._on_bad_request(_bad_http(str(error)))  # llhttp's words, none of the request's
            return
        if self._yielded:
            self._yield_to_asgi()
        elif self._progressed:
            self._progressed = False
            self._fed_bytes = 0
        elif self._fed_bytes > self.lane.settings.head_bytes_max:
            self._on_bad_request(_too_long_head(self.lane.settings))

    def eof_received(self) -> bool:
        return False  # half-closed counts as gone: nobody could tell it from a caller that hung up

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._parser = None
        self.server_state.connections.discard(self)
        self.lane.connections.discard(self)
        self._forget_ahead()
        if self._turn is not None:
            self.lane.body_bytes -= self._turn.body_bytes
            if self._turn.flow is not None:
                self._turn.flow.detach()  # what comes until the task is cancelled has nowhere to go
            self._turn = None
        if self._wake is not None:
            self._wake.set_result(None)  # there being no turn, the task ends
            self._wake = None
        elif self._task is not None:
            self._task.cancel()
            # It settles what was delivered; uvicorn's graceful stop waits for it, the connection being gone.
            self.server_state.tasks.add(self._task)
            self._task.add_done_callback(self.server_state.tasks.discard)

    def pause_writing(self) -> None:
        self.is_stalled = True
        self.deadline_s = self.loop.time() + WRITE_STALL_S
        if self._turn is None and self.waiting is not LINGER:
            self._pause_reading()  # no further answers until it reads those that it has asked for
        elif self._turn is not None and self._turn.flow is not None:
            self._turn.flow.pause()

    def resume_writing(self) -> None:
        self.is_stalled = False
        if self.waiting is ANSWER and not self._is_closing:
            self.deadline_s = 0.0
        if self._turn is None and self.waiting is not LINGER and not self._is_closing:
            self._next_turn()
        elif self._turn is not None and self._turn.flow is not None:
            self._turn.flow.resume()

    def shutdown(self) -> None:
        """uvicorn's graceful stop: let a running answer end, then close."""
        if self._turn is None:
            self.close()
        else:
            self._turn.keep_alive = False

    # -- llhttp ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._is_between = False
        self._begin_head()

    def on_url(self, piece: bytes) -> None:
        self._url += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.receiving is not None:
            return  # a trailer: it comes too late to mean anything
        name = name.lower()
        headers = self._headers
        if name in headers:
            if name in SINGLE_HEADERS:
                self._headers_doubled = True
            self._headers_joined += 1
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self._yielded:
            return
        self._progressed = True
        if b"upgrade" in self._headers and parser.should_upgrade():
            return  # `_on_upgrade` looks at it again
        url = self._url
        if not url.startswith(b"/"):
            url = _ABSOLUTE.sub(b"", url, count=1)
        path, _, query = url.decode("latin-1").partition("?")
        if not is_relay_path(path):
            self._yielded = True
            return
        turn = self._new_turn(parser, path, query)
        self._known = self.lane.heads.learn(head_of(self._raw), turn.request) if turn.is_plain else None
        self._raw = b""
        self.receiving = turn
        if self._turn is None:
            self._start(turn)
        elif len(self._turns) < PIPELINED_MAX:
            self._turns.append(turn)  # reading goes on, so that a caller who leaves is noticed
        else:
            self.receiving = self._parser = None
            self._end_after_ahead()

    def on_body(self, piece: bytes) -> None:
        self._progressed = True
        turn = self.receiving
        if turn is None or self._yielded:
            return
        steps = turn.body_bytes // BODY_STEP_BYTES
        turn.add_body(piece)
        if turn.body_wanted is not None:
            if turn.body_bytes // BODY_STEP_BYTES > steps:
                self._wait(BODY, self.lane.settings.body_timeout_s)
        elif turn.body_bytes > BODY_AHEAD_BYTES:
            self._pause_reading()

    def on_message_complete(self) -> None:
        self._is_between = True
        turn, self.receiving = self.receiving, None
        if turn is None or self._yielded:
            return
        turn.complete_body()
        if turn is self._turn:
            self._wait_for_answer()
            self._resume_reading()  # so that a caller who leaves is noticed

    # -- what needs no parser ----------------------------------------------------------------------------

    def _take_known(self, data: bytes) -> bytes:
        """Take in a request whose head is the last one's but for its length, or of a connection's first
        request another connection's; returns what is left for the parser, which knows of none of it and stays
        between two requests."""
        lane, known = self.lane, self._known
        if known is None:
            found = lane.heads.find(data)
            if found is None:
                return data
            self._known, digits, body = found
            known = self._known
        else:
            read = known.read(data)
            if read is None:
                return data
            digits, body = read
        body_bytes = int(digits)
        if body_bytes > lane.settings.body_bytes_max:
            return data
        request = self._request_again(known.request, digits)
        if len(body) == body_bytes and lane.body_bytes + body_bytes <= lane.settings.bodies_bytes_max:
            lane.body_bytes += body_bytes
            self._start(Turn(self, lane, request, True, True, False, None, body, body_bytes, True))
            return b""
        self.receiving = turn = Turn(self, lane, request, True, True, False)
        self._body_left = body_bytes
        self._start(turn)
        return self._take_body(body)

    def _take_body(self, data: bytes) -> bytes:
        """Take in what has come of such a request's body; returns what comes behind it."""
        piece, rest = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(piece)
        if piece:
            self.on_body(piece)
            self._progressed = False
        if not self._body_left:
            self.on_message_complete()
        return rest

    def _request_again(self, before: RelayRequest, digits: bytes) -> RelayRequest:
        headers = before.headers
        if headers[b"content-length"] != digits:
            headers = {**headers, b"content-length": digits}
        return self._request(before.method, before.path, before.query, headers, before.head)

    # -- turns -------------------------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, query: str, headers: dict[bytes, bytes], head: Head
    ) -> RelayRequest:
        address, address_hash, addresses = self._peer, self._peer_hash, self.lane.addresses
        if addresses.any_trusted:
            address = addresses.caller(address, headers.get(b"x-forwarded-for", b""))
            address_hash = addresses.hashed(address)
        return RelayRequest(
            new_request_id(),
            method,
            path,
            query,
            headers,
            address,
            address_hash,
            now_ms(),
            self.loop.time(),
            head,
        )

    def _new_turn(self, parser: httptools.HttpRequestParser, path: str, query: str) -> Turn:
        headers = self._headers
        request = self._request(parser.get_method().decode("latin-1"), path, query, headers, Head())
        version = parser.get_http_version()
        version_1_1 = version == "1.1"
        refusal = self._refusal_of_head(version)
        keep_alive = version_1_1 and refusal is None and parser.should_keep_alive()
        expects_continue = version_1_1 and headers.get(b"expect", b"").lower() == b"100-continue"
        return Turn(self, self.lane, request, keep_alive, version_1_1, expects_continue, refusal)

    def _refusal_of_head(self, version: str) -> Refusal | None:
        headers, settings = self._headers, self.lane.settings
        if (refusal := self._too_long_head()) is not None:
            return refusal
        if self._headers_doubled:
            return _bad_http("a header that may stand once stands twice")
        if version != "1.1" and version != "1.0":
            return _bad_http("a version other than 1.0 and 1.1")
        if version == "1.1" and b"host" not in headers:
            return _bad_http("no Host header")
        if b"transfer-encoding" in headers and (
            headers[b"transfer-encoding"].lower() != b"chunked" or version == "1.0"
        ):
            return _bad_http("a transfer encoding other than chunked in HTTP/1.1")
        length = headers.get(b"content-length")
        if length is not None and int(length) > settings.body_bytes_max:
            return too_large(settings)
        return None

    def _start(self, turn: Turn) -> None:
        self._turn = turn
        self._wait_for_answer()
        wake = self._wake
        if wake is not None:
            self._wake = None
            wake.set_result(None)
        elif self._task is None:
            self._task = self.loop.create_task(self._answer_turns())

    async def _answer_turns(self) -> None:
        """One task for the connection's life: a new one for each request costs twice what waking it does."""
        try:
            while (turn := self._turn) is not None:
                await self.lane.relay.handle(turn.request, turn)
                if self.transport is None or self._turn is turn:  # gone, or (a fault of ours) not answered
                    self.abort()
                    return
                if self._turn is None:
                    self._wake = self.loop.create_future()
                    await self._wake
        except asyncio.CancelledError:
            # The connection is gone. A task that ends as cancelled keeps its traceback, and so connection and
            # request in a circle, until the garbage collector's rarest round: megabytes, under load.
            self._wake = None

    def want_body(self, turn: Turn) -> None:
        """The pipeline asks for a body that is not all here yet."""
        if turn.expects_continue and not turn.body_bytes:
            self.write(CONTINUE)
        self._wait(BODY, self.lane.settings.body_timeout_s)
        self._resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def on_answered(self, turn: Turn) -> None:
        """The answer's last byte is with the socket: the next request, or the end of the connection."""
        if turn is not self._turn:
            return  # the connection was lost meanwhile
        self._turn = None
        self.lane.body_bytes -= turn.body_bytes
        if not turn.body_complete:
            self._linger()
        elif not turn.keep_alive:
            self.close()
        elif self.is_stalled:
            self._pause_reading()
        else:
            self._next_turn()

    def _next_turn(self) -> None:
        if self._turns:
            self._start(self._turns.popleft())
        else:
            self.waiting = REQUEST
            self.deadline_s = self.loop.time() + self.lane.settings.keep_alive_s
        if not self._reading and not self._turns:
            self._resume_reading()

    def on_deadline(self) -> None:
        """What the connection waited for did not come."""
        if self.waiting is BODY and self._turn is not None:
            self.deadline_s = 0.0
            self._turn.keep_alive = False
            seconds = f"{self.lane.settings.body_timeout_s:g}"
            self._turn.refuse(Refusal(RelayCode.EMPTY_REQUEST, "body_too_slow", seconds=seconds))
        elif self.waiting is HEAD and not self._is_between:
            self._on_bad_request(_bad_http("the request headers came too slowly"))
        else:
            self.abort()

    def close(self) -> None:
        """Close when what was written has gone out, or the caller reads nothing any more."""
        self._is_closing = True
        self.deadline_s = self.loop.time() + WRITE_STALL_S
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # -- ends of a connection ----------------------------------------------------------------------------

    def _on_bad_request(self, refusal: Refusal) -> None:
        """Not HTTP that we accept: where no answer is under way say so, and close in any case, since nobody
        can tell where the next request would begin."""
        self._parser = None
        self._yielded = False
        turn = self.receiving
        self.receiving = None
        if turn is not None:
            turn.keep_alive = False
            turn.refuse(refusal)
            return
        if self._turn is not None:
            self._end_after_ahead()
            return
        status, headers, body = render_refusal(refusal, {}, new_request_id())
        head = b"%b%bconnection: close\r\ncontent-length: %d\r\n\r\n" % (
            STATUS_LINES[status],
            headers,
            len(body),
        )
        self.write(head + body)
        self._linger()

    def _on_upgrade(self) -> None:
        """An upgrade that we don't do, such as the h2c that Java's client offers with its first request: read
        it again without the offer, as the parser took the request's body for another protocol."""
        raw = _UPGRADE.sub(rb"\1x-upgrade:", self._raw, count=1)
        if raw == self._raw or self._turn is not None:  # CONNECT, or sent ahead
            self._on_bad_request(_bad_http("an upgrade, which is not done here"))
            return
        self._parser = httptools.HttpRequestParser(self)
        self._raw, self._fed_bytes = b"", 0
        self._is_between = True
        self.waiting = HEAD
        self.data_received(raw)

    def _yield_to_asgi(self) -> None:
        """Not the relay's path: uvicorn's own protocol answers this request and closes, as it bounds neither
        the size nor the time of a head."""
        transport, self._yielded = self.transport, False
        if transport is None:
            return
        if self._turn is not None or not self._raw:
            # Behind another request in one segment: cut here; the client sends it again on a new connection.
            self._parser = None
            if self._turn is not None:
                self._end_after_ahead()
            else:
                self.close()
            return
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        self.server_state.connections.discard(self)
        self.lane.connections.discard(self)
        self._parser = None
        self.transport = None
        if self._task is not None:
            self._task.cancel()
        successor = HttpToolsProtocol(self._config, self.server_state, self._app_state, self.loop)
        transport.set_protocol(successor)
        successor.connection_made(transport)
        head, blank, rest = self._raw.lstrip(b"\r\n").partition(b"\r\n\r\n")
        self._raw = b""
        successor.data_received(head + b"\r\nconnection: close" + blank + rest)

    def _linger(self) -> None:
        self._parser = None
        self._resume_reading()
        self._wait(LINGER, LINGER_S)
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()

    def _linger_on(self, more_bytes: int) -> None:
        steps = self._linger_bytes // BODY_STEP_BYTES
        self._linger_bytes += more_bytes
        if self._linger_bytes > LINGER_BYTES_MAX:
            self.abort()
        elif self._linger_bytes // BODY_STEP_BYTES > steps:
            self._wait(LINGER, LINGER_S)

    def _forget_ahead(self) -> None:
        """Drop what was sent ahead."""
        for turn in self._turns:
            self.lane.body_bytes -= turn.body_bytes
        self._turns.clear()

    def _end_after_ahead(self) -> None:
        """What was sent ahead in good order is answered, then the connection closes."""
        last = self._turns[-1] if self._turns else self._turn
        if last is not None:
            last.keep_alive = False

    # -- small things ------------------------------------------------------------------------------------

    def _begin_head(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._headers_joined = 0
        self._headers_doubled = False

    def _too_long_head(self) -> Refusal | None:
        settings, headers = self.lane.settings, self._headers
        too_many = len(headers) + self._headers_joined > settings.headers_max
        # What came with the head in one segment may be the body's; only then is it worth adding up.
        if too_many or (
            self._fed_bytes > settings.head_bytes_max
            and len(self._url) + sum(map(len, headers)) + sum(map(len, headers.values()))
            > settings.head_bytes_max
        ):
            return _too_long_head(settings)
        return None

    def _wait(self, waiting: Waiting, seconds: float) -> None:
        self.waiting = waiting
        self.deadline_s = self.loop.time() + seconds

    def _wait_for_answer(self) -> None:
        self.waiting = ANSWER
        self.deadline_s = self.loop.time() + WRITE_STALL_S if self.is_stalled else 0.0

    def _pause_reading(self) -> None:
        if self._reading and self.transport is not None:
            self._reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self.transport is not None:
            self._reading = True
            self.transport.resume_reading()


def _too_long_head(settings: Settings) -> Refusal:
    return Refusal(RelayCode.REQUEST_TOO_LARGE, "headers", limit_kb=settings.head_bytes_max // 1024)


def _bad_http(reason: str) -> Refusal:
    return Refusal(RelayCode.EMPTY_REQUEST, "bad_http", reason=reason)
