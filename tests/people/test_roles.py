"""Who may manage whom."""

import pytest

from posthouse.people.roles import Role, may_manage

MAY = {
    Role.MEMBER: "",
    Role.SUPPORT: "member",
    Role.OPERATOR: "member support",
    Role.OWNER: "member support operator owner",
}


@pytest.mark.parametrize("who", list(Role))
def test_only_owners_manage_their_like(who: Role) -> None:
    assert [whom for whom in Role if may_manage(who, whom)] == MAY[who].split()
