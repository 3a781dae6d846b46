"""The composition root: builds the parts, runs them, and ends them in order."""

import asyncio
import gc
import random
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import structlog

from gateway import config, published
from gateway.admin import (
    accounts,
    app,
    calls,
    funding,
    health,
    notices,
    payments,
    quotes,
    ratecards,
)
from gateway.admin import conferences as conferences_api
from gateway.admin.health import Following
from gateway.admin.metrics import Metrics
from gateway.calls.authorizer import Authorizer
from gateway.calls.conferences import DIAL_OUT, Conferences, on_dial_out
from gateway.calls.controller import Controller
from gateway.calls.decider import Decider
from gateway.calls.follow import Follower, Lease
from gateway.calls.reconcile import Reconciler
from gateway.calls.session import Pace
from gateway.config import Settings
from gateway.errors import BadInputError, Fault
from gateway.ledger import embedded
from gateway.ledger.check import check, check_shards
from gateway.ledger.events import Events, readers
from gateway.ledger.expiry import keep_expiring
from gateway.ledger.jobs import Jobs
from gateway.ledger.leases import Leases
from gateway.ledger.ledger import Ledger
from gateway.ledger.statements import Statements
from gateway.ledger.store import Store
from gateway.notices import outbox
from gateway.notices.mail import Mailer
from gateway.notices.outbox import Outbox
from gateway.notices.recipients import parse_recipients
from gateway.notices.webhook import WebhookSender
from gateway.pbx.ami import Ami
from gateway.pbx.fastagi import FastAgi
from gateway.rating.case import Rules
from gateway.recharge.attempt import Attempt
from gateway.recharge.inbox import WebhookInbox
from gateway.recharge.providers.charge import Provider
from gateway.recharge.providers.stripe import StripeProvider
from gateway.recharge.providers.webhook import WebhookProvider
from gateway.recharge.recharger import KIND, Recharger
from gateway.recharge.reports import Inbox, Reports
from gateway.recharge.stripe_inbox import StripeInbox
from gateway.stores import connected
from gateway.systemd import Systemd

_log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Raises BadInputError for wrong cards, plans or recipients or an unsafe store,
    LedgerUnavailableError for a store that is not there, OSError for a port that is taken.
    """
    systemd = Systemd.from_environment()
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
    systemd.tell("STATUS=opening the store")
    async with AsyncExitStack() as stack:
        if not settings.store.url:
            await stack.enter_async_context(embedded.running(settings.data_dir / "store"))
        store = await stack.enter_async_context(connected(settings))
        if settings.store.url:
            cluster, strict = settings.store.cluster, settings.store.strict
            await check(store.servers, cluster=cluster, strict=strict)
        await check_shards(store)
        # Payments and notices have bounds of their own: who hangs keeps no connection from others.
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        gateway = _join(settings, rules, store, session)
        async with asyncio.TaskGroup() as tasks:
            followers = [tasks.create_task(follower.run()) for follower in gateway.followers]
            parts = (*gateway.parts, systemd.keep_awake())
            running = [tasks.create_task(part) for part in parts]
            for listening in gateway.listening:
                await listening.wait()
            systemd.tell("READY=1", "STATUS=serving")
            reloading = _reload(reload, settings, gateway.use, systemd)
            running.append(tasks.create_task(reloading))
            await stop.wait()
            _log.info("gateway.draining")
            systemd.tell("STOPPING=1", "STATUS=draining")
            gateway.draining.set()
            # First nobody new: PBXes ask the next gateway of their lists. Then those PBXes that are
            # followed here go to other gateways, which find everything in the store and the PBX;
            # without another one the calls go on, with their deadlines and records in the PBX.
            await gateway.agi.drain()
            for task in followers:
                task.cancel()
            await asyncio.wait(followers)
            _log.info("gateway.stopping")
            for task in running:
                task.cancel()


@dataclass(frozen=True, slots=True)
class _Gateway:
    """The parts of a gateway; each runs until it is cancelled."""

    agi: FastAgi
    followers: list[Follower]
    parts: list[Coroutine[None, None, None]]
    listening: tuple[asyncio.Event, ...]
    draining: asyncio.Event
    use: Callable[[Rules], None]


def _join(
    settings: Settings, rules: Rules, store: Store, session: aiohttp.ClientSession
) -> _Gateway:
    """Join the parts of a gateway."""
    ledger, statements = Ledger(store), Statements(store)
    decider = Decider(statements, rules)
    conferences = Conferences(ledger, statements, decider)
    desks = _desks(settings, ledger, statements, Leases(store, "pbx"))
    controllers = {name: desk.controller for name, desk in desks.items()}
    slice_seconds = settings.calls.slice_seconds
    authorizer = Authorizer(ledger, decider, statements, controllers, slice_seconds)
    followers = [
        Follower(
            name,
            desk.ami,
            desk.lease,
            desk.controller,
            Reconciler(
                name,
                desk.ami,
                desk.controller,
                statements,
                authorizer=authorizer,
                on_unknown=settings.calls.on_unknown,
            ),
        )
        for name, desk in desks.items()
    ]

    def following() -> dict[str, Following]:
        return {name: desk.following() for name, desk in desks.items()}

    metrics = Metrics(
        following,
        lambda: {name: of.sessions() for name, of in controllers.items()},
    )
    agi = FastAgi(metrics.timed(authorizer.authorize), authorizer.quote, conferences.join)
    draining, agi_listening, http_listening = asyncio.Event(), asyncio.Event(), asyncio.Event()
    recharger, inboxes = _recharging(settings, ledger, store, session)
    untold = Jobs(store, outbox.GROUP)
    telling = _telling(settings, untold, store, session)
    tables = [
        health.routes(
            statements,
            following,
            draining.is_set,
        ),
        accounts.routes(ledger, statements, lambda: decider.rules.plans),
        funding.routes(ledger, statements),
        calls.routes(lambda: [call for of in controllers.values() for call in of.sessions()]),
        conferences_api.routes(conferences, list(desks)),
        metrics.routes(),
        notices.routes(untold),
        payments.routes(inboxes),
        quotes.routes(decider),
        ratecards.routes(published.versions_folder(settings), lambda: decider.rules.cards.versions),
    ]
    public = [ratecards.PATH] if settings.rates.public else []
    parts = [
        *(_hear(events, desks) for events in readers(store)),
        keep_expiring(store),
        telling.run(),
        agi.serve(settings.agi.host, settings.agi.port, agi_listening),
        app.serve(
            settings.http.host,
            settings.http.port,
            config.http_token(settings),
            tables,
            public,
            listening=http_listening,
        ),
        recharger.run(),
    ]
    listening = (agi_listening, http_listening)
    return _Gateway(agi, followers, parts, listening, draining, decider.use)


def _recharging(
    settings: Settings, ledger: Ledger, store: Store, session: aiohttp.ClientSession
) -> tuple[Recharger, dict[str, Inbox]]:
    """Join what asks the provider, and what it reports to, by its path."""
    retry_seconds = settings.payments.retry_seconds
    chance = random.SystemRandom().random
    reports = Reports(ledger, retry_seconds=retry_seconds, chance=chance)
    secret = config.webhook_secret(settings)
    inboxes: dict[str, Inbox] = {"/webhooks/payments": WebhookInbox(reports, secret)}
    provider: Provider | None = None
    if settings.payments.url:
        provider = WebhookProvider(settings.payments.url, secret, session)
    elif settings.stripe.key:
        provider = StripeProvider(settings.stripe.key, settings.stripe.url, session)
        inboxes["/webhooks/stripe"] = StripeInbox(reports, provider, settings.stripe.webhook_secret)
    jobs = Jobs(store, KIND)
    attempt = (
        Attempt(ledger, jobs, provider, retry_seconds=retry_seconds, chance=chance)
        if provider
        else None
    )
    return Recharger(jobs, readers(store), store.shards, attempt), inboxes


def _telling(
    settings: Settings, untold: Jobs, store: Store, session: aiohttp.ClientSession
) -> Outbox:
    """Join what tells of events. Raises BadInputError for wrong recipients."""
    text = settings.notices.operator
    try:
        operator = parse_recipients(text)
    except ValueError as error:
        raise BadInputError([Fault("settings", "notices.operator", text, str(error))]) from error
    return Outbox(
        untold,
        Statements(store),
        readers(store),
        store.shards,
        operator=operator,
        mail=Mailer(settings.mail),
        webhook=WebhookSender(config.notice_secret(settings), session),
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a gateway has of one PBX."""

    ami: Ami
    lease: Lease
    controller: Controller

    def following(self) -> Following:
        """Tell how the PBX is followed."""
        if self.lease.is_elsewhere:
            return Following.ELSEWHERE
        return Following.CONNECTED if self.ami.connected else Following.DISCONNECTED


def _desks(
    settings: Settings, ledger: Ledger, statements: Statements, leases: Leases
) -> dict[str, _Desk]:
    pace = Pace(
        settings.calls.slice_seconds,
        settings.calls.renew_before_seconds,
        settings.calls.warn_seconds,
    )
    desks = {}
    for name, pbx in settings.pbx.items():
        ami = Ami(pbx.host, pbx.port, pbx.username, config.ami_secret(settings, pbx))
        lease = Lease(leases, name)
        controller = Controller(ledger, statements, ami, pace, lease)
        desks[name] = _Desk(ami, lease, controller)
    return desks


async def _hear(events: Events, desks: Mapping[str, _Desk]) -> None:
    """Tell calls that money came for their account, and PBXes which numbers to call."""
    async with asyncio.TaskGroup() as tasks:
        async for event in events.follow():
            if event.kind == "credit":
                for desk in desks.values():
                    desk.controller.on_credit(event.account)
            elif event.kind == DIAL_OUT:
                asked = desks.get(event.fields["pbx"])
                if asked is not None and asked.lease.is_sure():
                    # A PBX that is slow must not keep money from calls on others.
                    tasks.create_task(on_dial_out(event, asked.ami))


async def _reload(
    wanted: asyncio.Event, settings: Settings, use: Callable[[Rules], None], systemd: Systemd
) -> None:
    """Read cards and plans anew whenever it is wanted."""
    while True:
        await wanted.wait()
        wanted.clear()
        systemd.tell_reloading()
        used = await published.reload(settings, use)
        status = "serving" if used else "serving, by the cards and plans before (rules.refused)"
        systemd.tell("READY=1", f"STATUS={status}")
