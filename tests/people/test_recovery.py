import pytest
from sqlalchemy import event, func, select
from tests.people.conftest import GOOD, NOW_MS, OPEN, SITE, device, joined, mailed, token_in

from posthouse.accounts import queries, service
from posthouse.accounts.errors import UnknownAccount
from posthouse.kernel.periods import HOUR_MS
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import SecretBox, hash_key
from posthouse.mail.letters import NOBODY
from posthouse.people import profiles, recovery, signing_in, tokens
from posthouse.people.errors import (
    EmailRefused,
    LastOwner,
    LinkSpent,
    NotThePassword,
    WeakPassword,
    WrongPassword,
)
from posthouse.people.identities import Stranger, add_identity, list_identities
from posthouse.people.profiles import change_profile, get_profile
from posthouse.people.sessions import find_session, list_sessions, open_session
from posthouse.store.engine import Store
from posthouse.store.schema import ledger_accounts
from posthouse.store.schema_desk import audit_log

NEW = "battery staple 7"


def reset_mailed(store: Store, box: SecretBox, email: str = "ann@example.org", now_ms: int = NOW_MS) -> str:
    """The token of the link that came; "" where none did."""
    recovery.request_reset(store, box, email, "en", SITE, now_ms=now_ms)
    letter = mailed(store, box)[-1]
    return "" if letter == NOBODY else token_in(letter)


def reset(
    store: Store, box: SecretBox, token: str, password: str, *, revoke_tokens: bool = True, now_ms: int
) -> str:
    return recovery.reset_password(
        store, box, token, password, SITE, revoke_tokens=revoke_tokens, now_ms=now_ms
    )


def session(store: Store, account_id: str) -> str:
    with store.begin() as connection:
        return open_session(connection, account_id, device(), now_ms=NOW_MS)


def sign_in(store: Store, box: SecretBox, password: str) -> str:
    return signing_in.sign_in(
        store,
        box,
        email="ann@example.org",
        password=password,
        code="",
        device=device(),
        now_ms=NOW_MS,
    )


def test_a_forgotten_password_is_set_anew(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    secret = session(store, account_id)
    token = reset_mailed(store, box)
    assert reset(store, box, token, NEW, now_ms=NOW_MS) == account_id
    assert find_session(store, secret, now_ms=NOW_MS) is None
    assert sign_in(store, box, NEW)
    with pytest.raises(WrongPassword):
        sign_in(store, box, GOOD)
    with pytest.raises(LinkSpent):
        reset(store, box, token, GOOD, now_ms=NOW_MS)
    assert get_profile(store, account_id).is_email_verified
    assert ["changed" in letter.subject for letter in mailed(store, box)] == [True]


def test_a_member_made_by_command_sets_the_first_password(store: Store, box: SecretBox) -> None:
    account = service.create_account(store, "ann@example.org")
    assert get_profile(store, account.id).has_password is False
    reset(store, box, reset_mailed(store, box), NEW, now_ms=NOW_MS)
    assert sign_in(store, box, NEW)


def test_asking_tells_nobody_who_has_an_account(store: Store, box: SecretBox) -> None:
    joined(store)
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    recovery.request_reset(store, box, "ann@example.org", "en", SITE, now_ms=NOW_MS)
    for_known = list(statements)
    statements.clear()
    recovery.request_reset(store, box, "bob@example.org", "en", SITE, now_ms=NOW_MS)
    assert statements == for_known
    assert [letter == NOBODY for letter in mailed(store, box)] == [False, True]


def test_a_link_counts_for_an_hour_and_mails_are_few(store: Store, box: SecretBox) -> None:
    joined(store)
    links = [reset_mailed(store, box) for _ in range(4)]
    assert [bool(token) for token in links] == [True, True, True, False]
    with pytest.raises(LinkSpent):
        reset(store, box, links[0], NEW, now_ms=NOW_MS + HOUR_MS)
    reset(store, box, links[1], NEW, now_ms=NOW_MS)
    for token in (links[2], "", "x" * 43):  # one that was used takes the others with it
        with pytest.raises(LinkSpent):
            reset(store, box, token, NEW, now_ms=NOW_MS)


def test_who_never_proved_the_mailbox_keeps_no_way_in(store: Store, box: SecretBox) -> None:
    """Somebody registered with Ann's address and put an identity of theirs on it; then Ann resets."""
    account_id = joined(store).account_id
    eve = Stranger(provider="github", subject="1", name="eve", email="")
    with store.begin() as connection:
        add_identity(connection, account_id, eve, actor=account_id, now_ms=NOW_MS)
    reset(store, box, reset_mailed(store, box), NEW, now_ms=NOW_MS)
    assert list_identities(store, account_id) == []
    with store.begin() as connection:  # from now on it is hers
        add_identity(connection, account_id, eve, actor=account_id, now_ms=NOW_MS)
    reset(store, box, reset_mailed(store, box), GOOD, now_ms=NOW_MS)
    assert len(list_identities(store, account_id)) == 1


def test_who_knows_the_password_changes_it(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    mine, other = session(store, account_id), session(store, account_id)
    signed_in = find_session(store, mine, now_ms=NOW_MS)
    assert signed_in is not None

    def change(old: str, new: str) -> None:
        recovery.change_password(
            store,
            box,
            account_id,
            old=old,
            new=new,
            session_id=signed_in.session_id,
            revoke_tokens=False,
            site=SITE,
            actor=account_id,
            now_ms=NOW_MS,
        )

    with pytest.raises(NotThePassword):
        change(NEW, NEW)
    with pytest.raises(WeakPassword):
        change(GOOD, "short")
    with pytest.raises(WeakPassword):
        change(GOOD, "ann@example.org")
    change(GOOD, NEW)
    assert find_session(store, mine, now_ms=NOW_MS) is not None
    assert find_session(store, other, now_ms=NOW_MS) is None
    assert sign_in(store, box, NEW)


def test_tokens_end_if_wished_and_a_mail_tells_what_stays(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    with store.begin() as connection:  # otherwise the first reset takes it all
        change_profile(connection, account_id, email_verified_ms=NOW_MS)
    tokens.create_token(
        store, account_id, name="script", scopes=(), expires_ms=None, actor=account_id, now_ms=NOW_MS
    )
    with store.begin() as connection:
        ann = Stranger(provider="github", subject="1", name="ann", email="")
        add_identity(connection, account_id, ann, actor=account_id, now_ms=NOW_MS)
    reset(store, box, reset_mailed(store, box), NEW, revoke_tokens=False, now_ms=NOW_MS)
    (told,) = mailed(store, box)
    assert "What stays: access tokens (1), accounts elsewhere (1), API keys (1)." in told.text
    profiles.update_profile(store, account_id, language="zh", actor=account_id, now_ms=NOW_MS)
    recovery.change_password(
        store,
        box,
        account_id,
        old=NEW,
        new=GOOD,
        session_id="",
        revoke_tokens=True,
        site=SITE,
        actor=account_id,
        now_ms=NOW_MS,
    )
    (told,) = mailed(store, box)
    assert "仍然有效：第三方登录（1）、API 密钥（1）。" in told.text
    assert tokens.list_tokens(store, account_id) == []


def email_mailed(store: Store, box: SecretBox, account_id: str, email: str) -> str:
    recovery.request_email(store, box, OPEN, account_id, email, SITE, now_ms=NOW_MS)
    letter = mailed(store, box)[-1]
    return "" if letter == NOBODY else token_in(letter)


def test_an_address_is_changed_by_a_link_mailed_there(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    old_reset = reset_mailed(store, box)
    token = email_mailed(store, box, account_id, "Ann.New@example.org")
    assert get_profile(store, account_id).email == "ann@example.org"
    stranger = joined(store, "eve@example.org").account_id
    with pytest.raises(LinkSpent):  # another account's session
        recovery.confirm_email(store, box, stranger, token, SITE, actor=stranger, now_ms=NOW_MS)
    confirmed = recovery.confirm_email(store, box, account_id, token, SITE, actor=account_id, now_ms=NOW_MS)
    assert confirmed == get_profile(store, account_id).email == "ann.new@example.org"
    assert get_profile(store, account_id).is_email_verified
    assert [letter.to for letter in mailed(store, box)] == ["ann@example.org"]
    with pytest.raises(LinkSpent):
        recovery.confirm_email(store, box, account_id, token, SITE, actor=account_id, now_ms=NOW_MS)
    with pytest.raises(LinkSpent):  # what was mailed to the old address
        reset(store, box, old_reset, NEW, now_ms=NOW_MS)


def test_an_address_that_somebody_has_is_not_told(store: Store, box: SecretBox) -> None:
    account_id = joined(store).account_id
    token = email_mailed(store, box, account_id, "bob@example.org")
    assert token
    joined(store, "bob@example.org")
    with pytest.raises(LinkSpent):  # taken since
        recovery.confirm_email(store, box, account_id, token, SITE, actor=account_id, now_ms=NOW_MS)
    assert email_mailed(store, box, account_id, "bob@example.org") == ""
    with pytest.raises(EmailRefused):
        recovery.request_email(store, box, OPEN, account_id, "a@other.test", SITE, now_ms=NOW_MS)


def test_a_profile_is_changed(store: Store) -> None:
    account_id = joined(store).account_id
    profiles.update_profile(store, account_id, name=" Ann ", language="zh", actor=account_id, now_ms=NOW_MS)
    profiles.update_profile(store, account_id, actor=account_id, now_ms=NOW_MS)
    profile = get_profile(store, account_id)
    assert (profile.name, profile.language) == ("Ann", "zh")
    with store.read() as connection:
        query = select(func.count()).select_from(audit_log).where(audit_log.c.action == "profile.update")
        assert connection.execute(query).scalar_one() == 1
    for name in ("x" * 61, "a\nb"):
        with pytest.raises(UnfitValue):
            profiles.update_profile(store, account_id, name=name, actor=account_id, now_ms=NOW_MS)
    with pytest.raises(UnknownAccount):
        profiles.update_profile(store, "acc_x", name="x", actor="acc_x", now_ms=NOW_MS)
    with pytest.raises(UnknownAccount):
        get_profile(store, "acc_x")


def test_a_deleted_account_leaves_its_books_and_nothing_else(store: Store, box: SecretBox) -> None:
    made = joined(store)
    secret, token = session(store, made.account_id), reset_mailed(store, box)
    profiles.delete_account(store, made.account_id, actor=made.account_id, now_ms=NOW_MS)
    assert made.key is not None
    entry = queries.find_entry(store, hash_key(made.key.key.encode()))
    assert entry is not None
    assert (entry.key_status, entry.account_status) == ("revoked", "frozen")
    assert find_session(store, secret, now_ms=NOW_MS) is None
    assert list_sessions(store, made.account_id, now_ms=NOW_MS) == []
    with pytest.raises(LinkSpent):
        reset(store, box, token, NEW, now_ms=NOW_MS)
    with pytest.raises(WrongPassword):
        sign_in(store, box, GOOD)
    profile = get_profile(store, made.account_id)
    assert (profile.email, profile.has_password) == (f"{made.account_id}@deleted.invalid", False)
    with store.read() as connection:
        books = select(ledger_accounts.c.id).where(ledger_accounts.c.id == made.account_id)
        assert connection.execute(books).first() is not None
    joined(store)  # the address is free again


def test_an_owner_gives_the_role_up_first(store: Store) -> None:
    account_id = joined(store).account_id
    with store.begin() as connection:
        change_profile(connection, account_id, role="owner")
    with pytest.raises(LastOwner):
        profiles.delete_account(store, account_id, actor=account_id, now_ms=NOW_MS)
