"""Names to addresses: how often they are looked up, and what is used when that fails."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from posthouse.testing.waiting import until
from posthouse.upstream import names as names_module
from posthouse.upstream.errors import Fault, UpstreamFault
from posthouse.upstream.names import FAILED_S, FRESH_S, STALE_S, Names, in_turns

Found = list[str] | Exception
GONE = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
AILING = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock the test moves, and whose resolver says what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_s = 0.0
        self.says: Found = ["192.0.2.1"]
        self.asked: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()

    def time(self) -> float:
        return super().time() + self.ahead_s

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> list[Any]:  # type: ignore[override]  # as ours
        assert hints == {"type": socket.SOCK_STREAM}
        self.asked.append(host)
        await self.answering.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in self.says
        ]


Story = Callable[[Loop, Names], Awaitable[None]]


def tell(story: Story) -> None:
    with asyncio.Runner(loop_factory=Loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Loop)

        async def main() -> None:
            await story(loop, Names(loop))

        runner.run(main())


async def fault_of(names: Names, host: str = "a.example") -> str:
    with pytest.raises(UpstreamFault) as met:
        await names.addresses(host)
    assert met.value.fault is Fault.DNS
    return str(met.value)


def test_an_address_is_its_own() -> None:
    async def story(loop: Loop, names: Names) -> None:
        for address in ("192.0.2.7", "::1", "2001:db8::2"):
            assert await names.addresses(address) == [address]
        assert loop.asked == []

    tell(story)


def test_a_name_is_looked_up_again_when_its_time_is_over() -> None:
    async def story(loop: Loop, names: Names) -> None:
        for _ in range(3):
            assert await names.addresses("a.example") == ["192.0.2.1"]
        assert await names.addresses("b.example") == ["192.0.2.1"]
        assert loop.asked == ["a.example", "b.example"]
        loop.says = ["192.0.2.2"]
        loop.ahead_s = FRESH_S - 1
        assert await names.addresses("a.example") == ["192.0.2.1"]
        loop.ahead_s = FRESH_S + 1
        assert await names.addresses("a.example") == ["192.0.2.2"]

    tell(story)


def test_calls_that_come_together_wait_for_one_look_up() -> None:
    async def story(loop: Loop, names: Names) -> None:
        loop.answering.clear()
        waiting = [asyncio.ensure_future(names.addresses("a.example")) for _ in range(5)]
        await until(lambda: loop.asked)
        waiting[0].cancel()  # its caller left; the others still want to know
        await asyncio.sleep(0)
        loop.answering.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert found[1:] == [["192.0.2.1"]] * 4
        assert loop.asked == ["a.example"]

    tell(story)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (GONE, "dns: Name or service not known"),
        (AILING, "dns: Temporary failure in name resolution"),
        (UnicodeError("label too long"), "dns: no host's name"),
    ],
)
def test_a_name_that_fails_is_not_looked_up_at_each_call(says: Exception, words: str) -> None:
    async def story(loop: Loop, names: Names) -> None:
        loop.says = says
        for _ in range(3):
            assert await fault_of(names) == words
        assert len(loop.asked) == 1
        loop.ahead_s = FAILED_S + 0.1
        loop.says = ["192.0.2.3"]
        assert await names.addresses("a.example") == ["192.0.2.3"]

    tell(story)


def test_while_the_resolver_fails_the_last_answer_is_used_for_an_hour() -> None:
    async def story(loop: Loop, names: Names) -> None:
        await names.addresses("a.example")
        loop.says = AILING
        for ahead_s in (FRESH_S + 1, FRESH_S + 2 * FAILED_S, STALE_S - 1):
            loop.ahead_s = ahead_s
            assert await names.addresses("a.example") == ["192.0.2.1"]
        assert len(loop.asked) == 4
        loop.ahead_s = STALE_S + FAILED_S
        await fault_of(names)

    tell(story)


def test_a_silent_resolver_is_not_waited_for_where_there_is_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names_module, "PATIENCE_S", 0.02)

    async def story(loop: Loop, names: Names) -> None:
        await names.addresses("a.example")
        loop.answering.clear()
        loop.says, loop.ahead_s = ["192.0.2.2"], FRESH_S + 1
        assert await names.addresses("a.example") == ["192.0.2.1"]
        monkeypatch.setattr(names_module, "PATIENCE_S", 60.0)
        assert await names.addresses("a.example") == ["192.0.2.1"]  # and the next call not at all
        assert len(loop.asked) == 2
        loop.answering.set()
        await until(lambda: len(asyncio.all_tasks()) == 1)  # the look-up has ended
        assert await names.addresses("a.example") == ["192.0.2.2"]

    tell(story)


def test_a_name_that_is_no_more_has_no_last_answer() -> None:
    async def story(loop: Loop, names: Names) -> None:
        await names.addresses("a.example")
        loop.says, loop.ahead_s = GONE, FRESH_S + 1
        await fault_of(names)

    tell(story)


def test_the_address_that_worked_is_tried_first() -> None:
    async def story(loop: Loop, names: Names) -> None:
        loop.says = ["2001:db8::1", "192.0.2.1", "2001:db8::2"]
        found = await names.addresses("a.example")
        assert found == ["2001:db8::1", "192.0.2.1", "2001:db8::2"]
        names.worked("a.example", "192.0.2.1")
        names.worked("a.example", "192.0.2.9")  # of an older answer
        names.worked("other.example", "192.0.2.1")
        assert await names.addresses("a.example") == ["192.0.2.1", "2001:db8::1", "2001:db8::2"]
        assert found[0] == "2001:db8::1"  # what a call was given stays as it was
        loop.ahead_s = FRESH_S + 1  # and so does its kind, when the name is looked up again
        loop.says = ["2001:db8::1", "192.0.2.3", "192.0.2.4"]
        assert await names.addresses("a.example") == ["192.0.2.3", "2001:db8::1", "192.0.2.4"]
        names.worked("a.example", "2001:db8::1")
        loop.ahead_s = 2 * FRESH_S + 2
        loop.says = ["192.0.2.3", "2001:db8::1"]
        assert await names.addresses("a.example") == ["2001:db8::1", "192.0.2.3"]

    tell(story)


def test_a_host_that_takes_no_connection_is_looked_up_again_soon() -> None:
    async def story(loop: Loop, names: Names) -> None:
        names.failed("unknown.example")
        await names.addresses("a.example")
        names.failed("a.example")
        await names.addresses("a.example")
        assert len(loop.asked) == 1  # but not at each failing call
        loop.ahead_s = FAILED_S + 0.1
        loop.says = ["192.0.2.2"]
        assert await names.addresses("a.example") == ["192.0.2.2"]

    tell(story)


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ([], []),
        (["4a"], ["4a"]),
        (["6a", "6b", "4a", "4b"], ["6a", "4a", "6b", "4b"]),
        (["4a", "6a", "6b", "6c"], ["4a", "6a", "6b", "6c"]),
        (["4a", "4b", "4c", "6a"], ["4a", "6a", "4b", "4c"]),
    ],
)
def test_families_take_turns(found: list[str], order: list[str]) -> None:
    assert in_turns([(int(one[0]), one) for one in found]) == order


def test_the_bounds_are_in_order() -> None:
    assert names_module.FAILED_S < names_module.FRESH_S < names_module.STALE_S
