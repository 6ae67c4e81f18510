"""What is summed over usage records, as SQL expressions: the one definition that rolling up, reading what is
not yet rolled up, and proving share."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, literal_column, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from posthouse.kernel.outcome import Ending
from posthouse.kernel.periods import DAY_MS, QUARTER_MS
from posthouse.store.schema import usage_records
from posthouse.store.schema_rollups import TTFT_BOUNDS_MS, TTFT_COLUMNS

CACHED = ("cached_input", "audio_cached_input", "image_cached_input")
REASONING = ("reasoning_output",)

_records = usage_records.c


class _Quantity(FunctionElement[int]):
    """How much of one component a record's quantities have; 0 where they don't name it."""

    type = BigInteger()
    inherit_cache = True
    name = "quantity"


@compiles(_Quantity, "sqlite")
def _quantity_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    column, component = element.clauses
    json = compiler.process(column, **options)
    return f"coalesce(json_extract({json}, '$.{component.name}'), 0)"


@compiles(_Quantity, "postgresql")
def _quantity_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    column, component = element.clauses
    json = compiler.process(column, **options)
    return f"coalesce(CAST(CAST({json} AS JSONB) ->> '{component.name}' AS BIGINT), 0)"


def _quantities(components: tuple[str, ...]) -> ColumnElement[int]:
    total: ColumnElement[int] = literal_column("0", BigInteger)
    for component in components:
        total = total + _Quantity(_records.quantities, literal_column(component))
    return total


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def slot_of(slots: int) -> ColumnElement[int]:
    """The first of so many quarters of an hour, in one of which a call started."""
    return _records.started_ms // (slots * QUARTER_MS) * slots


SLOT = _records.started_ms // QUARTER_MS
DAY = _records.started_ms // DAY_MS

_one: ColumnElement[int] = literal_column("1", BigInteger)
_broke = or_(_records.ending == Ending.BROKEN.value, _records.ending == Ending.FAILED.value)
_errors = _count(or_(_broke, _records.http_status >= 400))
_faults = _count(or_(_broke, _records.http_status == 429, _records.http_status >= 500))

# Only a stream has a first event before its end.
_first_event = and_(_records.stream == 1, _records.ttft_ms > 0)
_lower = (0, *TTFT_BOUNDS_MS)
_ttft = {
    column: _count(
        and_(
            _first_event,
            _records.ttft_ms > _lower[number],
            *([_records.ttft_ms <= TTFT_BOUNDS_MS[number]] if number < len(TTFT_BOUNDS_MS) else []),
        )
    )
    for number, column in enumerate(TTFT_COLUMNS)
}

# Column of the table of sums -> what of a record is added to it.
OF_USAGE: dict[str, ColumnElement[int]] = {
    "requests": _one,
    "errors": _errors,
    "prompt_tokens": _records.prompt_tokens,
    "completion_tokens": _records.completion_tokens,
    "cached_tokens": _quantities(CACHED),
    "reasoning_tokens": _quantities(REASONING),
    "charge_nanos": _records.charge_nanos,
    "cost_nanos": _records.cost_nanos,
    "duration_ms": _records.duration_ms,
}
OF_SERVICE: dict[str, ColumnElement[int]] = {**OF_USAGE, "faults": _faults, **_ttft}
OF_ADDRESS: dict[str, ColumnElement[int]] = {"requests": _one}
