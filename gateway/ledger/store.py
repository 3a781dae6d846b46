"""The store as a whole: its shards, and the way in which operations are sent to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from zlib import crc32

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway import names
from gateway.ledger import cancellation, keys
from gateway.ledger.batch import Batches
from gateway.ledger.cluster import Servers
from gateway.ledger.connection import REPLY_SECONDS_MAX
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.scripts import Script

_PAUSE_SECONDS = 0.05

T = TypeVar("T")


@asynccontextmanager
async def reached() -> AsyncIterator[None]:
    """Turn what the client raises inside into LedgerUnavailableError."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise LedgerUnavailableError(str(error) or type(error).__name__) from error
    cancellation.heed()


class Store:
    """One server, or a cluster of them."""

    def __init__(self, servers: Servers, shard_count: int) -> None:
        """Spread accounts over so many shards: the count never changes for a store."""
        self.servers = servers
        self.shards = keys.shards(shard_count)
        # One queue for each server that is reached by a client of its own.
        clients = {shard: servers.at(shard.tag) for shard in self.shards}
        queues = {client: Batches(client) for client in clients.values()}
        self._batches = {shard: queues[client] for shard, client in clients.items()}

    def shard_of(self, word: str) -> keys.Shard:
        """Give the shard that an account's id, or a number, selects."""
        return self.shards[crc32(word.encode()) % len(self.shards)]

    def account(self, account_id: str) -> keys.Account:
        """Give the keys of an account."""
        name = keys.named(names.ACCOUNT, account_id)
        return keys.Account(self.shard_of(name), name)

    def at(self, key: str) -> Redis:
        """Give the client of the server that has a key."""
        return self.servers.at(key)

    async def run(
        self,
        shard: keys.Shard,
        script: Script,
        key_names: Sequence[str],
        arguments: Sequence[str | int] = (),
        *,
        seconds_max: float = REPLY_SECONDS_MAX,
    ) -> Any:  # noqa: ANN401 - as wide as the client's own type
        """Run an operation, as `answer` asks for it."""
        command = (script, key_names, arguments)
        return await self.answer(lambda: self._batches[shard].run(command), seconds_max=seconds_max)

    async def answer(
        self, ask: Callable[[], Awaitable[T]], *, seconds_max: float = REPLY_SECONDS_MAX
    ) -> T:
        """Ask again and again while the outcome is unknown, up to a deadline.

        Raises LedgerUnavailableError if it is unknown even then.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds_max
        unknown = LedgerUnavailableError("no answer in time")
        while True:
            try:
                async with asyncio.timeout_at(deadline), reached():
                    return await ask()
            except TimeoutError:
                raise unknown from None  # what the store said before tells more
            except LedgerUnavailableError as error:
                # A full, read-only or loading store answers with an error; it may recover.
                if loop.time() + _PAUSE_SECONDS >= deadline:
                    raise
                unknown = error
                await asyncio.sleep(_PAUSE_SECONDS)
