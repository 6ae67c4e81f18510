"""What must hold when many try at once, on PostgreSQL, where transactions do run at once. One database for
all, so each test has days of its own, and the one that counts a day's the last."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from tests.people.conftest import GOOD, HERE, NOW_MS, SITE, Rules, applicant, mailed, token_in
from tests.store.conftest import postgresql_url

from posthouse.accounts.service import create_account
from posthouse.kernel.periods import DAY_MS
from posthouse.kernel.problems import Declined
from posthouse.kernel.secrets import SecretBox
from posthouse.people import invitations, one_time, registration, second_factor
from posthouse.people.errors import TooManyTries
from posthouse.people.owners import has_owner, set_role
from posthouse.people.roles import Role
from posthouse.people.throttles import Throttle, try_all
from posthouse.store.engine import Store, open_store

__all__ = ["postgresql_url"]


@pytest.fixture(scope="module")
def store(postgresql_url: str) -> Iterable[Store]:
    opened = open_store(postgresql_url)
    yield opened
    opened.close()


def at_once(job: Callable[[int], object], number: int) -> int:
    """How many of so many at once got through."""

    def attempt(index: int) -> bool:
        try:
            return job(index) is not False
        except Declined:
            return False

    with ThreadPoolExecutor(number) as pool:
        return sum(pool.map(attempt, range(number)))


def test_no_number_at_once_passes_the_days_limit(store: Store) -> None:
    rules = Rules(verify_email=False, new_accounts_per_day=3, accounts_per_address_per_day=None)

    def join(number: int) -> object:
        who = applicant(f"day{number}@example.org")
        return registration.register(store, rules, who, GOOD, now_ms=NOW_MS + 9 * DAY_MS)

    assert at_once(join, 6) == 3


def test_one_link_makes_one_account(store: Store, box: SecretBox) -> None:
    now_ms, rules = NOW_MS + 2 * DAY_MS, Rules(accounts_per_address_per_day=None)
    for _ in range(2):
        asked = applicant("link@example.org")
        registration.request_registration(store, box, rules, asked, SITE, now_ms=now_ms)
    tokens = [token_in(letter) for letter in mailed(store, box) if letter.to == "link@example.org"]

    def take(number: int) -> object:
        token = tokens[number % 2]
        return registration.register_verified(store, rules, token, GOOD, address_hash=HERE, now_ms=now_ms)

    assert at_once(take, 4) == 1


def test_an_invitation_lets_in_as_many_as_it_is_for(store: Store) -> None:
    now_ms = NOW_MS + 4 * DAY_MS
    rules = Rules(open="invitation", verify_email=False, accounts_per_address_per_day=None)
    code = invitations.create_invitation(store, uses_max=2, actor="acc_op", now_ms=now_ms).code

    def join(number: int) -> object:
        who = applicant(f"guest{number}@example.org", code=code)
        return registration.register(store, rules, who, GOOD, now_ms=now_ms)

    assert at_once(join, 4) == 2


def test_a_code_counts_once(store: Store, box: SecretBox) -> None:
    now_ms = NOW_MS + 6 * DAY_MS
    rules = Rules(verify_email=False, accounts_per_address_per_day=None)
    account_id = registration.register(
        store, rules, applicant("code@example.org"), GOOD, now_ms=now_ms
    ).account_id
    begun = second_factor.begin(store, box, account_id, "Relay", now_ms=now_ms)
    app = pyotp.TOTP(begun.secret)
    first = app.at(now_ms // 1000 - 30)
    recovery, *_ = second_factor.turn_on(
        store, box, account_id, begun.token, first, SITE, actor=account_id, now_ms=now_ms
    )

    def check(code: str) -> object:
        with store.begin() as connection:
            return second_factor.check(connection, box, account_id, code, now_ms=now_ms)

    code = app.at(now_ms // 1000)
    assert at_once(lambda _: check(code), 4) == 1
    assert at_once(lambda _: check(recovery), 4) == 1


def test_a_proof_counts_once(store: Store) -> None:
    def spend(_: int) -> bool:
        with store.begin() as connection:
            return one_time.spend(connection, "proof", "nonce", now_ms=NOW_MS, expires_ms=NOW_MS + 1000)

    assert at_once(spend, 4) == 1


def test_tries_are_counted_and_never_wait_for_each_other(store: Store) -> None:
    """Each transaction counts two tries and forgets others' old ones."""
    throttle, now_ms = Throttle("both", 12, 12_000), NOW_MS + 20 * DAY_MS

    def attempt(number: int) -> None:
        for step in range(3):
            tries = [(throttle, f"person {number}"), (throttle, "all of them")]
            try_all(store, tries, now_ms=now_ms + step * 500)

    assert at_once(attempt, 8) < 8
    with pytest.raises(TooManyTries):
        try_all(store, [(throttle, "all of them")], now_ms=now_ms)


def test_owners_who_demote_each_other_leave_one(store: Store) -> None:
    owners = [f"owner{number}@example.org" for number in range(3)]
    for email in owners:
        create_account(store, email)
        set_role(store, email, Role.OWNER, actor="cli", now_ms=NOW_MS)

    assert at_once(lambda number: set_role(store, owners[number], Role.MEMBER, actor="cli", now_ms=1), 3) == 2
    assert has_owner(store)
