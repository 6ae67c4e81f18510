"""Counts what limits hold of calls before them: all of it at a start, and what a change of the configuration
adds to them while the relay runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator

from posthouse.accounts.queries import playground_limits
from posthouse.catalogue.compiled import Catalogue
from posthouse.kernel.clock import now_ms, steady_ms
from posthouse.kernel.outcome import Ending
from posthouse.ledger.usage import calls_since
from posthouse.limits.rules import Demand
from posthouse.limits.service import Added, MemoryLimiter, Past
from posthouse.relay.market import Market
from posthouse.store.engine import Store


class Recounter:
    """Used on the event loop: `count` at the start, then `run` as a task; call `changed` for each new
    catalogue. `on_error` hears of a store that is down: what was added then counts from its change on."""

    def __init__(self, store: Store, market: Market, limiter: MemoryLimiter) -> None:
        self._store = store
        self._market = market
        self._limiter = limiter
        self._counted: Added = {}
        self._change = asyncio.Event()
        self.changed = self._change.set
        self.on_error: Callable[[Exception], None] = lambda error: None

    async def run(self) -> None:
        while True:
            await self._change.wait()
            self._change.clear()
            try:
                await self.count(is_serving=True)
            except Exception as error:  # the store is down, or a fault of ours: the next change counts them
                self.on_error(error)

    async def count(self, *, is_serving: bool = False) -> None:
        """Count the calls before now in all windows of what was not limited before; where the relay
        `is_serving`, those that come meanwhile are counted anyway. Raises StoreDown."""
        catalogue = self._market.catalogue
        limited = {rule.counted_as: rule.measures for _, rule in catalogue.limits()}
        known = {rule: measures & self._counted.get(rule, frozenset()) for rule, measures in limited.items()}
        added = {rule: measures - known[rule] for rule, measures in limited.items() if measures - known[rule]}
        self._counted = known
        if added:
            self._limiter.renew(added)
            past, at_ms, steady_at_ms = MemoryLimiter(), now_ms(), steady_ms()
            until_ms = at_ms if is_serving else sys.maxsize
            calls = self._past(catalogue, added, at_ms, until_ms)
            await asyncio.to_thread(past.restore, calls, steady_at_ms)
            self._limiter.add_past(past, added)
            self._counted = limited

    def _past(self, catalogue: Catalogue, added: Added, at_ms: int, until_ms: int) -> Iterator[Past]:
        limits = [(plan, rule.window_ms) for plan, rule in catalogue.limits() if rule.counted_as in added]
        since_ms = at_ms - max(window_ms for _, window_ms in limits)
        limited_as = playground_limits(self._store)
        for call in calls_since(self._store, since_ms, {plan for plan, _ in limits}):
            if call.ending != Ending.FAILED and call.started_ms < until_ms:
                rules = catalogue.rules(call.plan, call.model)
                demand = Demand(
                    key_id=limited_as.get(call.key_id, call.key_id),
                    address=call.address_hash,
                    account_id=call.account_id,
                    plan=call.plan,
                    rules=tuple(rule for rule in rules if rule.counted_as in added),
                )
                ago_ms = at_ms - call.started_ms
                yield Past(demand=demand, ago_ms=ago_ms, tokens=call.tokens, spend_nanos=call.charge_nanos)
