"""Read the events that the operations leave for others to act on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from gateway.ledger import cancellation, keys

# Shorter than the client's reply time-out, or an idle stream would look like a dead store.
_WAIT_MS = 500
_PAUSE_SECONDS = 0.5
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an operation caused: its kind, its account, its other fields."""

    stream: str
    entry_id: str
    kind: str
    account: str
    fields: Mapping[str, str]


class Events:
    """The events of all shards."""

    def __init__(self, redis: Redis, shard_count: int) -> None:
        """Use a client made by `connect`."""
        self._redis = redis
        self._streams = [shard.events for shard in keys.shards(shard_count)]

    async def follow(self) -> AsyncIterator[Event]:
        """Give every event from now on, without end; waits while the store is out of reach."""
        positions: dict[Any, Any] = {}
        while True:
            cancellation.heed()
            try:
                if not positions:
                    positions = await self._ends()
                found = await self._redis.xread(positions, block=_WAIT_MS, count=_BATCH)
            except (RedisError, OSError):
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
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
        """Give every event to one reader of ``group``, without end.

        Those that were given but not `done` when the reader stopped come first.
        """
        positions: dict[Any, Any] = dict.fromkeys(self._streams, "0")
        while True:
            cancellation.heed()
            try:
                found = await self._redis.xreadgroup(
                    group, "gateway", positions, block=_WAIT_MS, count=_BATCH
                )
            except ResponseError:
                await self._make_group(group)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            except (RedisError, OSError):
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            events = _parsed(found)
            if not events and positions[self._streams[0]] != ">":
                positions = dict.fromkeys(self._streams, ">")
            for event in events:
                if positions[event.stream] != ">":
                    positions[event.stream] = event.entry_id
                yield event

    async def _make_group(self, group: str) -> None:
        """Make the group on each stream that lacks it."""
        for stream in self._streams:
            with suppress(RedisError, OSError):  # it is there, or the store is asked again
                await self._redis.xgroup_create(stream, group, id="0", mkstream=True)

    async def done(self, group: str, event: Event) -> None:
        """Mark an event as done; if that fails the event is given again after a restart."""
        try:
            await self._redis.xack(event.stream, group, event.entry_id)
        except (RedisError, OSError):
            await asyncio.sleep(_PAUSE_SECONDS)


def _parsed(found: Any) -> list[Event]:  # noqa: ANN401 - as wide as the client's own type
    """Flatten a reply to XREAD: streams, each with entries of an id and fields."""
    return [
        Event(stream, entry_id, fields["event"], fields["account"], fields)
        for stream, entries in found or []
        for entry_id, fields in entries
    ]
