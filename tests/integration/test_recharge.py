import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from gateway.ledger.events import readers
from gateway.recharge import recharger
from gateway.recharge.providers import webhook
from gateway.recharge.providers.webhook import WebhookProvider
from gateway.recharge.recharger import Recharger
from tests.conftest import Store
from tests.integration.api import SIGNER, Api
from tests.integration.books import Books, funded
from tests.lab.ports import Ports
from tests.lab.processes import until
from tests.lab.provider import Behaviour, Provider


@pytest.fixture
async def provider(
    api: Api, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Provider]:
    monkeypatch.setattr(recharger, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(webhook, "REPLY_SECONDS_MAX", 0.5)
    hook = f"http://127.0.0.1:{api.port}/webhooks/payments"
    started = Provider(ports.take(), SIGNER, hook)
    await started.start()
    yield started
    await started.stop()


@asynccontextmanager
async def recharging(store: Store, provider: Provider, api: Api) -> AsyncIterator[None]:
    """Carry out recharges while inside."""
    asking = WebhookProvider(provider.url, SIGNER, api.client)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(
            Recharger(
                store.ledger, store.statements, readers(store.store), asking, retry_seconds=3600
            ).run()
        )
        try:
            yield
        finally:
            running.cancel()


@pytest.fixture
async def low(store: Store) -> tuple[Books, str]:
    """An account below its trigger, and the key of the recharge that was claimed for it."""
    at = await funded(store, 50)
    await at.open(recharge_below=100, recharge_amount=200)
    return at, (await at.statement()).recharge.key


async def until_resolved(at: Books) -> None:
    async def resolved() -> bool:
        return not (await at.statement()).recharge.key

    await until(resolved, "the recharge is resolved")


async def test_a_recharge_that_is_reported_by_reply_and_by_webhooks_is_one_lot(
    store: Store, api: Api, provider: Provider, low: tuple[Books, str]
) -> None:
    at, key = low
    provider.orders.webhooks = 5
    async with recharging(store, provider, api):
        await until(lambda: provider.delivered == [204] * 5, "every webhook has arrived")
        await until_resolved(at)
    assert provider.requests == list(provider.charges) == [key]
    assert {name: lot.granted for name, lot in (await at.lots()).items()} == {"a": 50, key: 200}


async def test_a_charge_that_is_pending_is_booked_when_its_webhook_comes(
    store: Store, api: Api, provider: Provider, low: tuple[Books, str]
) -> None:
    at, key = low
    provider.orders.behaviour, provider.orders.webhooks = "pend", 0
    async with recharging(store, provider, api):
        await until(lambda: len(provider.requests) > 1, "it was asked for again")
        assert sorted(await at.lots()) == ["a"]
        assert await provider.report(provider.charges[key]) == 204
        await until_resolved(at)
    assert set(provider.requests) == {key}
    assert sorted(await at.lots()) == ["a", key]


async def test_a_declined_recharge_is_given_up_and_the_next_waits(
    store: Store, api: Api, provider: Provider, low: tuple[Books, str]
) -> None:
    at, key = low
    provider.orders.behaviour = "decline"
    async with recharging(store, provider, api):
        await until(lambda: provider.delivered == [204], "the decline was reported as well")
        await until_resolved(at)
        await at.hold("call", (60, 1))
    assert provider.requests == [key]
    assert (await at.statement()).recharge.key == ""
    assert sorted(await at.lots()) == ["a"]


@pytest.mark.parametrize("behaviour", ["fail", "hang", "lose_reply"])
async def test_without_an_answer_the_same_key_is_asked_for_until_there_is_one(
    store: Store, api: Api, provider: Provider, low: tuple[Books, str], behaviour: Behaviour
) -> None:
    # R4: unknown is never a second charge.
    at, key = low
    provider.orders.behaviour, provider.orders.webhooks = behaviour, 0
    async with recharging(store, provider, api):
        await until(lambda: len(provider.requests) > 1, "it was asked for again")
        assert (await at.statement()).recharge.key == key
        provider.orders.behaviour = "succeed"
        await until_resolved(at)
    assert (set(provider.requests), list(provider.charges)) == ({key}, [key])
    assert sorted(await at.lots()) == ["a", key]


async def test_a_recharge_goes_on_with_its_key_after_a_restart(
    store: Store, api: Api, provider: Provider, low: tuple[Books, str]
) -> None:
    at, key = low
    provider.orders.behaviour, provider.orders.webhooks = "lose_reply", 0
    async with recharging(store, provider, api):
        await until(lambda: provider.requests, "it was asked for")
    provider.orders.behaviour = "succeed"
    async with recharging(store, provider, api):
        await until_resolved(at)
    assert (set(provider.requests), list(provider.charges)) == ({key}, [key])
    assert sorted(await at.lots()) == ["a", key]


async def test_a_restart_asks_for_nothing_that_is_done(
    store: Store, api: Api, provider: Provider, low: tuple[Books, str]
) -> None:
    at, _ = low
    async with recharging(store, provider, api):
        await until_resolved(at)
    other = await funded(store, 50)
    async with recharging(store, provider, api):
        await other.open(recharge_below=100, recharge_amount=200)
        await until_resolved(other)
    assert len(provider.requests) == 2


async def test_a_webhook_of_the_provider_is_believed_only_with_our_secret_and_in_time(
    provider: Provider, store: Store, api: Api, low: tuple[Books, str]
) -> None:
    at, key = low
    async with recharging(store, provider, api):
        await until_resolved(at)
    charge = provider.charges[key]
    assert await provider.report(charge, secret="whsec_b3RoZXI=") == 401
    assert await provider.report(charge, age=timedelta(minutes=10)) == 401
    assert await provider.report(charge) == 204
    assert sorted(await at.lots()) == ["a", key]


async def test_an_odd_answer_of_the_provider_says_nothing_and_is_asked_again(
    store: Store, api: Api, provider: Provider, low: tuple[Books, str]
) -> None:
    at, key = low
    odd = iter(
        [
            (402, r'{"status": "declined", "reason": "\ud800"}'),
            (200, "[" * 200_000),
            (200, '{"status": "declined"}'),
            (200, "succeeded"),
            (299, '{"status": "succeeded"}'),
            (599, "{}"),
        ]
    )
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Idempotency-Key"])
        status, body = next(odd, (200, '{"status": "succeeded"}'))
        return web.Response(status=status, text=body, content_type="application/json")

    await provider.stop()
    app = web.Application()
    app.router.add_post("/charges", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", provider.port).start()
    async with recharging(store, provider, api):
        await until_resolved(at)
    await runner.cleanup()
    assert asked == [key] * 7
    assert sorted(await at.lots()) == ["a", key]
