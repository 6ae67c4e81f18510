"""How a call ended. Built once; the usage record, the log line and the metrics are renderings of it."""

from enum import StrEnum

import msgspec


class Ending(StrEnum):
    """COMPLETED: the whole upstream answer, whatever its status, reached the caller. CANCELLED: the caller
    left first. BROKEN: the upstream broke off after the first byte. FAILED: no upstream answer at all; the
    caller got the relay's error, nothing is charged and no request quota is used. REFUSED: never sent
    upstream; no usage record."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    BROKEN = "broken"
    FAILED = "failed"
    REFUSED = "refused"


class AttemptRecord(msgspec.Struct, frozen=True, gc=False):
    """One try at one channel: its name, the upstream's status (0: none), the fault ("" when it answered to
    the end), ms until it answered or failed, with which credential, the verdict (routing.verdicts; "" when
    the caller left first), and ms to the answer's first byte (-1: none came)."""

    channel: str
    status: int
    fault: str
    duration_ms: int
    credential: str = ""
    verdict: str = ""
    ttft_ms: int = -1


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """Times are ms since 1970 or durations in ms; money is nanos. `quantities` counts disjoint price
    components, e.g. {"input": 10, "cached_input": 5, "output": 7}. `address_hash` is a keyed hash."""

    request_id: str
    ending: Ending
    http_status: int
    relay_code: int = 0
    account_id: str = ""
    key_id: str = ""
    plan: str = ""
    family: str = ""
    model: str = ""
    endpoint: str = ""
    stream: bool = False
    address_hash: bytes = b""
    channel: str = ""
    attempts: tuple[AttemptRecord, ...] = ()
    quantities: dict[str, int] = {}
    prompt_tokens: int = 0
    completion_tokens: int = 0
    service_tier: str = ""
    estimated: bool = False
    charge_nanos: int = 0
    shortfall_nanos: int = 0
    cost_nanos: int = 0
    price_id: str = ""
    started_ms: int = 0
    duration_ms: int = 0
    ttft_ms: int = 0
