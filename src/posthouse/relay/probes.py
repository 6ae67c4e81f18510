"""Probes: calls of the relay's own that find out whether what is out works again, so that no caller has to.

A credential that is out is tried with a question that costs nothing; docs/channels.md tells when a channel is
asked for a model. A probe holds a credential like any call, so that no ceiling is passed by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from posthouse.kernel.secrets import SecretText
from posthouse.relay.market import Market
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.health import Health, Ticket
from posthouse.routing.pools import Departure, Lease, Pool, Return
from posthouse.routing.verdicts import Verdict

EVERY_S = 1.0  # how often it is looked for what is due
AT_ONCE_MAX = 4  # a provider that has failed as a whole is not asked for everything together
TOKENS = 16  # what a probe counts as until its credential's ceiling knows better

# Asks an upstream, with a credential: for a model with one token's answer, or ("") for what costs nothing.
# Never raises for what the upstream does.
Ask = Callable[[ChannelSpec, SecretText | None, str], Awaitable[Verdict]]


class Listener(Protocol):
    """Who hears of credentials that leave and come back: relay.watch."""

    def left(self, departure: Departure) -> None: ...
    def came_back(self, back: Return) -> None: ...


class Prober:
    """Used on the event loop; `run` it as a task, which ends its probes when it is cancelled. `on_error`
    hears of faults of ours."""

    def __init__(self, market: Market, health: Health, listener: Listener, ask: Ask) -> None:
        self._market = market
        self._health = health
        self._listener = listener
        self._ask_now = ask
        self._places = asyncio.Semaphore(AT_ONCE_MAX)  # credentials of one pool may be due together
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()
        self.on_error: Callable[[Exception], None] = lambda error: None

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                try:
                    self.look()
                except Exception as error:  # without probes what is out would never come back
                    self.on_error(error)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def look(self) -> None:
        """Begin the probes that are due, as far as there is room for them."""
        now_s = self._loop.time()
        specs = {spec.name: spec for spec in self._market.catalogue.channels if spec.enabled}
        for spec in specs.values():
            pool = self._market.pools[spec.name]
            for name in pool.due_for_probe(now_s) if self._room else ():
                self._start(self._credential(spec, pool, name))
        policies = {
            name: spec.health
            for name, spec in specs.items()
            if spec.health.probe_every_s and not spec.draining
        }
        for channel, model in self._health.probes_due(policies, now_s)[: self._room] if policies else ():
            pool = self._market.pools[channel]
            lease = pool.take(TOKENS, now_s, model=model)
            if lease is not None:
                ticket = self._health.begin(channel, model, specs[channel].health, now_s)
                self._start(self._model(specs[channel], pool, lease, ticket, model))

    @property
    def _room(self) -> int:
        return max(0, AT_ONCE_MAX - len(self._running))

    async def _ask(self, spec: ChannelSpec, credential: SecretText | None, model: str) -> Verdict:
        async with self._places:
            return await self._ask_now(spec, credential, model)

    async def _credential(self, spec: ChannelSpec, pool: Pool, name: str) -> None:
        verdict = await self._ask(spec, self._market.credential(spec.name, name), "")
        back = pool.probed(name, verdict is Verdict.OK, self._loop.time())
        if back is not None:
            self._listener.came_back(back)

    async def _model(self, spec: ChannelSpec, pool: Pool, lease: Lease, ticket: Ticket, model: str) -> None:
        verdict: Verdict | None = None
        try:
            verdict = await self._ask(spec, self._market.credential(spec.name, lease.name), model)
        finally:
            now_s = self._loop.time()
            if verdict is None:  # the server stops
                self._health.release(ticket)
            else:
                self._health.end(ticket, verdict, now_s)
            departure = pool.end(lease, verdict, now_s)
            if departure is not None:
                self._listener.left(departure)

    def _start(self, probe: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(probe)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.on_error(error)
