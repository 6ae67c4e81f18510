"""Names to addresses, remembered for a while.

The system's resolver tells no TTL and may take seconds, so an answer counts for FRESH_S, calls that want one
name wait for one look-up together, and while the resolver fails or is silent its last answer is used (RFC
8767). Names come from the configuration alone: there are few, and none is ever dropped.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from functools import lru_cache
from itertools import chain, zip_longest

from msgspec import Struct

from posthouse.upstream.errors import Fault, UpstreamFault

FRESH_S = 60.0  # the TTL that most providers' names have is 60 to 300 s
FAILED_S = 2.0  # a name that fails costs a look-up this often, not at each call
PATIENCE_S = 1.0  # for a resolver that is silent, where there is an earlier answer
STALE_S = 3600.0  # long enough for a resolver's outage; an address that is another's by then fails at TLS

_NO_SUCH_NAME = frozenset((socket.EAI_NONAME, socket.EAI_NODATA))


class _Name(Struct, eq=False):
    """`addresses` as they are to be tried; `why` there is none. `first_family`: the one whose address worked
    where another's did not."""

    addresses: list[str] = []
    why: str = ""
    looked_up_s: float = 0.0
    expires_s: float = 0.0
    first_family: int | None = None
    stale_s: float = 0.0  # until then the addresses may outlive their expiry
    lookup: asyncio.Task[None] | None = None


class Names:
    """What is known of names. All calls of one loop share it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._names: dict[str, _Name] = {}

    async def addresses(self, host: str) -> list[str]:
        """Where a host may be, in the order to try; families take turns (RFC 8305, 4). An address is its own.
        Raises UpstreamFault (DNS)."""
        if _is_address(host):
            return [host]
        name = self._names.get(host)
        if name is None:
            name = self._names[host] = _Name()
        now_s = self._loop.time()
        if now_s >= name.expires_s:
            if name.lookup is None:
                name.lookup = self._loop.create_task(self._look_up(host, name))
            has_stale = name.addresses and now_s < name.stale_s
            # A wait leaves the look-up to the other calls when this one is cancelled.
            _, unfinished = await asyncio.wait((name.lookup,), timeout=PATIENCE_S if has_stale else None)
            if unfinished:
                name.expires_s = self._loop.time() + FAILED_S
        if not name.addresses:
            raise UpstreamFault(Fault.DNS, name.why)
        return name.addresses.copy()

    def worked(self, host: str, address: str) -> None:
        """A connection to this address came about: try it first from now on."""
        name = self._names.get(host)
        if name is not None and address in name.addresses[1:]:
            name.addresses.remove(address)
            name.addresses.insert(0, address)
            name.first_family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def failed(self, host: str) -> None:
        """No address took a connection: the host may have moved, so look it up again soon."""
        name = self._names.get(host)
        if name is not None:
            name.expires_s = min(name.expires_s, name.looked_up_s + FAILED_S)

    async def _look_up(self, host: str, name: _Name) -> None:
        try:
            found = await self._loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: a name that none can have
            self._note_failure(name, error)
        else:
            found.sort(key=lambda one: one[0] != name.first_family)  # else as the system has sorted them
            name.addresses = in_turns([(family, str(sockaddr[0])) for family, _, _, _, sockaddr in found])
            name.looked_up_s = self._loop.time()
            name.expires_s = name.looked_up_s + FRESH_S
            name.stale_s = name.looked_up_s + STALE_S
        finally:
            name.lookup = None

    def _note_failure(self, name: _Name, error: OSError | ValueError) -> None:
        name.looked_up_s = self._loop.time()
        name.expires_s = name.looked_up_s + FAILED_S
        name.why = (error.strerror or "") if isinstance(error, OSError) else "no host's name"
        if getattr(error, "errno", None) in _NO_SUCH_NAME or name.looked_up_s >= name.stale_s:
            name.addresses = []


def in_turns(found: list[tuple[int, str]]) -> list[str]:
    """Addresses with their families so that the families take turns, beginning with the first one's."""
    families: dict[int, list[str]] = {}
    for family, address in found:
        families.setdefault(family, []).append(address)
    return [address for address in chain(*zip_longest(*families.values())) if address is not None]


@lru_cache(maxsize=4096)  # more hosts than a configuration names
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
