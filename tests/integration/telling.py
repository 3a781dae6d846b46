"""Outboxes that tell on real sockets, and what they are to tell of."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp

from gateway.config import MailSettings
from gateway.ledger.events import readers
from gateway.ledger.jobs import Job, Jobs
from gateway.notices.kinds import Kind
from gateway.notices.mail import Mailer
from gateway.notices.outbox import GROUP, Outbox
from gateway.notices.recipients import parse_recipients
from gateway.notices.webhook import WebhookSender
from tests.conftest import Store
from tests.integration.api import SIGNER
from tests.integration.books import Books
from tests.lab.hooks import Hooks
from tests.lab.mail import MailServer
from tests.lab.processes import until
from tests.unit.notices import EVENTS

OPS = "ops@example.com"
AMOUNT = {"available": "12500000", "held": "22500"}


@dataclass
class Telling:
    """Whom notices of a store are told to, and what became of them."""

    store: Store
    mail: MailServer
    hooks: Hooks

    @asynccontextmanager
    async def told(
        self,
        operator: str = OPS,
        *,
        store: Store | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[None]:
        """Run an outbox while inside, with the mail server's settings or others."""
        of = (store or self.store).store
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            outbox = Outbox(
                Jobs(of, GROUP),
                (store or self.store).statements,
                readers(of),
                of.shards,
                operator=parse_recipients(operator),
                mail=Mailer(MailSettings.model_validate(settings or self.mail.settings)),
                webhook=WebhookSender(SIGNER, session),
            )
            running = tasks.create_task(outbox.run())
            try:
                yield
            finally:
                running.cancel()

    def mails_to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mail.mails if mail["To"] == address]

    async def jobs(self) -> list[Job]:
        """Give what is not told yet."""
        return await Jobs(self.store.store, GROUP).every()

    async def until_done(self, seconds: float = 10.0) -> None:
        """Wait until every event was taken in, and all is told."""

        async def done() -> bool:
            return await self._is_read() and not await self.jobs()

        await until(done, "all is told", seconds)

    async def until_dead(self) -> Job:
        """Wait for the only notice to be given up."""

        async def dead() -> list[Job]:
            return [job for job in await self.jobs() if job.is_dead]

        [job] = await until(dead, "the notice is given up")
        return job

    async def until_failed(self, error: str) -> Job:
        """Wait for the only notice to wait for another try, with such an error."""

        async def failed() -> list[Job]:
            return [job for job in await self.jobs() if error in job.error]

        [job] = await until(failed, f"the notice waits: {error}")
        assert not job.is_dead
        return job

    async def _is_read(self) -> bool:
        for shard in self.store.store.shards:
            if not await self.store.redis.exists(shard.events):
                continue
            [group] = [
                group
                for group in await self.store.redis.xinfo_groups(shard.events)
                if group["name"] == GROUP
            ] or [{"pending": 1, "lag": 1}]
            if group["pending"] or group["lag"]:
                return False
        return True


async def happens(at: Books, kind: Kind, **other: str) -> None:
    """Let an account have an event, as the ledger writes it."""
    await happens_with(at, kind, {**AMOUNT, **EVENTS[kind], **other})


async def happens_with(at: Books, kind: str, fields: Mapping[str, str]) -> None:
    """Let an account have an event with these fields."""
    stream = at.store.store.account(at.account).shard.events
    written: dict[Any, Any] = {"event": kind, "account": at.account, **fields}
    await at.store.redis.xadd(stream, written)


low = partial(happens, kind=Kind.LOW)


async def wants(at: Books, recipients: str) -> None:
    """Let an account have recipients of its own."""
    set_up = await at.store.ledger.configure(at.account, uuid4().hex, recipients=recipients)
    assert set_up is None
