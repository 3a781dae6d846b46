import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import uuid4

from gateway.ledger.outcomes import (
    Expired,
    Flagged,
    Granted,
    Held,
    LedgerUnavailableError,
    Lot,
    Refused,
    Reversed,
    Settled,
    Statement,
)
from gateway.rating.plan import Pool
from gateway.rating.price import Slice
from tests.conftest import Store
from tests.lab.processes import POLL_SECONDS

T = TypeVar("T")

Sliced = tuple[int, int]  # seconds, and the price of that whole length
PARTS = ("available", "held", "spent", "expired", "reversed")
PAST_MS = 1
EXPIRES_CELL = 7  # of a lot's cells in the store
FAR_MS = 2**42  # long after any lot of a test
DAY = "2026-11-24"
NOTHING: Mapping[str, Any] = {}
KNOWN_SECONDS_MAX = 30.0  # a store that was killed is back by then


@dataclass(frozen=True)
class Books:
    """An account of the ledger. Each operation is followed by a look at its sums (rule M5)."""

    store: Store
    account: str

    async def open(
        self,
        *,
        currency: str = "USD",
        users: Sequence[str] = ("alice",),
        limits: Mapping[str, int] = NOTHING,
        methods: str | None = None,
        **settings: int,
    ) -> Refused | None:
        opened = await self.reopen(currency)
        return opened or await self.configure(
            uuid4().hex, users, limits, NOTHING, methods, **settings
        )

    async def reopen(self, currency: str = "USD") -> Refused | None:
        return await self.store.ledger.open_account(self.account, currency)

    async def configure(
        self,
        operation_id: str,
        users: Sequence[str] = (),
        limits: Mapping[str, int] = NOTHING,
        profile: Mapping[str, str] = NOTHING,
        methods: str | None = None,
        **settings: int,
    ) -> Refused | None:
        configured = await self.store.ledger.configure(
            self.account,
            operation_id,
            users=users,
            limits=limits,
            profile=profile,
            methods=methods,
            amounts=settings,
        )
        await self.statement()
        return configured

    async def set_user(
        self,
        operation_id: str,
        user: str = "alice",
        limits: Mapping[str, int] = NOTHING,
        profile: Mapping[str, str] = NOTHING,
    ) -> Refused | None:
        is_set = await self.store.ledger.set_user(
            self.account, operation_id, user, limits=limits, profile=profile
        )
        await self.statement()
        return is_set

    async def grant(
        self,
        reference: str,
        micros: int,
        currency: str = "USD",
        *,
        kind: Literal["paid", "bonus"] = "paid",
        expires_ms: int | None = None,
    ) -> Granted | Refused:
        granted = await self.store.ledger.grant(
            self.account, reference, micros, currency, kind=kind, expires_ms=expires_ms
        )
        await self.statement()
        return granted

    async def reverse(
        self,
        reference: str,
        payment: str,
        micros: int,
        *,
        at_most: bool = False,
    ) -> Reversed | Refused:
        reversal = await self.store.ledger.reverse(
            self.account, reference, payment, micros, "charge-back", at_most=at_most
        )
        await self.statement()
        return reversal

    async def expire(self) -> Expired | Refused:
        expired = await self.store.ledger.expire(self.account)
        await self.statement()
        return expired

    async def hold(
        self,
        call_id: str,
        *slices: Sliced,
        user: str = "alice",
        currency: str = "USD",
        prefix: str = "44",
        day: str = DAY,
        pool: Pool | None = None,
    ) -> Held | Refused:
        held = await self.store.ledger.hold(
            self.account,
            call_id,
            _slices(slices),
            user=user,
            call_type="user_out",
            number="+442071838750",
            prefix=prefix,
            rate="the rate",
            currency=currency,
            day=day,
            month=day[:7],
            seconds_max=1.0,
            pool=pool,
        )
        await self.statement()
        return held

    async def extend(
        self,
        call_id: str,
        number: int,
        *slices: Sliced,
        user: str = "alice",
        day: str = DAY,
        pool: Pool | None = None,
    ) -> Held | Refused:
        held = await self.store.ledger.extend(
            self.account,
            call_id,
            number,
            _slices(slices),
            user=user,
            day=day,
            month=day[:7],
            pool=pool,
        )
        await self.statement()
        return held

    async def settle(
        self,
        call_id: str,
        charge: int,
        *,
        user: str = "alice",
        pool: str = "",
        pool_seconds: int = 0,
    ) -> Settled | Refused:
        settled = await self.store.ledger.settle(
            self.account,
            call_id,
            charge,
            user=user,
            seconds=60,
            answered_ms=1,
            ended_ms=60_001,
            cause=16,
            pool=pool,
            pool_seconds=pool_seconds,
        )
        await self.statement()
        return settled

    async def void(
        self, call_id: str, cause: int = 16, *, user: str = "alice", pool: str = ""
    ) -> Settled | Refused:
        voided = await self.store.ledger.void(
            self.account, call_id, user=user, cause=cause, pool=pool
        )
        await self.statement()
        return voided

    async def pay(
        self, key: str, micros: int, payment: str = "", currency: str = "USD"
    ) -> Granted | Flagged | Refused:
        payment = payment or f"of-{key}"[:100]
        paid = await self.store.ledger.pay(self.account, key, payment, micros, currency)
        await self.statement()
        return paid

    async def fail_recharge(
        self, key: str, pause_seconds: int, *, lasting: bool = False
    ) -> Refused | None:
        failed = await self.store.ledger.fail_recharge(
            self.account, key, "declined", lasting=lasting, pause_seconds=pause_seconds
        )
        await self.statement()
        return failed

    async def statement(self) -> Statement:
        """Read the account: what was granted is all somewhere, and nothing is below zero."""
        found = await self.store.statements.statement(self.account)
        assert found is not None
        every: tuple[Statement | Lot, ...] = (*found.lots, found.overdrawn, found.retired)
        for sums in (*every, found):
            assert sums.granted == sum(getattr(sums, part) for part in PARTS)
        for sums in (*found.lots, found.retired):
            assert min(getattr(sums, part) for part in PARTS) >= 0
        for part in ("granted", *PARTS):
            assert getattr(found, part) == sum(getattr(lot, part) for lot in every)
        assert found.available >= -found.overdraft
        return found

    async def sums(self) -> tuple[int, int, int, int]:
        """Give available, held, spent, expired."""
        found = await self.statement()
        return found.available, found.held, found.spent, found.expired

    async def lots(self) -> dict[str, Lot]:
        """Give the lots that have something left, by the reference of their payment."""
        return {lot.lot.split("-", 2)[2]: lot for lot in (await self.statement()).lots}

    async def move_expiry(self, reference: str, at_ms: int) -> None:
        """Let a lot expire at another time, as if it had been bought then."""
        at = self.store.store.account(self.account)
        lot = (await self.lots())[reference].lot
        cells = str(await self.store.redis.hget(at.lots, lot)).split(" ")
        cells[EXPIRES_CELL] = str(at_ms)
        await self.store.redis.hset(at.lots, lot, " ".join(cells))
        await self.store.redis.zadd(at.books[2], {lot: at_ms}, xx=True)


async def told(at: Books, *kinds: str) -> list[dict[str, str]]:
    """Give the account's events of these kinds, without its name."""
    entries: Any = await at.store.redis.xrange(at.store.store.account(at.account).shard.events)
    return [
        {name: value for name, value in fields.items() if name != "account"}
        for _, fields in entries
        if fields["account"] == at.account and fields["event"] in kinds
    ]


async def now_ms(at: Books) -> int:
    seconds, micros = await at.store.redis.time()
    return seconds * 1000 + micros // 1000


async def known(operation: Callable[[], Awaitable[T]]) -> T:
    """Ask until the outcome is known."""
    deadline = asyncio.get_running_loop().time() + KNOWN_SECONDS_MAX
    while True:
        try:
            return await operation()
        except LedgerUnavailableError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(POLL_SECONDS)


def books(store: Store, account: str = "") -> Books:
    """Give the books of an account that no other test has."""
    return Books(store, account or f"contoso-{uuid4().hex}")


async def funded(store: Store, *lots: int) -> Books:
    """Open an account with these lots, paid for as a, b, c ..."""
    opened = books(store)
    await opened.open()
    for reference, micros in zip("abcdefgh", lots, strict=False):
        await opened.grant(reference, micros)
    return opened


def _slices(pairs: Sequence[Sliced]) -> list[Slice]:
    return [Slice(seconds, micros) for seconds, micros in pairs]
