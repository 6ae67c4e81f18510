"""The operator's invitations to register."""

from typing import Annotated

from fastapi import Path
from pydantic import Field

from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.problems import Problem
from posthouse.api.values import PAGE, After, Answer, Body, Limit, Listing, Ms, cursor_parts, cut
from posthouse.people import invitations

router = Router("invitations")
InvitationId = Annotated[str, Path(description="The invitation's id.")]


class InvitationBody(Body):
    """What the invitation is for."""

    note: str = Field("", max_length=invitations.NOTE_CHARS_MAX, description="The operator's own.")
    uses_max: int = Field(1, ge=1, le=invitations.USES_MAX, description="How many it lets in.")
    expires_ms: Ms | None = Field(None, description="When it ends; null: never. Milliseconds since 1970 UTC.")


class InvitationAnswer(Answer):
    """An invitation."""

    id: str = Field(description="Names it.")
    code: str = Field(description="What lets people in: /register?code=…")
    note: str = Field(description="The operator's own.")
    uses_max: int = Field(description="How many it lets in.")
    used: int = Field(description="How many it has let in.")
    expires_ms: Ms | None = Field(description="When it ends; null: never.")
    revoked_ms: Ms | None = Field(description="Since when it lets nobody in; null: it was not revoked.")
    created_ms: Ms


@router.get("/invitations", Permission.INVITATIONS_WRITE)
def list_invitations(here: Here, after: After = "", limit: Limit = PAGE) -> Listing[InvitationAnswer]:
    """List invitations, the newest first."""
    before_id = cursor_parts(after, str)[0] if after else ""
    found = invitations.list_invitations(here.store, before_id=before_id, limit=limit + 1)
    shown, more = cut(found, limit, lambda one: (one.id,))
    return Listing(items=[InvitationAnswer.model_validate(one) for one in shown], next=more)


@router.post("/invitations", Permission.INVITATIONS_WRITE, status=201)
def create_invitation(here: Here, who: Who, body: InvitationBody) -> InvitationAnswer:
    """Make an invitation."""
    made = invitations.create_invitation(
        here.store,
        note_text=body.note,
        uses_max=body.uses_max,
        expires_ms=body.expires_ms,
        actor=who.actor,
        now_ms=here.now_ms(),
    )
    return InvitationAnswer.model_validate(made)


@router.delete("/invitations/{invitation_id}", Permission.INVITATIONS_WRITE)
def revoke_invitation(here: Here, who: Who, invitation_id: InvitationId) -> None:
    """Let nobody else in with an invitation."""
    if not invitations.revoke_invitation(here.store, invitation_id, actor=who.actor, now_ms=here.now_ms()):
        raise Problem("not_found")
