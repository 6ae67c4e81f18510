"""Passkeys: signing in with them, and the caller's own."""

from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import Field

from posthouse.api.context import Context, From, FromDevice, Here, SessionSecret, Who
from posthouse.api.frame import Router
from posthouse.api.own_site import OwnSite, relying_party
from posthouse.api.permissions import PUBLIC, Permission
from posthouse.api.problems import Problem
from posthouse.api.session import SessionAnswer, signed_in
from posthouse.api.values import Answer, Body, Ms, Whole
from posthouse.kernel.periods import HOUR_MS
from posthouse.people import passkeys
from posthouse.people.throttles import Throttle, try_all

router = Router("passkeys")
PasskeyId = Annotated[str, Path(description="The passkey's id.")]

# Of one address: an office in the morning. Nobody guesses a signature, but each try costs checking one.
TRYING = Throttle("passkey_address", 120, HOUR_MS)


class PasskeyAnswer(Answer):
    """A passkey of the account."""

    id: str = Field(description="Names the passkey, but lets nobody in.")
    name: str = Field(description="What its owner calls it.")
    created_ms: Ms
    used_ms: Ms | None = Field(description="When it last signed in; null: not yet.")


class OptionsAnswer(Answer):
    """What the browser's own functions for passkeys take, in WebAuthn's JSON form."""

    public_key: dict[str, Any] = Field(
        description="For parseCreationOptionsFromJSON or parseRequestOptionsFromJSON."
    )


class PasskeyBody(Body):
    """The browser's answer, and what to call the passkey."""

    name: str = Field(max_length=passkeys.NAME_CHARS_MAX, description="To know it by.")
    credential: dict[str, Any] = Field(description="The credential's toJSON().")


class PasskeySignInBody(Body):
    """The browser's answer."""

    credential: dict[str, Any] = Field(description="The credential's toJSON().")


@router.post("/sign-in/passkey/options", PUBLIC)
def begin_passkey_sign_in(here: Here, visit: From, site: OwnSite) -> OptionsAnswer:
    """Begin to sign in with a passkey."""
    _check_allowed(here)
    now_ms = here.now_ms()
    try_all(here.store, ((TRYING, visit.address_hash),), now_ms=now_ms)
    options = passkeys.begin_sign_in(here.store, relying_party(site), now_ms=now_ms)
    return OptionsAnswer(public_key=options)


@router.post("/sign-in/passkey", PUBLIC)
def sign_in_with_passkey(
    here: Here,
    body: PasskeySignInBody,
    response: Response,
    visit: From,
    device: FromDevice,
    secret: SessionSecret,
    site: OwnSite,
) -> SessionAnswer:
    """Sign in with a passkey.

    It is both factors: no code is asked for."""
    _check_allowed(here)
    now_ms = here.now_ms()
    try_all(here.store, ((TRYING, visit.address_hash),), now_ms=now_ms)
    fresh = passkeys.sign_in(here.store, relying_party(site), body.credential, device, now_ms=now_ms)
    return signed_in(here, response, visit, fresh, replaced=secret)


@router.get("/profile/passkeys", Permission.SECURITY)
def list_passkeys(here: Here, who: Who) -> Whole[PasskeyAnswer]:
    """List the account's passkeys, at most 20, the oldest first."""
    found = passkeys.list_passkeys(here.store, who.account_id)
    return Whole(items=[PasskeyAnswer.model_validate(one) for one in found])


@router.post("/profile/passkeys/options", Permission.SECURITY)
def begin_adding_passkey(here: Here, who: Who, site: OwnSite) -> OptionsAnswer:
    """Begin to add a passkey."""
    _check_allowed(here)
    options = passkeys.begin_adding(here.store, relying_party(site), who.account_id, now_ms=here.now_ms())
    return OptionsAnswer(public_key=options)


@router.post("/profile/passkeys", Permission.SECURITY, status=201)
def add_passkey(here: Here, who: Who, body: PasskeyBody, site: OwnSite) -> PasskeyAnswer:
    """Add a passkey."""
    _check_allowed(here)
    made = passkeys.add_passkey(
        here.store,
        here.box,
        relying_party(site),
        who.account_id,
        body.credential,
        body.name,
        site,
        actor=who.actor,
        now_ms=here.now_ms(),
    )
    here.mailer.wake()
    return PasskeyAnswer.model_validate(made)


@router.delete("/profile/passkeys/{passkey_id}", Permission.SECURITY)
def remove_passkey(here: Here, who: Who, passkey_id: PasskeyId) -> None:
    """Let a passkey sign in no more."""
    if not passkeys.remove_passkey(
        here.store, who.account_id, passkey_id, actor=who.actor, now_ms=here.now_ms()
    ):
        raise Problem("not_found")


def _check_allowed(here: Context) -> None:
    if not here.market.catalogue.site.sign_in.passkeys:
        raise Problem("not_found")
