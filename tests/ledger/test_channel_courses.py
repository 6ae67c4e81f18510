"""How a channel did in each step, whether its records are rolled up or not."""

import pytest
from tests.ledger.test_rollups import settle

from posthouse.kernel.periods import QUARTER_MS
from posthouse.ledger.sums import channel_courses
from posthouse.store.engine import Store
from posthouse.testing.check_store import new_member, outcome_of
from posthouse.testing.rolled import roll_all

START_MS = 2_000_000 * QUARTER_MS


@pytest.mark.parametrize("is_rolled", [False, True])
def test_steps_have_their_calls_and_faults(store: Store, is_rolled: bool) -> None:
    member = new_member(store, 10_000)
    at_ms = [START_MS, START_MS + QUARTER_MS - 1, START_MS + 3 * QUARTER_MS]
    settle(
        store,
        outcome_of(member, 1, started_ms=at_ms[0], ttft_ms=90),
        outcome_of(member, 1, started_ms=at_ms[1], http_status=500, ttft_ms=0),
        outcome_of(member, 1, started_ms=at_ms[2], channel="spare", http_status=404, ttft_ms=0),
        outcome_of(member, 1, started_ms=at_ms[2] + QUARTER_MS, channel="later"),
    )
    if is_rolled:
        roll_all(store)
    until_ms = START_MS + 4 * QUARTER_MS
    starts, courses = channel_courses(store, since_ms=START_MS, until_ms=until_ms, quarters=1)
    assert starts == tuple(range(START_MS, until_ms, QUARTER_MS))
    main, spare = courses
    assert (main.channel, main.requests, main.faults) == ("main", (2, 0, 0, 0), (1, 0, 0, 0))
    assert main.ttft_p50_ms[0] == 50  # the middle of the bucket up to 100 ms
    assert (spare.requests, spare.faults) == ((0, 0, 0, 1), (0, 0, 0, 0))
    starts, (main, spare) = channel_courses(store, since_ms=START_MS, until_ms=until_ms, quarters=4)
    assert (starts, main.requests, spare.requests) == ((START_MS,), (2,), (1,))
