"""Both languages have every text that the console uses, and no other."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent.parent / "console" / "src"
LOCALES = SOURCE / "locales"
AREAS = sorted(path.stem for path in (LOCALES / "en").glob("*.json"))
PLURALS = {"en": ("_one", "_other"), "zh": ("_other",)}

# t("key"), t(`begin.${…}`), t(is ? "one" : "other", …): what stands in a call of t.
CALL = re.compile(r"\b(?:i18next\.)?t\(")
LITERAL = re.compile(r'(?<![=!]= )"([\w:.-]+)"')  # what is compared with is no key
TEMPLATE = re.compile(r"`[^`]*`")
PREFIX = re.compile(r"`([\w:.-]+\.)\$\{")
NAMESPACE = re.compile(r'useTranslation\(\s*(?:"(\w+)")?')
NAMED = re.compile(r'\b(?:label|group): "(nav\.[\w.]+)"')  # entries of the navigation, shown by the shells
FIELD = re.compile(r"\{\{(\w+)\}\}")


def texts(language: str, area: str) -> dict[str, str]:
    """The file's texts by dotted key."""

    def flat(prefix: str, node: object) -> Iterator[tuple[str, str]]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield from flat(f"{prefix}.{key}" if prefix else key, value)
        else:
            assert isinstance(node, str), f"{language}/{area}: {prefix} is no text"
            assert node.strip(), f"{language}/{area}: {prefix} is empty"
            yield prefix, node

    return dict(flat("", json.loads((LOCALES / language / f"{area}.json").read_text("utf-8"))))


def without_plurals(language: str, known: dict[str, str]) -> dict[str, str]:
    """Keys as the code names them; a plural must have all forms of its language."""
    named = dict(known)
    for key in known:
        stem, _, form = key.rpartition("_")
        if form in ("one", "other") and f"{stem}_other" in known:
            for suffix in PLURALS[language]:
                assert stem + suffix in known, f"{language}: {stem} lacks {suffix}"
            named[stem] = named.pop(key)
    return named


def uses() -> Iterator[tuple[Path, str, str, bool]]:
    """Each use: where, area, key, and whether it only begins like this."""
    for path in SOURCE.rglob("*.ts*"):
        if path.name.endswith(".d.ts"):
            continue
        code = path.read_text("utf-8")
        spaces = [name or "common" for name in NAMESPACE.findall(code)]
        own = spaces or ["common"]
        heads = [head(code[call.end() :]) for call in CALL.finditer(code)]
        found = [(key, False) for one in heads for key in LITERAL.findall(TEMPLATE.sub("", one))]
        found += [(key, True) for one in heads for key in PREFIX.findall(one)]
        found += [(f"common:{key}", False) for key in NAMED.findall(code)]
        for key, is_prefix in found:
            area, _, name = key.rpartition(":")
            for candidate in [area] if area else sorted(set(own)):
                yield path, candidate, name, is_prefix


def head(rest: str) -> str:
    """The first argument of a call that begins here."""
    depth = 0
    for at, letter in enumerate(rest):
        depth += letter in "([{"
        depth -= letter in ")]}"
        if depth < 0 or (letter == "," and depth == 0):
            return rest[:at]
    return rest


@pytest.mark.parametrize("area", AREAS)
def test_both_languages_have_the_same_texts(area: str) -> None:
    english = without_plurals("en", texts("en", area))
    chinese = without_plurals("zh", texts("zh", area))
    assert english.keys() ^ chinese.keys() == set()
    for key, text in english.items():
        fields = set(FIELD.findall(text)) ^ set(FIELD.findall(chinese[key]))
        assert fields <= {"count"}, f"{area}: {key} has other fields in the other language: {fields}"


def test_no_language_has_an_area_of_its_own() -> None:
    assert sorted(path.stem for path in (LOCALES / "zh").glob("*.json")) == AREAS


def test_every_text_that_is_used_is_there() -> None:
    known = {area: without_plurals("en", texts("en", area)).keys() for area in AREAS}
    missing: dict[tuple[Path, str], bool] = {}
    for path, area, key, is_prefix in uses():
        names = known.get(area, ())
        there = any(name.startswith(key) for name in names) if is_prefix else key in names
        place = (path.relative_to(SOURCE), key)
        missing[place] = missing.get(place, True) and not there
    told = sorted(f"{path}: {key}" for (path, key), is_missing in missing.items() if is_missing)
    assert told == [], "\n".join(told)


def test_every_text_that_is_there_is_used() -> None:
    used: set[tuple[str, str]] = set()
    prefixes: set[tuple[str, str]] = set()
    for _, area, key, is_prefix in uses():
        (prefixes if is_prefix else used).add((area, key))
    idle = [
        f"{area}: {key}"
        for area in AREAS
        for key in without_plurals("en", texts("en", area))
        if (area, key) not in used
        and not any(area == one and key.startswith(prefix) for one, prefix in prefixes)
    ]
    assert idle == [], "\n".join(idle)
