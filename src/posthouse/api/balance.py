"""What anybody who has a key may know of it, without signing in."""

from typing import Annotated

from fastapi import Depends
from msgspec import Struct
from pydantic import Field, SecretStr

from posthouse.accounts.queries import find_entry, get_account, get_key
from posthouse.accounts.rules import Account, AccountStatus, Key, KeyEntry, KeyStatus
from posthouse.api.context import From, Here
from posthouse.api.frame import Router
from posthouse.api.limits import LimitStanding, limit_answer, plan_rules, standings
from posthouse.api.permissions import PUBLIC
from posthouse.api.problems import Problem
from posthouse.api.values import Answer, Body, Money, Ms
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.kernel.periods import BudgetPeriod
from posthouse.kernel.secrets import hash_key, is_key_shaped
from posthouse.ledger.queries import get_member_balance
from posthouse.ledger.usage import UsageFilter, UsagePage, list_usage
from posthouse.people.throttles import Throttle, try_all

router = Router("balance")

# Nobody guesses a key of 190 bits; this keeps whoever tries from costing the store anything. Enough for a
# page that looks again each minute, and a few people behind one address.
LOOKS_OF_ADDRESS = Throttle("balance", tries=120, window_ms=600_000)
RECORDS = 50  # on a page


class BalanceBody(Body):
    """A key; in the body, since addresses are written to logs."""

    key: SecretStr = Field(max_length=200, description="The whole key.")
    before: str = Field("", max_length=60, description="`next` of the page of records before.")


class RecordAnswer(Answer):
    """A call of the key."""

    request_id: str = Field(description="The call's id.")
    started_ms: Ms
    model: str = Field(description="The model that was called.")
    endpoint: str = Field(description="How it was called.")
    ending: Ending = Field(description="How the call ended.")
    http_status: int = Field(description="The answer's status; 0: there was none.")
    prompt_tokens: int = Field(description="Tokens that were sent.")
    completion_tokens: int = Field(description="Tokens that were answered.")
    charge: Money
    duration_ms: int = Field(description="How long it took.")


class BalanceAnswer(Answer):
    """The key, its account's balance, and what the key was used for."""

    hint: str = Field(description="How the key begins and ends.")
    name: str = Field(description="What its owner calls it.")
    status: KeyStatus = Field(description="A frozen or revoked key's calls are refused.")
    account_status: AccountStatus = Field(description="A frozen account's calls are refused.")
    expires_ms: int | None = Field(description="When this key ends; null: never.")
    plan: str = Field(description="The account's plan.")
    balance: Money
    spent: Money
    budget: Money | None = Field(description="What the key may spend in each period; null: no limit.")
    budget_period: BudgetPeriod = Field(description="In all, or in each day or month.")
    limits: list[LimitStanding] = Field(description="What of each limit this key has used.")
    records: list[RecordAnswer] = Field(description="Its calls, newest first.")
    next: str = Field(description="Give it as `before` for older records; empty: there are none.")


class Looked(Struct, frozen=True):
    """What was read from the store."""

    account: Account
    key: Key
    expires_ms: int | None
    balance_nanos: int
    page: UsagePage


def _look(here: Here, body: BalanceBody, visit: From) -> Looked:
    """In a thread, for a route that runs on the loop. Raises Problem where there is no such key that may be
    used from here, TooManyTries."""
    now_ms = here.now_ms()
    try_all(here.store, [(LOOKS_OF_ADDRESS, visit.address_hash)], now_ms=now_ms)
    text = body.key.get_secret_value()
    entry = find_entry(here.store, hash_key(text.encode())) if is_key_shaped(text) else None
    if entry is None or not _is_in_use(entry, visit.address, now_ms):
        raise Problem("no_such_key")
    wanted = UsageFilter(account=entry.account_id, key_id=entry.key_id)
    return Looked(
        get_account(here.store, entry.account_id),
        get_key(here.store, entry.key_id),
        entry.expires_ms,
        get_member_balance(here.store, entry.account_id),
        list_usage(here.store, wanted, before=body.before, limit=RECORDS),
    )


@router.post("/balance", PUBLIC)
async def look_up_key(here: Here, visit: From, looked: Annotated[Looked, Depends(_look)]) -> BalanceAnswer:
    """Tell what is left for a key, and what it was used for.

    Whoever has the key can spend the balance, so they may see it. A key that was revoked or is over shows
    nothing, nor does one that may not be used from the address that asks."""
    account, key = looked.account, looked.key
    rules = plan_rules(here.market.catalogue, account.plan)
    found = await standings(here, account, visit.address_hash, key.id, rules)
    return BalanceAnswer(
        hint=key.hint,
        name=key.name,
        status=key.status,
        account_status=account.status,
        expires_ms=looked.expires_ms,
        plan=account.plan,
        balance=looked.balance_nanos,
        spent=key.spent_nanos,
        budget=key.budget_nanos,
        budget_period=key.budget_period,
        limits=[limit_answer(one, key if one.rule.subject == "key" else None) for one in found],
        records=[_record(one) for one in looked.page.records],
        next=looked.page.next,
    )


def _is_in_use(entry: KeyEntry, address: str, now_ms: int) -> bool:
    is_over = entry.expires_ms is not None and entry.expires_ms <= now_ms
    return entry.key_status != "revoked" and not is_over and entry.is_for(address)


def _record(outcome: Outcome) -> RecordAnswer:
    return RecordAnswer(
        request_id=outcome.request_id,
        started_ms=outcome.started_ms,
        model=outcome.model,
        endpoint=outcome.endpoint,
        ending=outcome.ending,
        http_status=outcome.http_status,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        charge=outcome.charge_nanos,
        duration_ms=outcome.duration_ms,
    )
