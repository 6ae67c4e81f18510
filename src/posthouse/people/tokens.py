"""Personal access tokens: what a member's own scripts call the REST API with."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from posthouse.accounts.rules import parse_name
from posthouse.kernel.ids import new_id
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import hash_key, is_key_shaped, new_key
from posthouse.people.errors import TooManyTokens
from posthouse.people.roles import Role
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_people import access_tokens, profiles

PREFIX = "pht_"
TOKENS_MAX = 50  # of one account: a list that a person can read
NAME_CHARS_MAX = 100
USED_STEP_MS = 60_000


class Token(Struct, frozen=True):
    """A token as its owner sees it after the one time that it was shown."""

    id: str
    hint: str
    name: str
    scopes: tuple[str, ...]
    created_ms: int
    expires_ms: int | None
    used_ms: int | None


class NewToken(Struct, frozen=True):
    """The only time that the whole token is seen."""

    id: str
    token: str


class TokenHolder(Struct, frozen=True):
    """Who calls with a token, and what the token may do at most."""

    token_id: str
    account_id: str
    email: str
    role: Role
    language: str
    scopes: tuple[str, ...]


def create_token(
    store: Store,
    account_id: str,
    *,
    name: str,
    scopes: tuple[str, ...],
    expires_ms: int | None,
    actor: str,
    now_ms: int,
) -> NewToken:
    """Make a token for an account. Raises UnfitValue, TooManyTokens."""
    name = parse_name(name, NAME_CHARS_MAX, is_needed=True)
    if expires_ms is not None and expires_ms <= now_ms:
        raise UnfitValue("expires_ms", "past")
    made = NewToken(new_id("tok"), new_key(PREFIX))
    mine = access_tokens.c.account_id == account_id
    with store.begin() as connection:
        if connection.execute(select(func.count()).where(mine)).scalar_one() >= TOKENS_MAX:
            raise TooManyTokens
        connection.execute(
            insert(access_tokens).values(
                id=made.id,
                hash=hash_key(made.token.encode()),
                hint=f"{PREFIX}…{made.token[-4:]}",
                account_id=account_id,
                name=name,
                scopes=msgspec.json.encode(sorted(set(scopes))).decode(),
                created_ms=now_ms,
                expires_ms=expires_ms,
            )
        )
        note(
            connection,
            actor=actor,
            action="token.create",
            subject=f"token:{made.id}",
            after=_told(name, scopes, expires_ms),
            at_ms=now_ms,
        )
    return made


def list_tokens(store: Store, account_id: str) -> list[Token]:
    """The account's tokens, the newest first, expired ones too."""
    query = (
        select(*(access_tokens.c[name] for name in Token.__struct_fields__))
        .where(access_tokens.c.account_id == account_id)
        .order_by(access_tokens.c.created_ms.desc(), access_tokens.c.id)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    return [Token(**{**row._mapping, "scopes": _scopes(row.scopes)}) for row in rows]


def delete_token(store: Store, account_id: str, token_id: str, *, actor: str, now_ms: int) -> bool:
    """End a token of the account. False when it has none of that id."""
    with store.begin() as connection:
        mine = (access_tokens.c.id == token_id) & (access_tokens.c.account_id == account_id)
        return _delete(connection, mine, actor, now_ms) > 0


def delete_all(connection: Connection, account_id: str, *, actor: str, now_ms: int) -> None:
    """End all tokens of the account within the caller's transaction."""
    _delete(connection, access_tokens.c.account_id == account_id, actor, now_ms)


def _delete(connection: Connection, which: ColumnElement[bool], actor: str, now_ms: int) -> int:
    gone = connection.execute(delete(access_tokens).where(which).returning(access_tokens)).all()
    for row in gone:
        note(
            connection,
            actor=actor,
            action="token.delete",
            subject=f"token:{row.id}",
            before=_told(row.name, _scopes(row.scopes), row.expires_ms),
            at_ms=now_ms,
        )
    return len(gone)


def _told(name: str, scopes: Iterable[str], expires_ms: int | None) -> dict[str, object]:
    """What the log says of a token."""
    return {"name": name, "scopes": sorted(set(scopes)), "expires_ms": expires_ms}


def find_holder(store: Store, token: str, *, now_ms: int) -> TokenHolder | None:
    """Who calls with that token, if it counts. Notes its use, once a minute."""
    if not token.startswith(PREFIX) or not is_key_shaped(token):
        return None
    query = (
        select(access_tokens, accounts.c.email, accounts.c.status, profiles.c.role, profiles.c.language)
        .join(accounts, accounts.c.id == access_tokens.c.account_id)
        .join(profiles, profiles.c.account_id == access_tokens.c.account_id, isouter=True)
        .where(access_tokens.c.hash == hash_key(token.encode()))
    )
    with store.read() as connection:
        row = connection.execute(query).first()
    if row is None or (row.expires_ms is not None and row.expires_ms <= now_ms):
        return None
    if now_ms - (row.used_ms or 0) >= USED_STEP_MS:
        with store.begin() as connection:
            connection.execute(
                update(access_tokens).where(access_tokens.c.id == row.id).values(used_ms=now_ms)
            )
    return TokenHolder(
        token_id=row.id,
        account_id=row.account_id,
        email=row.email,
        role=Role(row.role or Role.MEMBER) if row.status == "active" else Role.MEMBER,
        language=row.language or "",
        scopes=_scopes(row.scopes),
    )


def _scopes(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
