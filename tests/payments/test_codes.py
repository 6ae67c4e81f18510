"""Redemption codes, on each database."""

import hashlib
from functools import partial

import pytest
from sqlalchemy import select
from tests.payments.desk import UNIT, at_once, balance, batch, member, prove

from posthouse.kernel.clock import now_ms
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.rules import Transfer
from posthouse.payments import rules
from posthouse.payments.codes import find_code, list_batches, redeem, withdraw_batch
from posthouse.payments.errors import (
    CodeExpired,
    CodeLimit,
    CodeUsed,
    MistypedCode,
    OwnCodeUsed,
    UnknownBatch,
    UnknownCode,
)
from posthouse.store.engine import Store
from posthouse.store.schema import transfers
from posthouse.store.schema_desk import audit_log
from posthouse.store.schema_payments import codes


def test_a_code_is_worth_its_amount_once(store: Store) -> None:
    who, other = member(store), member(store)
    (code,) = batch(store).codes
    transfer = redeem(store, who, f"  {code.lower().replace('-', ' ')} ")
    assert (transfer.kind, transfer.amount_nanos, balance(store, who)) == ("topup", 5 * UNIT, 5 * UNIT)
    for account_id, error in ((who, OwnCodeUsed), (other, CodeUsed)):
        with pytest.raises(CodeUsed) as refused:
            redeem(store, account_id, code)
        assert type(refused.value) is error
    state = find_code(store, code)
    assert (state.account_id, state.redeemed_ms, state.batch.redeemed) == (who, transfer.created_ms, 1)
    prove(store)


def test_of_many_who_redeem_one_code_one_gets_it(store: Store) -> None:
    people = [member(store) for _ in range(8)]
    (code,) = batch(store).codes
    ends = at_once([partial(redeem, store, who, code) for who in people])
    assert sum(isinstance(one, Transfer) for one in ends) == 1, ends
    assert sum(isinstance(one, CodeUsed) for one in ends) == 7, ends
    assert sum(balance(store, who) for who in people) == 5 * UNIT
    prove(store)


def test_one_who_redeems_a_code_many_times_at_once_gets_it_once(store: Store) -> None:
    who = member(store)
    (code,) = batch(store).codes
    ends = at_once([partial(redeem, store, who, code) for _ in range(8)])
    assert sum(isinstance(one, Transfer) for one in ends) == 1, ends
    assert balance(store, who) == 5 * UNIT
    prove(store)


def test_the_limit_of_an_account_holds_for_many_at_once(store: Store) -> None:
    who = member(store)
    made = batch(store, 8, per_account_max=3)
    ends = at_once([partial(redeem, store, who, code) for code in made.codes])
    assert sum(isinstance(one, Transfer) for one in ends) == 3, ends
    assert sum(isinstance(one, CodeLimit) for one in ends) == 5, ends
    assert balance(store, who) == 15 * UNIT
    prove(store)


def test_people_redeem_different_codes_at_once(store: Store) -> None:
    people = [member(store) for _ in range(4)]
    made = batch(store, 12)
    pairs = [(people[n % 4], code) for n, code in enumerate(made.codes)]
    ends = at_once([partial(redeem, store, who, code) for who, code in pairs])
    assert all(isinstance(one, Transfer) for one in ends), ends
    assert [balance(store, who) for who in people] == [15 * UNIT] * 4
    assert find_code(store, made.codes[0]).batch.redeemed == 12
    prove(store)


def test_what_is_withdrawn_while_many_redeem_stays_as_it_is(store: Store) -> None:
    people = [member(store) for _ in range(7)]
    made = batch(store, 7)
    calls = [partial(redeem, store, who, code) for who, code in zip(people, made.codes, strict=True)]
    ends = at_once([*calls[:3], partial(withdraw_batch, store, made.batch.id), *calls[3:]])
    redeemed = sum(isinstance(one, Transfer) for one in ends)
    assert redeemed + sum(isinstance(one, CodeExpired) for one in ends) == 7, ends
    assert sum(balance(store, who) for who in people) == redeemed * 5 * UNIT
    assert find_code(store, made.codes[0]).batch.redeemed == redeemed
    prove(store)


def test_a_code_that_is_over_is_not_redeemed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    who = member(store)
    expires_ms = now_ms() + 60_000
    (late,) = batch(store, expires_ms=expires_ms).codes
    withdrawn = batch(store)
    once = withdraw_batch(store, withdrawn.batch.id)
    assert withdraw_batch(store, withdrawn.batch.id) == once
    with pytest.raises(CodeExpired):
        redeem(store, who, withdrawn.codes[0])
    monkeypatch.setattr("posthouse.payments.codes.now_ms", lambda: expires_ms)
    with pytest.raises(CodeExpired):
        redeem(store, who, late)
    assert balance(store, who) == 0


def test_codes_that_there_are_not(store: Store) -> None:
    who = member(store)
    with pytest.raises(UnknownCode):
        redeem(store, who, rules.code_of(7))
    with pytest.raises(UnknownCode):
        find_code(store, rules.code_of(7))
    with pytest.raises(MistypedCode):
        redeem(store, who, "no code")
    with pytest.raises(UnknownBatch):
        withdraw_batch(store, "bat_none")


def test_a_gift_is_no_money_paid(store: Store) -> None:
    who = member(store)
    (code,) = batch(store, kind="promotion").codes
    assert redeem(store, who, code).kind == "promotion"
    prove(store)


def test_codes_are_stored_as_hashes_alone(store: Store) -> None:
    who = member(store)
    made = batch(store)
    code = rules.parse_code(made.codes[0])
    redeem(store, who, code)
    with store.read() as connection:
        texts = [
            str(row) for table in (codes, transfers, audit_log) for row in connection.execute(select(table))
        ]
        hashes = {bytes(row.hash) for row in connection.execute(select(codes.c.hash))}
    assert not [text for text in texts if code in text or made.codes[0] in text]
    assert hashlib.sha256(code.encode()).digest() in hashes
    assert made.codes[0] not in repr(made)


@pytest.mark.parametrize(
    "fields",
    [
        {"count": 0},
        {"count": rules.BATCH_CODES_MAX + 1},
        {"name": " "},
        {"name": "x" * 201},
        {"amount_nanos": 0},
        {"per_account_max": 0},
        {"expires_ms": 1},
    ],
)
def test_batches_that_there_can_not_be(store: Store, fields: dict[str, object]) -> None:
    with pytest.raises(UnfitValue):
        batch(store, **{"count": 1, **fields})  # type: ignore[arg-type]  # what is tested


def test_batches_are_listed_newest_first(store: Store) -> None:
    made = [batch(store).batch for _ in range(2)]
    listed = list_batches(store, limit=2).items
    assert set(listed) == set(made)
