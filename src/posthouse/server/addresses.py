"""Who is calling: the caller's address through trusted proxies, and the hash that stands for it."""

import hmac
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from posthouse.limits.rules import limited_network

# Callers remembered with their hash, so that a keyed hash is not computed for each connection of a busy one.
REMEMBERED_MAX = 4096


class Addresses:
    """`key` keys the hash, so that a stolen database does not tell addresses. `trusted` are the networks of
    the operator's own proxies, whose X-Forwarded-For is believed."""

    def __init__(self, key: bytes, trusted: tuple[str, ...]) -> None:
        self._key = key
        self._trusted = tuple(ip_network(network, strict=False) for network in trusted)
        self.any_trusted = bool(trusted)
        self._hashes: dict[str, bytes] = {}

    def caller(self, peer: str, forwarded_for: bytes) -> str:
        """The right-most address that is not one of our proxies; the peer's own where none is trusted."""
        address = peer
        hops = forwarded_for.decode("latin-1").split(",") if forwarded_for else []
        while hops and self._is_trusted(address):
            hop = hops.pop().strip()
            if _parsed(hop) is None:
                break
            address = hop
        return address

    def is_secure(self, peer: str, scheme: str, forwarded_proto: bytes) -> bool:
        """Whether the caller speaks https: to us, or to a trusted proxy that says so."""
        if forwarded_proto and self._is_trusted(peer):
            return forwarded_proto.split(b",")[-1].strip().lower() == b"https"
        return scheme == "https"

    def hashed(self, address: str) -> bytes:
        """16 bytes that stand for the address in limits and records; an IPv6 address counts as its /64."""
        known = self._hashes.get(address)
        if known is None:
            if len(self._hashes) >= REMEMBERED_MAX:
                self._hashes.clear()
            known = hmac.digest(self._key, _subject(address).encode(), "sha256")[:16]
            self._hashes[address] = known
        return known

    def _is_trusted(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _subject(address: str) -> str:
    try:
        return limited_network(address)
    except ValueError:
        return address  # a Unix socket has none: all its callers are one
