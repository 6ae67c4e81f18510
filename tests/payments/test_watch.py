"""Mails about low balances, on each database."""

import threading
from functools import partial

import pytest
from tests.payments.desk import UNIT, at_once, member

from posthouse.kernel.clock import now_ms
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import SecretBox
from posthouse.ledger.transfers import credit, debit
from posthouse.mail.letters import Letter
from posthouse.mail.outbox import due, opened, remove
from posthouse.payments.queries import get_wallet
from posthouse.payments.watch import (
    BalanceWatch,
    Site,
    mail_low_balances,
    set_threshold,
)
from posthouse.store.engine import Store

SITE = Site("Example Relay", "https://relay.example.org", "CNY")
BOX = SecretBox(bytes(32))


@pytest.fixture(autouse=True)
def quiet(store: Store) -> None:
    """What other tests' members were to be told is out of the way."""
    mail_low_balances(store, BOX, SITE)
    letters(store)


def letters(store: Store) -> list[Letter]:
    """What was written since, which is removed."""
    waiting = due(store, now_ms=now_ms(), limit=100)
    for mail in waiting:
        remove(store, mail.id)
    return [opened(BOX, mail) for mail in waiting]


def watched(store: Store, **profile: object) -> str:
    who = member(store, balance_nanos=10 * UNIT, **{"email_verified_ms": 1, **profile})
    set_threshold(store, who, 5 * UNIT)
    return who


def test_each_fall_below_is_told_once(store: Store) -> None:
    who = watched(store)
    assert mail_low_balances(store, BOX, SITE) == 0
    for _ in "ab":
        debit(store, who, 6 * UNIT, reason="out")
        assert mail_low_balances(store, BOX, SITE) == 1
        assert mail_low_balances(store, BOX, SITE) == 0
        (letter,) = letters(store)
        assert "4.00 CNY" in letter.subject
        assert "5.00 CNY" in letter.text
        assert "https://relay.example.org/wallet" in letter.text
        credit(store, who, 6 * UNIT, reason="in")
        assert mail_low_balances(store, BOX, SITE) == 0


def test_several_processes_write_one_mail(store: Store) -> None:
    people = [watched(store, language="zh") for _ in range(3)]
    for who in people:
        debit(store, who, 6 * UNIT, reason="out")
    ends = at_once([partial(mail_low_balances, store, BOX, SITE) for _ in range(4)])
    assert sum(end for end in ends if isinstance(end, int)) == 3, ends
    told = letters(store)
    assert len(told) == 3
    assert {letter.subject for letter in told} == {"您在 Example Relay 的余额为 4.00 CNY"}


def test_who_is_not_verified_or_did_not_ask_is_not_told(store: Store) -> None:
    for who in (watched(store, email_verified_ms=None), watched(store)):
        debit(store, who, 6 * UNIT, reason="out")
    set_threshold(store, who, None)
    assert get_wallet(store, who)[-2:] == (None, True)
    assert mail_low_balances(store, BOX, SITE) == 0


def test_a_new_threshold_is_told_of_again(store: Store) -> None:
    who = watched(store)
    set_threshold(store, who, 20 * UNIT)
    assert mail_low_balances(store, BOX, SITE) == 1
    assert get_wallet(store, who).low_balance_nanos == 20 * UNIT
    with pytest.raises(UnfitValue):
        set_threshold(store, who, 0)


def test_the_watch_looks_by_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr("posthouse.payments.watch.LOOK_S", 0.01)
    who = watched(store)
    debit(store, who, 6 * UNIT, reason="out")

    def site() -> Site:
        if due(store, now_ms=now_ms(), limit=1):
            told.set()
        return SITE

    watch = BalanceWatch(store, BOX, site)
    watch.start()
    assert told.wait(10)
    watch.stop()
    assert len(letters(store)) == 1


def test_where_the_sites_address_is_not_known_the_mail_names_the_page(store: Store) -> None:
    who = watched(store)
    debit(store, who, 6 * UNIT, reason="out")
    assert mail_low_balances(store, BOX, Site("Example Relay", "", "CNY")) == 1
    (letter,) = letters(store)
    assert "on the wallet page.\n\nYou are told once" in letter.text
