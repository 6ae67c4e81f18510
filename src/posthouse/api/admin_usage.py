"""All members' calls, for the operator's people."""

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from posthouse.accounts.queries import emails_of, titles_of_keys
from posthouse.api.context import Here
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.problems import Problem
from posthouse.api.usage_values import (
    CSV_ANSWER,
    Attempt,
    Call,
    Calls,
    ExplainedCall,
    RequestId,
    SeriesAnswer,
    SeriesQuery,
    UsagePageQuery,
    UsageQuery,
    attempt_fields,
    call_fields,
    calls_of,
    csv_response,
    explained_fields,
    series_of,
)
from posthouse.api.values import Answer, Money
from posthouse.kernel.outcome import Outcome
from posthouse.ledger.queries import find_member
from posthouse.ledger.usage import explain, export_usage, get_usage, list_usage
from posthouse.store.engine import Store

router = Router("usage")

Account = Annotated[str, Field(max_length=254, description="Only this account's: its id or email.")]
Channel = Annotated[str, Field(max_length=200, description="Only calls that this channel answered.")]


class SiteUsageQuery(UsageQuery):
    """Which members' calls: all that match every field that is given."""

    account: Account = ""
    channel: Channel = ""


class SiteUsagePageQuery(UsagePageQuery):
    """Which members' calls, and which page of them."""

    account: Account = ""
    channel: Channel = ""


class SiteSeriesQuery(SeriesQuery):
    """Which members' calls to add up, and how."""

    account: Account = ""
    channel: Channel = ""


class SiteCallFields(Answer):
    """What the operator knows of a call besides."""

    account_id: str = Field(description="Whose call it was.")
    email: str = Field(description="That account's email; empty: it has gone.")
    channel: str = Field(description="Which channel answered; empty: none did.")
    cost: Money
    address: str = Field(description="Where it came from, as a keyed hash: the same for the same address.")


class SiteCall(Call, SiteCallFields):
    """A call as the operator sees it; never any text of it."""


class SiteAttempt(Attempt):
    """One try at a channel."""

    channel: str = Field(description="The channel.")
    credential: str = Field(description="With which of its credentials.")
    verdict: str = Field(description="What its end said of the channel; empty: the caller had left.")


class SiteCallDetail(ExplainedCall, SiteCallFields):
    """A call with all that is known of it."""

    tries: list[SiteAttempt] = Field(description="Each try, in turn.")


@router.get("/admin/usage", Permission.USAGE_READ)
def list_usage_of_all(here: Here, asked: Annotated[SiteUsagePageQuery, Query()]) -> Calls[SiteCall]:
    """List all members' calls, newest first.

    A page looks at a bounded number of calls. Where few match it may end short, even empty, with `next` and
    `searched_ms` to go on from."""
    wanted = asked.wanted(account=asked.account, channel=asked.channel)
    page = list_usage(here.store, wanted, before=asked.after, limit=asked.limit)
    titles = titles_of_keys(here.store, {one.key_id for one in page.records})
    emails = emails_of(here.store, {one.account_id for one in page.records})
    return calls_of(
        page, asked.limit, lambda one: SiteCall(**call_fields(one, titles), **_site_fields(one, emails))
    )


@router.get("/admin/usage/series", Permission.USAGE_READ)
def get_series_of_all(here: Here, asked: Annotated[SiteSeriesQuery, Query()]) -> SeriesAnswer:
    """Add up all members' calls by hour, day or month.

    Calls chosen by ending, status or channel are added up one by one, at most 50,000 of the account's or of
    all; where the time has more, the answer is the problem `too_many_calls`."""
    account_id = _account_id(here.store, asked.account)
    return series_of(here, asked, account_id=account_id, channel=asked.channel)


@router.get(
    "/admin/usage/export", Permission.USAGE_READ, responses=CSV_ANSWER, response_class=StreamingResponse
)
def export_usage_of_all(here: Here, asked: Annotated[SiteUsageQuery, Query()]) -> StreamingResponse:
    """Write all members' calls as a CSV file, oldest first."""
    account_id = _account_id(here.store, asked.account)
    rows = export_usage(here.store, asked.wanted(account=account_id, channel=asked.channel))
    return csv_response(rows, "usage.csv")


@router.get("/admin/usage/{request_id}", Permission.USAGE_READ)
def get_call_of_any(here: Here, request_id: RequestId) -> SiteCallDetail:
    """Show a member's call, with the arithmetic of its charge and each try."""
    one = get_usage(here.store, request_id)
    if one is None:
        raise Problem("not_found")
    titles, emails = titles_of_keys(here.store, {one.key_id}), emails_of(here.store, {one.account_id})
    tries = [
        SiteAttempt(
            **attempt_fields(made), channel=made.channel, credential=made.credential, verdict=made.verdict
        )
        for made in one.attempts
    ]
    fields = explained_fields(one, titles, explain(here.store, one))
    return SiteCallDetail(**fields, **_site_fields(one, emails), tries=tries)


def _account_id(store: Store, who: str) -> str:
    """The id that an email or id names; "" for "". Raises UnknownMember before an answer has begun."""
    if not who:
        return ""
    with store.read() as connection:
        return find_member(connection, who).id


def _site_fields(one: Outcome, emails: dict[str, str]) -> dict[str, Any]:
    return {
        "account_id": one.account_id,
        "email": emails.get(one.account_id, ""),
        "channel": one.channel,
        "cost": one.cost_nanos,
        "address": one.address_hash.hex()[:12],
    }
