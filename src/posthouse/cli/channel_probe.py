"""`posthouse channel test`: does an upstream answer, and where does the time go?"""

import asyncio
from collections.abc import Iterator
from typing import Annotated

import typer

from posthouse.catalogue import queries
from posthouse.catalogue.channels import resolved
from posthouse.catalogue.sealed import load_credentials
from posthouse.cli import output
from posthouse.cli.desk import CommandError, Desk, command
from posthouse.kernel.secrets import SecretText
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.verdicts import Verdict
from posthouse.upstream.probe import Probe, probe

# What each phase of upstream.phases.Phases is to a person.
PHASES = {
    "dns_ms": "name",
    "connect_ms": "connection",
    "proxy_ms": "proxy",
    "tls_ms": "TLS",
    "send_ms": "request sent",
    "header_ms": "answer's head",
    "first_byte_ms": "first byte",
    "body_ms": "rest of the answer",
}


def add_to(app: typer.Typer) -> None:
    command(app, "test")(probe_channel)


def probe_channel(
    desk: Desk,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Ask this model for one token, which is billed to you.")
    ] = "",
    credential: Annotated[
        str, typer.Option(metavar="NAME", help="With this credential; else with the first.")
    ] = "",
) -> None:
    """Ask a channel's upstream for its models, or a model for a word, and show how long each phase takes."""
    spec = _spec(desk, name)
    if model and not spec.offers(model):
        raise CommandError(f"the channel {name!r} does not offer {model!r}", "see its `models`")
    found = asyncio.run(probe(spec, _credential(desk, spec, credential), model))
    desk.answer(found, lambda: _print(found))
    if not found.works:
        raise typer.Exit(1)


def _spec(desk: Desk, name: str) -> ChannelSpec:
    """As its definition makes it: one that is set apart is tested like any other."""
    channels = queries.load_configuration(desk.store).channels
    if name not in channels:
        raise CommandError(f"there is no channel {name!r}", "`posthouse channel list` shows all channels")
    return resolved(channels[name])


def _credential(desk: Desk, spec: ChannelSpec, wanted: str) -> SecretText | None:
    """The credential of that name, else the first that is there; None for an upstream that needs none."""
    sealed = load_credentials(desk.store, desk.box)
    names = [one.name for one in spec.credentials]
    if wanted and (spec.name, wanted) not in sealed:
        raise CommandError(f"{spec.name} has no credential {wanted!r}", f"it has {', '.join(names)}")
    found = (sealed.get((spec.name, name)) for name in ([wanted] if wanted else names))
    return next(filter(None, found), None)


def _print(found: Probe) -> None:
    output.print_line(f"{'✓' if found.works else '✗'} {_said(found)}")
    output.print_fields(_phases(found))


def _said(found: Probe) -> str:
    if found.fault:
        return (
            f"{found.channel}: {found.fault} after {found.duration_ms} ms; check base URL, network and proxy"
        )
    answers = f"{found.channel}: the upstream answers {found.status}"
    if found.verdict is Verdict.CREDENTIAL:
        return f"{answers}: set the channel's credential again"
    if found.verdict is Verdict.QUOTA:
        return f"{answers}: the credential's account is used up"
    if found.verdict is Verdict.MODEL_MISSING:
        return f"{answers}: it does not have this model; see the channel's `models` and `model_map`"
    if not found.works:
        return f"{answers} in {found.duration_ms} ms ({found.verdict})"
    listed = "no list of models" if found.models is None else f"{found.models} models"
    what = f"{found.model} is there" if found.model else listed
    return f"{found.channel}: {found.status} in {found.duration_ms} ms, {what}"


def _phases(found: Probe) -> Iterator[tuple[str, str]]:
    for field, what in PHASES.items():
        value = getattr(found.phases, field)
        if value is not None:
            yield what, f"{value:.1f} ms"
    if found.phases.address:
        yield "address", found.phases.address
