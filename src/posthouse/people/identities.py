"""Who a member is elsewhere: identities at GitHub or an OpenID provider that sign in to an account here."""

import msgspec
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from posthouse.kernel.secrets import SecretBox
from posthouse.mail.outbox import post
from posthouse.people.errors import IdentityTaken, LastWayIn
from posthouse.people.links import Site
from posthouse.people.profiles import find_person, language_of
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema_people import identities, passkeys, profiles


class Identity(msgspec.Struct, frozen=True):
    """As its owner sees it."""

    provider: str
    subject: str
    name: str
    created_ms: int


class Stranger(msgspec.Struct, frozen=True, kw_only=True):
    """Who the provider says has signed in. `email` is "" unless the provider has verified it."""

    provider: str
    subject: str
    name: str
    email: str


def find_owner(connection: Connection, stranger: Stranger) -> str | None:
    """The account that the identity signs in to."""
    query = select(identities.c.account_id).where(
        identities.c.provider == stranger.provider, identities.c.subject == stranger.subject
    )
    return connection.execute(query).scalar()


def list_identities(store: Store, account_id: str) -> list[Identity]:
    """The account's, the oldest first."""
    query = (
        select(*(identities.c[name] for name in Identity.__struct_fields__))
        .where(identities.c.account_id == account_id)
        .order_by(identities.c.created_ms, identities.c.provider, identities.c.subject)
    )
    with store.read() as connection:
        return [Identity(**row._mapping) for row in connection.execute(query)]


def add_identity(
    connection: Connection, account_id: str, stranger: Stranger, *, actor: str, now_ms: int
) -> None:
    """Within the caller's transaction, which has failed with IdentityTaken."""
    try:
        connection.execute(
            insert(identities).values(
                provider=stranger.provider,
                subject=stranger.subject,
                account_id=account_id,
                name=stranger.name,
                created_ms=now_ms,
            )
        )
    except IntegrityError:
        raise IdentityTaken from None
    _note(connection, account_id, "identity.link", actor, now_ms, stranger.provider)


def link(
    store: Store, box: SecretBox, account_id: str, stranger: Stranger, site: Site, *, now_ms: int
) -> None:
    """Let the identity sign in to the account. Raises IdentityTaken."""
    with store.begin() as connection:
        add_identity(connection, account_id, stranger, actor=account_id, now_ms=now_ms)
        person = find_person(connection, account_id)
        warning = site.warning("identity", language_of(person.language), person.email)
        post(connection, box, warning, now_ms=now_ms)


def unlink(store: Store, account_id: str, provider: str, subject: str, *, actor: str, now_ms: int) -> bool:
    """Let it sign in no more. False where the account has none such. Raises LastWayIn."""
    mine = (
        (identities.c.account_id == account_id)
        & (identities.c.provider == provider)
        & (identities.c.subject == subject)
    )
    with store.begin() as connection:
        if connection.execute(delete(identities).where(mine)).rowcount == 0:
            return False
        check_way_in(connection, account_id)
        _note(connection, account_id, "identity.unlink", actor, now_ms, provider)
    return True


def check_way_in(connection: Connection, account_id: str) -> None:
    """That the account can be signed in to as it is in this transaction. A password that was never set can
    be, by mail, but nobody should need that who takes a way away. Raises LastWayIn."""
    query = select(profiles.c.password_hash).where(profiles.c.account_id == account_id)
    if connection.execute(query).scalar() is not None:
        return
    for table in (identities, passkeys):
        query_count = select(func.count()).select_from(table).where(table.c.account_id == account_id)
        if connection.execute(query_count).scalar_one():
            return
    raise LastWayIn


def _note(
    connection: Connection, account_id: str, action: str, actor: str, now_ms: int, provider: str
) -> None:
    subject = f"account:{account_id}"
    after = {"provider": provider}
    note(connection, actor=actor, action=action, subject=subject, after=after, at_ms=now_ms)
