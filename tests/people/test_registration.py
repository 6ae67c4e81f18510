from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, func, select
from tests.people.conftest import (
    GOOD,
    HERE,
    NOW_MS,
    OPEN,
    SITE,
    UNVERIFIED,
    Rules,
    applicant,
    joined,
    mailed,
    token_in,
)

from posthouse.accounts import queries
from posthouse.accounts.errors import EmailTaken
from posthouse.kernel.periods import DAY_MS
from posthouse.kernel.problems import Declined, UnfitValue
from posthouse.kernel.secrets import SecretBox, hash_key
from posthouse.mail.letters import NOBODY
from posthouse.people import invitations, registration
from posthouse.people.errors import (
    EmailRefused,
    InvitationNeeded,
    LinkSpent,
    RegistrationClosed,
    TooManyTries,
    WeakPassword,
)
from posthouse.people.passwords import is_password
from posthouse.people.profiles import get_profile
from posthouse.people.registration import Registered
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_desk import audit_log
from posthouse.store.schema_people import profiles

DAY = DAY_MS


def asked(store: Store, box: SecretBox, email: str = "ann@example.org", rules: Rules = OPEN) -> None:
    registration.request_registration(store, box, rules, applicant(email), SITE, now_ms=NOW_MS)


def account_count(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(accounts)).scalar_one()


def test_the_link_in_the_mail_makes_the_account(store: Store, box: SecretBox) -> None:
    asked(store, box)
    assert account_count(store) == 0
    (letter,) = mailed(store, box)
    assert letter.to == "ann@example.org"
    made = registration.register_verified(
        store, OPEN, token_in(letter), GOOD, address_hash=HERE, now_ms=NOW_MS + 1
    )
    profile = get_profile(store, made.account_id)
    assert (profile.email, profile.is_email_verified, profile.has_password) == ("ann@example.org", True, True)
    assert made.key is not None
    entry = queries.find_entry(store, hash_key(made.key.key.encode()))
    assert entry is not None
    assert entry.account_id == made.account_id
    with pytest.raises(LinkSpent):
        registration.register_verified(
            store, OPEN, token_in(letter), GOOD, address_hash=HERE, now_ms=NOW_MS + 2
        )
    with store.read() as connection:
        actions = connection.execute(select(audit_log.c.action, audit_log.c.actor)).all()
    made_by = {(action, made.account_id) for action in ("account.create", "key.create", "account.register")}
    assert made_by <= set(actions)


def test_a_link_that_is_too_old_makes_none(store: Store, box: SecretBox) -> None:
    asked(store, box)
    token = token_in(mailed(store, box)[0])
    with pytest.raises(LinkSpent):
        registration.register_verified(store, OPEN, token, GOOD, address_hash=HERE, now_ms=NOW_MS + DAY)


def test_a_weak_password_leaves_the_link_good(store: Store, box: SecretBox) -> None:
    asked(store, box)
    token = token_in(mailed(store, box)[0])
    with pytest.raises(WeakPassword):
        registration.register_verified(store, OPEN, token, "short", address_hash=HERE, now_ms=NOW_MS)
    registration.register_verified(store, OPEN, token, GOOD, address_hash=HERE, now_ms=NOW_MS)
    assert account_count(store) == 1


def test_asking_tells_nobody_who_has_an_account(store: Store, box: SecretBox) -> None:
    """The same answer, the same statements; only the mailbox's owner learns which it is."""
    joined(store)
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    asked(store, box, "ann@example.org")
    for_known = list(statements)
    statements.clear()
    asked(store, box, "bob@example.org")
    assert statements == for_known
    known, unknown = mailed(store, box)
    assert "already" in known.subject
    assert "#token=" not in known.text
    assert "#token=" in unknown.text


def test_a_mailbox_is_not_flooded(store: Store, box: SecretBox) -> None:
    for _ in range(5):
        asked(store, box)
    letters = mailed(store, box)
    assert [letter == NOBODY for letter in letters] == [False] * 3 + [True] * 2


def test_whoever_is_first_gets_the_address(store: Store, box: SecretBox) -> None:
    """Two links to one mailbox: the second finds the account there."""
    asked(store, box)
    asked(store, box)
    tokens = [token_in(letter) for letter in mailed(store, box)]

    def take(token: str) -> Registered | type[Declined]:
        try:
            return registration.register_verified(store, OPEN, token, GOOD, address_hash=HERE, now_ms=NOW_MS)
        except Declined as error:
            return type(error)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(take, tokens))
    assert sorted(isinstance(result, Registered) for result in results) == [False, True]
    assert LinkSpent in results
    assert account_count(store) == 1


def test_without_verification_the_account_is_there_at_once(store: Store) -> None:
    made = joined(store)
    assert get_profile(store, made.account_id).is_email_verified is False
    with store.read() as connection:
        stored = connection.execute(select(profiles.c.password_hash)).scalar_one()
    assert is_password(stored, GOOD)
    assert GOOD not in stored
    with pytest.raises(EmailTaken):
        joined(store)
    with pytest.raises(RegistrationClosed):
        registration.register(store, OPEN, applicant("bob@example.org"), GOOD, now_ms=NOW_MS)


def test_no_free_key_where_there_is_none(store: Store) -> None:
    assert joined(store, rules=Rules(verify_email=False, free_key=False)).key is None


def test_who_may_not_register(store: Store, box: SecretBox) -> None:
    with pytest.raises(RegistrationClosed):
        asked(store, box, rules=Rules(open="closed"))
    with pytest.raises(RegistrationClosed):
        asked(store, box, rules=Rules(new_accounts_per_day=0))
    with pytest.raises(EmailRefused):
        asked(store, box, "ann@elsewhere.test")
    with pytest.raises(InvitationNeeded):
        asked(store, box, rules=Rules(open="invitation"))
    assert mailed(store, box) == []


def test_only_so_many_from_one_address(store: Store) -> None:
    for name in "abc":
        joined(store, f"{name}@example.org")
    with pytest.raises(TooManyTries) as refused:
        joined(store, "d@example.org")
    assert refused.value.retry_after_s == DAY / 1000
    assert refused.value.code == "too_many_registrations"
    elsewhere = applicant("d@example.org", address_hash=b"elsewhere")
    registration.register(store, UNVERIFIED, elsewhere, GOOD, now_ms=NOW_MS)
    registration.register(store, UNVERIFIED, applicant("e@example.org"), GOOD, now_ms=NOW_MS + DAY)


def test_no_number_at_once_passes_the_days_limit(store: Store) -> None:
    rules = Rules(verify_email=False, new_accounts_per_day=3, accounts_per_address_per_day=None)

    def join(number: int) -> bool:
        try:
            joined(store, f"{number}@example.org", rules)
        except TooManyTries:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(join, range(8))) == 3
    assert account_count(store) == 3


def test_an_invitation_lets_in_as_many_as_it_is_for(store: Store) -> None:
    rules = Rules(open="invitation", verify_email=False, accounts_per_address_per_day=None)
    made = invitations.create_invitation(store, uses_max=2, actor="acc_op", now_ms=NOW_MS)

    def join(number: int) -> bool:
        try:
            joined(store, f"{number}@example.org", rules, code=f" {made.code.lower()} ")
        except InvitationNeeded:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(join, range(4))) == 2
    (shown,) = invitations.list_invitations(store)
    assert shown.used == 2


def test_an_invitation_that_is_over_lets_nobody_in(store: Store) -> None:
    rules = Rules(open="invitation", verify_email=False)
    old = invitations.create_invitation(store, expires_ms=NOW_MS, actor="acc_op", now_ms=NOW_MS - 1)
    gone = invitations.create_invitation(store, actor="acc_op", now_ms=NOW_MS)
    assert invitations.revoke_invitation(store, gone.id, actor="acc_op", now_ms=NOW_MS) is True
    assert invitations.revoke_invitation(store, gone.id, actor="acc_op", now_ms=NOW_MS) is False
    for code in (old.code, gone.code, "", "7H3K"):
        with pytest.raises(InvitationNeeded):
            joined(store, rules=rules, code=code)


@pytest.mark.parametrize("wrong", [{"uses_max": 0}, {"expires_ms": NOW_MS}, {"note_text": "x" * 201}])
def test_what_no_invitation_can_be(store: Store, wrong: dict[str, int]) -> None:
    with pytest.raises(UnfitValue):
        invitations.create_invitation(store, actor="acc_op", now_ms=NOW_MS, **wrong)


def test_invitations_are_listed_in_pages(store: Store) -> None:
    for at_ms in (1, 2, 2, 2, 3):
        invitations.create_invitation(store, actor="acc_op", now_ms=at_ms)
    everything = [one.id for one in invitations.list_invitations(store)]
    pages, last = [], ""
    while page := invitations.list_invitations(store, before_id=last, limit=2):
        pages += [one.id for one in page]
        last = page[-1].id
    assert pages == everything
    assert len(pages) == 5


def test_a_referral_code_says_who_sent_them(store: Store) -> None:
    ann = joined(store)
    code = get_profile(store, ann.account_id).referral_code
    bob = joined(store, "bob@example.org", code=code.lower())
    with store.read() as connection:
        query = select(profiles.c.invited_by).where(profiles.c.account_id == bob.account_id)
        assert connection.execute(query).scalar_one() == ann.account_id
    with pytest.raises(InvitationNeeded):
        joined(store, "eve@example.org", code="NOBODYS")
    with pytest.raises(InvitationNeeded):  # it says who sent them, it does not let them in
        joined(store, "eve@example.org", Rules(open="invitation", verify_email=False), code=code)
