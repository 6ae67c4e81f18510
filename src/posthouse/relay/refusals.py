"""The last calls that were refused, of each account, so that its owner can see why. In memory: they leave no
usage record, and each process knows its own."""

from __future__ import annotations

from collections import OrderedDict, deque

from msgspec import Struct

from posthouse.kernel.errors import ErrorRow, Language, Refusal, RelayCode, error_table
from posthouse.kernel.outcome import Ending, Outcome

CALLS_MAX = 20  # of one account: what somebody who looks for a reason reads
ACCOUNTS_MAX = 10_000  # about 4 KB each; the account that was refused longest ago goes first


class RefusedCall(Struct, frozen=True, gc=False):
    """`model` is "" where the call was refused before that was looked at."""

    at_ms: int
    request_id: str
    key_id: str
    model: str
    code: RelayCode
    situation: str
    fields: dict[str, object]

    @property
    def row(self) -> ErrorRow:
        return error_table()[self.code]

    def message(self, language: Language) -> str:
        """What the caller was told."""
        return self.row.messages[self.situation][language].format_map(self.fields)


class Refusals:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, deque[RefusedCall]] = OrderedDict()

    def note(self, outcome: Outcome, refusal: Refusal) -> None:
        """Remember a call that was never sent upstream; one of nobody's is not."""
        account_id = outcome.account_id
        if not account_id or outcome.ending is not Ending.REFUSED:
            return
        calls = self._calls.pop(account_id, None)
        if calls is None:
            calls = deque(maxlen=CALLS_MAX)
            if len(self._calls) >= ACCOUNTS_MAX:
                self._calls.popitem(last=False)
        self._calls[account_id] = calls
        calls.appendleft(
            RefusedCall(
                outcome.started_ms,
                outcome.request_id,
                outcome.key_id,
                outcome.model,
                refusal.code,
                refusal.situation,
                refusal.fields,
            )
        )

    def of_account(self, account_id: str) -> list[RefusedCall]:
        """Newest first."""
        return list(self._calls.get(account_id, ()))
