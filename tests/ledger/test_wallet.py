"""Holds resolve exactly once, in any order, and never let more be spent than was granted."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from posthouse.ledger.wallet import Hold, KeyBudget, Wallet

NANOS = st.integers(0, 1_000)


class WalletMachine(RuleBasedStateMachine):
    """Beside the wallet, a plain account of what was granted, held and charged."""

    def __init__(self) -> None:
        super().__init__()
        self.wallet = Wallet("acc", 0, 0, 0.0)
        self.budget = KeyBudget(3_000, 0)
        self.granted = 0
        self.open: list[tuple[Hold, int, bool]] = []
        self.writing: list[tuple[Hold, int, bool]] = []
        self.ended: list[Hold] = []
        self.charged = 0
        self.charged_to_key = 0

    @rule(nanos=NANOS)
    def grant(self, nanos: int) -> None:
        self.granted += nanos
        self.wallet.granted_nanos += nanos

    @rule()
    def give_back_what_is_available(self) -> None:
        self.granted -= self.wallet.available_nanos
        self.wallet.granted_nanos -= self.wallet.available_nanos

    @rule(nanos=NANOS, with_key=st.booleans())
    def hold(self, nanos: int, with_key: bool) -> None:
        held = sum(amount for _, amount, _ in self.open)
        held_by_key = sum(amount for _, amount, keyed in self.open if keyed)
        fits = nanos <= self.granted - self.charged - held
        if with_key:
            fits = fits and nanos <= 3_000 - self.charged_to_key - held_by_key
        hold = self.wallet.hold(nanos, self.budget if with_key else None)
        assert (hold is not None) == fits
        if hold is not None:
            self.open.append((hold, nanos, with_key))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        hold, _, _ = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        hold.void()
        self.ended.append(hold)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), due=st.integers(0, 3_000))
    def settle(self, data: st.DataObject, due: int) -> None:
        hold, nanos, keyed = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        most = nanos + self.wallet.available_nanos
        charge = hold.spend(due)
        assert charge == min(due, most)
        self.charged += charge
        self.charged_to_key += charge * keyed
        self.writing.append((hold, charge, keyed))
        self.ended.append(hold)

    @precondition(lambda self: self.writing)
    @rule(data=st.data(), written=st.booleans())
    def reach_the_disk_or_not(self, data: st.DataObject, written: bool) -> None:
        hold, charge, keyed = self.writing.pop(data.draw(st.integers(0, len(self.writing) - 1)))
        hold.settled(charge, charge if written else 0)
        if not written:
            self.charged -= charge
            self.charged_to_key -= charge * keyed

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), void=st.booleans())
    def resolve_again(self, data: st.DataObject, void: bool) -> None:
        hold = data.draw(st.sampled_from(self.ended))
        with pytest.raises(AssertionError, match="resolved once"):
            hold.void() if void else hold.spend(1)

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        held = sum(nanos for _, nanos, _ in self.open)
        assert self.wallet.available_nanos == self.granted - self.charged - held >= 0
        assert self.wallet.unsettled == len(self.open) + len(self.writing)
        assert self.budget.spent_nanos == self.charged_to_key
        assert self.budget.held_nanos == sum(nanos for _, nanos, keyed in self.open if keyed)


WalletMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWallet = WalletMachine.TestCase


def test_a_closed_wallet_gives_nothing() -> None:
    wallet = Wallet("acc", 10, 0, 0.0)
    wallet.closed = True
    with pytest.raises(AssertionError, match="for each call"):
        wallet.hold(1)


def test_a_key_without_limit_is_bounded_by_the_balance_only() -> None:
    budget = KeyBudget(None, 5)
    assert budget.available_nanos is None
    assert Wallet("acc", 10, 0, 0.0).hold(10, budget) is not None
