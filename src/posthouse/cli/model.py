"""`posthouse model …`: what is for sale."""

from typing import Annotated, Any

import typer

from posthouse.catalogue.compiled import Catalogue, ModelSpec
from posthouse.catalogue.queries import load_catalogue
from posthouse.cli import output, values
from posthouse.cli.desk import Desk, command, money

app = typer.Typer(help="Show models and prices.", no_args_is_help=True)


@command(app, "list")
def list_(
    desk: Desk, *, plan: Annotated[str | None, typer.Option(metavar="NAME", help="Only this plan's.")] = None
) -> None:
    """Show the models, the plans that include them, the channels that offer them, and prices by plan."""
    catalogue = load_catalogue(desk.store)
    if plan is not None:
        values.check_plan(catalogue, plan)
    models = [one for model in catalogue.models() if (one := _listed(catalogue, model, plan))]
    none = "no models; make some: posthouse apply examples/minimal.toml"
    columns = ("model", "family", "plan", ">input", ">output", "channels")
    desk.answer(models, lambda: output.print_table(columns, _rows(models), empty=none))
    if models and not desk.as_json:
        output.print_note(f"{catalogue.operator.currency} per million tokens; other components: --json")


def _listed(catalogue: Catalogue, model: ModelSpec, plan: str | None) -> dict[str, Any] | None:
    """A model with its plans' price lines; None where the plan asked for does not include it."""
    plans = [one for one in catalogue.plans_with(model.name) if plan in (None, one)]
    if plan is not None and not plans:
        return None
    tariffs = {name: catalogue.tariff(name, model.name) for name in plans}
    return {
        "model": model.name,
        "family": model.family,
        "kind": model.kind,
        "aliases": model.aliases,
        "max_input_tokens": model.max_input_tokens,
        "max_output_tokens": model.max_output_tokens,
        "channels": [channel.name for channel in catalogue.channels if channel.offers(model.name)],
        "plans": {name: tariff.lines for name, tariff in tariffs.items() if tariff is not None},
    }


def _rows(models: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """A row for each plan of each model."""
    rows: list[tuple[object, ...]] = []
    for model in models:
        channels = ", ".join(model["channels"]) or "none"
        for plan, lines in model["plans"].items():
            prices = {line.component: line for line in reversed(lines) if line.service_tier == "default"}
            shown = (_price(prices.get(component)) for component in ("input", "output"))
            rows.append((model["model"], model["family"], plan, *shown, channels))
        if not model["plans"]:
            rows.append((model["model"], model["family"], "not for sale", "", "", channels))
    return rows


def _price(line: Any) -> str:
    return "" if line is None else money(line.nanos)
