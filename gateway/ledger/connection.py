"""The client of the store."""

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


def connect(url: str) -> Redis:
    """Open a client that never repeats a command by itself: the ledger repeats operations."""
    pool = BlockingConnectionPool.from_url(
        url,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=REPLY_SECONDS_MAX,
        socket_connect_timeout=REPLY_SECONDS_MAX,
        max_connections=CONNECTIONS_MAX,
        timeout=REPLY_SECONDS_MAX,  # for a connection that is free
    )
    kind = pool.connection_class
    pool.connection_class = type(kind.__name__, (_Packed, kind), {})
    return Redis.from_pool(pool)


class Server:
    """The one server of all shards."""

    def __init__(self, redis: Redis) -> None:
        """Use a client made by `connect`."""
        self._redis = redis

    def at(self, key: str) -> Redis:
        """Give the client of the server that has a key."""
        del key
        return self._redis
