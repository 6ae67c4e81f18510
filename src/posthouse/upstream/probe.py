"""Whether a channel works: its list of models is asked for, which costs nothing anywhere."""

import asyncio
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from posthouse.kernel.secrets import SecretText
from posthouse.routing.channels import ChannelSpec
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.errors import UpstreamFault

ANSWER_BYTES_MAX = 4 * 1024 * 1024  # the longest known list of models has half a megabyte
FIRST_BYTE_S_MAX = 20.0  # a channel's own deadline is for thinking models; a list comes at once


class Probe(Struct, frozen=True, kw_only=True):
    """What a channel said: the upstream's status (0: it said nothing) and how many models it lists (None: no
    list), or the fault."""

    channel: str
    status: int = 0
    models: int | None = None
    fault: str = ""
    duration_ms: int = 0

    @property
    def works(self) -> bool:
        """The upstream took the credential. One without a list of models answers 404, and may work."""
        return not self.fault and (self.status < 400 or self.status == 404)


class _Listing(Struct):
    data: list[msgspec.Raw] = []


async def probe(spec: ChannelSpec, credential: SecretText | None) -> Probe:
    """Ask a channel's upstream for its models. Never raises for what the upstream does."""
    loop = asyncio.get_running_loop()
    client = UpstreamClient(loop)
    started_s = loop.time()
    try:
        status, models, fault = *await _ask(client, spec, credential), ""
    except UpstreamFault as error:
        status, models, fault = 0, None, str(error)
    finally:
        client.close()
    duration_ms = int((loop.time() - started_s) * 1000)
    return Probe(channel=spec.name, status=status, models=models, fault=fault, duration_ms=duration_ms)


async def _ask(
    client: UpstreamClient, spec: ChannelSpec, credential: SecretText | None
) -> tuple[int, int | None]:
    url = urlsplit(spec.base_url)
    origin = client.origin(f"{url.scheme}://{url.netloc}", spec.proxy, spec.tls_verify, spec.ca_file)
    lines = [
        f"GET {origin.absolute_form}{url.path.rstrip('/')}/models HTTP/1.1",
        f"host: {origin.host_header}",
        "user-agent: posthouse",
        "accept-encoding: identity",
        *(f"{name.lower()}: {value}" for name, value in spec.headers.items()),
    ]
    if credential is not None:
        lines.append(f"authorization: Bearer {credential.reveal()}")
    head = "\r\n".join(lines) + "\r\n" + origin.proxy_authorization + "\r\n"
    patient = msgspec.structs.replace(spec, first_byte_s=min(spec.first_byte_s, FIRST_BYTE_S_MAX))
    exchange = await origin.send(head.encode("latin-1"), b"", patient, answer_bytes_max=ANSWER_BYTES_MAX)
    await exchange.wait_done()
    return exchange.status, _count(b"".join(exchange.pieces)) if exchange.status == 200 else None


def _count(body: bytes) -> int | None:
    try:
        return len(msgspec.json.decode(body, type=_Listing).data)
    except msgspec.DecodeError:
        return None
