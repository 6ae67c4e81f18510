"""One metered call in progress: what it was granted and what it holds, until it is settled."""

from __future__ import annotations

from msgspec import Struct

from posthouse.accounts.rules import KeyEntry
from posthouse.catalogue.compiled import ModelSpec, PlanSpec
from posthouse.kernel.outcome import AttemptRecord
from posthouse.ledger.claims import Claim
from posthouse.ledger.owned import Owned
from posthouse.ledger.settlement import Snapshot
from posthouse.ledger.wallet import Hold
from posthouse.limits.rules import LimitRule
from posthouse.limits.service import Granted
from posthouse.metering.prices import Tariff
from posthouse.metering.usage import Usage
from posthouse.relay.ask import Ask
from posthouse.relay.forward import Answer
from posthouse.relay.router import Offer
from posthouse.relay.values import Door, RelayRequest
from posthouse.routing.choice import Lineup


class Terms(Struct, frozen=True):
    """Under what terms a plan's members call a model. Made once per plan and model, until the configuration
    changes."""

    plan: PlanSpec
    model: ModelSpec
    endpoints: frozenset[str]  # that the plan allows and the tariff prices
    tariff: Tariff
    snapshot: Snapshot
    rules: tuple[LimitRule, ...]
    counts_tokens: bool  # some rule limits tokens, so the prompt's are reserved before the call
    reserved_by_bytes_max: int  # a prompt of no more tokens by its bytes is reserved as that, uncounted
    lineup: Lineup[Offer]
    keep_alive_s: float  # how often the caller of a stream that has not begun is told so; 0: never
    output_tokens_max: int  # of one answer, when the caller sets no limit
    output_tokens_unknown: bool  # the model tells no maximum: the above is only what most can give
    request_tokens_max: int  # no request of fewer tokens, prompt and answer together, is too long
    short_tokens_max: int  # a prompt of no more by its bytes is within both of these, however long the answer


class Call(Struct, eq=False):
    """`granted`, `hold` and `claim` are what must be given back or settled, each exactly once: whoever does
    it sets it to None."""

    request: RelayRequest
    door: Door
    key: KeyEntry
    ask: Ask
    terms: Terms
    pin: Owned | None = None  # to where it must go: there an object is that it names
    prompt_bound: int = 0  # tokens that the prompt has at most, told from its bytes
    claim: Claim | None = None
    granted: Granted | None = None
    hold: Hold | None = None
    output_cap: int | None = None
    attempts: list[AttemptRecord] = []
    answer: Answer | None = None
    used: Usage | None = None  # by a stream, when it is over
    quota_headers: bytes = b""
    ttft_ms: int = 0
