from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posthouse.catalogue.checks import check
from posthouse.catalogue.compiled import Catalogue
from posthouse.catalogue.document import Document, read_document
from posthouse.catalogue.rules import Configuration
from posthouse.kernel.secrets import SecretBox
from posthouse.metering.official import official_models
from posthouse.store.engine import Store, open_store

EXAMPLES = Path(__file__).parents[2] / "examples"

_PROVIDERS = ("OPENAI", "DEEPSEEK", "ANTHROPIC", "GEMINI", "XAI", "DASHSCOPE", "MOONSHOT", "MINIMAX")
ENVIRONMENT = {
    "UPSTREAM_BASE_URL": "https://upstream.example/v1",
    "CHEAP_BASE_URL": "https://cheap.example/v1",
} | {f"{name}_API_KEY": f"canary {name}" for name in ("UPSTREAM", "CHEAP", *_PROVIDERS)}


def read(text: str, source: str = "operator.toml") -> Document:
    return read_document(text, source=source, environment=ENVIRONMENT)


def compiled(text: str) -> Catalogue:
    """The catalogue that a text makes, checked as `apply` checks it."""
    document = read(text)
    configuration = Configuration.of(document.definitions)
    problems = check(configuration, official_models())
    if problems:
        raise document.error(problems)
    return Catalogue(configuration)


@pytest.fixture(scope="session")
def example() -> Callable[[str], Catalogue]:
    """The catalogue that a file of examples/ makes."""
    made: dict[str, Catalogue] = {}

    def load(name: str) -> Catalogue:
        if name not in made:
            made[name] = compiled((EXAMPLES / name).read_text())
        return made[name]

    return load


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/posthouse.db")
    yield opened
    opened.close()


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(bytes(32))
