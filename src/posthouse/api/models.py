"""Models and families as the operator keeps them: what is said of each, and what comes of it."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from posthouse.api.context import Here, Who
from posthouse.api.definitions import NAME_CHARS_MAX, FamilyFields, ModelFields, shown
from posthouse.api.editing import Changes, DefinitionBody, DryRun, Version, put, remove
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.price_lines import PriceLineAnswer, lines_of
from posthouse.api.problems import Problem
from posthouse.api.values import PAGE, After, Answer, Limit, Listing, cursor, cursor_parts
from posthouse.catalogue.compiled import Catalogue, ModelSpec
from posthouse.catalogue.edits import version_of
from posthouse.catalogue.queries import load_configuration
from posthouse.catalogue.rules import Configuration, ModelDef

router = Router("models")

Search = Annotated[str, Query(max_length=100, description="Part of a name, an alias, a family or an owner.")]
FamilyName = Annotated[str, Path(max_length=NAME_CHARS_MAX, description="The family's name.")]
ModelName = Annotated[str, Path(max_length=NAME_CHARS_MAX, description="The model's name, or a pattern.")]


class FamilyAnswer(Answer):
    """Models that share limits."""

    name: str = Field(description="Its name.")
    version: str = Field(description="Of its definition.")
    model_count: int = Field(description="How many models are of it.")
    definition: FamilyFields = Field(description="What the operator says of it.")


class FamilyBody(DefinitionBody[FamilyFields]):
    """A family as it is to be."""


class ModelBody(DefinitionBody[ModelFields]):
    """A model as it is to be."""


class PlanPrices(Answer):
    """What a plan's members pay for a model."""

    plan: str = Field(description="The plan.")
    lines: list[PriceLineAnswer] = Field(description="Its prices.")


class ChannelCost(Answer):
    """What a channel takes for a model."""

    channel: str = Field(description="The channel.")
    lines: list[PriceLineAnswer] = Field(description="Its prices; empty: unknown.")


class KnownModel(Answer):
    """A model that the catalogue knows: by a definition of its own, or by a pattern."""

    name: str = Field(description="Its name.")
    defined_by: str = Field(description="The name of its definition: its own, or a pattern.")
    version: str = Field(description="Of that definition.")
    family: str = Field(description="The family that it shares limits with.")
    kind: str = Field(description="chat, embedding, …")
    owned_by: str = Field(description="Whose model it is.")
    aliases: list[str] = Field(description="Other names of it.")
    max_input_tokens: int | None = Field(description="The longest prompt; null: unknown.")
    max_output_tokens: int | None = Field(description="The longest answer; null: unknown.")
    is_list_priced: bool = Field(description="Whether its price follows the official list.")
    plans: list[PlanPrices] = Field(description="The plans that allow it and have a price for it.")
    channels: list[ChannelCost] = Field(description="The channels that offer it, in the order of trying.")


class ModelDefinition(Answer):
    """What the operator says of a model, or by a pattern of many."""

    name: str = Field(description="The name, or a pattern.")
    version: str = Field(description="Of the definition.")
    model_count: int = Field(description="How many models it stands for.")
    definition: ModelFields = Field(description="What it says.")


@router.get("/families", Permission.CATALOGUE_READ, response_model_exclude_unset=True)
def list_families(here: Here, after: After = "", limit: Limit = PAGE) -> Listing[FamilyAnswer]:
    """List the families by name."""
    families = load_configuration(here.store).families
    names, more = page_of(families, after, limit)
    counts = Counter(one.family for one in here.market.catalogue.models())
    items = [
        FamilyAnswer(
            name=name,
            version=version_of(families[name]),
            model_count=counts[name],
            definition=shown(FamilyFields, families[name]),
        )
        for name in names
    ]
    return Listing(items=items, next=more)


@router.put("/families/{name}", Permission.CATALOGUE_WRITE)
def put_family(here: Here, who: Who, name: FamilyName, body: FamilyBody, dry_run: DryRun = False) -> Changes:
    """Add or change a family."""
    return put(here, who, "family", name, body, dry_run=dry_run)


@router.delete("/families/{name}", Permission.CATALOGUE_WRITE)
def delete_family(
    here: Here, who: Who, name: FamilyName, version: Version, dry_run: DryRun = False
) -> Changes:
    """Remove a family that nothing names any more."""
    return remove(here, who, "family", name, seen=version, dry_run=dry_run)


@router.get("/models", Permission.CATALOGUE_READ)
def list_models(
    here: Here, search: Search = "", after: After = "", limit: Limit = PAGE
) -> Listing[KnownModel]:
    """List the models that the catalogue knows, by name, with what members pay and what channels take.

    It follows a change within a second."""
    catalogue = here.market.catalogue
    configuration = load_configuration(here.store)
    models = {one.name: one for one in catalogue.models() if _fits(one, search.casefold())}
    names, more = page_of(models, after, limit)
    return Listing(items=[_known(catalogue, configuration, models[name]) for name in names], next=more)


@router.get("/model-definitions", Permission.CATALOGUE_READ, response_model_exclude_unset=True)
def list_model_definitions(here: Here, after: After = "", limit: Limit = PAGE) -> Listing[ModelDefinition]:
    """List what is said of models, by name; patterns stand for many."""
    models = load_configuration(here.store).models
    names, more = page_of(models, after, limit)
    counts = _counts(here.market.catalogue)
    return Listing(items=[_definition(name, models[name], counts) for name in names], next=more)


@router.get("/model-definitions/{name:path}", Permission.CATALOGUE_READ, response_model_exclude_unset=True)
def get_model_definition(here: Here, name: ModelName) -> ModelDefinition:
    """Show what is said of a model, or of a pattern of models."""
    definition = load_configuration(here.store).models.get(name)
    if definition is None:
        raise Problem("not_found")
    return _definition(name, definition, _counts(here.market.catalogue))


@router.put("/model-definitions/{name:path}", Permission.CATALOGUE_WRITE)
def put_model(here: Here, who: Who, name: ModelName, body: ModelBody, dry_run: DryRun = False) -> Changes:
    """Add or change a model, or a pattern of models."""
    return put(here, who, "model", name, body, dry_run=dry_run)


@router.delete("/model-definitions/{name:path}", Permission.CATALOGUE_WRITE)
def delete_model(here: Here, who: Who, name: ModelName, version: Version, dry_run: DryRun = False) -> Changes:
    """Take a model, or a pattern of models, out of the catalogue."""
    return remove(here, who, "model", name, seen=version, dry_run=dry_run)


def _fits(model: ModelSpec, search: str) -> bool:
    return any(
        search in text.casefold() for text in (model.name, model.family, model.owned_by, *model.aliases)
    )


def _counts(catalogue: Catalogue) -> Counter[str]:
    """How many models each definition stands for."""
    return Counter(catalogue.defined_by(one.name) for one in catalogue.models())


def _definition(name: str, definition: ModelDef, counts: Counter[str]) -> ModelDefinition:
    return ModelDefinition(
        name=name,
        version=version_of(definition),
        model_count=counts[name],
        definition=shown(ModelFields, definition),
    )


def _known(catalogue: Catalogue, configuration: Configuration, model: ModelSpec) -> KnownModel:
    by = catalogue.defined_by(model.name)
    definition = configuration.models.get(by)
    prices = {name: catalogue.tariff(name, model.name) for name in catalogue.plans_with(model.name)}
    channels = sorted(catalogue.channels, key=lambda one: (one.priority, one.name))
    costs = {one.name: catalogue.cost(one, model.name) for one in channels if one.offers(model.name)}
    return KnownModel(
        name=model.name,
        defined_by=by,
        version=version_of(definition),
        family=model.family,
        kind=model.kind,
        owned_by=model.owned_by,
        aliases=[*model.aliases],
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        is_list_priced=bool(definition and definition.list),
        plans=[
            PlanPrices(plan=name, lines=lines_of(tariff.lines)) for name, tariff in prices.items() if tariff
        ],
        channels=[
            ChannelCost(channel=name, lines=lines_of(tariff.lines if tariff else ()))
            for name, tariff in costs.items()
        ],
    )


def page_of(names: Iterable[str], after: str, limit: int) -> tuple[list[str], str]:
    """The names of one page, and the cursor of the next one, or ""."""
    place = cursor_parts(after, str)[0] if after else ""
    rest = sorted(name for name in names if name > place)
    return rest[:limit], cursor(rest[limit - 1]) if len(rest) > limit else ""
