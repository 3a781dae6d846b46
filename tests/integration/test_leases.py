"""Who follows a PBX: one gateway at a time, by a lease in the store."""

import asyncio

from gateway.calls.follow import Lease
from gateway.ledger.leases import Leases
from tests.conftest import Store
from tests.lab.processes import until


async def test_one_gateway_has_the_lease_until_it_gives_it_up(store: Store) -> None:
    one, other = (Leases(store.store, "pbx") for _ in range(2))
    assert await one.take("pbx", 60_000)
    assert not await other.take("pbx", 60_000)
    assert await one.take("pbx", 60_000)
    # What is not one's own cannot be given up.
    await other.give_up("pbx")
    assert not await other.take("pbx", 60_000)
    assert await other.take("other", 60_000)
    await one.give_up("pbx")
    assert await other.take("pbx", 60_000)


async def test_a_lease_that_is_not_kept_goes_to_another(store: Store) -> None:
    one, other = (Leases(store.store, "pbx") for _ in range(2))
    assert await one.take("pbx", 100)
    await until(lambda: other.take("pbx", 60_000), "the other has it")
    assert not await one.take("pbx", 60_000)


async def test_two_who_ask_at_once_do_not_both_get_it(store: Store) -> None:
    for number in range(20):
        asked = (Leases(store.store, "pbx").take(f"pbx{number}", 60_000) for _ in range(8))
        assert sorted(await asyncio.gather(*asked)) == [False] * 7 + [True]


async def test_who_cannot_ask_is_sure_of_nothing_once_the_lease_is_over(store: Store) -> None:
    lease = Lease(Leases(store.store, "pbx"), "pbx")
    assert not lease.is_sure()
    assert await lease.take()
    assert lease.is_sure()
    async with store.frozen():
        assert await lease.take() is None
        await until(lambda: not lease.is_sure(), "it is over", 4)
        assert not lease.is_elsewhere
    other = Lease(Leases(store.store, "pbx"), "pbx")
    await until(other.take, "the store has forgotten it too")
    assert await lease.take() is False
    assert (lease.is_sure(), lease.is_elsewhere) == (False, True)
    await other.give_up()
    assert await lease.take()
