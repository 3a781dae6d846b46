import asyncio
from collections.abc import AsyncIterator

from gateway.ledger.events import Event, Events
from gateway.ledger.outcomes import LedgerUnavailableError
from tests.conftest import SHARDS, Store
from tests.integration.books import Books, funded


async def credit(at: Books, reference: str) -> None:
    """Make one event, however long the store is away."""
    while True:
        try:
            await at.grant(reference, 1)
        except LedgerUnavailableError:
            continue
        return


async def next_of(reader: AsyncIterator[Event]) -> Event:
    return await anext(reader)


async def consumed(events: Events, group: str, count: int) -> list[Event]:
    """Start a reader of the group, and stop it after this many events."""
    reader = events.consume(group)
    return [await anext(reader) for _ in range(count)]


async def credited_until_seen(at: Books, follower: AsyncIterator[Event]) -> tuple[Event, int]:
    """Make events until the follower has one: give it, and how many were made."""
    made = 0
    async with asyncio.TaskGroup() as tasks:
        seen = tasks.create_task(next_of(follower))
        while not seen.done():
            made += 1
            await credit(at, f"new-{made}")
    return seen.result(), made


async def test_a_new_reader_is_given_again_what_is_not_done(store: Store) -> None:
    events, at = Events(store.redis, SHARDS), await funded(store, 1, 1, 1)
    first, second, third = await consumed(events, "group", 3)
    assert {event.kind for event in (first, second, third)} == {"credit"}
    await events.done("group", second)
    await credit(at, "new")
    again = await consumed(events, "group", 3)
    assert again[:2] == [first, third]
    assert again[2].entry_id > third.entry_id


async def test_each_group_is_given_every_event(store: Store) -> None:
    events = Events(store.redis, SHARDS)
    for _ in range(4):
        await funded(store, 1)  # in shards of their own
    one, other = [await consumed(events, group, 4) for group in ("one", "other")]
    assert len({event.account for event in one}) == 4
    assert {event.account for event in one} == {event.account for event in other}


async def test_a_follower_is_given_only_what_is_new(store: Store) -> None:
    old, new = await funded(store, 1, 1), await funded(store)
    event, _ = await credited_until_seen(new, Events(store.redis, SHARDS).follow())
    assert event.account == new.account != old.account


async def test_readers_live_through_a_restart_of_the_store(store: Store) -> None:
    at, events = await funded(store, 1), Events(store.redis, SHARDS)
    consumer, follower = events.consume("group"), events.follow()
    _, made = await credited_until_seen(at, follower)
    for _ in range(1 + made):
        await anext(consumer)
    await store.kill()
    await credit(at, "after")
    last = await anext(consumer)
    while (event := await anext(follower)) != last:
        assert event.entry_id < last.entry_id


async def test_a_reader_that_is_cancelled_ends_whatever_it_is_doing(store: Store) -> None:
    # Python 3.11 loses a cancellation that comes as asyncio.wait_for, in the client, is done.
    for steps in range(40):
        async with asyncio.TaskGroup() as tasks:
            at = await funded(store, 1)
            reading = tasks.create_task(consumed(Events(store.redis, SHARDS), at.account, 1000))
            for _ in range(steps):
                await asyncio.sleep(0)
            reading.cancel()
            _, alive = await asyncio.wait([reading], timeout=3)
            reading.cancel()
        assert not alive, f"after {steps} steps"
