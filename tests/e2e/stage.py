"""A stage for faults: a relay in this process before two scripted upstreams. Each test has channels, models
and a member of its own, so that what it breaks is nobody else's, and after each

    every call has had exactly one outcome and at most one record,
    the member has paid what the records say, and the books are right,
    no task, socket, hold or place in a limit is left.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.e2e.caller import CHAT, Caller, Reply, parse_reply, request

from posthouse.catalogue.states import note_by_hand
from posthouse.kernel.clock import now_ms
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.routing import pools
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.upstream import Script, ScriptedUpstream
from posthouse.testing.waiting import eventually

CHAT_TARGET = "/v1/chat/completions"
UNREACHABLE, TIMED_OUT, NO_CHANNEL = 40257, 40258, -1
INPUT_NANOS, OUTPUT_NANOS = 150, 600  # of one token
CREDIT_NANOS = 10 * 10**9
CREDENTIALS = ("sk-one", "sk-two", "sk-three")
SECOND_TEXT = "From the second."
SCENES = 70  # tests that may use one stage

# Per test N: pair-N is sold by first-N, then second-N; solo-N by solo-N only; pool-N by pool-N only, which
# has three credentials. For all tests hasty-PHASE is a pair and brief-PHASE a solo of which that one deadline
# is short, so that nothing else may be missed on a busy machine; no number of failures shuts their channels.
OPERATOR = """
[operator]
default_plan = "paid"
{operator}
[plans.paid]
kind = "paid"
[[plans.paid.limits]]
per = "key"
window = "1 hour"
requests = 1000000
concurrency = 1000000
"""
SHORT_S = {"header": 0.2, "first_byte": 0.2, "idle": 0.4, "total": 1.0}
SHORT = """
[models."{kind}-{phase}"]
list = "openai/gpt-4o-mini"
[channels."{kind}-{phase}"]
base_url = "{first}"
credential = "sk-one"
models = ["{kind}-{phase}"]
health = {{ consecutive = 1000000, calls_min = 1000000 }}
{phase}_s = {seconds}
"""
SPARE = """
[channels.second-hasty]
base_url = "{second}"
credential = "sk-second"
models = ["hasty-*"]
priority = 1
"""
SCENE = """
[models."pair-{n}"]
list = "openai/gpt-4o-mini"
[models."solo-{n}"]
list = "openai/gpt-4o-mini"
[models."pool-{n}"]
list = "openai/gpt-4o-mini"
[channels."first-{n}"]
base_url = "{first}"
credential = "sk-one"
models = ["pair-{n}"]
health = {{ consecutive = 5 }}
[channels."second-{n}"]
base_url = "{second}"
credential = "sk-second"
models = ["pair-{n}"]
priority = 1
[channels."solo-{n}"]
base_url = "{first}"
credential = "sk-one"
models = ["solo-{n}"]
[channels."pool-{n}"]
base_url = "{first}"
models = ["pool-{n}"]
credentials = [
  {{ name = "one", credential = "sk-one" }},
  {{ name = "two", credential = "sk-two" }},
  {{ name = "three", credential = "sk-three" }},
]
"""


class Stage:
    """What the tests of a module share."""

    def __init__(
        self, directory: Path, first: ScriptedUpstream, second: ScriptedUpstream, text: str, scenes: int
    ) -> None:
        self.first, self.second, self.scenes = first, second, scenes
        urls = {"first": first.base_url, "second": second.base_url}
        parts = [text.format(**urls), SPARE.format(**urls)]
        for phase, seconds in SHORT_S.items():
            fields = {"phase": phase, "seconds": seconds, **urls}
            parts += (SHORT.format(kind=kind, **fields) for kind in ("hasty", "brief"))
        parts += (SCENE.format(n=number, **urls) for number in range(scenes))
        self.relay = EmbeddedRelay(directory, first.base_url, "".join(parts))
        self.numbers = count()


@contextmanager
def staged(directory: Path, more: str = "", *, operator: str = "", scenes: int = SCENES) -> Iterator[Stage]:
    """`more` configuration, in which {first} and {second} are the upstreams' base URLs; `operator`: more
    lines of the operator's table; `scenes`: how many tests can use the stage."""
    second = ScriptedUpstream(default=Script(text=SECOND_TEXT), credential="sk-second")
    with (
        ScriptedUpstream(credential=CREDENTIALS) as first,
        second,
        pytest.MonkeyPatch.context() as patch,
    ):
        # Probes of what one test took out would be among what the upstreams saw of another.
        patch.setattr(pools, "PROBE_S", 3600.0)
        text = OPERATOR.replace("{operator}", operator) + more
        stage = Stage(directory, first, second, text, scenes)
        with stage.relay:
            yield stage


class Scene:
    """One test's part of the stage."""

    def __init__(self, stage: Stage) -> None:
        self.relay, self.first, self.second = stage.relay, stage.first, stage.second
        self.number = next(stage.numbers)
        assert self.number < stage.scenes, "more tests than scenes"
        self.pair, self.solo, self.pool = (f"{kind}-{self.number}" for kind in ("pair", "solo", "pool"))
        self.email = f"member{self.number}@example.org"
        self.key = self.relay.member(self.email, credit="10")
        self.sent = 0  # requests of which each must have its outcome
        self.relay.outcomes.clear()

    # -- calls -------------------------------------------------------------------------------------------

    def request(self, body: bytes, *headers: str, target: str = CHAT_TARGET) -> bytes:
        self.sent += 1
        return request(self.key, body, *headers, target=target)

    def post(self, target: str, body: bytes) -> Reply:
        """A call on a connection of its own; the answer as far as it came."""
        with Caller(self.relay.port) as caller:
            caller.send(self.request(body, "connection: close", target=target))
            (reply,) = caller.replies()
            return reply

    def chat(self, model: str, script: Script | None = None, **fields: Any) -> Reply:
        return self.post(CHAT_TARGET, body_of(model, script, **fields))

    def chats(self, bodies: list[bytes], at_once: int = 32) -> list[Reply]:
        """Many calls, some at once, in the order of their bodies."""
        requests = [self.request(body, "connection: close") for body in bodies]
        return asyncio.run(_all(self.relay.port, requests, at_once))

    # -- what became of them -----------------------------------------------------------------------------

    def records(self) -> list[Outcome]:
        """The member's usage records, once there is one for each call; oldest first."""
        assert eventually(lambda: len(self.relay.usage(self.email)) >= self.sent)
        return self.relay.usage(self.email)

    def record(self) -> Outcome:
        """The one record of the one call."""
        (record,) = self.records()
        return record

    def tries(self) -> list[tuple[str, int, str]]:
        """Of the one call: channel without its number, status and fault."""
        return [(one.channel.partition("-")[0], one.status, one.fault) for one in self.record().attempts]

    def check(self) -> None:
        """What holds after any call."""
        self.relay.check_nothing_left()
        assert len(self.relay.outcomes) == self.sent
        assert len({outcome.request_id for outcome in self.relay.outcomes}) == self.sent
        sent = sum(outcome.ending is not Ending.REFUSED for outcome in self.relay.outcomes)
        # What costs nothing may be written after its answer.
        assert eventually(lambda: len(self.relay.usage(self.email)) == sent)
        records = self.relay.usage(self.email)
        assert self.relay.balance(self.email) == CREDIT_NANOS - sum(one.charge_nanos for one in records)
        assert all(one.charge_nanos == 0 for one in records if one.ending is Ending.FAILED)
        assert self.relay.differences() == []
        out = self.relay.run(self._with_credentials_out)
        if out:  # else the relay would ask after them amid another test
            with self.relay.store.begin() as connection:
                for channel in out:
                    note_by_hand(connection, channel, "", "disabled", reason="", now_ms=now_ms())
        for upstream in (self.first, self.second):
            upstream.reset()
            upstream.default = Script(text=SECOND_TEXT) if upstream is self.second else Script()

    async def _with_credentials_out(self) -> list[str]:
        """Channels of this test that have one which a probe could bring back."""
        now_s, own = asyncio.get_running_loop().time(), f"-{self.number}"
        pools = {name: pool for name, pool in self.relay.app.market.pools.items() if name.endswith(own)}
        return [
            name for name, pool in pools.items() if any(one.state == "out" for one in pool.standings(now_s))
        ]


async def _all(port: int, requests: list[bytes], at_once: int) -> list[Reply]:
    slots = asyncio.Semaphore(at_once)

    async def one(data: bytes) -> Reply:
        async with slots:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            parsed = parse_reply(await reader.read(-1))
            writer.close()
            await writer.wait_closed()
        assert parsed is not None
        assert parsed[1] == b""
        return parsed[0]

    async with asyncio.timeout(60):
        return await asyncio.gather(*map(one, requests))


def body_of(model: str, script: Script | None = None, **fields: Any) -> bytes:
    """A chat; with a script it brings along how it is to be answered."""
    body = json.loads(CHAT) | {"model": model} | fields
    if script is not None:
        body["script"] = json.loads(msgspec.json.encode(script))
    return json.dumps(body).encode()


def price(prompt: int, completion: int) -> int:
    return INPUT_NANOS * prompt + OUTPUT_NANOS * completion


def content_of(reply: Reply) -> str:
    """The text of an answer, whole or streamed."""
    if not reply.headers["content-type"].startswith("text/event-stream"):
        return str(reply.json["choices"][0]["message"]["content"])
    chunks = [json.loads(data) for data in reply.events if data != b"[DONE]"]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def check_broken(reply: Reply, relay_code: int = UNREACHABLE) -> list[bytes]:
    """A stream that nobody can take for whole: some events, then our error, then the end of the connection
    without the stream's. Returns the events before the error."""
    assert reply.status == 200
    assert not reply.whole
    *passed, last = reply.events
    assert b"[DONE]" not in passed
    assert json.loads(last)["error"]["relay_code"] == relay_code
    return passed
