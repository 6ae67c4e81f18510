"""kill -9 under load: whoever got a complete answer finds it in the books, and the books are right."""

import http.client
import random
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.e2e.calls import Reply, chat, command

from posthouse.kernel.money import format_nanos
from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream

CHARGE = 9 * 150 + 5 * 600  # of each answer of the scripted upstream
AFFORDED = 20
CALLERS = 12
TRIES_MAX = 1500  # of one call: far more than a restart takes
KILLED_WITHIN_S = (0.2, 0.6)  # after the load is on


class Load:
    """Callers of one relay, who go on through its deaths. `complete` are the request ids of whole answers by
    member; `once` counts the Idempotency-Keys that were called until an answer was whole."""

    def __init__(self, relay: ServedRelay, seed: int) -> None:
        self.relay = relay
        self.complete: dict[str, list[str]] = {"rich": [], "poor": [], "once": []}
        self.once = 0
        self._keys = {
            name: relay.member(f"{name}@example.org", credit=credit)
            for name, credit in (("rich", "100"), ("poor", format_nanos(AFFORDED * CHARGE)), ("once", "100"))
        }
        self._stopping = threading.Event()
        self._numbers = count()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed + number),))
            for number in range(CALLERS)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def answers(self) -> int:
        return sum(map(len, self.complete.values()))

    def _run(self, dice: random.Random) -> None:
        while not self._stopping.is_set():
            name = dice.choice(("rich", "rich", "poor", "once"))
            if name == "once":
                self._call_once(dice.random() < 0.5)
            else:
                self._call(name, stream=dice.random() < 0.5)

    def _call_once(self, stream: bool) -> None:
        """The same call with the same Idempotency-Key until its answer is whole, also when told to stop."""
        header = {"idempotency-key": f"once-{next(self._numbers)}"}
        for _ in range(TRIES_MAX):
            if self._call("once", stream=stream, headers=header):
                with self._lock:
                    self.once += 1
                return
            time.sleep(0.02)

    def _call(self, name: str, *, stream: bool, headers: dict[str, str] | None = None) -> bool:
        """Whether a whole answer came; notes its request."""
        try:
            reply = chat(self.relay, self._keys[name], stream=stream, max_tokens=16, headers=headers)
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)  # it is dead, or being started
            return False
        if not _is_whole(reply, stream):
            return False
        if "idempotency-replayed" not in reply.headers:
            with self._lock:
                self.complete[name].append(reply.headers["x-posthouse-request-id"])
        return True


def _is_whole(reply: Reply, stream: bool) -> bool:
    if reply.status != 200 or reply.is_cut:
        return False
    return reply.body.endswith(b"data: [DONE]\n\n" if stream else b"}")


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Pauses between its pieces, so that a kill finds calls at every stage."""
    with ScriptedUpstream(default=Script(delay_s=0.005, pause_s=0.003)) as upstream:
        yield upstream


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_nothing_that_was_answered_is_lost(kills: int, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    dice = random.Random(kills)
    with ServedRelay(tmp_path, upstream.base_url) as relay:
        with Load(relay, seed=kills) as load:
            for _ in range(kills):
                before = load.answers
                while load.answers < before + 20:  # it serves again
                    time.sleep(0.01)
                time.sleep(dice.uniform(*KILLED_WITHIN_S))
                relay.kill()
                _check(relay, load)
                relay.start()
        _check(relay, load)
        assert load.answers > 20 * kills
        assert load.once > kills
        # Charged once each, however often they had to be sent.
        assert relay.balance("once@example.org") == 100 * 10**9 - load.once * CHARGE
        relay.stop()
        _check(relay, load)


def _check(relay: ServedRelay, load: Load) -> None:
    """What must hold at any time, also while the relay is dead."""
    with load._lock:
        complete = {name: list(ids) for name, ids in load.complete.items()}
    for name, request_ids in complete.items():
        email = f"{name}@example.org"
        charges = {record.request_id: record.charge_nanos for record in relay.usage(email)}
        assert set(request_ids) <= charges.keys()
        if name != "once":  # of those a repetition costs nothing
            assert {charges[request_id] for request_id in request_ids} <= {CHARGE}
        assert relay.balance(email) >= 0
    assert len(complete["poor"]) <= AFFORDED
    assert command(relay, "ledger", "verify") == {"differences": [], "ok": True}
