"""Keys as the directory knows them."""

from typing import Any

from msgspec.structs import replace

from posthouse.accounts.rules import KeyEntry

_PLAIN = KeyEntry(
    key_id="key_1",
    limited_as="key_1",
    account_id="acc_1",
    name="",
    plan="free",
    key_status="active",
    account_status="active",
    expires_ms=None,
    budget_nanos=None,
    models=None,
    endpoints=None,
    networks=None,
)


def an_entry(**changes: Any) -> KeyEntry:
    """An active key of the free plan without a scope or budget of its own, but for these fields."""
    return replace(_PLAIN, **changes)
