"""Every fault and refusal of ours.

PosthouseError
├── Refusal            an answer that the relay gives in its own name: a row of data/errors.json
└── (faults)           each room's errors.py or module, e.g. UnreadableSecret, StoreDown
                       An operator's mistake is told in its message, with what to do next.

The upstream's answers are never Refusals: they pass through as they came.
"""

from enum import IntEnum
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

Language = Literal["en", "zh"]


class PosthouseError(Exception):
    """Anything of ours that goes wrong. The message is for people and holds no text of a call and no key."""


class RelayCode(IntEnum):
    """The relay's own error numbers; data/errors.json has status, type, code and texts of each."""

    OVERLOADED = -1
    FREE_STANDARD_REQUESTS = 40020
    FREE_PREMIUM_REQUESTS = 40021
    PAID_STANDARD_REQUESTS = 40022
    PAID_PREMIUM_REQUESTS = 40023
    FREE_STANDARD_TOKENS = 40031
    FREE_PREMIUM_TOKENS = 40032
    MALFORMED_AUTHORIZATION = 40038
    EMPTY_REQUEST = 40039
    PAID_OLD_IMAGE_REQUESTS = 40040
    PAID_IMAGE_REQUESTS = 40041
    MODEL_NOT_ALLOWED = 40050
    INVALID_API_KEY = 40001
    KEY_FROZEN = 40243
    INSUFFICIENT_QUOTA = 40250
    KEY_BUDGET_EXCEEDED = 40251
    KEY_SCOPE_DENIED = 40252
    RESOURCE_NOT_FOUND = 40253
    IDEMPOTENCY_CONFLICT = 40254
    REQUEST_TOO_LARGE = 40255
    CONTEXT_LENGTH_EXCEEDED = 40256
    UPSTREAM_UNREACHABLE = 40257
    UPSTREAM_TIMEOUT = 40258
    MISSING_API_KEY = 41001
    RATE_LIMITED = 45011
    MODEL_NOT_FOUND = 48001
    MISSING_MODEL = 48002
    ENDPOINT_NOT_SUPPORTED = 48004
    STREAMING_NOT_ALLOWED = 48005


class ErrorRow(msgspec.Struct, frozen=True):
    """One row of data/errors.json. `messages` maps a situation ("default" is always there) to its text in
    each language; texts have {fields}. `retry`: whether sending the same call again can succeed;
    `retry_never` names the situations in which it can't although the row's others are worth it."""

    relay_code: int
    http_status: int
    type: str
    code: str
    when: str
    remedy: str
    source: str
    messages: dict[str, dict[Language, str]]
    retry: bool = True
    retry_never: tuple[str, ...] = ()


# The longest Retry-After that the official clients wait for; for a longer one they retry within seconds.
RETRY_AFTER_S_MAX = 60.0


@cache
def error_table() -> dict[RelayCode, ErrorRow]:
    """The whole table by relay code."""
    text = (resources.files("posthouse") / "data" / "errors.json").read_bytes()
    return {RelayCode(row.relay_code): row for row in msgspec.json.decode(text, type=list[ErrorRow])}


class Refusal(PosthouseError):
    """A call is refused. `situation` picks the row's text, `fields` fill it; `param` is the request field at
    fault; `retry_after_s` becomes the Retry-After header, infinity: no waiting helps."""

    def __init__(
        self,
        code: RelayCode,
        situation: str = "default",
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        **fields: object,
    ) -> None:
        super().__init__(code.name)
        self.code = code
        self.situation = situation
        self.param = param
        self.retry_after_s = retry_after_s
        self.fields = fields

    @property
    def row(self) -> ErrorRow:
        return error_table()[self.code]

    @property
    def worth_retrying(self) -> bool:
        """Whether a client's own automatic retry can succeed; if not, `x-should-retry: false` tells it so.
        A quota that frees up in an hour can't be waited for; one that frees up in seconds can."""
        soon = self.retry_after_s is None or self.retry_after_s <= RETRY_AFTER_S_MAX
        return self.row.retry and soon and self.situation not in self.row.retry_never

    def message(self, language: Language) -> str:
        said = self.fields
        if language == "zh":
            said = {name: _worded(name, one) for name, one in said.items()}
        return self.row.messages[self.situation][language].format_map(said)


# The fields that hold words of ours, not names or numbers.
_WORDED = frozenset(("expected", "reason", "scope", "where"))


@cache
def words() -> dict[str, str]:
    """data/words.json: the Chinese of what such fields say, by its English."""
    text = (resources.files("posthouse") / "data" / "words.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, str])


def _worded(name: str, value: object) -> object:
    return words().get(str(value), value) if name in _WORDED else value
