"""Builds every object of a serving process once, and takes them down in the opposite order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from msgspec import Struct
from structlog import get_logger

from posthouse.accounts.directory import Directory
from posthouse.catalogue.sealed import address_key, site_secret
from posthouse.catalogue.site import MAIL, SiteDef
from posthouse.kernel.clock import monotonic_s, now_ms
from posthouse.kernel.secrets import SecretBox, SecretText, master_box
from posthouse.kernel.settings import Settings
from posthouse.kernel.tasks import ask_loop
from posthouse.ledger.rollups import Roller
from posthouse.ledger.service import Ledger
from posthouse.limits.service import MemoryLimiter
from posthouse.mail.service import Mailer
from posthouse.mail.smtp import MailServer
from posthouse.metering.tokens import TokenCounter
from posthouse.observe.log import describe
from posthouse.observe.observer import Figures, Observer
from posthouse.payments.watch import BalanceWatch, Site
from posthouse.relay.estimate import Estimator
from posthouse.relay.forward import Forwarder
from posthouse.relay.market import Market, counted_models
from posthouse.relay.own import OwnCalls
from posthouse.relay.owned import Objects
from posthouse.relay.pipeline import Relay
from posthouse.relay.probes import Prober
from posthouse.relay.recount import Recounter
from posthouse.relay.router import Router
from posthouse.relay.stored import StoredCalls
from posthouse.relay.watch import Watch, figures_of
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.choice import Chooser
from posthouse.routing.health import Health
from posthouse.routing.verdicts import Verdict
from posthouse.server.addresses import Addresses
from posthouse.server.asgi import Asgi, AsgiApp, Receive, Scope, Send
from posthouse.server.lane import Lane, is_relay_path
from posthouse.store.changes import ChangeFeed
from posthouse.store.engine import Store, open_store
from posthouse.upstream.client import UpstreamClient
from posthouse.upstream.probe import probe

FLUSH_S = 0.2  # how long log lines wait for each other
ENDING_S = 20.0  # what a cut call may take to be settled: the writer's patience, and counting a long text
ENDING_POLL_S = 0.02
PREPARE_S = 1.0  # loading a vocabulary keeps all threads waiting for some 0.2 s: when a start is over
FIGURES_S = 2.0  # less than any scrape waits

log = get_logger()


class App(Struct, eq=False):
    """A running relay, before anything listens."""

    settings: Settings
    store: Store
    relay: Relay
    lane: Lane
    asgi: AsgiApp
    market: Market
    ledger: Ledger
    observer: Observer
    is_stopping: bool = False


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[App]:
    """Everything built and started, on the running loop. Raises StoreDown, StoreInUse, StoreTooNew,
    UnreadableSecret, ValueError; each says what to do."""
    loop = asyncio.get_running_loop()
    settings.data.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        box = master_box(settings.data, settings.master_key)
        store = await asyncio.to_thread(open_store, settings.database_url)
        stack.callback(store.close)
        ledger = Ledger(store)
        ledger.on_error = _logged("ledger_fault")
        await ledger.start()
        stack.push_async_callback(ledger.stop)
        roller = Roller(ledger.run)
        roller.on_error = _logged("rollup_fault")
        stack.push_async_callback(_cancelled, asyncio.create_task(roller.roll_on()))

        feed = ChangeFeed(store)
        feed.on_error = _logged("change_fault")
        await feed.start()  # before anything that it keeps fresh is loaded
        stack.push_async_callback(feed.stop)

        client = UpstreamClient(loop)
        stack.callback(client.close)
        directory = Directory(store)
        market = Market(store, box)
        health = Health(random.random)
        watch = Watch(ledger.run, ledger.process_id, health, lambda: market.pools.values())
        watch.on_error = _logged("channel_event_fault")
        stack.callback(watch.flush)
        health.on_transition = watch.moved
        chooser = Chooser(health, random.random)
        router = Router(chooser, health, watch.left, watch.model_missing)
        forwarder = Forwarder(client, router, lambda: market.catalogue.operator, settings.answer_bytes_max)
        limiter = MemoryLimiter()
        recounter = Recounter(store, market, limiter)
        recounter.on_error = _logged("recount_fault")
        estimator = Estimator(TokenCounter())
        _follow(market, health, chooser, recounter, estimator)
        for listener in (directory.on_change, ledger.on_change, market.on_change, watch.on_change):
            feed.listen(listener)

        await recounter.count()
        recounting = asyncio.create_task(recounter.run())
        stack.push_async_callback(_cancelled, recounting)
        observer = Observer()
        flushing = asyncio.create_task(_flush_on(observer))
        stack.callback(observer.flush)
        stack.callback(flushing.cancel)

        prober = Prober(market, health, watch, partial(_probed, client))
        prober.on_error = _logged("probe_fault")
        probing = asyncio.create_task(prober.run())
        stack.push_async_callback(_cancelled, probing)

        own_calls = OwnCalls(store, market, limiter, ledger, lambda: not app.is_stopping)
        objects = Objects(store, market)
        relay = Relay(
            directory=directory,
            market=market,
            limiter=limiter,
            ledger=ledger,
            forwarder=forwarder,
            estimator=estimator,
            own_calls=own_calls,
            objects=objects,
            stored_calls=StoredCalls(
                store=store,
                objects=objects,
                market=market,
                limiter=limiter,
                own_calls=own_calls,
                ledger=ledger,
                client=client,
                router=router,
                observer=observer,
                answer_bytes_max=settings.answer_bytes_max,
                body_bytes_max=settings.body_bytes_max,
            ),
            observer=observer,
            body_bytes_max=settings.body_bytes_max,
        )
        ledger.running = lambda: relay.running
        stack.push_async_callback(_until_ended, relay)  # while there is a ledger to settle with
        hash_key = await asyncio.to_thread(address_key, store, box, now_ms=now_ms())
        addresses = Addresses(hash_key, settings.trusted_proxies)
        lane = Lane(relay, settings, addresses)
        mailer = Mailer(store, box, lambda: _mail_server(store, box, market.catalogue.site))
        mailer.start()
        stack.push_async_callback(asyncio.to_thread, mailer.stop)
        balances = BalanceWatch(store, box, lambda: _site_of(market))
        balances.start()
        stack.push_async_callback(asyncio.to_thread, balances.stop)
        api = _on_demand(
            _make_api,
            settings=settings,
            store=store,
            box=box,
            market=market,
            limiter=limiter,
            ledger=ledger,
            relay=relay,
            observer=observer,
            mailer=mailer,
            now_ms=now_ms,
            monotonic_s=monotonic_s,
        )
        asgi = AsgiApp(relay, settings, addresses, is_relay_path, api)
        app = App(settings, store, relay, lane, asgi, market, ledger, observer)
        _show_figures(observer, relay, lane, ledger, watch, client)
        yield app


def _follow(
    market: Market, health: Health, chooser: Chooser, recounter: Recounter, estimator: Estimator
) -> None:
    """Let what decides about channels, and what limits count, follow the configuration, as it is and as it
    changes."""
    loop = asyncio.get_running_loop()

    def follow() -> None:
        """The configuration is there, or has changed."""
        is_model = market.catalogue.model
        health.keep(lambda channel, model: channel in market.pools and is_model(model) is not None)
        chooser.by_latency = market.catalogue.operator.choice == "latency"
        recounter.changed()
        loop.call_later(PREPARE_S, lambda: estimator.prepare(counted_models(market.catalogue)))

    def forgive(channel: str) -> None:
        """The channel, or one of its credentials, was enabled by hand."""
        health.reset(channel, now_s=asyncio.get_running_loop().time())
        if channel in market.pools:
            market.pools[channel].forget()

    follow()
    market.on_replaced, market.on_enabled = follow, forgive


def _show_figures(
    observer: Observer, relay: Relay, lane: Lane, ledger: Ledger, watch: Watch, client: UpstreamClient
) -> None:
    """What the metrics tell of this moment."""
    loop = asyncio.get_running_loop()
    observer.sources.append(lambda: _figures(loop, watch, client))
    observer.gauge("posthouse_requests_running", "Requests being answered.", lambda: relay.running)
    observer.gauge("posthouse_connections", "Open connections of callers.", lambda: len(lane.connections))
    observer.gauge("posthouse_held_nanos", "Held by calls under way.", lambda: ledger.held_nanos)
    observer.gauge("posthouse_request_bodies_bytes", "Request bodies in memory.", lambda: lane.body_bytes)
    observer.gauge("posthouse_upstream_exchanges", "Calls under way upstream.", lambda: client.active_count)


def _mail_server(store: Store, box: SecretBox, site: SiteDef) -> MailServer | None:
    """Where mails go out; None: nowhere, they are shown. Raises StoreDown, UnreadableSecret."""
    if not site.mail.host:
        return None
    return MailServer(
        host=site.mail.host,
        port=site.mail.port,
        security=site.mail.security,
        username=site.mail.username,
        password=site_secret(store, box, MAIL) or SecretText(""),
        sender=site.mail.sender,
        sender_name=site.name,
    )


def _site_of(market: Market) -> Site:
    """What a mail about a balance says of the site."""
    site, operator = market.catalogue.site, market.catalogue.operator
    return Site(site.name, site.public_url, operator.currency)


def _on_demand(make: Callable[..., Asgi], **objects: Any) -> Asgi:
    """An app that is made, in a thread, when it is first asked for."""
    made: list[Asgi] = []
    making = asyncio.Lock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with making:
            if not made:
                made.append(await asyncio.to_thread(make, **objects))
        await made[0](scope, receive, send)

    return app


def _make_api(**objects: Any) -> Asgi:
    """The REST API over the process's objects. It is large and slow to load: commands, and a relay that
    nobody looks at, do without."""
    from posthouse.api.app import make_api
    from posthouse.api.context import Context

    return make_api(Context(**objects))


async def _probed(
    client: UpstreamClient, spec: ChannelSpec, credential: SecretText | None, model: str
) -> Verdict:
    return (await probe(spec, credential, model, client=client)).verdict


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _logged(event: str) -> Callable[[Exception], None]:
    return lambda error: log.error(event, **describe(error))


def _figures(loop: asyncio.AbstractEventLoop, watch: Watch, client: UpstreamClient) -> Iterator[Figures]:
    """For the metrics' thread: what only the loop may look at is asked of it, the rest is done here. Nothing
    where the loop is too busy to say, or at its end."""
    try:
        report, connections = ask_loop(loop, lambda: (watch.report(), client.counts()), FIGURES_S)
    except (TimeoutError, RuntimeError):
        return
    yield from figures_of(report)
    yield Figures(
        "posthouse_upstream_connections",
        "Connections to upstreams.",
        ("upstream", "state"),
        tuple(
            ((upstream, state), float(getattr(one, state)))
            for upstream, one in connections.items()
            for state in one.__struct_fields__
        ),
    )


async def _until_ended(relay: Relay) -> None:
    """Wait for calls that were cut when the server stopped."""
    give_up_s = monotonic_s() + ENDING_S
    while relay.running and monotonic_s() < give_up_s:  # noqa: ASYNC110 - once, so that no call pays for it
        await asyncio.sleep(ENDING_POLL_S)


async def _flush_on(observer: Observer) -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        observer.flush()
