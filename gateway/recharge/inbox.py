"""Payments that a provider reports by webhook."""

from collections.abc import Mapping

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from standardwebhooks import Webhook, WebhookVerificationError

from gateway import names
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Refused
from gateway.money import parse_amount

_log = structlog.get_logger()


class NotAuthenticError(Exception):
    """The signature, or its timestamp, does not hold."""


class UnusableError(Exception):
    """The message is signed but cannot be booked; sending it again would not help."""


class _Payment(BaseModel):
    model_config = ConfigDict(frozen=True)

    payment_id: str = Field(min_length=1)
    idempotency_key: str = Field(pattern=f"^{names.REFERENCE.pattern}$")
    account: str = Field(pattern=f"^{names.ACCOUNT.pattern}$")
    amount: str
    currency: str
    reason: str | None = None

    @field_validator("amount")
    @classmethod
    def _is_amount(cls, amount: str) -> str:
        if parse_amount(amount) == 0:
            message = "must be more than 0"
            raise ValueError(message)
        return amount


class _Message(BaseModel):
    type: str
    data: _Payment


class Inbox:
    """Books reported payments, each once, however often and whenever they are reported."""

    def __init__(self, ledger: Ledger, secret: str, *, retry_seconds: int) -> None:
        """Accept what is signed with ``secret`` (``whsec_...``)."""
        self._ledger = ledger
        self._webhook = Webhook(secret)
        self._retry_seconds = retry_seconds

    async def receive(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Take in one message.

        Raises NotAuthenticError, UnusableError, and LedgerUnavailableError: only after that last
        one should the sender try again.
        """
        message = self._verified(body, headers)
        payment = message.data
        match message.type:
            case "payment.succeeded":
                # The key, not the payment's own id, is the reference: a recharge that is also
                # confirmed by the reply to its request is then the same lot.
                outcome = await self._ledger.grant(
                    payment.account,
                    payment.idempotency_key,
                    parse_amount(payment.amount),
                    payment.currency,
                )
                if isinstance(outcome, Refused):
                    _log.error(
                        "payment.not_booked",
                        account=payment.account,
                        payment=payment.payment_id,
                        key=payment.idempotency_key,
                        reason=outcome.reason,
                    )
                    raise UnusableError(outcome.reason)
            case "payment.failed":
                await self._ledger.fail_recharge(
                    payment.account,
                    payment.idempotency_key,
                    payment.reason or "",
                    pause_seconds=self._retry_seconds,
                )
            case unknown:
                message_text = f"unknown type {unknown!r}"
                raise UnusableError(message_text)
        _log.info(
            message.type,
            account=payment.account,
            payment=payment.payment_id,
            key=payment.idempotency_key,
            amount=payment.amount,
        )

    def _verified(self, body: bytes, headers: Mapping[str, str]) -> _Message:
        try:
            self._webhook.verify(body, dict(headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as error:
            # The library lets a malformed signature through as a ValueError.
            raise NotAuthenticError(str(error)) from error
        try:
            return _Message.model_validate_json(body)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
            )
            raise UnusableError(faults) from error
