"""A member's own calls: listed, explained, added up, and as a file."""

from typing import Annotated, Literal

from fastapi import Path, Query
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
    CallPage,
    SeriesAnswer,
    SeriesQuery,
    UsagePageQuery,
    UsageQuery,
    attempt_fields,
    call_fields,
    csv_response,
    explained_fields,
    key_labels,
    searched_ms,
    series_answer,
    zone_of,
)
from posthouse.ledger.sums import series
from posthouse.ledger.usage import MEMBER_CSV_COLUMNS, explain, export_usage, get_usage, list_usage

router = Router("usage")
RequestId = Annotated[str, Path(description="The call's id, as its header x-request-id told it.")]


class OwnSeriesQuery(SeriesQuery):
    """Which of one's own calls to add up, and how."""

    by: Literal["model", "key", ""] = Field("", description="A line for each; empty: one for all.")


@router.get("/usage", Permission.OWN_READ)
def list_own_usage(here: Here, who: Who, asked: Annotated[UsagePageQuery, Query()]) -> CallPage:
    """List one's own calls, newest first.

    A page looks at a bounded number of calls. Where few match it may end short, even empty, with `next` and
    `searched_ms` to go on from."""
    page = list_usage(here.store, asked.wanted(account=who.account_id), before=asked.after, limit=asked.limit)
    titles = titles_of_keys(here.store, {one.key_id for one in page.records})
    return CallPage(
        items=[Call(**call_fields(one, titles)) for one in page.records],
        next=page.next,
        searched_ms=searched_ms(page.next, page.records, asked.limit),
    )


@router.get("/usage/series", Permission.OWN_READ)
def get_own_series(here: Here, who: Who, asked: Annotated[OwnSeriesQuery, Query()]) -> SeriesAnswer:
    """Add up one's own calls by hour, day or month.

    Calls chosen by ending or status are added up one by one, at most 50,000 of the account's; where the time
    has more, the answer is the problem `too_many_calls`."""
    found = series(
        here.store,
        asked.scope(account_id=who.account_id),
        since_ms=asked.from_ms,
        until_ms=asked.to_ms,
        step=asked.step,
        zone=zone_of(here, asked.time_zone),
        by=asked.by or None,
    )
    ids = {one.name for one in found.groups} if asked.by == "key" else set()
    return series_answer(found, key_labels(titles_of_keys(here.store, ids)) if ids else {})


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
