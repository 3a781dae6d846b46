"""What becomes of a payment that its provider reports: in any order, and however often."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

import structlog

from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Flagged, Refused
from gateway.money import format_amount
from gateway.recharge import declines, pauses

_log = structlog.get_logger()


class UnusableError(Exception):
    """The message is signed but cannot be booked; sending it again would not help."""


class Inbox(Protocol):
    """Where one provider reports."""

    async def receive(self, body: bytes, headers: Mapping[str, str], now_seconds: float) -> None:
        """Take in one message.

        Raises NotAuthenticError, UnusableError, LedgerUnavailableError and StripeUnreachableError:
        only after the last two should the sender try again.
        """


class Effect(StrEnum):
    """What happened to a payment. All but FAILED imply that it was paid."""

    SUCCEEDED = "payment.succeeded"
    FAILED = "payment.failed"
    REFUNDED = "payment.refunded"
    DISPUTED = "payment.disputed"
    QUESTIONED = "payment.questioned"
    DISPUTE_WON = "payment.dispute_won"


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider tells of one payment: ``micros`` in ``currency`` for the recharge ``key``.

    ``taken_back`` is all that was ever refunded of it, or is disputed; ``reason`` is why it failed.
    """

    effect: Effect
    account: str
    key: str
    payment: str
    micros: int
    currency: str
    reason: str = ""
    taken_back: int = 0


class Reports:
    """Books what is reported, each effect once."""

    def __init__(self, ledger: Ledger, *, retry_seconds: int, chance: Callable[[], float]) -> None:
        """Book in this ledger; ``chance`` gives random numbers from 0 to 1."""
        self._ledger = ledger
        self._retry_seconds = retry_seconds
        self._chance = chance

    async def book(self, report: Report) -> None:
        """Book a report. Raises UnusableError and LedgerUnavailableError."""
        if report.effect is Effect.FAILED:
            await self._fail(report)
        else:
            # A refund may be told before the payment itself: what it takes back must be there.
            await self._pay(report)
            await self._undo(report)
        _log.info(
            report.effect,
            account=report.account,
            key=report.key,
            payment=report.payment,
            amount=format_amount(report.micros),
            reason=report.reason,
        )

    async def _pay(self, report: Report) -> None:
        paid = await self._ledger.pay(
            report.account, report.key, report.payment, report.micros, report.currency
        )
        match paid:
            case Refused(reason):
                _not_booked(report, reason)
                raise UnusableError(reason)
            case Flagged(reason):
                _not_booked(report, reason)

    async def _undo(self, report: Report) -> None:
        """Take back what is not ours to keep, and flag what only an admin can decide."""
        match report.effect:
            case Effect.REFUNDED:
                await self._take_back(report, "refunded")
            case Effect.DISPUTED:
                await self._take_back(report, "disputed")
            case Effect.QUESTIONED | Effect.DISPUTE_WON:
                await self._ledger.flag_payment(
                    report.account,
                    report.payment,
                    key=report.key,
                    micros=report.taken_back,
                    currency=report.currency,
                    reason=report.effect.removeprefix("payment."),
                    unbooked=report.effect is Effect.DISPUTE_WON,
                )

    async def _take_back(self, report: Report, way: Literal["refunded", "disputed"]) -> None:
        """Take back what is left of it; the rest, the ledger flags."""
        await self._ledger.take_back(
            report.account,
            report.key,
            report.payment,
            paid=report.micros,
            micros=report.taken_back,
            currency=report.currency,
            way=way,
        )

    async def _fail(self, report: Report) -> None:
        """Give up the recharge, if it is still under way: after a success nothing changes."""
        under_way = await self._ledger.submit_recharge(report.account, report.key)
        if isinstance(under_way, Refused):
            return
        await self._ledger.fail_recharge(
            report.account,
            report.key,
            report.reason,
            lasting=declines.is_lasting(report.reason),
            pause_seconds=pauses.after_failure(
                self._retry_seconds, under_way.failures, self._chance()
            ),
        )


def _not_booked(report: Report, reason: str) -> None:
    _log.error(
        "payment.not_booked_as_it_is",
        account=report.account,
        payment=report.payment,
        key=report.key,
        effect=report.effect,
        amount=format_amount(report.micros),
        currency=report.currency,
        reason=reason,
    )
