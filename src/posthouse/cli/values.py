"""What people type on the command line, as values."""

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import typer

from posthouse.catalogue.compiled import Catalogue
from posthouse.cli.desk import CommandError
from posthouse.kernel.clock import now_ms
from posthouse.kernel.money import parse_nanos
from posthouse.kernel.periods import DAY_MS, HOUR_MS, MINUTE_MS

NONE = ("none", "never", "any")
_SPAN = re.compile(r"(\d{1,6})\s*([smhdw])")
_SPAN_MS = {"s": 1000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}


def amount(text: str) -> int:
    """Nanos of "12.50"."""
    try:
        return parse_nanos(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write it like 12.50") from None


def amount_or_none(text: str | None) -> int | None:
    """The same; None for nothing and for "none"."""
    return None if text is None or text.lower() in NONE else amount(text)


def moment_ms(text: str | None) -> int | None:
    """A time to come: "30d" from now, "2027-01-31", "2027-01-31T12:00+08:00" (without an offset: UTC); None
    for nothing and for "never"."""
    if text is None or text.lower() in NONE:
        return None
    moment = _moment_ms(text, 1)
    if moment <= now_ms():
        raise typer.BadParameter(f"{text!r} is over already; name a time to come")
    return moment


def past_ms(text: str | None) -> int | None:
    """A time gone by: "24h" ago, or a date as above; None for nothing."""
    return None if text is None else _moment_ms(text, -1)


def _moment_ms(text: str, direction: int) -> int:
    if span := _SPAN.fullmatch(text.strip().lower()):
        return now_ms() + direction * int(span[1]) * _SPAN_MS[span[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; write it like 30d, 12h, 2027-01-31 or 2027-01-31T12:00+08:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def items(given: list[str] | None) -> tuple[str, ...] | None:
    """What an option that may be repeated named, also with commas: None where it was not given or lifts the
    restriction ("any")."""
    names = tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())
    return None if not names or names == ("any",) else names


def secret(variable: str | None, file: Path | None) -> str | None:
    """What the environment variable or file that was named holds; None where neither was. Never from the
    command line, which others can see. Raises CommandError where nothing is in it."""
    if variable is not None:
        text, source = os.environ.get(variable, ""), f"the environment variable {variable}"
    elif file is not None and str(file) == "-":
        text, source = sys.stdin.read(), "standard input"
    elif file is not None:
        text, source = file.read_text("utf-8"), str(file)
    else:
        return None
    if not text.strip():
        raise CommandError(f"{source} is empty", "put there what the command is to read, or name another")
    return text.rstrip("\r\n")


def check_plan(catalogue: Catalogue, name: str) -> None:
    """Raises CommandError for a plan that there is not."""
    if catalogue.plan(name) is None:
        known = ", ".join(sorted(one.name for one in catalogue.plans()))
        make = "make plans first: posthouse apply examples/minimal.toml"
        raise CommandError(f"there is no plan {name!r}", f"plans: {known}" if known else make)
