"""A past for a site under test: calls over ninety days, priced as the relay would have priced them, settled
by its own ledger and rolled up, so that charts and lists have something to show."""

import asyncio
import random
from collections.abc import Iterator

from tests.browser.conftest import Site

from posthouse.accounts.service import create_key
from posthouse.catalogue.compiled import Catalogue
from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.ledger.settlement import Snapshot
from posthouse.testing.rolled import roll_all

DAY_MS = 86_400_000
DAYS = 90
PLAN = "paid"
MODELS = (("gpt-4o-mini", 5), ("gpt-4o", 3), ("o3", 2))  # and how often, of ten
ILL_DAYS = range(9, 13)  # days ago on which o3 did badly
CREDIT = "200"


def give_past(site: Site, account_id: str, *, calls: int = 600) -> str:
    """Credits the account, makes it a key named "laptop", and lets it have called; returns the key's id."""
    site.relay.credit(account_id, CREDIT)
    key_id = create_key(site.store, account_id, name="laptop").id
    catalogue = site.relay.app.market.catalogue

    async def settle_all() -> None:
        ledger = site.relay.app.ledger
        wallet = await ledger.load_wallet(account_id)
        settled = []
        for outcome in _outcomes(catalogue, account_id, key_id, calls):
            tariff = catalogue.tariff(PLAN, outcome.model)
            assert tariff is not None
            snapshot = Snapshot(tariff.id, tariff.lines_json.decode())
            settled.append(ledger.settle(wallet.hold(outcome.charge_nanos), outcome, snapshot=snapshot))
        await asyncio.gather(*settled)

    site.relay.run(settle_all)
    roll_all(site.store)
    return key_id


def _outcomes(catalogue: Catalogue, account_id: str, key_id: str, calls: int) -> Iterator[Outcome]:
    chance = random.Random(7)
    until_ms = now_ms() - 60_000
    for number in range(calls):
        # More lately than long ago, and by day rather than by night.
        ago_ms = int(DAYS * DAY_MS * (1 - (number + 1) / calls) ** 1.4) + chance.randrange(DAY_MS // 4)
        model = chance.choices([name for name, _ in MODELS], [weight for _, weight in MODELS])[0]
        is_ill = model == "o3" and ago_ms // DAY_MS in ILL_DAYS and chance.random() < 0.6
        yield _outcome(catalogue, account_id, key_id, number, until_ms - ago_ms, model, is_ill, chance)


def _outcome(
    catalogue: Catalogue,
    account_id: str,
    key_id: str,
    number: int,
    at_ms: int,
    model: str,
    is_ill: bool,
    chance: random.Random,
) -> Outcome:
    cached, prompt, answer = (chance.randrange(0, bound) for bound in (600, 1_800, 900))
    quantities = {"input": prompt + 20, "cached_input": cached, "output": 0 if is_ill else answer + 5}
    tariff = catalogue.tariff(PLAN, model)
    assert tariff is not None
    charge = 0 if is_ill else tariff.charge(quantities, prompt_tokens=prompt + cached + 20).nanos
    ttft = chance.randrange(180, 1_400)
    duration = ttft + quantities["output"] * chance.randrange(8, 22)
    status = 503 if is_ill else 200
    return Outcome(
        request_id=f"req_{at_ms:012x}{'b' * 10}{number:06x}",
        ending=Ending.FAILED if is_ill else Ending.COMPLETED,
        http_status=status,
        account_id=account_id,
        key_id=key_id,
        plan=PLAN,
        family="premium" if model != "gpt-4o-mini" else "standard",
        model=model,
        endpoint="chat/completions",
        stream=True,
        address_hash=b"\1" * 16,
        channel="" if is_ill else "main",
        attempts=(AttemptRecord("main", status, "", duration, "", "served", ttft),),
        quantities=quantities,
        prompt_tokens=prompt + cached + 20,
        completion_tokens=quantities["output"],
        service_tier="default",
        charge_nanos=charge,
        cost_nanos=charge * 4 // 5,
        price_id=tariff.id,
        started_ms=at_ms,
        duration_ms=duration,
        ttft_ms=0 if is_ill else ttft,
    )
