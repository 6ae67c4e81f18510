"""What the fields of all definitions are made of. Pure."""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from posthouse.kernel.money import parse_nanos
from posthouse.kernel.problems import UnfitValue

Amount = str | int  # "0.01" or 7: TOML's 0.01 is kept as it is written
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]


def checked(field: str, read: Callable[[str], object], value: Amount) -> None:
    """Name the field in what `read` says against its value. Raises UnfitValue."""
    try:
        read(str(value))
    except UnfitValue as error:
        raise error.within(field) from None


def amount_nanos(text: str) -> int:
    """Nanos of an amount of zero or more; raises UnfitValue."""
    nanos = parse_nanos(text)
    if nanos < 0:
        raise UnfitValue("", "negative")
    return nanos
