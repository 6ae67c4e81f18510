"""The books: cash in against balances against revenue, and the proof that all of them agree."""

import threading
from typing import Annotated, Literal

from fastapi import Depends, Query, Request
from pydantic import Field

from posthouse.api.context import STATE, Here
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.usage_values import zone_of
from posthouse.api.values import Answer, Money, Ms
from posthouse.kernel.clock import monotonic_s
from posthouse.ledger.queries import Difference
from posthouse.ledger.reconciliation import reconcile
from posthouse.payments.proof import verify_all
from posthouse.store.engine import Store
from posthouse.store.errors import StoreDown

router = Router("reconciliation")

SHOWN_MAX = 200  # differences in an answer; `posthouse ledger verify` names them all


class BookMonthAnswer(Answer):
    """What came, what went, and what all members had at the month's end."""

    start_ms: Ms
    topups: Money = Field(description="Paid in.")
    refunds: Money = Field(description="Paid back.")
    promotions: Money = Field(description="Given by the operator: free credit, rewards.")
    corrections: Money = Field(description="Of mistakes; below zero where they took.")
    charges: Money = Field(description="Revenue: what calls were charged.")
    cost: Money = Field(description="What upstreams take for those calls, as far as the price list tells.")
    closing: Money = Field(description="What all members have at its end.")


class BooksAnswer(Answer):
    """The books, month by month."""

    months: list[BookMonthAnswer] = Field(description="Oldest first, since the first transfer.")
    expected: Money = Field(description="What all members have, by transfers and charges.")
    balances: Money = Field(description="What all members have, by their balances.")
    difference: Money = Field(description="balances − expected: zero, or the books are broken.")


class DifferenceAnswer(Answer):
    """Something in the books that should not be."""

    what: str = Field(description="The rule, as documented for `posthouse ledger verify`.")
    subject: str = Field(description="The row or account.")
    expected: Money = Field(description="What the rows add up to.")
    stored: Money = Field(description="What is stored.")


class ProofAnswer(Answer):
    """The proof of the books that was run last."""

    state: Literal["never", "running", "done", "failed"] = Field(
        description="failed: the store did not answer."
    )
    started_ms: int = Field(description="When it began; 0: never.")
    took_ms: int = Field(description="How long it took; 0: it runs.")
    count: int = Field(description="How many differences there are.")
    differences: list[DifferenceAnswer] = Field(description="The first of them.")


def _began(state: Literal["never", "running"], at_ms: int) -> ProofAnswer:
    return ProofAnswer(state=state, started_ms=at_ms, took_ms=0, count=0, differences=[])


class Prover:
    """Runs one proof at a time in a thread: over many millions of calls it takes minutes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last = _began("never", 0)

    def start(self, store: Store, now_ms: int) -> ProofAnswer:
        """Begin, where none runs."""
        with self._lock:
            if self.last.state != "running":
                self.last = _began("running", now_ms)
                threading.Thread(target=self._run, args=(store,), name="proof", daemon=True).start()
            return self.last

    def _run(self, store: Store) -> None:
        began_s, found, state = monotonic_s(), list[Difference](), "failed"
        try:
            found, state = verify_all(store), "done"
        except StoreDown:
            pass
        finally:
            took_ms = max(1, int((monotonic_s() - began_s) * 1000))
            shown = [_difference(one) for one in found[:SHOWN_MAX]]
            self.last = self.last.model_copy(
                update={"state": state, "took_ms": took_ms, "count": len(found), "differences": shown}
            )


async def _prover(request: Request) -> Prover:
    """This relay's; made when first asked for, on the loop."""
    state = request.scope[STATE]
    if not hasattr(state, "prover"):
        state.prover = Prover()
    prover: Prover = state.prover
    return prover


TheProver = Annotated[Prover, Depends(_prover)]


@router.get("/admin/reconciliation", Permission.MONEY_READ)
def get_books(
    here: Here,
    time_zone: Annotated[
        str, Query(max_length=64, description="Whose months: Asia/Shanghai; else the site's.")
    ] = "",
) -> BooksAnswer:
    """Show what came in, what was earned and what is owed, month by month."""
    books = reconcile(here.store, zone=zone_of(here, time_zone), now_ms=here.now_ms())
    months = [
        BookMonthAnswer(
            start_ms=one.start_ms,
            topups=one.topup_nanos,
            refunds=one.refund_nanos,
            promotions=one.promotion_nanos,
            corrections=one.correction_nanos,
            charges=one.charge_nanos,
            cost=one.cost_nanos,
            closing=one.closing_nanos,
        )
        for one in books.months
    ]
    return BooksAnswer(
        months=months,
        expected=books.expected_nanos,
        balances=books.balances_nanos,
        difference=books.balances_nanos - books.expected_nanos,
    )


@router.get("/admin/reconciliation/proof", Permission.MONEY_READ)
def get_proof(prover: TheProver) -> ProofAnswer:
    """Show the proof that this process ran last."""
    return prover.last


@router.post("/admin/reconciliation/proof", Permission.MONEY_READ, status=202)
def start_proof(here: Here, prover: TheProver) -> ProofAnswer:
    """Prove the books: recompute every balance, key, charge and sum from its rows.

    It runs in the background and changes nothing; ask for its end."""
    return prover.start(here.store, here.now_ms())


def _difference(one: Difference) -> DifferenceAnswer:
    return DifferenceAnswer(what=one.what, subject=one.subject, expected=one.expected, stored=one.actual)
