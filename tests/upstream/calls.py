"""Calls through the upstream client, as the relay makes them."""

import asyncio
import socket
from typing import Any

import msgspec

from posthouse.routing.channels import ChannelSpec
from posthouse.upstream.client import Origin, UpstreamClient
from posthouse.upstream.connection import Exchange

BODY = b'{"model":"gpt-4o-mini","messages":[]}'
DEADLINES = ChannelSpec(
    name="test", base_url="http://u/v1", connect_s=5, first_byte_s=5, idle_s=5, total_s=10
)
ANSWER_BYTES_MAX = 100_000_000


def deadlines(**seconds: float) -> ChannelSpec:
    return msgspec.structs.replace(DEADLINES, **seconds)


def request_of(origin: Origin, body: bytes = BODY) -> bytes:
    head = (
        f"POST {origin.absolute_form}/v1/chat/completions HTTP/1.1\r\nhost: {origin.host_header}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"authorization: Bearer sk-upstream\r\n{origin.proxy_authorization}\r\n"
    )
    return head.encode()


async def begin(origin: Origin, body: bytes = BODY, limits: ChannelSpec = DEADLINES) -> Exchange:
    return await origin.send(request_of(origin, body), body, limits, answer_bytes_max=ANSWER_BYTES_MAX)


async def fetch(origin: Origin, body: bytes = BODY, limits: ChannelSpec = DEADLINES) -> tuple[int, bytes]:
    """Status and whole body; raises UpstreamFault."""
    exchange = await begin(origin, body, limits)
    await exchange.wait_done()
    return exchange.status, b"".join(exchange.pieces)


def origin_of(
    client: UpstreamClient,
    url: str,
    proxy: str = "",
    tls_verify: bool = True,
    ca_file: str = "",
    **fields: Any,
) -> Origin:
    spec = ChannelSpec(
        name="test", base_url=url, proxy=proxy, tls_verify=tls_verify, ca_file=ca_file, **fields
    )
    return client.origin(spec)


def direct(client: UpstreamClient, url: str, *, ca_file: str = "", tls_verify: bool = True) -> Origin:
    return origin_of(client, url, "", tls_verify, ca_file)


def lead_to(*addresses: str) -> list[str]:
    """Let the running loop's resolver find these; returns what it will have been asked."""
    loop = asyncio.get_running_loop()
    asked: list[str] = []

    async def getaddrinfo(host: str, port: Any, **_: Any) -> list[Any]:
        asked.append(host)
        families = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses]
        return [(family, 1, 6, "", (one, port)) for family, one in zip(families, addresses, strict=True)]

    loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]  # the system's knows no such host
    return asked
