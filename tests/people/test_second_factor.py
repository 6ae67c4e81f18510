from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from tests.people.conftest import GOOD, NOW_MS, SITE, device, joined, mailed

from posthouse.catalogue.sealed import reseal
from posthouse.kernel.problems import Declined
from posthouse.kernel.secrets import SecretBox
from posthouse.people import second_factor, signing_in
from posthouse.people.errors import LinkSpent, SecondFactorNeeded, WrongCode
from posthouse.people.profiles import get_profile
from posthouse.people.second_factor import SETTING_UP_MS, STEP_S
from posthouse.store.engine import Store

STEP_MS = STEP_S * 1000


def turned_on(store: Store, box: SecretBox, account_id: str) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    """The app, and the recovery codes."""
    begun = second_factor.begin(store, box, account_id, "Posthouse", now_ms=NOW_MS)
    app = pyotp.TOTP(begun.secret)
    code = app.at((NOW_MS - STEP_MS) // 1000)
    codes = second_factor.turn_on(
        store, box, account_id, begun.token, code, SITE, actor=account_id, now_ms=NOW_MS
    )
    return app, codes


def sign_in(store: Store, box: SecretBox, code: str, now_ms: int = NOW_MS) -> str:
    return signing_in.sign_in(
        store,
        box,
        email="ann@example.org",
        password=GOOD,
        code=code,
        device=device(),
        now_ms=now_ms,
    )


def test_a_code_is_needed_once_it_is_on(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    assert sign_in(store, box, "")
    assert get_profile(store, account_id).has_totp is False
    app, _ = turned_on(store, box, account_id)
    assert get_profile(store, account_id).has_totp
    with pytest.raises(SecondFactorNeeded):
        sign_in(store, box, "")
    with pytest.raises(WrongCode):
        sign_in(store, box, "000000" if app.at(NOW_MS // 1000) != "000000" else "111111")
    code = app.at(NOW_MS // 1000)
    assert sign_in(store, box, f"{code[:3]} {code[3:]}")
    with pytest.raises(WrongCode):  # each once
        sign_in(store, box, code)
    assert [letter.to for letter in mailed(store, box)] == ["ann@example.org"]


@pytest.mark.parametrize(("apart", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_be_a_little_apart(store: Store, box: SecretBox, apart: int, counts: bool) -> None:
    account_id = joined(store).account_id
    app, _ = turned_on(store, box, account_id)
    later_ms = NOW_MS + 10 * STEP_MS
    code = app.at((later_ms + apart * STEP_MS) // 1000)
    if counts:
        assert sign_in(store, box, code, later_ms)
    else:
        with pytest.raises(WrongCode):
            sign_in(store, box, code, later_ms)


def test_of_two_with_one_code_one_gets_in(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    app, (first, *_) = turned_on(store, box, account_id)

    def try_it(code: str) -> bool:
        try:
            return bool(sign_in(store, box, code))
        except Declined:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_it, [app.at(NOW_MS // 1000)] * 4)) == 1
        assert sum(pool.map(try_it, [first.lower()] * 4)) == 1


def test_recovery_codes_are_renewed(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    app, old = turned_on(store, box, account_id)
    assert len(set(old)) == 10
    code = app.at(NOW_MS // 1000)
    new = second_factor.renew_recovery_codes(store, box, account_id, code, actor=account_id, now_ms=NOW_MS)
    assert not set(new) & set(old)
    with pytest.raises(WrongCode):
        sign_in(store, box, old[0])
    assert sign_in(store, box, new[0].replace("-", " "))


def test_it_is_turned_off_with_a_code(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    _, codes = turned_on(store, box, account_id)

    def turn_off(code: str) -> None:
        second_factor.turn_off(store, box, account_id, code, SITE, actor=account_id, now_ms=NOW_MS)

    with pytest.raises(SecondFactorNeeded):
        turn_off("")
    turn_off(codes[3])
    turn_off("")  # it is off: nothing to ask for
    assert sign_in(store, box, "")
    with pytest.raises(LinkSpent):
        second_factor.renew_recovery_codes(store, box, account_id, "", actor=account_id, now_ms=NOW_MS)


def test_setting_up_is_one_accounts_and_takes_a_while_at_most(store: Store, box: SecretBox) -> None:
    ann, eve = joined(store).account_id, joined(store, "eve@example.org").account_id
    begun = second_factor.begin(store, box, ann, "Posthouse", now_ms=NOW_MS)
    assert begun.secret in begun.uri
    assert "Posthouse" in begun.uri

    def turn_on(account_id: str, code: str, now_ms: int) -> None:
        second_factor.turn_on(
            store, box, account_id, begun.token, code, SITE, actor=account_id, now_ms=now_ms
        )

    code = pyotp.TOTP(begun.secret).at(NOW_MS // 1000)
    with pytest.raises(LinkSpent):
        turn_on(eve, code, NOW_MS)
    with pytest.raises(WrongCode):
        turn_on(ann, "", NOW_MS)
    late_ms = NOW_MS + SETTING_UP_MS
    with pytest.raises(LinkSpent):
        turn_on(ann, pyotp.TOTP(begun.secret).at(late_ms // 1000), late_ms)
    turn_on(ann, code, NOW_MS)
    with pytest.raises(LinkSpent):
        turn_on(ann, code, NOW_MS)


def test_a_new_master_key_opens_what_the_old_one_sealed(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    app, _ = turned_on(store, box, account_id)
    new = SecretBox(b"n" * 32, bytes(32))
    reseal(store, new, now_ms=NOW_MS)
    only_new = SecretBox(b"n" * 32)
    assert sign_in(store, only_new, app.at(NOW_MS // 1000))
    assert [letter.to for letter in mailed(store, only_new)] == ["ann@example.org"]
