"""Completions that a provider keeps because they were asked with `store`: in memory, in OpenAI's shapes.

Source: OpenAI's API reference, "Chat completions": retrieve, update, delete, messages.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from posthouse.testing import openai_shapes as shapes

KEPT_MAX = 1000  # then the oldest goes

_PATH = re.compile(r"/v1/chat/completions/(?P<id>[^/?]+)(?P<messages>/messages)?")


class StoredCompletions:
    """By id, oldest first: each with the messages that asked for it."""

    def __init__(self) -> None:
        self.kept: dict[str, shapes.Json] = {}
        self._messages: dict[str, Sequence[shapes.Json]] = {}

    def keep(self, answer: bytes, messages: Any, metadata: Any) -> None:
        """Keep a whole answer."""
        completion: shapes.Json = msgspec.json.decode(answer)
        name = str(completion["id"])
        asked = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
        self.kept[name] = {**completion, "metadata": metadata}
        self._messages[name] = [{"id": f"{name}-{index}", **one} for index, one in enumerate(asked)]
        for oldest in list(self.kept)[: max(0, len(self.kept) - KEPT_MAX)]:
            self._drop(oldest)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of a call about one of them."""
        named = _PATH.fullmatch(path)
        if named is None or named["id"] not in self.kept:
            return 404, shapes.error_body(
                "There is no such completion.", "invalid_request_error", "not_found"
            )
        name = named["id"]
        if named["messages"]:
            return 200, shapes.encode(_page(self._messages[name]))
        match method:
            case "DELETE":
                self._drop(name)
                gone = {"object": "chat.completion.deleted", "id": name, "deleted": True}
                return 200, shapes.encode(gone)
            case "POST":
                self.kept[name]["metadata"] = msgspec.json.decode(body, type=dict[str, Any]).get("metadata")
        return 200, shapes.encode(self.kept[name])

    def _drop(self, name: str) -> None:
        del self.kept[name], self._messages[name]


def _page(items: Sequence[shapes.Json]) -> shapes.Json:
    ends = [items[index]["id"] if items else None for index in (0, -1)]
    return {"object": "list", "data": items, "first_id": ends[0], "last_id": ends[1], "has_more": False}
