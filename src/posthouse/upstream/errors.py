"""What can go wrong between the relay and an upstream, before or while it answers."""

from enum import StrEnum

from posthouse.kernel.errors import PosthouseError


class Fault(StrEnum):
    """DNS: its name has no address. CONNECT: no connection (refused, unreachable). FULL: as many connections
    are open as the channel may have. TLS: the handshake failed. PROXY: the outbound proxy refused. CLOSED:
    the connection ended before the whole answer. MALFORMED: no valid HTTP or not the announced length.
    TOO_LARGE: over the bound. The TIMEOUT_* name the deadline that passed (connection.Deadlines)."""

    DNS = "dns"
    CONNECT = "connect"
    FULL = "full"
    TLS = "tls"
    PROXY = "proxy"
    CLOSED = "closed"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_TLS = "timeout_tls"
    TIMEOUT_HEADER = "timeout_header"
    TIMEOUT_FIRST_BYTE = "timeout_first_byte"
    TIMEOUT_IDLE = "timeout_idle"
    TIMEOUT_TOTAL = "timeout_total"


TIMEOUTS = frozenset(fault for fault in Fault if fault.value.startswith("timeout_"))


class UpstreamFault(PosthouseError):
    """The upstream failed; `fault` says how. Holds no text of the answer."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault
