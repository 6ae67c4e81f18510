"""How long a call is and can become, and the worst-case charge that is set aside for it."""

from __future__ import annotations

from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.money import format_nanos
from posthouse.ledger.service import Ledger
from posthouse.ledger.wallet import KeyBudget, Wallet
from posthouse.limits.rules import format_reset
from posthouse.metering.ceilings import names_elsewhere
from posthouse.relay.ask import Ask
from posthouse.relay.call import Call, Terms
from posthouse.relay.estimate import Estimator
from posthouse.store.errors import StoreDown

# A capped answer shorter than this (or than what was asked for) helps nobody: then the call is refused.
OUTPUT_TOKENS_MIN = 16
# What to shorten when a request is too long.
_PROMPT_FIELDS = {
    "chat/completions": "messages",
    "completions": "prompt",
    "embeddings": "input",
    "messages": "messages",
    "generateContent": "contents",
    "streamGenerateContent": "contents",
    "embedContent": "content",
    "batchEmbedContents": "requests",
}


async def size(call: Call, estimator: Estimator) -> int:
    """Prompt tokens to reserve (0 where no rule counts tokens). Raises Refusal when the request is longer
    than the plan or the model takes. Counts exactly only where the cheap bound does not settle it."""
    terms, ask = call.terms, call.ask
    if ask.endpoint.is_free:  # counting is what it asks for
        return 0
    output = min(ask.output_tokens_asked or 0, terms.output_tokens_max)
    bound = call.prompt_bound = estimator.prompt_bound(ask, terms.model)
    if bound <= terms.reserved_by_bytes_max and bound + output <= terms.request_tokens_max:
        return bound if terms.counts_tokens else 0
    prompt_tokens = await estimator.prompt_tokens(ask, terms.model)
    limits = (
        ("plan_input", terms.plan.input_tokens_max, 0),
        ("plan", terms.plan.request_tokens_max, output),
        ("default", terms.model.max_input_tokens, 0),
    )
    for situation, limit, extra in limits:
        if limit is not None and prompt_tokens + extra > limit:
            raise Refusal(
                RelayCode.CONTEXT_LENGTH_EXCEEDED,
                situation,
                param=_PROMPT_FIELDS[ask.endpoint.name],
                asked=prompt_tokens + extra,
                limit=limit,
            )
    return prompt_tokens


async def hold(call: Call, ledger: Ledger, estimator: Estimator, currency: str) -> None:
    """Set the worst-case charge aside. Where the balance covers the prompt but not the longest answer,
    cap the answer instead of refusing it. Raises Refusal where it covers neither."""
    terms, ask, key = call.terms, call.ask, call.key
    tariff, tier = terms.tariff, ask.peek.service_tier
    prompt = min(call.prompt_bound, terms.model.max_input_tokens or call.prompt_bound)
    # Rejected prediction tokens are charged as output, beyond any limit.
    predicted = len(ask.body) if ask.peek.has_prediction else 0
    longest = _longest_output(ask, terms) + predicted
    try:
        budget = None
        if key.budget_nanos is not None:
            budget = await ledger.budget_at(key.key_id, call.request.started_ms)
        wallet = ledger.wallet(key.account_id) or await ledger.load_wallet(key.account_id)
        ceiling = tariff.ceiling(prompt, longest * ask.choices, tier)
        call.hold = wallet.hold(ceiling, budget)
        if call.hold is not None:
            return
        if not names_elsewhere(ask.body):
            prompt = min(prompt, await estimator.prompt_tokens_surely(ask, terms.model))
        ceiling = tariff.ceiling(prompt, longest * ask.choices, tier)
        wallet = await ledger.load_wallet(key.account_id, ceiling)
    except StoreDown:
        raise Refusal(RelayCode.OVERLOADED, "store", retry_after_s=1) from None
    call.hold = wallet.hold(ceiling, budget)
    if call.hold is not None:
        return
    allowed = None if budget is None else budget.available_nanos
    available = wallet.available_nanos if allowed is None else min(wallet.available_nanos, allowed)
    cap = min(tariff.output_cap(available, prompt, ask.choices, tier), longest) - predicted
    if cap >= max(1, min(longest - predicted, OUTPUT_TOKENS_MIN)):
        call.output_cap = cap
        call.hold = wallet.hold(tariff.ceiling(prompt, (cap + predicted) * ask.choices, tier), budget)
    if call.hold is None:
        raise _too_dear(ceiling, wallet, budget, currency, call.request.started_ms)


def _longest_output(ask: Ask, terms: Terms) -> int:
    """Tokens of the longest answer that this request can get, as far as they are charged."""
    if ask.endpoint.is_free:
        return 0
    longest, asked = terms.output_tokens_max, ask.output_tokens_asked
    if asked is None:
        return longest
    # A model that tells no maximum may give as many as it is asked for.
    return asked if terms.output_tokens_unknown else min(longest, asked)


def _too_dear(ceiling: int, wallet: Wallet, budget: KeyBudget | None, currency: str, now_ms: int) -> Refusal:
    """What of the key's budget and the account's balance does not cover the call."""
    allowed = None if budget is None else budget.available_nanos
    if budget is not None and allowed is not None and allowed < wallet.available_nanos:
        reset_ms = None if budget.period == "total" else max(0, budget.until_ms - now_ms)
        return Refusal(
            RelayCode.KEY_BUDGET_EXCEEDED,
            "default" if reset_ms is None else budget.period,
            retry_after_s=None if reset_ms is None else reset_ms / 1000,
            reset="" if reset_ms is None else format_reset(reset_ms // 1000 * 1000),
            budget=format_nanos(budget.limit_nanos or 0),
            spent=format_nanos(budget.spent_nanos),
            currency=currency,
        )
    return Refusal(
        RelayCode.INSUFFICIENT_QUOTA,
        balance=format_nanos(wallet.available_nanos),
        needed=format_nanos(ceiling),
        currency=currency,
    )
