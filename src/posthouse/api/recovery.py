"""Passwords that are forgotten or changed, and the address that mail goes to."""

from typing import Literal

from pydantic import ConfigDict, Field

from posthouse.api.context import From, Here, Who
from posthouse.api.frame import Router
from posthouse.api.own_site import OwnSite
from posthouse.api.permissions import PUBLIC, Permission
from posthouse.api.values import Answer, Body
from posthouse.kernel.periods import HOUR_MS
from posthouse.people import recovery
from posthouse.people.throttles import Throttle, try_all

router = Router("recovery")

ASKING = Throttle("reset_address", 20, HOUR_MS)  # of one address: an office that came back from holidays
KNOWING = Throttle("own_password", 10, HOUR_MS // 3)  # guesses of who is signed in, perhaps at another's desk


class ForgottenBody(Body):
    """Whose password is forgotten."""

    email: str = Field(max_length=254, description="The account's email.")
    language: Literal["en", "zh"] = Field("en", description="Of the mail, where the account has none.")


class ResetBody(Body):
    """What the mailed link says, and the new password."""

    token: str = Field(max_length=100, description="What stands behind #token= in the link.")
    password: str = Field(max_length=200, description="10 characters at least.")
    revoke_tokens: bool = Field(True, description="Whether access tokens end as well.")

    model_config = ConfigDict(str_strip_whitespace=False)


class PasswordBody(Body):
    """The old password and the new."""

    old: str = Field("", max_length=200, description="Empty where the account has none yet.")
    new: str = Field(max_length=200, description="10 characters at least.")
    revoke_tokens: bool = Field(False, description="Whether access tokens end as well.")

    model_config = ConfigDict(str_strip_whitespace=False)


class EmailBody(Body):
    """The new address, and the password."""

    email: str = Field(max_length=254, description="Where the link to confirm it goes.")
    password: str = Field("", max_length=200, description="Empty where the account has none.")

    model_config = ConfigDict(str_strip_whitespace=False)


class ConfirmBody(Body):
    """What the mailed link says."""

    token: str = Field(max_length=100, description="What stands behind #token= in the link.")


class EmailAnswer(Answer):
    """The account's address."""

    email: str = Field(description="The address as it is now.")


@router.post("/password/forgotten", PUBLIC)
def forget_password(here: Here, body: ForgottenBody, visit: From, site: OwnSite) -> None:
    """Mail a link that sets a new password, where there is such an account.

    The answer is the same where there is none."""
    now_ms = here.now_ms()
    try_all(here.store, ((ASKING, visit.address_hash),), now_ms=now_ms)
    recovery.request_reset(here.store, here.box, body.email, body.language, site, now_ms=now_ms)
    here.mailer.wake()


@router.post("/password/reset", PUBLIC)
def reset_password(here: Here, body: ResetBody, site: OwnSite) -> None:
    """Set a new password by a mailed link.

    Ends all sessions; a second factor, passkeys and keys stay, and a mail tells how many."""
    recovery.reset_password(
        here.store,
        here.box,
        body.token,
        body.password,
        site,
        revoke_tokens=body.revoke_tokens,
        now_ms=here.now_ms(),
    )
    here.mailer.wake()


@router.put("/profile/password", Permission.SECURITY)
def change_password(here: Here, who: Who, body: PasswordBody, site: OwnSite) -> None:
    """Change the password, or set the first.

    Ends all other sessions; passkeys and keys stay, and a mail tells how many."""
    now_ms = here.now_ms()
    try_all(here.store, ((KNOWING, who.account_id),), now_ms=now_ms)
    recovery.change_password(
        here.store,
        here.box,
        who.account_id,
        old=body.old,
        new=body.new,
        session_id=who.session_id,
        revoke_tokens=body.revoke_tokens,
        site=site,
        actor=who.actor,
        now_ms=now_ms,
    )
    here.mailer.wake()


@router.post("/profile/email", Permission.SECURITY)
def request_email(here: Here, who: Who, body: EmailBody, site: OwnSite) -> None:
    """Mail a link to a new address, that moves the account there."""
    now_ms = here.now_ms()
    try_all(here.store, ((KNOWING, who.account_id),), now_ms=now_ms)
    recovery.check_password(here.store, who.account_id, body.password)
    rules = here.market.catalogue.site.registration
    recovery.request_email(here.store, here.box, rules, who.account_id, body.email, site, now_ms=now_ms)
    here.mailer.wake()


@router.post("/profile/email/confirm", Permission.SECURITY)
def confirm_email(here: Here, who: Who, body: ConfirmBody, site: OwnSite) -> EmailAnswer:
    """Move the account to the address that the link was mailed to."""
    email = recovery.confirm_email(
        here.store, here.box, who.account_id, body.token, site, actor=who.actor, now_ms=here.now_ms()
    )
    here.mailer.wake()
    return EmailAnswer(email=email)
