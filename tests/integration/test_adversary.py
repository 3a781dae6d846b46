"""Recharges beside a provider at its worst: one payment, one lot, one notice.

What is done is drawn at random; what the gateways do meanwhile is real, and takes its own time. A
failure prints the seed and the steps that were drawn by it; `World.walk` repeats them.
"""

import asyncio
from dataclasses import replace
from itertools import count
from random import Random, getrandbits

import pytest

from gateway.ledger import events
from gateway.ledger.jobs import Jobs
from gateway.recharge import recharger
from gateway.recharge.providers.webhook import WebhookProvider
from tests.conftest import Store
from tests.integration.adversary import World
from tests.integration.api import Api
from tests.integration.books import Books, told
from tests.integration.life import Life
from tests.integration.model.clock import stopped_clock
from tests.integration.recharging import granted, is_resolved, low, recharging, until_resolved
from tests.lab.processes import until
from tests.lab.provider import Orders, Provider

STEPS_MIN = 8  # the moments before and after a charge is taken in, submitted, asked for, resolved


@pytest.fixture(autouse=True)
def _short_leases(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next gateway go on within moments with what the one before has left."""
    del provider  # in whose hurry leases are longer
    monkeypatch.setattr(recharger, "_LEASE_SECONDS", 0.2)
    monkeypatch.setattr(events, "_ABANDONED_SECONDS", 0.2)


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


async def until_done(at: Books, life: Life) -> None:
    """Wait until a gateway has nothing left to do for the account, or its life is over."""
    jobs = Jobs(at.store.store, recharger.KIND)

    async def is_over_or_done() -> bool:
        if life.over.is_set():
            return True
        left = [job for job in await jobs.every() if job.fields["account"] == at.account]
        return not left and await is_resolved(at)

    await until(is_over_or_done, "all is done, or the gateway is killed")


@pytest.mark.parametrize(
    ("orders", "outcomes"),
    [
        (Orders("succeed"), ["succeeded"]),
        (Orders("lose_reply"), ["succeeded"]),
        (Orders(declines={"card": "card_expired"}), ["declined", "succeeded"]),
        (Orders("decline"), ["declined", "declined"]),
    ],
    ids=["paid", "reply_lost", "backup", "declined"],
)
async def test_a_gateway_killed_at_any_step_leaves_what_one_that_lives_does(
    store: Store,
    provider: Provider,
    asking: WebhookProvider,
    orders: Orders,
    outcomes: list[str],
) -> None:
    # R3, R4.
    provider.orders = replace(orders, webhooks=0)
    for steps in count():
        life = Life(steps)
        at, _ = await low(store, "card,account")
        async with recharging(store, asking, life=life):
            await until_done(at, life)
        async with recharging(store, asking):
            await until_done(at, Life())
        charges = await provider.charges_of(at.account)
        assert [charge.status for charge in charges] == outcomes
        paid = {charge.key for charge in charges if charge.status == "succeeded"}
        lots = await granted(at)
        assert {name for name in lots if name.startswith("recharge-")} == paid
        assert [event["key"] for event in await told(at, "recharged")] == list(paid)
        assert len(await told(at, "recharge_failed")) == 1 - len(paid)
        if not life.over.is_set():
            break
    assert steps >= STEPS_MIN * len(outcomes)


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
