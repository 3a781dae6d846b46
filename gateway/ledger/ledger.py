"""The operations on money, each with an id made by the caller, each safe to repeat."""

from collections.abc import Sequence
from typing import Protocol

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.accounts import amount
from gateway.ledger.outcomes import Held, Refused, Settled
from gateway.ledger.payments import Payments


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


class Ledger(Payments):
    """The accounts of a store, and the calls that they pay for.

    What is not allowed is answered by Refused. Every method may raise LedgerUnavailableError: then
    the outcome is unknown, and the same operation may be asked again until it is known. An id that
    is not as `names` has it, or an amount that is none, is a ValueError.
    """

    async def hold(
        self,
        account: str,
        call_id: str,
        slices: Sequence[Slice],
        *,
        user: str,
        call_type: str,
        number: str,
        prefix: str,
        rate: str,
        currency: str,
        day: str,
        month: str,
        seconds_max: float,
        pool: Pool | None = None,
        caller: str = "",
        conference: str = "",
    ) -> Held | Refused:
        """Hold a slice of ``pool``, else the longest of ``slices`` that the account can pay.

        The call may then ring. ``user`` may be empty where nobody dials; ``rate`` is kept with the
        hold as it is; ``caller`` and ``conference`` are for the records, and may be empty. Money
        counts as spent in ``day`` (2026-11-24) and ``month`` (2026-11), which are the account's
        own, or in later ones that are known already; calls a minute are counted by ``prefix``
        (digits). Asks again for ``seconds_max`` while the outcome is unknown.
        """
        at = self._store.account(account)
        at_pool, asked = _pool(at, pool)
        ends_ms = pool.ends_ms if pool else 0
        answer = await self._run(
            at,
            scripts.HOLD,
            [
                *at.books,
                at.call(call_id),
                at.shard.live,
                at.users,
                at.user(user),
                at.begun(prefix),
                at.begun_by(user, prefix),
                *at_pool,
            ],
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
                *_period(day, month),
                caller,
                conference,
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
        user: str,
        day: str,
        month: str,
        pool: Pool | None = None,
        answered_ms: int = 0,
        seen_ms: int = 0,
    ) -> Held | Refused:
        """Hold the next slice of a live call, as `hold`; ``user`` and ``pool`` are its hold's.

        ``slices`` are lengths and prices of all that money pays of the call. When it was answered,
        and last known to be up, is kept for whoever goes on with it.
        """
        at = self._store.account(account)
        at_pool, asked = _pool(at, pool)
        answer = await self._run(
            at,
            scripts.EXTEND,
            [*at.books, at.call(call_id), at.user(user), *at_pool],
            [
                account,
                call_id,
                extension,
                user,
                _words(slices),
                *asked,
                *_period(day, month),
                answered_ms,
                seen_ms,
            ],
        )
        return answer if isinstance(answer, Refused) else Held(*map(int, answer))

    async def settle(
        self,
        account: str,
        call_id: str,
        charge: int,
        *,
        user: str,
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
            [amount(charge), seconds, answered_ms, ended_ms, cause, pool, pool_seconds],
            user=user,
            pool=pool,
        )

    async def void(
        self, account: str, call_id: str, *, user: str, cause: int, pool: str = ""
    ) -> Settled | Refused:
        """Give back the whole hold of a call that was never answered."""
        return await self._close(
            scripts.VOID, account, call_id, [cause, pool], user=user, pool=pool
        )

    async def _close(
        self,
        script: scripts.Script,
        account: str,
        call_id: str,
        arguments: list[str | int],
        *,
        user: str,
        pool: str,
    ) -> Settled | Refused:
        at = self._store.account(account)
        answer = await self._run(
            at,
            script,
            [
                *at.books,
                at.call(call_id),
                at.shard.live,
                at.user(user),
                *([at.pool(pool)] if pool else []),
            ],
            [account, call_id, user, *arguments],
        )
        return answer if isinstance(answer, Refused) else Settled(*map(int, answer))


def _words(slices: Sequence[Slice]) -> str:
    return " ".join(f"{one.seconds} {one.micros}" for one in slices)


def _period(day: str, month: str) -> list[str]:
    return [keys.named(names.DAY, day), keys.named(names.MONTH, month)]


def _pool(at: keys.Account, pool: Pool | None) -> tuple[list[str], list[str | int]]:
    """Give the key of a pool, if there is one, and what is asked of it."""
    if pool is None:
        return [], ["", 0, 0]
    return [at.pool(pool.name)], [
        pool.name,
        pool.size_seconds,
        pool.slice_seconds,
    ]
