"""`posthouse export`: the configuration as a file that `posthouse apply` reads."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from posthouse.catalogue import service
from posthouse.cli import output
from posthouse.cli.desk import CommandError, Desk, command


def add_to(app: typer.Typer) -> None:
    command(app)(export)


def export(
    desk: Desk,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A new file; else it is printed.")
    ] = None,
) -> None:
    """Write plans, models, prices, channels and limits as TOML that `posthouse apply` reads back.

    Credentials and other secrets are not in it."""
    text = service.export(desk.store)
    if file is None:
        desk.answer({"toml": text}, lambda: _print(text))
        return
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise CommandError(f"there is already {file}", "name a file that is not there yet") from None
    desk.answer({"file": str(file)}, lambda: output.print_note(f"written to {file}"))


def _print(text: str) -> None:
    sys.stdout.write(text)  # as it is: a table's width would fold lines
