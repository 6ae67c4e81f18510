"""Money into a member's balance, whatever brought it: every first top-up of an invited member also brings the
rewards for it, in the same transaction."""

from sqlalchemy import Connection, select

from posthouse.kernel.ids import new_id
from posthouse.ledger.allowances import lock_balances
from posthouse.ledger.queries import find_member
from posthouse.ledger.rules import CreditKind, Transfer
from posthouse.ledger.transfers import Credit, post_credits
from posthouse.payments.rules import Rewards, check_own_key
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, transfers
from posthouse.store.schema_people import profiles

NO_REWARDS = Rewards()


def credit(
    store: Store,
    who: str,
    amount_nanos: int,
    *,
    reason: str,
    kind: CreditKind = "topup",
    idempotency_key: str = "",
    rewards: Rewards = NO_REWARDS,
    actor: str = "cli",
) -> Transfer:
    """Add to a member's balance by hand: `ledger.transfers.credit`, and the rewards of a first top-up. Raises
    UnknownMember, UnfitValue, BalanceFull, TransferConflict."""
    check_own_key(idempotency_key)
    with store.begin() as connection:
        account_id = find_member(connection, who).id
        wanted = Credit(account_id, amount_nanos, kind, reason, idempotency_key or new_id("idk"))
        return post_credit(connection, wanted, rewards=rewards, actor=actor)


def post_credit(connection: Connection, wanted: Credit, *, rewards: Rewards, actor: str) -> Transfer:
    """Make a credit within the caller's transaction, as its last step but for rows that it has locked. Raises
    UnfitValue, BalanceFull, TransferConflict."""
    extra = _rewards(connection, wanted.account_id, rewards) if wanted.kind == "topup" else []
    return post_credits(connection, [wanted, *extra], actor=actor)[0]


def _rewards(connection: Connection, account_id: str, rewards: Rewards) -> list[Credit]:
    """What a top-up of this account brings besides; locks both balances, so that of two first top-ups at once
    one is the first."""
    inviter = None if rewards == NO_REWARDS else _inviter(connection, account_id)
    if inviter is None:
        return []
    lock_balances(connection, [account_id, inviter])
    earlier = select(transfers.c.id).where(transfers.c.credit == account_id, transfers.c.kind == "topup")
    if connection.execute(earlier.limit(1)).first() is not None:
        return []
    given = ((inviter, "inviter", rewards.inviter_nanos), (account_id, "invited", rewards.invited_nanos))
    return [
        Credit(who, nanos, "promotion", "referral reward", f"referral:{account_id}:{side}")
        for who, side, nanos in given
        if nanos
    ]


def _inviter(connection: Connection, account_id: str) -> str | None:
    """The account that invited this one, where it is still in use."""
    query = select(accounts.c.id).join(profiles, profiles.c.invited_by == accounts.c.id)
    query = query.where(profiles.c.account_id == account_id, accounts.c.status == "active")
    return connection.execute(query).scalar()
