"""Personal access tokens: what the caller's own scripts call this API with."""

from typing import Annotated

from fastapi import Path
from pydantic import Field

from posthouse.api.context import Caller, Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import NOT_FOR_TOKENS, Permission
from posthouse.api.problems import Problem
from posthouse.api.values import Answer, Body, Ms
from posthouse.kernel.problems import UnfitValue
from posthouse.people import tokens

router = Router("tokens")
TokenId = Annotated[str, Path(description="The token's id.")]


class TokenBody(Body):
    """What the token is for, and what it may do."""

    name: str = Field(min_length=1, max_length=tokens.NAME_CHARS_MAX, description="To know it by.")
    scopes: list[Permission] = Field(
        min_length=1, max_length=len(Permission), description="What it may do, of what its owner may do."
    )
    expires_ms: Ms | None = Field(None, description="When it ends; null: never. Milliseconds since 1970 UTC.")


class TokenAnswer(Answer):
    """A token as it is listed."""

    id: str = Field(description="Names the token, but lets nobody in.")
    hint: str = Field(description="Its beginning and end.")
    name: str = Field(description="What its owner calls it.")
    scopes: list[str] = Field(description="What it may do, as long as its owner's role may.")
    created_ms: Ms
    expires_ms: Ms | None = Field(description="Null: never.")
    used_ms: Ms | None = Field(description="When it was last used, to the minute; null: not yet.")


class Tokens(Answer):
    """All of them: there are at most 50."""

    items: list[TokenAnswer] = Field(description="The account's own.")
    grantable: list[str] = Field(description="The scopes that a new token may have.")


class NewTokenAnswer(Answer):
    """A token that was just made."""

    id: str = Field(description="Names the token.")
    token: str = Field(description="The token itself. It is shown this once.")


@router.get("/tokens", Permission.SECURITY)
def list_tokens(here: Here, who: Who) -> Tokens:
    """List the account's access tokens, the newest first."""
    items = [TokenAnswer.model_validate(one) for one in tokens.list_tokens(here.store, who.account_id)]
    return Tokens(items=items, grantable=sorted(_grantable(who)))


@router.post("/tokens", Permission.SECURITY, status=201)
def create_token(here: Here, who: Who, body: TokenBody) -> NewTokenAnswer:
    """Make an access token.

    It is shown this once, and sent as `Authorization: Bearer`. Nobody can give a token more than they may
    themselves; no token may change how its owner signs in."""
    if beyond := set(body.scopes) - _grantable(who):
        raise UnfitValue("scopes", "scopes", scopes=", ".join(sorted(beyond)))
    made = tokens.create_token(
        here.store,
        who.account_id,
        name=body.name,
        scopes=tuple(body.scopes),
        expires_ms=body.expires_ms,
        actor=who.actor,
        now_ms=here.now_ms(),
    )
    return NewTokenAnswer.model_validate(made)


@router.delete("/tokens/{token_id}", Permission.SECURITY)
def delete_token(here: Here, who: Who, token_id: TokenId) -> None:
    """End an access token at once."""
    if not tokens.delete_token(here.store, who.account_id, token_id, actor=who.actor, now_ms=here.now_ms()):
        raise Problem("not_found")


def _grantable(who: Caller) -> frozenset[Permission]:
    return who.permissions - NOT_FOR_TOKENS
