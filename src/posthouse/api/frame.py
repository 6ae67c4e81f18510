"""How routes are declared: with the permission that each needs, and the problems that each can answer.

    router = Router("keys")

    @router.post("/keys", Permission.KEYS_WRITE, status=201)
    def create_key(here: Here, who: Who, body: KeyBody) -> NewKeyAnswer:
        '''Make a key.

        It is shown this once.'''

A route's name is its operation id; the docstring's first line its summary. A route that returns None answers
204. An unsafe method that is called with a session's cookie needs the session's CSRF token in
`x-csrf-token`.
"""

import hmac
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request

from posthouse.api.context import Guest, SessionSecret
from posthouse.api.permissions import PUBLIC, Permission
from posthouse.api.problems import MEDIA_TYPE, Problem
from posthouse.people.sessions import csrf_token

BASE = "/api/v1"
CSRF_HEADER = "x-csrf-token"
UNSAFE = frozenset(("POST", "PUT", "PATCH", "DELETE"))
# What each status says in the document; which problem it was, `code` tells.
STATUSES = {
    401: "Not signed in, or what was sent to sign in with is wrong.",
    403: "The role or token lacks the permission, or the CSRF token is missing.",
    404: "There is no such thing, or it is not the caller's.",
    408: "The body came too slowly.",
    409: "This contradicts what is there.",
    413: "The body is too large.",
    422: "The request is not as it must be.",
    429: "Too many tries; see retry-after.",
    503: "The store does not answer; nothing was changed.",
}

Route = TypeVar("Route", bound=Callable[..., Any])


class Router:
    """The routes of one noun. `api` is FastAPI's own router."""

    def __init__(self, tag: str) -> None:
        self.api = APIRouter(prefix=BASE, tags=[tag])

    def get(self, path: str, permission: Permission | None, **options: Any) -> Callable[[Route], Route]:
        return self._route("GET", path, permission, options)

    def post(self, path: str, permission: Permission | None, **options: Any) -> Callable[[Route], Route]:
        return self._route("POST", path, permission, options)

    def put(self, path: str, permission: Permission | None, **options: Any) -> Callable[[Route], Route]:
        return self._route("PUT", path, permission, options)

    def patch(self, path: str, permission: Permission | None, **options: Any) -> Callable[[Route], Route]:
        return self._route("PATCH", path, permission, options)

    def delete(self, path: str, permission: Permission | None, **options: Any) -> Callable[[Route], Route]:
        return self._route("DELETE", path, permission, options)

    def _route(
        self, method: str, path: str, permission: Permission | None, options: dict[str, Any]
    ) -> Callable[[Route], Route]:
        """`options`: `status` of a success, and what FastAPI's `api_route` takes. `responses` adds to those
        that every route documents."""

        def declare(function: Route) -> Route:
            is_empty = inspect.signature(function).return_annotation is None
            summary, _, more = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
            responses = {**_problems(method, permission), **options.pop("responses", {})}
            self.api.api_route(
                path,
                methods=[method],
                operation_id=function.__name__,
                summary=" ".join(summary.split()).rstrip("."),
                description=more,
                status_code=options.pop("status", 204 if is_empty else 200),
                dependencies=[Depends(Guard(permission, method))],
                responses=responses,
                openapi_extra=_extra(method, permission),
                **options,
            )(function)
            return function

        return declare


class Guard:
    """A route's first dependency: refuses callers who may not, before anything else is looked at."""

    def __init__(self, permission: Permission | None, method: str) -> None:
        self.permission = permission
        self._is_unsafe = method in UNSAFE

    async def __call__(self, request: Request, guest: Guest, secret: SessionSecret) -> None:
        if self._is_unsafe and request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise Problem("cross_site")
        if self.permission is PUBLIC:
            return
        if guest is None:
            raise Problem("not_signed_in")
        if self._is_unsafe and guest.session_id:
            sent = request.headers.get(CSRF_HEADER, "").encode()
            if not hmac.compare_digest(sent, csrf_token(secret).encode()):
                raise Problem("csrf")
        if self.permission not in guest.permissions:
            raise Problem("view_only" if guest.is_view_only else "forbidden", permission=self.permission)


def _problems(method: str, permission: Permission | None) -> dict[int | str, dict[str, Any]]:
    """What a route may answer besides success. FastAPI would document a 422 of its own shape."""
    answer = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": text, "content": {MEDIA_TYPE: answer}}
        for status, text in STATUSES.items()
        if method in UNSAFE or status not in (408, 413)
    }


def _extra(method: str, permission: Permission | None) -> dict[str, Any]:
    if permission is PUBLIC:
        return {"security": [], "x-permission": "public"}
    extra: dict[str, Any] = {"security": [{"session": []}, {"token": []}], "x-permission": str(permission)}
    if method in UNSAFE:
        extra["parameters"] = [
            {
                "name": CSRF_HEADER,
                "in": "header",
                "required": False,
                "description": "The session's `csrf_token`; not needed with an access token.",
                "schema": {"type": "string"},
            }
        ]
    return extra
