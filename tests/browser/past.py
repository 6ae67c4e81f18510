"""A past for a site under test: calls over ninety days, priced as the relay would have priced them, with what
they cost taken from the balance, and rolled up; so charts and lists have something to show, and the books are
right."""

import random
from collections.abc import Iterator

from sqlalchemy import insert, update
from tests.browser.conftest import Site

from posthouse.accounts.service import create_key
from posthouse.catalogue.compiled import Catalogue
from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.ledger.rollups import watermark
from posthouse.ledger.settlement import usage_row
from posthouse.store.schema import keys, ledger_accounts, price_snapshots, usage_records
from posthouse.store.upsert import insert_if_absent
from posthouse.testing.rolled import roll_all

DAY_MS = 86_400_000
DAYS = 90
PLAN = "paid"
MODELS = (("gpt-4o-mini", 5), ("gpt-4o", 3), ("o3", 2))  # and how often, of ten
ILL_DAYS = range(9, 13)  # days ago on which o3 did badly
CREDIT = "200"


def give_past(site: Site, account_id: str, *, calls: int = 900) -> str:
    """Credits an account that has not called yet, makes it a key named "laptop", and lets it have called;
    returns the key's id. Once for each site."""
    site.relay.credit(account_id, CREDIT)
    key_id = create_key(site.store, account_id, name="laptop").id
    catalogue = site.relay.app.market.catalogue
    outcomes = list(_outcomes(catalogue, account_id, key_id, calls))
    spent = sum(one.charge_nanos for one in outcomes)
    with site.store.begin() as connection:
        promised = watermark(connection)
        assert not promised.rolled, "this site has a past already"
        connection.execute(insert(usage_records), [_row(one) for one in outcomes])
        balance = ledger_accounts.c.balance_nanos
        own = update(ledger_accounts).where(ledger_accounts.c.id == account_id)
        connection.execute(own.values(balance_nanos=balance - spent))
        connection.execute(update(keys).where(keys.c.id == key_id).values(spent_nanos=spent))
        for name, _ in MODELS:
            tariff = catalogue.tariff(PLAN, name)
            assert tariff is not None
            lines = {"id": tariff.id, "lines": tariff.lines_json.decode()}
            insert_if_absent(connection, price_snapshots, lines)
    roll_all(site.store, promised.promised)
    return key_id


def _row(outcome: Outcome) -> dict[str, object]:
    return dict(zip((column.name for column in usage_records.columns), usage_row(outcome), strict=True))


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
