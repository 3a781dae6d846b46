import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.ledger import expiry
from gateway.ledger.expiry import keep_expiring
from tests.conftest import Store
from tests.integration.books import Books, books, funded, now_ms, told
from tests.lab.processes import until

DAY_MS = 86_400_000


@asynccontextmanager
async def looking(store: Store) -> AsyncIterator[None]:
    """Look at what lapses while inside, as a gateway does."""
    async with asyncio.TaskGroup() as tasks:
        look = tasks.create_task(keep_expiring(store.store))
        try:
            yield
        finally:
            look.cancel()


async def lapsing(store: Store, *days: float) -> Books:
    """Open an account with lots of 10 that lapse in so many days."""
    at = books(store)
    await at.open()
    now = await now_ms(at)
    for number, of in enumerate(days):
        await at.grant(f"lot-{number}", 10, expires_ms=now + int(of * DAY_MS))
    return at


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "_EVERY_SECONDS", 0.05)


@pytest.mark.usefixtures("often")
async def test_a_lot_lapses_on_time_without_a_call_or_a_request(store: Store) -> None:
    # M2.
    at = await lapsing(store, 0.2 / 86_400)
    journal = store.store.account(at.account).shard.journal
    before = await store.redis.xlen(journal)
    async with looking(store):

        async def lapsed() -> bool:
            return bool(await store.redis.xlen(journal) > before)

        await until(lapsed, "it is written that the lot has lapsed")
    assert await at.sums() == (0, 0, 0, 10)


@pytest.mark.usefixtures("often")
async def test_each_lot_is_warned_of_once_at_30_at_7_and_at_1_day(store: Store) -> None:
    # R6.
    at = await lapsing(store, 31, 29.9, 6.9, 0.9)
    async with looking(store), looking(store):
        for reference, days in (("lot-0", 20), ("lot-1", 5), ("lot-2", 0.5)):
            await at.move_expiry(reference, await now_ms(at) + int(days * DAY_MS))

        async def warned() -> bool:
            return len(await told(at, "lot_expiring")) >= 4

        await until(warned, "all are warned of")
        await asyncio.sleep(0.3)
    found = [
        (event["lot"].rpartition("-lot-")[2], event["days"])
        for event in await told(at, "lot_expiring")
    ]
    assert len(found) == len(set(found))
    assert {("0", "30"), ("1", "7"), ("2", "1"), ("3", "1")} <= set(found)


@pytest.mark.usefixtures("often")
async def test_one_gateway_looks_at_a_time_and_another_when_it_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_LEASE_MS", 400)
    await funded(store, 10)
    lease = f"{store.store.shard_of('expiry').tag}:lease:duty:expiry"

    async def holder() -> str:
        return str(await store.redis.get(lease) or "")

    async with looking(store):
        first = await until(holder, "one looks")
        async with looking(store):
            await asyncio.sleep(1.0)
            assert await holder() == first
    async with looking(store):

        async def another() -> bool:
            return await holder() not in ("", first)

        await until(another, "another looks")
