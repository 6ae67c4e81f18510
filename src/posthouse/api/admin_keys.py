"""All members' keys, for the operator's people."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from posthouse.accounts import service
from posthouse.accounts.queries import get_key
from posthouse.accounts.rules import AccountStatus, KeyStatus
from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.members import require_below
from posthouse.api.permissions import Permission
from posthouse.api.values import After, Answer, Body, Limit, Listing, Money, Ms, cursor_parts, cut
from posthouse.desk import members
from posthouse.desk.members import SEARCH_CHARS_MAX, FoundKey

router = Router("members")
KeyId = Annotated[str, Path(description="The key's id.")]

_CHANGES = {
    "active": service.unfreeze_key,
    "frozen": service.freeze_key,
    "revoked": service.revoke_key,
}


class KeyOfMember(Answer):
    """A member's key; never the key itself."""

    id: str = Field(description="The key's id.")
    hint: str = Field(description="How it begins and ends.")
    name: str = Field(description="What its owner calls it.")
    status: KeyStatus = Field(description="active, frozen or revoked.")
    account_id: str = Field(description="Whose it is.")
    email: str = Field(description="That account's email.")
    account_status: AccountStatus = Field(description="Of that account.")
    spent: Money
    budget: Money | None = Field(description="What it may spend; null: no bound.")
    expires_ms: int | None = Field(description="When it ends; null: never.")
    created_ms: Ms


class KeyOfMemberBody(Body):
    """The key's new state."""

    status: KeyStatus = Field(description="frozen can be undone, revoked can't.")


@router.get("/admin/keys", Permission.MEMBERS_READ)
def list_member_keys(
    here: Here,
    search: Annotated[
        str,
        Query(
            max_length=SEARCH_CHARS_MAX,
            description="Part of the hint or name, an id, how a key begins, or how its SHA-256 begins in 8 "
            "hex digits or more; never the whole key.",
        ),
    ] = "",
    status: Annotated[KeyStatus | None, Query(description="Only in this state.")] = None,
    account_id: Annotated[str, Query(max_length=40, description="Only this member's.")] = "",
    after: After = "",
    limit: Limit = 50,
) -> Listing[KeyOfMember]:
    """List members' keys, the newest first."""
    found = members.find_keys(
        here.store,
        search=search,
        status=status,
        account_id=account_id,
        after=cursor_parts(after, int, str) if after else None,
        limit=limit + 1,
    )
    shown, more = cut(found, limit, lambda one: (one.created_ms, one.id))
    return Listing[KeyOfMember](items=[_key(one) for one in shown], next=more)


@router.patch("/admin/keys/{key_id}", Permission.MEMBERS_WRITE)
def change_member_key(here: Here, who: Who, key_id: KeyId, body: KeyOfMemberBody) -> KeyOfMember:
    """Freeze, unfreeze or revoke a member's key.

    Its calls are refused within a second."""
    require_below(here, who, get_key(here.store, key_id).account_id)
    _CHANGES[body.status](here.store, key_id, actor=who.actor)
    return _key(members.read_key(here.store, key_id))


def _key(one: FoundKey) -> KeyOfMember:
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    return KeyOfMember(spent=fields.pop("spent_nanos"), budget=fields.pop("budget_nanos"), **fields)
