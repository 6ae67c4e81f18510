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


def bounded_size(call: Call, estimator: Estimator) -> int | None:
    """Prompt tokens to reserve (0 where no rule counts tokens), told from the bytes. None where these do not
    settle it that the request is no longer than the plan and the model take."""
    terms, ask = call.terms, call.ask
    if ask.endpoint.is_free:  # counting is what it asks for
        return 0
    bound = call.prompt_bound = estimator.prompt_bound(ask, terms.model)
    if bound > terms.short_tokens_max and (
        bound > terms.reserved_by_bytes_max or bound + _output_asked(ask, terms) > terms.request_tokens_max
    ):
        return None
    return bound if terms.counts_tokens else 0


async def counted_size(call: Call, estimator: Estimator) -> int:
    """Prompt tokens as they are counted. Raises Refusal when the request is longer than the plan or the
    model takes."""
    terms, ask = call.terms, call.ask
    output = _output_asked(ask, terms)
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


def _output_asked(ask: Ask, terms: Terms) -> int:
    return min(ask.output_tokens_asked or 0, terms.output_tokens_max)


def hold_at_once(call: Call, ledger: Ledger) -> bool:
    """Set the worst-case charge aside where that needs no waiting, as nearly always. False where it does:
    the key has a budget, or the wallet is not here or does not cover it."""
    wallet = ledger.wallet(call.key.account_id)
    if wallet is not None and call.key.budget_nanos is None:
        prompt, longest, choices = _worst_case(call)
        tier = call.ask.peek.service_tier
        call.hold = wallet.hold(call.terms.tariff.ceiling(prompt, longest * choices, tier))
    return call.hold is not None


async def hold(call: Call, ledger: Ledger, estimator: Estimator, currency: str) -> None:
    """The same, whatever it takes. Where the balance covers the prompt but not the longest answer,
    cap the answer instead of refusing it. Raises Refusal where it covers neither."""
    terms, ask, key = call.terms, call.ask, call.key
    tariff, tier = terms.tariff, ask.peek.service_tier
    prompt, longest, choices = _worst_case(call)
    try:
        budget = None
        if key.budget_nanos is not None:
            budget = await ledger.budget_at(key.key_id, call.request.started_ms)
        wallet = ledger.wallet(key.account_id) or await ledger.load_wallet(key.account_id)
        ceiling = tariff.ceiling(prompt, longest * choices, tier)
        call.hold = wallet.hold(ceiling, budget)
        if call.hold is not None:
            return
        if not names_elsewhere(ask.body):
            prompt = min(prompt, await estimator.prompt_tokens_surely(ask, terms.model))
        ceiling = tariff.ceiling(prompt, longest * choices, tier)
        wallet = await ledger.load_wallet(key.account_id, ceiling)
    except StoreDown:
        raise Refusal(RelayCode.OVERLOADED, "store", retry_after_s=1) from None
    call.hold = wallet.hold(ceiling, budget)
    if call.hold is not None:
        return
    allowed = None if budget is None else budget.available_nanos
    available = wallet.available_nanos if allowed is None else min(wallet.available_nanos, allowed)
    predicted = _predicted(ask)
    cap = min(tariff.output_cap(available, prompt, choices, tier), longest) - predicted
    if cap >= max(1, min(longest - predicted, OUTPUT_TOKENS_MIN)):
        call.output_cap = cap
        call.hold = wallet.hold(tariff.ceiling(prompt, (cap + predicted) * choices, tier), budget)
    if call.hold is None:
        raise _too_dear(ceiling, wallet, budget, currency, call.request.started_ms)


def _worst_case(call: Call) -> tuple[int, int, int]:
    """The most tokens that its prompt can have, and each of its answers, as far as they are charged; and how
    many answers."""
    ask, terms, prompt = call.ask, call.terms, call.prompt_bound
    prompt_max = terms.model.max_input_tokens
    if prompt_max and prompt > prompt_max:
        prompt = prompt_max
    longest = 0 if ask.endpoint.is_free else terms.output_tokens_max
    asked = ask.output_tokens_asked
    if asked is not None and longest:
        # A model that tells no maximum may give as many as it is asked for.
        longest = asked if terms.output_tokens_unknown else min(longest, asked)
    return prompt, longest + _predicted(ask), ask.peek.choices


def _predicted(ask: Ask) -> int:
    """Rejected prediction tokens are charged as output, beyond any limit."""
    return len(ask.body) if ask.peek.has_prediction else 0


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
