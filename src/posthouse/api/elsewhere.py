"""Signing in with an account elsewhere, and the caller's own identities there.

    POST /sign-in/elsewhere  → the provider's address, and a cookie for this trip
    (the provider)           → GET /sign-in/elsewhere/callback → a page of the console
    POST /sign-in/code       where the account wants a code as well

The callback answers with pages, never with what went wrong in its own words: the console has the texts."""

import secrets
from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from posthouse.accounts.errors import EmailTaken
from posthouse.api.context import Context, From, FromDevice, Here, SessionSecret, Who, language_in
from posthouse.api.frame import BASE, Router
from posthouse.api.own_site import OwnSite, callback_url, provider_of
from posthouse.api.permissions import PUBLIC, Permission
from posthouse.api.problems import Problem
from posthouse.api.session import SessionAnswer, set_cookie, signed_in
from posthouse.api.values import Answer, Body, Ms, Whole
from posthouse.api.visit import Visit
from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.periods import HOUR_MS, MINUTE_MS
from posthouse.people import elsewhere, identities, one_time, registration, second_factor
from posthouse.people.elsewhere import TRIP_MS, Trip
from posthouse.people.errors import (
    EmailRefused,
    IdentityTaken,
    InvitationNeeded,
    LinkSpent,
    RegistrationClosed,
    SignInElsewhere,
    TooManyRegistrations,
)
from posthouse.people.identities import Stranger
from posthouse.people.links import Site
from posthouse.people.profiles import language_of
from posthouse.people.registration import Applicant
from posthouse.people.sessions import Device, find_session, forget_session, open_session
from posthouse.people.throttles import Throttle, try_all

router = Router("elsewhere")
SubjectName = Annotated[str, Path(description="The provider's name for them that never changes.")]
ProviderName = Annotated[str, Path(description="Which provider.")]

# Of one address. Each trip asks the provider up to four times, in a thread of ours.
SETTING_OUT = Throttle("elsewhere_address", 60, HOUR_MS)
# Of one account: a code has a million values, of which three count.
CODES = Throttle("second_factor", 10, 20 * MINUTE_MS)

# What went wrong, as the console's pages name it.
_CODES: dict[type[PosthouseError], str] = {
    EmailTaken: "email_taken",
    EmailRefused: "email_refused",
    IdentityTaken: "identity_taken",
    InvitationNeeded: "invitation_needed",
    RegistrationClosed: "registration_closed",
    TooManyRegistrations: "too_many",
    Problem: "expired",  # the provider was taken out meanwhile
}


class SetOutBody(Body):
    """Where to, and what for."""

    provider: str = Field(max_length=60, description="One of those that `/ways-in` names.")
    next: str = Field("/dashboard", max_length=500, description="The page to go on to; of this site only.")
    code: str = Field("", max_length=40, description="An invitation's or a member's code, to register with.")


class LinkBody(Body):
    """Which provider."""

    provider: str = Field(max_length=60, description="One of those that `/ways-in` names.")


class SetOutAnswer(Answer):
    """Where to send the browser."""

    url: str = Field(description="The provider's address for this trip.")


class SecondStepBody(Body):
    """The second factor."""

    code: str = Field(max_length=40, description="What the authenticator app shows, or a recovery code.")


class IdentityAnswer(Answer):
    """Who the member is elsewhere."""

    provider: str = Field(description="Where.")
    subject: str = Field(description="The provider's name for them that never changes.")
    name: str = Field(description="What the provider calls them.")
    created_ms: Ms


@router.post("/sign-in/elsewhere", PUBLIC)
def set_out(
    here: Here, request: Request, body: SetOutBody, response: Response, visit: From, site: OwnSite
) -> SetOutAnswer:
    """Begin to sign in, or register, with an account elsewhere."""
    trip = Trip(
        provider=body.provider,
        account_id="",
        code=body.code,
        language=language_in(request),
        next=elsewhere.safe_next(body.next),
    )
    return _set_out(here, trip, response, visit, site)


@router.post("/profile/identities", Permission.SECURITY)
def link_identity(
    here: Here, who: Who, body: LinkBody, response: Response, visit: From, site: OwnSite
) -> SetOutAnswer:
    """Begin to let an account elsewhere sign in to the caller's."""
    trip = Trip(
        provider=body.provider, account_id=who.account_id, code="", language=who.language, next="/profile"
    )
    return _set_out(here, trip, response, visit, site)


@router.get("/profile/identities", Permission.SECURITY)
def list_identities(here: Here, who: Who) -> Whole[IdentityAnswer]:
    """List the accounts elsewhere that sign in to the caller's."""
    found = identities.list_identities(here.store, who.account_id)
    return Whole(items=[IdentityAnswer.model_validate(one) for one in found])


@router.delete("/profile/identities/{provider}/{subject:path}", Permission.SECURITY)
def unlink_identity(here: Here, who: Who, provider: ProviderName, subject: SubjectName) -> None:
    """Let an account elsewhere sign in no more."""
    if not identities.unlink(
        here.store, who.account_id, provider, subject, actor=who.actor, now_ms=here.now_ms()
    ):
        raise Problem("not_found")


@router.get(
    "/sign-in/elsewhere/callback",
    PUBLIC,
    status=303,
    response_class=RedirectResponse,
    responses={303: {"description": "On to a page of the console."}},
)
def come_back(
    here: Here,
    request: Request,
    visit: From,
    device: FromDevice,
    secret: SessionSecret,
    site: OwnSite,
    state: Annotated[str, Query(max_length=200, description="Which trip this was.")] = "",
    code: Annotated[str, Query(max_length=4000, description="What the provider gave.")] = "",
) -> RedirectResponse:
    """End a trip: where providers send people back to."""
    browser = request.cookies.get(_cookie_name(visit), "")
    try:
        trip = elsewhere.come_back(here.store, state, browser=browser, now_ms=here.now_ms())
    except SignInElsewhere as error:
        return _page("/sign-in", visit, error=error.why)
    page = "/profile" if trip.account_id else "/sign-in"
    try:
        provider = provider_of(here, trip.provider)
        if not code:
            raise SignInElsewhere("refused")
        stranger = elsewhere.identify(provider, code, browser=browser, callback=callback_url(site))
        if trip.account_id:
            _check_still_in(here, secret, trip.account_id)
            identities.link(here.store, here.box, trip.account_id, stranger, site, now_ms=here.now_ms())
            here.mailer.wake()
            return _page(page, visit, linked=trip.provider)
        return _enter(here, trip, stranger, visit, device, secret)
    except SignInElsewhere as error:
        return _page(page, visit, error=error.why)
    except tuple(_CODES) as error:
        return _page(page, visit, error=_CODES[type(error)])


@router.post("/sign-in/code", PUBLIC)
def sign_in_with_code(
    here: Here,
    request: Request,
    body: SecondStepBody,
    response: Response,
    visit: From,
    device: FromDevice,
    secret: SessionSecret,
) -> SessionAnswer:
    """Finish a sign-in elsewhere where the account wants a code as well."""
    token, now_ms = request.cookies.get(_cookie_name(visit), ""), here.now_ms()
    begun = one_time.look(here.store, "second_factor", token, now_ms=now_ms)
    if begun is None:
        raise LinkSpent
    try_all(here.store, ((CODES, begun.subject),), now_ms=now_ms)
    with here.store.begin() as connection:
        second_factor.check(connection, here.box, begun.subject, body.code, now_ms=now_ms)
        if one_time.take(connection, "second_factor", token, now_ms=now_ms) is None:
            raise LinkSpent
        fresh = open_session(connection, begun.subject, device, now_ms=now_ms)
    _set_trip_cookie(response, visit, "")
    return signed_in(here, response, visit, fresh, replaced=secret)


def _set_out(here: Context, trip: Trip, response: Response, visit: Visit, site: Site) -> SetOutAnswer:
    now_ms = here.now_ms()
    provider = provider_of(here, trip.provider)
    try_all(here.store, ((SETTING_OUT, visit.address_hash),), now_ms=now_ms)
    browser = secrets.token_urlsafe(32)
    url = elsewhere.set_out(
        here.store, provider, trip, browser=browser, callback=callback_url(site), now_ms=now_ms
    )
    _set_trip_cookie(response, visit, browser)
    return SetOutAnswer(url=url)


def _check_still_in(here: Context, secret: str, account_id: str) -> None:
    """That the session that began to link has not ended meanwhile, say because the password was reset. Raises
    SignInElsewhere."""
    session = find_session(here.store, secret, now_ms=here.now_ms()) if secret else None
    if session is None or session.account_id != account_id:
        raise SignInElsewhere("expired")


def _enter(
    here: Context, trip: Trip, stranger: Stranger, visit: Visit, device: Device, replaced: str
) -> RedirectResponse:
    """Sign in whoever came, as a new member where nobody knows them yet. An account that has the same
    address is never taken over: its owner signs in to it, and links."""
    now_ms = here.now_ms()
    with here.store.begin() as connection:
        account_id = identities.find_owner(connection, stranger)
        is_new = account_id is None
        if account_id is None:
            if not stranger.email:
                raise SignInElsewhere("email_unverified")
            applicant = Applicant(
                email=stranger.email,
                language=language_of(trip.language),
                code=trip.code,
                address_hash=visit.address_hash,
            )
            rules = here.market.catalogue.site.registration
            made = registration.admit(
                connection, rules, applicant, verified_ms=now_ms, with_key=False, now_ms=now_ms
            )
            account_id = made.account_id
            identities.add_identity(connection, account_id, stranger, actor=account_id, now_ms=now_ms)
        if second_factor.is_needed(connection, account_id):
            token = one_time.issue(
                connection, "second_factor", subject=account_id, now_ms=now_ms, lives_ms=TRIP_MS
            )
            return _page("/sign-in", visit, trip_cookie=token, step="code", next=trip.next)
        fresh = open_session(connection, account_id, device, now_ms=now_ms)
    if replaced:
        forget_session(here.store, replaced)
    page = _page("/welcome" if is_new else trip.next, visit)
    set_cookie(page, visit, fresh)
    return page


def _page(path: str, visit: Visit, *, trip_cookie: str = "", **told: str) -> RedirectResponse:
    """On to a page of the console; what it has to know stands behind the #."""
    behind = "&".join(f"{name}={quote(value, safe='')}" for name, value in told.items())
    response = RedirectResponse(f"{path}#{behind}" if behind else path, 303)
    _set_trip_cookie(response, visit, trip_cookie)
    return response


def _cookie_name(visit: Visit) -> str:
    return "__Secure-posthouse-trip" if visit.is_secure else "posthouse-trip"


def _set_trip_cookie(response: Response, visit: Visit, value: str) -> None:
    """The browser's secret of a trip; an empty one takes it back."""
    response.set_cookie(
        _cookie_name(visit),
        value,
        max_age=TRIP_MS // 1000 if value else 0,
        path=f"{BASE}/sign-in",
        secure=visit.is_secure,
        httponly=True,
        samesite="lax",  # the provider's redirect brings it back
    )
