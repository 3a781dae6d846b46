"""What can be seen of a ledger: of a real one, of a model, and what the rules say of it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, cycle
from operator import attrgetter
from typing import Any, TypeVar

from redis.asyncio import Redis

from gateway.ledger.connection import Server
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Facts, Hold, Lot, Party, Statement, Unbooked, Usage
from gateway.ledger.statements import Statements
from gateway.ledger.store import Store
from tests.conftest import SHARDS
from tests.integration.model.account import PARTS, Event
from tests.integration.model.clock import Clock
from tests.integration.model.ledger import Model
from tests.integration.model.operations import NUMBERS, OPEN, Operation
from tests.integration.model.party import NO_LIMITS

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """All that can be seen of a ledger at one moment."""

    statements: dict[str, Statement] = field(default_factory=dict)
    users: dict[str, dict[str, Party]] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)  # of alice
    live: list[Hold] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    unbooked: dict[str, list[Unbooked]] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)  # keys of what is forgotten one day


NOBODY = Party({}, NO_LIMITS, Usage(0, "", 0, "", 0))


PATIENCE_SECONDS = 60.0


class PatientStore(Store):
    """A store that is waited for: when it is given up is no rule of the ledger's.

    Hypothesis, which shares the process, may hold everything up for longer than the product waits.
    """

    async def answer(
        self, ask: Callable[[], Awaitable[T]], *, seconds_max: float = PATIENCE_SECONDS
    ) -> T:
        return await super().answer(ask, seconds_max=max(seconds_max, PATIENCE_SECONDS))


class Lab:
    """Two clients of one server, as two gateways have them, and the server's clock."""

    def __init__(self, clock: Clock, one: Redis, other: Redis) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock, self.redis = clock, one
        stores = [PatientStore(Server(client), SHARDS) for client in (one, other)]
        self.store, self.statements = stores[0], Statements(stores[0])
        self.ledgers = [Ledger(store) for store in stores]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - as wide as what is run
        """Do something on the loop, from the thread that a state machine runs in."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def flush(self) -> None:
        await self.redis.flushall()

    async def set_clock(self, now_ms: int) -> None:
        await self._clock.set(self.redis, now_ms)

    async def ask(self, asked: Iterable[Operation]) -> list[Any]:
        """Ask for all at once, of one client and the other in turn."""
        turns = zip(asked, cycle(self.ledgers), strict=False)
        return await asyncio.gather(*(one.on(ledger) for one, ledger in turns))

    async def view(self) -> View:
        statements = {account: await self.statements.statement(account) for account in OPEN}
        users = {account: await self.statements.users(account) for account in statements}
        facts = {account: await self.statements.facts(account, "alice") for account in OPEN}
        owners = {number: await self.statements.owner_of(number) for number in NUMBERS}
        unbooked = {account: await self.statements.unbooked(account) for account in statements}
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.keys("*/*")
            for shard in self.store.shards:
                pipe.xrange(shard.events)
            keys, *streams = await pipe.execute()
        events: dict[str, list[Event]] = {}
        for _, fields in chain.from_iterable(streams):
            told = events.setdefault(fields.pop("account"), [])
            told.append((fields.pop("event"), fields))
        names = [str(key).partition(":")[2] for key in keys]
        return View(
            {name: comparable(found) for name, found in statements.items() if found},
            {account: found for account, found in users.items() if statements[account]},
            {account: found for account, found in facts.items() if found},
            in_order(await self.statements.live_holds()),
            {number: owner for number, owner in owners.items() if owner},
            {account: found for account, found in unbooked.items() if found},
            events,
            {key for key in names if not key.startswith("user:")},
        )


def view_of(model: Model) -> View:
    accounts = model.look_at_all()
    return View(
        {of.name: comparable(of.statement()) for of in accounts},
        {of.name: of.seen_users() for of in accounts},
        {of.name: of.facts("alice") for of in accounts},
        in_order(model.live_holds()),
        model.owners,
        {of.name: in_names(of.unbooked) for of in accounts if of.unbooked},
        {of.name: of.events for of in accounts if of.events},
        model.kept_names(),
    )


def in_names(unbooked: Mapping[str, Unbooked]) -> list[Unbooked]:
    return [one for _, one in sorted(unbooked.items())]


def in_order(holds: Iterable[Hold]) -> list[Hold]:
    return sorted(holds, key=attrgetter("account", "call_id"))


def comparable(found: Statement) -> Statement:
    """Leave out what no rule says: when a lot that has lapsed is put to those retired."""
    lots = [lot for lot in found.lots if lot.available or lot.held]
    over = [found.retired, *(lot for lot in found.lots if lot not in lots)]
    return replace(
        found,
        lots=tuple(lots),
        overdrawn=replace(found.overdrawn, purchased_ms=0, expires_ms=0),
        retired=Lot("retired", 0, 0, *(sum(getattr(lot, part) for lot in over) for part in PARTS)),
    )


def check_rules(view: View, before: View, now_ms: int, asked: Collection[Operation]) -> None:
    """Hold what the ledger says against the rules themselves, whatever a model says.

    What these operations set may have been in force since the view before.
    """
    overdrafts = [operation.kwargs.get("amounts", {}).get("overdraft", 0) for operation in asked]
    limits = [operation.kwargs.get("limits", {}) for operation in asked]
    for account, found in view.statements.items():
        every = (*found.lots, found.overdrawn, found.retired)
        for sums in (found, *every):  # M5
            granted, *parts = (getattr(sums, part) for part in PARTS)
            assert granted == sum(parts)
        for part in PARTS:
            assert getattr(found, part) == sum(getattr(lot, part) for lot in every)
        for lot in (*found.lots, found.retired):  # M1
            assert min(getattr(lot, part) for part in PARTS) >= 0
        for lot in found.lots:  # M2
            assert lot.available == 0 or lot.expires_ms > now_ms
        live = [hold for hold in view.live if hold.account == account]
        assert found.held == sum(hold.held for hold in live)  # M4, D6
        was = before.statements.get(account)
        check_limits(found.party, was.party if was else NOBODY, len(live), limits)
        for user, party in view.users[account].items():
            calls = sum(hold.user == user for hold in live)
            known = before.users.get(account, {}).get(user, NOBODY)
            check_limits(party, known, calls, limits)
        deepest = [0, -found.overdraft, *(-overdraft for overdraft in overdrafts)]
        if was:
            deepest += [-was.overdraft, was.overdrawn.available]
        assert min(deepest) <= found.overdrawn.available <= 0  # M6
        assert found.available >= found.overdrawn.available


def check_limits(
    party: Party, before: Party, calls: int, limits: Iterable[Mapping[str, int]]
) -> None:
    """Rule C12: what is used goes beyond no limit that may have been in force, but may be so."""
    used, was = party.usage, before.usage
    assert used.calls == calls
    for name, now, then in (
        ("calls", used.calls, was.calls),
        ("day", used.day_micros, was.day_micros if was.day == used.day else 0),
        ("month", used.month_micros, was.month_micros if was.month == used.month else 0),
    ):
        set_meanwhile = [limit[name] for limit in limits if name in limit]
        in_force = [getattr(party.limits, name), getattr(before.limits, name), *set_meanwhile]
        assert now >= 0
        assert 0 in in_force or now <= max(then, *in_force)
