"""What people may be. Pure: what each role may do is api/permissions.py's to say."""

from enum import StrEnum


class Role(StrEnum):
    """From the least to the most: each may do what those before it may."""

    MEMBER = "member"
    SUPPORT = "support"
    OPERATOR = "operator"
    OWNER = "owner"


_RANKS = {role: rank for rank, role in enumerate(Role)}


def may_manage(who: Role, whom: Role) -> bool:
    """Whether `who` may change accounts of that role: an owner all, others only those below themselves."""
    return who is Role.OWNER or _RANKS[whom] < _RANKS[who]
