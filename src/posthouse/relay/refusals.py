"""Why calls were refused lately, of each account, for its owner to see. In memory: refused calls leave no
usage record, and each process knows its own."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from posthouse.kernel.errors import ErrorRow, Language, Refusal, RelayCode, error_table
from posthouse.kernel.outcome import Ending, Outcome

REASONS_MAX = 20  # of one account: what somebody who looks for a reason reads
ACCOUNTS_MAX = 10_000  # about 4 KB each; the account that was refused longest ago goes first


class RefusedCall(Struct, frozen=True, gc=False):
    """The last of `times` calls that one key was refused for one reason. `model` is "" where the call was
    refused before that was looked at."""

    at_ms: int
    request_id: str
    key_id: str
    model: str
    code: RelayCode
    situation: str
    fields: dict[str, object]
    times: int

    @property
    def row(self) -> ErrorRow:
        return error_table()[self.code]

    def message(self, language: Language) -> str:
        """What the caller was told."""
        return self.row.messages[self.situation][language].format_map(self.fields)


class Refusals:
    """Used on the event loop only. A program that calls on and on with a frozen key is one reason, which
    hides no other."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, OrderedDict[tuple[object, ...], RefusedCall]] = OrderedDict()

    def note(self, outcome: Outcome, refusal: Refusal) -> None:
        """Remember a call that was never sent upstream; one of nobody's is not."""
        account_id = outcome.account_id
        if not account_id or outcome.ending is not Ending.REFUSED:
            return
        reasons = self._reasons.pop(account_id, None)
        if reasons is None:
            reasons = OrderedDict()
            if len(self._reasons) >= ACCOUNTS_MAX:
                self._reasons.popitem(last=False)
        self._reasons[account_id] = reasons
        model = outcome.model or refusal.fields.get("model")
        reason = (outcome.key_id, model, refusal.code, refusal.situation)
        before = reasons.pop(reason, None)
        if len(reasons) >= REASONS_MAX:
            reasons.popitem(last=False)
        reasons[reason] = RefusedCall(
            outcome.started_ms,
            outcome.request_id,
            outcome.key_id,
            outcome.model,
            refusal.code,
            refusal.situation,
            refusal.fields,
            1 if before is None else before.times + 1,
        )

    def of_account(self, account_id: str) -> list[RefusedCall]:
        """Newest first."""
        return list(reversed(self._reasons.get(account_id, {}).values()))
