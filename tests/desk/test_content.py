"""Announcements, pages, images."""

import pytest
from sqlalchemy import select
from tests.desk.conftest import NOW_MS

from posthouse.desk import pages
from posthouse.desk.announcements import Announcement, Words, announce, change, list_announcements, withdraw
from posthouse.desk.errors import UnknownThing
from posthouse.desk.images import keep_only, put_image, read_image
from posthouse.desk.rules import PAGE_NAMES
from posthouse.kernel.problems import UnfitValue
from posthouse.store.engine import Store
from posthouse.store.schema_desk import audit_log

PNG = b"\x89PNG\r\n\x1a\n..."


def announced(
    store: Store, title: str, *, pinned: bool = False, from_ms: int, until_ms: int | None = None
) -> str:
    words = Words(title_en=title, pinned=pinned, from_ms=from_ms, until_ms=until_ms)
    return announce(store, words, now_ms=NOW_MS).id


def shown(store: Store, at_ms: int) -> list[str]:
    return [one.title_en for one in list_announcements(store, shown_at_ms=at_ms, limit=9)]


def test_an_announcement_shows_from_its_time_until_its_end(store: Store) -> None:
    announced(store, "maintenance", from_ms=NOW_MS, until_ms=NOW_MS + 10)
    announced(store, "new model", from_ms=NOW_MS + 5)
    assert [shown(store, NOW_MS + at) for at in (-1, 0, 5, 9, 10)] == [
        [],
        ["maintenance"],
        ["new model", "maintenance"],
        ["new model", "maintenance"],
        ["new model"],
    ]
    assert len(list_announcements(store, limit=9)) == 2


def test_the_pinned_come_first_on_every_page(store: Store) -> None:
    for i in range(5):
        announced(store, f"{i}", pinned=i == 1, from_ms=NOW_MS + i // 2)
    seen: list[Announcement] = []
    while page := list_announcements(store, after=seen[-1].place if seen else None, limit=2):
        seen += page
    assert seen[0].title_en == "1"
    assert sorted(one.title_en for one in seen) == list("01234")
    assert [one.from_ms for one in seen[1:]] == sorted((one.from_ms for one in seen[1:]), reverse=True)


def test_an_announcement_is_changed_and_withdrawn(store: Store) -> None:
    made = announced(store, "old", from_ms=NOW_MS)
    words = Words(title_zh=" 新 ", text_zh="一\r\n二", from_ms=NOW_MS)
    after = change(store, made, words, now_ms=NOW_MS + 1, actor="acc_x")
    assert (after.title_en, after.title_zh, after.text_zh) == ("", "新", "一\n二")
    change(store, made, words, now_ms=NOW_MS + 2)  # the same again: no line in the log
    withdraw(store, made, now_ms=NOW_MS + 3)
    with pytest.raises(UnknownThing):
        withdraw(store, made, now_ms=NOW_MS + 4)
    with store.read() as connection:
        actions = connection.execute(select(audit_log.c.action).order_by(audit_log.c.id)).scalars().all()
    assert actions == ["announcement.create", "announcement.change", "announcement.withdraw"]


@pytest.mark.parametrize(
    "words",
    [
        Words(from_ms=1),
        Words(title_en="x" * 121, from_ms=1),
        Words(title_en="x", text_en="a\x00", from_ms=1),
        Words(title_en="x", from_ms=2, until_ms=1),
    ],
)
def test_what_is_no_announcement(store: Store, words: Words) -> None:
    with pytest.raises(UnfitValue):
        announce(store, words, now_ms=NOW_MS)


# -- pages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_every_page_comes_with_words_in_both_languages(name: pages.PageName) -> None:
    english, chinese = (pages.default_text(name, language) for language in ("en", "zh"))
    assert english != chinese
    assert english.count("## ") == chinese.count("## ")
    assert english.count("{site}") == chinese.count("{site}")
    assert english.count("{contact}") == chinese.count("{contact}")


def test_a_page_is_written_and_restored(store: Store) -> None:
    default = pages.read_page(store, "terms", "en")
    assert default.updated_ms is None
    pages.write_page(store, "terms", "en", "# Ours\r\n{site}", now_ms=NOW_MS)
    page = pages.read_page(store, "terms", "en")
    assert (page.text, page.updated_ms) == ("# Ours\n{site}", NOW_MS)
    assert pages.read_page(store, "terms", "zh").updated_ms is None
    assert pages.restore_page(store, "terms", "en", now_ms=NOW_MS) == default
    assert pages.read_page(store, "terms", "en") == default


def test_a_pages_fields_are_filled_in() -> None:
    assert pages.filled("{site}: {contact} {x} {site}", site="S", contact="c@d") == "S: c@d {x} S"


# -- images --------------------------------------------------------------------------------------------------


def test_an_image_is_kept_once_and_given_back(store: Store) -> None:
    name = put_image(store, PNG, now_ms=NOW_MS)
    assert put_image(store, PNG, now_ms=NOW_MS + 1) == name
    assert read_image(store, name) == PNG


def test_images_that_nothing_shows_are_deleted(store: Store) -> None:
    old, new = put_image(store, PNG, now_ms=NOW_MS), put_image(store, PNG + b"2", now_ms=NOW_MS)
    keep_only(store, (new,))
    assert read_image(store, new)
    with pytest.raises(UnknownThing):
        read_image(store, old)
