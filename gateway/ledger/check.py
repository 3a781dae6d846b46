"""Check an external store at the start: whether it keeps every operation that it acknowledges."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from gateway.errors import BadInputError, Fault
from gateway.ledger.cluster import Servers
from gateway.ledger.keys import Shard
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.store import Store

REACH_SECONDS_MAX = 10.0
_PAUSE_SECONDS = 0.2
_MAJOR_VERSION_MIN = 7  # Valkey calls itself the Redis 7.2 that it came from

_log = structlog.get_logger()


async def check(servers: Servers, *, cluster: bool, strict: bool) -> None:
    """Refuse a store that may lose money, or warn of it, as ``strict`` says.

    Raises BadInputError that names every fault, and LedgerUnavailableError if no server of the
    store can be reached. A node of a cluster that is gone is warned of: the others go on.
    """
    found, unreached = await _checked(servers, cluster=cluster)
    for where, why in unreached.items():
        _log.warning("store.unreached", server=where, error=why)
    if found and strict:
        raise BadInputError(found)
    for fault in found:
        _log.warning(
            "store.unsafe",
            server=fault.where,
            setting=fault.field,
            value=fault.value,
            why=fault.why,
        )


async def check_shards(store: Store) -> None:
    """Refuse another number of shards than the store was made with, which would hide accounts.

    Raises BadInputError. Shards that are out of reach are not looked at, which is said.
    """
    count = len(store.shards)
    found = await asyncio.gather(*(_made_with(store, shard) for shard in store.shards))
    for made_with in found:
        if made_with not in {None, count}:
            why = f"the store was made with {made_with}, which never changes"
            raise BadInputError([Fault("settings", "store.shards", str(count), why)])
    if None in found:
        _log.warning("store.unreached", shards=found.count(None), of=count)


async def _made_with(store: Store, shard: Shard) -> int | None:
    try:
        client = store.at(shard.tag)
        # Read first: a store that is full or read-only still tells.
        if await client.get(shard.made_with) is None:
            await client.set(shard.made_with, len(store.shards), nx=True)
        return int(await client.get(shard.made_with) or 0)
    except (RedisError, OSError):
        return None


async def _checked(servers: Servers, *, cluster: bool) -> tuple[list[Fault], dict[str, str]]:
    """Give the faults of the servers that are reached in time, and why others are not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REACH_SECONDS_MAX
    faults: dict[str, list[Fault]] = {}
    while True:
        unreached = await _look(servers, faults, cluster=cluster)
        if not unreached or loop.time() >= deadline:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    if not faults:
        reasons = "; ".join(f"{where}: {why}" for where, why in unreached.items())
        raise LedgerUnavailableError(f"the store cannot be reached: {reasons}")
    return [fault for where in sorted(faults) for fault in faults[where]], unreached


async def _look(
    servers: Servers, faults: dict[str, list[Fault]], *, cluster: bool
) -> dict[str, str]:
    """Add the faults of servers that were not looked at yet; give why some are not reached."""
    unreached = {}
    try:
        primaries = await servers.primaries()
    except ResponseError as error:
        faults["settings"] = [Fault("settings", "store.cluster", str(cluster), str(error))]
        return {}
    except (RedisError, OSError) as error:
        return {"store.url": str(error)}
    for where in primaries.keys() - faults.keys():
        try:
            faults[where] = await _faults(where, primaries[where], cluster=cluster)
        except (RedisError, OSError) as error:
            unreached[where] = str(error) or type(error).__name__
    return unreached


async def _faults(where: str, redis: Redis, *, cluster: bool) -> list[Fault]:
    """Compare a server with what the ledger needs."""
    faults: list[Fault] = []
    try:
        info = await redis.info()
    except ResponseError as error:
        faults.append(Fault(where, "INFO", "", f"cannot be read: {error}"))
    else:
        faults += _of_info(where, info, cluster=cluster)
    wanted = {"appendfsync": ("always", "or a crash loses what was acknowledged")}
    if cluster:
        wanted["cluster-require-full-coverage"] = ("no", "or one node that is gone stops all")
    try:
        settings = await redis.config_get(*wanted)
    except ResponseError as error:
        names = ", ".join(f"{name} {must}" for name, (must, _) in wanted.items())
        faults.append(Fault(where, "CONFIG", "", f"cannot be read ({error}): must be {names}"))
    else:
        for name, (must, why) in wanted.items():
            if settings.get(name) != must:
                faults.append(Fault(where, name, str(settings.get(name)), f"must be {must}, {why}"))
    return faults


def _of_info(where: str, info: Mapping[str, Any], *, cluster: bool) -> Iterator[Fault]:
    # What a server does not tell is a fault as well.
    role, version = str(info.get("role")), str(info.get("redis_version"))
    policy, appendonly = str(info.get("maxmemory_policy")), _word(info.get("aof_enabled"))
    mode = _word(info.get("cluster_enabled"))
    if role != "master":
        yield Fault(where, "role", role, "must be master")
    major = re.match(r"\d+", version)
    if not major or int(major[0]) < _MAJOR_VERSION_MIN:
        yield Fault(where, "version", version, "must be Redis 7.0 or later, or Valkey")
    if mode != _word(cluster):
        yield Fault(where, "cluster-enabled", mode, f"store.cluster is {str(cluster).lower()}")
    if appendonly != "yes":
        yield Fault(where, "appendonly", appendonly, "must be yes, or a restart loses all")
    if policy != "noeviction":
        yield Fault(where, "maxmemory-policy", policy, "must be noeviction, or accounts vanish")


def _word(value: object) -> str:
    return "yes" if value else "no"
