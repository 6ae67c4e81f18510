"""A past for a site under test: calls over ninety days, priced as the relay would have priced them, with what
they cost taken from the balance, and rolled up; so charts and lists have something to show, and the books are
right."""

import random
from collections.abc import Iterator, Mapping

from sqlalchemy import insert, update
from tests.browser.conftest import Site

from posthouse.accounts.service import create_key
from posthouse.catalogue.compiled import Catalogue
from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.ledger.rollups import watermark
from posthouse.ledger.settlement import usage_row
from posthouse.metering.prices import Tariff
from posthouse.store.schema import keys, ledger_accounts, price_snapshots, usage_records
from posthouse.store.upsert import insert_if_absent
from posthouse.testing.rolled import roll_all

DAY_MS = 86_400_000
DAYS = 90
PLAN = "paid"
MODELS = {"gpt-4o-mini": 5, "gpt-4o": 3, "o3": 2}  # and how often each is called
ILL_DAYS = range(9, 13)  # days ago on which the least called model did badly
CREDIT = "200"


def give_past(
    site: Site, account_id: str, *others: str, calls: int = 900, models: Mapping[str, int] = MODELS
) -> str:
    """Credits accounts that have not called yet, makes each a key named "laptop", and lets them have called,
    the first twice as much as the second, and so on; returns the key of the first. Once for each site."""
    catalogue = site.relay.app.market.catalogue
    members = []
    for member in (account_id, *others):
        site.relay.credit(member, CREDIT)
        members.append((member, create_key(site.store, member, name="laptop").id))
    outcomes = list(_outcomes(catalogue, members, models, calls))
    with site.store.begin() as connection:
        promised = watermark(connection)
        assert not promised.rolled, "this site has a past already"
        connection.execute(insert(usage_records), [_row(one) for one in outcomes])
        for member, key_id in members:
            spent = sum(one.charge_nanos for one in outcomes if one.account_id == member)
            balance = ledger_accounts.c.balance_nanos
            own = update(ledger_accounts).where(ledger_accounts.c.id == member)
            connection.execute(own.values(balance_nanos=balance - spent))
            connection.execute(update(keys).where(keys.c.id == key_id).values(spent_nanos=spent))
        for name in models:
            tariff = _tariff(catalogue, name)
            lines = {"id": tariff.id, "lines": tariff.lines_json.decode()}
            insert_if_absent(connection, price_snapshots, lines)
    roll_all(site.store, promised.promised)
    return members[0][1]


def _row(outcome: Outcome) -> dict[str, object]:
    return dict(zip((column.name for column in usage_records.columns), usage_row(outcome), strict=True))


def _tariff(catalogue: Catalogue, model: str) -> Tariff:
    tariff = catalogue.tariff(PLAN, model)
    assert tariff is not None
    return tariff


def _outcomes(
    catalogue: Catalogue, members: list[tuple[str, str]], models: Mapping[str, int], calls: int
) -> Iterator[Outcome]:
    chance = random.Random(7)
    until_ms = now_ms() - 60_000
    least = min(models, key=lambda name: models[name])
    halves = [2.0**-number for number in range(len(members))]
    for number in range(calls):
        # More lately than long ago.
        ago_ms = int(DAYS * DAY_MS * (1 - (number + 1) / calls) ** 1.4) + chance.randrange(DAY_MS // 4)
        (model,) = chance.choices(list(models), list(models.values()))
        (member,) = chance.choices(members, halves)
        is_ill = model == least and ago_ms // DAY_MS in ILL_DAYS and chance.random() < 0.6
        request_id = f"req_{until_ms - ago_ms:012x}{'b' * 10}{number:06x}"
        yield _outcome(catalogue, member, request_id, model, is_ill, chance)


def _outcome(
    catalogue: Catalogue,
    member: tuple[str, str],
    request_id: str,
    model: str,
    is_ill: bool,
    chance: random.Random,
) -> Outcome:
    cached, prompt, answer = (chance.randrange(0, bound) for bound in (600, 1_800, 900))
    quantities = {"input": prompt + 20, "cached_input": cached, "output": 0 if is_ill else answer + 5}
    tariff = _tariff(catalogue, model)
    charge = 0 if is_ill else tariff.charge(quantities, prompt_tokens=prompt + cached + 20).nanos
    ttft = chance.randrange(180, 1_400)
    duration = ttft + quantities["output"] * chance.randrange(8, 22)
    status = 503 if is_ill else 200
    spec = catalogue.model(model)
    channel = next(one.name for one in catalogue.channels if one.offers(model))
    return Outcome(
        request_id=request_id,
        ending=Ending.FAILED if is_ill else Ending.COMPLETED,
        http_status=status,
        account_id=member[0],
        key_id=member[1],
        plan=PLAN,
        family=spec.family if spec else "",
        model=model,
        endpoint="chat/completions",
        stream=True,
        address_hash=b"\1" * 16,
        channel="" if is_ill else channel,
        attempts=(AttemptRecord(channel, status, "", duration, "", "served", ttft),),
        quantities=quantities,
        prompt_tokens=prompt + cached + 20,
        completion_tokens=quantities["output"],
        service_tier="default",
        charge_nanos=charge,
        cost_nanos=charge * 4 // 5,
        price_id=tariff.id,
        started_ms=int(request_id[4:16], 16),
        duration_ms=duration,
        ttft_ms=0 if is_ill else ttft,
    )
