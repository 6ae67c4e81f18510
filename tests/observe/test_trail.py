"""A minute has what was tried in it."""

from posthouse.kernel.periods import MINUTE_MS
from posthouse.observe.observer import Tries
from posthouse.observe.trail import MINUTES_MAX, Trail

START_MS = 1_800_000_000_000 - 1_800_000_000_000 % MINUTE_MS
Key = tuple[str, str, str, str, int]


def tried(tries: dict[Key, Tries], channel: str, verdict: str, *, first_byte_ms: int = -1) -> None:
    sums = tries.setdefault((channel, "m", verdict, "", 200), Tries())
    sums.count += 1
    if first_byte_ms >= 0:
        sums.first_byte.add([first_byte_ms])


def test_each_minute_has_its_own_attempts() -> None:
    trail, tries = Trail(), dict[Key, Tries]()
    trail.look(tries, START_MS + 100)
    tried(tries, "one", "ok", first_byte_ms=3)
    tried(tries, "one", "ok", first_byte_ms=700)
    tried(tries, "one", "error")
    trail.look(tries, START_MS + MINUTE_MS - 1)
    assert not trail.minutes
    trail.look(tries, START_MS + MINUTE_MS)
    tried(tries, "one", "ok", first_byte_ms=3)
    tried(tries, "two", "timeout")
    trail.look(tries, START_MS + 2 * MINUTE_MS + 5)
    trail.look(tries, START_MS + 3 * MINUTE_MS)
    first, second, third = trail.minutes
    assert [one.start_ms - START_MS for one in trail.minutes] == [0, MINUTE_MS, 2 * MINUTE_MS]
    assert first.channels["one"].verdicts == {"ok": 2, "error": 1}
    assert first.channels["one"].first_byte[0] == 1
    assert sum(first.channels["one"].first_byte) == 2
    assert {name: one.verdicts for name, one in second.channels.items()} == {
        "one": {"ok": 1},
        "two": {"timeout": 1},
    }
    assert sum(second.channels["one"].first_byte) == 1
    assert third.channels == {}


def test_the_oldest_minutes_go() -> None:
    trail = Trail()
    for minute in range(MINUTES_MAX + 5):
        trail.look({}, START_MS + minute * MINUTE_MS)
    assert len(trail.minutes) == MINUTES_MAX
    assert trail.minutes[0].start_ms == START_MS + 4 * MINUTE_MS
