"""What all routes that change the configuration share: a version that its caller has seen, a dry run, and the
difference as an answer."""

from collections.abc import Callable, Collection
from typing import Annotated, Any, Generic, Literal

from fastapi import Query
from pydantic import Field

from posthouse.api.context import Caller, Context
from posthouse.api.definitions import Fields, fields_of
from posthouse.api.permissions import Permission
from posthouse.api.price_lines import LineFields
from posthouse.api.problems import Problem
from posthouse.api.values import Answer, Body, Money
from posthouse.catalogue.diff import Change
from posthouse.catalogue.edits import Definitions, Edit, putting, removing
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.errors import Problem as Lapse
from posthouse.catalogue.price_changes import PriceChange
from posthouse.catalogue.queries import read_definitions
from posthouse.catalogue.rules import Configuration, Kind
from posthouse.catalogue.sealed import Credentials, Name
from posthouse.catalogue.service import NO_SECRETS, change, preview_prices

PRICES_SHOWN_MAX = 1_000  # an exchange rate changes all prices of all models at once

VERSION = "The `version` that the change was made from; another one is refused, as somebody was quicker."

Version = Annotated[str, Query(max_length=40, description=VERSION)]
DryRun = Annotated[bool, Query(description="Tell the difference, change nothing.")]


class DefinitionBody(Body, Generic[Fields]):
    """A definition as it is to be."""

    version: str = Field(max_length=40, description=VERSION + " Empty: there is none of this name yet.")
    definition: Fields = Field(description="All of it: what is left out gets its default.")


class FieldChangeAnswer(Answer):
    """A field of a definition. What may hold a secret is not shown."""

    field: str = Field(description="Its name.")
    before: Any = Field(description="What it was; null: left out.")
    after: Any = Field(description="What it is; null: left out.")


class ChangeAnswer(Answer):
    """What becomes of one definition."""

    kind: str = Field(description="operator, site, family, model, plan or channel.")
    name: str = Field(description="Its name.")
    action: Literal["add", "change", "remove"] = Field(description="What becomes of it.")
    fields: list[FieldChangeAnswer] = Field(description="Of a change: the fields that differ.")


class PriceChangeAnswer(LineFields):
    """What becomes of one price that a plan's members pay for a model."""

    plan: str = Field(description="The plan.")
    model: str = Field(description="The model.")
    before: Money | None = Field(description="What it was; null: there was none.")
    after: Money | None = Field(description="What it is; null: there is none any more.")


class Changes(Answer):
    """The difference that a change makes."""

    dry_run: bool = Field(description="Whether nothing was changed.")
    changes: list[ChangeAnswer] = Field(description="What becomes of which definition.")
    prices: list[PriceChangeAnswer] = Field(
        description=f"Of a dry run: what it does to members' prices, the first {PRICES_SHOWN_MAX}."
    )
    price_count: int = Field(description="Of a dry run: how many prices change in all.")


def put(
    here: Context,
    who: Caller,
    kind: Kind,
    name: str,
    body: DefinitionBody[Any],
    *,
    dry_run: bool,
    secrets: Credentials = NO_SECRETS,
) -> Changes:
    """Add or change a definition, as `make` does."""
    try:
        edit = putting(kind, name, fields_of(body.definition), seen=body.version)
    except ConfigurationError as error:
        raise refused(error, (kind, name)) from None
    return make(here, who, edit, dry_run=dry_run, of=(kind, name), secrets=secrets)


def remove(here: Context, who: Caller, kind: Kind, name: str, *, seen: str, dry_run: bool) -> Changes:
    """Take a definition out, as `make` does."""
    check_known(here, kind, name)
    return make(here, who, removing(kind, name, seen=seen), dry_run=dry_run)


def check_known(here: Context, kind: Kind, name: str) -> None:
    """Raises Problem where there is no such definition."""
    with here.store.read() as connection:
        if (kind, name) not in read_definitions(connection):
            raise Problem("not_found")


def make(
    here: Context,
    who: Caller,
    edit: Edit,
    *,
    dry_run: bool,
    of: tuple[Kind, str] | None = None,
    secrets: Credentials = NO_SECRETS,
    gone: Collection[Name] = (),
    blame: Callable[[list[Lapse]], ConfigurationError] = ConfigurationError,
) -> Changes:
    """Make the edit, or tell what it would do. `blame` places what is wrong, as in `change`. `of`: the
    definition that the request is about, so that what is wrong with it is told by its fields' names. Raises
    Problem, StoreDown."""
    edit = _within(who, edit)
    try:
        prices = preview_prices(here.store, edit) if dry_run else []
        changes = change(
            here.store,
            here.box,
            edit,
            now_ms=here.now_ms(),
            actor=who.actor,
            secrets=secrets,
            gone=gone,
            blame=blame,
            dry_run=dry_run,
        )
    except ConfigurationError as error:
        raise refused(error, of) from None
    return answer(changes, prices, dry_run=dry_run)


def _within(who: Caller, edit: Edit) -> Edit:
    """The edit, refused to whoever may not give roles where it changes how people get in: whoever receives
    the mail that resets a password, or answers who somebody is, can become an owner."""

    def checked(before: Definitions) -> Definitions:
        after = edit(before)
        if Permission.ROLES_WRITE not in who.permissions and _ways_in(after) != _ways_in(before):
            raise Problem("forbidden", permission=Permission.ROLES_WRITE)
        return after

    return checked


def _ways_in(definitions: Definitions) -> tuple[object, ...]:
    site = Configuration.of(definitions).site
    return site.public_url, site.mail, site.sign_in


def answer(changes: list[Change], prices: list[PriceChange], *, dry_run: bool) -> Changes:
    return Changes(
        dry_run=dry_run,
        changes=[ChangeAnswer.model_validate(one) for one in changes],
        prices=[_price(one) for one in prices[:PRICES_SHOWN_MAX]],
        price_count=len(prices),
    )


def refused(error: ConfigurationError, of: tuple[Kind, str] | None = None) -> Problem:
    """The error as a problem whose fields are those of the definition that the request is about."""
    name = of[1] if of else ""
    return Problem("invalid_configuration", errors=[one.told_of(name) for one in error.problems])


def _price(one: PriceChange) -> PriceChangeAnswer:
    return PriceChangeAnswer(
        plan=one.plan,
        model=one.model,
        component=one.component,
        per=one.per,
        service_tier=one.service_tier,
        prompt_tokens_over=one.prompt_tokens_over,
        before=one.before_nanos,
        after=one.after_nanos,
    )
