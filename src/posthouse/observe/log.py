"""Logs: JSON lines on standard error; a static event name and fields. Never a prompt, an answer or a key.

`configure` sets structlog and the standard library's loggers (uvicorn's) to one form. Exceptions are logged
as type and places only: a message or a local variable may hold text of a call.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

FRAMES_MAX = 12
# Characters that move a terminal's cursor, end a line, or turn the direction of reading.
_UNSEEN = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def configure(level: str) -> None:
    """Once per process, at start."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exceptions_without_text,
            structlog.processors.JSONRenderer(readable),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = _ToStructlog()
    for name in ("uvicorn", "uvicorn.error", "asyncio", "alembic", "sqlalchemy"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)


def readable(event: dict[str, Any], **options: Any) -> str:
    """JSON with Chinese as people read it; what nobody sees, and could mislead who reads, stays escaped."""
    line = json.dumps(event, ensure_ascii=False, **options)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def places_of(error: BaseException) -> list[str]:
    """Where an exception came from, innermost last: `file:line function`, no values."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [f"{frame.filename.rpartition('/posthouse/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def describe(error: BaseException) -> dict[str, Any]:
    """Log fields of an exception and what it came from."""
    cause = error.__cause__ or error.__context__
    fields: dict[str, Any] = {"error": type(error).__name__, "places": places_of(error)}
    if cause is not None:
        fields["cause"] = type(cause).__name__
    return fields


def _exceptions_without_text(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.update(describe(error))
    return event


class _ToStructlog(logging.Handler):
    """The standard library's records, with the first line of their message's template only: arguments may be
    anything, and asyncio puts the repr of futures and exceptions on the lines below."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fields = describe(error) if error is not None else {}
        structlog.get_logger().log(
            record.levelno, "library", logger=record.name, text=str(record.msg).partition("\n")[0], **fields
        )
