"""Passkeys (WebAuthn): the authenticator has checked who holds it, so one is both factors. Each ceremony's
challenge is taken once. The browser proves the origin, so no other site can ask for an answer that counts
here."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
import webauthn
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    options_to_json_dict,
    parse_client_data_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from posthouse.accounts.rules import parse_name
from posthouse.kernel.periods import MINUTE_MS
from posthouse.kernel.secrets import SecretBox
from posthouse.mail.outbox import post
from posthouse.people import one_time
from posthouse.people.errors import IdentityTaken, LinkSpent, TooManyPasskeys, WrongPassword
from posthouse.people.identities import check_way_in
from posthouse.people.links import Site
from posthouse.people.one_time import Kind
from posthouse.people.profiles import find_person, language_of
from posthouse.people.sessions import Device, open_session
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema_people import passkeys, profiles

CEREMONY_MS = 5 * MINUTE_MS  # somebody looks for the telephone
PASSKEYS_MAX = 20  # of one account: a list that a person can read
NAME_CHARS_MAX = 60


class Passkey(msgspec.Struct, frozen=True):
    """As its owner sees it."""

    id: str
    name: str
    created_ms: int
    used_ms: int | None


class RelyingParty(msgspec.Struct, frozen=True):
    """Who asks the browser: the site's name and its one origin, such as https://relay.example.org."""

    name: str
    origin: str

    @property
    def id(self) -> str:
        return urlsplit(self.origin).hostname or ""


def list_passkeys(store: Store, account_id: str) -> list[Passkey]:
    """The account's, the oldest first."""
    query = (
        select(*(passkeys.c[name] for name in Passkey.__struct_fields__))
        .where(passkeys.c.account_id == account_id)
        .order_by(passkeys.c.created_ms, passkeys.c.id)
    )
    with store.read() as connection:
        return [Passkey(**row._mapping) for row in connection.execute(query)]


def begin_adding(store: Store, party: RelyingParty, account_id: str, *, now_ms: int) -> dict[str, Any]:
    """What the browser's `navigator.credentials.create` needs. Raises TooManyPasskeys where there are
    enough."""
    known = list_passkeys(store, account_id)
    if len(known) >= PASSKEYS_MAX:
        raise TooManyPasskeys
    with store.begin() as connection:
        person = find_person(connection, account_id)
        challenge = _challenge(connection, "passkey_new", account_id, now_ms)
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name or party.id,
        user_id=account_id.encode(),
        user_name=person.email,
        user_display_name=person.name or person.email,
        challenge=challenge,
        timeout=CEREMONY_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,  # so that it signs in without an email being typed
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(base64url_to_bytes(one.id)) for one in known],
    )
    return options_to_json_dict(options)


def add_passkey(
    store: Store,
    box: SecretBox,
    party: RelyingParty,
    account_id: str,
    credential: dict[str, Any],
    name: str,
    site: Site,
    *,
    actor: str,
    now_ms: int,
) -> Passkey:
    """Take the browser's answer. Raises LinkSpent for one that is none, or not to a challenge that waits;
    UnfitValue, IdentityTaken."""
    name = parse_name(name, NAME_CHARS_MAX, is_needed=True)
    challenge = _take_challenge(store, "passkey_new", credential, account_id, now_ms)
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):  # what no browser sends
        raise LinkSpent from None
    made = Passkey(bytes_to_base64url(verified.credential_id), name, now_ms, None)
    with store.begin() as connection:
        try:
            connection.execute(
                insert(passkeys).values(
                    **msgspec.structs.asdict(made),
                    account_id=account_id,
                    public_key=verified.credential_public_key,
                    sign_count=verified.sign_count,
                )
            )
        except IntegrityError:
            raise IdentityTaken from None
        person = find_person(connection, account_id)
        _note(connection, account_id, "passkey.add", actor, now_ms, name)
        warning = site.warning("passkey", language_of(person.language), person.email)
        post(connection, box, warning, now_ms=now_ms)
    return made


def remove_passkey(store: Store, account_id: str, passkey_id: str, *, actor: str, now_ms: int) -> bool:
    """Let it sign in no more. False where the account has none such. Raises LastWayIn."""
    mine = (passkeys.c.id == passkey_id) & (passkeys.c.account_id == account_id)
    with store.begin() as connection:
        name = connection.execute(delete(passkeys).where(mine).returning(passkeys.c.name)).scalar()
        if name is None:
            return False
        check_way_in(connection, account_id)
        _note(connection, account_id, "passkey.remove", actor, now_ms, name)
    return True


def begin_sign_in(store: Store, party: RelyingParty, *, now_ms: int) -> dict[str, Any]:
    """What the browser's `navigator.credentials.get` needs: the same for everybody, since the authenticator
    knows whose passkey it has."""
    with store.begin() as connection:
        challenge = _challenge(connection, "passkey", "", now_ms)
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=CEREMONY_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def sign_in(
    store: Store, party: RelyingParty, credential: dict[str, Any], device: Device, *, now_ms: int
) -> str:
    """Open a session and return what its cookie has to hold. Raises WrongPassword for an answer that opens
    none, whatever is wrong with it."""
    try:
        challenge = _take_challenge(store, "passkey", credential, "", now_ms)
        return _open(store, party, credential, challenge, device, now_ms)
    except (LinkSpent, WebAuthnException, ValueError, TypeError, KeyError):
        raise WrongPassword("passkey") from None


def _open(
    store: Store,
    party: RelyingParty,
    credential: dict[str, Any],
    challenge: bytes,
    device: Device,
    now_ms: int,
) -> str:
    """Raises WebAuthnException, LinkSpent, ValueError."""
    with store.begin() as connection:
        query = (
            select(passkeys)
            .join(profiles, profiles.c.account_id == passkeys.c.account_id)
            .where(passkeys.c.id == str(credential.get("id")), profiles.c.deleted_ms.is_(None))
        )
        row = connection.execute(query).first()
        if row is None:
            raise LinkSpent
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
        # Where an authenticator counts, an answer that has not counted on is a copy's.
        mine = update(passkeys).where(passkeys.c.id == row.id, passkeys.c.sign_count == row.sign_count)
        counted = mine.values(sign_count=verified.new_sign_count, used_ms=now_ms)
        if connection.execute(counted).rowcount == 0:
            raise LinkSpent
        return open_session(connection, row.account_id, device, now_ms=now_ms)


def _challenge(connection: Connection, kind: Kind, account_id: str, now_ms: int) -> bytes:
    """256 random bits, as the browser gives them back."""
    token = one_time.issue(connection, kind, subject=account_id, now_ms=now_ms, lives_ms=CEREMONY_MS)
    return token.encode()


def _take_challenge(
    store: Store, kind: Kind, credential: dict[str, Any], account_id: str, now_ms: int
) -> bytes:
    """The challenge that the browser answered, which then counts no more. Raises LinkSpent."""
    try:
        data = base64url_to_bytes(credential["response"]["clientDataJSON"])
        challenge = parse_client_data_json(data).challenge
        token = challenge.decode("ascii")
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError):
        raise LinkSpent from None
    with store.begin() as connection:
        taken = one_time.take(connection, kind, token, now_ms=now_ms)
    if taken is None or taken.subject != account_id:
        raise LinkSpent
    return challenge


def _note(connection: Connection, account_id: str, action: str, actor: str, now_ms: int, name: str) -> None:
    after = {"name": name}
    note(
        connection,
        actor=actor,
        action=action,
        subject=f"account:{account_id}",
        after=after,
        at_ms=now_ms,
    )
