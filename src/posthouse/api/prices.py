"""Prices of the official list, taking them into the catalogue, and what changed prices when."""

from typing import Annotated, Any, Literal

from fastapi import Query
from msgspec.structs import asdict
from pydantic import Field

from posthouse.accounts.queries import emails_of_actors
from posthouse.api.context import Here, Who
from posthouse.api.definitions import Amount, Name
from posthouse.api.editing import Changes, DryRun, make
from posthouse.api.frame import Router
from posthouse.api.models import page_of
from posthouse.api.permissions import Permission
from posthouse.api.price_lines import LineFields
from posthouse.api.values import PAGE, After, Answer, Body, Limit, Listing, Ms, Whole, cursor, cursor_parts
from posthouse.catalogue.edits import importing
from posthouse.catalogue.history import price_notes
from posthouse.catalogue.price_import import PriceImport
from posthouse.metering.official import OfficialModel, official_models

router = Router("prices")

IMPORTED_MAX = 2_000  # more than the list has


class ListLineAnswer(LineFields):
    """A list price."""

    usd: str = Field(description="US dollars, as decimal text.")


class OfficialModelAnswer(Answer):
    """A model of the official list."""

    name: str = Field(description='The list\'s name: "openai/gpt-4o".')
    provider: str = Field(description="Whose list it is on.")
    model: str = Field(description="What the model is called in the catalogue.")
    kind: str = Field(description="chat, embedding, …")
    max_input_tokens: int | None = Field(description="The longest prompt; null: unknown.")
    max_output_tokens: int | None = Field(description="The longest answer; null: unknown.")
    is_retired: bool = Field(description="Whether the provider no longer offers it.")
    is_known: bool = Field(description="Whether the catalogue has a model of that name.")
    lines: list[ListLineAnswer] = Field(description="Its list prices.")


class ImportBody(Body):
    """Which models take their prices from the list, and how."""

    names: Annotated[list[Name], Field(min_length=1, max_length=IMPORTED_MAX)] = Field(
        description='The list\'s names: "openai/gpt-4o".'
    )
    mode: Literal["follow", "fix"] = Field(
        "follow",
        description="follow: list price × exchange rate × the plan's multiplier, also when the list changes. "
        "fix: amounts that are computed now and stay; plans' multipliers do not apply to them.",
    )
    exchange_rate: Amount = Field("", description="Of fixed amounts; empty: the operator's.")
    multiplier: Amount = Field("1", description="Of fixed amounts.")
    family: Name = Field("", description="Of models that are new.")


class PriceNoteAnswer(Answer):
    """A change of something that prices are made of."""

    at_ms: Ms
    actor: str = Field(description="Who did it: an account, with its token behind a slash, or cli.")
    actor_email: str = Field(description="That account's email; empty: it was no account, or has gone.")
    kind: Literal["model", "plan", "operator"] = Field(description="What was changed.")
    name: str = Field(description="Which one.")
    before: dict[str, Any] | None = Field(description="Its fields before; null: there was none.")
    after: dict[str, Any] | None = Field(description="Its fields after; null: it is gone.")


@router.get("/official-prices", Permission.CATALOGUE_READ)
def list_official_prices(
    here: Here,
    provider: Annotated[str, Query(max_length=100, description="Only this provider's.")] = "",
    search: Annotated[str, Query(max_length=100, description="Part of the name.")] = "",
    after: After = "",
    limit: Limit = PAGE,
) -> Listing[OfficialModelAnswer]:
    """List the official prices that ship with this version, in US dollars, by name."""
    wanted = {
        name: one
        for name, one in official_models().items()
        if provider in ("", one.provider) and search.casefold() in name.casefold()
    }
    names, more = page_of(wanted, after, limit)
    known = {one.name for one in here.market.catalogue.models()}
    return Listing(items=[_official(name, wanted[name], known) for name in names], next=more)


@router.get("/official-providers", Permission.CATALOGUE_READ)
def list_official_providers() -> Whole[str]:
    """List whose prices the official list has."""
    return Whole(items=sorted({one.provider for one in official_models().values()}))


@router.post("/price-import", Permission.CATALOGUE_WRITE)
def import_prices(here: Here, who: Who, body: ImportBody, dry_run: DryRun = False) -> Changes:
    """Take prices of the official list, or preview what that changes.

    All else of a model stays; one that a pattern stood for gets a definition of its own."""
    wanted = PriceImport(
        names=tuple(body.names),
        mode=body.mode,
        exchange_rate=body.exchange_rate,
        multiplier=body.multiplier,
        family=body.family,
    )
    return make(here, who, importing(wanted), dry_run=dry_run)


@router.get("/price-history", Permission.CATALOGUE_READ)
def list_price_history(
    here: Here,
    model: Annotated[str, Query(max_length=200, description="Only what this model's price is made of.")] = "",
    after: After = "",
    limit: Limit = PAGE,
) -> Listing[PriceNoteAnswer]:
    """List what changed prices, the newest first."""
    before_id = cursor_parts(after, int)[0] if after else 0
    notes = price_notes(here.store, model=model, before_id=before_id, limit=limit + 1)
    emails = emails_of_actors(here.store, (one.actor for one in notes))
    items = [
        PriceNoteAnswer.model_validate({**asdict(one), "actor_email": emails.get(one.actor, "")})
        for one in notes[:limit]
    ]
    return Listing(items=items, next=cursor(notes[limit - 1].id) if len(notes) > limit else "")


def _official(name: str, one: OfficialModel, known: set[str]) -> OfficialModelAnswer:
    return OfficialModelAnswer(
        name=name,
        provider=one.provider,
        model=one.model,
        kind=one.kind,
        max_input_tokens=one.max_input_tokens,
        max_output_tokens=one.max_output_tokens,
        is_retired=one.retired,
        is_known=one.model in known,
        lines=[ListLineAnswer.model_validate(line) for line in one.lines],
    )
