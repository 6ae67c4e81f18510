"""Pages that the operator may write: landing text, FAQ, terms, privacy."""

from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import Field

from posthouse.api.context import Here, Who, language_in
from posthouse.api.frame import Router
from posthouse.api.permissions import PUBLIC, Permission
from posthouse.api.values import Answer, Body, Whole
from posthouse.desk import pages
from posthouse.desk.rules import PAGE_CHARS_MAX, PageName
from posthouse.kernel.errors import Language

router = Router("pages")
NameInPath = Annotated[PageName, Path(description="Which page.")]
LanguageInPath = Annotated[Language, Path(description="In which language.")]


class PageAnswer(Answer):
    """A page in one language."""

    name: PageName = Field(description="Which page.")
    language: Language = Field(description="In which language.")
    text: str = Field(description="As Markdown.")
    updated_ms: int | None = Field(
        description="When the operator wrote it, in ms since 1970 UTC; null: it comes with Posthouse."
    )


class PageBody(Body):
    """A page's text."""

    text: str = Field(
        min_length=1,
        max_length=PAGE_CHARS_MAX,
        description="As Markdown; {site} stands for the site's name, {contact} for its email.",
    )


@router.get("/pages/{name}", PUBLIC)
def read_page(
    here: Here,
    request: Request,
    name: NameInPath,
    language: Annotated[Language | None, Query(description="Else as accept-language says.")] = None,
) -> PageAnswer:
    """Read a page, with the site's name and email filled in."""
    page = pages.read_page(here.store, name, language or language_in(request))
    site = here.market.catalogue.site
    text = pages.filled(page.text, site=site.name, contact=site.contact_email or site.name)
    return PageAnswer(name=page.name, language=page.language, text=text, updated_ms=page.updated_ms)


@router.get("/admin/pages", Permission.CONTENT_WRITE)
def list_pages(here: Here) -> Whole[PageAnswer]:
    """List all pages in all languages, as they are written: {site} and {contact} are not filled in."""
    return Whole(items=[PageAnswer.model_validate(one) for one in pages.read_pages(here.store)])


@router.put("/admin/pages/{name}/{language}", Permission.CONTENT_WRITE)
def write_page(
    here: Here, who: Who, name: NameInPath, language: LanguageInPath, body: PageBody
) -> PageAnswer:
    """Replace a page."""
    page = pages.write_page(here.store, name, language, body.text, now_ms=here.now_ms(), actor=who.actor)
    return PageAnswer.model_validate(page)


@router.delete("/admin/pages/{name}/{language}", Permission.CONTENT_WRITE)
def restore_page(here: Here, who: Who, name: NameInPath, language: LanguageInPath) -> None:
    """Go back to the words that come with Posthouse."""
    pages.restore_page(here.store, name, language, now_ms=here.now_ms(), actor=who.actor)
