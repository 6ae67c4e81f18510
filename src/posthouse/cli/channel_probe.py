"""`posthouse channel test`: does an upstream answer, and where does the time go?"""

import asyncio
from collections.abc import Iterator
from typing import Annotated

import typer

from posthouse.catalogue.credentials import ready
from posthouse.cli import output
from posthouse.cli.desk import CommandError, Desk, command
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
    spec, secret = ready(desk.store, desk.box, name, credential)
    if model and not spec.offers(model):
        raise CommandError(f"the channel {name!r} does not offer {model!r}", "see its `models`")
    found = asyncio.run(probe(spec, secret, model))
    desk.answer(found, lambda: _print(found))
    if not found.works:
        raise typer.Exit(1)


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
    unsure = "no list of models: ask a --model to be sure that the base URL is right"
    listed = unsure if found.models is None else f"{found.models} models"
    what = f"{found.model} is there" if found.model else listed
    return f"{found.channel}: {found.status} in {found.duration_ms} ms, {what}"


def _phases(found: Probe) -> Iterator[tuple[str, str]]:
    for field, what in PHASES.items():
        value = getattr(found.phases, field)
        if value is not None:
            yield what, f"{value:.1f} ms"
    if found.phases.address:
        yield "address", found.phases.address
