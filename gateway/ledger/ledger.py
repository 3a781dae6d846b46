"""The operations on money, each with an id made by the caller, each safe to repeat."""

from collections.abc import Sequence
from typing import Literal, Protocol

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.connection import REPLY_SECONDS_MAX
from gateway.ledger.outcomes import (
    Expired,
    Granted,
    Held,
    Refused,
    Reversed,
    Settled,
)
from gateway.ledger.store import Store
from gateway.money import AMOUNT_MICROS_MAX


class Slice(Protocol):
    """A length that money may pay of a call in all, and its whole price in micro-units."""

    @property
    def seconds(self) -> int:
        """Length in seconds."""

    @property
    def micros(self) -> int:
        """Price in micro-units."""


class Pool(Protocol):
    """Included seconds of an account, of which a slice may take some (rule C8)."""

    @property
    def name(self) -> str:
        """The name by which the account's calls share it."""

    @property
    def size_seconds(self) -> int:
        """Seconds in all."""

    @property
    def slice_seconds(self) -> int:
        """Seconds that a slice takes, if there are so many left."""

    @property
    def ends_ms(self) -> int:
        """When it ends: some time after that it is forgotten."""


class Ledger:
    """The accounts of a store.

    What is not allowed is answered by Refused. Every method may raise LedgerUnavailableError: then
    the outcome is unknown, and the same operation may be asked again until it is known. An id that
    is not as `names` has it, or an amount that is none, is a ValueError.
    """

    def __init__(self, store: Store) -> None:
        """Keep the accounts in this store."""
        self._store = store

    async def open_account(self, account: str, currency: str) -> Refused | None:
        """Open an account, whose currency never changes; one that is open stays as it is."""
        at = self._store.account(account)
        answer = await self._run(
            at, scripts.OPEN_ACCOUNT, [*at.books, at.shard.accounts], [account, currency]
        )
        return answer if isinstance(answer, Refused) else None

    async def configure(
        self,
        account: str,
        operation_id: str,
        *,
        users: Sequence[str] = (),
        numbers: Sequence[str] = (),
        recharge_below: int | None = None,
        recharge_amount: int | None = None,
        low_below: int | None = None,
        overdraft: int | None = None,
    ) -> Refused | None:
        """Change settings of an account, and add users and numbers to those it has.

        ``numbers`` are the toll-free numbers that the account owns and pays for. They follow one by
        one after the settings: the first that another account owns is refused as number_taken.
        Amounts are in micro-units; what is None stays as it is.
        """
        at = self._store.account(account)
        settings = [
            "" if value is None else _amount(value)
            for value in (recharge_below, recharge_amount, low_below, overdraft)
        ]
        answer = await self._run(
            at,
            scripts.CONFIGURE,
            [*at.books, at.users, at.operation("configure", operation_id)],
            [account, operation_id, *settings, " ".join(numbers), *users],
        )
        if isinstance(answer, Refused):
            return answer
        for number in numbers:
            if not await self._own_number(number, account):
                return Refused(f"number_taken {number}")
        return None

    async def _own_number(self, number: str, account: str) -> bool:
        shard = self._store.shard_of(number)
        owner = await self._store.run(shard, scripts.OWN_NUMBER, [shard.numbers], [number, account])
        return bool(owner == account)

    async def grant(
        self,
        account: str,
        reference: str,
        micros: int,
        currency: str,
        *,
        kind: Literal["paid", "bonus"] = "paid",
        expires_ms: int | None = None,
    ) -> Granted | Refused:
        """Add a lot, once for each ``reference`` of a payment, for ever.

        It expires in 12 months, or at ``expires_ms``; NEVER_MS is never.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.GRANT,
            [*at.books, at.payments],
            [
                account,
                keys.named(names.REFERENCE, reference),
                _amount(micros),
                currency,
                kind,
                "" if expires_ms is None else expires_ms,
            ],
        )
        if isinstance(answer, Refused):
            return answer
        return Granted(answer[0], int(answer[1]))

    async def reverse(
        self,
        account: str,
        reference: str,
        payment: str,
        micros: int,
        reason: str,
        *,
        at_most: bool = False,
    ) -> Reversed | Refused:
        """Take back what is left of a payment's lot, once for each ``reference``, for ever.

        With ``at_most``, less than ``micros`` if less is left.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.REVERSE,
            [*at.books, at.payments, at.operation("reverse", reference)],
            [account, reference, payment, _amount(micros), reason, int(at_most)],
        )
        if isinstance(answer, Refused):
            return answer
        return Reversed(answer[0], int(answer[1]), int(answer[2]))

    async def expire(self, account: str) -> Expired | Refused:
        """Let an account's lots lapse whose time has come, and warn of those that will."""
        at = self._store.account(account)
        answer = await self._run(at, scripts.EXPIRE, at.books, [account])
        return answer if isinstance(answer, Refused) else Expired(*map(int, answer))

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
        pool: Pool | None = None,
    ) -> Held | Refused:
        """Hold a slice of ``pool``, else the longest of ``slices`` that the account can pay.

        The call may then ring. ``user`` may be empty where nobody dials; ``rate`` is kept with the
        hold as it is. Asks again for ``seconds_max`` while the outcome is unknown.
        """
        at = self._store.account(account)
        at_pool, asked = _pool(at, pool)
        ends_ms = pool.ends_ms if pool else 0
        answer = await self._run(
            at,
            scripts.HOLD,
            [*at.books, at.call(call_id), at.shard.live, at.users, *at_pool],
            [
                account,
                call_id,
                user,
                currency,
                call_type,
                number,
                rate,
                _words(slices),
                *asked,
                ends_ms,
            ],
            seconds_max=seconds_max,
        )
        return answer if isinstance(answer, Refused) else Held(*map(int, answer))

    async def extend(
        self,
        account: str,
        call_id: str,
        extension: int,
        slices: Sequence[Slice],
        *,
        pool: Pool | None = None,
    ) -> Held | Refused:
        """Hold the next slice of a live call, as `hold`; ``pool`` is the one of its hold.

        ``slices`` are lengths and prices of all that money pays of the call.
        """
        at = self._store.account(account)
        at_pool, asked = _pool(at, pool)
        answer = await self._run(
            at,
            scripts.EXTEND,
            [*at.books, at.call(call_id), *at_pool],
            [account, call_id, extension, _words(slices), *asked],
        )
        return answer if isinstance(answer, Refused) else Held(*map(int, answer))

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
        pool: str = "",
        pool_seconds: int = 0,
    ) -> Settled | Refused:
        """Charge an ended call, once, and give back the rest of its hold.

        ``pool_seconds`` of the ``seconds`` are taken from its pool, the others are in ``charge``.
        """
        return await self._close(
            scripts.SETTLE,
            account,
            call_id,
            pool,
            [_amount(charge), seconds, answered_ms, ended_ms, cause, pool, pool_seconds],
        )

    async def void(
        self, account: str, call_id: str, *, cause: int, pool: str = ""
    ) -> Settled | Refused:
        """Give back the whole hold of a call that was never answered."""
        return await self._close(scripts.VOID, account, call_id, pool, [cause, pool])

    async def _close(
        self,
        script: scripts.Script,
        account: str,
        call_id: str,
        pool: str,
        arguments: list[str | int],
    ) -> Settled | Refused:
        at = self._store.account(account)
        answer = await self._run(
            at,
            script,
            [
                *at.books,
                at.call(call_id),
                at.shard.live,
                *([at.pool(pool)] if pool else []),
            ],
            [account, call_id, *arguments],
        )
        return answer if isinstance(answer, Refused) else Settled(*map(int, answer))

    async def fail_recharge(
        self, account: str, key: str, reason: str, *, pause_seconds: int
    ) -> Refused | None:
        """Give up a declined recharge; the next may be claimed after the pause."""
        at = self._store.account(account)
        answer = await self._run(
            at, scripts.FAIL_RECHARGE, at.books, [account, key, reason, pause_seconds]
        )
        return answer if isinstance(answer, Refused) else None

    async def _run(
        self,
        at: keys.Account,
        script: scripts.Script,
        key_names: list[str],
        arguments: list[str | int],
        *,
        seconds_max: float = REPLY_SECONDS_MAX,
    ) -> list[str] | Refused:
        """Run an operation, and give its answer in words, without the first."""
        answer = await self._store.run(
            at.shard, script, key_names, arguments, seconds_max=seconds_max
        )
        first, *words = str(answer).split(" ")
        return Refused(words[0], int(words[1])) if first == "refused" else words


def _amount(micros: int) -> int:
    if not 0 <= micros <= AMOUNT_MICROS_MAX:
        raise ValueError(f"{micros} is not an amount of micro-units up to {AMOUNT_MICROS_MAX}")
    return micros


def _words(slices: Sequence[Slice]) -> str:
    return " ".join(f"{one.seconds} {one.micros}" for one in slices)


def _pool(at: keys.Account, pool: Pool | None) -> tuple[list[str], list[str | int]]:
    """Give the key of a pool, if there is one, and what is asked of it."""
    if pool is None:
        return [], ["", 0, 0]
    return [at.pool(pool.name)], [
        pool.name,
        pool.size_seconds,
        pool.slice_seconds,
    ]
