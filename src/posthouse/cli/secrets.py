"""`posthouse secrets …`: what the stored credentials are sealed with."""

import typer

from posthouse.catalogue.sealed import reseal, rotate
from posthouse.cli import output
from posthouse.cli.desk import CommandError, Desk, command
from posthouse.kernel.clock import now_ms

app = typer.Typer(help="Replace the key that stored credentials are sealed with.", no_args_is_help=True)

_TWO_KEYS = "set it to NEW,OLD wherever Posthouse runs, restart the servers, and call this again"


@command(app, "rotate")
def rotate_(desk: Desk) -> None:
    """Seal everything with a new master key. Servers go on meanwhile. Whenever this is interrupted nothing is
    lost, and calling it again finishes it."""
    settings, box = desk.settings, desk.box
    if not settings.master_key:
        count = rotate(desk.store, settings.data, now_ms=now_ms())
        where, next_step = (
            str(settings.data / "master.key"),
            "keep a copy of the new key apart from the database",
        )
    elif box.key_count < 2:
        raise CommandError("POSTHOUSE_MASTER_KEY holds one key", _TWO_KEYS)
    else:
        count = reseal(desk.store, box, now_ms=now_ms())
        where, next_step = "POSTHOUSE_MASTER_KEY", "take the old key out of POSTHOUSE_MASTER_KEY"

    def show() -> None:
        output.print_line(f"{count} secrets are sealed with the new key of {where}")
        output.print_note(next_step)

    desk.answer({"secrets": count}, show)
