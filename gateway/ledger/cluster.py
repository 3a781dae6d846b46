"""The client of the store, where that is a cluster.

redis-py's own client of clusters is not used: a node that answers nothing holds up what it asks
of the others, since all wait while it learns who has which slot; and its pipelines never learn
that another node took over from one that is gone.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, MovedError, RedisError, ResponseError
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError

from gateway.ledger.connection import CONNECTIONS_MAX, REPLY_SECONDS_MAX, Server, connect

# From node to node, for one command: more is a cluster that is changing under us.
_MOVES_MAX = 5
# Two readers for each of the most shards there may be, should one node have them all.
_WAITING_MAX = 2 * 256

T = TypeVar("T")


class Cluster:
    """The nodes of a Redis or Valkey Cluster, and which of them has which slot.

    Each node has connections of its own, so that one that is gone holds up nothing that is asked
    of the others. Redirections (MOVED) are followed. While a slot is moved key by key (ASK,
    TRYAGAIN) its operations fail, and so are repeated: a script that makes a key could run on
    neither side. https://valkey.io/topics/cluster-spec/
    """

    def __init__(self, url: str) -> None:
        """Take a URL whose hosts, separated by commas, are some of the nodes."""
        self._url = urlsplit(url)
        self._login, _, hosts = self._url.netloc.rpartition("@")
        self._seeds = [_with_port(host) for host in hosts.split(",")]
        # Whom to ask for the slots; those that failed last stand at the end.
        self._known = list(self._seeds)
        self._owners: dict[int, str] = {}
        self._slots: dict[tuple[int, bool], Redis] = {}
        self._nodes: dict[tuple[str, bool], Redis] = {}
        self._learning = asyncio.Lock()

    def at(self, key: str) -> Redis:
        """Give the client for the keys of one slot, whichever node has it: always the same one."""
        return self._slot(key, waiting=False)

    def waiting(self, key: str) -> Redis:
        """Give a client like `at`, whose reads may wait: they take no connection from others."""
        return self._slot(key, waiting=True)

    async def primaries(self) -> dict[str, Redis]:
        """Ask for the nodes that have slots, by address. Raises RedisError and OSError."""
        async with self._learning:
            addresses = await self._learn()
        return {address: self._node(address, waiting=False) for address in addresses}

    async def aclose(self) -> None:
        """Close the connections."""
        for node in list(self._nodes.values()):
            await node.aclose()

    async def follow(self, slot: int, ask: Callable[[Redis], Awaitable[T]], *, waiting: bool) -> T:
        """Ask the node that has the slot; if it is another one, that one."""
        for _ in range(_MOVES_MAX):
            address = await self._owner(slot)
            try:
                return await ask(self._node(address, waiting=waiting))
            except MovedError as error:
                # A node that does not know its name stands for itself.
                host = error.host or address.rpartition(":")[0]
                self._owners[slot] = _address(host, error.port)
            except (StoreConnectionError, StoreTimeoutError, ClusterDownError, OSError):
                # Another may have taken over from it by the time of the next question.
                self._forget(address)
                raise
        raise RedisError(f"slot {slot} was moved again and again")

    async def _owner(self, slot: int) -> str:
        if slot not in self._owners:
            async with self._learning:
                if slot not in self._owners:
                    await self._learn()
        if slot not in self._owners:
            raise ClusterDownError(f"no node of the cluster has slot {slot}")
        return self._owners[slot]

    async def _learn(self) -> list[str]:
        """Ask the nodes, one after the other, who has the slots; give those who have any."""
        failures = []
        for asked in tuple(self._known):
            node = self._node(asked, waiting=False)
            try:
                async with asyncio.timeout(REPLY_SECONDS_MAX / 2):
                    ranges = await node.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
            except ResponseError:
                raise  # it is no cluster
            except (RedisError, OSError) as error:
                failures.append(f"{asked}: {error}")
                self._forget(asked)
            else:
                return self._learned(asked, ranges)
        raise StoreConnectionError(f"no node of the cluster answers: {'; '.join(failures)}")

    def _learned(self, asked: str, ranges: list[Any]) -> list[str]:
        """Take over a reply to CLUSTER SLOTS: first slot, last slot, primary, its replicas."""
        own_host = asked.rpartition(":")[0]
        owners: dict[int, str] = {}
        addresses: dict[str, None] = {}
        for first, last, (host, port, *_), *_replicas in ranges:
            # A node that does not know its name stands for itself.
            address = _address(own_host if host in {None, "", "?"} else host, port)
            addresses[address] = None
            owners |= {slot: address for slot, _ in self._slots if first <= slot <= last}
        self._owners = owners
        # The one that answered is asked first the next time; those of the URL are never forgotten.
        self._known = list(dict.fromkeys([asked, *addresses, *self._seeds]))
        return list(addresses)

    def _forget(self, address: str) -> None:
        """Learn anew who has the slots of a node that failed, from another node."""
        self._owners = {slot: owner for slot, owner in self._owners.items() if owner != address}
        self._known.sort(key=lambda known: known == address)

    def _slot(self, key: str, *, waiting: bool) -> Redis:
        slot = key_slot(key.encode())
        if (slot, waiting) not in self._slots:
            self._slots[slot, waiting] = _Slot(self, slot, waiting=waiting)
        return self._slots[slot, waiting]

    def _node(self, address: str, *, waiting: bool) -> Redis:
        if (address, waiting) not in self._nodes:
            netloc = f"{self._login}@{address}" if self._login else address
            self._nodes[address, waiting] = connect(
                self._url._replace(netloc=netloc).geturl(),
                connections_max=_WAITING_MAX if waiting else CONNECTIONS_MAX,
            )
        return self._nodes[address, waiting]


class _Slot(Redis):
    """The client of a slot. It has no connection of its own, and asks that of the slot's node."""

    def __init__(self, cluster: Cluster, slot: int, *, waiting: bool) -> None:
        super().__init__(decode_responses=True)
        self._cluster = cluster
        self._of_slot = slot
        self._waits = waiting

    async def follow(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        return await self._cluster.follow(self._of_slot, ask, waiting=self._waits)

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as Redis
        return await self.follow(lambda node: node.execute_command(*args, **options))  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 - as Redis
        del shard_hint
        del transaction  # the ledger's transactions are its scripts
        return _Pipeline(self)


class _Pipeline(Pipeline):
    """Sends what it gathered to the slot's node; all of it again if the slot was moved."""

    def __init__(self, slot: _Slot) -> None:
        super().__init__(slot.connection_pool, slot.response_callbacks, False, None)  # noqa: FBT003
        self._slot = slot

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - as Pipeline
        commands, self.command_stack = self.command_stack, []

        async def send(node: Redis) -> list[Any]:
            async with node.pipeline(transaction=False) as pipe:
                for words, options in commands:
                    pipe.execute_command(*words, **options)
                answers = await pipe.execute(raise_on_error=raise_on_error)
            for answer in answers:
                if isinstance(answer, MovedError | ClusterDownError):
                    raise answer
            return answers

        return await self._slot.follow(send)


Servers = Server | Cluster


def open_servers(url: str, *, cluster: bool) -> Servers:
    """Open the client of an external store."""
    return Cluster(url) if cluster else Server(connect(url))


def _with_port(host: str) -> str:
    return host if re.search(r":\d+$", host) else f"{host}:6379"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and "[" not in host else f"{host}:{port}"
