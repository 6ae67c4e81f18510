"""How long each phase of a call took, for somebody who looks for the slow one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from posthouse.upstream.connection import Exchange


class Phases(Struct, kw_only=True):
    """Milliseconds of each phase, one after another; None: the call had none (a pooled connection, no proxy,
    no TLS) or did not come to it. The phase in which a call failed ends with the fault. `address`: where the
    connection went, the proxy's where there is one."""

    dns_ms: float | None = None
    connect_ms: float | None = None
    proxy_ms: float | None = None
    tls_ms: float | None = None
    send_ms: float | None = None
    header_ms: float | None = None  # from the request's last byte to the end of the answer's head
    first_byte_ms: float | None = None  # from there to the body's first byte
    body_ms: float | None = None  # from there to its last one
    address: str = ""

    def timing(self, phase: Literal["dns_ms", "connect_ms", "proxy_ms", "tls_ms"]) -> _Timing:
        """Add the time that a `with` block takes to a phase."""
        return _Timing(self, phase, time.monotonic())

    def note(self, exchange: Exchange, now_s: float) -> None:
        """Take an exchange's phases, as far as it has come by now; times are the loop's."""
        marks = (exchange.began_s, exchange.sent_s, exchange.head_s, exchange.first_s)
        names = ("send_ms", "header_ms", "first_byte_ms", "body_ms")
        for began_s, ended_s, phase in zip(marks, (*marks[1:], 0.0), names, strict=True):
            if began_s:
                setattr(self, phase, round(1000 * max(0.0, (ended_s or now_s) - began_s), 3))


class _Timing(Struct, eq=False):
    phases: Phases
    phase: str
    began_s: float

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        before_ms = getattr(self.phases, self.phase) or 0.0
        took_ms = 1000 * (time.monotonic() - self.began_s)
        setattr(self.phases, self.phase, round(before_ms + took_ms, 3))
