"""On which line of a TOML text each value stands: tomllib reads values, but keeps no lines."""

import re
import tomllib
from collections.abc import Iterator

from posthouse.catalogue.errors import Path

_TOKEN = re.compile(
    r'''(?P<text>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')'''
    r"""|(?P<skip>[ \t\r]+|\#[^\n]*)|(?P<mark>[\n\[\]{}=,.])|(?P<bare>[^\s\[\]{}=,.\#"']+)""",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of each key and array element, by path: {("plans", "free", "limits", 0): 7, …}.
    `text` is TOML that tomllib accepts."""
    return _Scanner(text).lines


def line_at(lines: dict[Path, int], path: Path) -> int:
    """The line of the nearest thing that the file has to a path; 1 when it has nothing of it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield match.group(), line
        line += match.group().count("\n")


class _Scanner:
    """Walks the tokens once. Nothing is checked: tomllib has."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._tokens = [*_tokens(text), ("\n", 0)]
        self._at = 0
        self._last_element: dict[Path, int] = {}  # of each [[array of tables]]
        table: Path = ()
        while self._at < len(self._tokens):
            if self._peek() == "[":
                table = self._header()
            elif self._peek() == "\n":
                self._at += 1
            else:
                self._member(table)

    def _peek(self) -> str:
        return self._tokens[self._at][0]

    def _mark(self, path: Path, line: int) -> None:
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], line)

    def _header(self) -> Path:
        """`[a.b]` or `[[a.b]]`: the path of the table that it opens."""
        line = self._tokens[self._at][1]
        self._at += 1
        is_array = self._peek() == "["
        self._at += is_array
        path: Path = ()
        for part in self._key("]"):
            if path in self._last_element:
                path += (self._last_element[path],)
            path += (part,)
        self._at += is_array
        if is_array:
            self._last_element[path] = self._last_element.get(path, -1) + 1
        if path in self._last_element:
            path += (self._last_element[path],)
        self._mark(path, line)
        return path

    def _key(self, end: str) -> list[str]:
        """The parts of a dotted key; `end` is consumed with it."""
        parts = []
        while (piece := self._peek()) != end:
            self._at += 1
            if piece != ".":
                quoted = piece[0] in "\"'"
                parts.append(tomllib.loads(f"key = {piece}")["key"] if quoted else piece)
        self._at += 1
        return parts

    def _member(self, table: Path) -> None:
        """`key = value`."""
        line = self._tokens[self._at][1]
        path = table + tuple(self._key("="))
        self._mark(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._peek() in ("[", "{"):
            self._at += 1
            self._elements(path)
            return
        while self._peek() not in (",", "]", "}", "\n"):  # 1.5 and 12:30:00.5 are several tokens
            self._at += 1

    def _elements(self, path: Path) -> None:
        """The rest of an array or inline table, to its closing bracket."""
        index = 0
        is_table = self._tokens[self._at - 1][0] == "{"
        while (token := self._peek()) not in ("]", "}"):
            if token in (",", "\n"):
                self._at += 1
            elif is_table:
                self._member(path)
            else:
                self._mark((*path, index), self._tokens[self._at][1])
                self._value((*path, index))
                index += 1
        self._at += 1
