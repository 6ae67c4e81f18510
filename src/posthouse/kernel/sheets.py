"""CSV that spreadsheets open without harm. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice

ROWS_AT_ONCE = 200  # of a file that is written while it is made
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def csv_text(rows: Iterable[list[str]], *, line_end: str) -> Iterator[str]:
    """The file in pieces. A cell that a spreadsheet would take for a formula gets an apostrophe before it
    (OWASP, CSV injection)."""
    rest = iter(rows)
    while part := list(islice(rest, ROWS_AT_ONCE)):
        text = io.StringIO()
        csv.writer(text, lineterminator=line_end).writerows([_cell(cell) for cell in row] for row in part)
        yield text.getvalue()


def iso_utc(at_ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601: "2027-01-31T12:00:00.250Z"."""
    second = datetime.fromtimestamp(at_ms // 1000, UTC).replace(tzinfo=None)
    return f"{second.isoformat()}.{at_ms % 1000:03}Z"


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text
