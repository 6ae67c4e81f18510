"""Becoming a member: what is allowed, the proof of work, the link by mail, the first key."""

from typing import Any, Literal

from fastapi import Response
from pydantic import ConfigDict, Field

from posthouse.accounts.queries import list_keys
from posthouse.accounts.service import create_key
from posthouse.api.context import From, FromDevice, Here, SessionSecret, Who
from posthouse.api.frame import Router
from posthouse.api.own_site import OwnSite
from posthouse.api.permissions import PUBLIC, Permission
from posthouse.api.problems import Problem
from posthouse.api.session import SessionAnswer, signed_in
from posthouse.api.values import Answer, Body
from posthouse.catalogue.site import GITHUB
from posthouse.kernel.errors import Language
from posthouse.kernel.periods import HOUR_MS
from posthouse.people import proof_of_work, registration
from posthouse.people.registration import FREE_KEY_NAME, Applicant, Registered
from posthouse.people.sessions import open_session
from posthouse.people.throttles import Throttle, try_all

router = Router("register")

# Of one address: a class that registers together, and no more.
ASKING = Throttle("register_address", 40, HOUR_MS)


class ElsewhereAnswer(Answer):
    """A provider whose accounts sign in here."""

    name: str = Field(description="What to begin the sign-in with.")
    title: str = Field(description="What to write on the button.")


class WaysInAnswer(Answer):
    """How to sign in and register here."""

    password: bool = Field(description="By email and password.")
    passkeys: bool = Field(description="By passkey.")
    elsewhere: list[ElsewhereAnswer] = Field(description="By an account at one of these.")
    registration: Literal["open", "invitation", "closed"] = Field(description="Who may register.")
    verify_email: bool = Field(description="The password is chosen behind a link that comes by mail.")
    proof_of_work: bool = Field(description="Registering needs a solved challenge of `/proof-of-work`.")
    mail_domains: list[str] = Field(description="Only addresses of these register; empty: all may.")


class ChallengeAnswer(Answer):
    """A challenge as altcha's clients, version 2, read it."""

    parameters: dict[str, Any] = Field(description="What to solve, by which algorithm, until when.")
    signature: str = Field(description="That it is ours; to be sent back with the solution.")


class RegisterBody(Body):
    """Who wants in."""

    email: str = Field(max_length=254, description="The address that will sign in.")
    password: str = Field("", max_length=200, description="Only where addresses are not verified.")
    language: Language = Field("en", description="Of mails.")
    code: str = Field("", max_length=40, description="An invitation's code, or a member's referral code.")
    proof: str = Field("", max_length=4000, description="The solved challenge, as altcha's clients send it.")

    model_config = ConfigDict(str_strip_whitespace=False)


class VerifyBody(Body):
    """What the mailed link says, and the password to sign in with from now on."""

    token: str = Field(max_length=100, description="What stands behind #token= in the link.")
    password: str = Field(max_length=200, description="10 characters at least.")

    model_config = ConfigDict(str_strip_whitespace=False)


class WelcomeAnswer(Answer):
    """Either mail is on its way, or there is an account and it is signed in."""

    is_mailed: bool = Field(description="Look into the mailbox: the link in it goes on.")
    session: SessionAnswer | None = Field(description="Who is signed in now; null where mail is on its way.")
    key: str = Field(description="The first API key, shown this once; empty where none was made.")


class FirstKeyAnswer(Answer):
    """The first API key."""

    key: str = Field(description="The key itself. It is shown this once.")


MAILED = WelcomeAnswer(is_mailed=True, session=None, key="")


@router.get("/ways-in", PUBLIC)
def get_ways_in(here: Here) -> WaysInAnswer:
    """Tell how to sign in and to register."""
    site = here.market.catalogue.site
    elsewhere = [ElsewhereAnswer(name=one.secret, title=one.title or one.name) for one in site.sign_in.oidc]
    if site.sign_in.github_client_id:
        elsewhere.insert(0, ElsewhereAnswer(name=GITHUB, title="GitHub"))
    return WaysInAnswer(
        password=site.sign_in.password,
        passkeys=site.sign_in.passkeys,
        elsewhere=elsewhere,
        registration=site.registration.open,
        verify_email=site.registration.verify_email,
        proof_of_work=site.registration.proof_of_work,
        mail_domains=list(site.registration.mail_domains),
    )


@router.get("/proof-of-work", PUBLIC)
def get_proof_of_work(here: Here) -> ChallengeAnswer:
    """Make a challenge for the browser to solve before a form is sent."""
    return ChallengeAnswer(**proof_of_work.challenge(here.box, now_ms=here.now_ms()))


@router.post("/register", PUBLIC, status=202)
def register(
    here: Here,
    body: RegisterBody,
    response: Response,
    visit: From,
    device: FromDevice,
    secret: SessionSecret,
    site: OwnSite,
) -> WelcomeAnswer:
    """Register by email.

    Where addresses are verified the answer is the same whether there is such an account or not, and a mail
    tells the mailbox's owner which. Where they are not, the account is signed in at once."""
    rules = here.market.catalogue.site.registration
    if not here.market.catalogue.site.sign_in.password:
        raise Problem("registration_closed")
    now_ms = here.now_ms()
    try_all(here.store, ((ASKING, visit.address_hash),), now_ms=now_ms)
    if rules.proof_of_work:
        proof_of_work.redeem(here.store, here.box, body.proof, now_ms=now_ms)
    applicant = Applicant(
        email=body.email, language=body.language, code=body.code.strip(), address_hash=visit.address_hash
    )
    if rules.verify_email:
        registration.request_registration(here.store, here.box, rules, applicant, site, now_ms=now_ms)
        here.mailer.wake()
        return MAILED
    made = registration.register(here.store, rules, applicant, body.password, now_ms=now_ms)
    return _welcome(here, response, visit, device, secret, made)


@router.post("/register/verify", PUBLIC, status=201)
def verify_registration(
    here: Here,
    body: VerifyBody,
    response: Response,
    visit: From,
    device: FromDevice,
    secret: SessionSecret,
) -> WelcomeAnswer:
    """Finish a registration by its mailed link, and choose the password."""
    rules = here.market.catalogue.site.registration
    made = registration.register_verified(
        here.store, rules, body.token, body.password, address_hash=visit.address_hash, now_ms=here.now_ms()
    )
    return _welcome(here, response, visit, device, secret, made)


@router.post("/register/key", Permission.KEYS_WRITE, status=201)
def create_first_key(here: Here, who: Who) -> FirstKeyAnswer:
    """Make the first API key of an account that never had one, as registering elsewhere leaves it."""
    if not here.market.catalogue.site.registration.free_key or list_keys(here.store, who.account_id):
        raise Problem("first_key_made")
    made = create_key(here.store, who.account_id, name=FREE_KEY_NAME, keys_max=1, actor=who.actor)
    return FirstKeyAnswer(key=made.key)


def _welcome(
    here: Here, response: Response, visit: From, device: FromDevice, secret: str, made: Registered
) -> WelcomeAnswer:
    with here.store.begin() as connection:
        fresh = open_session(connection, made.account_id, device, now_ms=here.now_ms())
    session = signed_in(here, response, visit, fresh, replaced=secret)
    return WelcomeAnswer(is_mailed=False, session=session, key=made.key.key if made.key else "")
