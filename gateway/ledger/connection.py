"""The client of the store, where that is one server."""

from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.typing import EncodableT

REPLY_SECONDS_MAX = 1.0
CONNECTIONS_MAX = 32


class _Packed:
    """Packs commands in C, as redis-py does by itself only where it is not asynchronous.

    In Python it is the dearest part of an authorization.
    """

    def pack_command(self, *words: EncodableT) -> list[bytes]:
        """Write a command; its name may hold several words."""
        name, *arguments = words
        # Its type says that it takes one word; it takes them all.
        return [hiredis.pack_command((*str(name).split(), *arguments))]  # type: ignore[arg-type]


def connect(url: str, *, connections_max: int = CONNECTIONS_MAX) -> Redis:
    """Open a client that never repeats a command by itself: the ledger repeats operations."""
    pool = BlockingConnectionPool.from_url(
        url,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=REPLY_SECONDS_MAX,
        socket_connect_timeout=REPLY_SECONDS_MAX,
        max_connections=connections_max,
        timeout=REPLY_SECONDS_MAX,  # for a connection that is free
    )
    kind = pool.connection_class
    pool.connection_class = type(kind.__name__, (_Packed, kind), {})
    return Redis.from_pool(pool)


class Server:
    """A store that is one server: it has every key."""

    def __init__(self, redis: Redis) -> None:
        """Use a client made by `connect`."""
        self._redis = redis

    def at(self, key: str) -> Redis:
        """Give the client for a key, or for a hash tag."""
        del key
        return self._redis

    def waiting(self, key: str) -> Redis:
        """Give the client for reads of a key that wait."""
        return self.at(key)

    async def primaries(self) -> dict[str, Redis]:
        """Give the server by its address."""
        return {_address(self._redis.connection_pool.connection_kwargs): self._redis}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _address(options: dict[str, Any]) -> str:
    return str(
        options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    )
