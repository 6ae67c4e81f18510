"""Reads operators' files as `apply` does, with an environment of canaries."""

from pathlib import Path

from posthouse.catalogue.checks import check
from posthouse.catalogue.compiled import Catalogue
from posthouse.catalogue.document import Document, read_document
from posthouse.catalogue.rules import Configuration
from posthouse.metering.official import official_models

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
