"""Lists of models as each dialect's clients read them. Pure."""

from __future__ import annotations

from typing import Any

from posthouse.catalogue.compiled import ModelSpec
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.relay.endpoints import Dialect

# Nobody says when a model was made; clients want a time.
_CREATED = "1970-01-01T00:00:00Z"
_GENERATING = ["generateContent", "streamGenerateContent", "countTokens"]
_EMBEDDING = ["embedContent", "batchEmbedContents", "countTokens"]


def list_of(dialect: Dialect, models: list[ModelSpec]) -> dict[str, Any]:
    """All of them, under each of their names, on one page."""
    data = [_object(dialect, name, model) for model in models for name in (model.name, *model.aliases)]
    match dialect:
        case "openai":
            return {"object": "list", "data": data}
        case "anthropic":
            ends = [one["id"] for one in data[:1] + data[-1:]] or [None]
            return {"data": data, "has_more": False, "first_id": ends[0], "last_id": ends[-1]}
        case "gemini":
            return {"models": data}


def one_of(dialect: Dialect, models: list[ModelSpec], name: str) -> dict[str, Any]:
    """The one of this name. Raises Refusal when there is none."""
    for model in models:
        if name == model.name or name in model.aliases:
            return _object(dialect, name, model)
    raise Refusal(RelayCode.MODEL_NOT_FOUND, param="model", model=name[:100])


def _object(dialect: Dialect, name: str, model: ModelSpec) -> dict[str, Any]:
    match dialect:
        case "openai":
            return {"id": name, "object": "model", "created": 0, "owned_by": model.owned_by}
        case "anthropic":
            return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED}
        case "gemini":
            limits = {
                "inputTokenLimit": model.max_input_tokens,
                "outputTokenLimit": model.max_output_tokens,
            }
            return {
                "name": f"models/{name}",
                "displayName": name,
                "supportedGenerationMethods": _EMBEDDING if model.kind == "embedding" else _GENERATING,
                **{field: limit for field, limit in limits.items() if limit is not None},
            }
