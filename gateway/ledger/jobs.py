"""Jobs that events cause, kept until they are done: any gateway goes on with what another began."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.ledger import keys, scripts
from gateway.ledger.events import Event, Events
from gateway.ledger.store import Store, reached

_ERROR_MAX = 500


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done. ``tries`` is the number of this try, ``error`` why the last failed.

    It is dead if it was given up. ``since_ms`` is when the event was taken in, or when somebody
    wanted the job tried again.
    """

    shard: keys.Shard
    job_id: str
    is_dead: bool
    tries: int
    since_ms: int
    fields: Mapping[str, str]
    error: str


class Jobs:
    """The jobs of one kind. Every method may raise LedgerUnavailableError."""

    def __init__(self, store: Store, kind: str) -> None:
        """Keep them in this store; ``kind`` names the group of readers too."""
        self._store = store
        self._kind = kind

    def events(self, reader: Events) -> AsyncIterator[Event]:
        """Give every event that was not taken in yet, without end."""
        return reader.consume(self._kind)

    async def take_in(self, event: Event, jobs: Mapping[str, Mapping[str, str]]) -> None:
        """Keep what an event causes, by the jobs' ids: all of it, and once for each event."""
        shard = next(one for one in self._store.shards if one.events == event.stream)
        words = [word for name, of in jobs.items() for word in (name, json.dumps(of))]
        await self._store.run(
            shard,
            scripts.TAKE_IN_JOBS,
            [shard.events, shard.jobs(self._kind), shard.due(self._kind)],
            [self._kind, event.entry_id, *words],
        )

    async def lease(self, shard: keys.Shard, count: int, seconds: float) -> list[Job]:
        """Take jobs that are due; whoever has not ended his try by then loses it to another."""
        words = await self._store.run(
            shard, scripts.LEASE_JOBS, self._keys(shard), [count, int(seconds * 1000)]
        )
        return [
            _job(shard, job_id, record)
            for job_id, record in zip(words[::2], words[1::2], strict=True)
        ]

    async def done(self, job: Job) -> None:
        """Forget a job."""
        await self._end(job, job.tries, "done")

    async def later(self, job: Job, seconds: float, error: str) -> None:
        """Let a job be tried again some time from now."""
        await self._end(job, job.tries, "due", seconds, error)

    async def bury(self, job: Job, error: str) -> None:
        """Give a job up until somebody wants it tried again."""
        await self._end(job, job.tries, "dead", error=error)

    async def again(self, job: Job) -> bool:
        """Let a job be tried again now, whoever tries it; or say that it is done meanwhile."""
        return await self._end(job, None, "due")

    async def drop(self, job: Job) -> bool:
        """Forget a job that nobody wants done any more, or say that it is not there."""
        return await self._end(job, None, "done")

    async def every(self) -> list[Job]:
        """List all jobs, those that were given up too, the oldest first."""
        found = []
        for shard in self._store.shards:
            async with reached():
                cells: dict[Any, Any] = await self._store.at(shard.tag).hgetall(
                    shard.jobs(self._kind)
                )
            found += [_job(shard, job_id, record) for job_id, record in cells.items()]
        return sorted(found, key=lambda job: (job.since_ms, job.job_id))

    async def _end(
        self, job: Job, tries: int | None, state: str, seconds: float = 0, error: str = ""
    ) -> bool:
        number = "" if tries is None else tries
        # Peers say what they like: what is no text, which comes as surrogates, is written so.
        why = error[:_ERROR_MAX].encode(errors="backslashreplace").decode()
        ended = await self._store.run(
            job.shard,
            scripts.END_TRY,
            self._keys(job.shard),
            [job.job_id, number, state, int(seconds * 1000), why],
        )
        return bool(ended)

    def _keys(self, shard: keys.Shard) -> list[str]:
        return [shard.jobs(self._kind), shard.due(self._kind)]


def _job(shard: keys.Shard, job_id: str, record: str) -> Job:
    head, _, error = record.partition("\n")
    state, tries, since, fields = head.split(" ", 3)
    return Job(
        shard=shard,
        job_id=job_id,
        is_dead=state == "dead",
        tries=int(tries),
        since_ms=int(since),
        fields=json.loads(fields),
        error=error,
    )
