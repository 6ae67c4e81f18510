"""`posthouse channel enable|disable|drain|events`: what is set apart, and what happened to channels."""

from typing import Annotated, Any

import msgspec
import typer

from posthouse.catalogue.events import EVENTS_MAX, list_events
from posthouse.catalogue.queries import load_configuration
from posthouse.catalogue.service import set_by_hand
from posthouse.catalogue.states import State
from posthouse.cli import output, values
from posthouse.cli.desk import Desk, command
from posthouse.kernel.clock import now_ms

SHOWN = 50  # events for people when they don't say how many

Name = Annotated[str, typer.Argument(metavar="NAME")]
OneCredential = Annotated[
    str, typer.Option("--credential", metavar="NAME", help="Only this one of the channel's credentials.")
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the event.")]


def add_to(app: typer.Typer) -> None:
    for function in (enable, disable, drain, events):
        command(app)(function)


def enable(desk: Desk, name: Name, *, credential: OneCredential = "", reason: Reason = "") -> None:
    """Use a channel, or one of its credentials, again: now, with all that was held against it forgotten."""
    _set(desk, name, credential, "enabled", reason)
    if not desk.as_json and not load_configuration(desk.store).channels[name].enabled:
        output.print_note("its definition says `enabled = false`: it stays unused until that is changed")


def disable(desk: Desk, name: Name, *, credential: OneCredential = "", reason: Reason = "") -> None:
    """Begin no more calls there. Those under way end by themselves."""
    _set(desk, name, credential, "disabled", reason)


def drain(desk: Desk, name: Name, *, reason: Reason = "") -> None:
    """Begin no more calls at a channel but those that can go nowhere else: what they use was made there."""
    _set(desk, name, "", "draining", reason)


def events(
    desk: Desk,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only this channel's.")] = "",
    *,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From then on: 2027-01-31, or 24h for a day ago.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=EVENTS_MAX, help=f"How many: else {SHOWN}, and all with --json."),
    ] = None,
) -> None:
    """Show what happened to channels and why, newest first."""
    shown = limit or (EVENTS_MAX if desk.as_json else SHOWN)
    found = list_events(desk.store, channel=name, since_ms=values.past_ms(since) or 0, limit=shown)
    columns = ("time", "channel", "model", "credential", "what", "before", "after", "why", "by")
    rows = (
        (
            output.when(one.at_ms),
            *(one.channel, one.model, one.credential, one.kind, one.before, one.after, one.reason),
            "relay" if one.process_id else "hand",
        )
        for one in found
    )
    fields: list[dict[str, Any]] = [msgspec.structs.asdict(one) for one in found]
    desk.answer(fields, lambda: output.print_table(columns, rows, empty="nothing has happened"))


def _set(desk: Desk, name: str, credential: str, state: State, reason: str) -> None:
    before = set_by_hand(desk.store, name, credential, state, reason=reason, now_ms=now_ms())
    what = f"{name}'s credential {credential}" if credential else name
    told = {"channel": name, "credential": credential, "before": before, "after": state}
    said = f"{what} is {state}" + (f", and was {before}" if before != state else " already")
    desk.answer(told, lambda: output.print_line(said))
