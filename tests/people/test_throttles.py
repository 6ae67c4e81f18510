"""How often something may be tried."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, update
from tests.people.conftest import GOOD, NOW_MS, device, joined

from posthouse.kernel.periods import HOUR_MS
from posthouse.kernel.secrets import SecretBox
from posthouse.people import signing_in
from posthouse.people.errors import TooManyTries, WrongPassword
from posthouse.people.sessions import Device
from posthouse.people.throttles import Throttle, forgive, try_all
from posthouse.store.engine import Store
from posthouse.store.schema_people import profiles, throttles

FIVE = Throttle("five", 5, 50_000)


def tries_left(store: Store, now_ms: int, who: str = "ann") -> int:
    """Tries until it is refused."""
    tried = 0
    while True:
        try:
            try_all(store, [(FIVE, who)], now_ms=now_ms)
        except TooManyTries:
            return tried
        tried += 1


def test_so_many_at_once_and_one_more_each_while(store: Store) -> None:
    assert tries_left(store, NOW_MS) == 5
    assert tries_left(store, NOW_MS + 9_999) == 0
    assert tries_left(store, NOW_MS + 10_000) == 1
    assert tries_left(store, NOW_MS + 40_000) == 3
    assert tries_left(store, NOW_MS + 400_000) == 5
    assert tries_left(store, NOW_MS + 400_000, "bob") == 5


def test_it_says_when_to_try_again(store: Store) -> None:
    tries_left(store, NOW_MS)
    for waited_ms, left_s in ((0, 10.0), (4_000, 6.0), (9_900, 1.0)):
        with pytest.raises(TooManyTries) as refused:
            try_all(store, [(FIVE, "ann")], now_ms=NOW_MS + waited_ms)
        assert refused.value.retry_after_s == left_s


def test_one_refusal_of_several_counts_none(store: Store) -> None:
    tries_left(store, NOW_MS)
    with pytest.raises(TooManyTries):
        try_all(store, [(FIVE, "bob"), (FIVE, "ann")], now_ms=NOW_MS)
    assert tries_left(store, NOW_MS, "bob") == 5


def test_who_gets_it_right_is_forgiven_and_nobody_is_kept_for_long(store: Store) -> None:
    tries_left(store, NOW_MS)
    with store.begin() as connection:
        forgive(connection, FIVE, "ann")
    assert tries_left(store, NOW_MS) == 5
    try_all(store, [(FIVE, "bob")], now_ms=NOW_MS + 50_000)
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(throttles)).scalar() == 1


def test_no_number_at_once_gets_more(store: Store) -> None:
    def attempt(_: int) -> bool:
        try:
            try_all(store, [(FIVE, "ann")], now_ms=NOW_MS)
        except TooManyTries:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 5


def test_who_guesses_from_many_addresses_locks_nobody_out_at_home(
    store: Store, box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the account was signed in to keeps an allowance of its own; elsewhere nobody gets in meanwhile,
    and an account that there is not answers the same."""
    monkeypatch.setattr(signing_in, "ACCOUNT", Throttle("sign_in_account", 3, HOUR_MS))
    joined(store)

    def sign_in(home: int, password: str = GOOD, *, email: str = "ann@example.org", days: int = 0) -> str:
        try:
            signing_in.sign_in(
                store,
                box,
                email=email,
                password=password,
                code="",
                device=Device("", bytes([home]), ""),
                now_ms=NOW_MS + days * 24 * HOUR_MS,
            )
        except (WrongPassword, TooManyTries) as refused:
            return type(refused).__name__
        return "in"

    assert sign_in(1) == "in"
    for days in (0, 91):  # nobody stays known for ever
        for email in ("ann@example.org", "nobody@example.org"):
            guesses = [sign_in(home, "guess", email=email, days=days) for home in range(2, 8)]
            assert guesses[3:] == ["TooManyTries"] * 3
        assert sign_in(9, days=days) == "TooManyTries"
        assert sign_in(1, days=days) == ("TooManyTries" if days else "in")
    assert sign_in(1, days=200) == "in"
    here = [sign_in(1, "guess", days=200) for _ in range(signing_in.HERE.tries + 1)]
    assert here == ["WrongPassword"] * signing_in.HERE.tries + ["TooManyTries"]


def test_an_account_that_there_is_not_costs_as_much_work(
    store: Store, box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the time until the answer would tell who has an account, and who signs in otherwise."""
    joined(store)
    other = joined(store, "bob@example.org").account_id
    with store.begin() as connection:
        connection.execute(update(profiles).filter_by(account_id=other).values(password_hash=None))
    costs: list[str] = []
    verify = PasswordHasher.verify

    def noting(hasher: PasswordHasher, stored: str, password: str) -> bool:
        costs.append(stored.split("$")[3])
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", noting)
    for email in ("ann@example.org", "bob@example.org", "nobody@example.org", "nothing"):
        with pytest.raises(WrongPassword):
            signing_in.sign_in(
                store, box, email=email, password="guess", code="", device=device(), now_ms=NOW_MS
            )
    assert costs == costs[:1] * 4
