"""Signals of abuse, and what is done about them."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from posthouse.accounts.rules import AccountStatus
from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission, Role
from posthouse.api.values import Answer, Body, Ms, Whole
from posthouse.desk import abuse
from posthouse.desk.abuse import Suspicion
from posthouse.desk.rules import FREEZE_MAX, REASON_CHARS_MAX, Signal, Thresholds

router = Router("abuse")

DEFAULTS = Thresholds()
Days = Annotated[int, Query(ge=1, le=30, description="Over the last so many days.")]
Least = Annotated[int, Query(ge=2, le=10_000, description="The least that is shown.")]


class PersonAnswer(Answer):
    """An account behind a signal."""

    id: str = Field(description="The account's id.")
    email: str = Field(description="Its email.")
    role: Role = Field(description="Only members can be frozen from here.")
    status: AccountStatus = Field(description="active or frozen.")
    created_ms: Ms


class SignalAnswer(Answer):
    """A reason to look; no proof."""

    signal: Signal = Field(description="What was found.")
    subject: str = Field(description="The address's keyed hash, or the key's id.")
    size: int = Field(description="How many keys, accounts, addresses or registrations.")
    requests: int = Field(description="Calls behind it.")
    accounts: int = Field(description="How many accounts are behind it.")
    people: list[PersonAnswer] = Field(description="The first of them, the frozen ones last.")
    freezable: list[str] = Field(description="The ids to freeze at once: members, and not frozen yet.")
    key_hint: str = Field(description="Of the key that it is about; else empty.")
    key_status: str = Field(description="Of that key: active, frozen or revoked.")


class FreezeBody(Body):
    """Whom, and why."""

    account_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        min_length=1, max_length=FREEZE_MAX, description="The accounts."
    )
    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX, description="For the audit log.")


class Frozen(Answer):
    """What was done."""

    account_ids: list[str] = Field(description="Those that were not frozen before.")


class DismissBody(Body):
    """What is harmless."""

    signal: Signal = Field(description="As it was listed.")
    subject: str = Field(max_length=100, description="As it was listed.")


@router.get("/admin/abuse", Permission.MEMBERS_READ)
def list_signals(
    here: Here,
    days: Days = DEFAULTS.days,
    keys_of_address: Least = DEFAULTS.keys_of_address,
    accounts_of_address: Least = DEFAULTS.accounts_of_address,
    addresses_of_key: Least = DEFAULTS.addresses_of_key,
    registrations: Least = DEFAULTS.registrations,
) -> Whole[SignalAnswer]:
    """List what looks like abuse, the largest first, without what was dismissed in the last 30 days."""
    thresholds = Thresholds(
        days=days,
        keys_of_address=keys_of_address,
        accounts_of_address=accounts_of_address,
        addresses_of_key=addresses_of_key,
        registrations=registrations,
    )
    found = abuse.suspicions(here.store, thresholds, now_ms=here.now_ms())
    return Whole(items=[_signal(one) for one in found])


@router.post("/admin/abuse/freeze", Permission.MEMBERS_WRITE)
def freeze_members(here: Here, who: Who, body: FreezeBody) -> Frozen:
    """Freeze many members at once.

    The operator's own people are passed over. Calls are refused within a second."""
    frozen = abuse.freeze_members(
        here.store, set(body.account_ids), reason=body.reason, now_ms=here.now_ms(), actor=who.actor
    )
    return Frozen(account_ids=frozen)


@router.post("/admin/abuse/dismiss", Permission.MEMBERS_WRITE)
def dismiss_signal(here: Here, who: Who, body: DismissBody) -> None:
    """Call a signal harmless: it is not shown for 30 days."""
    abuse.dismiss(here.store, body.signal, body.subject, now_ms=here.now_ms(), actor=who.actor)


def _signal(one: Suspicion) -> SignalAnswer:
    return SignalAnswer(
        signal=one.finding.signal,
        subject=one.finding.subject,
        size=one.finding.size,
        requests=one.finding.requests,
        accounts=len(one.finding.account_ids),
        people=[PersonAnswer.model_validate(person) for person in one.people],
        freezable=list(one.freezable),
        key_hint=one.key_hint,
        key_status=one.key_status,
    )
