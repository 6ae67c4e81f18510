"""Members, as the operator's people see them."""

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field

from posthouse.accounts import service
from posthouse.accounts.queries import get_account
from posthouse.accounts.rules import AccountStatus
from posthouse.api.context import Caller, Context, Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission, Role, may_manage
from posthouse.api.problems import Problem
from posthouse.api.values import After, Answer, Body, Limit, Listing, Money, Ms, cursor_parts, cut
from posthouse.desk import members
from posthouse.desk.members import SEARCH_CHARS_MAX, MemberDetail
from posthouse.desk.rules import NOTE_CHARS_MAX
from posthouse.kernel.periods import DAY_MS
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.sums import Scope, Sums, totals
from posthouse.people.owners import find_role

router = Router("members")
AccountId = Annotated[str, Path(description="The member's account.")]

DAYS = 30  # that a member's page sums up


class MemberAnswer(Answer):
    """A member, or one of the operator's own people."""

    id: str = Field(description="The account's id.")
    email: str = Field(description="Their email.")
    name: str = Field(description="What they call themselves; may be empty.")
    role: Role = Field(description="member, support, operator or owner.")
    plan: str = Field(description="The account's plan.")
    status: AccountStatus = Field(description="frozen: all calls are refused.")
    balance: Money
    keys: int = Field(description="Keys that are not revoked.")
    note: str = Field(description="What the operator's people noted.")
    created_ms: Ms


class MemberUse(Answer):
    """What a member's calls of the last 30 days add up to."""

    requests: int = Field(description="Calls.")
    errors: int = Field(description="Those of them that failed.")
    tokens: int = Field(description="Of prompts and answers.")
    charge: Money
    cost: Money


class MemberPage(Answer):
    """Everything about one member."""

    member: MemberAnswer = Field(description="As the list shows them.")
    use: MemberUse = Field(description="What they have used.")
    language: str = Field(description="en or zh; empty: unknown.")
    has_password: bool = Field(description="Signs in with a password.")
    has_second_factor: bool = Field(description="And with codes of an app.")
    passkeys: int = Field(description="How many passkeys there are.")
    providers: list[str] = Field(description="Identity providers that they sign in with.")
    email_verified_ms: int | None = Field(description="When the email was confirmed; null: it is not.")
    seen_ms: int | None = Field(description="When they last used the console; null: unknown.")
    invited_by: str = Field(description="The account that invited them; may be empty.")
    invited_by_email: str = Field(description="That account's email; may be empty.")
    invited: int = Field(description="How many they have invited.")
    deleted_ms: int | None = Field(description="When the account was deleted; null: it is not.")
    may_change: bool = Field(description="Whether the caller may change this account.")


class MemberBody(Body):
    """What shall be changed; what is left out stays."""

    status: AccountStatus | None = Field(None, description="frozen refuses all calls within a second.")
    plan: str | None = Field(None, max_length=200, description="A plan's name.")
    note: str | None = Field(None, max_length=NOTE_CHARS_MAX, description="Empty: no note.")


@router.get("/admin/members", Permission.MEMBERS_READ)
def list_members(
    here: Here,
    search: Annotated[
        str, Query(max_length=SEARCH_CHARS_MAX, description="Part of an email or name, or an id.")
    ] = "",
    plan: Annotated[str, Query(max_length=200, description="Only on this plan.")] = "",
    status: Annotated[AccountStatus | None, Query(description="Only in this state.")] = None,
    role: Annotated[
        Literal["member", "support", "operator", "owner"] | None, Query(description="Only of this role.")
    ] = None,
    after: After = "",
    limit: Limit = 50,
) -> Listing[MemberAnswer]:
    """List members, the newest first."""
    place = cursor_parts(after, int, str) if after else None
    found = members.list_members(
        here.store,
        search=search,
        plan=plan,
        status=status,
        role=role or "",
        after=place,
        limit=limit + 1,
    )
    shown, more = cut(found, limit, lambda one: (one.created_ms, one.id))
    return Listing[MemberAnswer](items=[_member(one) for one in shown], next=more)


@router.get("/admin/members/{account_id}", Permission.MEMBERS_READ)
def read_member(here: Here, who: Who, account_id: AccountId) -> MemberPage:
    """Tell everything about one member."""
    now_ms = here.now_ms()
    member, detail = members.read_member(here.store, account_id)
    sums = totals(here.store, Scope(account_id=account_id), since_ms=now_ms - DAYS * DAY_MS, until_ms=now_ms)
    return _page(member, detail, sums, may_change=_may_change(who, account_id, Role(member.role)))


@router.patch("/admin/members/{account_id}", Permission.MEMBERS_WRITE)
def change_member(here: Here, who: Who, account_id: AccountId, body: MemberBody) -> MemberAnswer:
    """Freeze or unfreeze a member, move them to a plan, note something.

    Accounts of one's own rank or above can't be changed, nor can one's own."""
    require_below(here, who, account_id)
    if body.plan is not None and here.market.catalogue.plan(body.plan) is None:
        raise UnfitValue("plan", "unknown_plan", name=body.plan)
    if body.note is not None:
        members.set_note(here.store, account_id, body.note, now_ms=here.now_ms(), actor=who.actor)
    if body.plan is not None:
        service.set_plan(here.store, account_id, body.plan, actor=who.actor)
    if body.status is not None:
        change = service.freeze_account if body.status == "frozen" else service.unfreeze_account
        change(here.store, account_id, actor=who.actor)
    return _member(members.read_member(here.store, account_id)[0])


def require_below(here: Context, who: Caller, account_id: str) -> None:
    """Raises Problem where there is no such account, or it is not below the caller."""
    account = get_account(here.store, account_id)
    if account.id != account_id:  # found by its email
        raise Problem("not_found")
    if not _may_change(who, account_id, find_role(here.store, account_id)):
        raise Problem("above_you")


def _may_change(who: Caller, account_id: str, role: Role) -> bool:
    is_allowed = Permission.MEMBERS_WRITE in who.permissions
    return is_allowed and account_id != who.own_id and may_manage(who.role, role)


def _member(one: members.Member) -> MemberAnswer:
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    return MemberAnswer(balance=fields.pop("balance_nanos"), **fields)


def _page(member: members.Member, detail: MemberDetail, sums: Sums, *, may_change: bool) -> MemberPage:
    return MemberPage(
        member=_member(member),
        use=MemberUse(
            requests=sums.requests,
            errors=sums.errors,
            tokens=sums.prompt_tokens + sums.completion_tokens,
            charge=sums.charge_nanos,
            cost=sums.cost_nanos,
        ),
        may_change=may_change,
        **{name: getattr(detail, name) for name in detail.__struct_fields__},
    )
