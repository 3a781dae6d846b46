"""The operations on money, each with an id made by the caller, each safe to repeat."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.ledger import cancellation, keys, scripts
from gateway.ledger.batch import Batches
from gateway.ledger.connection import REPLY_SECONDS_MAX
from gateway.ledger.outcomes import (
    Granted,
    Held,
    Hold,
    LedgerUnavailableError,
    Lot,
    Refused,
    Settled,
    Statement,
)

_PAUSE_SECONDS = 0.05
_LOT_FIELDS = ("purchased", "expires", "granted", "available", "held", "spent", "expired")


class Slice(Protocol):
    """A length that a call may be granted in all, and its whole price in micro-units."""

    @property
    def seconds(self) -> int:
        """Length in seconds."""

    @property
    def micros(self) -> int:
        """Price in micro-units."""


class Ledger:
    """A store of accounts. Every method may raise LedgerUnavailableError."""

    def __init__(self, redis: Redis, shard_count: int) -> None:
        """Use a client made by `connect`."""
        self._redis = redis
        self._batches = Batches(redis)
        self._shards = keys.shards(shard_count)

    def _keys(self, account: str) -> keys.Account:
        return keys.account_keys(self._shards, account)

    async def ping(self) -> None:
        """Return if the store answers."""
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise LedgerUnavailableError(str(error)) from error

    async def open_account(
        self,
        account: str,
        currency: str | None,
        users: Sequence[str],
        numbers: Sequence[str],
        *,
        recharge_below: int | None,
        recharge_amount: int | None,
    ) -> Refused | None:
        """Open an account, or add to one that is open and change its settings.

        ``numbers`` are the toll-free numbers that the account owns and pays for.
        What is None stays as it is; a new account must have a currency, which never changes.
        Refused for the currency, or a number that another account owns.
        """
        settings = ["" if value is None else value for value in (recharge_below, recharge_amount)]
        at = self._keys(account)
        answer = await self._run(
            scripts.OPEN_ACCOUNT,
            [at.account, at.users, at.shard.journal, at.shard.events],
            [account, currency or "", *settings, *users],
        )
        if answer[0] == "refused":
            return Refused(answer[1])
        for number in numbers:
            if not await self._own_number(number, account):
                return Refused(f"number_taken {number}")
        return None

    async def _own_number(self, number: str, account: str) -> bool:
        try:
            await self._redis.hsetnx(keys.NUMBERS, number, account)
            return bool(await self._redis.hget(keys.NUMBERS, number) == account)
        except (RedisError, OSError) as error:
            raise LedgerUnavailableError(str(error)) from error

    async def owner_of(self, number: str) -> str | None:
        """Give the account that owns a dial-in number (E.164)."""
        try:
            owner = await self._redis.hget(keys.NUMBERS, number)
        except (RedisError, OSError) as error:
            raise LedgerUnavailableError(str(error)) from error
        return None if owner is None else str(owner)

    async def grant(
        self, account: str, reference: str, micros: int, currency: str
    ) -> Granted | Refused:
        """Add a paid lot, once for each payment ``reference``, for ever."""
        at = self._keys(account)
        answer = await self._run(
            scripts.GRANT,
            [
                at.account,
                at.lots,
                at.order,
                at.payments,
                at.shard.journal,
                at.shard.events,
            ],
            [account, reference, micros, currency],
        )
        if answer[0] == "granted":
            return Granted(answer[1], int(answer[2]))
        return Refused(answer[1])

    async def hold(
        self,
        account: str,
        call_id: str,
        slices: Sequence[Slice],
        *,
        user: str,
        call_type: str,
        number: str,
        rate: str,
        currency: str,
        seconds_max: float,
    ) -> Held | Refused:
        """Hold the longest of ``slices`` that the account can pay: the call may then ring.

        ``user`` may be empty where nobody dials; ``rate`` is kept with the hold as it is.
        Asks again for ``seconds_max`` while the outcome is unknown.
        """
        at = self._keys(account)
        answer = await self._run(
            scripts.HOLD,
            [
                at.account,
                at.lots,
                at.order,
                at.users,
                at.shard.call(call_id),
                at.shard.live,
                at.shard.journal,
                at.shard.events,
            ],
            [account, call_id, user, currency, call_type, number, rate, _words(slices)],
            seconds_max=seconds_max,
        )
        return _held(answer)

    async def extend(
        self, account: str, call_id: str, extension: int, slices: Sequence[Slice]
    ) -> Held | Refused:
        """Hold the longest of ``slices`` (lengths and prices of the whole call) for a live call."""
        at = self._keys(account)
        answer = await self._run(
            scripts.EXTEND,
            [
                at.account,
                at.lots,
                at.order,
                at.shard.call(call_id),
                at.shard.journal,
                at.shard.events,
            ],
            [account, call_id, extension, _words(slices)],
        )
        return _held(answer)

    async def settle(
        self,
        account: str,
        call_id: str,
        charge: int,
        *,
        seconds: int,
        answered_ms: int,
        ended_ms: int,
        cause: int,
    ) -> Settled | Refused:
        """Charge an ended call, once, and give back the rest of its hold."""
        return await self._close(
            scripts.SETTLE, account, call_id, [charge, seconds, answered_ms, ended_ms, cause]
        )

    async def void(self, account: str, call_id: str, *, cause: int) -> Settled | Refused:
        """Give back the whole hold of a call that was never answered."""
        return await self._close(scripts.VOID, account, call_id, [cause])

    async def _close(
        self, script: scripts.Script, account: str, call_id: str, arguments: list[str | int]
    ) -> Settled | Refused:
        at = self._keys(account)
        answer = await self._run(
            script,
            [
                at.account,
                at.lots,
                at.order,
                at.shard.call(call_id),
                at.shard.live,
                at.shard.journal,
                at.shard.events,
            ],
            [account, call_id, *arguments],
        )
        if answer[0] == "refused":
            return Refused(answer[1])
        charged, returned, available = (int(word) for word in answer[1:])
        return Settled(charged, returned, available)

    async def fail_recharge(
        self, account: str, key: str, reason: str, *, pause_seconds: int
    ) -> Refused | None:
        """Give up a declined recharge; the next may be claimed after the pause."""
        at = self._keys(account)
        answer = await self._run(
            scripts.FAIL_RECHARGE,
            [at.account, at.shard.journal],
            [account, key, reason, pause_seconds],
        )
        return Refused(answer[1]) if answer[0] == "refused" else None

    async def statement(self, account: str) -> Statement | None:
        """Read an account and its lots at one moment; nothing if there is no such account."""
        at = self._keys(account)
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.time()
                pipe.hgetall(at.account)
                pipe.hgetall(at.lots)
                (seconds, micros), totals, cells = await pipe.execute()
        except (RedisError, OSError) as error:
            raise LedgerUnavailableError(str(error)) from error
        cancellation.heed()
        if not totals:
            return None
        now_ms = seconds * 1000 + micros // 1000
        names = sorted({name.rpartition(":")[0] for name in cells})
        lots = tuple(_lot(name, cells, now_ms) for name in names)
        lapsed = sum(lot.expired for lot in lots) - int(totals["expired"])
        return Statement(
            account=account,
            currency=totals["currency"],
            granted=int(totals["granted"]),
            available=int(totals["available"]) - lapsed,
            held=int(totals["held"]),
            spent=int(totals["spent"]),
            expired=int(totals["expired"]) + lapsed,
            reversed=int(totals["reversed"]),
            recharge_key=totals.get("recharge_key", ""),
            lots=tuple(sorted(lots, key=lambda lot: (lot.expires_ms, lot.lot))),
        )

    async def live_holds(self) -> list[Hold]:
        """List the holds of all live calls."""
        try:
            holds = [hold async for hold in self._live_holds()]
        except (RedisError, OSError) as error:
            raise LedgerUnavailableError(str(error)) from error
        cancellation.heed()
        return holds

    async def _live_holds(self) -> AsyncIterator[Hold]:
        for shard in self._shards:
            for call_id in sorted(map(str, await self._redis.smembers(shard.live))):
                cells: dict[str, str] = await self._redis.hgetall(shard.call(call_id))  # type: ignore[assignment]
                if cells.get("state") == "active":
                    yield Hold(
                        call_id=call_id,
                        account=cells["account"],
                        user=cells["user"],
                        call_type=cells["type"],
                        number=cells["number"],
                        rate=cells["rate"],
                        granted_seconds=int(cells["granted"]),
                        held=int(cells["held"]),
                        extension=int(cells.get("extension", "0")),
                    )

    async def _run(
        self,
        script: scripts.Script,
        key_names: list[str],
        arguments: list[str | int],
        *,
        seconds_max: float = REPLY_SECONDS_MAX,
    ) -> list[str]:
        """Run an operation, again and again while its outcome is unknown, up to a deadline."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds_max
        while True:
            try:
                answer = await self._batches.run((script, key_names, arguments))
            except (RedisError, OSError) as error:
                # A full, read-only or loading store answers with an error; it may recover.
                if loop.time() + _PAUSE_SECONDS >= deadline:
                    raise LedgerUnavailableError(str(error)) from error
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                cancellation.heed()
                return answer.split(" ")


def _words(slices: Sequence[Slice]) -> str:
    return " ".join(f"{one.seconds} {one.micros}" for one in slices)


def _held(answer: list[str]) -> Held | Refused:
    if answer[0] == "refused":
        return Refused(answer[1], int(answer[2]))
    seconds, held, available = (int(word) for word in answer[1:])
    return Held(seconds, held, available)


def _lot(name: str, cells: dict[str, str], now_ms: int) -> Lot:
    numbers = (int(cells.get(f"{name}:{field}", "0")) for field in _LOT_FIELDS)
    purchased_ms, expires_ms, granted, available, held, spent, expired = numbers
    if expires_ms <= now_ms:
        expired, available = expired + available, 0
    return Lot(name, purchased_ms, expires_ms, granted, available, held, spent, expired)
