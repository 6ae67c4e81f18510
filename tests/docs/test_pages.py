"""What the pages say leads somewhere, and holds in both languages."""

from pathlib import Path

import pytest
from tests.docs.pages import PAGES, PAIRS, ROOT, anchors_of, blocks_of, headings_of, links_of, name_of


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in links_of(page.read_text("utf-8")):
        if "://" in link:
            continue
        target, _, fragment = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{name_of(page)}: {link}"
        assert path.is_relative_to(ROOT), f"{name_of(page)}: {link}"
        if fragment:
            assert fragment in anchors_of(path.read_text("utf-8")), f"{name_of(page)}: {link}"


def test_every_page_is_reached_from_the_readme() -> None:
    """By links, from one of the two README files."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md", ROOT / "README.zh.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        if page.suffix == ".md":
            links = [
                link.partition("#")[0] for link in links_of(page.read_text("utf-8")) if "://" not in link
            ]
            waiting += [(page.parent / link).resolve() for link in links if link]
    assert {name_of(page) for page in PAGES if page not in reached} == set()


@pytest.mark.parametrize("page", PAIRS, ids=lambda path: path.name)
def test_both_languages_have_one_structure(page: Path) -> None:
    english, chinese = (page.with_name(page.name + suffix).read_text("utf-8") for suffix in (".md", ".zh.md"))
    levels = [[level for level, _ in headings_of(text)] for text in (english, chinese)]
    assert levels[0] == levels[1]
    languages = [[block.language for block in blocks_of(text)] for text in (english, chinese)]
    assert languages[0] == languages[1]
    rows = [sum(line.startswith("|") for line in text.splitlines()) for text in (english, chinese)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name.endswith(".zh.md")], ids=name_of)
def test_a_chinese_page_leads_to_chinese_pages_where_there_are_any(page: Path) -> None:
    english = page.with_name(page.name.replace(".zh.md", ".md"))
    for link in links_of(page.read_text("utf-8")):
        target = (page.parent / link.partition("#")[0]).resolve()
        if target.suffix == ".md" and target != english and not target.name.endswith(".zh.md"):
            assert not target.with_name(target.stem + ".zh.md").exists(), f"{name_of(page)}: {link}"
