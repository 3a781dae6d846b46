"""The operations on the money of accounts: what they are given, and what is taken back."""

from typing import Literal

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.accounts import Accounts, amount
from gateway.ledger.outcomes import (
    Asked,
    Expired,
    Flagged,
    Granted,
    RechargeStatus,
    Refused,
    Reversed,
)


class Payments(Accounts):
    """Accounts, and the payments that fund them, by hand or by recharges."""

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
            [*at.books, at.payments, at.unbooked],
            [
                account,
                keys.named(names.REFERENCE, reference),
                amount(micros),
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
        """Take back by hand what is left of a payment's lot, once for each ``reference``, for ever.

        With ``at_most``, less than ``micros`` if less is left.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.REVERSE,
            [*at.books, at.payments, at.operation("reverse", reference)],
            [account, reference, payment, amount(micros), reason, int(at_most)],
        )
        if isinstance(answer, Refused):
            return answer
        return Reversed(answer[0], int(answer[1]), int(answer[2]))

    async def expire(self, account: str) -> Expired | Refused:
        """Let an account's lots lapse whose time has come, and warn of those that will."""
        at = self._store.account(account)
        answer = await self._run(at, scripts.EXPIRE, at.books, [account])
        return answer if isinstance(answer, Refused) else Expired(*map(int, answer))

    async def request_recharge(self, account: str, operation_id: str, micros: int) -> str | Refused:
        """Claim a recharge that an admin asks for, and give its key."""
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.REQUEST_RECHARGE,
            [*at.books, at.operation("request_recharge", operation_id)],
            [account, operation_id, amount(micros)],
        )
        return answer if isinstance(answer, Refused) else answer[0]

    async def submit_recharge(self, account: str, key: str) -> Asked | Refused:
        """Note that the provider is about to be asked, and read what for."""
        return await self._ask(account, key, "submitted")

    async def doubt_recharge(self, account: str, key: str) -> Asked | Refused:
        """Note that the provider gave no answer."""
        return await self._ask(account, key, "unknown")

    async def _ask(self, account: str, key: str, status: str) -> Asked | Refused:
        at = self._store.account(account)
        answer = await self._run(at, scripts.ASK_RECHARGE, at.books, [account, key, status])
        if isinstance(answer, Refused):
            return answer
        before, micros, currency, begun_ms, now_ms, failures, method = answer
        return Asked(
            micros=int(micros),
            currency=currency,
            method=method,
            status=RechargeStatus(before),
            begun_ms=int(begun_ms),
            now_ms=int(now_ms),
            failures=int(failures),
        )

    async def pay(
        self, account: str, key: str, payment: str, micros: int, currency: str
    ) -> Granted | Flagged | Refused:
        """Book what a provider says was paid, once for each ``key`` of a charge, for ever.

        ``payment`` is the provider's own id. Amounts that differ from what was asked for are
        credited as they are; what cannot be credited is kept as unbooked.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.PAY,
            [*at.books, at.payments, at.unbooked],
            [
                account,
                keys.named(names.REFERENCE, key),
                keys.named(names.REFERENCE, payment),
                amount(micros),
                keys.named(names.CURRENCY, currency),
            ],
        )
        if isinstance(answer, Refused):
            return answer
        first, *rest = answer
        return Granted(first, int(rest[0])) if rest else Flagged(first)

    async def fail_recharge(
        self, account: str, key: str, reason: str, *, lasting: bool, pause_seconds: int
    ) -> Refused | None:
        """Give up a recharge that is under way.

        After a decline that is ``lasting`` the next method is asked, or recharges are suspended;
        otherwise the next may be claimed after the pause.
        """
        at = self._store.account(account)
        return await self._done(
            at,
            scripts.FAIL_RECHARGE,
            [*at.books, at.payments],
            [account, key, reason, int(lasting), pause_seconds],
        )

    async def suspend_recharge(self, account: str) -> Refused | None:
        """Let no recharge be claimed until `resume_recharge`."""
        at = self._store.account(account)
        return await self._done(at, scripts.SUSPEND_RECHARGE, at.books, [account])

    async def resume_recharge(self, account: str) -> Refused | None:
        """Let recharges be claimed again, whatever they were suspended for."""
        at = self._store.account(account)
        return await self._done(at, scripts.RESUME_RECHARGE, at.books, [account])

    async def take_back(
        self,
        account: str,
        key: str,
        payment: str,
        *,
        paid: int,
        micros: int,
        currency: str,
        way: Literal["refunded", "disputed"],
    ) -> int | Refused:
        """Take back ``micros`` in all of what was ``paid``, as far as they are left; give how many.

        Both are in ``currency``. If the account is not, the same part of what was booked goes back.
        Reports may come in any order, and each has its effect once.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.TAKE_BACK,
            [*at.books, at.payments, at.unbooked],
            [
                account,
                keys.named(names.REFERENCE, key),
                keys.named(names.REFERENCE, payment),
                amount(paid),
                amount(micros),
                way,
                keys.named(names.CURRENCY, currency),
            ],
        )
        return answer if isinstance(answer, Refused) else int(answer[0])

    async def flag_payment(
        self,
        account: str,
        payment: str,
        *,
        key: str,
        micros: int,
        currency: str,
        reason: str,
        unbooked: bool,
    ) -> Refused | None:
        """Tell an admin of a payment; if it is ``unbooked``, keep it until he is done with it."""
        at = self._store.account(account)
        return await self._done(
            at,
            scripts.FLAG_PAYMENT,
            [*at.books, at.payments, at.unbooked],
            [
                account,
                keys.named(names.REFERENCE, payment),
                keys.named(names.REFERENCE, key),
                amount(micros),
                keys.named(names.CURRENCY, currency),
                reason,
                int(unbooked),
            ],
        )

    async def dismiss_payment(self, account: str, payment: str) -> Refused | None:
        """Be done with a payment that was kept as unbooked."""
        at = self._store.account(account)
        return await self._done(
            at,
            scripts.DISMISS_PAYMENT,
            [*at.books, at.unbooked],
            [account, keys.named(names.REFERENCE, payment)],
        )
