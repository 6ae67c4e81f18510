"""How often something may be tried."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from tests.people.conftest import NOW_MS

from posthouse.people.errors import TooManyTries
from posthouse.people.throttles import Throttle, forgive, try_all
from posthouse.store.engine import Store
from posthouse.store.schema_people import throttles

FIVE = Throttle("five", 5, 50_000)


def tries_left(store: Store, now_ms: int, who: str = "ann") -> int:
    """Tries until it is refused."""
    tried = 0
    while True:
        try:
            try_all(store, [(FIVE, who)], now_ms=now_ms)
        except TooManyTries:
            return tried
        tried += 1


def test_so_many_at_once_and_one_more_each_while(store: Store) -> None:
    assert tries_left(store, NOW_MS) == 5
    assert tries_left(store, NOW_MS + 9_999) == 0
    assert tries_left(store, NOW_MS + 10_000) == 1
    assert tries_left(store, NOW_MS + 40_000) == 3
    assert tries_left(store, NOW_MS + 400_000) == 5
    assert tries_left(store, NOW_MS + 400_000, "bob") == 5


def test_it_says_when_to_try_again(store: Store) -> None:
    tries_left(store, NOW_MS)
    for waited_ms, left_s in ((0, 10.0), (4_000, 6.0), (9_900, 1.0)):
        with pytest.raises(TooManyTries) as refused:
            try_all(store, [(FIVE, "ann")], now_ms=NOW_MS + waited_ms)
        assert refused.value.retry_after_s == left_s


def test_one_refusal_of_several_counts_none(store: Store) -> None:
    tries_left(store, NOW_MS)
    with pytest.raises(TooManyTries):
        try_all(store, [(FIVE, "bob"), (FIVE, "ann")], now_ms=NOW_MS)
    assert tries_left(store, NOW_MS, "bob") == 5


def test_who_gets_it_right_is_forgiven_and_nobody_is_kept_for_long(store: Store) -> None:
    tries_left(store, NOW_MS)
    with store.begin() as connection:
        forgive(connection, FIVE, "ann")
    assert tries_left(store, NOW_MS) == 5
    try_all(store, [(FIVE, "bob")], now_ms=NOW_MS + 50_000)
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(throttles)).scalar() == 1


def test_no_number_at_once_gets_more(store: Store) -> None:
    def attempt(_: int) -> bool:
        try:
            try_all(store, [(FIVE, "ann")], now_ms=NOW_MS)
        except TooManyTries:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 5
