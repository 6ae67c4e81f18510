"""What orders, codes and invoices may be."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.kernel.problems import UnfitValue
from posthouse.payments import rules
from posthouse.payments.errors import MistypedCode
from posthouse.payments.rules import Batch

NUMBERS = st.integers(0, 2**rules.CODE_BITS - 1)


@given(NUMBERS)
def test_a_code_is_read_however_it_is_typed(number: int) -> None:
    code = rules.code_of(number)
    assert [len(group) for group in code.split("-")] == [5] * 6
    plain = code.replace("-", "")
    typed = (
        code,
        plain.lower(),
        f" {code} ",
        code.replace("-", "—"),
        plain.replace("0", "o"),
        plain.replace("1", "l"),
    )
    assert {rules.parse_code(text) for text in typed} == {plain}
    assert rules.code_hint(plain) == f"…{plain[-4:]}"


@given(NUMBERS, NUMBERS)
def test_different_numbers_are_different_codes(one: int, other: int) -> None:
    assert (rules.code_of(one) == rules.code_of(other)) is (one == other)
    hashes = [rules.code_hash(rules.parse_code(rules.code_of(number))) for number in (one, other)]
    assert (hashes[0] == hashes[1]) is (one == other)


@given(NUMBERS, st.integers(0, 29), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_one_wrong_character_is_found_without_a_look_up(number: int, at: int, character: str) -> None:
    plain = rules.code_of(number).replace("-", "")
    wrong = plain[:at] + character + plain[at + 1 :]
    if wrong != plain:
        with pytest.raises(MistypedCode):
            rules.parse_code(wrong)


@pytest.mark.parametrize("text", ["", "7H3K9", "U" * 30, "é" * 30, "0" * 31, "0" * 10_000])
def test_what_is_no_code(text: str) -> None:
    with pytest.raises(MistypedCode):
        rules.parse_code(text)


@pytest.mark.parametrize(
    ("status", "now_ms", "stands"),
    [("open", 99, "open"), ("open", 100, "expired"), ("paid", 100, "paid"), ("cancelled", 100, "cancelled")],
)
def test_only_an_open_order_expires(status: str, now_ms: int, stands: str) -> None:
    assert rules.order_status(status, 100, now_ms) == stands


@pytest.mark.parametrize(
    ("expires_ms", "withdrawn_ms", "is_over"),
    [(None, None, False), (101, None, False), (100, None, True), (None, 1, True)],
)
def test_when_a_batch_is_over(expires_ms: int | None, withdrawn_ms: int | None, is_over: bool) -> None:
    batch = Batch(
        id="bat_x",
        name="x",
        kind="topup",
        amount_nanos=1,
        count=1,
        redeemed=0,
        per_account_max=None,
        expires_ms=expires_ms,
        withdrawn_ms=withdrawn_ms,
        created_ms=1,
        created_by="cli",
    )
    assert batch.is_over(100) is is_over


@pytest.mark.parametrize("nanos", [10**9, 10**9 + 10_000_000, 5 * 10**9])
def test_amounts_of_orders(nanos: int) -> None:
    rules.check_order_amount(nanos, min_nanos=10**9, max_nanos=5 * 10**9)


@pytest.mark.parametrize("nanos", [0, -(10**9), 10**9 - 10_000_000, 10**9 + 1, 6 * 10**9, 2**63])
def test_amounts_that_no_order_has(nanos: int) -> None:
    with pytest.raises(UnfitValue):
        rules.check_order_amount(nanos, min_nanos=10**9, max_nanos=5 * 10**9)


def test_batches_that_can_be() -> None:
    rules.check_batch(count=1, per_account_max=None, expires_ms=None, now_ms=5)
    rules.check_batch(count=rules.BATCH_CODES_MAX, per_account_max=1, expires_ms=6, now_ms=5)


@pytest.mark.parametrize(
    "fields", [{"count": 0}, {"count": 10_001}, {"per_account_max": 0}, {"expires_ms": 5}], ids=str
)
def test_batches_that_can_not_be(fields: dict[str, int]) -> None:
    known: dict[str, int | None] = {"count": 1, "per_account_max": None, "expires_ms": None}
    with pytest.raises(UnfitValue):
        rules.check_batch(**{**known, **fields}, now_ms=5)  # type: ignore[arg-type]  # count is never None


def test_texts_are_trimmed_and_bounded() -> None:
    assert rules.parse_text("  a note ", "note") == "a note"
    assert rules.parse_text("   ", "note") == ""
    with pytest.raises(UnfitValue, match="name: has 1 to 200"):
        rules.parse_text("   ", "name", needed=True)
    with pytest.raises(UnfitValue, match="0 to 3"):
        rules.parse_text("four", "note", chars_max=3)


@pytest.mark.parametrize(
    ("key", "source"),
    [
        ("order:ord_1", "order"),
        ("code:bat_1:ff", "code"),
        ("referral:acc_1:inviter", "referral"),
        ("idk_1", "operator"),
        ("order:1", "operator"),
        ("", "operator"),
    ],
)
def test_what_a_transfer_came_from(key: str, source: str) -> None:
    assert rules.source_of(key) == source
    if source == "operator":
        rules.check_own_key(key)
    else:
        with pytest.raises(UnfitValue):
            rules.check_own_key(key)


@pytest.mark.parametrize(("paid", "invoiced", "left"), [(10, 4, 6), (10, 10, 0), (10, 12, 0), (-1, 0, 0)])
def test_what_is_left_to_invoice(paid: int, invoiced: int, left: int) -> None:
    assert rules.invoiceable(paid, invoiced) == left


def test_a_month_is_the_time_zones_own() -> None:
    span = rules.month_span("2026-12", ZoneInfo("Asia/Shanghai"))
    starts = [datetime.fromtimestamp(ms // 1000, UTC).isoformat() for ms in span]
    assert starts == ["2026-11-30T16:00:00+00:00", "2026-12-31T16:00:00+00:00"]
    assert rules.month_span("2026-11", ZoneInfo("Asia/Shanghai")).until_ms == span.since_ms
    summer = rules.month_span("2026-10", ZoneInfo("Europe/Paris"))
    assert summer.until_ms - summer.since_ms == (31 * 24 + 1) * 3_600_000  # clocks go back in October


@pytest.mark.parametrize(
    "month", ["", "2026", "2026-13", "2026-00", "2026-1", "1969-12", "9999-12", "２０２６-11"]
)
def test_what_is_no_month(month: str) -> None:
    with pytest.raises(UnfitValue):
        rules.month_span(month, ZoneInfo("UTC"))
