"""How a member's account stands: balance, what was used lately, and why calls were refused."""

from typing import Annotated, Literal

from fastapi import Query
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from posthouse.accounts.queries import get_account, titles_of_keys
from posthouse.accounts.queries import list_keys as find_keys
from posthouse.accounts.rules import AccountStatus, KeyTitle
from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.usage_values import UsageSums, label_of, sums_fields, zone_of
from posthouse.api.values import Answer, Money, Ms, Whole
from posthouse.kernel.errors import Language
from posthouse.kernel.periods import Span, span_at
from posthouse.ledger.queries import get_member_balance
from posthouse.ledger.sums import Scope, totals
from posthouse.ledger.usage import UsageFilter, list_usage
from posthouse.relay.refusals import RefusedCall

router = Router("dashboard")


class Dashboard(Answer):
    """How the account stands."""

    balance: Money
    plan: str = Field(description="The account's plan.")
    plan_kind: Literal["free", "paid"] = Field(description="Calls on a free plan cost nothing.")
    status: AccountStatus = Field(description="A frozen account's calls are refused.")
    keys: int = Field(description="How many keys there are.")
    has_called: bool = Field(description="Whether there was ever a call.")
    today: UsageSums = Field(description="Since midnight in the operator's time zone.")
    month: UsageSums = Field(description="Since the month began there.")


class RefusalAnswer(Answer):
    """Why the relay refused calls of one key, and the last of them."""

    at_ms: Ms
    request_id: str = Field(description="The call's id.")
    key_id: str = Field(description="The key that it came with.")
    key_name: str = Field(description="What that key is called now: its name, or else its hint.")
    model: str = Field(description="The model; empty where it was refused before that was looked at.")
    relay_code: int = Field(description="The error's number, explained in the documentation.")
    code: str = Field(description="The error's name.")
    http_status: int = Field(description="What the client got.")
    message: str = Field(description="What the client was told, in the language of who asks now.")
    times: int = Field(description="How many calls of this key and model were refused for this reason.")


@router.get("/dashboard", Permission.OWN_READ)
def get_dashboard(
    here: Here,
    who: Who,
    time_zone: Annotated[
        str, Query(max_length=64, description="Whose day and month: Asia/Shanghai; else the site's.")
    ] = "",
) -> Dashboard:
    """Tell how the account stands: balance, and what was used today and this month."""
    account = get_account(here.store, who.account_id)
    plan = here.market.catalogue.plan(account.plan)
    zone, now_ms = zone_of(here, time_zone), here.now_ms()

    def used(span: Span) -> UsageSums:
        scope = Scope(account_id=account.id)
        found = totals(here.store, scope, since_ms=span.since_ms, until_ms=span.until_ms)
        return UsageSums(**sums_fields(found))

    return Dashboard(
        balance=get_member_balance(here.store, account.id),
        plan=account.plan,
        plan_kind="free" if plan is None else plan.kind,
        status=account.status,
        keys=len(find_keys(here.store, account.id)),
        has_called=bool(list_usage(here.store, UsageFilter(account=account.id), limit=1).records),
        today=used(span_at("day", now_ms, zone)),
        month=used(span_at("month", now_ms, zone)),
    )


@router.get("/dashboard/refusals", Permission.OWN_READ)
async def list_refusals(here: Here, who: Who) -> Whole[RefusalAnswer]:
    """List why calls were refused lately.

    The last twenty reasons since the answering process started, of several processes its own; a refused call
    leaves no usage record."""
    calls = here.relay.refusals.of_account(who.account_id)
    titles = await run_in_threadpool(titles_of_keys, here.store, {call.key_id for call in calls})
    return Whole(items=[_refusal(call, titles.get(call.key_id), who.language) for call in calls])


def _refusal(call: RefusedCall, title: KeyTitle | None, language: Language) -> RefusalAnswer:
    return RefusalAnswer(
        at_ms=call.at_ms,
        request_id=call.request_id,
        key_id=call.key_id,
        key_name="" if title is None else label_of(title),
        model=call.model,
        relay_code=int(call.code),
        code=call.row.code,
        http_status=call.row.http_status,
        message=call.message(language),
        times=call.times,
    )
