import asyncio
from typing import Any

from gateway.ledger.outcomes import Held, Refused
from tests.conftest import Store
from tests.integration.books import Books, funded
from tests.lab.processes import until


async def recharging(store: Store, *lots: int) -> Books:
    """Open these lots, then switch a recharge of 200 below 100 on."""
    at = await funded(store, *lots)
    await at.open(recharge_below=100, recharge_amount=200)
    return at


async def claims(at: Books) -> list[tuple[str, str]]:
    """Give key and amount of each recharge that was claimed for the account."""
    shard = at.store.store.account(at.account).shard
    entries: Any = await at.store.redis.xrange(shard.events)
    return [
        (fields["key"], fields["amount"])
        for _, fields in entries
        if (fields["event"], fields["account"]) == ("recharge_due", at.account)
    ]


async def keys(at: Books) -> list[str]:
    """Give the keys of the recharges that were claimed: each of a moment, and with a number."""
    found = [name for name, _ in await claims(at)]
    for number, name in enumerate(found, start=1):
        begin, _, rest = name.rpartition(f"recharge-{at.account}-")
        assert (begin, rest.partition("-")[2]) == ("", str(number))
    return found


async def test_exactly_at_the_trigger_nothing_is_recharged(store: Store) -> None:
    # R1.
    at = await recharging(store, 150)
    await at.hold("call", (60, 50))
    assert (await at.sums())[0] == 100
    assert await claims(at) == []


async def test_below_the_trigger_one_recharge_is_claimed_with_its_key(store: Store) -> None:
    at = await recharging(store, 150)
    await at.hold("call", (60, 51))
    await at.hold("another", (60, 10))
    await at.extend("call", 1, (120, 60))
    await at.settle("call", 60)
    [key] = await keys(at)
    assert await claims(at) == [(key, "200")]
    assert (await at.statement()).recharge.key == key


async def test_a_hundred_calls_below_the_trigger_claim_one_recharge(store: Store) -> None:
    # R2.
    at = await recharging(store, 150)
    await asyncio.gather(*(at.hold(f"call-{n}", (60, 1)) for n in range(100)))
    assert len(await keys(at)) == 1


async def test_a_recharge_switched_on_below_its_trigger_is_claimed_at_once(store: Store) -> None:
    at = await recharging(store, 99)
    assert len(await keys(at)) == 1
    exactly = await recharging(store, 100)
    assert await keys(exactly) == []


async def test_without_an_amount_nothing_is_recharged(store: Store) -> None:
    at = await funded(store, 1)
    await at.open(recharge_below=100)
    assert await claims(at) == []


async def test_a_refused_call_below_the_trigger_claims_a_recharge(store: Store) -> None:
    at = await recharging(store, 100)
    await at.hold("call", (60, 100))
    await at.configure("on", recharge_amount=200)
    [key] = await keys(at)
    paid = await at.grant(key, 200)
    assert (await at.statement()).recharge.key == ""
    assert await at.hold("dear", (60, 1000)) == Refused("no_credit", 200)
    assert await at.grant(key, 200) == paid
    assert await keys(at) == [key]


async def test_a_paid_recharge_makes_room_for_the_next(store: Store) -> None:
    at = await recharging(store, 50)
    [key] = await keys(at)
    await at.grant(key, 200)
    assert await at.hold("call", (60, 200)) == Held(60, 200, 50)
    assert len(await keys(at)) == 2


async def test_another_payment_leaves_the_claimed_recharge_open(store: Store) -> None:
    at = await recharging(store, 50)
    await at.grant("by-hand", 500)
    assert [(await at.statement()).recharge.key] == await keys(at)


async def test_after_a_failure_the_next_recharge_waits_for_the_pause(store: Store) -> None:
    at = await recharging(store, 50)
    [key] = await keys(at)
    assert await at.fail_recharge(key, pause_seconds=3600) is None
    assert await at.fail_recharge(key, pause_seconds=1) is None  # drawn anew by who asks again
    assert await at.fail_recharge(key, pause_seconds=0, lasting=True) == Refused("conflict")
    await at.hold("call", (60, 1))
    assert len(await claims(at)) == 1


async def test_once_the_pause_is_over_the_next_look_claims_a_recharge(store: Store) -> None:
    at = await recharging(store, 50)
    [key] = await keys(at)
    await at.fail_recharge(key, pause_seconds=1)

    async def claimed_again() -> bool:
        await at.expire()
        return len(await claims(at)) > 1

    await until(claimed_again, "the pause is over")
    assert len(await keys(at)) == 2


async def test_a_success_that_comes_after_the_failure_still_counts(store: Store) -> None:
    # R4.
    at = await recharging(store, 50)
    [key] = await keys(at)
    await at.fail_recharge(key, pause_seconds=3600)
    await at.pay(key, 200)
    assert (await at.sums())[0] == 250
