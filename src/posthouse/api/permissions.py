"""Who may do what. Each route declares one permission; a role is a set of them, and so are a token's
scopes."""

from enum import StrEnum
from typing import Final

from posthouse.people.roles import Role, may_manage

__all__ = [
    "NOT_FOR_TOKENS",
    "PUBLIC",
    "ROLE_PERMISSIONS",
    "VIEW_PERMISSIONS",
    "Permission",
    "Role",
    "may_manage",
]


class Permission(StrEnum):
    """`noun:verb`; what a token's scopes are called too. "own" is what is the caller's own."""

    OWN_READ = "own:read"  # profile, balance, usage, keys, orders, tickets: all that is one's own
    OWN_WRITE = "own:write"  # profile, orders, codes
    KEYS_WRITE = "keys:write"  # one's own keys
    TICKETS_WRITE = "tickets:write"  # one's own tickets
    SECURITY = "own:security"  # password, ways to sign in, sessions, tokens, the account's end

    MEMBERS_READ = "members:read"
    MEMBERS_VIEW = "members:view"  # look at a member's pages as the member sees them
    MEMBERS_WRITE = "members:write"  # freeze, plan, notes; members' keys too
    ROLES_WRITE = "roles:write"
    MONEY_READ = "money:read"  # orders, codes, transfers, reconciliation
    MONEY_WRITE = "money:write"  # credit, debit, mark orders paid, make codes
    USAGE_READ = "usage:read"  # of all members, and the overview
    CHANNELS_READ = "channels:read"
    CHANNELS_WRITE = "channels:write"
    CATALOGUE_READ = "catalogue:read"  # models, families, prices, plans, the configuration
    CATALOGUE_WRITE = "catalogue:write"
    TICKETS_ANSWER = "tickets:answer"
    CONTENT_WRITE = "content:write"  # announcements, pages
    INVITATIONS_WRITE = "invitations:write"
    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    AUDIT_READ = "audit:read"


PUBLIC: Final = None  # in a permission's place: anybody may call it

_MEMBER = frozenset(
    (
        Permission.OWN_READ,
        Permission.OWN_WRITE,
        Permission.KEYS_WRITE,
        Permission.TICKETS_WRITE,
        Permission.SECURITY,
    )
)
_SUPPORT = _MEMBER | {
    Permission.MEMBERS_READ,
    Permission.MEMBERS_VIEW,
    Permission.USAGE_READ,
    Permission.CATALOGUE_READ,
    Permission.TICKETS_ANSWER,
}
_OPERATOR = frozenset(Permission) - {Permission.ROLES_WRITE}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.MEMBER: _MEMBER,
    Role.SUPPORT: _SUPPORT,
    Role.OPERATOR: _OPERATOR,
    Role.OWNER: frozenset(Permission),
}
# Who looks at a member's pages sees them, and does nothing there.
VIEW_PERMISSIONS = frozenset((Permission.OWN_READ,))
# A token that leaks must not become an account that is lost.
NOT_FOR_TOKENS = frozenset((Permission.SECURITY, Permission.ROLES_WRITE, Permission.MEMBERS_VIEW))
