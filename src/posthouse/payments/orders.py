"""Top-up orders: a member says what they want to pay, an operator that it was paid. Each change is one
transaction, and an order is credited once, whoever says so how often."""

from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from posthouse.kernel.clock import now_ms
from posthouse.kernel.ids import new_id
from posthouse.ledger.allowances import lock_balance
from posthouse.ledger.queries import find_member
from posthouse.ledger.transfers import Credit
from posthouse.payments import rules
from posthouse.payments.credits import NO_REWARDS, post_credit
from posthouse.payments.errors import OrderClosed, TooManyOrders, UnknownOrder
from posthouse.payments.pages import Page, Place, read_page
from posthouse.payments.rules import Order, OrderStatus, Rewards
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_payments import orders

_ORDERS = select(orders, accounts.c.email).join(accounts, accounts.c.id == orders.c.account_id)


def create_order(
    store: Store,
    who: str,
    amount_nanos: int,
    *,
    min_nanos: int,
    max_nanos: int,
    note: str = "",
    actor: str = "cli",
) -> Order:
    """Ask for a top-up; no money moves. Raises UnknownMember, UnfitValue, TooManyOrders."""
    rules.check_order_amount(amount_nanos, min_nanos=min_nanos, max_nanos=max_nanos)
    words = rules.parse_text(note, "note")
    with store.begin() as connection:
        account_id, made_ms = find_member(connection, who).id, now_ms()
        lock_balance(connection, account_id)  # so that of many at once no more than the most are made
        if _open_count(connection, account_id, made_ms) >= rules.OPEN_ORDERS_MAX:
            raise TooManyOrders
        order_id = new_id("ord")
        connection.execute(
            insert(orders).values(
                id=order_id,
                account_id=account_id,
                amount_nanos=amount_nanos,
                status="open",
                note=words,
                reference="",
                created_ms=made_ms,
                expires_ms=made_ms + rules.ORDER_MS,
                closed_by="",
            )
        )
        return _noted(connection, order_id, "order.create", actor, made_ms)


def pay_order(
    store: Store, order_id: str, *, reference: str, rewards: Rewards = NO_REWARDS, actor: str = "cli"
) -> Order:
    """Say that an order was paid, and credit its amount; one whose time is over too, since the money came.
    Nothing where it is paid already by that reference. Raises UnknownOrder, OrderClosed when it was cancelled
    or is paid by another, UnfitValue, BalanceFull."""
    reference = rules.parse_text(reference, "reference", needed=True)
    with store.begin() as connection:
        order = find_order(connection, order_id, lock=True)
        if order.status == "paid" and order.reference == reference:
            return order
        if order.status in ("paid", "cancelled"):
            raise OrderClosed
        wanted = Credit(
            order.account_id,
            order.amount_nanos,
            "topup",
            f"order {order_id}",
            f"order:{order_id}",
        )
        transfer = post_credit(connection, wanted, rewards=rewards, actor=actor)
        paid = {"status": "paid", "reference": reference, "transfer_id": transfer.id}
        return _close(connection, order, paid, "order.pay", actor)


def cancel_order(
    store: Store, order_id: str, *, owner: str = "", reason: str = "", actor: str = "cli"
) -> Order:
    """Close an order that nobody will pay; with `owner` only one of that account's. Nothing where it is
    cancelled already. Raises UnknownOrder, OrderClosed when it was paid, UnfitValue."""
    reason = rules.parse_text(reason, "reason")
    with store.begin() as connection:
        order = find_order(connection, order_id, owner=owner, lock=True)
        if order.status == "cancelled":
            return order
        if order.status == "paid":
            raise OrderClosed
        return _close(connection, order, {"status": "cancelled", "reference": reason}, "order.cancel", actor)


def list_orders(
    store: Store,
    *,
    who: str = "",
    status: OrderStatus | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> Page[Order]:
    """Orders, newest first, of all accounts or one. Raises UnknownMember."""
    query, at_ms = _ORDERS, now_ms()
    if status is not None:
        query = query.where(orders.c.status == ("open" if status == "expired" else status))
    if status in ("open", "expired"):
        is_over = orders.c.expires_ms <= at_ms
        query = query.where(is_over if status == "expired" else ~is_over)
    with store.read() as connection:
        if who:
            query = query.where(orders.c.account_id == find_member(connection, who).id)
        rows, following = read_page(connection, query, orders, after=after, limit=limit)
    return Page([_order(row, at_ms) for row in rows], following)


def find_order(connection: Connection, order_id: str, *, owner: str = "", lock: bool = False) -> Order:
    """The order of that id, and of that account where one is named. Raises UnknownOrder."""
    query = _ORDERS.where(orders.c.id == order_id)
    if owner:
        query = query.where(orders.c.account_id == owner)
    if lock:
        query = query.with_for_update(of=orders)
    row = connection.execute(query).first()
    if row is None:
        raise UnknownOrder(f"there is no order {order_id!r}")
    return _order(row, now_ms())


def _open_count(connection: Connection, account_id: str, at_ms: int) -> int:
    query = select(func.count()).select_from(orders)
    query = query.where(orders.c.account_id == account_id, orders.c.status == "open")
    return connection.execute(query.where(orders.c.expires_ms > at_ms)).scalar_one()


def _close(connection: Connection, order: Order, values: dict[str, Any], action: str, actor: str) -> Order:
    at_ms = now_ms()
    closed = update(orders).where(orders.c.id == order.id, orders.c.status == "open")
    done = connection.execute(closed.values(closed_ms=at_ms, closed_by=actor, **values))
    assert done.rowcount == 1, "an order is locked before it is closed"
    return _noted(connection, order.id, action, actor, at_ms, before=order)


def _noted(
    connection: Connection, order_id: str, action: str, actor: str, at_ms: int, before: Order | None = None
) -> Order:
    """The order as it is now, with its line in the log."""
    order = find_order(connection, order_id)
    note(
        connection,
        actor=actor,
        action=action,
        subject=f"order:{order_id}",
        before=before and _told(before),
        after=_told(order),
        at_ms=at_ms,
    )
    return order


def _told(order: Order) -> dict[str, object]:
    """What the log says of an order: without the email, which has to be forgotten with the account, and what
    the member wrote."""
    names = ("account_id", "amount_nanos", "status", "reference", "transfer_id")
    return {name: getattr(order, name) for name in names}


def _order(row: Row[Any], at_ms: int) -> Order:
    values = dict(row._mapping)
    values["status"] = rules.order_status(row.status, row.expires_ms, at_ms)
    return Order(**values)
