"""How channels do: now in each serving process, over the last hours and days, what happened to them, and
whether one works when it is asked."""

from collections.abc import Iterable
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import Query
from msgspec import structs
from pydantic import Field

from posthouse.api.channels import ChannelName, Secret, secret_of
from posthouse.api.context import Context, Here, Who
from posthouse.api.definitions import ChannelFields, Name, fields_of
from posthouse.api.editing import refused
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.values import PAGE, After, Answer, Body, Limit, Listing, Ms, cursor, cursor_parts
from posthouse.catalogue.channels import resolved
from posthouse.catalogue.credentials import ready
from posthouse.catalogue.document import define
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.events import list_events
from posthouse.catalogue.masking import restored
from posthouse.catalogue.rules import ChannelDef
from posthouse.catalogue.standings import ask_reports
from posthouse.kernel.periods import DAY_MS, MINUTE_MS, QUARTER_MS
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import SecretText
from posthouse.ledger.figures import quantile_ms
from posthouse.ledger.sums import channel_courses
from posthouse.observe.observer import SECONDS_BOUNDS
from posthouse.observe.trail import MINUTES_MAX, ChannelMinute, Minute
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.health import FAILURES
from posthouse.routing.verdicts import Verdict
from posthouse.upstream.probe import probe

router = Router("channels")

PATIENCE_S = 1.5  # a server reads notices every 0.2 s; one that is gone counts as alive for a minute
_BOUNDS_MS = tuple(int(bound * 1000) for bound in SECONDS_BOUNDS)
# Attempts that brought no answer and were the channel's fault, or its credentials'.
_FAILED = {verdict.value for verdict in (*FAILURES, Verdict.RATE_LIMITED, Verdict.CREDENTIAL, Verdict.QUOTA)}


class ModelStandingAnswer(Answer):
    """A channel for one model."""

    model: str = Field(description="The model.")
    state: Literal["closed", "open", "half_open", "ramping"] = Field(description="Its breaker's state.")
    why: str = Field(description="What opened it.")
    until_ms: int = Field(description="When an open breaker is tried again; 0: it is not open.")
    error_rate: float = Field(description="The share of calls in the breaker's window that failed.")
    calls: int = Field(description="The calls in that window.")
    in_flight: int = Field(description="Calls under way.")
    ttft_p50_ms: int = Field(description="Time to the first byte, median; 0: unknown.")
    ttft_p99_ms: int = Field(description="The same that 99 % lie below.")


class CredentialStandingAnswer(Answer):
    """One of a channel's credentials."""

    name: str = Field(description="Its name.")
    state: Literal["in", "trial", "out", "disabled"] = Field(description="Its state in the pool.")
    why: str = Field(description="Why it is not in.")
    in_flight: int = Field(description="Calls under way.")
    requests: int = Field(description="Calls in the last minute, where that has a ceiling.")
    tokens: int = Field(description="Tokens in the last minute, where that has a ceiling.")
    resting: list[str] = Field(description="Models that it rests for.")


class StandingAnswer(Answer):
    """A channel in one serving process."""

    process_id: str = Field(description="The process.")
    channel: str = Field(description="The channel.")
    models: list[ModelStandingAnswer] = Field(description="Models that were asked for since it started.")
    credentials: list[CredentialStandingAnswer] = Field(description="Its credentials.")


class Standings(Answer):
    """How all channels stand."""

    at_ms: Ms
    processes: int = Field(description="How many processes answered.")
    silent: int = Field(description="How many did not in time.")
    items: list[StandingAnswer] = Field(description="Each channel once for each process.")


class CourseAnswer(Answer):
    """How one channel went, with a value for each step."""

    channel: str = Field(description="The channel.")
    calls: list[int] = Field(description="By span: attempts, or the calls that it answered.")
    failures: list[int] = Field(description="Those that failed by its fault.")
    ttft_p50_ms: list[int] = Field(description="Time to the first byte, median; 0: unknown.")
    ttft_p95_ms: list[int] = Field(description="The same that 95 % lie below.")


class Courses(Answer):
    """How the channels went over a time."""

    span: Literal["hours", "day", "week"] = Field(description="The time that was asked for.")
    step_ms: int = Field(description="How long a step is.")
    starts_ms: list[int] = Field(description="When each step begins.")
    items: list[CourseAnswer] = Field(description="Channels with calls in that time.")


class EventAnswer(Answer):
    """Something that happened to a channel."""

    id: int = Field(description="Its number.")
    at_ms: Ms
    is_by_hand: bool = Field(description="Whether somebody did it; else the relay by itself.")
    channel: str = Field(description="The channel.")
    model: str = Field(description="The model; empty: the whole channel.")
    credential: str = Field(description="The credential, where it is about one.")
    kind: Literal["breaker", "credential", "state", "model"] = Field(description="What it is about.")
    before: str = Field(description="The state before.")
    after: str = Field(description="The state after.")
    reason: str = Field(description="Why.")


class TestBody(Body):
    """What to ask, and of which channel: the one that is stored, or one that is not saved yet."""

    model: Name = Field("", description="Ask this model for a token, which is billed; empty: for the list.")
    credential: Name = Field("", description="With this one of its credentials; empty: the first.")
    definition: ChannelFields | None = Field(
        None, description="Another definition; it is asked with `secret` only, never with what is stored."
    )
    secret: Secret | None = Field(None, description="The secret to ask another definition with.")


class PhasesAnswer(Answer):
    """Milliseconds of each phase, one after another; null: there was none, or it did not come to it."""

    dns_ms: float | None = Field(description="Looking up the name.")
    connect_ms: float | None = Field(description="The connection.")
    proxy_ms: float | None = Field(description="The proxy.")
    tls_ms: float | None = Field(description="The TLS handshake.")
    send_ms: float | None = Field(description="Sending the request.")
    header_ms: float | None = Field(description="Waiting for the answer's head.")
    first_byte_ms: float | None = Field(description="Waiting for its first byte.")
    body_ms: float | None = Field(description="The rest of the answer.")
    address: str = Field(description="Where the connection went.")


class TestAnswer(Answer):
    """What the upstream said, and where the time went."""

    works: bool = Field(description="Whether it took the credential, and has the model.")
    status: int = Field(description="The upstream's status; 0: it said nothing.")
    models: int | None = Field(description="How many models it lists; null: no list.")
    fault: str = Field(description="What went wrong on the way; empty: nothing.")
    verdict: str = Field(description="What that says of the channel, as docs/channels.md has it.")
    duration_ms: int = Field(description="The whole call.")
    phases: PhasesAnswer = Field(description="Its phases.")


@router.get("/channel-standings", Permission.CHANNELS_READ)
def get_channel_standings(here: Here) -> Standings:
    """Tell how all channels stand at this moment.

    Every serving process is asked; it takes a fraction of a second."""
    at_ms = here.now_ms()
    answers = ask_reports(here.store, now_ms=at_ms, patience_s=PATIENCE_S)
    items = [
        StandingAnswer(
            process_id=report.process_id,
            channel=one.channel,
            models=[ModelStandingAnswer.model_validate(each) for each in one.models],
            credentials=[CredentialStandingAnswer.model_validate(each) for each in one.credentials],
        )
        for report in answers.reports
        for one in report.channels
    ]
    return Standings(at_ms=at_ms, processes=len(answers.reports), silent=answers.silent, items=items)


@router.get("/channel-courses", Permission.CHANNELS_READ)
def get_channel_courses(
    here: Here,
    span: Annotated[
        Literal["hours", "day", "week"],
        Query(description="hours: the last three by the minute, of this process; else from the books."),
    ] = "day",
) -> Courses:
    """Tell how the channels went: failures and times to the first byte."""
    now_ms = here.now_ms()
    if span == "hours":
        return _by_minute([*here.observer.trail.minutes], now_ms)
    length_ms, quarters = (DAY_MS, 1) if span == "day" else (7 * DAY_MS, 8)
    starts, courses = channel_courses(
        here.store, since_ms=now_ms - length_ms, until_ms=now_ms, quarters=quarters
    )
    items = [
        CourseAnswer(
            channel=one.channel,
            calls=[*one.requests],
            failures=[*one.faults],
            ttft_p50_ms=[*one.ttft_p50_ms],
            ttft_p95_ms=[*one.ttft_p95_ms],
        )
        for one in courses
        if one.channel
    ]
    return Courses(span=span, step_ms=quarters * QUARTER_MS, starts_ms=[*starts], items=items)


@router.get("/channel-events", Permission.CHANNELS_READ)
def list_channel_events(
    here: Here,
    channel: Annotated[str, Query(max_length=200, description="Only this channel's.")] = "",
    after: After = "",
    limit: Limit = PAGE,
) -> Listing[EventAnswer]:
    """List what happened to channels, the newest first."""
    below = cursor_parts(after, int)[0] if after else 0
    events = list_events(here.store, channel=channel, below_id=below, limit=limit + 1)
    items = [
        EventAnswer(
            is_by_hand=not one.process_id,
            **{name: getattr(one, name) for name in EventAnswer.model_fields if name != "is_by_hand"},
        )
        for one in events[:limit]
    ]
    return Listing(items=items, next=cursor(events[limit - 1].id) if len(events) > limit else "")


@router.post("/channels/{name}/test", Permission.CHANNELS_WRITE)
async def test_channel(here: Here, who: Who, name: ChannelName, body: TestBody) -> TestAnswer:
    """Ask a channel's upstream whether it works.

    Its list of models costs nothing; one token of a model is billed to the operator."""
    spec, secret = await to_thread.run_sync(_asked, here, name, body)
    if body.model and not structs.replace(spec, enabled=True).offers(body.model):
        raise UnfitValue("model", "not_offered")
    found = await probe(spec, secret, body.model)
    return TestAnswer(
        works=found.works,
        status=found.status,
        models=found.models,
        fault=found.fault,
        verdict=found.verdict.value,
        duration_ms=found.duration_ms,
        phases=PhasesAnswer.model_validate(found.phases),
    )


def _asked(here: Context, name: str, body: TestBody) -> tuple[ChannelSpec, SecretText | None]:
    """The channel, and the secret to ask it with. A stored secret goes to no other address than its own."""
    try:
        if body.definition is None:
            return ready(here.store, here.box, name, body.credential)
        definition = restored(define("channel", name, fields_of(body.definition)), None)
        assert isinstance(definition, ChannelDef)
        secret = None if body.secret is None else secret_of(body.secret, "secret")
        return resolved(definition), secret
    except ConfigurationError as error:
        raise refused(error, ("channel", name)) from None


def _by_minute(minutes: list[Minute], now_ms: int) -> Courses:
    """The minutes that this process remembers, with those before it started as empty ones."""
    end_ms = now_ms - now_ms % MINUTE_MS
    starts = range(end_ms - MINUTES_MAX * MINUTE_MS, end_ms, MINUTE_MS)
    known = {one.start_ms: one.channels for one in minutes}
    names = sorted({name for one in minutes for name in one.channels})
    items = [_course(name, [known.get(at, {}).get(name) for at in starts]) for name in names]
    return Courses(span="hours", step_ms=MINUTE_MS, starts_ms=[*starts], items=items)


def _course(channel: str, minutes: Iterable[ChannelMinute | None]) -> CourseAnswer:
    steps = [one or ChannelMinute({}, []) for one in minutes]
    return CourseAnswer(
        channel=channel,
        calls=[sum(one.verdicts.values()) for one in steps],
        failures=[sum(count for name, count in one.verdicts.items() if name in _FAILED) for one in steps],
        ttft_p50_ms=[quantile_ms(one.first_byte, _BOUNDS_MS, 0.5) for one in steps],
        ttft_p95_ms=[quantile_ms(one.first_byte, _BOUNDS_MS, 0.95) for one in steps],
    )
