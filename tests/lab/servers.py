import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from gateway.ledger.connection import connect
from tests.conftest import Store
from tests.lab import processes
from tests.lab.ports import Ports
from tests.lab.processes import until

SLOTS = 16384
PRIMARIES = 3
NODE_TIMEOUT_MS = 1000  # after which the other nodes of a cluster give one up


async def valkey(store: Store) -> str:
    """Give the program of the embedded store."""
    return os.readlink(f"/proc/{await store.pid()}/exe")  # noqa: PTH115 - may be gone, as after an update


def debian_redis(folder: Path) -> str | None:
    """Find the server in redis-tools: the program that checks files is the server, by its name."""
    program = shutil.which("redis-check-rdb")
    if program is None:
        return shutil.which("redis-server")
    link = folder / "redis-server"
    link.symlink_to(program)
    return str(link)


@dataclass
class Server:
    """A server that keeps what it acknowledges, and its client."""

    binary: str
    folder: Path
    port: int
    options: Sequence[str] = ()
    bus_port: int = 0
    redis: Redis = field(init=False)
    _process: asyncio.subprocess.Process | None = None

    def __post_init__(self) -> None:
        self.redis = connect(self.url)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{self.address}"

    async def start(self) -> None:
        """Start it, on what it kept, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        self._process = await processes.start(
            (
                *(self.binary, "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
                *("--repl-diskless-sync-delay", "0"),
                *self.options,
            ),
            folder=self.folder,
            output=self.folder / "output",
        )
        await until(self._answers, f"{self.binary} answers: see {self.folder / 'output'}")

    async def _answers(self) -> bool:
        try:
            return bool(await self.redis.ping())
        except (RedisError, OSError):
            return False

    async def ask(self, *words: str | int) -> Any:  # noqa: ANN401 - as wide as the client's own type
        return await self.redis.execute_command(*words)  # type: ignore[no-untyped-call]

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            await processes.kill(self._process)

    async def stop(self) -> None:
        await self.redis.aclose()
        await self.kill()

    @asynccontextmanager
    async def absent(self, way: str) -> AsyncIterator[None]:
        """Let it be gone while inside, or let it be there and answer nothing."""
        assert self._process
        if way == "killed":
            await self.kill()
        else:
            os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if way == "killed":
                await self.start()
            else:
                os.kill(self._process.pid, signal.SIGCONT)


@dataclass(frozen=True)
class Nodes:
    """A cluster of three primaries, and a node to spare."""

    servers: Sequence[Server]

    @property
    def url(self) -> str:
        return f"redis://{','.join(server.address for server in self.servers)}"

    async def owner(self, key: str) -> Server:
        """Give the node that has the slot of a key."""
        slot = key_slot(key.encode())
        return next(server for first, last, server in await self._slots() if first <= slot <= last)

    async def primaries(self) -> list[Server]:
        """Give the nodes that have slots."""
        having = [server for _, _, server in await self._slots()]
        return [server for server in self.servers if server in having]

    async def _slots(self) -> list[tuple[int, int, Server]]:
        """Ask a node that answers."""
        for server in self.servers:
            with suppress(RedisError, OSError):
                return [
                    (first, last, next(server for server in self.servers if server.port == port))
                    for first, last, (_, port, *_), *_ in await server.ask("CLUSTER SLOTS")
                ]
        raise LookupError("no node answers")

    async def join(self) -> None:
        """Make the nodes one cluster."""
        first, *others = self.servers
        for server in others:
            await first.ask("CLUSTER MEET", "127.0.0.1", server.port, server.bus_port)
        share = SLOTS // PRIMARIES + 1
        for start, server in zip(range(0, SLOTS, share), self.servers, strict=False):
            await server.ask("CLUSTER ADDSLOTSRANGE", start, min(start + share, SLOTS) - 1)

        await self.are_well()

    async def are_well(self) -> None:
        """Wait until the nodes agree on who serves which slots, and that all are served."""

        async def well() -> bool:
            states = [await server.ask("CLUSTER INFO") for server in self.servers]
            owners = [
                {(first, last, port) for first, last, (_, port, *_), *_ in ranges}
                for ranges in [await server.ask("CLUSTER SLOTS") for server in self.servers]
            ]
            return owners.count(owners[0]) == len(owners) and all(
                (state["cluster_state"], state["cluster_slots_ok"]) == ("ok", str(SLOTS))
                for state in states
            )

        await until(well, "the cluster is well")

    async def move(self, key: str, target: Server) -> None:
        """Move a slot key by key, as tools for clusters do."""
        slot, source = key_slot(key.encode()), await self.owner(key)
        source_id, target_id = await source.ask("CLUSTER MYID"), await target.ask("CLUSTER MYID")
        await target.ask("CLUSTER SETSLOT", slot, "IMPORTING", source_id)
        await source.ask("CLUSTER SETSLOT", slot, "MIGRATING", target_id)
        while names := await source.ask("CLUSTER GETKEYSINSLOT", slot, 10):
            await source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names)
        for server in (target, source):
            await server.ask("CLUSTER SETSLOT", slot, "NODE", target_id)

    async def replicate(self, primary: Server) -> Server:
        """Make the spare node a replica of this one, with all that it has."""
        primaries = await self.primaries()
        spare = next(server for server in self.servers if server not in primaries)
        await spare.ask("CLUSTER REPLICATE", await primary.ask("CLUSTER MYID"))

        async def replicated() -> bool:
            state = await primary.redis.info("replication")
            replica = state.get("slave0", {})
            return bool(
                (replica.get("state"), replica.get("offset"))
                == ("online", state["master_repl_offset"])
            )

        await until(replicated, "the replica has all")
        return spare


@asynccontextmanager
async def cluster(binary: str, folder: Path, ports: Ports) -> AsyncIterator[Nodes]:
    """Run a cluster while inside."""
    servers = []
    for _ in range(PRIMARIES + 1):
        port, bus_port = ports.take(), ports.take()
        options = (
            *("--cluster-enabled", "yes", "--cluster-port", str(bus_port)),
            *("--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--cluster-require-full-coverage", "no"),
        )
        servers.append(Server(binary, folder / str(port), port, options, bus_port))
    try:
        await asyncio.gather(*(server.start() for server in servers))
        nodes = Nodes(servers)
        await nodes.join()
        yield nodes
    finally:
        for server in servers:
            await server.stop()
