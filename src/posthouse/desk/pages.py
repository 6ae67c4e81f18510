"""Pages that the operator may write: landing text, FAQ, terms, privacy; Markdown, by language. Until then
those in data/pages/ are shown. In all of them "{site}" is the site's name and "{contact}" its email."""

from functools import cache
from importlib import resources
from typing import Any, get_args

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, select

from posthouse.desk import rules
from posthouse.desk.rules import PAGE_NAMES, PageName
from posthouse.kernel.errors import Language
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema_desk import pages

LANGUAGES: tuple[Language, ...] = get_args(Language)


class Page(Struct, frozen=True, kw_only=True):
    """A page in one language, its fields not filled in. `updated_ms` None: as it comes with Posthouse."""

    name: PageName
    language: Language
    text: str
    updated_ms: int | None


def read_page(store: Store, name: PageName, language: Language) -> Page:
    """The operator's own words, else Posthouse's."""
    with store.read() as connection:
        return _read(connection, name, language)


def read_pages(store: Store) -> list[Page]:
    """All pages in all languages."""
    with store.read() as connection:
        own = {(row.name, row.language): row for row in connection.execute(select(pages))}
    return [_page(name, language, own.get((name, language))) for name in PAGE_NAMES for language in LANGUAGES]


def write_page(
    store: Store, name: PageName, language: Language, text: str, *, now_ms: int, actor: str = "cli"
) -> Page:
    """Replace a page. Raises UnfitValue."""
    text = rules.parse_text("text", text, rules.PAGE_CHARS_MAX)
    return _replace(store, Page(name=name, language=language, text=text, updated_ms=now_ms), now_ms, actor)


def restore_page(
    store: Store, name: PageName, language: Language, *, now_ms: int, actor: str = "cli"
) -> Page:
    """Go back to the words that come with Posthouse."""
    text = default_text(name, language)
    return _replace(store, Page(name=name, language=language, text=text, updated_ms=None), now_ms, actor)


def filled(text: str, *, site: str, contact: str) -> str:
    """A page's text with the site's name and email in it."""
    return text.replace("{site}", site).replace("{contact}", contact)


@cache
def default_text(name: PageName, language: Language) -> str:
    """The words that come with Posthouse."""
    folder = resources.files("posthouse") / "data" / "pages" / language
    return (folder / f"{name}.md").read_text("utf-8").strip()


def _replace(store: Store, page: Page, now_ms: int, actor: str) -> Page:
    with store.begin() as connection:
        before = _read(connection, page.name, page.language)
        if before.text != page.text or before.updated_ms is not None:
            own = (pages.c.name == page.name) & (pages.c.language == page.language)
            connection.execute(delete(pages).where(own))
            if page.updated_ms is not None:
                row = {"name": page.name, "language": page.language, "text": page.text}
                connection.execute(insert(pages).values(**row, updated_ms=page.updated_ms))
            note(
                connection,
                actor=actor,
                action="page.write" if page.updated_ms is not None else "page.restore",
                subject=f"page:{page.name}/{page.language}",
                before=before.text,
                after=page.text,
                at_ms=now_ms,
            )
            return page
        return before


def _read(connection: Connection, name: PageName, language: Language) -> Page:
    query = select(pages).where(pages.c.name == name, pages.c.language == language)
    return _page(name, language, connection.execute(query).first())


def _page(name: PageName, language: Language, row: Row[Any] | None) -> Page:
    if row is None:
        return Page(name=name, language=language, text=default_text(name, language), updated_ms=None)
    return Page(name=name, language=language, text=row.text, updated_ms=row.updated_ms)
