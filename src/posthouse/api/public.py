"""What anybody may know: the site, what is for sale at which price, and which paths the relay answers."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from posthouse.api.context import Here
from posthouse.api.frame import BASE, Router
from posthouse.api.limits import plan_rules
from posthouse.api.permissions import PUBLIC
from posthouse.api.price_lines import PriceLineAnswer, lines_of
from posthouse.api.problems import Problem
from posthouse.api.values import Answer, Money, Whole
from posthouse.catalogue.compiled import Catalogue, ModelSpec, PlanSpec
from posthouse.limits.rules import LimitRule, Subject
from posthouse.relay.endpoints import surface

router = Router("public")

MODELS_MAX = 10_000  # more than any list of prices has


class SiteAnswer(Answer):
    """The site, as far as everybody may know it."""

    name: str = Field(description="What it is called.")
    logo: str = Field(description="Where its logo is; empty: it has none.")
    contact_email: str = Field(description="Where to write to; may be empty.")
    public_url: str = Field(
        description="Where browsers and clients reach it; empty: where they have found it."
    )
    currency: str = Field(description="Of all amounts, such as USD.")
    timezone: str = Field(description="Whose days and months budgets and statements are counted in.")
    languages: list[Literal["en", "zh"]] = Field(description="The first is the default.")
    registration: Literal["open", "invitation", "closed"] = Field(description="Who may register.")


class PlanAnswer(Answer):
    """A plan, and how much its members may use."""

    name: str = Field(description="The plan's name.")
    kind: Literal["free", "paid"] = Field(description="Calls on a free plan cost nothing.")
    is_default: bool = Field(description="Who registers begins here.")
    is_topup: bool = Field(description="A top-up leads here.")
    streaming: bool = Field(description="Whether answers may be streamed.")
    endpoints: list[str] = Field(description="The endpoints that it allows.")
    models: int = Field(description="How many models it has.")
    limits: list["LimitAnswer"] = Field(description="What may be used, in sliding windows.")


class LimitAnswer(Answer):
    """One limit. What is null is not limited."""

    families: list[str] = Field(description="The families of models that share it; empty: all models.")
    subject: Subject = Field(description="What is counted by itself.")
    window_ms: int = Field(description="How long the window is.")
    requests: int | None = Field(description="Requests in one window.")
    tokens: int | None = Field(description="Tokens in one window.")
    spend: Money | None = Field(description="Spending in one window.")
    concurrency: int | None = Field(description="Calls at the same time.")


class PricedModel(Answer):
    """A model that the plan sells."""

    name: str = Field(description="What to write into `model`.")
    aliases: list[str] = Field(description="Other names that it answers to.")
    family: str = Field(description="The models that it shares limits with.")
    kind: str = Field(description="chat, embedding, completion, …")
    owned_by: str = Field(description="Whose model it is.")
    max_input_tokens: int | None = Field(description="The longest prompt; null: unknown.")
    max_output_tokens: int | None = Field(description="The longest answer; null: unknown.")
    dialects: list[str] = Field(description="The APIs that it can be called by.")
    lines: list[PriceLineAnswer] = Field(description="Its prices.")


class Prices(Answer):
    """What one plan sells."""

    plan: str = Field(description="The plan whose prices these are; empty: nothing is for sale yet.")
    plans: list[PlanAnswer] = Field(description="All plans.")
    models: list[PricedModel] = Field(description="The plan's models, by name.")


class EndpointAnswer(Answer):
    """A path that the relay answers."""

    path: str = Field(description="With {model} where it names one.")
    method: str = Field(description="GET or POST.")
    name: str = Field(description="What plans and keys' scopes call it.")
    dialect: Literal["openai", "anthropic", "gemini"] = Field(description="Whose API it is.")
    is_charged: bool = Field(description="Whether a call goes upstream and costs something.")
    needs_key: bool = Field(description="Whether it wants a key.")


@router.get("/site", PUBLIC)
def get_site(here: Here) -> SiteAnswer:
    """Tell what the site is."""
    catalogue = here.market.catalogue
    site, operator = catalogue.site, catalogue.operator
    return SiteAnswer(
        name=site.name,
        logo=f"{BASE}/images/{site.logo}" if site.logo else "",
        contact_email=site.contact_email,
        public_url=site.public_url,
        currency=operator.currency,
        timezone=operator.timezone,
        languages=list(site.languages),
        registration=site.registration.open,
    )


@router.get("/prices", PUBLIC)
def list_prices(
    here: Here,
    plan: Annotated[str, Query(max_length=100, description="The plan's name.")] = "",
    kind: Annotated[str, Query(max_length=40, description="Only models of this kind, such as chat.")] = "",
    limit: Annotated[int, Query(ge=1, le=MODELS_MAX, description="At most so many models.")] = MODELS_MAX,
) -> Prices:
    """List models and prices of a plan.

    Without `plan`, of the one that a top-up leads to, else of the default plan."""
    catalogue = here.market.catalogue
    operator = catalogue.operator
    if plan and catalogue.plan(plan) is None:
        raise Problem("not_found")
    names = [name for name in (plan, operator.topup_plan, operator.default_plan) if catalogue.plan(name)]
    models = catalogue.models_for(names[0]) if names else ()
    chosen = [one for one in models if not kind or one.kind == kind][:limit]
    return Prices(
        plan=names[0] if names else "",
        plans=[_plan(catalogue, one) for one in catalogue.plans()],
        models=[_model(catalogue, names[0], one) for one in chosen],
    )


@router.get("/endpoints", PUBLIC)
def list_endpoints() -> Whole[EndpointAnswer]:
    """List the paths that the relay answers."""
    return Whole(
        items=[
            EndpointAnswer(
                path=path,
                method=one.method,
                name=one.name,
                dialect=one.dialect,
                is_charged=one.is_charged,
                needs_key=one.needs_key,
            )
            for path, one in surface()
        ]
    )


def _plan(catalogue: Catalogue, plan: PlanSpec) -> PlanAnswer:
    models = catalogue.models_for(plan.name)
    rules = plan_rules(catalogue, plan.name)
    return PlanAnswer(
        name=plan.name,
        kind=plan.kind,
        is_default=plan.name == catalogue.operator.default_plan,
        is_topup=plan.name == catalogue.operator.topup_plan,
        streaming=plan.streaming,
        endpoints=sorted(plan.endpoints),
        models=len(models),
        limits=[_limit(rule) for rule in sorted(rules, key=lambda one: (one.window_ms, one.name))],
    )


def _limit(rule: LimitRule) -> LimitAnswer:
    return LimitAnswer(
        families=[] if rule.family == "*" else rule.family.split("+"),
        subject=rule.subject,
        window_ms=rule.window_ms,
        requests=rule.requests,
        tokens=rule.tokens,
        spend=rule.spend_nanos,
        concurrency=rule.concurrency,
    )


def _model(catalogue: Catalogue, plan: str, model: ModelSpec) -> PricedModel:
    tariff = catalogue.tariff(plan, model.name)
    offering = [one for one in catalogue.channels if one.offers(model.name)]
    return PricedModel(
        name=model.name,
        aliases=list(model.aliases),
        family=model.family,
        kind=model.kind,
        owned_by=model.owned_by,
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        dialects=sorted({dialect for one in offering for dialect in one.dialects}),
        lines=lines_of(tariff.lines if tariff else ()),
    )
