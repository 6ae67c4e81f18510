"""Whether a channel works: its upstream is asked for its list of models, which costs nothing anywhere, or one
of its models for the shortest answer."""

import asyncio

import msgspec
from msgspec import Struct

from posthouse.kernel.secrets import SecretText
from posthouse.routing.channels import ChannelSpec, upstream_target
from posthouse.routing.verdicts import Verdict, verdict_of_fault, verdict_of_status
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.connection import Exchange
from posthouse.upstream.errors import UpstreamFault
from posthouse.upstream.heads import request_head
from posthouse.upstream.phases import Phases
from posthouse.wire.headers import with_defaults
from posthouse.wire.json_edit import reshape

ANSWER_BYTES_MAX = 4 * 1024 * 1024  # the longest known list of models has half a megabyte
# A channel's own deadlines are for long answers of thinking models; a list comes at once, a word soon.
LIST_S_MAX = 20.0
WORD_S_MAX = 60.0
_TEXT = "Say ok."  # so that it stays short also where the limit is not known


class Probe(Struct, frozen=True, kw_only=True):
    """What a channel said: the upstream's status (0: it said nothing) and how many models it lists (None: no
    list, or a model was asked for one word), or the fault; what that says of the channel, and where the time
    went."""

    channel: str
    model: str = ""
    status: int = 0
    models: int | None = None
    fault: str = ""
    verdict: Verdict = Verdict.OK
    duration_ms: int = 0
    phases: Phases

    @property
    def works(self) -> bool:
        """The upstream took the credential, and a model that was asked for is there. Some models refuse so
        short an answer, but they are there."""
        return self.verdict in (Verdict.OK, Verdict.CALLER) if self.model else self.verdict is Verdict.OK


class _Listing(Struct):
    """OpenAI's and Anthropic's lists have `data`, Google's has `models`."""

    data: list[msgspec.Raw] = []
    models: list[msgspec.Raw] = []


async def probe(
    spec: ChannelSpec,
    credential: SecretText | None,
    model: str = "",
    *,
    client: UpstreamClient | None = None,
) -> Probe:
    """Ask a channel's upstream for its models, or `model` (as members name it) for a word. Without `client`
    over a connection of its own. Never raises for what the upstream does."""
    if client is not None:
        return await _probe(client, spec, credential, model)
    own = UpstreamClient(asyncio.get_running_loop())
    try:
        return await _probe(own, spec, credential, model)
    finally:
        own.close()


async def _probe(
    client: UpstreamClient, spec: ChannelSpec, credential: SecretText | None, model: str
) -> Probe:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    phases = Phases()
    status, models, fault = 0, None, ""
    try:
        exchange = await _ask(client, spec, credential, model, phases)
        answer = b"".join(exchange.pieces)
        status = exchange.status
        verdict = verdict_of_status(status, answer)
        if not model and status == 404:
            verdict = Verdict.OK  # no list, but it took the credential
        if not model and status == 200:
            models = _count(answer)
    except UpstreamFault as error:
        fault, verdict = str(error), verdict_of_fault(error.fault)
    return Probe(
        channel=spec.name,
        model=model,
        status=status,
        models=models,
        fault=fault,
        verdict=verdict,
        duration_ms=int((loop.time() - started_s) * 1000),
        phases=phases,
    )


async def _ask(
    client: UpstreamClient, spec: ChannelSpec, credential: SecretText | None, model: str, phases: Phases
) -> Exchange:
    """The whole answer."""
    origin = client.origin(spec)
    dialect = spec.dialects[0]
    if model:
        upstream_model = spec.upstream_model(model)
        endpoint, body = _shortest_call(dialect, upstream_model)
        body = reshape(body, spec.drop, spec.rename)
        head = request_head(
            origin, spec, "POST", upstream_target(spec, endpoint, upstream_model), dialect, credential
        )
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    else:
        body = b""
        head = request_head(origin, spec, "GET", upstream_target(spec, "", ""), dialect, credential)
    block = with_defaults(head.encode("latin-1"), spec.default_headers) + b"\r\n"
    exchange = await origin.send(
        block,
        body,
        _patient(spec, WORD_S_MAX if model else LIST_S_MAX),
        answer_bytes_max=ANSWER_BYTES_MAX,
        phases=phases,
    )
    try:
        await exchange.wait_done()
    except BaseException:
        exchange.abandon()
        raise
    finally:
        phases.note(exchange, origin.loop.time())
    return exchange


def _patient(spec: ChannelSpec, seconds_max: float) -> ChannelSpec:
    """The channel with no deadline beyond so many seconds."""
    names = ("connect_s", "tls_s", "header_s", "first_byte_s", "idle_s", "total_s")
    return msgspec.structs.replace(spec, **{name: min(getattr(spec, name), seconds_max) for name in names})


def _shortest_call(dialect: str, upstream_model: str) -> tuple[str, bytes]:
    """Endpoint and body of a call for one token."""
    messages = [{"role": "user", "content": _TEXT}]
    if dialect == "gemini":
        body = {"contents": [{"role": "user", "parts": [{"text": _TEXT}]}]}
        return "generateContent", msgspec.json.encode(body | {"generationConfig": {"maxOutputTokens": 1}})
    if dialect == "anthropic":
        return "messages", msgspec.json.encode(
            {"model": upstream_model, "max_tokens": 1, "messages": messages}
        )
    # The newer name: OpenAI's reasoning models take no other, and presets rename it where it is not known.
    return "chat/completions", msgspec.json.encode(
        {"model": upstream_model, "max_completion_tokens": 1, "messages": messages}
    )


def _count(body: bytes) -> int | None:
    try:
        listing = msgspec.json.decode(body, type=_Listing)
    except msgspec.DecodeError:
        return None
    return len(listing.data) + len(listing.models)
