"""Ten thousand calls over three channels that fail in every way at random, by callers of whom some leave:
each call has exactly one outcome, what succeeded is what was charged, and in the end nothing is under way."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from msgspec import structs
from tests.e2e.caller import Reply, parse_reply, request
from tests.e2e.stage import NO_CHANNEL, content_of, price

from posthouse.kernel.outcome import Ending, Outcome
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.upstream import Received, Script, ScriptedUpstream, event

AT_ONCE = 48
CALL_S_MAX = 30.0
LEAVING = 0.04  # of the callers
FAILING, BREAKING = 0.3, 0.05  # of the upstreams' answers
MARK = (("x-scripted", "good"),)
CREDIT_NANOS = 10 * 10**9
CONFIGURATION = """
[operator]
default_plan = "paid"
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
[plans.paid]
kind = "paid"
[[plans.paid.limits]]
per = "key"
window = "1 hour"
requests = 1000000
concurrency = 1000000
"""
CHANNEL = """
[channels.{name}]
base_url = "{url}"
credentials = [
  {{ name = "a", credential = "sk-{name}-a", concurrency = 20 }},
  {{ name = "b", credential = "sk-{name}-b", weight = 2 }},
]
priority = {priority}
header_s = 0.5
first_byte_s = 0.5
idle_s = 0.5
health = {{ cool_down_s = 0.05, cool_down_max_s = 0.2, ramp_s = 0.1 }}
"""
BAD = (
    Script(status=429),
    Script(status=429, headers=(("retry-after", "0"),)),
    Script(status=500),
    Script(status=503),
    Script(status=529),
    Script(status=408),
    Script(error="model_not_found"),
    Script(status=500, early=True),
    Script(cut_at=0),
    Script(cut_at=0, cut="rst"),
    Script(cut_at=25, cut="rst"),
    Script(cut_after=0),
    Script(stall_at=0),
    Script(stall_after=0),
    Script(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
    Script(body=b"<html>"),
    Script(events=()),
    Script(body=b'{"choices":[]}'),
    Script(length_off=9, close="silent", framing="length"),
    Script(events=(event({"error": {"message": "overloaded"}}),)),
)
# Of these the caller has seen something before they fail.
HALF_WAY = (Script(cut_after=2), Script(cut_after=3, cut="rst"), Script(stall_after=3), Script(cut_at=-9))
GOOD = (
    Script(),
    Script(),
    Script(gzip=True),
    Script(write_bytes=64),
    Script(close="silent"),
    Script(framing="close"),
    Script(delay_s=0.01),
    Script(usage="each"),
    Script(interim=(100,)),
)


class Call(NamedTuple):
    """What a caller wants: `words` is how many there are in the right answer."""

    number: int
    words: int
    stream: bool
    leaves: bool

    @property
    def body(self) -> bytes:
        asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello"}]}
        return json.dumps({**asked, "user": f"{self.number}/{self.words}", "stream": self.stream}).encode()


class Mood:
    """Chooses an upstream's script for each request; used by one upstream's thread only."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def __call__(self, received: Received) -> Script:
        random, words = self._random, int(received.json["user"].partition("/")[2])
        chance = random.random()
        kind = BAD if chance < FAILING else HALF_WAY if chance < FAILING + BREAKING else GOOD
        script = random.choice(kind)
        text = text_of(words)
        if kind is GOOD:
            return structs.replace(script, text=text, headers=MARK)
        return structs.replace(script, text=text)


def text_of(words: int) -> str:
    return " ".join(f"w{number}" for number in range(words))


@pytest.fixture
def upstreams() -> Iterator[list[ScriptedUpstream]]:
    names = ("one", "two", "three")
    made = [
        ScriptedUpstream(default=Mood(seed), credential=(f"sk-{name}-a", f"sk-{name}-b"))
        for seed, name in enumerate(names)
    ]
    with made[0], made[1], made[2]:
        yield made


@pytest.fixture
def relay(upstreams: list[ScriptedUpstream], tmp_path: Path) -> Iterator[EmbeddedRelay]:
    channels = [
        CHANNEL.format(name=name, url=upstream.base_url, priority=priority)
        for name, upstream, priority in zip(("one", "two", "three"), upstreams, (0, 0, 1), strict=True)
    ]
    with EmbeddedRelay(tmp_path, "", CONFIGURATION + "".join(channels)) as relay:
        yield relay


@pytest.mark.parametrize("calls", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_every_call_has_one_outcome_and_what_succeeded_is_charged(
    relay: EmbeddedRelay, upstreams: list[ScriptedUpstream], calls: int
) -> None:
    random = Random(calls)
    wanted = [
        Call(number, random.randint(1, 9), random.random() < 0.5, random.random() < LEAVING)
        for number in range(calls)
    ]
    key = relay.member("many@example.org", credit="10")
    replies = asyncio.run(all_calls(relay.port, key, wanted))
    relay.check_nothing_left()

    outcomes = {outcome.request_id: outcome for outcome in relay.outcomes}
    assert len(outcomes) == len(relay.outcomes), "one outcome each"
    stayed = [call for call in wanted if not call.leaves]
    assert len(stayed) <= len(outcomes) <= calls
    for call in stayed:
        reply = replies[call.number]
        assert reply is not None
        check(call, reply, outcomes[reply.headers["x-posthouse-request-id"]])
    check_money(relay, list(outcomes.values()))
    check_upstreams(upstreams, stayed, replies, outcomes)
    endings = Counter(outcome.ending for outcome in outcomes.values())
    assert min(endings[ending] for ending in (Ending.COMPLETED, Ending.CANCELLED, Ending.BROKEN)) > 0
    good = sum(reply is not None and reply.status == 200 and reply.whole for reply in replies)
    assert good > 0.9 * len(stayed), "failover hides most of it"


def check(call: Call, reply: Reply, outcome: Outcome) -> None:
    """What the caller saw is what the outcome says."""
    if reply.status == 200 and reply.whole:
        assert (outcome.ending, content_of(reply)) == (Ending.COMPLETED, text_of(call.words))
        assert (outcome.charge_nanos, outcome.estimated) == (price(9, call.words), False)
    elif reply.status == 200:
        assert (call.stream, outcome.ending) == (True, Ending.BROKEN)
        assert "error" in json.loads(reply.events[-1])
        assert b"[DONE]" not in reply.events
        came = len(
            [data for data in reply.events[:-1] if b'"content":"w' in data or b'"content":" w' in data]
        )
        assert came <= call.words
        if outcome.estimated:  # each word of the text is two tokens
            assert outcome.charge_nanos == price(outcome.prompt_tokens, 2 * came)
    else:
        assert reply.whole
        assert outcome.charge_nanos == 0
        assert outcome.http_status == reply.status
        if reply.json["error"].get("relay_code") == NO_CHANNEL:
            assert (outcome.ending, outcome.attempts) == (Ending.REFUSED, ())
        else:
            assert outcome.attempts


def check_money(relay: EmbeddedRelay, outcomes: list[Outcome]) -> None:
    records = {record.request_id: record for record in relay.usage("many@example.org")}
    assert records.keys() == {one.request_id for one in outcomes if one.ending is not Ending.REFUSED}
    for outcome in outcomes:
        if outcome.ending is Ending.REFUSED:
            continue
        record = records[outcome.request_id]
        assert (record.ending, record.charge_nanos) == (outcome.ending, outcome.charge_nanos)
        assert len(record.attempts) == len(outcome.attempts)
        if outcome.ending is Ending.FAILED or outcome.http_status >= 300:
            assert outcome.charge_nanos == 0
    charged = sum(record.charge_nanos for record in records.values())
    assert relay.balance("many@example.org") == CREDIT_NANOS - charged
    assert relay.differences() == []


def check_upstreams(
    upstreams: list[ScriptedUpstream],
    calls: list[Call],
    replies: list[Reply | None],
    outcomes: dict[str, Outcome],
) -> None:
    """Nobody was served twice: an upstream that did its work was not followed by another, but where it did it
    after its time."""
    done: Counter[int] = Counter()
    for upstream in upstreams:
        for received in upstream.received:
            if received.script.headers == MARK and received.finished.is_set():
                done[int(received.json["user"].partition("/")[0])] += 1
    assert done
    for call in calls:
        reply = replies[call.number]
        assert reply is not None
        attempts = outcomes[reply.headers["x-posthouse-request-id"]].attempts
        assert done[call.number] <= 1 + sum(one.verdict == "timeout" for one in attempts)
        assert sum(one.verdict == "ok" for one in attempts) <= 1


# -- callers ---------------------------------------------------------------------------------------------


async def all_calls(port: int, key: str, wanted: list[Call]) -> list[Reply | None]:
    """What each was answered, None who left; some at once, each worker over one connection while it lasts."""
    replies: list[Reply | None] = [None] * len(wanted)
    waiting = iter(wanted)

    async def work() -> None:
        connection: Connection | None = None
        for call in waiting:
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = connection
            writer.write(request(key, call.body))
            async with asyncio.timeout(CALL_S_MAX):
                if call.leaves:
                    await reader.read(1) if call.number % 2 else await asyncio.sleep(call.number % 20 / 1000)
                else:
                    replies[call.number] = reply = await read_reply(reader)
                    if reply.whole and reply.headers.get("connection") != "close":
                        continue
            writer.close()
            await writer.wait_closed()
            connection = None
        if connection is not None:
            connection[1].close()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return replies


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    data = b""
    while (parsed := parse_reply(data)) is None or not parsed[0].whole:
        more = await reader.read(65536)
        if not more:
            break
        data += more
    assert parsed is not None, "an answer to each call"
    assert parsed[1] == b""
    return parsed[0]
