"""The outbox: what events cause is told to those who want it, until they have it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import Protocol, TypeVar

import structlog

from gateway.config import without_login
from gateway.ledger.events import Event, Events
from gateway.ledger.jobs import Job, Jobs
from gateway.ledger.keys import Shard
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.statements import Statements
from gateway.notices.delivery import Delivery, Result
from gateway.notices.kinds import Kind, counts_as
from gateway.notices.notice import Notice, fields_of, notice_of
from gateway.notices.recipients import Recipient, is_url, parse_recipients, wanting

GROUP = "notices"

# Of one shard: who hangs holds up no more than these, and no other shard.
_AT_ONCE = 8
# Longer than a delivery and the note of how it ended, or another gateway would deliver it too.
_LEASE_SECONDS = 60.0
_POLL_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_RETRY_SECONDS = 10.0
_RETRY_SECONDS_MAX = 3600.0
_GIVE_UP_SECONDS = 3 * 86_400

T = TypeVar("T")

_log = structlog.get_logger()


class Channel(Protocol):
    """Mail, or webhooks."""

    async def deliver(self, notice: Notice) -> Delivery:
        """Deliver a notice once, within `delivery.SECONDS_MAX`, or say why not."""


class Outbox:
    """Tells of events; any number of gateways may do so at once."""

    def __init__(
        self,
        jobs: Jobs,
        statements: Statements,
        readers: Sequence[Events],
        shards: Sequence[Shard],
        *,
        operator: Sequence[Recipient],
        mail: Channel,
        webhook: Channel,
    ) -> None:
        """Join the parts; the ``operator``'s recipients are told of all accounts."""
        self._jobs = jobs
        self._statements = statements
        self._readers = readers
        self._shards = shards
        self._operator = operator
        self._mail = mail
        self._webhook = webhook
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Tell until cancelled; what is not told by then is told after a restart."""
        async with asyncio.TaskGroup() as tasks:
            for reader in self._readers:
                tasks.create_task(self._read(reader))
            for shard in self._shards:
                tasks.create_task(self._deliver(shard))

    async def _read(self, reader: Events) -> None:
        async for event in self._jobs.events(reader):
            try:
                await _known(partial(self._take_in, event))
            except Exception:  # noqa: BLE001 - one event must not end the others; it is given again
                _log.exception("notice.unread", account=event.account, event_id=event.entry_id)

    async def _take_in(self, event: Event) -> None:
        caused = await self._caused_by(event)
        await self._jobs.take_in(event, caused)
        if caused:
            # Those who wait for the old news are awake; who looks from now on waits for new.
            self._news.set()
            self._news = asyncio.Event()

    async def _caused_by(self, event: Event) -> dict[str, dict[str, str]]:
        """Give a job for each who wants to be told, by an id that it always has."""
        if event.kind not in set(Kind):
            return {}
        statement = await self._statements.statement(event.account)
        if statement is None:
            return {}
        recipients = [*self._operator, *_own(event.account, statement.recipients)]
        return {
            _notice_id(event, to): fields_of(event, statement, to)
            for to in wanting(recipients, counts_as(Kind(event.kind), event.fields))
        }

    async def _deliver(self, shard: Shard) -> None:
        """Deliver what is due of a shard, some at a time."""
        while True:
            news = self._news
            jobs = await _known(lambda: self._jobs.lease(shard, _AT_ONCE, _LEASE_SECONDS))
            async with asyncio.TaskGroup() as tasks:
                for job in jobs:
                    tasks.create_task(self._try(job))
            if not jobs:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await news.wait()

    async def _try(self, job: Job) -> None:
        delivery = await self._delivery(job)
        if delivery.result is Result.LATER and _is_over(job):
            delivery = Delivery(Result.DEAD, delivery.answer)
        match delivery.result:
            case Result.SENT:
                await _known(lambda: self._jobs.done(job))
            case Result.LATER:
                pause = pause_seconds(job.tries)
                await _known(lambda: self._jobs.later(job, pause, delivery.answer))
            case Result.DEAD:
                await _known(lambda: self._jobs.bury(job, delivery.answer))
        log = _log.info if delivery.result is Result.SENT else _log.warning
        log(
            f"notice.{delivery.result}",
            notice=job.job_id,
            account=job.fields.get(":account"),
            kind=job.fields.get(":kind"),
            to=without_login(job.fields.get(":to", "")),
            tries=job.tries,
            answer=delivery.answer,
        )

    async def _delivery(self, job: Job) -> Delivery:
        try:
            notice = notice_of(job)
            channel = self._webhook if is_url(notice.to) else self._mail
            return await channel.deliver(notice)
        except Exception as error:  # noqa: BLE001 - one notice must not end the others
            _log.exception("notice.failed", notice=job.job_id)
            return Delivery(Result.LATER, f"{type(error).__name__}: {error}")


async def _known(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the store answers; what it said first is logged."""
    is_logged = False
    while True:
        try:
            return await ask()
        except LedgerUnavailableError as error:
            if not is_logged:
                _log.warning("ledger.unavailable", of="notices", error=str(error))
            is_logged = True
            await asyncio.sleep(_PAUSE_SECONDS)


def _own(account: str, text: str) -> Sequence[Recipient]:
    """Give an account's own recipients; they were right when they were set."""
    try:
        return parse_recipients(text)
    except ValueError as error:
        _log.error("notice.recipients_unreadable", account=account, error=str(error))
        return []


def _notice_id(event: Event, to: str) -> str:
    """Name what one event tells one recipient: within a mail's headers, a URL, and a command."""
    digest = sha256(f"{event.stream} {event.account} {to}".encode()).hexdigest()
    return f"{event.entry_id}-{digest[:12]}"


def _is_over(job: Job) -> bool:
    return time.time() - job.since_ms / 1000 > _GIVE_UP_SECONDS


def pause_seconds(tries: int) -> float:
    """Give longer and longer pauses, so that those who failed together are not tried together."""
    longest = min(_RETRY_SECONDS * 2 ** min(tries - 1, 20), _RETRY_SECONDS_MAX)
    return random.uniform(longest / 2, longest)  # noqa: S311 - it keeps no secret
