"""What the pages tell to type works: commands, files, calls, programs."""

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import PAGES, ROOT, blocks_of, code_of, commands_of, name_of, read, rows_of
from typer.main import get_command
from typer.testing import CliRunner

from posthouse.catalogue.checks import check
from posthouse.catalogue.document import read_document
from posthouse.catalogue.rules import Configuration
from posthouse.cli import app
from posthouse.metering.official import official_models
from posthouse.relay.endpoints import find_endpoint
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import ScriptedUpstream

UPSTREAM = {"UPSTREAM_BASE_URL": "http://127.0.0.1:1/v1", "UPSTREAM_API_KEY": "sk-upstream-credential"}
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=name_of)
READMES = pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])


@EACH_PAGE
def test_toml_is_a_configuration(page: Path) -> None:
    for block in blocks_of(page.read_text("utf-8"), "toml"):
        environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block.text), "sk-some") | UPSTREAM
        document = read_document(block.text, source=page.name, environment=environment)
        assert check(Configuration.of(document.definitions), official_models()) == []


@EACH_PAGE
def test_json_and_python_parse(page: Path) -> None:
    text = page.read_text("utf-8")
    for block in blocks_of(text, "json"):
        json.loads(block.text)
    for block in blocks_of(text, "python"):
        compile(block.text, page.name, "exec")


@EACH_PAGE
def test_shell_commands_parse_and_are_ours(page: Path) -> None:
    for block in blocks_of(page.read_text("utf-8"), "sh"):
        subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)
        for words in commands_of(block.text):
            if words[0].startswith("scripts/"):
                assert (ROOT / words[0]).stat().st_mode & 0o100, words[0]
            if words[0] == "sudo":
                words = words[words.index("/opt/posthouse/bin/posthouse") :]
            if words[0].rpartition("/")[2] == "posthouse":
                _parse_command(words[1:])


def _parse_command(arguments: list[str]) -> None:
    """As the command line would, short of running it: an unknown command or option raises."""
    command = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[arguments[0]]
        arguments = arguments[1:]
    command.make_context(command.name, arguments)


@READMES
def test_every_path_in_the_table_is_answered(readme: str) -> None:
    cells = [row[0] for row in rows_of(read(readme), "path" if readme == "README.md" else "路径")]
    paths = [path for cell in cells for path in _paths(cell)]
    assert len(paths) > len(cells)
    for method, path in paths:
        find_endpoint(method, path.replace("MODEL", "gpt-4o"))


def _paths(cell: str) -> Iterator[tuple[str, str]]:
    """`GET /a/b`, `/c` names /a/b and /a/c."""
    method = base = ""
    for code in code_of(cell):
        if " " in code:
            method, path = code.split()
            base = path.removesuffix("/chat/completions").removesuffix("/subscription")
            yield method, path
        else:
            yield method, base + code


@EACH_PAGE
def test_addresses_in_examples_are_answered(page: Path) -> None:
    for block in blocks_of(page.read_text("utf-8"), "sh", "python", "js"):
        for path in re.findall(r"https?://[\w.:-]+(?:8000|example\.com)(/v1/[\w/]*\w)", block.text):
            find_endpoint("POST" if "-d " in block.text else "GET", path)


# -- the README's own way from nothing to an answer ----------------------------------------------------------


@READMES
def test_the_first_steps_work(readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("POSTHOUSE_DATA", str(tmp_path / "data"))
    for name, value in UPSTREAM.items():
        monkeypatch.setenv(name, value)
    (steps,) = [block for block in blocks_of(read(readme), "sh") if "posthouse apply" in block.text]
    ours = [words[1:] for words in commands_of(steps.text) if words[0] == "posthouse"]
    assert len(ours) == 5
    for words in ours:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (words, result.output)
    shown = CliRunner().invoke(app, ["account", "show", "ada@example.com", "--json"])
    assert json.loads(shown.stdout)["plan"] == "paid"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    with (
        ScriptedUpstream(credential="sk-upstream-credential") as upstream,
        ServedRelay(tmp_path_factory.mktemp("relay"), upstream.base_url) as relay,
    ):
        yield relay


@READMES
def test_the_curl_line_gets_an_answer(readme: str, relay: ServedRelay) -> None:
    key = relay.member(f"curl-{readme}@example.org", credit="10")
    (block,) = [block for block in blocks_of(read(readme), "sh") if block.text.startswith("curl")]
    (words,) = commands_of(block.text)
    assert words[1].startswith("http://127.0.0.1:8000/")
    headers = dict(words[i + 1].split(": ") for i, word in enumerate(words) if word == "-H")
    headers["Authorization"] = headers["Authorization"].replace("$POSTHOUSE_KEY", key)
    connection = http.client.HTTPConnection("127.0.0.1", relay.port)
    body = words[words.index("-d") + 1].encode()
    connection.request("POST", words[1].removeprefix("http://127.0.0.1:8000"), body, headers)
    answer = connection.getresponse()
    assert json.loads(answer.read())["choices"][0]["message"]["content"]
    connection.close()


@READMES
def test_the_python_program_prints_an_answer(
    readme: str, relay: ServedRelay, capsys: pytest.CaptureFixture[str]
) -> None:
    key = relay.member(f"python-{readme}@example.org", credit="10")
    (block,) = blocks_of(read(readme), "python")
    program = block.text.replace("http://127.0.0.1:8000/v1", relay.base_url).replace("YOUR_KEY", key)
    assert program.count(relay.base_url) == program.count(key) == 1
    names: dict[str, object] = {}
    exec(compile(program, readme, "exec"), names)
    names["client"].close()
    assert capsys.readouterr().out.strip()
