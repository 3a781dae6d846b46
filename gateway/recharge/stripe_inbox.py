"""Payments that Stripe reports, by its events: https://docs.stripe.com/api/events/types."""

from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from gateway import names
from gateway.recharge.inbox import faults
from gateway.recharge.providers.minor_units import from_minor_units
from gateway.recharge.providers.stripe import StripeProvider
from gateway.recharge.providers.stripe_objects import Intent, PaymentError
from gateway.recharge.reports import Effect, Report, Reports, UnusableError
from gateway.recharge.signatures import check_stripe

_log = structlog.get_logger()

_OF_INTENTS = {
    "payment_intent.succeeded": Effect.SUCCEEDED,
    "payment_intent.payment_failed": Effect.FAILED,
}
_OF_DISPUTES = {
    "charge.dispute.created": Effect.DISPUTED,
    # An inquiry that becomes a dispute is not created again.
    "charge.dispute.funds_withdrawn": Effect.DISPUTED,
    "charge.dispute.funds_reinstated": Effect.DISPUTE_WON,
    "charge.dispute.closed": Effect.DISPUTE_WON,
}
_REFUNDED = "charge.refunded"


class _Data(BaseModel):
    object: Mapping[str, Any]


class _Event(BaseModel):
    type: str
    data: _Data


class _Charge(BaseModel):
    payment_intent: str | None = None
    amount_refunded: int


class _Dispute(BaseModel):
    payment_intent: str | None = None
    status: str
    amount: int


class StripeInbox:
    """Takes in events of Stripe; what is not about a recharge of ours is passed over."""

    def __init__(self, reports: Reports, provider: StripeProvider, secret: str) -> None:
        """Accept what is signed with ``secret``; ask ``provider`` whose payment a charge is."""
        self._reports = reports
        self._provider = provider
        self._secret = secret

    async def receive(self, body: bytes, headers: Mapping[str, str], now_seconds: float) -> None:
        """Take in one event, as `reports.Inbox` says."""
        check_stripe(self._secret, body, headers.get("Stripe-Signature", ""), now_seconds)
        try:
            event = _Event.model_validate_json(body)
            report = await self._report(event.type, event.data.object)
        except ValidationError as error:
            raise UnusableError(faults(error)) from error
        if report is not None:
            await self._reports.book(report)

    async def _report(self, kind: str, told: Mapping[str, Any]) -> Report | None:
        if kind in _OF_INTENTS:
            return _of_intent(_OF_INTENTS[kind], Intent.model_validate(told))
        if kind == _REFUNDED:
            charge = _Charge.model_validate(told)
            return await self._of_payment(
                Effect.REFUNDED, charge.payment_intent, charge.amount_refunded
            )
        if kind in _OF_DISPUTES:
            dispute = _Dispute.model_validate(told)
            effect = _of_dispute(_OF_DISPUTES[kind], dispute.status)
            if effect is not None:
                return await self._of_payment(effect, dispute.payment_intent, dispute.amount)
        return None

    async def _of_payment(
        self, effect: Effect, payment: str | None, taken_back: int
    ) -> Report | None:
        """Ask whose payment it is: a charge or a dispute does not carry what we labelled."""
        if payment is None:
            return None
        intent = await self._provider.intent(payment)
        return _of_intent(effect, intent, taken_back)


def _of_intent(effect: Effect, intent: Intent, taken_back: int = 0) -> Report | None:
    if not (names.ACCOUNT.fullmatch(intent.account) and names.REFERENCE.fullmatch(intent.key)):
        _log.debug("stripe.not_ours", payment=intent.id, effect=effect)
        return None
    if effect is not Effect.FAILED and not intent.received:
        raise UnusableError("amount_received: must be more than 0")
    currency = intent.currency.upper()
    return Report(
        effect,
        account=intent.account,
        key=intent.key,
        payment=intent.id,
        micros=intent.received,
        currency=currency,
        reason=(
            (intent.last_payment_error or PaymentError()).reason if effect is Effect.FAILED else ""
        ),
        taken_back=from_minor_units(taken_back, currency),
    )


def _of_dispute(effect: Effect, status: str) -> Effect | None:
    """Tell what a dispute's status makes of an event about it.

    An inquiry (``warning_...``) takes no money yet: https://docs.stripe.com/disputes/how-disputes-work
    """
    if effect is Effect.DISPUTED:
        return Effect.QUESTIONED if status.startswith("warning_") else effect
    return effect if status == "won" else None
