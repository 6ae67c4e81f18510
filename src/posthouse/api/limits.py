"""What of each of a plan's limits is used, and when it frees."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends
from pydantic import Field

from posthouse.accounts.queries import get_account
from posthouse.accounts.queries import list_keys as find_keys
from posthouse.accounts.rules import Account, Key
from posthouse.api.context import Context, Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.values import Answer, Whole
from posthouse.catalogue.compiled import Catalogue
from posthouse.kernel.clock import steady_ms
from posthouse.kernel.money import format_nanos
from posthouse.limits.rules import Demand, LimitRule, Measure, Standing, Subject

router = Router("dashboard")

KEYS_SHOWN = 20  # of one limit: those with the most used


class LimitStanding(Answer):
    """One limit and what is left of it."""

    families: list[str] = Field(description="The families of models that share it; empty: all models.")
    subject: Subject = Field(description="What is counted by itself: a key, your address, your account, …")
    key_id: str = Field(description="Which key, where each is counted by itself and has used some.")
    key_name: str = Field(description="What that key is called: its name, or else its hint.")
    measure: Measure = Field(description="What is counted.")
    window_ms: int = Field(description="The window slides: what is older than this counts no more.")
    limit: str = Field(description="How much may be used in a window: a number, or an amount of money.")
    used: str = Field(description="How much was.")
    permille: int = Field(description="Of a thousand parts of the limit so many are used.")
    frees_ms: int = Field(description="In how many ms the oldest use leaves the window; 0: nothing to free.")


def _account_and_keys(here: Here, who: Who) -> tuple[Account, list[Key]]:
    """Asked of the store in a thread, for routes that run on the loop."""
    return get_account(here.store, who.account_id), find_keys(here.store, who.account_id)


@router.get("/dashboard/limits", Permission.OWN_READ)
async def list_limits(
    here: Here, who: Who, own: Annotated[tuple[Account, list[Key]], Depends(_account_and_keys)]
) -> Whole[LimitStanding]:
    """Tell how much of each limit is used, and when some of it frees.

    Limits by address are those of the address that asks. Of limits by key, the keys that have used some are
    listed, or one without a key where none has. With several serving processes each counts for itself."""
    account, keys = own
    rules = plan_rules(here.market.catalogue, account.plan)
    of_keys: list[tuple[Standing, Key]] = []
    for key in keys:
        by_key = [rule for rule in rules if rule.subject == "key"]
        found = await standings(here, account, who.address_hash, key.id, by_key)
        of_keys += [(one, key) for one in found if one.quota.remaining < one.quota.limit]
    items: list[LimitStanding] = []
    for unused in await standings(here, account, who.address_hash, "", rules):
        same = [
            (one, key) for one, key in of_keys if (one.rule, one.measure) == (unused.rule, unused.measure)
        ]
        used = sorted((limit_answer(one, key) for one, key in same), key=lambda one: -one.permille)
        items += used[:KEYS_SHOWN] or [limit_answer(unused)]
    return Whole(items=sorted(items, key=lambda one: (one.window_ms, one.families)))


def plan_rules(catalogue: Catalogue, plan: str) -> tuple[LimitRule, ...]:
    """The plan's limits, each once."""
    return catalogue.rules_of(plan, [model.name for model in catalogue.models_for(plan)])


async def standings(
    here: Context, account: Account, address_hash: bytes, key_id: str, rules: Iterable[LimitRule]
) -> list[Standing]:
    """What is left of each."""
    demand = Demand(
        key_id=key_id, address=address_hash, account_id=account.id, plan=account.plan, rules=tuple(rules)
    )
    return await here.limiter.standings(demand, steady_ms())


def limit_answer(standing: Standing, key: Key | None = None) -> LimitStanding:
    rule, quota = standing.rule, standing.quota
    used = quota.limit - quota.remaining
    shown = format_nanos if standing.measure is Measure.SPEND else str
    return LimitStanding(
        families=[] if rule.family == "*" else rule.family.split("+"),
        subject=rule.subject,
        key_id="" if key is None else key.id,
        key_name="" if key is None else key.name or key.hint,
        measure=standing.measure,
        window_ms=rule.window_ms,
        limit=shown(quota.limit),
        used=shown(used),
        permille=used * 1000 // quota.limit if quota.limit else 1000,
        frees_ms=quota.reset_ms,
    )
