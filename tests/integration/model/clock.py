"""A store whose time stands where a test puts it: its server runs under libfaketime."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.ledger import embedded
from gateway.ledger.connection import connect
from tests.lab import faketime

SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Clock:
    """The time of one server."""

    file: Path
    url: str

    def write(self, now_ms: int) -> None:
        """Say what time it is."""
        # A little more than the millisecond, since the fraction goes through a float there.
        faketime.write(self.file, f"{now_ms // 1000}.{now_ms % 1000:03d}0001")

    async def set(self, redis: Redis, now_ms: int) -> None:
        """Set the time and return when the server has it, to the millisecond.

        Valkey looks at the clock once a millisecond and counts on by itself in between.
        """
        self.write(now_ms)
        async with asyncio.timeout(SECONDS_MAX):
            while await time_ms(redis) != now_ms:
                pass


@asynccontextmanager
async def stopped_clock(folder: Path, now_ms: int) -> AsyncIterator[Clock]:
    """Run a store in ``folder`` in which it is always ``now_ms`` until its clock is set."""
    clock = Clock(folder / "clock", embedded.url(folder / "store"))
    clock.write(now_ms)
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in faketime.environment(clock.file).items():
                environment.setenv(name, value)
            await stack.enter_async_context(embedded.running(folder / "store"))
        redis = await stack.enter_async_context(connect(clock.url))
        assert await time_ms(redis) == now_ms
        yield clock


async def time_ms(redis: Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000
