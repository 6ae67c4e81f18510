"""Signing in and out, who is signed in, and looking at a member's pages."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import ConfigDict, Field

from posthouse.accounts.queries import get_account
from posthouse.api.context import (
    Caller,
    Context,
    From,
    FromDevice,
    Guest,
    Here,
    SessionSecret,
    Who,
    by_session,
    cookie_name,
)
from posthouse.api.frame import Router
from posthouse.api.permissions import PUBLIC, Permission, Role
from posthouse.api.problems import Problem
from posthouse.api.values import Answer, Body, Ms, Whole
from posthouse.api.visit import Visit
from posthouse.people import sessions
from posthouse.people.owners import find_role
from posthouse.people.signing_in import sign_in as sign_in_by_password

router = Router("session")
SessionId = Annotated[str, Path(description="The session's id.")]


class SessionAnswer(Answer):
    """Who is signed in, and what the console needs to know about it."""

    account_id: str = Field(description="Whose pages these are; empty: nobody is signed in.")
    email: str = Field(description="The account's email.")
    status: str = Field(description="active or frozen: a frozen account's calls are refused.")
    role: str = Field(description="member, support, operator or owner: of who has signed in.")
    permissions: list[str] = Field(description="What the caller may do, as the routes name it.")
    session_id: str = Field(description="Which of the account's sessions this is; empty with a token.")
    is_view_only: bool = Field(description="Staff looks at this member's pages; nothing can be changed.")
    csrf_token: str = Field(description="To be sent as x-csrf-token with each change; empty with a token.")


class SignInBody(Body):
    """Email and password, and a code where the account wants one."""

    email: str = Field(max_length=254, description="The account's email.")
    password: str = Field(max_length=200, description="Its password.")
    code: str = Field("", max_length=40, description="Of the authenticator app, or a recovery code.")

    model_config = ConfigDict(str_strip_whitespace=False)  # spaces may be part of a password


class ListedSession(Answer):
    """A session of the caller's account."""

    id: str = Field(description="Names the session, but lets nobody in.")
    is_current: bool = Field(description="Whether it is the one that asks.")
    created_ms: Ms
    seen_ms: Ms
    expires_ms: Ms
    user_agent: str = Field(description="What the browser called itself when it signed in.")
    address: str = Field(description="The beginning of the address that it signed in from.")


class ViewBody(Body):
    """Which member."""

    account_id: str = Field(max_length=40, description="The member's account.")


NOBODY = SessionAnswer(
    account_id="",
    email="",
    status="",
    role="",
    permissions=[],
    session_id="",
    is_view_only=False,
    csrf_token="",
)


@router.get("/session", PUBLIC)
def get_session(here: Here, guest: Guest, secret: SessionSecret) -> SessionAnswer:
    """Tell who is signed in.

    Answers with empty fields where nobody is."""
    return NOBODY if guest is None else _answer(here, guest, secret)


@router.post("/session", PUBLIC)
def sign_in(
    here: Here, body: SignInBody, response: Response, visit: From, device: FromDevice, secret: SessionSecret
) -> SessionAnswer:
    """Sign in with a password.

    The session that the browser brought ends; the cookie always gets a new one."""
    if not here.market.catalogue.site.sign_in.password:
        raise Problem("not_found")
    fresh = sign_in_by_password(
        here.store,
        here.box,
        email=body.email,
        password=body.password,
        code=body.code,
        device=device,
        now_ms=here.now_ms(),
    )
    return signed_in(here, response, visit, fresh, replaced=secret)


@router.delete("/session", Permission.OWN_READ)
def sign_out(here: Here, who: Who, response: Response, visit: From) -> None:
    """Sign out.

    The session ends, and its cookie is taken back."""
    sessions.end_session(here.store, who.own_id, who.session_id, actor=who.actor, now_ms=here.now_ms())
    set_cookie(response, visit, "")


@router.get("/sessions", Permission.SECURITY)
def list_sessions(here: Here, who: Who) -> Whole[ListedSession]:
    """List the account's sessions, at most 50, the last used first."""
    found = sessions.list_sessions(here.store, who.account_id, now_ms=here.now_ms())
    items = [
        ListedSession(
            id=one.id,
            is_current=one.id == who.session_id,
            created_ms=one.created_ms,
            seen_ms=one.seen_ms,
            expires_ms=one.expires_ms,
            user_agent=one.user_agent,
            address=one.address_hint,
        )
        for one in found
    ]
    return Whole(items=items)


@router.delete("/sessions/{session_id}", Permission.SECURITY)
def end_session(here: Here, who: Who, session_id: SessionId) -> None:
    """End one of the account's sessions."""
    ended = sessions.end_session(
        here.store, who.account_id, session_id, actor=who.actor, now_ms=here.now_ms()
    )
    if not ended:
        raise Problem("not_found")


@router.delete("/sessions", Permission.SECURITY)
def end_other_sessions(here: Here, who: Who) -> None:
    """End all of the account's sessions but the one that asks."""
    with here.store.begin() as connection:
        sessions.end_sessions(
            connection, who.account_id, actor=who.actor, now_ms=here.now_ms(), but_session_id=who.session_id
        )


@router.post("/session/view", Permission.MEMBERS_VIEW)
def view_member(here: Here, who: Who, body: ViewBody, visit: From, secret: SessionSecret) -> SessionAnswer:
    """Look at a member's pages as the member sees them, without changing anything.

    It is in the audit log. Only members' pages can be looked at, not those of staff."""
    account = get_account(here.store, body.account_id)
    if account.id != body.account_id or find_role(here.store, account.id) is not Role.MEMBER:
        raise Problem("not_found")
    _set_viewing(here, who, account.id)
    return _current(here, visit, secret)


@router.delete("/session/view", Permission.OWN_READ)
def end_view(here: Here, who: Who, visit: From, secret: SessionSecret) -> SessionAnswer:
    """Look at one's own pages again."""
    if who.is_view_only:
        _set_viewing(here, who, "")
    return _current(here, visit, secret)


def signed_in(
    here: Context, response: Response, visit: Visit, secret: str, *, replaced: str
) -> SessionAnswer:
    """End the session that the browser brought, hand out the cookie of the one that was just opened, and tell
    who is signed in now."""
    if replaced:
        sessions.forget_session(here.store, replaced)
    set_cookie(response, visit, secret)
    return _current(here, visit, secret)


def set_cookie(response: Response, visit: Visit, secret: str) -> None:
    """Give the browser the session's cookie; an empty secret takes it back."""
    response.set_cookie(
        cookie_name(visit.is_secure),
        secret,
        max_age=sessions.SESSION_MS // 1000 if secret else 0,
        path="/",
        secure=visit.is_secure,
        httponly=True,
        samesite="lax",  # a mail's link, or an identity provider, leads to pages that know who is signed in
    )


def _current(here: Context, visit: Visit, secret: str) -> SessionAnswer:
    """As the session stands now."""
    session = sessions.find_session(here.store, secret, now_ms=here.now_ms())
    return NOBODY if session is None else _answer(here, by_session(session, visit, "en"), secret)


def _answer(here: Context, who: Caller, secret: str) -> SessionAnswer:
    account = get_account(here.store, who.account_id)
    return SessionAnswer(
        account_id=account.id,
        email=account.email,
        status=account.status,
        role=who.role,
        permissions=sorted(who.permissions),
        session_id=who.session_id,
        is_view_only=who.is_view_only,
        csrf_token=sessions.csrf_token(secret) if who.session_id else "",
    )


def _set_viewing(here: Context, who: Caller, viewing_id: str) -> None:
    sessions.set_viewing(
        here.store,
        who.session_id,
        account_id=who.own_id,
        viewing_id=viewing_id,
        actor=who.actor,
        now_ms=here.now_ms(),
    )
