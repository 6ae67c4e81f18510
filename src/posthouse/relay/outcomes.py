"""How a call ended, as the one value that usage record, log line and metrics are made of."""

from __future__ import annotations

from posthouse.accounts.rules import KeyEntry
from posthouse.kernel.clock import monotonic_s
from posthouse.kernel.errors import Refusal
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.metering.usage import Usage
from posthouse.relay.call import Call
from posthouse.relay.values import RelayRequest

_NOTHING = Usage({}, 0, 0)


def outcome_of(call: Call, ending: Ending, status: int, usage: Usage | None, relay_code: int = 0) -> Outcome:
    request, terms, key, answer = call.request, call.terms, call.key, call.answer
    tariff, used = terms.tariff, usage or _NOTHING
    quantities, prompt_tokens, service_tier = used.quantities, used.prompt_tokens, used.service_tier
    if not tariff.has_tier(service_tier):  # it may be any text that the upstream says
        service_tier = ""
    charge_nanos = tariff.charge_nanos(quantities, prompt_tokens, service_tier)
    duration_ms, ttft_ms, channel, cost_nanos = elapsed_ms(request), call.ttft_ms, "", 0
    if answer is not None:
        offer = answer.leg.offer
        channel = offer.channel
        if offer.cost is tariff:
            cost_nanos = charge_nanos
        elif offer.cost is not None:
            cost_nanos = offer.cost.charge_nanos(quantities, prompt_tokens, used.service_tier)
        if answer.stream is None:  # a whole answer is given when it has ended
            ttft_ms = duration_ms
    # In the order of its fields: by their names msgspec takes eight times as long.
    return Outcome(
        request.request_id,
        ending,
        status,
        relay_code,
        key.account_id,
        key.key_id,
        key.plan,
        terms.model.family,
        terms.model.name,
        call.ask.endpoint.name,
        call.ask.peek.stream is True,
        request.address_hash,
        channel,
        tuple(call.attempts),
        quantities,
        prompt_tokens,
        used.completion_tokens,
        service_tier,
        used.estimated,
        charge_nanos,
        0,  # a shortfall is the ledger's to find
        cost_nanos,
        terms.snapshot.price_id,
        request.started_ms,
        duration_ms,
        ttft_ms,
    )


def refused_outcome(request: RelayRequest, refusal: Refusal, key: KeyEntry | None = None) -> Outcome:
    """The outcome of a request that never became a call; `key` where it is known by whom."""
    return Outcome(
        request_id=request.request_id,
        ending=Ending.REFUSED,
        http_status=refusal.row.http_status,
        relay_code=int(refusal.code),
        account_id=key.account_id if key else "",
        key_id=key.key_id if key else "",
        started_ms=request.started_ms,
        duration_ms=elapsed_ms(request),
    )


def elapsed_ms(request: RelayRequest) -> int:
    """Since the request came."""
    return int((monotonic_s() - request.started_s) * 1000)
