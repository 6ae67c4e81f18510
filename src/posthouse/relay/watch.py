"""What an operator sees of the channels: events, written as they happen, and standings, written when somebody
asks. Both go through the ledger's writer, so that the store has one writer per process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from posthouse.catalogue.events import ChannelEvent, add_events
from posthouse.catalogue.standings import (
    ChannelStanding,
    CredentialStanding,
    ModelStanding,
    Report,
    write_report,
)
from posthouse.catalogue.states import note_back, note_out
from posthouse.kernel.clock import now_ms
from posthouse.observe.observer import Figures
from posthouse.routing.health import Health, Standing, State, Transition
from posthouse.routing.pools import CredentialState, Departure, Pool, Return
from posthouse.store.changes import ChangeKind

GATHER_S = 0.2  # events that come together are written together: when an upstream fails, many models do
WAITING_MAX = 1_000  # events in memory while the store takes none; more of them say nothing new
MISSING_AGAIN_S = 3600.0  # how often it is told that an upstream does not have a model
MISSING_MAX = 1_000  # of them in memory

Job = Callable[[Connection], Any]


class Run(Protocol):
    """Runs a function in a write transaction, some time soon: `Ledger.run`."""

    def __call__(self, job: Job) -> asyncio.Future[Any]: ...


class Watch:
    """Used on the event loop. Nothing here waits or fails: what can't be written goes to `on_error`."""

    def __init__(
        self, run: Run, process_id: str, health: Health, pools: Callable[[], Iterable[Pool]]
    ) -> None:
        self._run = run
        self._process_id = process_id
        self._health = health
        self._pools = pools
        self._loop = asyncio.get_running_loop()
        self._waiting: list[ChannelEvent] = []
        self._missing: dict[tuple[str, str], float] = {}
        self.on_error: Callable[[Exception], None] = lambda error: None

    # -- what happens ----------------------------------------------------------------------------------

    def moved(self, transition: Transition) -> None:
        """A breaker has changed its state."""
        self._add(
            ChannelEvent(
                at_ms=now_ms(),
                process_id=self._process_id,
                channel=transition.channel,
                model=transition.model,
                kind="breaker",
                before=transition.before.value,
                after=transition.after.value,
                reason=transition.why,
            )
        )

    def left(self, departure: Departure) -> None:
        """A credential is no longer taken: other processes and later ones are told."""
        self._write(
            partial(
                note_out,
                channel=departure.channel,
                credential=departure.credential,
                reason=departure.reason.value,
                process_id=self._process_id,
                now_ms=now_ms(),
            )
        )

    def came_back(self, back: Return) -> None:
        """A credential is taken again."""
        self._write(
            partial(
                note_back,
                channel=back.channel,
                credential=back.credential,
                reason="a probe was answered",
                process_id=self._process_id,
                now_ms=now_ms(),
            )
        )

    def model_missing(self, channel: str, model: str) -> None:
        """The upstream says that it has no such model: the channel's definition says it has."""
        now_s = self._loop.time()
        if now_s - self._missing.get((channel, model), -MISSING_AGAIN_S) < MISSING_AGAIN_S:
            return
        if len(self._missing) >= MISSING_MAX:
            self._missing.clear()
        self._missing[channel, model] = now_s
        self._add(
            ChannelEvent(
                at_ms=now_ms(),
                process_id=self._process_id,
                channel=channel,
                model=model,
                kind="model",
                reason="the upstream does not have this model: see the channel's models and model_map",
            )
        )

    def _add(self, event: ChannelEvent) -> None:
        if not self._waiting:
            self._loop.call_later(GATHER_S, self.flush)
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(event)

    def flush(self) -> None:
        """Write the events that wait; also at the server's end."""
        events, self._waiting = self._waiting, []
        if events:
            self._write(partial(add_events, events=events))

    def _write(self, job: Job) -> None:
        self._run(job).add_done_callback(self._written)

    def _written(self, future: asyncio.Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, Exception):
            self.on_error(error)

    # -- how things stand ------------------------------------------------------------------------------

    async def on_change(self, kind: ChangeKind, subject: str) -> None:
        """Take a notice from the change feed: somebody looks."""
        if kind == "watch":
            self._write(partial(write_report, report=self.report()))

    def report(self) -> Report:
        """How each channel stands that has been called, or has credentials."""
        now_s, at_ms = self._loop.time(), now_ms()
        models: dict[str, list[ModelStanding]] = {}
        for one in self._health.standings(now_s):
            models.setdefault(one.channel, []).append(_model(one, now_s, at_ms))
        credentials = {pool.channel: _credentials(pool, now_s) for pool in self._pools()}
        return Report(
            process_id=self._process_id,
            at_ms=at_ms,
            channels=tuple(
                ChannelStanding(name, tuple(models.get(name, ())), credentials.get(name, ()))
                for name in sorted(models.keys() | credentials.keys())
            ),
        )


def _model(one: Standing, now_s: float, at_ms: int) -> ModelStanding:
    return ModelStanding(
        model=one.model,
        state=one.state,
        why=one.why,
        until_ms=0 if one.until_s is None else at_ms + int((one.until_s - now_s) * 1000),
        error_rate=one.error_rate,
        calls=one.calls,
        in_flight=one.in_flight,
        ttft_p50_ms=int((one.ttft_p50_s or 0) * 1000),
        ttft_p99_ms=int((one.ttft_p99_s or 0) * 1000),
    )


def _credentials(pool: Pool, now_s: float) -> tuple[CredentialStanding, ...]:
    return tuple(
        CredentialStanding(
            name=one.name,
            state=one.state,
            why=one.reason,
            in_flight=one.in_flight,
            requests=one.requests,
            tokens=one.tokens,
            resting=tuple(one.resting_s),
        )
        for one in pool.standings(now_s)
    )


# -- figures of a report, for the metrics -------------------------------------------------------------------


def figures_of(report: Report) -> Iterator[Figures]:
    """What Prometheus is told of the channels."""
    models = [(each.channel, one) for each in report.channels for one in each.models]
    credentials = [(each.channel, one) for each in report.channels for one in each.credentials]
    yield Figures(
        "posthouse_breaker_state",
        "1 for the state that the channel's breaker is in for the model.",
        ("channel", "model", "state"),
        tuple(
            ((channel, one.model, state.value), float(one.state == state.value))
            for channel, one in models
            for state in State
        ),
    )
    yield Figures(
        "posthouse_channel_calls",
        "Attempts under way.",
        ("channel", "model"),
        tuple(((channel, one.model), float(one.in_flight)) for channel, one in models),
    )
    yield Figures(
        "posthouse_credential_usable",
        "1 where calls may take the credential.",
        ("channel", "credential"),
        tuple(
            ((channel, one.name), float(one.state in (CredentialState.IN, CredentialState.TRIAL)))
            for channel, one in credentials
        ),
    )
    yield Figures(
        "posthouse_credential_calls",
        "Attempts under way with the credential.",
        ("channel", "credential"),
        tuple(((channel, one.name), float(one.in_flight)) for channel, one in credentials),
    )
