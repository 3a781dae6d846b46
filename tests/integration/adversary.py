"""A payment provider at its worst, gateways that come and go, and what must hold at the end."""

import asyncio
import math
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from gateway.ledger.audit import audit
from gateway.ledger.journal import Entry, entries
from gateway.money import parse_amount
from gateway.recharge.providers.webhook import WebhookProvider
from tests.conftest import Store
from tests.integration.api import SIGNER, Api
from tests.integration.books import Books, books, told
from tests.integration.recharging import recharging, until_resolved
from tests.lab.provider import Behaviour, Charge, Orders, Provider

AT_FIRST = 500_000_000
BELOW = 100_000_000
ASKED = 200_000_000
RESOLVED_SECONDS = 30.0
MOMENT_SECONDS = 0.03
SPENT_SHARE = 0.4
UNAVAILABLE = 503
BEHAVIOURS: tuple[Behaviour, ...] = (
    *("succeed", "lose_reply", "pend", "decline"),
    *("fail", "hang", "charge_and_hang"),
)
AMOUNTS = (None, None, None, "150.000000", "0.000001")
CURRENCIES = (None, None, None, None, "EUR")
REASONS = (None, "card_expired", "insufficient_funds")


@dataclass
class World:
    """One account, its provider, and two gateways, of which any may be gone."""

    store: Store
    api: Api
    provider: Provider
    at: Books = field(init=False)
    _gateways: dict[int, AsyncExitStack] = field(default_factory=dict)
    _serial: int = 0

    async def walk(self, draw: Random, steps: int) -> None:
        """Do so many things that are drawn, let all be well again, and look what has become."""
        try:
            await self.begin()
            for _ in range(steps):
                name, *arguments = self._step(draw)
                print(name, *arguments)  # noqa: T201 - shown where the test fails
                await getattr(self, name)(*arguments)
            await self.end()
        finally:
            await self._kill_all()

    def _step(self, draw: Random) -> tuple[Any, ...]:
        """Draw what is done next: spend half of the time, so that there is something to pay."""
        if draw.random() < SPENT_SHARE:
            return ("spend",)
        which, gateway = draw.randrange(100), draw.randrange(2)
        return draw.choice(
            (
                ("order", draw.choice(BEHAVIOURS), draw.choice(AMOUNTS), draw.choice(CURRENCIES)),
                ("order", "succeed", None, None),
                ("decline", draw.choice(REASONS)),
                ("report", which, draw.choice((1, 2, 100))),
                ("change_its_mind", which),
                *((name, gateway) for name in ("start", "start", "kill")),
                *((name,) for name in ("go_away", "come_back", "come_back")),
                *((name,) for name in ("suspend", "resume", "resume", "look", "pause")),
            )
        )

    async def begin(self) -> None:
        await self.store.redis.flushall()
        self.provider.orders = Orders()
        self.at = books(self.store)
        await self.at.open(
            methods="card,account",
            recharge_below=BELOW,
            recharge_amount=ASKED,
            recharge_day_max=1000,
        )
        await self.at.grant("at-first", AT_FIRST)
        await self.start(0)

    async def start(self, gateway: int) -> None:
        """Start a gateway, unless it runs."""
        if gateway not in self._gateways:
            stack = AsyncExitStack()
            store = await stack.enter_async_context(Store.at(self.store.url))
            asking = WebhookProvider(self.provider.url, SIGNER, self.api.client)
            await stack.enter_async_context(recharging(store, asking, retry_seconds=0))
            self._gateways[gateway] = stack

    async def kill(self, gateway: int) -> None:
        """Stop a gateway wherever it is."""
        if stack := self._gateways.pop(gateway, None):
            await stack.aclose()

    async def _kill_all(self) -> None:
        for gateway in list(self._gateways):
            await self.kill(gateway)

    async def spend(self) -> None:
        """Spend all that there is, so that a recharge is due if none stands in the way."""
        self._serial += 1
        call, available = f"call-{self._serial}", (await self.at.statement()).available
        if available:
            await self.at.hold(call, (60, available))
            await self.at.settle(call, available)
        await asyncio.sleep(MOMENT_SECONDS)

    async def order(self, behaviour: Behaviour, amount: str | None, currency: str | None) -> None:
        orders = self.provider.orders
        orders.behaviour, orders.amount, orders.currency = behaviour, amount, currency

    async def decline(self, reason: str | None) -> None:
        """Decline the first method for good, or for now, or no more."""
        self.provider.orders.declines = {"card": reason} if reason else {}

    async def go_away(self) -> None:
        await self.provider.refuse()

    async def come_back(self) -> None:
        await self.provider.refuse()
        await self.provider.listen()

    async def report(self, which: int, times: int) -> None:
        """Report an old charge, or a new one, many times at once; late, and out of order."""
        if charges := await self._charges():
            charge = charges[which % len(charges)]
            if charge.status != "pending":
                told = await asyncio.gather(*(self._reported(charge) for _ in range(times)))
                assert set(told) == {204}

    async def _reported(self, charge: Charge) -> int:
        """Report a charge, again while the store is too busy, as whoever sends webhooks does."""
        for _ in range(20):
            if (status := await self.provider.report(charge)) != UNAVAILABLE:
                return status
            await asyncio.sleep(MOMENT_SECONDS)
        return UNAVAILABLE

    async def change_its_mind(self, which: int) -> None:
        """Let a charge that was pending, or declined, succeed after all."""
        charges = [one for one in await self._charges() if one.status != "succeeded"]
        if charges:
            self.provider.settle(charges[which % len(charges)].key)

    async def suspend(self) -> None:
        await self.store.ledger.suspend_recharge(self.at.account)

    async def resume(self) -> None:
        await self.store.ledger.resume_recharge(self.at.account)

    async def look(self) -> None:
        """Look at the account, as the scheduler does: a pause may be over."""
        await self.at.expire()

    async def pause(self) -> None:
        """Let the gateways do what they do."""
        await asyncio.sleep(5 * MOMENT_SECONDS)

    async def end(self) -> None:
        """Let all be well again, and see that every payment is one lot."""
        await self.come_back()
        await self.order("succeed", None, None)
        await self.decline(None)
        await self.start(0)
        for charge in await self._charges():
            if charge.status == "pending":
                self.provider.settle(charge.key)
        await self.resume()
        await until_resolved(self.at, RESOLVED_SECONDS)
        for charge in await self._charges():
            # A declined one that was paid after all may have been resolved as declined.
            assert await self._reported(charge) == 204
        await self._kill_all()
        await self._check()

    async def _charges(self) -> list[Charge]:
        """Give this walk's charges: the provider may still report those of the walk before."""
        return await self.provider.charges_of(self.at.account)

    async def _check(self) -> None:
        shard = self.store.store.account(self.at.account).shard
        journal = [entry async for entry in entries(self.store.store, shard, (0, 0))]
        paid = [one for one in await self._charges() if one.status == "succeeded"]
        ours = [one for one in paid if one.currency == "USD"]
        # Also those that are spent.
        lots = Counter(one.fields["reference"] for one in journal if one.operation == "grant")
        assert lots == Counter({charge.key: 1 for charge in ours} | {"at-first": 1})
        granted = (await self.at.statement()).granted
        assert granted == AT_FIRST + sum(parse_amount(charge.amount) for charge in ours)
        recharged = Counter(event["key"] for event in await told(self.at, "recharged"))
        assert recharged == Counter(charge.key for charge in ours)
        aside = {one.key for one in await self.store.statements.unbooked(self.at.account)}
        assert aside == {one.key for one in paid if one.currency != "USD"}
        self._check_that_one_ended_before_the_next(journal)
        assert (await audit(self.store.store)).differences == []

    def _check_that_one_ended_before_the_next(self, journal: list[Entry]) -> None:
        """See that one was booked, set aside, or given up, before another key was made (R2)."""
        ended: dict[str, int] = {}
        for entry in journal:
            key = entry.fields.get("reference", entry.fields.get("key", ""))
            ended.setdefault(key, entry.entry_id[0])
        asked = [key for key in dict.fromkeys(self.provider.requests) if self.at.account in key]
        for one, following in pairwise(asked):
            assert ended.get(one, math.inf) <= _made_ms(following)


def _made_ms(key: str) -> int:
    return int(key.split("-")[-2])
