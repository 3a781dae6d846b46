import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import BadInputError
from gateway.ledger import check
from gateway.ledger.cluster import open_servers
from gateway.ledger.events import Events, readers
from gateway.ledger.expiry import keep_expiring
from gateway.ledger.jobs import Jobs
from gateway.ledger.outcomes import (
    NEVER_MS,
    Expired,
    Held,
    LedgerUnavailableError,
    Refused,
    Reversed,
    Settled,
)
from gateway.rating.plan import Pool
from tests.conftest import SHARDS, Store
from tests.integration.books import FAR_MS, Books, known
from tests.lab.ports import Ports
from tests.lab.processes import until
from tests.lab.servers import Nodes, Server, cluster, debian_redis, valkey


@pytest.fixture(scope="module", params=["valkey", "redis"])
async def binary(
    request: pytest.FixtureRequest, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> str:
    if request.param == "valkey":
        return await valkey(store)
    found = debian_redis(tmp_path_factory.mktemp("redis"))
    return found or pytest.skip("no Redis: install redis-tools")


@pytest.fixture(scope="module")
async def nodes(
    binary: str, ports: Ports, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Nodes]:
    async with cluster(binary, tmp_path_factory.mktemp("cluster"), ports) as started:
        yield started


@asynccontextmanager
async def opened(url: str, server: Server, *, is_cluster: bool) -> AsyncIterator[Store]:
    """Open a store by its URL, as the gateway does."""
    servers = open_servers(url, cluster=is_cluster)
    try:
        yield Store.of(url, servers, server.redis)
    finally:
        await servers.aclose()


@pytest.fixture
async def clustered(nodes: Nodes) -> AsyncIterator[Store]:
    await nodes.are_well()  # whatever the test before did to them
    for primary in await nodes.primaries():
        await primary.redis.flushall()
    async with opened(nodes.url, nodes.servers[0], is_cluster=True) as store:
        yield store


@pytest.fixture
async def alone(
    binary: str, ports: Ports, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Store]:
    server = Server(binary, tmp_path_factory.mktemp("alone"), ports.take())
    await server.start()
    async with opened(server.url, server, is_cluster=False) as store:
        yield store
    await server.stop()


def of_shards(store: Store) -> list[Books]:
    """Give the books of an account in each shard."""
    found: dict[str, Books] = {}
    for number in count():
        account = f"contoso-{number}"
        found.setdefault(store.store.account(account).shard.tag, Books(store, account))
        if len(found) == SHARDS:
            break
    return [books for _, books in sorted(found.items())]


async def owner(nodes: Nodes, at: Books) -> Server:
    return await nodes.owner(at.store.store.account(at.account).shard.tag)


async def life(at: Books) -> None:
    """Carry out every operation, each as if its first answer had been lost."""

    async def twice(ask: Callable[[], Awaitable[object]], answer: object) -> None:
        assert [await ask(), await ask()] == [answer, answer]

    account, ledger, pool = at.account, at.store.ledger, Pool("pool", 600, 60, FAR_MS)
    number = f"+1800{account.partition('-')[2]:0>7}"
    await twice(at.open, None)
    await twice(lambda: ledger.configure(account, "number", numbers=[number]), None)
    assert await at.store.statements.owner_of(number) == account
    limits = {"calls": 3, "per_minute": 3, "day": 1000, "month": 1000}
    await twice(lambda: at.configure("limits", limits=limits), None)
    await twice(lambda: at.set_user("limits", limits=limits, profile={"country": "DE"}), None)
    facts = await at.store.statements.facts(account, "alice")
    assert facts
    assert facts.licences == {("DE", ""): 1}
    await at.grant("a", 100)
    bonus = await at.grant("b", 50, kind="bonus", expires_ms=NEVER_MS)
    assert not isinstance(bonus, Refused)
    await twice(lambda: at.hold("one", (60, 30)), Held(60, 30, 120))
    await twice(lambda: at.extend("one", 1, (120, 60)), Held(120, 60, 90))
    assert [
        (hold.call_id, hold.held)
        for hold in await at.store.statements.live_holds()
        if hold.account == account
    ] == [("one", 60)]
    await twice(lambda: at.settle("one", 45), Settled(45, 15, 105))
    await twice(lambda: at.hold("two", pool=pool), Held(60, 0, 105, 60))
    await twice(lambda: at.void("two", pool="pool"), Settled(0, 0, 105))
    await twice(lambda: at.reverse("back", "b", 50), Reversed(bonus.lot, 50, 55))
    await twice(at.expire, Expired(0, 55))
    await twice(lambda: at.configure("due", recharge_below=100, recharge_amount=9), None)
    key = (await at.statement()).recharge.key
    assert key
    assert await at.fail_recharge(key, 3600) is None
    assert await at.sums() == (55, 0, 45, 0)


async def test_every_operation_is_the_same_on_one_server_and_on_a_cluster(
    alone: Store, clustered: Store
) -> None:
    for store in (alone, clustered):
        every = of_shards(store)
        for at in every:
            await life(at)
        listed = [await store.statements.accounts(shard) for shard in store.store.shards]
        assert {name for names in listed for name in names} == {at.account for at in every}
        assert await store.statements.live_holds() == []
        await store.statements.ping()


async def held_at_last(at: Books, call_id: str) -> Held | Refused:
    """Hold, however often the store has to be asked."""
    return await known(lambda: at.hold(call_id, (60, 10)))


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_accounts_of_other_nodes_go_on_while_one_is_gone(
    clustered: Store, nodes: Nodes, way: str
) -> None:
    every = of_shards(clustered)
    for at in every:
        await at.open()
        await at.grant("a", 100)
    gone = await owner(nodes, every[0])
    lost = [at for at in every if await owner(nodes, at) is gone]
    others = [at for at in every if at not in lost]
    assert others
    async with gone.absent(way):
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(unavailable(at)) for at in lost]
            for call in range(5):
                answers = [await at.hold(f"call-{call}", (60, 10)) for at in others]
                assert answers == [Held(60, 10, 90 - 10 * call)] * len(others)
            # Those took no second each: not one waited for the node that is gone.
            assert not any(asking.done() for asking in asked)
        with pytest.raises(LedgerUnavailableError):
            await clustered.statements.live_holds()
    for at in lost:
        assert await held_at_last(at, "call") == Held(60, 10, 90)
        assert await at.sums() == (90, 10, 0, 0)
    assert len(await clustered.statements.live_holds()) == len(lost) + 5 * len(others)


async def test_numbers_and_expiry_of_other_nodes_go_on_while_one_is_gone(
    clustered: Store, nodes: Nodes
) -> None:
    every, statements = of_shards(clustered), clustered.statements
    numbers = [f"+1800{number:07}" for number in range(3 * SHARDS)]
    seconds, _ = await clustered.redis.time()
    for at in every:
        await at.open()
        await at.grant("a", 100, expires_ms=(seconds + 3600) * 1000)
    await clustered.ledger.configure(every[0].account, "numbers", numbers=numbers)
    gone = await owner(nodes, every[0])
    others = [at for at in every if await owner(nodes, at) is not gone]
    async with gone.absent("killed"):
        await statements.ping()
        told = await asyncio.gather(*map(statements.owner_of, numbers), return_exceptions=True)
        assert {type(one) for one in told} == {str, LedgerUnavailableError}
        assert not any([await is_warned(at) for at in others])
        async with asyncio.TaskGroup() as tasks:
            expiring = tasks.create_task(keep_expiring(clustered.store))

            async def all_warned() -> bool:
                return all([await is_warned(at) for at in others])

            await until(all_warned, "the owners of what will lapse are told")
            expiring.cancel()


async def is_warned(at: Books) -> bool:
    """Tell whether it was said that a lot of the account will lapse."""
    shard = at.store.store.account(at.account).shard
    events: Any = await at.store.store.at(shard.tag).xrange(shard.events)
    return any(
        (fields["event"], fields["account"]) == ("lot_expiring", at.account) for _, fields in events
    )


async def unavailable(at: Books) -> None:
    with pytest.raises(LedgerUnavailableError):
        await at.hold("call", (60, 10))


async def test_a_slot_that_is_moved_is_followed_and_nothing_is_lost(
    clustered: Store, nodes: Nodes
) -> None:
    at = of_shards(clustered)[0]
    await at.open()
    await at.grant("a", 1000)
    tag = clustered.store.account(at.account).shard.tag
    before = await nodes.owner(tag)
    target = next(node for node in await nodes.primaries() if node is not before)
    moved = asyncio.Event()

    async def call() -> int:
        for calls in count():
            call_id = f"call-{calls}"
            assert isinstance(await held_at_last(at, call_id), Held)
            assert isinstance(await known(partial(at.settle, call_id, 1)), Settled)
            if moved.is_set():
                break
        return calls + 1

    async with asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(call())
        await nodes.move(tag, target)
        await nodes.move(tag, before)
        await nodes.move(tag, target)
        moved.set()
    assert await nodes.owner(tag) is target
    assert await at.sums() == (1000 - calling.result(), 0, calling.result(), 0)


async def test_a_replica_that_takes_over_is_found(clustered: Store, nodes: Nodes) -> None:
    at = of_shards(clustered)[0]
    await at.open()
    await at.grant("a", 100)
    held = await at.hold("before", (60, 10))
    primary = await owner(nodes, at)
    replica = await nodes.replicate(primary)
    async with primary.absent("killed"):
        assert await held_at_last(at, "after") == Held(60, 10, 80)
        assert await at.hold("before", (60, 10)) == held
        assert await owner(nodes, at) is replica
    # It comes back as a replica that may be behind: in other tests it takes over nothing.
    await primary.redis.config_set("cluster-replica-no-failover", "yes")


async def credits_until_seen(every: list[Books], seen: set[str]) -> None:
    """Make an event in each account until it has been seen."""
    for number in count():
        for at in every:
            if at.account not in seen:
                await at.grant(f"seen-{number}", 1)
        if len(seen) == len(every):
            return
        await asyncio.sleep(0.02)


async def test_events_of_every_shard_are_followed_and_consumed(clustered: Store) -> None:
    every = of_shards(clustered)
    jobs = Jobs(clustered.store, "group")
    followed: set[str] = set()
    consumed: set[str] = set()

    async def follow(events: Events) -> None:
        async for event in events.follow():
            followed.add(event.account)

    async def consume(events: Events) -> None:
        async for event in jobs.events(events):
            consumed.add(event.account)
            await jobs.take_in(event, {event.account: {}})

    for at in every:
        await at.open()
    async with asyncio.TaskGroup() as tasks:
        reading = [
            tasks.create_task(read(events))
            for read in (follow, consume)
            for events in readers(clustered.store)
        ]
        await credits_until_seen(every, followed)
        await until(lambda: consumed == followed, "all is consumed")
        for task in reading:
            task.cancel()
    due = [job for shard in clustered.store.shards for job in await jobs.lease(shard, 100, 60)]
    assert {job.job_id for job in due} == consumed
    for job in due:
        await jobs.done(job)
    assert await jobs.every() == []


async def test_readers_of_a_node_that_was_gone_go_on(clustered: Store, nodes: Nodes) -> None:
    every = of_shards(clustered)
    for at in every:
        await at.open()
    seen: set[str] = set()

    async def follow(events: Events) -> None:
        async for event in events.follow():
            seen.add(event.account)

    async with asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(follow(events)) for events in readers(clustered.store)]
        await credits_until_seen(every, seen)
        gone = await owner(nodes, every[0])
        others = [at for at in every if await owner(nodes, at) is not gone]
        async with gone.absent("killed"):
            seen.clear()
            await credits_until_seen(others, seen)
        await held_at_last(every[0], "call")
        seen.clear()
        await credits_until_seen(every, seen)
        for task in reading:
            task.cancel()


async def test_a_cluster_is_checked_at_every_node(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "REACH_SECONDS_MAX", 0.3)
    servers = open_servers(nodes.url, cluster=True)
    primaries = sorted(primary.address for primary in await nodes.primaries())
    wrong = "cluster-require-full-coverage"
    await check.check(servers, cluster=True, strict=True)
    for server in await nodes.primaries():
        await server.redis.config_set(wrong, "yes")
    with pytest.raises(BadInputError) as refused:
        await check.check(servers, cluster=True, strict=True)
    assert [(fault.where, fault.field) for fault in refused.value.faults] == [
        (address, wrong) for address in primaries
    ]
    for server in await nodes.primaries():
        await server.redis.config_set(wrong, "no")
    gone = next(server for server in nodes.servers if server.address == primaries[0])
    async with gone.absent("frozen"):
        with capture_logs() as logs:
            await check.check(servers, cluster=True, strict=True)
    assert [(log["event"], log["server"]) for log in logs] == [("store.unreached", gone.address)]
    await servers.aclose()


async def test_a_cluster_is_not_taken_for_one_server(nodes: Nodes) -> None:
    [primary, *_] = await nodes.primaries()
    servers = open_servers(primary.url, cluster=False)
    with pytest.raises(BadInputError) as refused:
        await check.check(servers, cluster=False, strict=True)
    [fault] = refused.value.faults
    assert (fault.field, fault.value) == ("cluster-enabled", "yes")
    await servers.aclose()
