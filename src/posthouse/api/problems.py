"""What the API answers when it can't do what was asked: RFC 9457 problems in the caller's language, of
the table that `kernel.problems` reads."""

from collections.abc import Sequence
from typing import Any

import msgspec

from posthouse.kernel.errors import Language, PosthouseError
from posthouse.kernel.problems import Declined, FieldError
from posthouse.store.errors import StoreError

MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 20  # fields at fault that one answer names


class Problem(Declined):
    """The API itself refuses: `code` names a row of the table, the rest is as in Declined."""

    def __init__(self, code: str, *, errors: Sequence[FieldError] = (), **fields: object) -> None:
        super().__init__()
        self.code = code
        self.errors = tuple(errors)
        self.fields = fields


def problem_of(error: PosthouseError) -> Declined | None:
    """What an error of ours is to the caller; None: it is a fault."""
    if isinstance(error, StoreError):
        return Problem("unavailable")
    return error if isinstance(error, Declined) else None


def render(problem: Declined, language: Language) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    row = problem.row
    body: dict[str, Any] = {
        "type": f"urn:posthouse:problem:{row.code}",
        "title": row.title[language],
        "status": row.status,
        "detail": problem.detail(language),
        "code": row.code,
    }
    if problem.errors:
        body["errors"] = [{"field": one.field, "message": one.message(language)} for one in problem.errors]
    headers = {"content-type": MEDIA_TYPE, "content-language": language}
    if problem.retry_after_s is not None:
        headers["retry-after"] = str(max(1, -int(-problem.retry_after_s // 1)))
    return row.status, headers, msgspec.json.encode(body)


def field_errors(found: Sequence[Any]) -> list[FieldError]:
    """What pydantic found wrong with a request, without what was sent: it may be a password."""
    return [
        FieldError(
            # The first place is "body", "query", "path", "header".
            ".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]),
            one["type"],
            {name: _plain(value) for name, value in (one.get("ctx") or {}).items()},
        )
        for one in found[:ERRORS_MAX]
    ]


def _plain(value: object) -> object:
    """What pydantic says of a value, without its English: "'a', 'b' or 'c'"."""
    return value.replace(" or ", ", ") if isinstance(value, str) else value
