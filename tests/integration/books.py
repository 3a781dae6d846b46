from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from redis.asyncio import Redis

from gateway.ledger import keys
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Granted, Held, Lot, Refused, Settled, Statement
from gateway.rating.price import Slice
from tests.conftest import SHARDS, Store

Sliced = tuple[int, int]  # seconds, and the price of that whole length
PAST_MS = 1
FAR_MS = 2**42  # long after any lot of a test


@dataclass(frozen=True)
class Books:
    """An account of the ledger. Each operation is followed by a look at its sums (rule M5)."""

    ledger: Ledger
    redis: Redis
    account: str

    async def open(
        self,
        *,
        users: Sequence[str] = ("alice",),
        recharge_below: int = 0,
        recharge_amount: int = 0,
    ) -> Refused | None:
        opened = await self.ledger.open_account(
            self.account,
            "USD",
            users,
            [],
            recharge_below=recharge_below,
            recharge_amount=recharge_amount,
        )
        await self.statement()
        return opened

    async def grant(self, reference: str, micros: int, currency: str = "USD") -> Granted | Refused:
        granted = await self.ledger.grant(self.account, reference, micros, currency)
        await self.statement()
        return granted

    async def hold(
        self, call_id: str, *slices: Sliced, user: str = "alice", currency: str = "USD"
    ) -> Held | Refused:
        held = await self.ledger.hold(
            self.account,
            call_id,
            _slices(slices),
            user=user,
            call_type="user_out",
            number="+442071838750",
            rate="the rate",
            currency=currency,
            seconds_max=1.0,
        )
        await self.statement()
        return held

    async def extend(self, call_id: str, number: int, *slices: Sliced) -> Held | Refused:
        held = await self.ledger.extend(self.account, call_id, number, _slices(slices))
        await self.statement()
        return held

    async def settle(self, call_id: str, charge: int) -> Settled | Refused:
        settled = await self.ledger.settle(
            self.account, call_id, charge, seconds=60, answered_ms=1, ended_ms=60_001, cause=16
        )
        await self.statement()
        return settled

    async def void(self, call_id: str, cause: int = 16) -> Settled | Refused:
        voided = await self.ledger.void(self.account, call_id, cause=cause)
        await self.statement()
        return voided

    async def fail_recharge(self, key: str, pause_seconds: int) -> Refused | None:
        failed = await self.ledger.fail_recharge(
            self.account, key, "card_expired", pause_seconds=pause_seconds
        )
        await self.statement()
        return failed

    async def statement(self) -> Statement:
        """Read the account; what was granted is all somewhere, and nothing is below zero."""
        found = await self.ledger.statement(self.account)
        assert found is not None
        every: tuple[Statement | Lot, ...] = (found, *found.lots)
        for sums in every:
            parts = (sums.available, sums.held, sums.spent, sums.expired)
            assert min(parts) >= 0
            assert sums.granted == sum(parts)
        for field in ("granted", "available", "held", "spent", "expired"):
            assert getattr(found, field) == sum(getattr(lot, field) for lot in found.lots)
        return found

    async def sums(self) -> tuple[int, int, int, int]:
        """Give available, held, spent, expired."""
        found = await self.statement()
        return found.available, found.held, found.spent, found.expired

    async def lots(self) -> dict[str, Lot]:
        """Give the lots by the reference of their payment."""
        return {lot.lot.split("-", 2)[2]: lot for lot in (await self.statement()).lots}

    async def move_expiry(self, reference: str, at_ms: int) -> None:
        """Let a lot expire at another time, as if it had been bought then."""
        at = keys.account_keys(keys.shards(SHARDS), self.account)
        lot = (await self.lots())[reference].lot
        await self.redis.hset(at.lots, f"{lot}:expires", str(at_ms))
        await self.redis.zadd(at.order, {lot: at_ms}, xx=True)


def books(store: Store, account: str = "") -> Books:
    """Give the books of an account that no other test has."""
    return Books(store.ledger, store.redis, account or f"contoso-{uuid4().hex}")


async def funded(store: Store, *lots: int) -> Books:
    """Open an account with these lots, paid for as a, b, c ..."""
    opened = books(store)
    await opened.open()
    for reference, micros in zip("abcdefgh", lots, strict=False):
        await opened.grant(reference, micros)
    return opened


def _slices(pairs: Sequence[Sliced]) -> list[Slice]:
    return [Slice(seconds, micros) for seconds, micros in pairs]
