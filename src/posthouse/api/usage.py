"""A member's own calls: listed, explained, added up, and as a file."""

from typing import Annotated, Literal

from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from posthouse.accounts.queries import titles_of_keys
from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.problems import Problem
from posthouse.api.usage_values import (
    CSV_ANSWER,
    Attempt,
    Call,
    CallDetail,
    Calls,
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
from posthouse.ledger.usage import MEMBER_CSV_COLUMNS, explain, export_usage, get_usage, list_usage

router = Router("usage")


class OwnSeriesQuery(SeriesQuery):
    """Which of one's own calls to add up, and how."""

    by: Literal["model", "key", ""] = Field("", description="A line for each; empty: one for all.")


@router.get("/usage", Permission.OWN_READ)
def list_own_usage(here: Here, who: Who, asked: Annotated[UsagePageQuery, Query()]) -> Calls[Call]:
    """List one's own calls, newest first.

    A page looks at a bounded number of calls. Where few match it may end short, even empty, with `next` and
    `searched_ms` to go on from."""
    page = list_usage(here.store, asked.wanted(account=who.account_id), before=asked.after, limit=asked.limit)
    titles = titles_of_keys(here.store, {one.key_id for one in page.records})
    return calls_of(page, asked.limit, lambda one: Call(**call_fields(one, titles)))


@router.get("/usage/series", Permission.OWN_READ)
def get_own_series(here: Here, who: Who, asked: Annotated[OwnSeriesQuery, Query()]) -> SeriesAnswer:
    """Add up one's own calls by hour, day or month.

    Calls chosen by ending or status are added up one by one, at most 50,000 of the account's; where the time
    has more, the answer is the problem `too_many_calls`."""
    return series_of(here, asked, account_id=who.account_id)


@router.get("/usage/export", Permission.OWN_READ, responses=CSV_ANSWER, response_class=StreamingResponse)
def export_own_usage(here: Here, who: Who, asked: Annotated[UsageQuery, Query()]) -> StreamingResponse:
    """Write one's own calls as a CSV file, oldest first."""
    rows = export_usage(here.store, asked.wanted(account=who.account_id), MEMBER_CSV_COLUMNS)
    return csv_response(rows, "usage.csv")


@router.get("/usage/{request_id}", Permission.OWN_READ)
def get_own_call(here: Here, who: Who, request_id: RequestId) -> CallDetail:
    """Show one of one's own calls, with the arithmetic of its charge."""
    one = get_usage(here.store, request_id)
    if one is None or one.account_id != who.account_id:
        raise Problem("not_found")
    fields = explained_fields(one, titles_of_keys(here.store, {one.key_id}), explain(here.store, one))
    return CallDetail(**fields, tries=[Attempt(**attempt_fields(made)) for made in one.attempts])
