"""Credits by hand, and the rewards of a first top-up, on each database."""

import threading
from functools import partial

import pytest
from sqlalchemy import delete, insert, update
from tests.payments.desk import UNIT, at_once, balance, batch, member, order, prove

from posthouse.accounts.queries import get_account
from posthouse.accounts.service import freeze_account, set_plan
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.rules import Transfer
from posthouse.payments.codes import redeem
from posthouse.payments.credits import credit
from posthouse.payments.orders import pay_order
from posthouse.payments.queries import list_movements
from posthouse.payments.rules import Rewards
from posthouse.store.engine import Store
from posthouse.store.schema import configuration
from posthouse.store.schema_people import profiles

REWARDS = Rewards(inviter_nanos=3 * UNIT, invited_nanos=UNIT)


def test_a_first_top_up_rewards_both(store: Store) -> None:
    inviter = member(store)
    invited = member(store, invited_by=inviter)
    credit(store, invited, UNIT, reason="welcome", kind="promotion", rewards=REWARDS)
    assert (balance(store, inviter), balance(store, invited)) == (0, UNIT)  # a gift is no top-up
    credit(store, invited, 10 * UNIT, reason="cash", rewards=REWARDS)
    assert (balance(store, inviter), balance(store, invited)) == (3 * UNIT, 12 * UNIT)
    credit(store, invited, 10 * UNIT, reason="cash", rewards=REWARDS)
    assert (balance(store, inviter), balance(store, invited)) == (3 * UNIT, 22 * UNIT)
    (reward,) = list_movements(store, who=inviter).items
    assert (reward.kind, reward.source, reward.amount_nanos) == ("promotion", "referral", 3 * UNIT)
    prove(store)


def test_of_many_first_top_ups_at_once_one_is_the_first(store: Store) -> None:
    inviter = member(store)
    invited = member(store, invited_by=inviter)
    made = order(store, invited, 10)
    codes = batch(store, 3).codes
    ends = at_once(
        [
            *[partial(redeem, store, invited, code, rewards=REWARDS) for code in codes],
            *[partial(pay_order, store, made.id, reference="x", rewards=REWARDS) for _ in range(2)],
            *[partial(credit, store, invited, UNIT, reason="cash", rewards=REWARDS) for _ in range(3)],
        ]
    )
    assert not [one for one in ends if isinstance(one, Exception)], ends
    assert balance(store, inviter) == 3 * UNIT
    assert balance(store, invited) == (3 * 5 + 10 + 3 + 1) * UNIT
    prove(store)


def test_people_who_invited_each_other_top_up_at_once(store: Store) -> None:
    """Each transaction moves both balances: locked in any other order than that of the ids, they would wait
    for each other for ever."""
    for _ in range(5):
        one = member(store)
        other = member(store, invited_by=one)
        _invite(store, one, other)
        ends = at_once(
            [partial(credit, store, who, UNIT, reason="cash", rewards=REWARDS) for who in (one, other) * 3]
        )
        assert all(isinstance(end, Transfer) for end in ends), ends
        assert balance(store, one) == balance(store, other) == 7 * UNIT
    prove(store)


def _invite(store: Store, invited: str, inviter: str) -> None:
    with store.begin() as connection:
        connection.execute(
            update(profiles).where(profiles.c.account_id == invited).values(invited_by=inviter)
        )


def test_who_is_frozen_gets_no_reward(store: Store) -> None:
    inviter = member(store)
    invited = member(store, invited_by=inviter)
    freeze_account(store, inviter)
    credit(store, invited, UNIT, reason="cash", rewards=REWARDS)
    assert (balance(store, inviter), balance(store, invited)) == (0, UNIT)


def test_a_side_without_a_reward_gets_none(store: Store) -> None:
    inviter = member(store)
    invited = member(store, invited_by=inviter)
    credit(store, invited, UNIT, reason="cash", rewards=Rewards(inviter_nanos=UNIT))
    assert (balance(store, inviter), balance(store, invited)) == (UNIT, UNIT)
    prove(store)


def test_a_credit_by_hand_is_made_once_and_noted(store: Store) -> None:
    who = member(store)
    made = [
        credit(store, who, UNIT, reason="cash", idempotency_key=f"till-{who}", actor="acc_clerk")
        for _ in "ab"
    ]
    assert made[0] == made[1]
    (listed,) = list_movements(store, who=who, kind="topup").items
    assert (listed.id, listed.actor, listed.source) == (made[0].id, "acc_clerk", "operator")
    assert list_movements(store, who=who, kind="refund").items == []


@pytest.mark.parametrize("key", ["order:ord_x", "code:bat_x:00", "referral:acc_x:inviter", "k" * 201])
def test_a_credit_by_hand_takes_no_key_of_another_source(store: Store, key: str) -> None:
    with pytest.raises(UnfitValue):
        credit(store, member(store), UNIT, reason="cash", idempotency_key=key)


def test_top_ups_and_moves_between_plans_do_not_wait_for_each_other(store: Store) -> None:
    """Both write the account and then announce it, under the lock that notices have."""
    row = {"kind": "operator", "name": "operator", "definition": '{"topup_plan": "paid"}', "updated_ms": 1}
    with store.begin() as connection:
        connection.execute(insert(configuration).values(row))
    try:
        people = [member(store) for _ in range(4)]
        stop = threading.Event()

        def move(who: str) -> None:
            while not stop.is_set():
                set_plan(store, who, "free")

        movers = [threading.Thread(target=move, args=(who,)) for who in people]
        for mover in movers:
            mover.start()
        ends = at_once([partial(credit, store, who, UNIT, reason="cash") for who in people * 4])
        stop.set()
        for mover in movers:
            mover.join()
        assert all(isinstance(one, Transfer) for one in ends), ends
        credit(store, people[0], UNIT, reason="cash")
        assert get_account(store, people[0]).plan == "paid"
        assert len(list_movements(store, who=people[1]).items) == 4
    finally:
        with store.begin() as connection:
            connection.execute(delete(configuration).where(configuration.c.kind == "operator"))
    prove(store)
