"""What changed prices, and who changed it: read from the log of changes, where every definition's are."""

from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Row, and_, or_, select

from posthouse.catalogue.queries import load_configuration
from posthouse.catalogue.rules import Configuration, is_pattern
from posthouse.store.engine import Store
from posthouse.store.schema_desk import audit_log

# The fields that prices are made of, by kind of definition.
_FIELDS = {
    "model": ("list", "price"),
    "plan": ("multiplier", "multipliers"),
    "operator": ("exchange_rate", "currency"),
}


class PriceNote(Struct, frozen=True, kw_only=True):
    """One change of one definition that prices are made of: who, when, and its fields before and after (those
    of _FIELDS; None: there was, or is, no definition)."""

    id: int
    at_ms: int
    actor: str
    kind: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


SCANNED_MAX = 5_000  # changes that are looked through for one page


def price_notes(store: Store, *, model: str = "", before_id: int = 0, limit: int) -> list[PriceNote]:
    """The newest first, older than the row `before_id` (0: from the newest). `model`: only what that model's
    price is made of: its definition, the patterns that stand for it, each plan's and the operator's. Raises
    StoreDown, ConfigurationError."""
    subject = audit_log.c.subject
    models = subject.in_(_subjects(load_configuration(store), model)) if model else _all_of("model")
    query = select(audit_log).where(or_(models, _all_of("plan"), _all_of("operator")))
    query = query.order_by(audit_log.c.id.desc()).limit(SCANNED_MAX)
    with store.read() as connection:
        rows = connection.execute(query.where(audit_log.c.id < before_id) if before_id else query)
        return [*islice(filter(None, map(_note, rows)), limit)]


def _all_of(kind: str) -> ColumnElement[bool]:
    """Subjects that begin with "kind:", as a range that an index finds."""
    return and_(audit_log.c.subject >= f"{kind}:", audit_log.c.subject < f"{kind};")


def _subjects(configuration: Configuration, model: str) -> list[str]:
    patterns = [name for name in configuration.models if is_pattern(name) and fnmatchcase(model, name)]
    return [f"model:{name}" for name in (model, *patterns)]


def _note(row: Row[Any]) -> PriceNote | None:
    """The row's price fields; None where the change touched none."""
    kind, _, name = row.subject.partition(":")
    before, after = (_prices(kind, text) for text in (row.before, row.after))
    if not (before or after):
        return None
    return PriceNote(
        id=row.id, at_ms=row.at_ms, actor=row.actor, kind=kind, name=name, before=before, after=after
    )


def _prices(kind: str, text: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = msgspec.json.decode(text)
    return None if fields is None else {field: fields[field] for field in _FIELDS[kind] if field in fields}
