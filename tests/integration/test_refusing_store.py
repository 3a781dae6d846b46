"""A store that is there and refuses to write: it says so before the first write of an operation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio import Redis

from tests.conftest import Store
from tests.integration.books import Books
from tests.integration.cases import CASES, outcomes, prepared, wrong
from tests.integration.picture import Picture, differences, parts, picture
from tests.lab.ports import Ports
from tests.lab.processes import until

Fault = Callable[[Redis, int], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def out_of_memory(redis: Redis, _port: int) -> AsyncIterator[None]:
    await redis.config_set("maxmemory", "1")
    try:
        yield
    finally:
        await redis.config_set("maxmemory", "0")


@asynccontextmanager
async def a_replica(redis: Redis, port: int) -> AsyncIterator[None]:
    """Make it the replica of a server that is gone: what a failover leaves behind."""
    await redis.replicaof("127.0.0.1", port)
    try:
        yield
    finally:
        await redis.replicaof("NO", "ONE")


@asynccontextmanager
async def without_replicas(redis: Redis, _port: int) -> AsyncIterator[None]:
    """Let it lack the replicas without which it must not write."""
    await redis.config_set("min-replicas-to-write", "1")
    try:
        yield
    finally:
        await redis.config_set("min-replicas-to-write", "0")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(out_of_memory, "used memory > 'maxmemory'", id="out of memory"),
        pytest.param(a_replica, "read only replica", id="a replica"),
        pytest.param(without_replicas, "good replicas", id="without replicas"),
    ],
)
async def test_a_store_that_refuses_to_write_says_why_and_nothing_is_half_done(
    store: Store, ports: Ports, undisturbed: dict[str, Picture], fault: Fault, said: str
) -> None:
    ats = {name: await prepared(store, name) for name in CASES}
    before = {name: await picture(at) for name, at in ats.items()}
    holds = await store.statements.live_holds()
    statements = {name: await store.statements.statement(at.account) for name, at in ats.items()}
    async with fault(store.redis, ports.take()):
        refusals = await outcomes(ats)
        assert {name: said in why for name, why in refusals.items()} == dict.fromkeys(ats, True)
        assert {name: await picture(at) for name, at in ats.items()} == before
        # What is read is right all the same.
        for name, at in ats.items():
            assert await store.statements.statement(at.account) == statements[name]
        assert await store.statements.live_holds() == holds
        assert await differences(store) == []

    assert wrong(await outcomes(ats), again=False) == {}
    assert {name: await picture(at) for name, at in ats.items()} == undisturbed
    assert {name: await parts(at) for name, at in ats.items()} == {
        name: case.parts for name, case in CASES.items()
    }
    assert await differences(store) == []


async def test_a_store_that_writes_again_in_time_is_waited_for(
    store: Store, ports: Ports, undisturbed: dict[str, Picture]
) -> None:
    at = await prepared(store, "hold")
    await store.redis.config_resetstat()

    async def ask(at: Books) -> object:
        return await CASES["hold"].ask(at)

    async def refused() -> bool:
        return "errorstat_OOM" in await store.redis.info("errorstats")

    async with asyncio.TaskGroup() as tasks, out_of_memory(store.redis, ports.take()):
        held = tasks.create_task(ask(at))
        await until(refused, "the hold was refused")
    assert held.result() == CASES["hold"].answer
    assert await picture(at) == undisturbed["hold"]
