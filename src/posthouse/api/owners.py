"""The first owner, and who has which role."""

from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import ConfigDict, Field

from posthouse.accounts.queries import get_account
from posthouse.api.context import From, FromDevice, Here, SessionSecret, Who, language_in
from posthouse.api.frame import Router
from posthouse.api.permissions import PUBLIC, Permission, Role
from posthouse.api.problems import Problem
from posthouse.api.session import SessionAnswer, signed_in
from posthouse.api.values import Answer, Body
from posthouse.kernel.periods import HOUR_MS
from posthouse.people import owners, throttles
from posthouse.people.profiles import change_profile
from posthouse.people.sessions import open_session

router = Router("owners")
AccountId = Annotated[str, Path(description="Whose role.")]

# A token of 256 bits can't be guessed; this keeps those who try from costing us password hashes.
SETUP = throttles.Throttle("setup", 20, HOUR_MS)


class SetupAnswer(Answer):
    """Whether the installation still waits for its owner."""

    is_needed: bool = Field(description="There is no owner yet: the setup link makes one.")


class SetupBody(Body):
    """The setup link's token, and the owner's email and password."""

    model_config = ConfigDict(str_strip_whitespace=False)  # spaces may be part of a password

    token: str = Field(max_length=100, description="What the setup link holds.")
    email: str = Field(max_length=254, description="The owner's email.")
    password: str = Field(max_length=200, description="The owner's new password, of 10 characters or more.")


class RoleBody(Body):
    """The new role."""

    role: Role = Field(description="member, support, operator or owner.")


class RoleAnswer(Answer):
    """Who has which role."""

    account_id: str = Field(description="The account.")
    role: Role = Field(description="Its role now.")


@router.get("/setup", PUBLIC)
def get_setup(here: Here) -> SetupAnswer:
    """Tell whether there is an owner yet."""
    return SetupAnswer(is_needed=not owners.has_owner(here.store))


@router.post("/setup", PUBLIC, status=201)
def create_first_owner(
    here: Here,
    body: SetupBody,
    request: Request,
    response: Response,
    visit: From,
    device: FromDevice,
    secret: SessionSecret,
) -> SessionAnswer:
    """Become the first owner, by the link that `posthouse serve` prints, and sign in.

    An account of that email keeps what it has and becomes the owner's."""
    now_ms = here.now_ms()
    throttles.try_all(here.store, [(SETUP, visit.address_hash)], now_ms=now_ms)
    if not owners.is_setup_token(here.box, body.token):
        raise Problem("setup_link_wrong")
    account_id = owners.create_first_owner(
        here.store, body.email, body.password, actor="setup", now_ms=now_ms
    )
    with here.store.begin() as connection:
        change_profile(connection, account_id, language=language_in(request))
        fresh = open_session(connection, account_id, device, now_ms=now_ms)
    return signed_in(here, response, visit, fresh, replaced=secret)


@router.put("/accounts/{account_id}/role", Permission.ROLES_WRITE)
def set_role(here: Here, who: Who, account_id: AccountId, body: RoleBody) -> RoleAnswer:
    """Give an account a role.

    There is always an owner: the last one can't be given another role."""
    account = get_account(here.store, account_id)
    if account.id != account_id:  # found by its email
        raise Problem("not_found")
    owners.set_role(here.store, account_id, body.role, actor=who.actor, now_ms=here.now_ms())
    return RoleAnswer(account_id=account_id, role=body.role)
