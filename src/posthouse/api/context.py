"""What a route works with, and who calls it.

    @router.get("/keys", Permission.OWN_READ)
    def list_keys(here: Here, who: Who) -> Listing[KeyAnswer]: ...

`here` has the process's objects, `who` the caller. A route that anybody may call (PUBLIC) takes `visit: From`
for the address, and `guest: Guest`, which is None where nobody is signed in.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from msgspec import Struct

from posthouse.api.permissions import (
    NOT_FOR_TOKENS,
    ROLE_PERMISSIONS,
    VIEW_PERMISSIONS,
    Permission,
    Role,
)
from posthouse.api.problems import Problem
from posthouse.api.visit import VISIT, Visit
from posthouse.kernel.errors import Language
from posthouse.kernel.secrets import SecretBox
from posthouse.kernel.settings import Settings
from posthouse.ledger.service import Ledger
from posthouse.limits.service import Limiter
from posthouse.mail.service import Mailer
from posthouse.observe.observer import Observer
from posthouse.people.sessions import Device, SignedIn, find_session
from posthouse.people.tokens import TokenHolder, find_holder
from posthouse.relay.answers import language_of
from posthouse.relay.market import Market
from posthouse.relay.pipeline import Relay
from posthouse.store.engine import Store

STATE = "posthouse.state"  # the scope's key: a State with the relay's context, and what routes keep


class Context(Struct, frozen=True, kw_only=True, eq=False):
    """The objects of the serving process. A `def` route runs in a thread and may use the store; what lives on
    the event loop (limiter, ledger, relay, market) is asked in `async def` routes."""

    settings: Settings
    store: Store
    box: SecretBox
    market: Market
    limiter: Limiter
    ledger: Ledger
    relay: Relay
    observer: Observer
    mailer: Mailer
    now_ms: Callable[[], int]
    monotonic_s: Callable[[], float]


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls. `account_id` is whose things are meant: while staff looks at a member's pages the member's,
    with `is_view_only`. `actor` names who it really is, for the audit log. Either `session_id` or `token_id`
    is set."""

    account_id: str
    role: Role
    permissions: frozenset[Permission]
    session_id: str
    token_id: str
    actor: str
    is_view_only: bool
    language: Language
    address: str
    address_hash: bytes

    @property
    def own_id(self) -> str:
        """The account that has signed in, whosever pages it looks at."""
        return self.actor.partition("/")[0]


async def _here(request: Request) -> Context:
    context: Context = request.scope[STATE].context
    return context


async def _visit(request: Request) -> Visit:
    visit: Visit = request.scope[VISIT]
    return visit


Here = Annotated[Context, Depends(_here)]
From = Annotated[Visit, Depends(_visit)]


def cookie_name(is_secure: bool) -> str:
    """A browser takes a __Host- cookie over https alone, and lets no other host set it."""
    return "__Host-posthouse" if is_secure else "posthouse"


def secret_of(request: Request, visit: From) -> str:
    """What the session's cookie holds; "" where there is none."""
    return request.cookies.get(cookie_name(visit.is_secure), "")


def device_of(request: Request, visit: From) -> Device:
    return Device(visit.address, visit.address_hash, request.headers.get("user-agent", ""))


def language_in(request: Request, own: str = "") -> Language:
    """The language that the request asks for; where it asks for none, the caller's own."""
    if own == "zh" and "accept-language" not in request.headers:
        return "zh"
    return language_of(dict(request.scope["headers"]))


def _guest(request: Request, here: Here, visit: From) -> Caller | None:
    """Who calls, if anybody: by access token, else by cookie. Raises Problem for a token that does not
    count."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    signed_in: TokenHolder | SignedIn | None
    if scheme:
        is_bearer = scheme.lower() == "bearer"
        signed_in = find_holder(here.store, token.strip(), now_ms=here.now_ms()) if is_bearer else None
        if signed_in is None:
            raise Problem("not_signed_in")
    else:
        secret = secret_of(request, visit)
        signed_in = find_session(here.store, secret, now_ms=here.now_ms()) if secret else None
        if signed_in is None:
            return None
    language = request.state.language = language_in(request, signed_in.language)
    if isinstance(signed_in, TokenHolder):
        return _by_token(signed_in, visit, language)
    return by_session(signed_in, visit, language)


def _by_token(holder: TokenHolder, visit: Visit, language: Language) -> Caller:
    scopes = frozenset(one for one in Permission if one in holder.scopes)
    return Caller(
        account_id=holder.account_id,
        role=holder.role,
        permissions=(ROLE_PERMISSIONS[holder.role] & scopes) - NOT_FOR_TOKENS,
        session_id="",
        token_id=holder.token_id,
        actor=f"{holder.account_id}/{holder.token_id}",
        is_view_only=False,
        language=language,
        address=visit.address,
        address_hash=visit.address_hash,
    )


def by_session(session: SignedIn, visit: Visit, language: Language) -> Caller:
    """The caller that a session makes."""
    may_view = Permission.MEMBERS_VIEW in ROLE_PERMISSIONS[session.role]
    is_viewing = bool(session.viewing_id) and may_view
    return Caller(
        account_id=session.viewing_id if is_viewing else session.account_id,
        role=session.role,
        permissions=VIEW_PERMISSIONS if is_viewing else ROLE_PERMISSIONS[session.role],
        session_id=session.session_id,
        token_id="",
        actor=session.account_id,
        is_view_only=is_viewing,
        language=language,
        address=visit.address,
        address_hash=visit.address_hash,
    )


Guest = Annotated[Caller | None, Depends(_guest)]


async def _who(guest: Guest) -> Caller:
    if guest is None:
        raise Problem("not_signed_in")
    return guest


Who = Annotated[Caller, Depends(_who)]
SessionSecret = Annotated[str, Depends(secret_of)]
FromDevice = Annotated[Device, Depends(device_of)]
