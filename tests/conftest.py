import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.ledger import embedded
from gateway.ledger import store as ledger_store
from gateway.ledger.connection import Server, connect
from gateway.ledger.ledger import Ledger
from gateway.ledger.statements import Statements
from tests.lab.ports import Ports

SHARDS = 4


@dataclass(frozen=True)
class Store:
    """A real Valkey, kept running by the gateway's own supervisor."""

    redis: Redis
    store: ledger_store.Store
    ledger: Ledger
    statements: Statements

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
    folder: Path = tmp_path_factory.mktemp("store")
    async with embedded.running(folder), connect(embedded.url(folder)) as redis:
        shards = ledger_store.Store(Server(redis), SHARDS)
        yield Store(redis, shards, Ledger(shards), Statements(shards))


@pytest.fixture(scope="session")
def ports() -> Iterator[Ports]:
    claimed = Ports.claim()
    yield claimed
    claimed.release()
