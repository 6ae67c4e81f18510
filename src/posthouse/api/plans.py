"""Plans: what their members may call, how much, and at which multiplier."""

from typing import Annotated

from fastapi import Path
from pydantic import Field

from posthouse.accounts.queries import members_of_plans
from posthouse.api.context import Context, Here, Who
from posthouse.api.definitions import NAME_CHARS_MAX, PlanFields, shown
from posthouse.api.editing import Changes, DefinitionBody, DryRun, Version, put, remove
from posthouse.api.frame import Router
from posthouse.api.models import page_of
from posthouse.api.permissions import Permission
from posthouse.api.values import PAGE, After, Answer, Limit, Listing, Whole
from posthouse.catalogue.edits import version_of
from posthouse.catalogue.queries import load_configuration
from posthouse.catalogue.rules import ENDPOINTS, Configuration

router = Router("plans")

PlanName = Annotated[str, Path(max_length=NAME_CHARS_MAX, description="The plan's name.")]


class PlanRecord(Answer):
    """A plan as the operator keeps it."""

    name: str = Field(description="Its name.")
    version: str = Field(description="Of its definition.")
    is_default: bool = Field(description="Who registers begins here.")
    is_topup: bool = Field(description="A top-up leads here.")
    members: int = Field(description="How many accounts are on it.")
    models: list[str] = Field(description="The models that it allows and has a price for.")
    definition: PlanFields = Field(description="What the operator says of it.")


class PlanBody(DefinitionBody[PlanFields]):
    """A plan as it is to be."""


@router.get("/plans", Permission.CATALOGUE_READ, response_model_exclude_unset=True)
def list_plans(here: Here, after: After = "", limit: Limit = PAGE) -> Listing[PlanRecord]:
    """List the plans by name."""
    configuration = load_configuration(here.store)
    names, more = page_of(configuration.plans, after, limit)
    members = members_of_plans(here.store)
    return Listing(items=[_plan(here, configuration, name, members) for name in names], next=more)


@router.get("/plan-endpoints", Permission.CATALOGUE_READ)
def list_plan_endpoints() -> Whole[str]:
    """List the endpoints that a plan may allow."""
    return Whole(items=[*ENDPOINTS])


@router.put("/plans/{name}", Permission.CATALOGUE_WRITE)
def put_plan(here: Here, who: Who, name: PlanName, body: PlanBody, dry_run: DryRun = False) -> Changes:
    """Add or change a plan."""
    return put(here, who, "plan", name, body, dry_run=dry_run)


@router.delete("/plans/{name}", Permission.CATALOGUE_WRITE)
def delete_plan(here: Here, who: Who, name: PlanName, version: Version, dry_run: DryRun = False) -> Changes:
    """Remove a plan that nobody is on."""
    return remove(here, who, "plan", name, seen=version, dry_run=dry_run)


def _plan(here: Context, configuration: Configuration, name: str, members: dict[str, int]) -> PlanRecord:
    catalogue = here.market.catalogue
    definition, spec = configuration.plans[name], catalogue.plan(name)
    return PlanRecord(
        name=name,
        version=version_of(definition),
        is_default=configuration.operator.default_plan == name,
        is_topup=configuration.operator.topup_plan == name,
        members=members.get(name, 0),
        models=sorted(one for one in spec.models if catalogue.tariff(name, one)) if spec else [],
        definition=shown(PlanFields, definition),
    )
