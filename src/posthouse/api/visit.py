"""Where a request comes from: what the server's door tells the API, in the scope."""

from msgspec import Struct

VISIT = "posthouse.visit"  # the scope's key


class Visit(Struct, frozen=True):
    """`address_hash` is keyed; `is_secure`: the caller speaks https, if only to a trusted proxy."""

    address: str
    address_hash: bytes
    is_secure: bool
