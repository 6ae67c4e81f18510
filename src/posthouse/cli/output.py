"""How answers look: aligned tables for people, JSON for programs, one line for an error."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_COLUMNS = 10_000  # a table that another program reads is never folded


def print_json(value: object) -> None:
    """One JSON document on stdout, indented."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_list(values: Iterable[object]) -> None:
    """A JSON array on stdout, a line for each value, as they come: however many there are."""
    separator = "["
    for value in values:
        print(f"{separator}\n  {msgspec.json.encode(value).decode()}", end="")
        separator = ","
    print("[]" if separator == "[" else "\n]")


def print_line(text: str = "") -> None:
    _console().print(Text(text), soft_wrap=True)


def print_note(text: str) -> None:
    """For a person's eyes, on stderr, so that stdout is the answer alone."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(text, style="dim"))


def print_error(message: str, next_step: str = "") -> None:
    """On stderr, and what to do about it."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text("error: ", style="bold red").append(message, style="not bold default"))
    if next_step:
        console.print(Text(next_step, style="dim"))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Columns whose name begins with ">" are aligned to the right. Nothing is cut off or folded, so that ids
    can be copied: a row that is too long for the terminal runs on in its next line."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        print_line(empty)
        return
    lines = [[name.removeprefix(">") for name in columns], *cells]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    console = _console()
    for style, line in zip(("bold", *[""] * len(cells)), lines, strict=True):
        padded = (
            " " * (width - cell_len(cell)) + cell
            if name.startswith(">")
            else cell + " " * (width - cell_len(cell))
            for name, cell, width in zip(columns, line, widths, strict=True)
        )
        console.print(Text("  ".join(padded).rstrip(), style=style), soft_wrap=True)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values below each other; a value of None is left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in fields:
        if value is not None:
            table.add_row(name, Text(str(value)))
    _console().print(table)


def when(ms: int | None) -> str:
    """A time in UTC; nothing where there is none."""
    return "" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
