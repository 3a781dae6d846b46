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
        how: Literal["exact", "at_most", "in_all"] = "exact",
    ) -> Reversed | Refused:
        """Take back what is left of a payment's lot, once for each ``reference``, for ever.

        With ``at_most``, less than ``micros`` if less is left. With ``in_all``, ``micros`` is all
        that was ever to be taken back of this payment in this way: reports of it may come in any
        order, and what is not left is flagged.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.REVERSE,
            [*at.books, at.payments, at.operation("reverse", reference)],
            [account, reference, payment, amount(micros), reason, how],
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

        ``payment`` is the provider's own id, or "" if he does not say. Amounts that differ from
        what was asked for are credited as they are; what cannot be credited is set aside.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.PAY,
            [*at.books, at.payments, at.unbooked],
            [
                account,
                keys.named(names.REFERENCE, key),
                payment and keys.named(names.REFERENCE, payment),
                amount(micros),
                keys.named(names.CURRENCY, currency),
            ],
            others=("flagged",),
        )
        match answer:
            case Refused():
                return answer
            case ["flagged", reason]:
                return Flagged(reason)
        return Granted(answer[0], int(answer[1]))

    async def fail_recharge(
        self, account: str, key: str, reason: str, *, lasting: bool, pause_seconds: int
    ) -> Refused | None:
        """Give up a recharge that is under way.

        After a decline that is ``lasting`` the next method is asked, or recharges are suspended;
        otherwise the next may be claimed after the pause.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.FAIL_RECHARGE,
            [*at.books, at.payments],
            [account, key, reason, int(lasting), pause_seconds],
        )
        return answer if isinstance(answer, Refused) else None

    async def suspend_recharge(self, account: str, reason: str) -> Refused | None:
        """Let no recharge be claimed until an admin says so; "" says so."""
        at = self._store.account(account)
        answer = await self._run(at, scripts.SUSPEND_RECHARGE, at.books, [account, reason])
        return answer if isinstance(answer, Refused) else None

    async def set_aside(
        self, account: str, payment: str, *, key: str, micros: int, currency: str, reason: str
    ) -> Refused | None:
        """Keep a payment for an admin who decides what becomes of it."""
        return await self._set_aside(account, payment, key, amount(micros), currency, reason)

    async def dismiss(self, account: str, payment: str) -> Refused | None:
        """Be done with a payment that was set aside."""
        return await self._set_aside(account, payment, "", 0, "", "")

    async def _set_aside(self, account: str, payment: str, *words: str | int) -> Refused | None:
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.SET_ASIDE,
            [*at.books, at.unbooked],
            [account, keys.named(names.REFERENCE, payment), *words],
        )
        return answer if isinstance(answer, Refused) else None
