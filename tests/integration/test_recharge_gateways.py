"""Recharges by gateways that are programs of their own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import SHARDS, Store
from tests.integration.api import SIGNER
from tests.integration.recharging import granted, low, until_resolved
from tests.lab.gateway import Gateway, Section
from tests.lab.ports import Ports
from tests.lab.processes import until
from tests.lab.provider import Provider
from tests.lab.stripe_server import API_KEY, GOOD_CARD, Stripe
from tests.lab.stripe_server import SIGNER as STRIPE_SIGNER

ASKED = 200_000_000
LEASE_SECONDS = 30


def gateway(
    store: Store, folder: Path, ports: Ports, http_port: int, paying: Mapping[str, Section]
) -> Gateway:
    """Describe a gateway that nobody follows calls for."""
    return Gateway(
        folder,
        {
            "agi": {"port": ports.take()},
            "http": {"port": http_port, "token": "s3cret"},
            "pbx.pbx": {"port": ports.take()},
            "store": {"url": store.url, "shards": SHARDS},
            **paying,
        },
    )


@asynccontextmanager
async def running(*gateways: Gateway) -> AsyncIterator[None]:
    try:
        for one in gateways:
            await one.start(until="/healthz")
        yield
    finally:
        for one in gateways:
            await one.stop()


@pytest.fixture
async def provider(ports: Ports) -> AsyncIterator[Provider]:
    started = Provider(ports.take(), SIGNER, f"http://127.0.0.1:{ports.take()}/webhooks/payments")
    await started.start()
    yield started
    await started.stop()


def asking(provider: Provider) -> dict[str, Section]:
    return {"payments": {"url": provider.url, "webhook_secret": SIGNER}}


async def test_a_gateway_that_charges_by_stripe_recharges_and_hears_of_refunds(
    store: Store, ports: Ports, tmp_path: Path
) -> None:
    http_port = ports.take()
    hook = f"http://127.0.0.1:{http_port}/webhooks/stripe"
    server = Stripe(ports.take(), ports.take(), tmp_path, hook)
    await server.start()
    stripe: Section = {"key": API_KEY, "webhook_secret": STRIPE_SIGNER, "url": server.url}
    one = gateway(store, tmp_path / "one", ports, http_port, {"stripe": stripe})
    async with running(one):
        at, key = await low(store, await server.method(GOOD_CARD))
        await until_resolved(at)
        [intent] = await server.intents()
        charge = await server.refund(intent["id"], 5_000)
        assert await server.report("charge.refunded", charge) == 204
        assert (await at.lots())[key].available == 150_000_000
    await server.stop()


@pytest.mark.slow
async def test_many_recharges_are_asked_for_once_by_two_gateways(
    store: Store, ports: Ports, tmp_path: Path, provider: Provider
) -> None:
    two = [
        gateway(store, tmp_path / name, ports, ports.take(), asking(provider))
        for name in ("one", "two")
    ]
    async with running(*two):
        claimed = [await low(store) for _ in range(40)]
        for at, key in claimed:
            await until_resolved(at)
            assert await granted(at) == {"a": 50, key: ASKED}
    assert sorted(provider.requests) == sorted(key for _, key in claimed)


@pytest.mark.slow
async def test_when_a_gateway_is_killed_while_it_charges_another_goes_on_and_charges_nothing(
    store: Store, ports: Ports, tmp_path: Path, provider: Provider
) -> None:
    one, other = (
        gateway(store, tmp_path / name, ports, ports.take(), asking(provider))
        for name in ("one", "two")
    )
    provider.orders.behaviour, provider.orders.webhooks = "charge_and_hang", 0
    async with running(one):
        at, key = await low(store)
        await until(lambda: provider.charges, "it was charged")
        await one.kill()
    async with running(other):

        async def paid() -> bool:
            return key in await granted(at)

        await until(paid, "another gateway has gone on", LEASE_SECONDS + 10)
    assert (provider.requests, list(provider.charges)) == ([key], [key])
    assert await granted(at) == {"a": 50, key: ASKED}
