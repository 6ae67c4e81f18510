"""The embedded relay sees what a call takes, and what is not given back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.caller import CHAT, Caller, request

from posthouse.kernel.outcome import Ending
from posthouse.testing import embedded, waiting
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.operated import MINIMAL
from posthouse.testing.upstream import Script, ScriptedUpstream

LIMITED = (
    MINIMAL
    + """
[[plans.paid.limits]]
per = "key"
window = "1 minute"
concurrency = 3
"""
)
STREAM = CHAT[:-1] + b',"stream":true}'


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def relay(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[EmbeddedRelay]:
    with EmbeddedRelay(tmp_path, upstream.base_url, LIMITED) as relay:
        yield relay


def test_what_a_call_takes_is_seen_and_gone_after_it(
    relay: EmbeddedRelay, upstream: ScriptedUpstream
) -> None:
    assert relay.leftovers() == {}
    key = relay.member("ada@example.org", credit="10")
    upstream.enqueue(Script(stall_after=3))
    with Caller(relay.port) as caller:
        caller.send(request(key, STREAM)).read_until(b"Hello")
        taken = relay.leftovers()
        assert taken.keys() == {
            *embedded.GAUGES,
            *("limits", "channels", "credentials", "sockets", "tasks"),
        }
        upstream.resume()
        caller.read_until(b"[DONE]")
    relay.check_nothing_left()
    assert [outcome.ending for outcome in relay.outcomes] == [Ending.COMPLETED]
    assert relay.differences() == []


def test_log_lines_are_shown_with_a_failing_test_and_nowhere_else(
    relay: EmbeddedRelay, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async def flush() -> None:
        relay.app.observer.flush()

    with Caller(relay.port) as caller:
        caller.send(request(relay.member("ada@example.org", credit="10"), CHAT)).read_reply()
    relay.run(flush)
    assert '"event":"request_finished"' in caplog.text
    assert "request_finished" not in "".join(capfd.readouterr())


def test_what_is_not_given_back_is_found(relay: EmbeddedRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_S", 0.05)

    async def leak() -> None:
        relay.app.relay.running += 1
        leaked.append(asyncio.ensure_future(asyncio.sleep(60)))

    async def mend() -> None:
        relay.app.relay.running -= 1
        leaked.pop().cancel()

    leaked: list[asyncio.Future[None]] = []
    relay.run(leak)
    with pytest.raises(AssertionError, match=r"requests_running.*sleep"):
        relay.check_nothing_left()
    relay.run(mend)
    relay.check_nothing_left()


def test_a_relay_that_cannot_start_says_why(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    relay = EmbeddedRelay(tmp_path, upstream.base_url, master_key="short")
    with pytest.raises(ValueError), relay:
        pass
    relay.store.close()
