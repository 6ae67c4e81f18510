"""List prices of the providers, as shipped in data/official_prices.jsonl."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from types import MappingProxyType

import msgspec
from msgspec import Struct, structs

from posthouse.metering.prices import ListLine


class _Row(Struct, frozen=True):
    """One line of the file: a model, or one image size and quality of it."""

    model: str
    provider: str
    kind: str
    prices: tuple[ListLine, ...]
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    size: str = ""
    quality: str = ""
    retired: bool = False


class OfficialModel(Struct, frozen=True):
    """What a provider says of one model. Image prices of a size or quality are components of their own:
    "image:1024x1024", "image:1024x1024:hd"."""

    provider: str
    model: str
    kind: str
    lines: tuple[ListLine, ...]
    max_input_tokens: int | None
    max_output_tokens: int | None
    retired: bool


@cache
def official_models() -> Mapping[str, OfficialModel]:
    """All models by "provider/model"."""
    text = (resources.files("posthouse") / "data" / "official_prices.jsonl").read_bytes()
    rows: dict[str, list[_Row]] = {}
    for row in msgspec.json.Decoder(_Row).decode_lines(text):
        rows.setdefault(f"{row.provider}/{row.model}", []).append(row)
    return MappingProxyType({name: _merge(group) for name, group in rows.items()})


def official(name: str) -> OfficialModel | None:
    """The model of a full name ("openai/gpt-4o-mini"), or of a bare one that only one provider has."""
    exact = official_models().get(name)
    return exact or _by_bare_name().get(name)


@cache
def _by_bare_name() -> dict[str, OfficialModel]:
    found: dict[str, list[OfficialModel]] = {}
    for model in official_models().values():
        found.setdefault(model.model, []).append(model)
    return {name: models[0] for name, models in found.items() if len(models) == 1}


def _merge(rows: list[_Row]) -> OfficialModel:
    """Rows of one model as one; of several prices for the same thing (the file tells search context sizes
    apart, which no usage report does) the dearest."""
    lines: dict[tuple[str, int, str], ListLine] = {}
    for row in rows:
        detail = "".join(f":{part}" for part in (row.size, row.quality) if part)
        for given in row.prices:
            line = structs.replace(given, component=given.component + detail)
            key = (line.component, line.prompt_tokens_over, line.service_tier)
            if key not in lines or Decimal(line.usd) > Decimal(lines[key].usd):
                lines[key] = line
    first = rows[0]
    return OfficialModel(
        first.provider,
        first.model,
        first.kind,
        tuple(lines.values()),
        first.max_input_tokens,
        first.max_output_tokens,
        first.retired,
    )
