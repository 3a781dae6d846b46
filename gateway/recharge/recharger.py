"""Carry out the recharges that the ledger claimed, also those that another gateway began."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import structlog

from gateway.ledger.events import Event, Events
from gateway.ledger.jobs import Job, Jobs
from gateway.ledger.keys import Shard
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.recharge.attempt import Attempt

KIND = "recharge"
"""Names the jobs, and the group that reads the events that cause them."""

_POLL_SECONDS = 1.0
# Longer than a try may take: the question, the charge, and the ledger before and after them.
_LEASE_SECONDS = 30.0
_TRY_SECONDS_MAX = 28.0
_TRIES_AT_ONCE = 20

_log = structlog.get_logger()


class Recharger:
    """Takes in what is due, and tries each recharge until it is resolved."""

    def __init__(
        self,
        jobs: Jobs,
        readers: Sequence[Events],
        shards: Sequence[Shard],
        attempt: Attempt | None,
    ) -> None:
        """Join the parts; without an ``attempt``, recharges wait for a gateway that has one."""
        self._jobs = jobs
        self._readers = readers
        self._shards = deque(shards)
        self._attempt = attempt
        self._running = 0
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Carry out recharges until cancelled; another gateway goes on with what is not done."""
        async with asyncio.TaskGroup() as tasks:
            for reader in self._readers:
                tasks.create_task(self._take_in(reader))
            if self._attempt is not None:
                tasks.create_task(self._work(self._attempt))

    async def _take_in(self, reader: Events) -> None:
        """Take in every event, also those that cause nothing: or they would be kept for us."""
        async for event in self._jobs.events(reader):
            try:
                await self._jobs.take_in(event, _caused(event))
            except LedgerUnavailableError as error:
                # It is given to some reader again.
                _log.warning("ledger.unavailable", event=event.entry_id, error=str(error))
            if event.kind == "recharge_due":
                self._wake.set()

    async def _work(self, attempt: Attempt) -> None:
        async with asyncio.TaskGroup() as tries:
            while True:
                self._wake.clear()
                try:
                    await self._begin_due(attempt, tries)
                except LedgerUnavailableError as error:
                    _log.warning("ledger.unavailable", error=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._wake.wait()

    async def _begin_due(self, attempt: Attempt, tries: asyncio.TaskGroup) -> None:
        # Another shard first each time, or one with much to do would keep the others waiting.
        self._shards.rotate()
        for shard in tuple(self._shards):
            free = _TRIES_AT_ONCE - self._running
            if not free:
                return
            for job in await self._jobs.lease(shard, free, _LEASE_SECONDS):
                self._running += 1
                tries.create_task(self._try(attempt, job))

    async def _try(self, attempt: Attempt, job: Job) -> None:
        """Try a recharge; if that breaks, its lease ends, and somebody goes on with it."""
        try:
            async with asyncio.timeout(_TRY_SECONDS_MAX):
                await attempt.carry_on(job)
        except LedgerUnavailableError as error:
            _log.warning("ledger.unavailable", recharge=job.job_id, error=str(error))
        except Exception:  # noqa: BLE001 - one recharge must not end the others
            _log.exception("recharge.broken", recharge=job.job_id)
        finally:
            if self._running == _TRIES_AT_ONCE:
                self._wake.set()
            self._running -= 1


def _caused(event: Event) -> dict[str, dict[str, str]]:
    """Give the job that an event causes, by its id; what is to be charged, the ledger tells."""
    if event.kind != "recharge_due":
        return {}
    key = event.fields["key"]
    return {key: {"account": event.account, "key": key}}
