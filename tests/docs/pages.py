"""The project's pages as tests read them: headings, links, tables, fenced blocks."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "bench/*.md", "examples/*.md") for path in ROOT.glob(pattern)
)
PAIRS = [
    ROOT / name
    for name in ("README", "docs/operations", "docs/configuration", "docs/channels", "docs/members")
]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    language: str
    text: str


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def prose_of(text: str) -> str:
    """Everything but fenced blocks."""
    return _FENCE.sub("", text)


def blocks_of(text: str, *languages: str) -> list[Block]:
    found = [Block(*match) for match in _FENCE.findall(text)]
    return [block for block in found if block.language in languages] if languages else found


def headings_of(text: str) -> list[tuple[str, str]]:
    return _HEADING.findall(prose_of(text))


def anchors_of(text: str) -> set[str]:
    """What a `#fragment` may name, as GitHub and GitLab make it of headings."""
    titles = (title.lower().strip() for _, title in headings_of(text))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def links_of(text: str) -> list[str]:
    return _LINK.findall(re.sub(r"`[^`]*`", "", prose_of(text)))


def code_of(text: str) -> list[str]:
    """What stands in backticks within the text."""
    return re.findall(r"`([^`\n]+)`", text)


def section_of(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of any level."""
    for part in re.split(r"^(?=#+ )", text, flags=re.MULTILINE):
        if re.match(rf"#+ `?{re.escape(title)}`?\n", part):
            return part
    raise AssertionError(f"no heading {title!r}")


def rows_of(section: str, first_column: str) -> list[list[str]]:
    """The cells of the section's table whose first column is called so."""
    rows: list[list[str]] | None = None
    for line in section.splitlines():
        if not line.startswith("|"):
            if rows is not None:
                return rows[1:]  # less the line under the header
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if rows is not None:
            rows.append(cells)
        elif cells[0] == first_column:
            rows = []
    assert rows, f"no table that begins with {first_column!r}"
    return rows[1:]


def commands_of(script: str) -> Iterator[list[str]]:
    """Each command line of a shell script as words: continued lines joined, comments and variables' settings
    left out."""
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words:
            yield words
