import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from hypothesis import settings
from redis.asyncio import Redis

from gateway.ledger import embedded
from gateway.ledger import store as ledger_store
from gateway.ledger.cluster import Servers
from gateway.ledger.connection import Server, connect
from gateway.ledger.ledger import Ledger
from gateway.ledger.statements import Statements
from tests.lab.ports import Ports, memory

SHARDS = 4

# Where pytest makes the folders of tests, with the stores in them.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory()))

# How long an example takes says how busy the machine is.
settings.register_profile("timeless", settings.default, deadline=None)
settings.load_profile("timeless")


@dataclass(frozen=True)
class Store:
    """A real store, a client of one of its servers, and the ledger there."""

    url: str
    redis: Redis
    store: ledger_store.Store
    ledger: Ledger
    statements: Statements

    @classmethod
    def of(cls, url: str, servers: Servers, redis: Redis) -> Self:
        shards = ledger_store.Store(servers, SHARDS)
        return cls(url, redis, shards, Ledger(shards), Statements(shards))

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """Reach a server by connections that nobody else uses."""
        async with connect(url) as redis:
            yield cls.of(url, Server(redis), redis)

    @classmethod
    @asynccontextmanager
    async def on(cls, folder: Path) -> AsyncIterator[Self]:
        """Run a Valkey on a folder, kept running by the gateway's own supervisor."""
        async with embedded.running(folder), cls.at(embedded.url(folder)) as store:
            yield store

    async def pid(self) -> int:
        return int((await self.redis.info("server"))["process_id"])

    async def kill(self) -> None:
        """End the server as a crash would; its supervisor starts another one."""
        os.kill(await self.pid(), signal.SIGKILL)

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Let the server be there and answer nothing."""
        pid = await self.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="session")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    async with Store.on(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(scope="session")
def ports() -> Iterator[Ports]:
    claimed = Ports.claim()
    yield claimed
    claimed.release()
