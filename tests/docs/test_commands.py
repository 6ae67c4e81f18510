"""Every `posthouse …` command that a page shows is one, with the options that it has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from posthouse.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.toml")]
)
COMMAND: Any = typer.main.get_command(app)

_CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`|^#([^\n]*)$", re.DOTALL | re.MULTILINE)
_CALL = re.compile(r"(?:^\s*(?:\$ )?|/bin/)posthouse ([^\n|#;&`]+)", re.MULTILINE)


def calls(text: str) -> Iterator[str]:
    """What follows `posthouse` wherever code calls it; a line that ends in a backslash goes on."""
    for match in _CODE.finditer(text):
        code = next(part for part in match.groups() if part is not None).replace("\\\n", " ")
        yield from (call.strip() for call in _CALL.findall(code))


def problem(call: str) -> str:
    """What is wrong with a call; empty when nothing is."""
    words = shlex.split(call.rstrip(").,:…"), posix=True) if call.count("'") % 2 == 0 else call.split()
    command = COMMAND
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    return f"no option {unknown[0]!r}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    for call in calls(page.read_text("utf-8")):
        assert not problem(call), f"posthouse {call}: {problem(call)}"


def test_a_command_that_is_none_is_found() -> None:
    assert list(calls("`posthouse account create X`\n```sh\nposthouse serve \\\n --demo # x\n```\n")) == [
        "account create X",
        "serve   --demo",
    ]
    assert problem("account crate x") == "no command 'crate'"
    assert problem("serve --dem") == "no option '--dem'"
    assert problem("key update KEY_ID --budget AMOUNT") == ""
