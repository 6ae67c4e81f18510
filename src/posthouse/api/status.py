"""How the models do, for everybody: over a day by hour, over a quarter by day."""

import threading
from collections.abc import Callable
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from pydantic import Field

from posthouse.api.context import STATE, Context, Here
from posthouse.api.frame import Router
from posthouse.api.permissions import PUBLIC
from posthouse.api.values import Answer
from posthouse.kernel.periods import HOUR_MS
from posthouse.ledger.sums import ModelStatus, model_statuses

router = Router("public")

Span = Literal["day", "quarter"]
SPANS_MS: dict[Span, int] = {"day": 23 * HOUR_MS, "quarter": 89 * 24 * HOUR_MS}  # and the step under way
KEPT_MS = 60_000  # a quarter takes a while to add up, and the page is anybody's
# Of a thousand calls so many reach their answer: below the first a model is impaired, below the second down.
IMPAIRED_PERMILLE, DOWN_PERMILLE = 980, 500
LATELY = 3  # steps; what a model is now, they say

State = Literal["up", "impaired", "down", "quiet"]


class StatusModel(Answer):
    """One model for sale. How many calls there were is the operator's affair; shares are everybody's."""

    name: str = Field(description="The model's name.")
    state: State = Field(description="How it did lately; quiet: nobody called it.")
    permille: int | None = Field(description="Of a thousand calls that many went well; null: no calls.")
    steps: list[int | None] = Field(description="The same in each step.")
    ttft_p50_ms: int = Field(description="Half of all streams began within this; 0: unknown.")
    ttft_p95_ms: int = Field(description="And 19 of 20 within this; 0: unknown.")


class Status(Answer):
    """How the models did."""

    made_ms: int = Field(description="When this was added up; at most a minute ago.")
    starts_ms: list[int] = Field(description="When each step starts.")
    models: list[StatusModel] = Field(description="All models for sale, by name.")


class Board:
    """What was added up last, for a minute. One thread adds up, the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Span, Status] = {}

    def get(self, span: Span, now_ms: int, make: Callable[[], Status]) -> Status:
        with self._lock:
            kept = self._kept.get(span)
            if kept is None or not kept.made_ms <= now_ms < kept.made_ms + KEPT_MS:
                kept = self._kept[span] = make()
            return kept


async def _board(request: Request) -> Board:
    """This relay's; made when first asked for, on the loop."""
    state = request.scope[STATE]
    if not hasattr(state, "status_board"):
        state.status_board = Board()
    board: Board = state.status_board
    return board


@router.get("/status", PUBLIC)
def get_status(
    here: Here,
    board: Annotated[Board, Depends(_board)],
    span: Annotated[Span, Query(description="24 hours, or 90 days.")] = "day",
) -> Status:
    """Tell how each model did in the last 24 hours, or in the last 90 days."""
    now_ms = here.now_ms()
    return board.get(span, now_ms, lambda: _added_up(here, span, now_ms))


def _added_up(here: Context, span: Span, now_ms: int) -> Status:
    catalogue = here.market.catalogue
    found = model_statuses(
        here.store,
        since_ms=now_ms - SPANS_MS[span],
        until_ms=now_ms + 1,
        step="hour" if span == "day" else "day",
        zone=ZoneInfo(catalogue.operator.timezone),
    )
    by_name = {one.model: one for one in found.models}
    names = sorted({model.name for plan in catalogue.plans() for model in catalogue.models_for(plan.name)})
    nothing = (0,) * len(found.starts_ms)
    models = [_model(by_name.get(name) or ModelStatus(name, nothing, nothing, 0, 0)) for name in names]
    return Status(made_ms=now_ms, starts_ms=list(found.starts_ms), models=models)


def _model(one: ModelStatus) -> StatusModel:
    steps = [_permille(*counts) for counts in zip(one.requests, one.faults, strict=True)]
    return StatusModel(
        name=one.model,
        state=_state(_permille(sum(one.requests[-LATELY:]), sum(one.faults[-LATELY:]))),
        permille=_permille(sum(one.requests), sum(one.faults)),
        steps=steps,
        ttft_p50_ms=one.ttft_p50_ms,
        ttft_p95_ms=one.ttft_p95_ms,
    )


def _permille(requests: int, faults: int) -> int | None:
    """Rounded down, so that 1000 means all of them."""
    return (requests - faults) * 1000 // requests if requests else None


def _state(permille: int | None) -> State:
    if permille is None:
        return "quiet"
    if permille < DOWN_PERMILLE:
        return "down"
    return "impaired" if permille < IMPAIRED_PERMILLE else "up"
