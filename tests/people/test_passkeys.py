from typing import Any

import pytest
from tests.people.authenticator import PRESENT, VERIFIED, Authenticator
from tests.people.conftest import NOW_MS, SITE, device, joined, mailed

from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import SecretBox
from posthouse.people import passkeys
from posthouse.people.errors import IdentityTaken, LastWayIn, LinkSpent, TooManyPasskeys, WrongPassword
from posthouse.people.passkeys import CEREMONY_MS, PASSKEYS_MAX, Passkey, RelyingParty
from posthouse.people.profiles import change_profile
from posthouse.people.sessions import find_session
from posthouse.store.engine import Store

PARTY = RelyingParty("Posthouse", "https://relay.example.org")


def begun(store: Store, account_id: str) -> dict[str, Any]:
    return passkeys.begin_adding(store, PARTY, account_id, now_ms=NOW_MS)


def add(
    store: Store,
    box: SecretBox,
    account_id: str,
    answer: dict[str, Any],
    now_ms: int = NOW_MS,
    name: str = "phone",
) -> Passkey:
    return passkeys.add_passkey(
        store, box, PARTY, account_id, answer, name, SITE, actor=account_id, now_ms=now_ms
    )


def added(store: Store, box: SecretBox, account_id: str) -> Authenticator:
    phone = Authenticator(PARTY.origin)
    add(store, box, account_id, phone.create(begun(store, account_id)))
    return phone


def options(store: Store) -> dict[str, Any]:
    return passkeys.begin_sign_in(store, PARTY, now_ms=NOW_MS)


def sign_in(store: Store, answer: dict[str, Any], now_ms: int = NOW_MS) -> str:
    return passkeys.sign_in(store, PARTY, answer, device(), now_ms=now_ms)


def test_a_passkey_signs_in(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    phone = added(store, box, account_id)
    secret = sign_in(store, phone.get(options(store)))
    signed_in = find_session(store, secret, now_ms=NOW_MS)
    assert signed_in is not None
    assert signed_in.account_id == account_id
    (listed,) = passkeys.list_passkeys(store, account_id)
    assert (listed.name, listed.used_ms) == ("phone", NOW_MS)
    assert [letter.to for letter in mailed(store, box)] == ["ann@example.org"]


def test_an_answer_counts_once_and_for_a_while(store: Store, box: SecretBox) -> None:
    phone = added(store, box, joined(store).account_id)
    answer = phone.get(options(store))
    assert sign_in(store, answer)
    with pytest.raises(WrongPassword):
        sign_in(store, answer)
    with pytest.raises(WrongPassword):
        sign_in(store, phone.get(options(store)), NOW_MS + CEREMONY_MS)


def test_a_copy_that_has_not_counted_on_is_refused(store: Store, box: SecretBox) -> None:
    phone = added(store, box, joined(store).account_id)
    sign_in(store, phone.get(options(store)))
    phone.count = 0
    with pytest.raises(WrongPassword):
        sign_in(store, phone.get(options(store)))


def test_no_other_site_gets_in(store: Store, box: SecretBox) -> None:
    phone = added(store, box, joined(store).account_id)
    phone.origin = "https://relay.example.org.evil.test"
    with pytest.raises(WrongPassword):
        sign_in(store, phone.get(options(store)))


def test_its_holder_has_to_be_checked(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    careless = Authenticator(PARTY.origin, flags=PRESENT)
    with pytest.raises(LinkSpent):
        add(store, box, account_id, careless.create(begun(store, account_id)))
    phone = added(store, box, account_id)
    phone.flags = PRESENT
    with pytest.raises(WrongPassword):
        sign_in(store, phone.get(options(store)))
    phone.flags = VERIFIED  # verified, and yet not there
    with pytest.raises(WrongPassword):
        sign_in(store, phone.get(options(store)))


def test_a_strangers_passkey_signs_in_nowhere(store: Store, box: SecretBox) -> None:
    phone = added(store, box, joined(store).account_id)
    stranger = Authenticator(PARTY.origin)
    with pytest.raises(WrongPassword):
        sign_in(store, stranger.get(options(store)))
    stranger.id = phone.id  # says it is Ann's
    with pytest.raises(WrongPassword):
        sign_in(store, stranger.get(options(store)))


def test_a_challenge_is_for_what_it_was_made_for(store: Store, box: SecretBox) -> None:
    ann, eve = joined(store).account_id, joined(store, "eve@example.org").account_id
    phone = added(store, box, ann)
    for_adding = begun(store, ann)
    with pytest.raises(WrongPassword):  # not for signing in
        sign_in(store, phone.get({"rpId": PARTY.id, "challenge": for_adding["challenge"]}))
    another = Authenticator(PARTY.origin)
    with pytest.raises(LinkSpent):  # not for another account
        add(store, box, eve, another.create(begun(store, ann)))
    with pytest.raises(IdentityTaken):  # one passkey, one account
        add(store, box, eve, phone.create(begun(store, eve)))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"response": {}},
        {"response": 7},
        {"response": {"clientDataJSON": "%%%"}},
        {"response": {"clientDataJSON": "e30"}},
        {
            "id": 7,
            "response": {"clientDataJSON": "eyJ0eXBlIjoieCIsImNoYWxsZW5nZSI6Il9fOCIsIm9yaWdpbiI6IngifQ"},
        },
    ],
)
def test_rubbish_signs_in_nowhere(store: Store, box: SecretBox, answer: dict[str, Any]) -> None:
    with pytest.raises(WrongPassword):
        sign_in(store, answer)
    account_id = joined(store).account_id
    with pytest.raises(LinkSpent):
        add(store, box, account_id, answer)


def test_an_answer_that_lacks_a_part_signs_in_nowhere(store: Store, box: SecretBox) -> None:
    phone = added(store, box, joined(store).account_id)
    for part in ("authenticatorData", "signature"):
        answer = phone.get(options(store))
        answer["response"][part] = "AA"
        with pytest.raises(WrongPassword):
            sign_in(store, answer)
    answer = phone.get(options(store))
    del answer["rawId"]
    with pytest.raises(WrongPassword):
        sign_in(store, answer)


def test_names_and_numbers_are_bounded(store: Store, box: SecretBox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PASSKEYS_MAX > 1
    account_id = joined(store).account_id
    for name in ("", "x" * 61, "a\nb"):
        with pytest.raises(UnfitValue):
            add(store, box, account_id, {}, name=name)
    monkeypatch.setattr(passkeys, "PASSKEYS_MAX", 1)
    added(store, box, account_id)
    with pytest.raises(TooManyPasskeys):
        begun(store, account_id)


def test_the_last_way_in_stays(store: Store, box: SecretBox) -> None:
    account_id, eve = joined(store).account_id, joined(store, "eve@example.org").account_id
    added(store, box, account_id)
    (listed,) = passkeys.list_passkeys(store, account_id)

    def remove(owner: str) -> bool:
        return passkeys.remove_passkey(store, owner, listed.id, actor=owner, now_ms=NOW_MS)

    assert remove(eve) is False
    with store.begin() as connection:
        change_profile(connection, account_id, password_hash=None)
    with pytest.raises(LastWayIn):
        remove(account_id)
    added(store, box, account_id)
    assert remove(account_id) is True
    assert remove(account_id) is False
