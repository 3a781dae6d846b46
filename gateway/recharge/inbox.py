"""Payments that a provider of one's own reports, by messages as Standard Webhooks has them."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook

from gateway import names
from gateway.money import is_positive, parse_amount
from gateway.recharge.declines import as_reason
from gateway.recharge.reports import Effect, Report, Reports, UnusableError
from gateway.recharge.signatures import check_standard

_Amount = Annotated[str, AfterValidator(is_positive)]


class _Payment(BaseModel):
    model_config = ConfigDict(frozen=True)

    payment_id: str = Field(pattern=f"^{names.REFERENCE.pattern}$")
    idempotency_key: str = Field(pattern=f"^{names.REFERENCE.pattern}$")
    account: str = Field(pattern=f"^{names.ACCOUNT.pattern}$")
    amount: _Amount
    currency: str = Field(pattern=f"^{names.CURRENCY.pattern}$")
    reason: str | None = None


class _Refund(_Payment):
    refunded: _Amount


class _Type(BaseModel):
    type: str


class _Message(BaseModel):
    data: _Payment


class _RefundMessage(_Message):
    data: _Refund


_MESSAGES: Mapping[str, tuple[Effect, type[_Message]]] = {
    "payment.succeeded": (Effect.SUCCEEDED, _Message),
    "payment.failed": (Effect.FAILED, _Message),
    "payment.refunded": (Effect.REFUNDED, _RefundMessage),
    "payment.disputed": (Effect.DISPUTED, _Message),
}


class WebhookInbox:
    """Takes in messages of a provider of one's own."""

    def __init__(self, reports: Reports, secret: str) -> None:
        """Accept what is signed with ``secret`` (``whsec_...``)."""
        self._reports = reports
        self._signer = Webhook(secret)

    async def receive(self, body: bytes, headers: Mapping[str, str], now_seconds: float) -> None:
        """Take in one message, as `reports.Inbox` says."""
        check_standard(self._signer, body, headers, now_seconds)
        try:
            report = _report(body)
        except ValidationError as error:
            raise UnusableError(faults(error)) from error
        await self._reports.book(report)


def _report(body: bytes) -> Report:
    told = _Type.model_validate_json(body).type
    if told not in _MESSAGES:
        raise UnusableError(f"unknown type {told!r}")
    effect, model = _MESSAGES[told]
    payment = model.model_validate_json(body).data
    return Report(
        effect,
        account=payment.account,
        key=payment.idempotency_key,
        payment=payment.payment_id,
        micros=parse_amount(payment.amount),
        currency=payment.currency,
        reason=as_reason(payment.reason) if effect is Effect.FAILED else "",
        taken_back=parse_amount(
            payment.refunded if isinstance(payment, _Refund) else payment.amount
        ),
    )


def faults(error: ValidationError) -> str:
    """Name what is wrong with a message, without what it holds."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
    )
