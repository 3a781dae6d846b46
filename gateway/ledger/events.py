"""Read the events that the operations leave for others to act on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from gateway.ledger import cancellation
from gateway.ledger.journal import entry_id
from gateway.ledger.store import Store

# Shorter than the client's reply time-out, or an idle stream would look like a dead store.
_WAIT_MS = 500
_PAUSE_SECONDS = 0.5
_BATCH = 100
_READER = "gateway"
# Longer than it takes to take an event in.
_ABANDONED_SECONDS = 5.0
_TRIM_SECONDS = 60.0
# For those who follow: longer than any slice, so that a call that is told later has ended.
_KEPT_SECONDS = 600

# Those who act on events; each gets every event, though it may begin later than the others, such as
# when a payment provider is set.
GROUPS = frozenset({"recharge", "notices"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an operation caused: its kind, its account, its other fields."""

    stream: str
    entry_id: str
    kind: str
    account: str
    fields: Mapping[str, str]


def readers(store: Store) -> "list[Events]":
    """Give what reads the events of all shards: as few as there are clients to read with."""
    streams: dict[Redis, list[str]] = {}
    for shard in store.shards:
        streams.setdefault(store.servers.waiting(shard.events), []).append(shard.events)
    return [Events(redis, together) for redis, together in streams.items()]


class Events:
    """The events of some shards, which one client can read together."""

    def __init__(self, redis: Redis, streams: Sequence[str]) -> None:
        """Use a client that has these streams."""
        self._redis = redis
        self._streams = streams
        self._trim_next = 0.0

    async def follow(self) -> AsyncIterator[Event]:
        """Give every event from now on, without end; waits while the store is out of reach."""
        positions = await self._answer(self._ends)
        while True:
            found = await self._answer(
                lambda: self._redis.xread(positions, block=_WAIT_MS, count=_BATCH)
            )
            for event in _parsed(found):
                positions[event.stream] = event.entry_id
                yield event

    async def _ends(self) -> dict[Any, Any]:
        ends: dict[Any, Any] = {}
        for stream in self._streams:
            last = await self._redis.xrevrange(stream, count=1)
            ends[stream] = last[0][0] if last else "0"
        return ends

    async def consume(self, group: str) -> AsyncIterator[Event]:
        """Give every event to some reader of ``group``, without end, until one takes it in.

        What a reader was given and did not take in soon is given to the next one that asks.
        """
        given: dict[Any, Any] = dict.fromkeys(self._streams, ">")
        look_next = 0.0
        await self._make_group(group)
        while True:
            try:
                now = asyncio.get_running_loop().time()
                if now >= look_next:
                    look_next = now + _ABANDONED_SECONDS
                    for event in await self._abandoned(group):
                        yield event
                cancellation.heed()
                found = await self._redis.xreadgroup(
                    group, _READER, given, block=_WAIT_MS, count=_BATCH
                )
                for event in _parsed(found):
                    yield event
                await self._trim_at_times()
            except ResponseError:
                await self._make_group(group)
                await asyncio.sleep(_PAUSE_SECONDS)
            except (RedisError, OSError):
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _abandoned(self, group: str) -> list[Event]:
        """Take over what a reader was given that is gone, or whose connection was cut."""
        cancellation.heed()
        idle_ms = int(_ABANDONED_SECONDS * 1000)
        async with self._redis.pipeline(transaction=False) as pipe:
            for stream in self._streams:
                pipe.xautoclaim(stream, group, _READER, idle_ms, count=_BATCH)
            claimed = await pipe.execute()
        return _parsed(
            [(stream, found) for stream, (_, found, *_) in zip(self._streams, claimed, strict=True)]
        )

    async def _make_group(self, group: str) -> None:
        """Make the group on each stream that lacks it."""
        for stream in self._streams:
            with suppress(RedisError, OSError):  # it is there, or the store is asked again
                await self._redis.xgroup_create(stream, group, id="0", mkstream=True)

    async def _trim_at_times(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._trim_next:
            return
        self._trim_next = now + _TRIM_SECONDS
        seconds, _ = await self._redis.time()
        kept = f"{(seconds - _KEPT_SECONDS) * 1000}-0"
        for stream in self._streams:
            groups = await self._redis.xinfo_groups(stream)
            if not {group["name"] for group in groups} >= GROUPS:
                continue
            needed = [await self._oldest_needed(stream, group) for group in groups]
            oldest = min([kept, *needed], key=entry_id)
            await self._redis.xtrim(stream, minid=oldest, approximate=False)

    async def _oldest_needed(self, stream: str, group: Mapping[str, Any]) -> str:
        """Give the first entry that a group is not done with, or that it was not given yet."""
        pending = await self._redis.xpending(stream, group["name"])
        if pending["min"]:
            return str(pending["min"])
        ms, number = entry_id(group["last-delivered-id"])
        return f"{ms}-{number + 1}"

    async def _answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the store answers."""
        while True:
            cancellation.heed()
            try:
                return await ask()
            except (RedisError, OSError):
                await asyncio.sleep(_PAUSE_SECONDS)


def _parsed(found: Any) -> list[Event]:  # noqa: ANN401 - as wide as the client's own type
    """Flatten a reply to XREAD: streams, each with entries of an id and fields."""
    return [
        Event(stream, at, fields["event"], fields["account"], fields)
        for stream, entries in found or []
        for at, fields in entries
        if fields  # an entry that is gone is still named to the group that it was given to
    ]
