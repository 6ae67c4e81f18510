"""The REST API as an ASGI app: all routers, one form of error, bounds on what comes in."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

import anyio.to_thread
import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from structlog import get_logger

from posthouse import __version__
from posthouse.api import (
    abuse,
    admin_keys,
    admin_usage,
    announcements,
    audit,
    balance,
    channel_live,
    channels,
    codes,
    configuration,
    dashboard,
    elsewhere,
    invitations,
    keys,
    limits,
    members,
    models,
    orders,
    overview,
    owners,
    pages,
    passkeys,
    plans,
    playground,
    prices,
    profile,
    public,
    reconciliation,
    recovery,
    register,
    session,
    settings,
    status,
    tickets,
    tokens,
    transfers,
    usage,
    wallet,
)
from posthouse.api.context import STATE, Context, language_in
from posthouse.api.frame import BASE, Router
from posthouse.api.problems import Problem, field_errors, problem_of, render
from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.problems import Declined
from posthouse.observe.log import describe

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ROUTERS: tuple[Router, ...] = (
    abuse.router,
    admin_keys.router,
    admin_usage.router,
    announcements.router,
    audit.router,
    balance.router,
    channel_live.router,
    channels.router,
    codes.router,
    configuration.router,
    dashboard.router,
    elsewhere.router,
    invitations.router,
    keys.router,
    limits.router,
    members.router,
    models.router,
    orders.router,
    overview.router,
    owners.router,
    pages.router,
    passkeys.router,
    plans.router,
    playground.router,
    prices.router,
    profile.router,
    public.router,
    reconciliation.router,
    recovery.router,
    register.router,
    session.router,
    settings.router,
    status.router,
    tickets.router,
    tokens.router,
    transfers.router,
    usage.router,
    wallet.router,
)

BODY_BYTES_MAX = 1024 * 1024  # a configuration, or a logo; a person writes no more
# Threads that run `def` routes: enough for the store's pool, few beside the two cores that the relay needs.
THREADS = 6

# No page of another site may show or read an answer, and no cache keep it.
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

log = get_logger()


def make_api(context: Context) -> "Api":
    """The API over the process's objects; not to be called on the event loop."""
    app = make_app()
    asyncio.run(_look_through(app))
    return Api(app, context)


async def _look_through(app: FastAPI) -> None:
    """Look for a path that is none. FastAPI builds each route when it is first looked at, which for all of
    them takes half a second: not on the loop that serves calls."""
    scope = {"type": "http", "method": "GET", "path": BASE, "headers": [], "query_string": b""}

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        pass

    await app(scope, receive, send)


@cache
def make_app() -> FastAPI:
    """FastAPI's app with all routes, one a process: FastAPI keeps for good what it builds for each app that
    takes in a router. A call's context comes in its scope."""
    app = _App(
        title="Posthouse",
        version=__version__,
        summary="Accounts, keys, usage, money and the operation of a relay for AI model APIs.",
        openapi_url=None,  # FastAPI would make it on the event loop
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            PosthouseError: _on_error,
            RequestValidationError: _on_invalid,
            HTTPException: _on_http,
            Exception: _on_fault,
        },
    )
    for router in ROUTERS:
        app.include_router(router.api)

    @cache
    def packed() -> bytes:
        return gzip.compress(msgspec.json.encode(app.openapi()), mtime=0)

    def get_openapi(request: Request) -> Response:
        """Packed for all but who cannot unpack it: half a megabyte that is the same for everybody."""
        takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"vary": "accept-encoding"} | ({"content-encoding": "gzip"} if takes_gzip else {})
        body = packed() if takes_gzip else gzip.decompress(packed())
        return Response(body, media_type="application/json", headers=headers)

    app.add_api_route(f"{BASE}/openapi.json", get_openapi, include_in_schema=False)
    return app


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """FastAPI's document, completed once."""
        return self.openapi_schema or _completed(super().openapi())


class Api:
    """FastAPI's app over a context, behind bounds on bodies, with headers that every answer has."""

    def __init__(self, app: FastAPI, context: Context) -> None:
        self.app = app
        self._state = State({"context": context})
        self._body_timeout_s = context.settings.body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS  # the running loop's
        scope[STATE] = self._state
        is_whole = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_whole
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [(name, value) for name, value in HEADERS if name not in given]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        if b"%00" in scope.get("raw_path", b"") or b"%00" in scope["query_string"]:
            response = _response(Problem("not_found"), Request(scope))
            await response(scope, receive, send_with_headers)
            return
        try:
            await self.app(scope, self._bounded(receive), send_with_headers)
        except Exception:  # which _on_fault has logged, and answered unless an answer had begun
            if not is_whole:
                raise  # the server cuts the connection

    def _bounded(self, receive: Receive) -> Receive:
        """Raises HTTPException for a body that is too large or comes too slowly."""
        size, is_whole = 0, False

        async def bounded() -> Message:
            nonlocal size, is_whole
            if is_whole:  # what waits here waits for the caller to leave
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._body_timeout_s)
            except TimeoutError:
                raise HTTPException(408) from None
            size += len(message.get("body", b""))
            if size > BODY_BYTES_MAX:
                raise HTTPException(413)
            is_whole = not message.get("more_body", False)
            return message

        return bounded


def _response(problem: Declined, request: Request, headers: dict[str, str] | None = None) -> Response:
    language = getattr(request.state, "language", None) or language_in(request)
    status, own, body = render(problem, language)
    return Response(body, status, {**own, **(headers or {})})


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PosthouseError)
    problem = problem_of(error)
    if problem is None:
        raise error
    return _response(problem, request)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _response(Problem("invalid_request", errors=field_errors(error.errors())), request)


# What Starlette and FastAPI themselves refuse.
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 408: "too_slow", 413: "too_large"}


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, "invalid_request")
    return _response(Problem(code), request, dict(error.headers or {}))


async def _on_fault(request: Request, error: Exception) -> Response:
    log.error("api_fault", method=request.method, **describe(error))
    return _response(Problem("fault"), request)


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what FastAPI does not know: the problems' schema and how callers sign in. Changed in
    place."""
    text = {"type": "string"}
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = {
        "type": "object",
        "title": "Problem",
        "description": "What went wrong, after RFC 9457, in the language of accept-language.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {**text, "description": "A URN for each code."},
            "title": {**text, "description": "What went wrong, in a few words."},
            "status": {"type": "integer", "description": "The status again."},
            "detail": {**text, "description": "What to do about it."},
            "code": {**text, "description": "The problem's stable name."},
            "errors": {
                "type": "array",
                "description": "What is wrong with which field.",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {
                        "field": {**text, "description": "The field, with dots between its parts."},
                        "message": {**text, "description": "What is wrong with it."},
                    },
                },
            },
        },
    }
    components["securitySchemes"] = {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "posthouse",
            "description": "The console's session. Over https the cookie is called __Host-posthouse.",
        },
        "token": {"type": "http", "scheme": "bearer", "description": "A personal access token, pht_…"},
    }
    return document
