"""One metered call in progress: what it was granted and what it holds, until it is settled."""

from __future__ import annotations

from msgspec import Struct

from posthouse.accounts.rules import KeyEntry
from posthouse.catalogue.compiled import ModelSpec, PlanSpec
from posthouse.kernel.outcome import AttemptRecord
from posthouse.kernel.secrets import SecretText
from posthouse.ledger.claims import Claim
from posthouse.ledger.settlement import Snapshot
from posthouse.ledger.wallet import Hold
from posthouse.limits.rules import LimitRule
from posthouse.limits.service import Granted
from posthouse.metering.prices import Tariff
from posthouse.relay.ask import Ask
from posthouse.relay.forward import Answer
from posthouse.relay.values import Door, RelayRequest
from posthouse.routing.channels import ChannelSpec

# The longest answer of a model that says none: what most can give. It bounds the hold, not the answer.
OUTPUT_TOKENS_DEFAULT = 16_384


class Terms(Struct, frozen=True):
    """Under what terms a plan's members call a model. Made once per plan and model, until the configuration
    changes."""

    plan: PlanSpec
    model: ModelSpec
    tariff: Tariff
    snapshot: Snapshot
    rules: tuple[LimitRule, ...]
    counts_tokens: bool  # some rule limits tokens, so the prompt is counted before the call
    channels: tuple[ChannelSpec, ...]  # by priority
    credentials: dict[str, SecretText]

    @property
    def output_tokens_max(self) -> int:
        if self.model.kind == "embedding":
            return 0
        return self.model.max_output_tokens or OUTPUT_TOKENS_DEFAULT


class Call(Struct, eq=False):
    """`granted`, `hold` and `claim` are what must be given back or settled, each exactly once: whoever does
    it sets it to None."""

    request: RelayRequest
    door: Door
    key: KeyEntry
    ask: Ask
    terms: Terms
    claim: Claim | None = None
    granted: Granted | None = None
    hold: Hold | None = None
    output_cap: int | None = None
    attempts: list[AttemptRecord] = []
    answer: Answer | None = None
    quota_headers: bytes = b""
    ttft_ms: int = 0
