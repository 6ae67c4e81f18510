"""Announcements: what the operator tells everybody, in one language or both, from one time until another."""

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, Row, delete, insert, or_, select, tuple_, update

from posthouse.desk import rules
from posthouse.desk.errors import UnknownThing
from posthouse.kernel.ids import new_id
from posthouse.kernel.problems import UnfitValue
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema_desk import announcements

Place = tuple[int, int, str]  # where a page of announcements ended: pinned, from_ms, id
_ORDER = (announcements.c.pinned, announcements.c.from_ms, announcements.c.id)


class Words(Struct, frozen=True, kw_only=True):
    """What an announcement says, and when. Texts are Markdown; what is empty in one language is shown in the
    other. `until_ms` None: for good."""

    title_en: str = ""
    title_zh: str = ""
    text_en: str = ""
    text_zh: str = ""
    pinned: bool = False
    from_ms: int
    until_ms: int | None = None


class Announcement(Words, frozen=True, kw_only=True):
    """An announcement as it is kept."""

    id: str
    created_ms: int

    @property
    def place(self) -> Place:
        return int(self.pinned), self.from_ms, self.id


def announce(store: Store, words: Words, *, now_ms: int, actor: str = "cli") -> Announcement:
    """Make one. Raises UnfitValue."""
    made = Announcement(id=new_id("ann"), created_ms=now_ms, **asdict(_checked(words)))
    with store.begin() as connection:
        connection.execute(insert(announcements).values(asdict(made)))
        _note(connection, "announcement.create", None, made, actor=actor, now_ms=now_ms)
    return made


def change(
    store: Store, announcement_id: str, words: Words, *, now_ms: int, actor: str = "cli"
) -> Announcement:
    """Replace what it says. Raises UnfitValue, UnknownThing."""
    words = _checked(words)
    with store.begin() as connection:
        before = _find(connection, announcement_id)
        after = Announcement(id=before.id, created_ms=before.created_ms, **asdict(words))
        if after != before:
            statement = update(announcements).where(announcements.c.id == announcement_id)
            connection.execute(statement.values(asdict(after)))
            _note(connection, "announcement.change", before, after, actor=actor, now_ms=now_ms)
    return after


def withdraw(store: Store, announcement_id: str, *, now_ms: int, actor: str = "cli") -> None:
    """Delete one. Raises UnknownThing."""
    with store.begin() as connection:
        before = _find(connection, announcement_id)
        connection.execute(delete(announcements).where(announcements.c.id == announcement_id))
        _note(connection, "announcement.withdraw", before, None, actor=actor, now_ms=now_ms)


def list_announcements(
    store: Store, *, shown_at_ms: int | None = None, after: Place | None = None, limit: int
) -> list[Announcement]:
    """The pinned ones first, then the newest; None: also those of the future and the past."""
    query = select(announcements).order_by(*(column.desc() for column in _ORDER)).limit(limit)
    if shown_at_ms is not None:
        until = announcements.c.until_ms
        query = query.where(announcements.c.from_ms <= shown_at_ms)
        query = query.where(or_(until.is_(None), until > shown_at_ms))
    if after is not None:
        query = query.where(tuple_(*_ORDER) < after)
    with store.read() as connection:
        return [_made(row) for row in connection.execute(query)]


def _checked(words: Words) -> Words:
    """The words, trimmed. Raises UnfitValue."""
    rules.check_period(words.from_ms, words.until_ms)
    if not (words.title_en.strip() or words.title_zh.strip()):
        raise UnfitValue("title_en", "title_needed")
    titles = {
        field: rules.parse_line(field, text, rules.TITLE_CHARS_MAX) if text.strip() else ""
        for field, text in (("title_en", words.title_en), ("title_zh", words.title_zh))
    }
    texts = {
        field: rules.parse_text(field, text, rules.ANNOUNCEMENT_CHARS_MAX) if text.strip() else ""
        for field, text in (("text_en", words.text_en), ("text_zh", words.text_zh))
    }
    return Words(**titles, **texts, pinned=words.pinned, from_ms=words.from_ms, until_ms=words.until_ms)


def _find(connection: Connection, announcement_id: str) -> Announcement:
    query = select(announcements).where(announcements.c.id == announcement_id).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise UnknownThing(f"there is no announcement {announcement_id!r}")
    return _made(row)


def _made(row: Row[Any]) -> Announcement:
    return Announcement(**{**row._mapping, "pinned": bool(row.pinned)})


def _note(
    connection: Connection,
    action: str,
    before: Announcement | None,
    after: Announcement | None,
    *,
    actor: str,
    now_ms: int,
) -> None:
    one = after or before
    assert one is not None
    note(
        connection,
        actor=actor,
        action=action,
        subject=f"announcement:{one.id}",
        before=before,
        after=after,
        at_ms=now_ms,
    )
