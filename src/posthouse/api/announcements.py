"""Announcements: everybody reads what is shown now; the operator writes, also for later."""

from typing import Annotated

from fastapi import Path
from pydantic import Field

from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import PUBLIC, Permission
from posthouse.api.values import MS_MAX, After, Answer, Body, Limit, Listing, Ms, cursor_parts, cut
from posthouse.desk import announcements
from posthouse.desk.announcements import Announcement, Place, Words
from posthouse.desk.rules import ANNOUNCEMENT_CHARS_MAX, TITLE_CHARS_MAX

router = Router("announcements")
AnnouncementId = Annotated[str, Path(description="The announcement's id.")]


class AnnouncementAnswer(Answer):
    """An announcement. What is empty in one language is to be shown in the other."""

    id: str = Field(description="The announcement's id.")
    title_en: str = Field(description="The title in English.")
    title_zh: str = Field(description="The title in Chinese.")
    text_en: str = Field(description="The text in English, as Markdown; may be empty.")
    text_zh: str = Field(description="The text in Chinese, as Markdown; may be empty.")
    pinned: bool = Field(description="Stands before the others, and at the head of the pages.")
    from_ms: Ms
    until_ms: int | None = Field(description="When it stops to be shown, as from_ms; null: never.")
    created_ms: Ms


class AnnouncementBody(Body):
    """What an announcement says, in one language at least, and when."""

    title_en: str = Field("", max_length=TITLE_CHARS_MAX, description="The title in English.")
    title_zh: str = Field("", max_length=TITLE_CHARS_MAX, description="The title in Chinese.")
    text_en: str = Field("", max_length=ANNOUNCEMENT_CHARS_MAX, description="Markdown.")
    text_zh: str = Field("", max_length=ANNOUNCEMENT_CHARS_MAX, description="Markdown.")
    pinned: bool = Field(False, description="Stands before the others, and at the head of the pages.")
    from_ms: Ms | None = Field(None, description="From when it is shown; null: from now.")
    until_ms: int | None = Field(None, ge=0, le=MS_MAX, description="Until when; null: for good.")

    def words(self, now_ms: int) -> Words:
        fields = self.model_dump()
        return Words(**{**fields, "from_ms": now_ms if self.from_ms is None else self.from_ms})


@router.get("/announcements", PUBLIC)
def list_current_announcements(
    here: Here, after: After = "", limit: Limit = 20
) -> Listing[AnnouncementAnswer]:
    """List what is shown now, the pinned first, then the newest."""
    place, now_ms = _place(after), here.now_ms()
    found = announcements.list_announcements(here.store, shown_at_ms=now_ms, after=place, limit=limit + 1)
    return _page(found, limit)


@router.get("/admin/announcements", Permission.CONTENT_WRITE)
def list_announcements(here: Here, after: After = "", limit: Limit = 50) -> Listing[AnnouncementAnswer]:
    """List all, those of the future and the past too."""
    place = _place(after)
    return _page(announcements.list_announcements(here.store, after=place, limit=limit + 1), limit)


@router.post("/admin/announcements", Permission.CONTENT_WRITE, status=201)
def create_announcement(here: Here, who: Who, body: AnnouncementBody) -> AnnouncementAnswer:
    """Announce something, now or later."""
    now_ms = here.now_ms()
    made = announcements.announce(here.store, body.words(now_ms), now_ms=now_ms, actor=who.actor)
    return AnnouncementAnswer.model_validate(made)


@router.put("/admin/announcements/{announcement_id}", Permission.CONTENT_WRITE)
def change_announcement(
    here: Here, who: Who, announcement_id: AnnouncementId, body: AnnouncementBody
) -> AnnouncementAnswer:
    """Replace what an announcement says."""
    now_ms = here.now_ms()
    words = body.words(now_ms)
    changed = announcements.change(here.store, announcement_id, words, now_ms=now_ms, actor=who.actor)
    return AnnouncementAnswer.model_validate(changed)


@router.delete("/admin/announcements/{announcement_id}", Permission.CONTENT_WRITE)
def withdraw_announcement(here: Here, who: Who, announcement_id: AnnouncementId) -> None:
    """Delete an announcement."""
    announcements.withdraw(here.store, announcement_id, now_ms=here.now_ms(), actor=who.actor)


def _place(after: str) -> Place | None:
    return cursor_parts(after, int, int, str) if after else None


def _page(found: list[Announcement], limit: int) -> Listing[AnnouncementAnswer]:
    shown, more = cut(found, limit, lambda one: one.place)
    items = [AnnouncementAnswer.model_validate(one) for one in shown]
    return Listing[AnnouncementAnswer](items=items, next=more)
