"""How a member's account stands: balance, what was used, and why calls were refused."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Depends, Query
from pydantic import Field

from posthouse.accounts.queries import get_account, key_titles
from posthouse.accounts.queries import list_keys as find_keys
from posthouse.accounts.rules import AccountStatus, KeyTitle
from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.problems import FieldError, Problem
from posthouse.api.values import Answer, Money, Ms
from posthouse.kernel.errors import Language
from posthouse.kernel.periods import span_at
from posthouse.ledger.figures import Step
from posthouse.ledger.queries import get_member_balance
from posthouse.ledger.sums import Group, Scope, Series, Sums, series, totals
from posthouse.relay.refusals import RefusedCall

router = Router("dashboard")


def _zone(
    here: Here,
    time_zone: Annotated[
        str, Query(max_length=64, description="Whose days these are, such as Asia/Shanghai; else the site's.")
    ] = "",
) -> ZoneInfo:
    """Raises Problem for a name that is none."""
    try:
        return ZoneInfo(time_zone or here.market.catalogue.operator.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Problem("invalid_request", errors=[FieldError("time_zone", "time_zone")]) from None


Zone = Annotated[ZoneInfo, Depends(_zone)]


class SumsAnswer(Answer):
    """What some calls add up to."""

    requests: int = Field(description="Calls that were sent upstream.")
    errors: int = Field(description="Those that failed, broke off, or got a status of 400 or above.")
    prompt_tokens: int = Field(description="Tokens that were sent.")
    completion_tokens: int = Field(description="Tokens that were answered.")
    cached_tokens: int = Field(description="Of those that were sent: read from the upstream's cache.")
    charge: Money


class Dashboard(Answer):
    """How the account stands."""

    balance: Money
    plan: str = Field(description="The account's plan.")
    plan_kind: Literal["free", "paid"] = Field(description="Calls on a free plan cost nothing.")
    status: AccountStatus = Field(description="A frozen account's calls are refused.")
    keys: int = Field(description="How many keys there are.")
    today: SumsAnswer
    month: SumsAnswer


class LineAnswer(Answer):
    """One line of a chart, a value for each step."""

    name: str = Field(description="The model, or the key's id; empty: all others together.")
    title: str = Field(description="What to call it: a key's name or hint.")
    kind: Literal["model", "api", "playground", "others", "all"] = Field(description="What the line is of.")
    total: SumsAnswer
    requests: list[int] = Field(description="Calls in each step.")
    errors: list[int] = Field(description="Calls in each step that failed.")
    tokens: list[int] = Field(description="Tokens in each step, both ways.")
    charge: list[Money] = Field(description="Charges in each step.")


class ChartAnswer(Answer):
    """A chart's lines, the dearest first."""

    starts_ms: list[int] = Field(description="When each step starts.")
    total: SumsAnswer
    lines: list[LineAnswer]


class RefusalAnswer(Answer):
    """A call that the relay refused."""

    at_ms: Ms
    request_id: str = Field(description="The call's id.")
    key_id: str = Field(description="The key that it came with.")
    key_title: str = Field(description="That key's name or hint; empty for the playground's.")
    model: str = Field(description="The model; empty where it was refused before that was looked at.")
    relay_code: int = Field(description="The error's number, explained in the documentation.")
    code: str = Field(description="The error's name.")
    http_status: int = Field(description="What the client got.")
    message: str = Field(description="What the client was told, in the caller's language.")


class Refusals(Answer):
    """The last ones, newest first."""

    items: list[RefusalAnswer]


@router.get("/dashboard", Permission.OWN_READ)
def get_dashboard(here: Here, who: Who, zone: Zone) -> Dashboard:
    """Tell how the account stands: balance, and what was used today and this month."""
    account = get_account(here.store, who.account_id)
    now_ms, scope = here.now_ms(), Scope(account_id=who.account_id)
    plan = here.market.catalogue.plan(account.plan)
    today, month = (span_at(period, now_ms, zone) for period in ("day", "month"))
    return Dashboard(
        balance=get_member_balance(here.store, account.id),
        plan=account.plan,
        plan_kind="free" if plan is None else plan.kind,
        status=account.status,
        keys=len(find_keys(here.store, account.id)),
        today=_sums(totals(here.store, scope, since_ms=today.since_ms, until_ms=today.until_ms)),
        month=_sums(totals(here.store, scope, since_ms=month.since_ms, until_ms=month.until_ms)),
    )


@router.get("/dashboard/chart", Permission.OWN_READ)
def get_chart(
    here: Here,
    who: Who,
    zone: Zone,
    since_ms: Annotated[Ms, Query(description="From then on.")],
    until_ms: Annotated[Ms, Query(description="And before then.")],
    step: Annotated[Step, Query(description="How long each step is.")] = "day",
    by: Annotated[
        Literal["model", "key"] | None, Query(description="A line for each; else one line.")
    ] = None,
) -> ChartAnswer:
    """Add up one's calls by hour, day or month, by model or key.

    At most 1000 steps; of more than eight models or keys the cheapest are one line."""
    found = series(
        here.store,
        Scope(account_id=who.account_id),
        since_ms=since_ms,
        until_ms=until_ms,
        step=step,
        zone=zone,
        by=by,
    )
    titles = key_titles(here.store, who.account_id) if by == "key" else {}
    return ChartAnswer(
        starts_ms=list(found.starts_ms), total=_sums(found.total), lines=_lines(found, by, titles)
    )


def _titles(here: Here, who: Who) -> dict[str, KeyTitle]:
    return key_titles(here.store, who.account_id)


@router.get("/dashboard/refusals", Permission.OWN_READ)
async def list_refusals(
    here: Here, who: Who, titles: Annotated[dict[str, KeyTitle], Depends(_titles)]
) -> Refusals:
    """List the calls that were refused lately, and why.

    The last twenty since the serving process started; a refused call leaves no usage record."""
    calls = here.relay.refusals.of_account(who.account_id)
    return Refusals(items=[_refusal(call, titles, who.language) for call in calls])


def _lines(found: Series, by: str | None, titles: dict[str, KeyTitle]) -> list[LineAnswer]:
    return [_line(group, by, titles.get(group.name)) for group in found.groups]


def _line(group: Group, by: str | None, key: KeyTitle | None) -> LineAnswer:
    kind = "all" if by is None else "others" if not group.name else "model" if key is None else key.kind
    return LineAnswer(
        name=group.name,
        title=group.name if key is None else key.name or key.hint,
        kind=kind,
        total=_sums(group.total),
        requests=[one.requests for one in group.points],
        errors=[one.errors for one in group.points],
        tokens=[one.prompt_tokens + one.completion_tokens for one in group.points],
        charge=[one.charge_nanos for one in group.points],
    )


def _refusal(call: RefusedCall, titles: dict[str, KeyTitle], language: Language) -> RefusalAnswer:
    key = titles.get(call.key_id)
    return RefusalAnswer(
        at_ms=call.at_ms,
        request_id=call.request_id,
        key_id=call.key_id,
        key_title="" if key is None or key.kind == "playground" else key.name or key.hint,
        model=call.model,
        relay_code=int(call.code),
        code=call.row.code,
        http_status=call.row.http_status,
        message=call.message(language),
    )


def _sums(sums: Sums) -> SumsAnswer:
    return SumsAnswer(
        requests=sums.requests,
        errors=sums.errors,
        prompt_tokens=sums.prompt_tokens,
        completion_tokens=sums.completion_tokens,
        cached_tokens=sums.cached_tokens,
        charge=sums.charge_nanos,
    )
