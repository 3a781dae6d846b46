import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.ledger import events as events_module
from gateway.ledger.events import GROUPS, Event, Events, readers
from gateway.ledger.jobs import Jobs
from gateway.ledger.outcomes import LedgerUnavailableError
from tests.conftest import Store
from tests.integration.books import Books, books, funded
from tests.lab.processes import until


def events_of(store: Store) -> Events:
    """Read the events of all shards: on one server, one reader does."""
    [events] = readers(store.store)
    return events


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


async def test_a_new_reader_is_given_again_what_is_not_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_ABANDONED_SECONDS", 0.1)
    events, at = events_of(store), await funded(store, 1, 1, 1)
    first, second, third = await consumed(events, "group", 3)
    assert {event.kind for event in (first, second, third)} == {"credit"}
    await Jobs(store.store, "group").take_in(second, {})
    await asyncio.sleep(0.1)
    await credit(at, "new")
    again = await consumed(events, "group", 3)
    assert again[:2] == [first, third]
    assert again[2].entry_id > third.entry_id


async def test_each_group_is_given_every_event(store: Store) -> None:
    events = events_of(store)
    for _ in range(4):
        await funded(store, 1)  # in shards of their own
    one, other = [await consumed(events, group, 4) for group in ("one", "other")]
    assert len({event.account for event in one}) == 4
    assert {event.account for event in one} == {event.account for event in other}


async def test_a_follower_is_given_only_what_is_new(store: Store) -> None:
    old, new = await funded(store, 1, 1), await funded(store)
    event, _ = await credited_until_seen(new, events_of(store).follow())
    assert event.account == new.account != old.account


async def test_readers_live_through_a_restart_of_the_store(store: Store) -> None:
    at, events = await funded(store, 1), events_of(store)
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
            reading = tasks.create_task(consumed(events_of(store), at.account, 1000))
            for _ in range(steps):
                await asyncio.sleep(0)
            reading.cancel()
            _, alive = await asyncio.wait([reading], timeout=3)
            reading.cancel()
        assert not alive, f"after {steps} steps"


async def test_an_event_whose_answer_was_lost_is_given_when_the_store_is_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_ABANDONED_SECONDS", 0.1)
    at, events = await funded(store, 1), events_of(store)
    stream = store.store.account(at.account).shard.events
    jobs = Jobs(store.store, "group")
    reader = jobs.events(events)
    first = await anext(reader)
    await jobs.take_in(first, {})
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(next_of(reader))
        async with store.redis.pipeline(transaction=True) as pipe:
            pipe.xadd(stream, {"event": "credit", "account": "lost"})
            pipe.xreadgroup("group", "gateway", {stream: ">"})
            await pipe.execute()
        await store.redis.client_kill_filter(_type="normal", skipme=True)
    assert waiting.result().account == "lost"
    assert first.account == at.account


async def drained(jobs: Jobs, events: Events) -> None:
    async for event in jobs.events(events):
        await jobs.take_in(event, {})


async def kept(store: Store, at: Books) -> list[tuple[str, str]]:
    """Give the id and the account of each event that is still there, of a shard."""
    entries: Any = await store.redis.xrange(store.store.account(at.account).shard.events)
    return [(entry_id, fields["account"]) for entry_id, fields in entries]


async def test_an_event_goes_when_every_group_is_done_with_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_TRIM_SECONDS", 0)
    monkeypatch.setattr(events_module, "_KEPT_SECONDS", -1)  # for nobody who follows
    at, events = await funded(store, 1, 1, 1), events_of(store)
    slow, fast = Jobs(store.store, "recharge"), Jobs(store.store, "notices")
    given = await consumed(events, "recharge", 3)
    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(drained(fast, events))
        while given:
            await slow.take_in(given.pop(0), {})

            async def trimmed(rest: Sequence[Event] = tuple(given)) -> bool:
                return await kept(store, at) == [(one.entry_id, one.account) for one in rest]

            await until(trimmed, "what is done is gone")
        draining.cancel()


async def test_an_event_stays_for_those_who_follow_late(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_TRIM_SECONDS", 0)
    at, events = books(store), events_of(store)
    stream = store.store.account(at.account).shard.events
    await store.redis.xadd(stream, {"event": "credit", "account": "of long ago"}, id="1-1")
    await at.open()
    await credit(at, "new")
    async with asyncio.TaskGroup() as tasks:
        draining = [
            tasks.create_task(drained(Jobs(store.store, group), events)) for group in GROUPS
        ]

        async def trimmed() -> bool:
            return [account for _, account in await kept(store, at)] == [at.account]

        await until(trimmed, "the event of long ago is gone")
        for task in draining:
            task.cancel()


async def test_no_event_goes_before_all_who_act_on_events_have_begun(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is claimed while no provider is set is asked for when one is.
    monkeypatch.setattr(events_module, "_TRIM_SECONDS", 0)
    monkeypatch.setattr(events_module, "_KEPT_SECONDS", -1)
    at, events = await funded(store, 1), events_of(store)
    notices = Jobs(store.store, "notices").events(events)
    for number in range(3):  # each time it asks for more, it may trim
        await anext(notices)
        await credit(at, f"more-{number}")
    assert len(await kept(store, at)) == 4
    late = await consumed(events, "recharge", 4)
    assert [event.entry_id for event in late] == [entry_id for entry_id, _ in await kept(store, at)]
