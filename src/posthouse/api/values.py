"""What travels in requests and answers: money as decimal text, times in ms, pages with a cursor."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Query
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from posthouse.kernel.money import format_nanos, parse_nanos
from posthouse.kernel.problems import UnfitValue

T = TypeVar("T")

TEXT_CHARS_MAX = 20_000  # of any text in a request, where its field does not say less
MS_MAX = 2**53 - 1  # what JavaScript can count

PAGE_MAX = 200
PAGE = 50


def _no_nul(value: Any) -> Any:
    """PostgreSQL has no place for it, nobody means it."""
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError("nul", "a NUL character")
    if isinstance(value, dict):
        for key, item in value.items():
            _no_nul(key)
            _no_nul(item)
    elif isinstance(value, list):
        for item in value:
            _no_nul(item)
    return value


class Body(BaseModel):
    """Base of what a request brings: unknown fields are refused, text is trimmed and bounded."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, str_max_length=TEXT_CHARS_MAX
    )

    _checked = model_validator(mode="before")(_no_nul)


class Answer(BaseModel):
    """Base of what is answered. Made of a service's struct by `model_validate`, or field by field."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Whole(Answer, Generic[T]):
    """The whole of a list, which is short."""

    model_config = ConfigDict(json_schema_extra={"description": "The whole of a list."})  # of each `Whole[T]`

    items: list[T] = Field(description="In the list's order.")


class Listing(Whole[T], Generic[T]):
    """A page of a list."""

    model_config = ConfigDict(json_schema_extra={"description": "A page of a list."})

    next: str = Field("", description="Give it as `after` for the next page; empty: there is none.")


_AMOUNT = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,9})?")


def _amount(value: Any) -> int:
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value.strip()):
        raise PydanticCustomError("amount", "an amount is decimal text")
    try:
        return parse_nanos(value)
    except ValueError:  # more than a column holds
        raise PydanticCustomError("amount", "an amount is below 9.2 billion") from None


_MONEY_SCHEMA = {
    "type": "string",
    "pattern": r"^-?[0-9]{1,10}(\.[0-9]{1,9})?$",
    "description": "A decimal amount in the operator's currency.",
    "examples": ["4.9987"],
}

# In answers: given as int nanos, shown as decimal text.
Money = Annotated[
    int,
    PlainSerializer(lambda nanos: format_nanos(nanos), return_type=str),
    WithJsonSchema(_MONEY_SCHEMA),
]
# In requests: decimal text, of which a route gets int nanos. A number is refused: it may have been rounded.
MoneyIn = Annotated[int, BeforeValidator(_amount), WithJsonSchema(_MONEY_SCHEMA)]

Ms = Annotated[int, Field(ge=0, le=MS_MAX, description="Milliseconds since 1970 UTC.")]

After = Annotated[str, Query(max_length=500, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many items.")]


def cursor(*parts: str | int) -> str:
    """A list's place as text, for `next`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


def cut(found: Sequence[T], limit: int, place: Callable[[T], tuple[str | int, ...]]) -> tuple[list[T], str]:
    """The page of what was read with `limit + 1`, and its `next`: one too many tells that there is more."""
    items = list(found[:limit])
    return items, cursor(*place(items[-1])) if len(found) > limit else ""


def cursor_parts(text: str, *kinds: type) -> tuple[Any, ...]:
    """The parts of a cursor, each of the type that is named. Raises Problem for any other text."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        parts = msgspec.json.decode(data, type=GenericAlias(tuple, kinds))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        parts = None
    if parts is None or any(isinstance(part, int) and abs(part) > MS_MAX for part in parts):
        raise UnfitValue("after", "cursor")
    return tuple(parts)
