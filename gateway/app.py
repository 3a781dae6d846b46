"""The composition root: builds the parts, runs them, and ends them in order."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import structlog

from gateway import config, published
from gateway.admin import accounts, app, calls, health, payments, quotes, ratecards
from gateway.calls.controller import Controller
from gateway.calls.decider import Decider
from gateway.calls.reconcile import Reconciler
from gateway.config import Settings
from gateway.ledger import embedded
from gateway.ledger.check import check, check_shards
from gateway.ledger.cluster import open_servers
from gateway.ledger.events import Events, readers
from gateway.ledger.expiry import keep_expiring
from gateway.ledger.ledger import Ledger
from gateway.ledger.statements import Statements
from gateway.ledger.store import Store
from gateway.pbx.ami import Ami
from gateway.pbx.fastagi import FastAgi
from gateway.rating.case import Rules
from gateway.recharge.inbox import Inbox
from gateway.recharge.providers.webhook import WebhookProvider
from gateway.recharge.recharger import Recharger

_log = structlog.get_logger()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Give the store alone, beside a gateway that runs or without one."""
    folder = settings.data_dir / "store"
    async with AsyncExitStack() as stack:
        if not settings.store.url and not embedded.is_running(folder):
            await stack.enter_async_context(embedded.running(folder))
        store = await stack.enter_async_context(_store(settings))
        await check_shards(store)
        yield store


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store]:
    url = settings.store.url or embedded.url(settings.data_dir / "store")
    servers = open_servers(url, cluster=settings.store.cluster)
    try:
        yield Store(servers, settings.store.shards)
    finally:
        await servers.aclose()


async def serve(settings: Settings) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Raises BadInputError for wrong cards or plans or an unsafe store, LedgerUnavailableError for a
    store that is not there, OSError for a port that is taken.
    """
    rules = published.load_rules(settings)
    published.keep_versions(rules.cards, published.versions_folder(settings))
    # Cards and code live as long as the process; without this, every full collection walks them,
    # and the calls that wait for an answer wait for it.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    async with AsyncExitStack() as stack:
        if not settings.store.url:
            await stack.enter_async_context(embedded.running(settings.data_dir / "store"))
        store = await stack.enter_async_context(_store(settings))
        if settings.store.url:
            cluster, strict = settings.store.cluster, settings.store.strict
            await check(store.servers, cluster=cluster, strict=strict)
        await check_shards(store)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        parts = _parts(settings, rules, reload, store, session)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(part) for part in parts]
            await stop.wait()
            _log.info("gateway.stopping")
            # The calls go on: the PBX carries their deadlines, and records how they end.
            for task in running:
                task.cancel()


def _parts(
    settings: Settings,
    rules: Rules,
    reload: asyncio.Event,
    store: Store,
    session: aiohttp.ClientSession,
) -> list[Coroutine[None, None, None]]:
    """Join the parts of a gateway; each runs until it is cancelled."""
    ledger, statements = Ledger(store), Statements(store)
    ami = Ami(
        settings.ami.host, settings.ami.port, settings.ami.username, config.ami_secret(settings)
    )
    decider = Decider(statements, rules)
    controller = Controller(
        ledger,
        decider,
        statements,
        ami,
        slice_seconds=settings.calls.slice_seconds,
        renew_before_seconds=settings.calls.renew_before_seconds,
    )
    reconciler = Reconciler(statements, ami, controller)
    retry_seconds = settings.payments.retry_seconds
    webhook_secret = config.webhook_secret(settings)
    inbox = Inbox(ledger, webhook_secret, retry_seconds=retry_seconds)
    tables = [
        health.routes(statements, lambda: ami.connected),
        accounts.routes(statements),
        calls.routes(controller.sessions),
        payments.routes(inbox),
        quotes.routes(decider),
        ratecards.routes(published.versions_folder(settings), lambda: decider.rules.cards.versions),
    ]
    public = [ratecards.PATH] if settings.rates.public else []
    parts = [
        controller.run(),
        *(_credits(events, controller) for events in readers(store)),
        reconciler.run(),
        keep_expiring(store),
        published.reload(reload, settings, decider.use),
        ami.run(controller.on_leg, reconciler.want),
        FastAgi(controller.authorize).serve(settings.agi.host, settings.agi.port),
        app.serve(
            settings.http.host, settings.http.port, config.http_token(settings), tables, public
        ),
    ]
    if settings.payments.url:
        provider = WebhookProvider(settings.payments.url, webhook_secret, session)
        parts.append(
            Recharger(
                ledger, statements, readers(store), provider, retry_seconds=retry_seconds
            ).run()
        )
    return parts


async def _credits(events: Events, controller: Controller) -> None:
    """Tell the calls of an account that money came."""
    async for event in events.follow():
        if event.kind == "credit":
            controller.on_credit(event.account)
