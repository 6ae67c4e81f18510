from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.routing.channels import CredentialDef
from posthouse.routing.pools import (
    PROBE_MAX_S,
    PROBE_S,
    PROVEN_S,
    REST_MAX_S,
    RETRY_AFTER_MAX_S,
    STRIKES_MAX,
    CredentialState,
    Departure,
    Pool,
    Return,
)
from posthouse.routing.verdicts import Verdict

OK, LIMITED, REFUSED, QUOTA = Verdict.OK, Verdict.RATE_LIMITED, Verdict.CREDENTIAL, Verdict.QUOTA


def credential(name: str, **fields: int) -> CredentialDef:
    return CredentialDef(name=name, **fields)


def pool_of(*credentials: CredentialDef) -> Pool:
    return Pool("main", credentials)


def call(
    pool: Pool,
    verdict: Verdict | None,
    at_s: float,
    *,
    model: str = "",
    tokens: int = 0,
    retry_after_s: float | None = None,
) -> Departure | None:
    """A call that is over at once."""
    lease = pool.take(tokens, at_s, model=model)
    assert lease is not None
    return pool.end(lease, verdict, at_s, retry_after_s=retry_after_s)


def taken(pool: Pool, affinity: bytes) -> str:
    """Whom a call takes that is over at once."""
    lease = pool.take(0, 0.0, affinity=affinity)
    assert lease is not None
    pool.end(lease, Verdict.OK, 0.0)
    return lease.name


def is_free(pool: Pool, at_s: float, model: str = "", tokens: int = 0) -> bool:
    lease = pool.take(tokens, at_s, model=model)
    if lease is not None:
        pool.end(lease, None, at_s, tokens=0)
    return lease is not None


def state_of(pool: Pool, at_s: float = 0.0) -> CredentialState:
    return pool.standings(at_s)[0].state


def test_a_call_takes_what_it_has_not_tried() -> None:
    pool = pool_of(credential("a"), credential("b"))
    first = pool.take(1, 0.0)
    assert first is not None
    second = pool.take(1, 0.0, {first.name})
    assert second is not None
    assert {first.name, second.name} == {"a", "b"}
    assert pool.take(1, 0.0, {"a", "b"}) is None
    assert pool_of(credential("a")).take(1, 0.0, {"a"}) is None
    assert pool_of().take(1, 0.0) is None
    assert pool_of().wait_s(0.0) is None


def test_calls_one_after_another_are_shared_by_weight() -> None:
    pool = pool_of(credential("a", weight=3), credential("b"))
    taken: Counter[str] = Counter()
    for _ in range(400):
        lease = pool.take(1, 0.0)
        assert lease is not None
        taken[lease.name] += 1
        pool.end(lease, OK, 0.0)
    assert taken == {"a": 300, "b": 100}


def test_calls_at_a_time_are_shared_by_weight() -> None:
    pool = pool_of(credential("a", weight=3), credential("b"))
    leases = [pool.take(1, 0.0) for _ in range(40)]
    assert Counter(lease.name for lease in leases if lease) == {"a": 30, "b": 10}
    for lease in leases:
        if lease is not None and lease.name == "a":
            pool.end(lease, OK, 0.0)
    again = [pool.take(1, 0.0) for _ in range(30)]
    assert Counter(lease.name for lease in again if lease) == {"a": 30}


def test_calls_that_share_a_prompt_cache_take_one_credential_while_it_is_free() -> None:
    """The upstream keeps a cache for each account."""
    pool = pool_of(credential("a", concurrency=2), credential("b", weight=3), credential("c"))
    keys = [b"conversation %d" % number for number in range(1000)]
    names = [taken(pool, affinity=key) for key in keys]
    assert [taken(pool, affinity=key) for key in keys] == names
    assert 540 < names.count("b") < 660, "three of five"
    key = keys[names.index("a")]
    leases = [pool.take(0, 0.0, affinity=key) for _ in range(3)]
    assert [lease.name for lease in leases if lease is not None][:2] == ["a", "a"]
    (other,) = {lease.name for lease in leases if lease is not None} - {"a"}
    assert pool.take(0, 0.0, {other}, affinity=key).name == ({"b", "c"} - {other}).pop()  # type: ignore[union-attr]  # one is free


def test_who_comes_back_is_not_flooded_with_what_it_missed() -> None:
    pool = pool_of(credential("a"), credential("b"))
    pool.apply_states({"b": (CredentialState.DISABLED, "")}, 0.0)
    for _ in range(100):
        call(pool, OK, 0.0)
    pool.apply_states({}, 0.0)
    pool.update([credential("a"), credential("b"), credential("new")])
    leases = [pool.take(1, 0.0) for _ in range(6)]
    assert Counter(lease.name for lease in leases if lease) == {"a": 2, "b": 2, "new": 2}


def test_no_more_calls_at_a_time_than_the_ceiling() -> None:
    pool = pool_of(credential("a", concurrency=2))
    lease = pool.take(1, 0.0)
    assert pool.take(1, 0.0) is not None
    assert pool.take(1, 0.0) is None
    assert pool.take(1, 0.0, insist=True) is None
    assert pool.wait_s(0.0) == 0.0
    assert lease is not None
    pool.end(lease, OK, 1.0)
    assert pool.take(1, 1.0) is not None


def test_a_lease_ends_once() -> None:
    pool = pool_of(credential("a"))
    lease = pool.take(1, 0.0)
    assert lease is not None
    assert pool.end(lease, QUOTA, 0.0) is not None
    assert pool.end(lease, QUOTA, 0.0) is None
    assert pool.standings(0.0)[0].in_flight == 0


@pytest.mark.parametrize("start_s", [0.0, 0.9, 1000.5])
def test_requests_of_any_minute_stay_under_the_ceiling(start_s: float) -> None:
    pool = pool_of(credential("a", requests_per_minute=2))
    call(pool, OK, start_s)
    call(pool, OK, start_s + 30)
    assert not is_free(pool, start_s + 59.9)
    wait_s = pool.wait_s(start_s + 40)
    assert wait_s is not None
    assert 20 <= wait_s <= 21
    assert is_free(pool, start_s + 40 + wait_s)


def test_a_pause_of_hours_empties_the_minute() -> None:
    pool = pool_of(credential("a", requests_per_minute=1))
    call(pool, OK, 10.0)
    assert not is_free(pool, 11.0)
    assert is_free(pool, 10_000.0)


def test_tokens_are_reserved_and_then_counted_as_they_were() -> None:
    pool = pool_of(credential("a", tokens_per_minute=100))
    lease = pool.take(60, 0.0)
    assert lease is not None
    assert not is_free(pool, 1.0, tokens=41)
    pool.end(lease, OK, 2.0, tokens=10)
    assert pool.standings(2.0)[0].tokens == 10
    assert is_free(pool, 2.0, tokens=90)


def test_what_a_call_used_more_counts_from_its_end() -> None:
    pool = pool_of(credential("a", tokens_per_minute=100))
    lease = pool.take(10, 0.0)
    assert lease is not None
    pool.end(lease, OK, 50.0, tokens=90)
    assert [pool.standings(at_s)[0].tokens for at_s in (50.0, 61.0, 109.0, 111.0)] == [90, 80, 80, 0]


def test_what_a_long_call_used_less_is_not_given_back_twice() -> None:
    pool = pool_of(credential("a", tokens_per_minute=100))
    lease = pool.take(50, 0.0)
    assert lease is not None
    call(pool, OK, 100.0, tokens=40)
    pool.end(lease, OK, 100.0, tokens=10)
    assert pool.standings(100.0)[0].tokens == 40


@pytest.mark.parametrize(("verdict", "counted"), [(OK, 50), (None, 50), (Verdict.ERROR, 0), (LIMITED, 0)])
def test_a_failed_call_used_nothing(verdict: Verdict | None, counted: int) -> None:
    pool = pool_of(credential("a", tokens_per_minute=100))
    call(pool, verdict, 0.0, tokens=50)
    assert pool.standings(0.0)[0].tokens == counted
    assert pool.standings(0.0)[0].requests == 1


def test_a_call_larger_than_the_ceiling_goes_alone() -> None:
    pool = pool_of(credential("a", tokens_per_minute=100))
    assert is_free(pool, 0.0, tokens=101)
    call(pool, OK, 0.0, tokens=1)
    assert not is_free(pool, 0.0, tokens=101)
    wait_s = pool.wait_s(0.0, tokens=101)
    assert wait_s == 61.0
    assert is_free(pool, wait_s, tokens=101)


def test_a_call_goes_where_there_is_room() -> None:
    pool = pool_of(credential("a", requests_per_minute=1), credential("b"))
    names = [lease.name for _ in range(4) if (lease := pool.take(1, 0.0))]
    assert names == ["a", "b", "b", "b"]


def test_insisting_takes_who_rests_by_a_guess_alone() -> None:
    pool = pool_of(credential("a"))
    call(pool, LIMITED, 0.0)
    assert pool.take(1, 0.5) is None
    lease = pool.take(1, 0.5, insist=True)
    assert lease is not None
    assert pool.take(1, 0.5, {"a"}, insist=True) is None
    pool.end(lease, LIMITED, 1.0, retry_after_s=10.0)
    assert pool.take(1, 5.0, insist=True) is None


@pytest.mark.parametrize(
    "ceiling", [{"concurrency": 1}, {"requests_per_minute": 1}, {"tokens_per_minute": 10}]
)
def test_insisting_passes_no_ceiling(ceiling: dict[str, int]) -> None:
    pool = pool_of(credential("a", **ceiling))
    assert pool.take(10, 0.0) is not None
    assert pool.take(10, 0.0, insist=True) is None


def test_after_a_429_the_credential_rests_as_long_as_it_was_told() -> None:
    pool = pool_of(credential("a"))
    call(pool, LIMITED, 0.0, retry_after_s=7.0)
    assert pool.wait_s(3.0) == 4.0
    assert not is_free(pool, 6.9)
    assert is_free(pool, 7.0)
    call(pool, LIMITED, 7.0, retry_after_s=1e9)
    assert pool.wait_s(7.0) == RETRY_AFTER_MAX_S


def test_a_429_that_says_nothing_rests_longer_each_time() -> None:
    pool = pool_of(credential("a"))
    waits, at_s = [], 0.0
    for _ in range(9):
        call(pool, LIMITED, at_s)
        waits.append(pool.wait_s(at_s) or 0.0)
        at_s += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, REST_MAX_S, REST_MAX_S, REST_MAX_S]
    call(pool, OK, at_s)
    call(pool, LIMITED, at_s)
    assert pool.wait_s(at_s) == 1.0


def test_many_calls_that_hear_of_a_limit_at_once_hear_it_once() -> None:
    pool = pool_of(credential("a"))
    leases = [pool.take(1, 0.0) for _ in range(20)]
    for i, lease in enumerate(leases):
        assert lease is not None
        pool.end(lease, LIMITED, 1 + i / 100)
    assert pool.wait_s(1.5) == 0.5


def test_an_answer_to_an_earlier_call_ends_no_rest() -> None:
    pool = pool_of(credential("a"))
    early = pool.take(1, 0.0)
    call(pool, LIMITED, 1.0, retry_after_s=10.0)
    assert early is not None
    pool.end(early, OK, 2.0)
    assert not is_free(pool, 3.0)


def test_a_rest_is_of_one_model() -> None:
    pool = pool_of(credential("a"))
    call(pool, LIMITED, 0.0, model="big", retry_after_s=10.0)
    assert not is_free(pool, 1.0, "big")
    assert is_free(pool, 1.0, "small")
    call(pool, OK, 1.0, model="small")
    assert pool.standings(1.0)[0].resting_s == {"big": 9.0}
    assert pool.standings(10.0)[0].resting_s == {}
    call(pool, OK, 10.0, model="big")
    assert is_free(pool, 10.0, "big")


@pytest.mark.parametrize("verdict", [REFUSED, QUOTA])
def test_a_refused_credential_leaves_with_its_reason(verdict: Verdict) -> None:
    pool = pool_of(credential("a"), credential("b"))
    assert call(pool, verdict, 0.0) == Departure("main", "a", verdict, PROBE_S)
    assert [lease.name for _ in range(3) if (lease := pool.take(1, 1.0))] == ["b", "b", "b"]
    standing = pool.standings(1.0)[0]
    assert (standing.state, standing.reason, standing.probe_s) == ("out", verdict.value, PROBE_S - 1)
    assert pool.wait_s(1.0) == 0.0


def test_a_pool_whose_all_are_out_has_nothing_to_wait_for() -> None:
    pool = pool_of(credential("a"))
    call(pool, QUOTA, 0.0)
    assert pool.take(1, 1.0) is None
    assert pool.take(1, 1.0, insist=True) is None
    assert pool.wait_s(1.0) is None


def test_one_callers_forbidden_model_takes_no_credential_from_all() -> None:
    """A 403 for one model, again and again, beside calls that are answered."""
    pool = pool_of(credential("a"))
    refusals = 0
    for at_s in range(0, 600, 10):
        call(pool, OK, float(at_s), model="common")
        lease = pool.take(1, at_s + 1.0, model="forbidden")
        if lease is not None:
            refusals += 1
            assert pool.end(lease, REFUSED, at_s + 2.0) is None
        assert is_free(pool, at_s + 3.0, "common")
    assert refusals <= 10


def test_a_streams_first_byte_speaks_for_a_credential_before_its_end() -> None:
    pool = pool_of(credential("a"))
    lease = pool.take(1, 0.0)
    assert lease is not None
    pool.begun(lease, 1.0)
    assert call(pool, REFUSED, 2.0, model="forbidden") is None
    assert is_free(pool, 3.0, "common")


def test_a_revoked_credential_leaves_though_it_has_just_served() -> None:
    pool = pool_of(credential("a"))
    call(pool, OK, 0.0)
    for strike in range(1, STRIKES_MAX):
        assert call(pool, REFUSED, strike, model=f"model-{strike}") is None
    assert call(pool, REFUSED, STRIKES_MAX, model="another") is not None


def test_what_a_credential_answered_long_ago_speaks_for_it_no_longer() -> None:
    pool = pool_of(credential("a"))
    call(pool, OK, 0.0)
    assert call(pool, REFUSED, PROVEN_S) is not None


def test_a_used_up_account_leaves_though_it_has_just_served() -> None:
    pool = pool_of(credential("a"))
    call(pool, OK, 0.0)
    assert call(pool, QUOTA, 0.1) is not None


def test_calls_under_way_together_are_one_strike() -> None:
    pool = pool_of(credential("a"))
    call(pool, OK, 0.0)
    leases = [pool.take(1, 0.0, model=f"model-{i}") for i in range(STRIKES_MAX)]
    for lease in leases:
        assert lease is not None
        assert pool.end(lease, REFUSED, 1.0) is None
    assert state_of(pool) == "in"


def test_it_leaves_once() -> None:
    pool = pool_of(credential("a"))
    leases = [pool.take(1, 0.0) for _ in range(2)]
    departures = [pool.end(lease, REFUSED, 1.0) for lease in leases if lease]
    assert departures == [Departure("main", "a", REFUSED, PROBE_S), None]


def test_it_comes_back_by_a_probe_and_takes_one_call_at_a_time_until_one_is_answered() -> None:
    pool = pool_of(credential("a"))
    call(pool, QUOTA, 0.0)
    assert pool.due_for_probe(PROBE_S - 0.1) == []
    assert pool.due_for_probe(PROBE_S) == ["a"]
    assert pool.due_for_probe(PROBE_S) == []
    assert pool.probed("a", True, 6.0) == Return("main", "a", "quota")
    assert pool.probed("a", True, 6.0) is None
    lease = pool.take(1, 7.0)
    assert lease is not None
    assert pool.take(1, 7.0) is None
    assert state_of(pool) == "trial"
    pool.end(lease, OK, 8.0)
    assert state_of(pool) == "in"
    assert pool.take(1, 8.0) is not None
    assert pool.take(1, 8.0) is not None


def test_on_trial_a_streams_first_byte_is_an_answer() -> None:
    pool = pool_of(credential("a"))
    call(pool, REFUSED, 0.0)
    pool.probed("a", True, 1.0)
    lease = pool.take(1, 2.0)
    assert lease is not None
    pool.begun(lease, 3.0)
    assert state_of(pool) == "in"
    assert pool.take(1, 3.0) is not None
    pool.end(lease, None, 600.0)
    assert pool.standings(600.0)[0].in_flight == 1


def test_on_trial_a_call_that_says_nothing_lets_the_next_try() -> None:
    pool = pool_of(credential("a"))
    call(pool, REFUSED, 0.0)
    pool.probed("a", True, 1.0)
    call(pool, None, 2.0)
    call(pool, Verdict.ERROR, 2.0)
    assert state_of(pool) == "trial"
    assert is_free(pool, 3.0)


def test_an_answer_to_an_earlier_call_proves_nothing() -> None:
    pool = pool_of(credential("a"))
    early = pool.take(1, 0.0)
    call(pool, REFUSED, 1.0)
    assert early is not None
    pool.end(early, OK, 2.0)
    assert state_of(pool) == "out"
    pool.probed("a", True, 3.0)
    other = pool.take(1, 3.0)
    assert other is not None
    assert state_of(pool) == "trial"


def test_probes_become_rarer_until_an_answer_came() -> None:
    pool = pool_of(credential("a"))
    departure = call(pool, REFUSED, 0.0)
    at_s, waits = 0.0, [departure.probe_s if departure else 0.0]
    for _ in range(9):
        at_s += waits[-1]
        assert pool.due_for_probe(at_s) == ["a"]
        pool.probed("a", False, at_s)
        waits.append(pool.standings(at_s)[0].probe_s or 0.0)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, PROBE_MAX_S, PROBE_MAX_S]


def test_a_probe_that_was_wrong_is_not_believed_as_soon_again() -> None:
    """Some upstreams list their models to anyone."""
    pool = pool_of(credential("a"))
    call(pool, QUOTA, 0.0)
    pool.probed("a", True, 5.0)
    assert call(pool, QUOTA, 6.0) == Departure("main", "a", QUOTA, 2 * PROBE_S)
    pool.probed("a", True, 16.0)
    call(pool, OK, 17.0)
    assert call(pool, QUOTA, 18.0) == Departure("main", "a", QUOTA, PROBE_S)


def test_a_probe_of_what_is_not_out_says_nothing() -> None:
    pool = pool_of(credential("a"))
    assert pool.probed("a", True, 0.0) is None
    assert pool.probed("gone", True, 0.0) is None
    assert pool.due_for_probe(1e9) == []


def test_what_is_said_elsewhere_holds_here() -> None:
    pool = pool_of(credential("a"), credential("b"))
    pool.apply_states({"a": (CredentialState.OUT, "quota"), "b": (CredentialState.DISABLED, "by hand")}, 10.0)
    assert pool.take(1, 10.0) is None
    assert [(one.state, one.reason, one.probe_s) for one in pool.standings(10.0)] == [
        ("out", "quota", PROBE_S),
        ("disabled", "by hand", None),
    ]
    assert pool.due_for_probe(1e9) == ["a"]
    pool.apply_states({"b": (CredentialState.DISABLED, "by hand")}, 11.0)
    assert [one.state for one in pool.standings(11.0)] == ["in", "disabled"]
    assert [lease.name for _ in range(2) if (lease := pool.take(1, 11.0))] == ["a", "a"]


def test_what_is_on_trial_stays_so_when_the_store_knows_nothing_of_it() -> None:
    pool = pool_of(credential("a"))
    call(pool, QUOTA, 0.0)
    pool.probed("a", True, 5.0)
    pool.apply_states({}, 5.0)
    assert state_of(pool) == "trial"


def test_states_that_were_read_before_it_went_out_do_not_bring_it_back() -> None:
    """They are read aside, while calls go on."""
    pool = pool_of(credential("a"))
    call(pool, QUOTA, 0.0)
    pool.apply_states({}, 0.1)
    assert state_of(pool) == "out"
    pool.apply_states({"a": (CredentialState.OUT, "quota")}, 0.2)
    pool.apply_states({}, 0.3)
    assert state_of(pool) == "in", "once it was known, it is a hand or another process that brings it back"
    call(pool, QUOTA, 1.0)
    pool.forget()
    assert state_of(pool) == "in", "a hand enables the channel before it was known"


def test_what_is_held_against_credentials_can_be_forgotten() -> None:
    pool = pool_of(credential("a"), credential("b"), credential("c"))
    pool.apply_states({"c": (CredentialState.OUT, "quota")}, 0.0)
    call(pool, LIMITED, 0.0, retry_after_s=100.0)
    call(pool, QUOTA, 0.0)
    pool.probed("b", True, 1.0)
    assert [(one.state, one.resting_s) for one in pool.standings(1.0)] == [
        ("in", {"": 99.0}),
        ("trial", {}),
        ("out", {}),
    ]
    pool.forget()
    assert [(one.state, one.resting_s) for one in pool.standings(1.0)] == [
        ("in", {}),
        ("in", {}),
        ("out", {}),
    ]


def test_a_disabled_credential_is_no_departure() -> None:
    pool = pool_of(credential("a"))
    lease = pool.take(1, 0.0)
    pool.apply_states({"a": (CredentialState.DISABLED, "")}, 0.0)
    assert lease is not None
    assert pool.end(lease, REFUSED, 1.0) is None
    assert state_of(pool) == "disabled"


def test_a_new_configuration_keeps_what_is_known() -> None:
    pool = pool_of(credential("a"), credential("b"), credential("c"))
    call(pool, QUOTA, 0.0)
    call(pool, QUOTA, 0.0)
    running = pool.take(1, 1.0)
    pool.update([credential("c", concurrency=1), credential("a"), credential("b")], renewed={"b"})
    assert [(one.name, one.state) for one in pool.standings(1.0)] == [("c", "in"), ("a", "out"), ("b", "in")]
    lease = pool.take(1, 1.0)
    assert lease is not None
    assert lease.name == "b"
    pool.update([credential("b")])
    assert running is not None
    assert pool.end(running, OK, 2.0) is None
    assert [one.name for one in pool.standings(2.0)] == ["b"]


def test_what_a_credential_was_refused_is_not_held_against_its_next_secret() -> None:
    pool = pool_of(credential("a"))
    old, gone = pool.take(1, 0.0), pool.take(1, 0.0)
    assert old is not None
    assert gone is not None
    pool.update([credential("a")], renewed={"a"})
    assert pool.end(old, QUOTA, 1.0) is None
    assert pool.take(1, 1.0) is not None
    pool.update([credential("b")])
    assert pool.end(gone, QUOTA, 1.0) is None


def test_a_ceiling_that_came_during_a_call_counts_what_it_used() -> None:
    pool = pool_of(credential("a"))
    lease = pool.take(50, 0.0)
    pool.update([credential("a", tokens_per_minute=100)])
    assert lease is not None
    pool.end(lease, OK, 1.0, tokens=30)
    assert pool.standings(1.0)[0].tokens == 30


VERDICTS = st.sampled_from([OK, OK, OK, None, LIMITED, REFUSED, QUOTA, Verdict.ERROR])
STEPS = st.lists(
    st.tuples(st.integers(0, 9), st.floats(0, 25), st.integers(0, 40), VERDICTS, st.integers(0, 60)),
    max_size=120,
)


@given(STEPS)
def test_no_ceiling_is_ever_passed_and_all_comes_back(
    steps: list[tuple[int, float, int, Verdict | None, int]],
) -> None:
    """Any order of takes, ends and probes: (which, seconds later, tokens, verdict, tokens used)."""
    ceilings = {
        "a": credential("a", concurrency=2, requests_per_minute=5),
        "b": credential("b", weight=2, tokens_per_minute=100),
    }
    pool = pool_of(*ceilings.values())
    now_s, running, begun = 0.0, [], {"a": [], "b": []}
    for which, later_s, tokens, verdict, used in steps:
        now_s += later_s
        for name in pool.due_for_probe(now_s):
            pool.probed(name, which % 2 == 0, now_s)
        states = {one.name: one for one in pool.standings(now_s)}
        if which < 6 and (lease := pool.take(tokens, now_s, model=f"model-{which % 2}")):
            assert states[lease.name].state in ("in", "trial")
            running.append(lease)
            begun[lease.name].append((now_s, tokens))
        elif running:
            pool.end(running.pop(which % len(running)), verdict, now_s, used)
        assert sum(lease.name == "a" for lease in running) <= 2
        assert sum(at_s > now_s - 60 for at_s, _ in begun["a"]) <= 5
    for lease in running:
        pool.end(lease, None, now_s, 0)
    assert [one.in_flight for one in pool.standings(now_s)] == [0, 0]
    assert [one.tokens for one in pool.standings(now_s + 100)] == [0, 0]


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 60)), min_size=1, max_size=40),
    st.integers(0, 100),
)
def test_who_waits_as_long_as_told_gets_room_and_not_much_sooner(
    calls: list[tuple[float, int]], tokens: int
) -> None:
    pool = pool_of(credential("a", requests_per_minute=4, tokens_per_minute=100))
    now_s = 0.0
    for later_s, used in calls:
        now_s += later_s
        lease = pool.take(used, now_s)
        if lease is not None:
            pool.end(lease, OK, now_s)
    wait_s = pool.wait_s(now_s, tokens=tokens)
    assert wait_s is not None
    assert wait_s <= 61
    if wait_s > 1:
        assert pool.take(tokens, now_s + wait_s - 1.0) is None
    assert pool.take(tokens, now_s + wait_s) is not None
