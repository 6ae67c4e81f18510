"""docs/errors/ says what data/errors.json says, of each error, in both languages."""

import subprocess
import sys
from pathlib import Path

import pytest

from posthouse.kernel.errors import RelayCode, error_table

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "errors"


def test_the_pages_are_what_scripts_docs_writes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/docs", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("code", RelayCode)
@pytest.mark.parametrize("suffix", [".md", ".zh.md"])
def test_each_error_has_its_page(code: RelayCode, suffix: str) -> None:
    text = (PAGES / f"{code.value}{suffix}").read_text("utf-8")
    row = error_table()[code]
    assert text.startswith(f"# {code.value}: ")
    assert f"HTTP {row.http_status}\n" in text
    assert f'"code": "{row.code}"' in text
    assert f"]({code.value}{suffix})" in (PAGES / f"index{suffix}").read_text("utf-8")


@pytest.mark.parametrize("code", RelayCode)
def test_each_text_is_in_its_language_and_has_the_same_fields(code: RelayCode) -> None:
    row = error_table()[code]
    assert "default" in row.messages
    for texts in row.messages.values():
        assert texts["en"].isascii() or "…" in texts["en"]
        assert any("\u4e00" <= character <= "\u9fff" for character in texts["zh"])
        assert _fields(texts["en"]) == _fields(texts["zh"])


def _fields(text: str) -> set[str]:
    class Seen(dict[str, str]):
        def __missing__(self, key: str) -> str:
            self[key] = ""
            return ""

    seen = Seen()
    text.format_map(seen)
    return set(seen)


def test_which_errors_are_worth_a_retry() -> None:
    """A retry is pointless wherever only a change of the request, the key or the balance helps."""
    worth = {row.relay_code for row in error_table().values() if row.retry}
    assert worth == {-1, 40020, 40021, 40022, 40023, 40031, 40032, 40040, 40041, 45011, 40254, 40257, 40258}
