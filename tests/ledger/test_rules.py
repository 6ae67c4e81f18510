import pytest

from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.rules import BALANCE_NANOS_MAX, Transfer, check_transfer, due, share_of

GOOD = {
    "id": "trf_1",
    "debit": "cash_in:operator",
    "credit": "acc_1",
    "amount_nanos": 1,
    "kind": "topup",
    "reason": "paid",
    "idempotency_key": "k",
    "actor": "cli",
    "created_ms": 1,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_nanos", 0),
        ("amount_nanos", -1),
        ("amount_nanos", BALANCE_NANOS_MAX + 1),
        ("reason", "  "),
        ("reason", "x" * 501),
        ("idempotency_key", ""),
        ("idempotency_key", "x" * 201),
    ],
)
def test_a_transfer_that_cannot_be(field: str, value: object) -> None:
    check_transfer(Transfer(**GOOD))
    with pytest.raises(UnfitValue):
        check_transfer(Transfer(**{**GOOD, field: value}))


@pytest.mark.parametrize(
    ("charge", "charged", "completed", "owed"),
    [(90, 0, False, 90), (90, 40, False, 50), (40, 90, False, 0), (90, 40, True, 0)],
)
def test_what_a_repeated_call_owes(charge: int, charged: int, completed: bool, owed: int) -> None:
    assert due(charge, charged_nanos=charged, completed=completed) == owed


@pytest.mark.parametrize(
    ("free", "alone", "wanted", "share"),
    [
        (100, True, 0, 100),
        (100, False, 0, 50),
        (1, False, 0, 1),
        (0, False, 9, 0),
        (100, False, 80, 80),
        (100, False, 900, 100),
    ],
)
def test_how_much_one_process_takes(free: int, alone: bool, wanted: int, share: int) -> None:
    assert share_of(free, alone=alone, wanted_nanos=wanted) == share


def test_the_same_movement_under_another_id() -> None:
    transfer = Transfer(**GOOD)
    assert transfer.same_as(Transfer(**{**GOOD, "id": "trf_2", "reason": "again", "created_ms": 2}))
    assert not transfer.same_as(Transfer(**{**GOOD, "amount_nanos": 2}))
