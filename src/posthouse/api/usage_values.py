"""What the routes about usage share: filters, calls as answered, series for charts, CSV files."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Path
from fastapi.responses import StreamingResponse
from pydantic import Field

from posthouse.accounts.queries import emails_of, titles_of_keys
from posthouse.accounts.rules import KeyKind, KeyTitle
from posthouse.api.context import Context
from posthouse.api.values import MS_MAX, PAGE, PAGE_MAX, Answer, Body, Listing, Money, MoneyIn, Ms
from posthouse.kernel.ids import time_of
from posthouse.kernel.outcome import AttemptRecord, Outcome
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.sheets import csv_text
from posthouse.ledger import measures
from posthouse.ledger.figures import Step
from posthouse.ledger.sums import Scope, Sums, series
from posthouse.ledger.usage import UsageFilter, UsagePage
from posthouse.metering.arithmetic import Arithmetic, format_micronanos

T = TypeVar("T")
EndingName = Literal["completed", "cancelled", "broken", "failed"]
RequestId = Annotated[str, Path(description="The call's id, as its header x-request-id told it.")]


def zone_of(here: Context, name: str) -> ZoneInfo:
    """The time zone of that name, or else the site's. Raises Problem."""
    try:
        return ZoneInfo(name or here.market.catalogue.operator.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones
        raise UnfitValue("time_zone", "time_zone") from None


def label_of(title: KeyTitle) -> str:
    """What people know a key by."""
    return title.name or title.hint


class UsageQuery(Body):
    """Which calls: all that match every field that is given."""

    key_id: str = Field("", max_length=40, description="Only this key's.")
    model: str = Field("", max_length=200, description="Only this model's.")
    ending: EndingName | Literal[""] = Field("", description="Only calls that ended so.")
    http_status: int = Field(0, ge=0, le=999, description="Only calls with this status; 0: any.")
    charge_min: MoneyIn = Field(0, description="Only calls that cost at least this.")
    from_ms: int = Field(0, ge=0, le=MS_MAX, description="Only calls that started since then.")
    to_ms: int = Field(0, ge=0, le=MS_MAX, description="Only calls that started before then; 0: until now.")

    def wanted(self, *, account: str = "", channel: str = "") -> UsageFilter:
        return UsageFilter(
            account=account,
            channel=channel,
            key_id=self.key_id,
            model=self.model,
            ending=self.ending,
            http_status=self.http_status,
            charge_min_nanos=self.charge_min,
            since_ms=self.from_ms,
            until_ms=self.to_ms,
        )


class UsagePageQuery(UsageQuery):
    """Which calls, and which page of them."""

    after: str = Field(
        "", max_length=40, pattern="^(req_[0-9a-f]*)?$", description="`next` of the page before."
    )
    limit: int = Field(PAGE, ge=1, le=PAGE_MAX, description="At most so many items.")


class SeriesQuery(Body):
    """Which calls to add up, and how."""

    from_ms: int = Field(ge=0, le=MS_MAX, description="Since then, taken down to a quarter of an hour.")
    to_ms: int = Field(ge=0, le=MS_MAX, description="Until then, taken up to a quarter of an hour.")
    step: Step = Field("day", description="How long each point is; at most 1000 points.")
    time_zone: str = Field("", max_length=64, description="Whose days: Asia/Shanghai; else the site's.")
    key_id: str = Field("", max_length=40, description="Only this key's.")
    model: str = Field("", max_length=200, description="Only this model's.")
    ending: EndingName | Literal[""] = Field("", description="Only calls that ended so.")
    http_status: int = Field(0, ge=0, le=999, description="Only calls with this status; 0: any.")
    by: Literal["model", "key", "account", ""] = Field("", description="A line for each; empty: one for all.")


class Call(Answer):
    """A call as its member sees it; never any text of it."""

    request_id: str = Field(description="As in the answer's x-posthouse-request-id.")
    started_ms: Ms
    key_id: str = Field(description="The key that it was made with.")
    key_name: str = Field(description="What that key is called now: its name, or else its hint.")
    key_kind: KeyKind = Field(description="playground: the console's own.")
    model: str = Field(description="The model's name here.")
    endpoint: str = Field(description="What was called.")
    stream: bool = Field(description="Whether the answer was a stream.")
    ending: EndingName = Field(description="How it ended.")
    http_status: int = Field(description="The status that the caller got.")
    relay_code: int = Field(description="The relay's own error, where it gave one; else 0.")
    prompt_tokens: int = Field(description="Tokens of the prompt, cached ones too.")
    completion_tokens: int = Field(description="Tokens of the answer, reasoning too.")
    cached_tokens: int = Field(description="Of the prompt's.")
    reasoning_tokens: int = Field(description="Of the answer's.")
    estimated: bool = Field(description="Counted here, because no upstream said.")
    charge: Money
    shortfall: Money
    duration_ms: int = Field(description="From the request's first byte to the answer's last.")
    ttft_ms: int = Field(description="Until the answer began; 0: it did not.")
    attempts: int = Field(description="How many tries the answer took.")


class Calls(Listing[T], Generic[T]):
    """Calls, newest first."""

    searched_ms: int | None = Field(
        None, description="How far back was looked: a page may end short. Null: to the end."
    )


class ChargeLine(Answer):
    """So much of one component, and what that makes."""

    component: str = Field(description="What is priced, such as input.")
    quantity: int = Field(description="How much of it.")
    priced_as: str = Field(description="The component whose price applies; empty: it has none.")
    price: Money | None = Field(description="For so much as `per` says; null: it has none.")
    per: Literal["1M tokens", "each", ""] = Field(description="What the price is for.")
    amount: str = Field(description="Quantity × price, exact to 15 places.")


class ChargeArithmetic(Answer):
    """How the charge came about: the lines' exact sum, rounded up once, less what was paid before."""

    service_tier: str = Field(description="Whose prices; empty: the default's.")
    lines: list[ChargeLine] = Field(description="Each kind of tokens, times its price.")
    exact: str = Field(description="The lines' sum, exact to 15 places.")
    rounded: Money = Field(description="That, rounded up to a billionth.")
    paid_before: Money = Field(description="By earlier calls with the same Idempotency-Key.")
    shortfall: Money = Field(description="What the balance did not cover.")
    charge: Money = Field(description="rounded − paid_before − shortfall.")


class Attempt(Answer):
    """One try at an upstream."""

    http_status: int = Field(description="What it answered with; 0: it did not.")
    fault: str = Field(description="Why it brought no answer, if so.")
    duration_ms: int = Field(description="Until it answered or failed.")
    ttft_ms: int | None = Field(description="Until its first byte; null: none came.")


class ExplainedCall(Call):
    """A call with how its charge came about."""

    plan: str = Field(description="The plan that the account had then.")
    quantities: dict[str, int] = Field(description="What was used, by priced component.")
    arithmetic: ChargeArithmetic | None = Field(description="Null: nothing was charged or priced.")


class CallDetail(ExplainedCall):
    """A call with all that its member may know of it."""

    tries: list[Attempt] = Field(description="Each try, in turn.")


class UsageSums(Answer):
    """What calls add up to."""

    requests: int = Field(description="Calls that were sent upstream.")
    errors: int = Field(description="Those that failed, broke off, or got a status of 400 or above.")
    prompt_tokens: int = Field(description="Tokens of prompts.")
    completion_tokens: int = Field(description="Tokens of answers.")
    cached_tokens: int = Field(description="Of the prompts'.")
    reasoning_tokens: int = Field(description="Of the answers'.")
    charge: Money
    duration_ms: int = Field(description="Of all calls together.")


class Points(Answer):
    """The same figures, one for each step."""

    requests: list[int] = Field(description="As in the total.")
    errors: list[int] = Field(description="As in the total.")
    prompt_tokens: list[int] = Field(description="As in the total.")
    completion_tokens: list[int] = Field(description="As in the total.")
    cached_tokens: list[int] = Field(description="As in the total.")
    reasoning_tokens: list[int] = Field(description="As in the total.")
    charge: list[Money] = Field(description="As in the total.")


class SeriesGroup(Answer):
    """One line of a chart."""

    name: str = Field(description="Of a model, or the id of a key or account; empty: all others.")
    label: str = Field(description="What people call it.")
    total: UsageSums = Field(description="Over the whole time.")
    points: Points = Field(description="Step by step.")


class SeriesAnswer(Answer):
    """Sums by step, dearest group first; at most five groups, and the others as one."""

    starts_ms: list[int] = Field(description="When each step starts.")
    total: UsageSums = Field(description="Of all groups.")
    groups: list[SeriesGroup] = Field(description="The dearest first.")


def call_fields(one: Outcome, titles: Mapping[str, KeyTitle]) -> dict[str, Any]:
    """The fields of a Call."""
    same = (
        *("request_id", "started_ms", "key_id", "model", "endpoint", "stream", "http_status", "relay_code"),
        *("prompt_tokens", "completion_tokens", "estimated", "duration_ms", "ttft_ms"),
    )
    return {
        **{name: getattr(one, name) for name in same},
        "key_name": label_of(titles[one.key_id]) if one.key_id in titles else "",
        "key_kind": titles[one.key_id].kind if one.key_id in titles else "api",
        "ending": one.ending.value,
        "cached_tokens": sum(one.quantities.get(name, 0) for name in measures.CACHED),
        "reasoning_tokens": sum(one.quantities.get(name, 0) for name in measures.REASONING),
        "charge": one.charge_nanos,
        "shortfall": one.shortfall_nanos,
        "attempts": len(one.attempts),
    }


def explained_fields(one: Outcome, titles: Mapping[str, KeyTitle], made: Arithmetic | None) -> dict[str, Any]:
    """The fields of an ExplainedCall."""
    return {
        **call_fields(one, titles),
        "plan": one.plan,
        "quantities": one.quantities,
        "arithmetic": None if made is None else _arithmetic(one, made),
    }


def attempt_fields(made: AttemptRecord) -> dict[str, Any]:
    """The fields of an Attempt."""
    return {
        "http_status": made.status,
        "fault": made.fault,
        "duration_ms": made.duration_ms,
        "ttft_ms": made.ttft_ms if made.ttft_ms >= 0 else None,
    }


def _arithmetic(one: Outcome, made: Arithmetic) -> ChargeArithmetic:
    lines = [
        ChargeLine(
            component=line.component,
            quantity=line.quantity,
            priced_as=line.line.component if line.line else "",
            price=line.line.nanos if line.line else None,
            per=line.line.per if line.line else "",
            amount=format_micronanos(line.micronanos),
        )
        for line in made.lines
    ]
    return ChargeArithmetic(
        service_tier=one.service_tier,
        lines=lines,
        exact=format_micronanos(made.micronanos),
        rounded=made.nanos,
        paid_before=made.nanos - one.charge_nanos - one.shortfall_nanos,
        shortfall=one.shortfall_nanos,
        charge=one.charge_nanos,
    )


def calls_of(page: UsagePage, limit: int, show: Callable[[Outcome], T]) -> Calls[T]:
    """The page as answered. One that ended short before all was looked through says how far it looked."""
    searched_ms = time_of(page.next) if page.next and len(page.records) < limit else None
    return Calls(items=[show(one) for one in page.records], next=page.next, searched_ms=searched_ms)


def sums_fields(sums: Sums) -> dict[str, Any]:
    """The fields of a UsageSums."""
    names = [name for name in UsageSums.model_fields if name != "charge"]
    return {**{name: getattr(sums, name) for name in names}, "charge": sums.charge_nanos}


def series_of(here: Context, asked: SeriesQuery, *, account_id: str, channel: str = "") -> SeriesAnswer:
    """The sums that are asked for, of the account's calls or ("") all. Raises Problem, TooManyCalls."""
    scope = Scope(
        account_id=account_id,
        channel=channel,
        key_id=asked.key_id,
        model=asked.model,
        ending=asked.ending,
        http_status=asked.http_status,
    )
    found = series(
        here.store,
        scope,
        since_ms=asked.from_ms,
        until_ms=asked.to_ms,
        step=asked.step,
        zone=zone_of(here, asked.time_zone),
        by=asked.by or None,
    )
    labels = _labels(here, asked.by, {one.name for one in found.groups})
    groups = [
        SeriesGroup(
            name=group.name,
            label=labels.get(group.name, group.name),
            total=UsageSums(**sums_fields(group.total)),
            points=points_of(group.points),
        )
        for group in found.groups
    ]
    return SeriesAnswer(
        starts_ms=list(found.starts_ms), total=UsageSums(**sums_fields(found.total)), groups=groups
    )


def _labels(here: Context, by: str, names: set[str]) -> dict[str, str]:
    """What people call the groups whose names are ids."""
    if by == "key":
        return {key_id: label_of(title) for key_id, title in titles_of_keys(here.store, names).items()}
    return emails_of(here.store, names) if by == "account" else {}


def points_of(points: Iterable[Sums]) -> Points:
    columns: dict[str, list[int]] = {name: [] for name in Points.model_fields}
    for point in points:
        for name, value in columns.items():
            value.append(getattr(point, "charge_nanos" if name == "charge" else name))
    return Points(**columns)


def csv_response(rows: Iterator[list[str]], name: str) -> StreamingResponse:
    """A CSV file that is sent while it is made. UTF-8 with a mark, by which spreadsheets know it."""
    pieces = chain(["\ufeff"], csv_text(rows, line_end="\r\n"))
    return StreamingResponse(
        pieces,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}
