"""`posthouse usage …`: what was called, and what it cost."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from posthouse.cli import output, values
from posthouse.cli.desk import Desk, command, money
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.kernel.sheets import csv_text
from posthouse.ledger.usage import PAGE_MAX, UsageFilter, export_usage, list_usage, usage_fields

app = typer.Typer(help="Show and export usage records.", no_args_is_help=True)

SHOWN = 100  # records of a list for people when they don't say how many

Account = Annotated[str, typer.Option(metavar="EMAIL", help="Only this account's: email or id.")]
Key = Annotated[str, typer.Option("--key", metavar="KEY_ID", help="Only this key's.")]
Model = Annotated[str, typer.Option(metavar="NAME", help="Only this model's.")]
Channel = Annotated[str, typer.Option(metavar="NAME", help="Only calls that this channel answered.")]
Status = Annotated[int, typer.Option(metavar="STATUS", help="Only calls with this HTTP status.")]
End = Annotated[Ending | None, typer.Option("--ending", help="Only calls that ended so.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="From then on: 2027-01-31, or 24h for a day ago.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")]


@command(app, "list")
def list_(
    desk: Desk,
    *,
    account: Account = "",
    key_id: Key = "",
    model: Model = "",
    ending: End = None,
    channel: Channel = "",
    status: Status = 0,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"How many, newest first: else {SHOWN}, and all with --json.")
    ] = None,
) -> None:
    """Show calls, newest first."""
    wanted = _filter(account, key_id, model, ending, channel, status, since, until)
    if desk.as_json:
        output.print_json_list(usage_fields(one) for one in islice(_records(desk, wanted), limit))
        return
    records = list(islice(_records(desk, wanted), limit or SHOWN))
    columns = ("time", "request", "model", "ending", ">status", ">in", ">out", ">charge", ">ms", "channel")
    output.print_table(columns, map(_cells, records), empty="no calls")


@command(app)
def export(
    desk: Desk,
    *,
    account: Account = "",
    key_id: Key = "",
    model: Model = "",
    ending: End = None,
    channel: Channel = "",
    status: Status = 0,
    since: Since = None,
    until: Until = None,
    file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Else standard output.")
    ] = None,
) -> None:
    """Write calls as CSV, oldest first; with --json as a JSON array of the same columns."""
    rows = export_usage(desk.store, _filter(account, key_id, model, ending, channel, status, since, until))
    if desk.as_json:
        header = next(rows)
        output.print_json_list(dict(zip(header, row, strict=True)) for row in rows)
    elif file is None:
        sys.stdout.writelines(csv_text(rows, line_end="\n"))
    else:
        with file.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(csv_text(rows, line_end="\n"))


def _filter(
    account: str,
    key_id: str,
    model: str,
    ending: Ending | None,
    channel: str,
    status: int,
    since: str | None,
    until: str | None,
) -> UsageFilter:
    return UsageFilter(
        channel=channel,
        http_status=status,
        account=account,
        key_id=key_id,
        model=model,
        ending=ending.value if ending else "",
        since_ms=values.past_ms(since) or 0,
        until_ms=values.past_ms(until) or 0,
    )


def _records(desk: Desk, wanted: UsageFilter) -> Iterator[Outcome]:
    """All records that match, read page by page."""
    before = ""
    while True:
        page = list_usage(desk.store, wanted, before=before, limit=PAGE_MAX)
        yield from page.records
        before = page.next
        if not before:
            return


def _cells(outcome: Outcome) -> tuple[object, ...]:
    return (
        output.when(outcome.started_ms),
        outcome.request_id,
        outcome.model,
        outcome.ending,
        outcome.http_status,
        f"{'~' if outcome.estimated else ''}{outcome.prompt_tokens}",
        outcome.completion_tokens,
        money(outcome.charge_nanos),
        outcome.duration_ms,
        outcome.channel,
    )
