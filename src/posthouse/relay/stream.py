"""A streamed answer on its way from the upstream's socket to the caller's door.

Pieces come synchronously from the connection's callback; whole events go out in the same call, so that a
chunk costs no task switch. Before the door is open they are kept: the answer's head waits for the first event
that says something, since until then another channel can be tried. The last event is held back by the meter:
it goes out when the charge is on disk."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from posthouse.metering.meter import Meter
from posthouse.relay.dialects import Splitter
from posthouse.relay.estimate import Tally
from posthouse.relay.values import Door
from posthouse.upstream.connection import Exchange
from posthouse.upstream.errors import Fault, UpstreamFault
from posthouse.wire.chunks import unframed
from posthouse.wire.sse import EventTooLarge

# So much of what says nothing is kept for a caller; upstreams send a role and a ping each few seconds.
OPENING_BYTES_MAX = 64 * 1024


class EventStream(Struct, eq=False):
    """`began` with the first event that says something; `is_over` with the last ([DONE], message_stop) or the
    end of the answer, whichever is first; `fault` says what broke it."""

    exchange: Exchange
    meter: Meter
    splitter: Splitter
    began: bool = False
    is_over: bool = False
    fault: UpstreamFault | None = None
    door: Door | None = None
    kept: bytearray = bytearray()
    tally: Tally | None = None  # takes the meter's text away when it gets long
    waiter: asyncio.Future[None] | None = None

    # -- upstream.connection.Consumer --------------------------------------------------------------------

    def take_chunk(self, chunk: bytes) -> bool:
        """Take in a piece that may be one whole HTTP chunk; False when it is not."""
        piece = unframed(chunk)
        if piece is None:
            return False
        self.feed(piece)
        return True

    def feed(self, piece: bytes) -> None:
        try:
            events = self.splitter.feed(piece)
        except EventTooLarge:
            if self.exchange.connection is not None:
                self.exchange.connection.fail(Fault.TOO_LARGE, "event")
            return
        if events and not self.is_over:
            self._pass_on(events)
        if self.door is not None:
            self._note_shape()

    def _pass_on(self, events: list[bytes]) -> None:
        meter = self.meter
        out = meter.feed(events)
        if self.door is None:
            self.kept += out
        elif out:
            self.door.write(out)
        if self.tally is not None and meter.text_is_long:
            self.tally.add(meter.take_text())
        if meter.saw_done:
            self.is_over = True
        elif self.began or (meter.is_opening and len(self.kept) <= OPENING_BYTES_MAX):
            return
        self.began = True
        self._wake()

    def _note_shape(self) -> None:
        """While the next byte begins an event, chunks of a known shape are taken in past all above."""
        shape, take = self.meter.shape, None
        if shape is not None and not self.is_over and self.splitter.is_between:
            assert self.door is not None
            shape.write = self.door.write_chunk
            take = shape.take
        self.exchange.take = take

    def ended(self, fault: UpstreamFault | None) -> None:
        if fault is None and not self.is_over and self.splitter.tail.strip() == b"data: [DONE]":
            self.feed(b"\n\n")  # some leave the last blank line out
        if self.is_over:
            return
        self.is_over = True
        # Without a last event it is whole only where its framing says so and no event was begun.
        is_whole = self.meter.saw_finish and self.exchange.has_length and not self.splitter.tail.strip()
        if fault is None and not is_whole:
            fault = UpstreamFault(Fault.CLOSED, "the stream ended before its last event")
        self.fault = fault
        self.began = self.began or fault is None
        self._wake()

    @property
    def said_nothing(self) -> bool:
        """No text came, and no end of an answer that has none; though the prompt's usage may have."""
        has_text = self.meter.text_bytes or not (self.tally is None or self.tally.is_empty)
        return not has_text and not self.meter.saw_finish

    # -- the pipeline's side -----------------------------------------------------------------------------

    async def wait_begun(self) -> None:
        """Until the first event that says something, or the end; one without a fault has begun too."""
        while not (self.began or self.is_over):
            await self._change()

    async def wait_over(self) -> None:
        """Until the last event, or until the stream breaks (`fault` tells)."""
        while not self.is_over:
            await self._change()

    def open(self, door: Door, status: int, headers: bytes) -> None:
        """Let the caller see: the head, what was kept, and from here on each event as it comes."""
        door.begin(status, headers, self.exchange)
        if self.kept:
            door.write(bytes(self.kept))
            self.kept.clear()
        self.door = door
        self._note_shape()

    def _change(self) -> asyncio.Future[None]:
        """Done when the stream has begun, or is over."""
        self.waiter = asyncio.get_running_loop().create_future()
        return self.waiter

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
