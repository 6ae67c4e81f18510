"""What accounts and keys are, and which values they may have. Pure."""

import ipaddress
import re
from typing import Literal, cast, get_args

import msgspec

from posthouse.kernel.periods import DAY_MS, BudgetPeriod
from posthouse.kernel.problems import UnfitValue

AccountStatus = Literal["active", "frozen"]
KeyStatus = Literal["active", "frozen", "revoked"]
FrozenBy = Literal["owner", "operator"]
KeyKind = Literal["api", "playground"]  # playground: the console's own, one for each account, in no list
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EMAIL_CHARS_MAX = 254  # RFC 5321's longest path
NAME_CHARS_MAX = 100
SCOPE_ITEMS_MAX = 200  # models, endpoints or networks of one key: a list that a person can read
HINT_HEAD_CHARS, HINT_TAIL_CHARS = 4, 4  # of 49 after the prefix
KEYS_MAX = 200  # of one account: more than a person keeps apart, and a list is one page
# How long a deleted key still counts: each has quotas of its own, which a new one must not renew.
DELETED_COUNTS_MS = DAY_MS
OVERLAP_MS_MAX = 30 * DAY_MS  # a rotated key is out of use a month later at the latest
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]+")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,20}")


class Account(msgspec.Struct, frozen=True):
    """A member."""

    id: str
    email: str
    plan: str
    status: AccountStatus
    created_ms: int


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as its owner sees it after the one time that it was shown. None: not restricted."""

    id: str
    account_id: str
    hint: str
    name: str
    status: KeyStatus
    created_ms: int
    expires_ms: int | None
    budget_nanos: int | None
    spent_nanos: int
    models: tuple[str, ...] | None
    endpoints: tuple[str, ...] | None
    addresses: tuple[str, ...] | None
    kind: KeyKind = "api"
    budget_period: BudgetPeriod = "total"
    period_since_ms: int | None = None  # the day or month that period_spent_nanos was spent in
    period_spent_nanos: int = 0
    old_until_ms: int | None = None  # how long the key before the last rotation works
    deleted_ms: int | None = None
    frozen_by: FrozenBy | None = None


class KeyTitle(msgspec.Struct, frozen=True):
    """What a key is called beside its records."""

    name: str
    hint: str
    kind: KeyKind


class NewKey(msgspec.Struct, frozen=True):
    """What making a key returns: the only time that the whole key is seen."""

    id: str
    key: str


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What the relay knows of a key while it serves; never changed, but replaced as a whole. None:
    not restricted. `limited_as`: the key whose limits its calls count on."""

    key_id: str
    limited_as: str
    account_id: str
    name: str
    plan: str
    key_status: KeyStatus
    account_status: AccountStatus
    expires_ms: int | None
    budget_nanos: int | None
    models: frozenset[str] | None
    endpoints: frozenset[str] | None
    networks: tuple[Network, ...] | None

    def is_for(self, address: str) -> bool:
        """Whether the key may be used from an address; a restricted one not from what is none."""
        if self.networks is None:
            return True
        try:
            caller = ipaddress.ip_address(address)
        except ValueError:
            return False
        caller = getattr(caller, "ipv4_mapped", None) or caller
        return any(caller in network for network in self.networks)


def parse_email(text: str) -> str:
    """The email in the form that is stored and compared: trimmed, lower case. Raises UnfitValue."""
    email = text.strip().lower()
    if len(email) > EMAIL_CHARS_MAX or not _EMAIL.fullmatch(email):
        raise UnfitValue("email", "email")
    return email


def parse_name(text: str, chars_max: int = NAME_CHARS_MAX, *, is_needed: bool = False) -> str:
    """What somebody calls something, trimmed. Raises UnfitValue."""
    name = text.strip()
    if len(name) > chars_max or not name.isprintable() or (is_needed and not name):
        raise UnfitValue("name", "name" if is_needed else "printable", max_length=chars_max)
    return name


def parse_prefix(text: str) -> str:
    """A key prefix. Raises UnfitValue."""
    if not _PREFIX.fullmatch(text):
        raise UnfitValue("key_prefix", "key_prefix")
    return text


def parse_scope(items: tuple[str, ...] | None, *, field: str = "") -> tuple[str, ...] | None:
    """Models or endpoints that a key is restricted to, sorted, each once. Raises UnfitValue."""
    if items is None:
        return None
    scope = tuple(sorted({item.strip() for item in items} - {""}))
    if not scope or len(scope) > SCOPE_ITEMS_MAX:
        raise UnfitValue(field, "restriction", max_length=SCOPE_ITEMS_MAX)
    return scope


def parse_networks(items: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Addresses or networks in canonical form, such as 10.0.0.0/8. Raises UnfitValue."""
    scope = parse_scope(items, field="addresses")
    if scope is None:
        return None
    try:
        return tuple(str(ipaddress.ip_network(item, strict=False)) for item in scope)
    except ValueError:
        raise UnfitValue("addresses", "network") from None


def parse_budget(nanos: int | None) -> int | None:
    """A key's budget. Raises UnfitValue."""
    if nanos is not None and not 0 <= nanos < 2**63:
        raise UnfitValue("budget", "budget_bounds")
    return nanos


def parse_period(text: str) -> BudgetPeriod:
    """What a budget is for. Raises UnfitValue."""
    if text not in get_args(BudgetPeriod):
        raise UnfitValue("budget_period", "enum", expected=", ".join(get_args(BudgetPeriod)))
    return cast(BudgetPeriod, text)


def parse_overlap(overlap_ms: int) -> int:
    """How long a rotated key still works. Raises UnfitValue."""
    if not 0 <= overlap_ms <= OVERLAP_MS_MAX:
        raise UnfitValue("overlap_ms", "overlap")
    return overlap_ms


def hint_of(key: str, prefix: str) -> str:
    """Enough of a key to recognise it by, far too little to guess it: "sk-kvFT…9xQ2"."""
    return f"{shown_head(key, prefix)}…{key[-HINT_TAIL_CHARS:]}"


def shown_head(beginning: str, prefix: str) -> str:
    """Of a key, or the beginning of one, as much as its hint shows; any other text as it is."""
    return beginning[: len(prefix) + HINT_HEAD_CHARS] if beginning.startswith(prefix) else beginning
