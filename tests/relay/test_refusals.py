"""What is remembered of refused calls, and of how many."""

import pytest

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.relay import refusals as module
from posthouse.relay.refusals import Refusals


def outcome(account_id: str, at_ms: int = 1, ending: Ending = Ending.REFUSED) -> Outcome:
    return Outcome(
        request_id=f"req_{at_ms}", ending=ending, http_status=404, account_id=account_id, started_ms=at_ms
    )


def unknown_model(name: str = "gpt-9") -> Refusal:
    return Refusal(RelayCode.MODEL_NOT_FOUND, model=name)


def test_a_refusal_reads_as_the_caller_was_told() -> None:
    refusals = Refusals()
    refusals.note(outcome("acc_1", 7), unknown_model())
    (call,) = refusals.of_account("acc_1")
    assert (call.at_ms, call.request_id) == (7, "req_7")
    for language in ("en", "zh"):
        assert call.message(language) == unknown_model().message(language)
        assert "gpt-9" in call.message(language)


def test_only_refused_calls_of_somebody_are_kept() -> None:
    refusals = Refusals()
    refusals.note(outcome(""), unknown_model())
    refusals.note(outcome("acc_1", ending=Ending.FAILED), unknown_model())
    assert refusals.of_account("") == refusals.of_account("acc_1") == []


def test_one_reason_is_one_entry_with_its_last_call() -> None:
    """A program with a frozen key, or over its limit, tries on; that must not hide what else there is."""
    refusals = Refusals()
    refusals.note(outcome("acc_1", 0), unknown_model())
    for at_ms in range(1, 100):
        refusals.note(outcome("acc_1", at_ms), Refusal(RelayCode.KEY_FROZEN))
    refusals.note(outcome("acc_1", 100), unknown_model("gpt-8"))
    told = [(call.at_ms, call.code, call.times) for call in refusals.of_account("acc_1")]
    unknown = RelayCode.MODEL_NOT_FOUND
    assert told == [(100, unknown, 1), (99, RelayCode.KEY_FROZEN, 99), (0, unknown, 1)]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACCOUNTS_MAX", 2)
    monkeypatch.setattr(module, "REASONS_MAX", 3)
    refusals = Refusals()
    for at_ms in range(5):
        refusals.note(outcome("acc_1", at_ms), unknown_model(f"gpt-{at_ms}"))
    assert [call.at_ms for call in refusals.of_account("acc_1")] == [4, 3, 2]
    refusals.note(outcome("acc_2"), unknown_model())
    refusals.note(outcome("acc_1"), unknown_model())
    refusals.note(outcome("acc_3"), unknown_model())
    assert [len(refusals.of_account(f"acc_{number}")) for number in (1, 2, 3)] == [3, 0, 1]
