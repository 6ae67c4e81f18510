"""The log of changes."""

from typing import Annotated, Any

import msgspec
from fastapi import Query
from pydantic import Field

from posthouse.accounts.errors import UnknownAccount
from posthouse.accounts.queries import emails_of_actors, get_account
from posthouse.api.context import Here
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.values import MS_MAX, After, Answer, Limit, Listing, Ms, cursor_parts, cut
from posthouse.store.audit import ChangeFilter, list_changes

router = Router("audit")

Text = Annotated[str, Query(max_length=200)]


class Change(Answer):
    """Something that somebody changed."""

    id: int = Field(description="Later changes have higher ones.")
    at_ms: Ms
    actor: str = Field(
        description="Who did it: an account, with a token's id behind a slash; cli, a command; or setup."
    )
    actor_email: str = Field(description="That account's email; empty: it was no account, or has gone.")
    action: str = Field(description="What was done, such as account.freeze.")
    subject: str = Field(description="To what, such as account:acc_….")
    before: Any = Field(description="How it was; null: it was not there, or that says nothing.")
    after: Any = Field(description="How it is since; null: it is there no more, or that says nothing.")


@router.get("/audit", Permission.AUDIT_READ)
def list_audit(
    here: Here,
    actor: Annotated[
        Text, Query(description="An account's email or id, an id with a token's behind a slash, or cli.")
    ] = "",
    action: Annotated[Text, Query(description="An action, or the noun of several: account.")] = "",
    subject: Annotated[Text, Query(description="Such as account:acc_…, or an account's email.")] = "",
    from_ms: Annotated[int | None, Query(ge=0, le=MS_MAX, description="Changes since then.")] = None,
    to_ms: Annotated[int | None, Query(ge=0, le=MS_MAX, description="Changes before then.")] = None,
    after: After = "",
    limit: Limit = 50,
) -> Listing[Change]:
    """List changes, the latest first: who changed what and when, and how it was before."""
    before_id = cursor_parts(after, int)[0] if after else None
    asked = ChangeFilter(
        actor=_account_id(here, actor) or actor,
        action=action,
        subject=f"account:{account_id}" if (account_id := _account_id(here, subject)) else subject,
        from_ms=from_ms,
        to_ms=to_ms,
    )
    found = list_changes(here.store, asked, before_id=before_id, limit=limit + 1)
    shown, more = cut(found, limit, lambda one: (one.id,))
    emails = emails_of_actors(here.store, (one.actor for one in shown))
    items = [
        Change(
            id=one.id,
            at_ms=one.at_ms,
            actor=one.actor,
            actor_email=emails.get(one.actor, ""),
            action=one.action,
            subject=one.subject,
            before=msgspec.json.decode(one.before),
            after=msgspec.json.decode(one.after),
        )
        for one in shown
    ]
    return Listing[Change](items=items, next=more)


def _account_id(here: Here, text: str) -> str:
    """Of the account that has this email; else empty."""
    if "@" not in text:
        return ""
    try:
        return get_account(here.store, text).id
    except UnknownAccount:
        return ""
