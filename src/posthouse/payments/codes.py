"""Redemption codes: made in batches, stored as hashes, each worth its amount once. Each change is one
transaction; whoever redeems locks the batch first, so that codes, counts and limits of it are exact however
many redeem at once."""

import secrets
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from posthouse.kernel.clock import now_ms
from posthouse.kernel.ids import new_id
from posthouse.ledger.queries import find_member
from posthouse.ledger.rules import Transfer
from posthouse.ledger.transfers import Credit
from posthouse.payments import rules
from posthouse.payments.credits import NO_REWARDS, post_credit
from posthouse.payments.errors import CodeExpired, CodeLimit, CodeUsed, OwnCodeUsed, UnknownBatch, UnknownCode
from posthouse.payments.pages import Page, Place, read_page
from posthouse.payments.rules import Batch, CodeKind, Rewards
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_payments import code_batches, codes


class NewBatch(msgspec.Struct, frozen=True):
    """A batch with its codes: the only time that they are seen."""

    batch: Batch
    codes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"NewBatch({self.batch.id})"


class CodeState(NamedTuple):
    """How a code stands: its batch, and who redeemed it when, where somebody did."""

    hint: str
    batch: Batch
    account_id: str | None
    email: str | None
    redeemed_ms: int | None


def create_batch(
    store: Store,
    *,
    name: str,
    amount_nanos: int,
    count: int,
    kind: CodeKind = "topup",
    per_account_max: int | None = None,
    expires_ms: int | None = None,
    actor: str = "cli",
) -> NewBatch:
    """Make codes and return them, this one time: only their hashes are stored. A `topup` counts as money
    paid, and moves who redeems it to the operator's plan for that; a `promotion` is a gift. Raises
    UnfitValue."""
    made_ms = now_ms()
    name = rules.parse_text(name, "name", needed=True)
    rules.check_amount(amount_nanos)
    rules.check_batch(count=count, per_account_max=per_account_max, expires_ms=expires_ms, now_ms=made_ms)
    batch = Batch(
        id=new_id("bat"),
        name=name,
        kind=kind,
        amount_nanos=amount_nanos,
        count=count,
        redeemed=0,
        per_account_max=per_account_max,
        expires_ms=expires_ms,
        withdrawn_ms=None,
        created_ms=made_ms,
        created_by=actor,
    )
    new = [rules.code_of(secrets.randbits(rules.CODE_BITS)) for _ in range(count)]
    rows = [_code_row(batch.id, code) for code in new]
    with store.begin() as connection:
        connection.execute(insert(code_batches).values(msgspec.structs.asdict(batch)))
        connection.execute(insert(codes), rows)
        _note(connection, batch.id, "codes.create", actor, after=batch)
    return NewBatch(batch, tuple(new))


def withdraw_batch(store: Store, batch_id: str, *, actor: str = "cli") -> Batch:
    """Let nobody redeem what is left of a batch; those that were redeemed stay so. Raises UnknownBatch."""
    with store.begin() as connection:
        batch = _find_batch(connection, batch_id, lock=True)
        if batch.withdrawn_ms is not None:
            return batch
        withdrawn = msgspec.structs.replace(batch, withdrawn_ms=now_ms())
        this = update(code_batches).where(code_batches.c.id == batch_id)
        connection.execute(this.values(withdrawn_ms=withdrawn.withdrawn_ms))
        _note(connection, batch_id, "codes.withdraw", actor, before=batch, after=withdrawn)
    return withdrawn


def redeem(
    store: Store, who: str, text: str, *, rewards: Rewards = NO_REWARDS, actor: str = "cli"
) -> Transfer:
    """Credit an account with what a code is worth. Raises UnknownMember, CodeError, BalanceFull."""
    code_hash = rules.code_hash(rules.parse_code(text))
    with store.begin() as connection:
        account_id = find_member(connection, who).id
        batch = _find_batch(connection, _batch_of(connection, code_hash), lock=True)
        hint = _check_redeemable(connection, code_hash, batch, account_id)
        wanted = Credit(
            account_id,
            batch.amount_nanos,
            batch.kind,
            f"code {hint} of {batch.name}",
            f"code:{batch.id}:{code_hash.hex()}",
        )
        transfer = post_credit(connection, wanted, rewards=rewards, actor=actor)
        values = {"account_id": account_id, "redeemed_ms": transfer.created_ms, "transfer_id": transfer.id}
        this = update(codes).where(codes.c.hash == code_hash, codes.c.account_id.is_(None))
        done = connection.execute(this.values(values))
        assert done.rowcount == 1, "a batch is locked before a code of it is redeemed"
        counted = update(code_batches).where(code_batches.c.id == batch.id)
        connection.execute(counted.values(redeemed=code_batches.c.redeemed + 1))
    return transfer


def find_code(store: Store, text: str) -> CodeState:
    """How the code stands that somebody asks about. Raises MistypedCode, UnknownCode."""
    code_hash = rules.code_hash(rules.parse_code(text))
    query = select(codes, accounts.c.email).outerjoin(accounts, accounts.c.id == codes.c.account_id)
    with store.read() as connection:
        row = connection.execute(query.where(codes.c.hash == code_hash)).first()
        if row is None:
            raise UnknownCode
        batch = _find_batch(connection, row.batch_id)
    return CodeState(row.hint, batch, row.account_id, row.email, row.redeemed_ms)


def list_batches(store: Store, *, after: Place | None = None, limit: int = 50) -> Page[Batch]:
    """Batches, newest first."""
    with store.read() as connection:
        rows, following = read_page(connection, select(code_batches), code_batches, after=after, limit=limit)
    return Page([Batch(**row._mapping) for row in rows], following)


def _code_row(batch_id: str, code: str) -> dict[str, Any]:
    parsed = rules.parse_code(code)
    return {"hash": rules.code_hash(parsed), "batch_id": batch_id, "hint": rules.code_hint(parsed)}


def _batch_of(connection: Connection, code_hash: bytes) -> str:
    row = connection.execute(select(codes.c.batch_id).where(codes.c.hash == code_hash)).first()
    if row is None:
        raise UnknownCode
    return str(row.batch_id)


def _find_batch(connection: Connection, batch_id: str, *, lock: bool = False) -> Batch:
    query = select(code_batches).where(code_batches.c.id == batch_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise UnknownBatch(f"there is no batch {batch_id!r}")
    return Batch(**row._mapping)


def _check_redeemable(connection: Connection, code_hash: bytes, batch: Batch, account_id: str) -> str:
    """The code's hint. Raises CodeError. The batch is locked."""
    row = connection.execute(select(codes.c.hint, codes.c.account_id).where(codes.c.hash == code_hash)).one()
    if row.account_id is not None:
        kind = OwnCodeUsed if row.account_id == account_id else CodeUsed
        raise kind
    if batch.is_over(now_ms()):
        raise CodeExpired
    if batch.per_account_max is not None:
        own = select(func.count()).select_from(codes).where(codes.c.batch_id == batch.id)
        redeemed = connection.execute(own.where(codes.c.account_id == account_id)).scalar_one()
        if redeemed >= batch.per_account_max:
            raise CodeLimit
    return str(row.hint)


def _note(
    connection: Connection,
    batch_id: str,
    action: str,
    actor: str,
    *,
    before: Batch | None = None,
    after: Batch | None = None,
) -> None:
    subject = f"batch:{batch_id}"
    note(connection, actor=actor, action=action, subject=subject, before=before, after=after, at_ms=now_ms())
