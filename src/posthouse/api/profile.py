"""The caller's own profile: name and language, the second factor, the account's end."""

from typing import Literal

from pydantic import ConfigDict, Field

from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.own_site import OwnSite
from posthouse.api.permissions import Permission
from posthouse.api.recovery import KNOWING
from posthouse.api.values import Answer, Body, Ms
from posthouse.kernel.problems import UnfitValue
from posthouse.people import profiles, recovery, second_factor
from posthouse.people.throttles import try_all

router = Router("profile")


class ProfileAnswer(Answer):
    """Who the account belongs to."""

    account_id: str = Field(description="The account.")
    email: str = Field(description="Where mail goes.")
    plan: str = Field(description="The account's plan.")
    status: str = Field(description="active or frozen.")
    name: str = Field(description="What to call them; may be empty.")
    role: str = Field(description="member, support, operator or owner.")
    language: Literal["en", "zh"] = Field(description="Of mails.")
    has_password: bool = Field(description="Whether a password signs in.")
    has_totp: bool = Field(description="Whether signing in needs a code as well.")
    is_email_verified: bool = Field(description="Whether the mailbox was shown to be theirs.")
    referral_code: str = Field(description="To be given to friends: /register?code=…; empty: there is none.")
    created_ms: Ms


class ProfileBody(Body):
    """What to change; what is left out stays."""

    name: str | None = Field(None, max_length=profiles.NAME_CHARS_MAX, description="What to call them.")
    language: Literal["en", "zh"] | None = Field(None, description="Of mails.")


class DeletionBody(Body):
    """That it is meant."""

    email: str = Field(max_length=254, description="The account's email, as a confirmation.")
    password: str = Field("", max_length=200, description="Empty where the account has none.")

    model_config = ConfigDict(str_strip_whitespace=False)


class BeginningAnswer(Answer):
    """What an authenticator app needs."""

    token: str = Field(description="To be sent with the app's first code.")
    secret: str = Field(description="To be typed into the app.")
    uri: str = Field(description="The same as a QR code's text.")


class TotpBody(Body):
    """The app's first code."""

    token: str = Field(max_length=100, description="Of the beginning.")
    code: str = Field(max_length=40, description="What the app shows.")


class CodeBody(Body):
    """A code."""

    code: str = Field(max_length=40, description="What the app shows, or a recovery code.")


class RecoveryCodesAnswer(Answer):
    """Each signs in once in place of the app's code."""

    codes: list[str] = Field(description="They are shown this once.")


@router.get("/profile", Permission.OWN_READ)
def get_profile(here: Here, who: Who) -> ProfileAnswer:
    """Tell who the account belongs to."""
    return ProfileAnswer.model_validate(profiles.get_profile(here.store, who.account_id))


@router.patch("/profile", Permission.OWN_WRITE)
def update_profile(here: Here, who: Who, body: ProfileBody) -> ProfileAnswer:
    """Change name or language."""
    profiles.update_profile(
        here.store,
        who.account_id,
        name=body.name,
        language=body.language,
        actor=who.actor,
        now_ms=here.now_ms(),
    )
    return get_profile(here, who)


@router.post("/profile/deletion", Permission.SECURITY)
def delete_account(here: Here, who: Who, body: DeletionBody) -> None:
    """End the account for good.

    Its keys work no more, nobody can sign in to it, and nothing is left that tells whose it was, tickets
    neither; but for the books: amounts, and invoices that are issued or still to be."""
    now_ms = here.now_ms()
    try_all(here.store, ((KNOWING, who.account_id),), now_ms=now_ms)
    if body.email.strip().lower() != profiles.get_profile(here.store, who.account_id).email:
        raise UnfitValue("email", "other_email")
    recovery.check_password(here.store, who.account_id, body.password)
    profiles.delete_account(here.store, who.account_id, actor=who.actor, now_ms=now_ms)


@router.post("/profile/totp", Permission.SECURITY, status=201)
def begin_totp(here: Here, who: Who, site: OwnSite) -> BeginningAnswer:
    """Begin to set up an authenticator app.

    Nothing changes until a code of it has been sent."""
    begun = second_factor.begin(here.store, here.box, who.account_id, site.name, now_ms=here.now_ms())
    return BeginningAnswer.model_validate(begun)


@router.put("/profile/totp", Permission.SECURITY)
def turn_on_totp(here: Here, who: Who, body: TotpBody, site: OwnSite) -> RecoveryCodesAnswer:
    """Ask for a code at each sign-in from now on."""
    now_ms = here.now_ms()
    try_all(here.store, ((KNOWING, who.account_id),), now_ms=now_ms)
    codes = second_factor.turn_on(
        here.store, here.box, who.account_id, body.token, body.code, site, actor=who.actor, now_ms=now_ms
    )
    here.mailer.wake()
    return RecoveryCodesAnswer(codes=list(codes))


@router.post("/profile/totp/off", Permission.SECURITY)
def turn_off_totp(here: Here, who: Who, body: CodeBody, site: OwnSite) -> None:
    """Ask for no code any more."""
    now_ms = here.now_ms()
    try_all(here.store, ((KNOWING, who.account_id),), now_ms=now_ms)
    second_factor.turn_off(
        here.store, here.box, who.account_id, body.code, site, actor=who.actor, now_ms=now_ms
    )
    here.mailer.wake()


@router.post("/profile/totp/recovery-codes", Permission.SECURITY)
def renew_recovery_codes(here: Here, who: Who, body: CodeBody) -> RecoveryCodesAnswer:
    """Make new recovery codes in place of the old."""
    now_ms = here.now_ms()
    try_all(here.store, ((KNOWING, who.account_id),), now_ms=now_ms)
    codes = second_factor.renew_recovery_codes(
        here.store, here.box, who.account_id, body.code, actor=who.actor, now_ms=now_ms
    )
    return RecoveryCodesAnswer(codes=list(codes))
