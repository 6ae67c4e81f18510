"""`posthouse channel status`: how the channels stand in the servers that run now."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Annotated

import typer
from msgspec import Struct
from rich.live import Live
from rich.table import Table
from rich.text import Text

from posthouse.catalogue.queries import load_catalogue
from posthouse.catalogue.standings import (
    Answers,
    ChannelStanding,
    CredentialStanding,
    ModelStanding,
    ask_reports,
)
from posthouse.catalogue.states import ChannelState, load_states
from posthouse.cli import output
from posthouse.cli.desk import Desk, command
from posthouse.kernel.clock import now_ms
from posthouse.routing.channels import ChannelSpec

PATIENCE_S = 2.0  # a server reads notices every 0.2 s and answers by its writer's next transaction
EVERY_S = 1.0

COLUMNS = (
    *("channel", "model", "state", "why", ">errors", ">calls", ">TTFT p50", ">TTFT p99", ">in flight"),
    "credentials",
)
STYLES = {"closed": "green", "open": "red", "half_open": "yellow", "ramping": "yellow"}

States = dict[tuple[str, str], ChannelState]


class Status(Struct, frozen=True):
    """One channel in one process; `process_id` is empty where no server answered. `state`: "enabled", or how
    it is set apart."""

    channel: str
    process_id: str
    state: str
    why: str
    models: tuple[ModelStanding, ...]
    credentials: tuple[CredentialStanding, ...]


def add_to(app: typer.Typer) -> None:
    command(app)(status)


def status(
    desk: Desk,
    *,
    watch: Annotated[
        bool | None,
        typer.Option("--watch/--once", help="Until Ctrl-C, or once: else watch on a terminal."),
    ] = None,
) -> None:
    """Show each channel's state and why, its errors, times to the first byte, calls and credentials."""
    if watch is None:
        watch = sys.stdout.isatty()
    if desk.as_json or not watch:
        answers, found = _look(desk)
        desk.answer(found, lambda: _print(answers, found))
        return
    with suppress(KeyboardInterrupt), Live(auto_refresh=False) as live:
        while True:
            answers, found = _look(desk)
            live.update(_live(found, _said(answers)), refresh=True)
            time.sleep(EVERY_S)  # the pace of the live table; Ctrl-C ends it


def _look(desk: Desk) -> tuple[Answers, list[Status]]:
    answers = ask_reports(desk.store, now_ms=now_ms(), patience_s=PATIENCE_S)
    specs = sorted(load_catalogue(desk.store).channels, key=lambda one: one.priority)
    return answers, list(_statuses(specs, load_states(desk.store), answers))


def _statuses(specs: Sequence[ChannelSpec], states: States, answers: Answers) -> Iterator[Status]:
    """Every channel, in the order in which they are tried, once for each process that answered."""
    reports = [(one.process_id, {each.channel: each for each in one.channels}) for one in answers.reports]
    for spec in specs:
        for process_id, channels in reports or [("", {})]:
            standing = channels.get(spec.name) or ChannelStanding(spec.name, (), _known(spec, states))
            state, why = _state(spec, states)
            yield Status(spec.name, process_id, state, why, standing.models, standing.credentials)


def _state(spec: ChannelSpec, states: States) -> tuple[str, str]:
    apart = states.get((spec.name, ""))
    if apart is not None:
        return apart.state, apart.reason or "by hand"
    return ("enabled", "") if spec.enabled else ("disabled", "by its definition")


def _known(spec: ChannelSpec, states: States) -> tuple[CredentialStanding, ...]:
    """What the store alone tells of a channel's credentials."""
    apart = [(one.name, states.get((spec.name, one.name))) for one in spec.credentials]
    return tuple(
        CredentialStanding(name, one.state if one else "in", one.reason if one else "", 0, 0, 0)
        for name, one in apart
    )


# -- for people ----------------------------------------------------------------------------------------------


def _print(answers: Answers, found: Sequence[Status]) -> None:
    none = "no channels; add one: posthouse channel add NAME --base-url URL"
    output.print_table(COLUMNS, list(_rows(found)), empty=none)
    if said := _said(answers):
        output.print_note(said)


def _live(found: Sequence[Status], said: str) -> Table:
    table = Table(box=None, pad_edge=False, caption=said or None, caption_justify="left")
    for name in COLUMNS:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left")
    for row in _rows(found):
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    return table


def _said(answers: Answers) -> str:
    if not answers.reports and not answers.silent:
        return "no server runs: shown is what the store knows"
    if answers.silent:
        return f"{answers.silent} of {answers.silent + len(answers.reports)} servers did not answer"
    return ""


def _rows(found: Sequence[Status]) -> Iterator[tuple[str, ...]]:
    """One for each model of a channel that was asked for, or one for the channel."""
    at_ms = now_ms()
    several = len({one.process_id for one in found}) > 1
    for one in found:
        channel = f"{one.channel} @{one.process_id[-6:]}" if several else one.channel
        credentials = ", ".join(map(_credential, one.credentials))
        for model in one.models or (None,):
            state, why = one.state, one.why
            if model is None:
                yield (channel, "", state, why, "", "", "", "", "", credentials)
                continue
            if state == "enabled":
                state, why = model.state, _why(model, at_ms)
            yield (
                *(channel, model.model, state, why),
                *((f"{model.error_rate:.0%}", str(model.calls)) if model.calls else ("", "0")),
                *(_ms(model.ttft_p50_ms), _ms(model.ttft_p99_ms), str(model.in_flight)),
                credentials,
            )
            credentials = ""  # once for each channel


def _why(model: ModelStanding, at_ms: int) -> str:
    if not model.until_ms:
        return model.why
    return f"{model.why}; tried again in {max(0, model.until_ms - at_ms) / 1000:.0f} s"


def _credential(one: CredentialStanding) -> str:
    """`name in`, `name out (quota)`, `name in, 3 in flight, rests for gpt-4o`."""
    parts = [f"{one.name} {one.state}" + (f" ({one.why})" if one.why else "")]
    if one.in_flight:
        parts.append(f"{one.in_flight} in flight")
    if one.resting:
        parts.append(f"rests for {' '.join(one.resting)}")
    return " · ".join(parts)


def _ms(value: int) -> str:
    return f"{value} ms" if value else ""
