"""Money in memory: what a process may spend for an account without asking the store.

    available = granted - spent - held

A hold moves available to held; it is resolved exactly once, by settling (held becomes spent) or by voiding.
Used on the event loop only; no step here waits, so none can be cancelled half way.
"""

from msgspec import Struct

from posthouse.kernel.periods import ALWAYS_MS, BudgetPeriod


class KeyBudget:
    """What a key may spend in all its life or in one day or month, and has. `limit_nanos` None: no limit.
    A new one is made for each period; calls that began in the one before settle with theirs.

    `settled_nanos` counts what was spent here since this object was made, `base_nanos` all else."""

    __slots__ = ("base_nanos", "held_nanos", "limit_nanos", "period", "settled_nanos", "until_ms")

    def __init__(
        self,
        limit_nanos: int | None,
        spent_nanos: int,
        period: BudgetPeriod = "total",
        until_ms: int = ALWAYS_MS,
    ) -> None:
        self.limit_nanos = limit_nanos
        self.period: BudgetPeriod = period
        self.until_ms = until_ms
        self.base_nanos = spent_nanos
        self.settled_nanos = 0
        self.held_nanos = 0

    @property
    def spent_nanos(self) -> int:
        return self.base_nanos + self.settled_nanos

    @property
    def available_nanos(self) -> int | None:
        """None: no limit."""
        if self.limit_nanos is None:
            return None
        return max(0, self.limit_nanos - self.base_nanos - self.settled_nanos - self.held_nanos)


class Wallet:
    """An account's allowance. Take it from the Ledger for each call and hold without awaiting in between: an
    idle one is given back to the store and closed."""

    __slots__ = (
        "account_id",
        "closed",
        "granted_nanos",
        "held_nanos",
        "read_s",
        "spent_nanos",
        "unsettled",
        "used_s",
    )

    def __init__(self, account_id: str, granted_nanos: int, spent_nanos: int, used_s: float) -> None:
        self.account_id = account_id
        self.granted_nanos = granted_nanos
        self.spent_nanos = spent_nanos
        self.held_nanos = 0
        self.unsettled = 0  # holds open, or settled but not yet on disk
        self.used_s = used_s
        self.closed = False
        self.read_s = used_s  # when it last had all that the store could give; 0 once some was given back

    @property
    def available_nanos(self) -> int:
        return max(0, self.granted_nanos - self.spent_nanos - self.held_nanos)

    def hold(self, nanos: int, budget: KeyBudget | None = None) -> "Hold | None":
        """Set an amount aside, also within the key's budget where it has one; None when it is not
        available."""
        assert nanos >= 0, "a hold is not negative"
        assert not self.closed, "a wallet is taken from the ledger for each call"
        if nanos > self.granted_nanos - self.spent_nanos - self.held_nanos:
            return None
        if budget is not None:
            available = budget.available_nanos
            if available is not None and nanos > available:
                return None
            budget.held_nanos += nanos
        self.held_nanos += nanos
        self.unsettled += 1
        return Hold(self, budget, nanos)


class Hold(Struct, eq=False):
    """An amount set aside for one call. Resolve it exactly once: `Ledger.settle(hold, …)` or `void()`."""

    wallet: Wallet
    budget: KeyBudget | None
    nanos: int
    open: bool = True

    def void(self) -> None:
        """Give all of it back."""
        self._release()
        self.wallet.unsettled -= 1

    def spend(self, due_nanos: int) -> int:
        """Turn the hold into what is due, or into as much of it as hold and available cover; returns that.
        For the Ledger, which writes it to disk."""
        self._release()
        charge_nanos = min(due_nanos, self.wallet.available_nanos)
        self.wallet.spent_nanos += charge_nanos
        if self.budget is not None:
            self.budget.settled_nanos += charge_nanos
        return charge_nanos

    def settled(self, spent_nanos: int, written_nanos: int) -> None:
        """Take note that the settlement's way to disk has ended; less than was spent, or nothing, may be
        written."""
        self.wallet.unsettled -= 1
        if spent_nanos != written_nanos:
            self.wallet.spent_nanos += written_nanos - spent_nanos
            if self.budget is not None:
                self.budget.settled_nanos += written_nanos - spent_nanos

    def _release(self) -> None:
        assert self.open, "a hold is resolved once"
        self.open = False
        self.wallet.held_nanos -= self.nanos
        if self.budget is not None:
            self.budget.held_nanos -= self.nanos
