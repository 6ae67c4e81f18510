"""One channel made ready for one model: where its calls go, and what they begin with."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from posthouse.kernel.secrets import SecretText
from posthouse.relay.endpoints import Endpoint
from posthouse.routing.channels import ChannelSpec, upstream_target
from posthouse.upstream.client import Origin
from posthouse.upstream.heads import request_head


class Route(Struct, eq=False):
    """`model`: what the upstream calls it. Heads are kept by endpoint and credential."""

    spec: ChannelSpec
    origin: Origin
    model: str
    heads: dict[tuple[str, str, str], bytes] = {}

    def head(self, endpoint: Endpoint, name: str, credentials: Mapping[str, SecretText]) -> bytes:
        """Request line and the relay's own headers, with the credential of that name if there is one; the
        caller's and the length are still to come."""
        key = (name, endpoint.name, endpoint.query)
        head = self.heads.get(key)
        if head is None:
            target = upstream_target(self.spec, endpoint.name, self.model) + endpoint.query
            credential, dialect = credentials.get(name), endpoint.dialect
            lines = request_head(self.origin, self.spec, "POST", target, dialect, credential)
            head = self.heads[key] = lines.encode("latin-1")
        return head
