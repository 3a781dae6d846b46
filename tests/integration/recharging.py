import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.ledger.events import readers
from gateway.ledger.jobs import Jobs
from gateway.recharge import attempt as attempts
from gateway.recharge import pauses, recharger
from gateway.recharge.attempt import Attempt
from gateway.recharge.providers import stripe, webhook
from gateway.recharge.providers.charge import Provider
from gateway.recharge.recharger import KIND, Recharger
from tests.conftest import Store
from tests.integration.api import RETRY_SECONDS
from tests.integration.books import Books, funded, told
from tests.integration.life import Life
from tests.lab.processes import WAIT_SECONDS, until

REPLY_SECONDS_MAX = 0.5
LEASE_SECONDS = 2.0


def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whatever is waited for come within moments."""
    monkeypatch.setattr(pauses, "_NO_ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(pauses, "_NO_ANSWER_SECONDS_MAX", 0.5)
    monkeypatch.setattr(pauses, "_PENDING_SECONDS", 0.05)
    monkeypatch.setattr(pauses, "_PENDING_SECONDS_MAX", 0.5)
    monkeypatch.setattr(recharger, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(recharger, "_LEASE_SECONDS", LEASE_SECONDS)
    for provider in (stripe, webhook):
        monkeypatch.setattr(provider, "REPLY_SECONDS_MAX", REPLY_SECONDS_MAX)


def hours_later(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """Let the keys of recharges be so much older than they are."""
    for limit in ("KEY_MS_MAX", "FOUND_MS_MAX"):
        shorter = getattr(attempts, limit) - hours * 3_600_000
        monkeypatch.setattr(attempts, limit, shorter)


@asynccontextmanager
async def recharging(
    store: Store,
    provider: Provider | None,
    *,
    retry_seconds: int = RETRY_SECONDS,
    life: Life | None = None,
) -> AsyncIterator[None]:
    """Carry out recharges while inside, or while it lives, and leave them as they are then."""
    life = life or Life()
    jobs = life.of(Jobs(store.store, KIND))
    attempt = None
    if provider is not None:
        attempt = Attempt(
            life.of(store.ledger),
            jobs,
            life.of(provider),
            retry_seconds=retry_seconds,
            chance=lambda: 0.5,
        )
    one = Recharger(jobs, readers(store.store), store.store.shards, attempt)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(one.run())
        try:
            yield
        finally:
            running.cancel()


async def low(store: Store, methods: str = "") -> tuple[Books, str]:
    """Open an account below its trigger, and give the key of the recharge that was claimed."""
    at = await funded(store, 50)
    await at.open(recharge_below=100, recharge_amount=200_000_000, methods=methods)
    [due] = await told(at, "recharge_due")  # a gateway that runs may have done it already
    return at, due["key"]


async def is_resolved(at: Books) -> bool:
    return not (await at.statement()).recharge.key


async def until_resolved(at: Books, seconds: float = WAIT_SECONDS) -> None:
    await until(lambda: is_resolved(at), "the recharge is resolved", seconds)


async def granted(at: Books) -> dict[str, int]:
    """Give what the account was ever granted that still has something left, by its payment."""
    return {name: lot.granted for name, lot in (await at.lots()).items()}
