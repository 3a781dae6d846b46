"""Recharges beside a provider at its worst: one payment, one lot, one notice.

What is done is drawn at random; what the gateways do meanwhile is real, and takes its own time. A
failure prints the seed and the steps that were drawn by it; `World.walk` repeats them.
"""

import asyncio
from random import Random, getrandbits

import pytest

from gateway.recharge import recharger
from gateway.recharge.providers.webhook import WebhookProvider
from tests.conftest import Store
from tests.integration.adversary import World
from tests.integration.api import Api
from tests.integration.model.clock import stopped_clock
from tests.integration.recharging import granted, low, recharging, until_resolved
from tests.lab.provider import Provider


@pytest.fixture(autouse=True)
def _short_leases(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next gateway go on within moments with what the one before has left."""
    del provider  # in whose hurry leases are longer
    monkeypatch.setattr(recharger, "_LEASE_SECONDS", 0.7)


async def explore(world: World, walks: int, steps: int) -> None:
    for _ in range(walks):
        drawn = getrandbits(32)
        print(f"drawn by Random({drawn})")  # noqa: T201 - shown where the test fails
        await world.walk(Random(drawn), steps)  # noqa: S311 - nothing secret is drawn


async def test_whatever_the_provider_does_what_is_charged_is_what_is_credited(
    store: Store, api: Api, provider: Provider
) -> None:
    # R3, R4.
    await explore(World(store, api, provider), walks=4, steps=40)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_whatever_the_provider_does_for_long_what_is_charged_is_what_is_credited(
    store: Store, api: Api, provider: Provider
) -> None:
    await explore(World(store, api, provider), walks=50, steps=80)


@pytest.mark.parametrize("moments", range(0, 120, 8))
async def test_a_gateway_that_ends_at_any_step_leaves_one_charge_and_one_lot(
    store: Store, provider: Provider, asking: WebhookProvider, moments: int
) -> None:
    provider.orders.webhooks = 0
    at, key = await low(store)
    async with recharging(store, asking):
        for _ in range(moments):
            await asyncio.sleep(0.0005)
    async with recharging(store, asking):
        await until_resolved(at)
    assert list(provider.charges) == [key]
    assert (await granted(at))[key] == 200_000_000


async def test_a_provider_that_is_down_for_an_hour_is_asked_with_the_same_key_and_pays_once(
    provider: Provider,
    asking: WebhookProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    now_ms = 1_795_500_000_000
    async with (
        stopped_clock(tmp_path_factory.mktemp("clocked"), now_ms) as clock,
        Store.at(clock.url) as store,
    ):
        at, key = await low(store)
        await provider.refuse()
        async with recharging(store, asking):
            for minute in range(60):
                await clock.set(store.redis, now_ms + (minute + 1) * 60_000)
                await asyncio.sleep(0.06)
            recharge = (await at.statement()).recharge
            assert (recharge.key, recharge.state) == (key, "unknown")
            await provider.listen()
            await clock.set(store.redis, now_ms + 3_661_000)
            await until_resolved(at)
        assert list(provider.charges) == [key]
        assert (await granted(at))[key] == 200_000_000
