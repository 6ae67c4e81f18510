"""Invitations that the operator gives out, and members' referral codes: both stand in a link to the
registration. An invitation lets people in where registration is by invitation; a referral code says who
sent them."""

import secrets
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, or_, select, update

from posthouse.kernel.ids import new_id
from posthouse.kernel.problems import UnfitValue
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema_people import invitations

USES_MAX = 100_000
NOTE_CHARS_MAX = 200
PAGE_MAX = 201
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none is mistaken for another
_GROUPS, _GROUP = 4, 4  # 80 bits: nobody guesses one


class Invitation(msgspec.Struct, frozen=True):
    """How often it may be used, and was."""

    id: str
    code: str
    note: str
    uses_max: int
    used: int
    expires_ms: int | None
    revoked_ms: int | None
    created_ms: int


def new_code(groups: int = _GROUPS) -> str:
    """Letters to read out: "7H3K-…"."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(groups))


def clean_code(text: str) -> str:
    """As it is stored, whatever case and spaces somebody typed."""
    return text.strip().upper()


def create_invitation(
    store: Store,
    *,
    note_text: str = "",
    uses_max: int = 1,
    expires_ms: int | None = None,
    actor: str,
    now_ms: int,
) -> Invitation:
    """Raises UnfitValue."""
    if not 1 <= uses_max <= USES_MAX:
        raise UnfitValue("uses_max", "between", min=1, max=USES_MAX)
    if len(note_text) > NOTE_CHARS_MAX:
        raise UnfitValue("note", "string_too_long", max_length=NOTE_CHARS_MAX)
    if expires_ms is not None and expires_ms <= now_ms:
        raise UnfitValue("expires_ms", "past")
    made = Invitation(new_id("ivt"), new_code(), note_text.strip(), uses_max, 0, expires_ms, None, now_ms)
    with store.begin() as connection:
        connection.execute(insert(invitations).values(msgspec.structs.asdict(made)))
        _note(connection, "invitation.create", actor, now_ms, after=made)
    return made


def revoke_invitation(store: Store, invitation_id: str, *, actor: str, now_ms: int) -> bool:
    """Let nobody else in with it. False where there is none of that id that counts."""
    mine = (invitations.c.id == invitation_id) & invitations.c.revoked_ms.is_(None)
    with store.begin() as connection:
        revoking = update(invitations).where(mine).values(revoked_ms=now_ms).returning(invitations)
        row = connection.execute(revoking).first()
        if row is None:
            return False
        revoked = Invitation(**row._mapping)
        open_one = msgspec.structs.replace(revoked, revoked_ms=None)
        _note(connection, "invitation.revoke", actor, now_ms, before=open_one, after=revoked)
    return True


def list_invitations(store: Store, *, before_id: str = "", limit: int = PAGE_MAX) -> list[Invitation]:
    """The newest first, those after the one of that id."""
    query = select(invitations).order_by(invitations.c.created_ms.desc(), invitations.c.id.desc())
    with store.read() as connection:
        if before_id:
            at = select(invitations.c.created_ms).where(invitations.c.id == before_id)
            at_ms = connection.execute(at).scalar() or 0
            older = invitations.c.created_ms < at_ms
            same = (invitations.c.created_ms == at_ms) & (invitations.c.id < before_id)
            query = query.where(or_(older, same))
        rows = connection.execute(query.limit(min(limit, PAGE_MAX)))
        return [Invitation(**row._mapping) for row in rows]


def is_open(connection: Connection, code: str, *, now_ms: int) -> bool:
    """Whether it lets somebody in now."""
    return connection.execute(select(invitations.c.id).where(_counts(code, now_ms))).first() is not None


def use(connection: Connection, code: str, *, now_ms: int) -> str | None:
    """Use it once more; its id. None: it lets nobody in now. Of many at once as many get in as it is for."""
    statement = update(invitations).where(_counts(code, now_ms)).values(used=invitations.c.used + 1)
    return connection.execute(statement.returning(invitations.c.id)).scalar()


def _counts(code: str, now_ms: int) -> Any:
    return (
        (invitations.c.code == clean_code(code))
        & (invitations.c.used < invitations.c.uses_max)
        & invitations.c.revoked_ms.is_(None)
        & or_(invitations.c.expires_ms.is_(None), invitations.c.expires_ms > now_ms)
    )


def _note(
    connection: Connection,
    action: str,
    actor: str,
    now_ms: int,
    *,
    before: Invitation | None = None,
    after: Invitation,
) -> None:
    note(
        connection,
        actor=actor,
        action=action,
        subject=f"invitation:{after.id}",
        before=before and _told(before),
        after=_told(after),
        at_ms=now_ms,
    )


def _told(invitation: Invitation) -> dict[str, object]:
    """What the log says of one: all but its code, which lets people in."""
    names = ("note", "uses_max", "used", "expires_ms", "revoked_ms")
    return {name: getattr(invitation, name) for name in names}
