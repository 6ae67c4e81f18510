"""What the API answers when it can't do what was asked: RFC 9457 problems in the caller's language.

data/problems.json has a row for each code: status, title and detail in both languages, with {fields}; and the
texts for fields of a request that are not as they must be, by pydantic's type of error.
"""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct

from posthouse.accounts import errors as accounts
from posthouse.catalogue.errors import ChangedMeanwhile, ConfigurationError
from posthouse.desk import errors as desk
from posthouse.kernel.errors import Language, PosthouseError
from posthouse.ledger import errors as ledger
from posthouse.payments import errors as payments
from posthouse.people import errors as people
from posthouse.store.errors import StoreError

MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 20  # fields at fault that one answer names

Texts = dict[Language, str]


class ProblemRow(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of data/problems.json."""

    code: str
    status: int
    title: Texts
    detail: Texts


class ProblemTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `fields` maps pydantic's types of error to their texts; "" is any other."""

    problems: list[ProblemRow]
    fields: dict[str, Texts]


class FieldError(Struct, frozen=True):
    """What is wrong with one field of a request: "items.0.amount". `kind` names the text, in the file's
    `fields`, which `context` fills."""

    field: str
    kind: str
    context: dict[str, Any] = {}

    def rendered(self, language: Language) -> dict[str, str]:
        texts = table().fields
        text = texts.get(self.kind, texts[""])[language]
        return {"field": self.field, "message": text.format_map(_Context(self.context))}


class Problem(PosthouseError):
    """The request is refused. `code` names a row of data/problems.json, `fields` fill its detail. `errors`
    tell what is wrong with which field; `retry_after_s` becomes the Retry-After header."""

    def __init__(
        self,
        code: str,
        *,
        errors: Sequence[FieldError] = (),
        retry_after_s: float | None = None,
        **fields: object,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s
        self.fields = fields


# What the rooms below raise, by the most general class that tells enough. {message} is the error's own.
DOMAIN: dict[type[PosthouseError], str] = {
    accounts.UnknownAccount: "not_found",
    accounts.UnknownKey: "not_found",
    accounts.EmailTaken: "email_taken",
    accounts.KeyHeld: "key_held",
    accounts.TooManyKeys: "too_many_keys",
    accounts.AccountsError: "refused",
    desk.UnknownThing: "not_found",
    desk.TooManyTickets: "too_many_tickets",
    desk.TicketFull: "ticket_full",
    ledger.UnknownMember: "not_found",
    ledger.InsufficientFunds: "insufficient_funds",
    ledger.TransferConflict: "conflict",
    ledger.TooManyCalls: "too_many_calls",
    ledger.LedgerError: "refused",
    payments.UnknownOrder: "not_found",
    payments.UnknownBatch: "not_found",
    payments.UnknownInvoice: "not_found",
    payments.OrderClosed: "order_closed",
    payments.TooManyOrders: "too_many_orders",
    payments.MistypedCode: "code_mistyped",
    payments.UnknownCode: "code_unknown",
    payments.OwnCodeUsed: "code_used_by_you",
    payments.CodeUsed: "code_used",
    payments.CodeExpired: "code_expired",
    payments.CodeLimit: "code_limit",
    payments.InvoiceClosed: "invoice_closed",
    payments.NotInvoiceable: "not_invoiceable",
    payments.PaymentsError: "refused",
    people.WrongPassword: "wrong_password",
    people.SecondFactorNeeded: "second_factor_needed",
    people.LastOwner: "last_owner",
    people.OwnerExists: "owner_exists",
    people.NotThePassword: "not_the_password",
    people.WrongCode: "wrong_code",
    people.LinkSpent: "link_spent",
    people.ProofMissing: "proof_missing",
    people.RegistrationClosed: "registration_closed",
    people.InvitationNeeded: "invitation_needed",
    people.EmailRefused: "email_refused",
    people.NotAnEmail: "not_an_email",
    people.WeakPassword: "weak_password",
    people.SignInElsewhere: "sign_in_elsewhere",
    people.IdentityTaken: "identity_taken",
    people.LastWayIn: "last_way_in",
    people.PeopleError: "refused",
    ChangedMeanwhile: "changed_meanwhile",
    ConfigurationError: "invalid_configuration",
    StoreError: "unavailable",
}


def problem_of(error: PosthouseError) -> Problem | None:
    """The problem that an error of ours is to the caller; None: it is a fault."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, people.TooManyTries):
        return Problem("too_many_tries", retry_after_s=error.retry_after_s)
    if isinstance(error, desk.UnfitText):
        return Problem("invalid_request", errors=[FieldError(error.field, error.kind, error.context)])
    for kind in type(error).__mro__:
        if kind in DOMAIN:
            return Problem(DOMAIN[kind], message=str(error))
    return None


@cache
def table() -> ProblemTable:
    """data/problems.json."""
    text = (resources.files("posthouse") / "data" / "problems.json").read_bytes()
    return msgspec.json.decode(text, type=ProblemTable)


@cache
def rows() -> dict[str, ProblemRow]:
    return {row.code: row for row in table().problems}


def render(problem: Problem, language: Language) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    row = rows()[problem.code]
    body: dict[str, Any] = {
        "type": f"urn:posthouse:problem:{row.code}",
        "title": row.title[language],
        "status": row.status,
        "detail": row.detail[language].format_map(problem.fields),
        "code": row.code,
    }
    if problem.errors:
        body["errors"] = [error.rendered(language) for error in problem.errors]
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
            one.get("ctx") or {},
        )
        for one in found[:ERRORS_MAX]
    ]


class _Context(dict[str, Any]):
    """Fills a text's {fields} as far as pydantic tells them."""

    def __missing__(self, key: str) -> str:
        return "…"
