"""`posthouse apply FILE`: makes plans, models, prices, channels and limits what a TOML file says."""

import os
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from posthouse.catalogue import service
from posthouse.catalogue.diff import Change
from posthouse.catalogue.document import read_document
from posthouse.cli import output
from posthouse.cli.desk import CommandError, Desk, command
from posthouse.kernel.clock import now_ms

PACKAGE = Path(str(resources.files("posthouse")))


def add_to(app: typer.Typer) -> None:
    command(app)(apply)


def apply(
    desk: Desk,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML, as in examples/.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the difference, change nothing.")] = False,
) -> None:
    """Make plans, models, prices, channels and limits what FILE says, all or nothing.

    Tables that FILE does not have stay as they are. A running server follows within a second."""
    try:
        text = _found(file).read_text("utf-8")
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8 text", "save it as UTF-8") from None
    document = read_document(text, source=str(file), environment=os.environ)
    changes = service.apply(desk.store, document, desk.box, now_ms=now_ms(), dry_run=dry_run)
    show_changes(desk, changes, dry_run=dry_run)


def _found(file: Path) -> Path:
    """The file; where there is none, the example of that name, which a wheel has in the package."""
    shipped = PACKAGE / file
    is_example = file.parent == Path("examples") and not file.exists() and shipped.exists()
    return shipped if is_example else file


def show_changes(desk: Desk, changes: list[Change], *, dry_run: bool) -> None:
    """What was changed, or would be."""

    def show() -> None:
        for change in changes:
            output.print_line(str(change))
        if not changes:
            output.print_note("no difference: nothing to change")
        elif dry_run:
            output.print_note(f"dry run: {len(changes)} to change, nothing was changed")
        else:
            output.print_note(f"{len(changes)} changed; a running server follows within a second")

    desk.answer({"dry_run": dry_run, "changes": changes}, show)
