"""The embedded store beside its gateway, and when that is killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.ledger import embedded
from gateway.ledger.connection import connect
from gateway.ledger.outcomes import Held
from tests.conftest import SHARDS, Store
from tests.integration.books import Books, books, funded
from tests.integration.picture import differences
from tests.lab.gateway import Gateway, Section
from tests.lab.ports import Ports
from tests.lab.processes import until

CALLS = 20


@pytest.fixture
async def gateway(ports: Ports, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway for its store alone: nobody answers at the AMI port."""
    settings: dict[str, Section] = {
        "agi": {"port": ports.take()},
        "http": {"port": ports.take(), "token": "s3cret"},
        "pbx.pbx": {"port": ports.take()},
        "store": {"shards": SHARDS},
    }
    gateway = Gateway(tmp_path, settings)
    try:
        await gateway.start(until="/healthz")
        yield gateway
    finally:
        await gateway.stop()


@pytest.fixture
def folder(tmp_path: Path, gateway: Gateway) -> Path:
    """The folder of the gateway's store."""
    assert gateway.is_running
    return tmp_path / "data" / "store"


async def held(at: Books) -> list[object]:
    return [await at.hold(f"call-{number}", (60, 10)) for number in range(CALLS)]


async def test_a_store_ends_with_a_gateway_that_is_killed(gateway: Gateway, folder: Path) -> None:
    assert embedded.is_running(folder)
    await gateway.kill()
    await until(lambda: not embedded.is_running(folder), "the store has ended")


async def test_a_ctrl_c_is_not_for_the_store_which_is_scheduled_with_its_gateway(
    gateway: Gateway, folder: Path
) -> None:
    async with connect(embedded.url(folder)) as redis:
        pid = (await redis.info("server"))["process_id"]
        os.kill(pid, signal.SIGINT)
        await asyncio.sleep(0.5)  # it looks ten times a second whether it is to end
        assert (await redis.info("server"))["process_id"] == pid

    assert os.getsid(pid) == os.getsid(gateway.pid)  # where Linux schedules by session
    assert "store.died" not in gateway.log()


async def test_a_start_waits_for_the_store_that_was_left_and_has_all_it_acknowledged(
    gateway: Gateway, folder: Path
) -> None:
    async with Store.at(embedded.url(folder)) as left:
        at = await funded(left, 1_000)
        answers = await held(at)
        assert answers == [Held(60, 10, 1_000 - 10 * n, 0) for n in range(1, CALLS + 1)]
        pid, said = await left.pid(), (folder / "store.log").read_bytes()

        async def next_start() -> None:
            async with Store.on(folder) as store:
                assert await store.pid() != pid
                again = books(store, at.account)
                assert await held(again) == answers
                assert await again.sums() == (800, 200, 0, 0)
                assert await differences(store) == []

        # Frozen, what is left can not end before it has been waited for.
        async with asyncio.TaskGroup() as tasks, left.frozen():
            await gateway.kill()
            starting = tasks.create_task(next_start())
            _, waiting = await asyncio.wait([starting], timeout=0.5)
            assert waiting
            assert (folder / "store.log").read_bytes() == said
