"""What we read of Stripe's objects, the same in its answers and in its events."""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from gateway.recharge.declines import as_reason
from gateway.recharge.providers.charge import Reply, Status
from gateway.recharge.providers.minor_units import from_minor_units

# What our PaymentIntents carry, so that they are known from those of others.
ACCOUNT_LABEL = "coinbox_account"
KEY_LABEL = "coinbox_key"

_NONE: Mapping[str, str] = MappingProxyType({})


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True)


class PaymentError(_Read):
    """Why a payment failed: the issuer's reason, else Stripe's."""

    code: str | None = None
    decline_code: str | None = None

    @property
    def reason(self) -> str:
        """Give the more exact one."""
        return as_reason(self.decline_code or self.code)


class Intent(_Read):
    """A PaymentIntent: https://docs.stripe.com/api/payment_intents/object."""

    id: str
    status: str
    currency: str
    amount_received: int
    metadata: Mapping[str, str] | None = None
    last_payment_error: PaymentError | None = None

    @property
    def account(self) -> str:
        """Give the account whose recharge it is; empty if it is not ours."""
        return (self.metadata or _NONE).get(ACCOUNT_LABEL, "")

    @property
    def key(self) -> str:
        """Give the key of the recharge; empty if it is not ours."""
        return (self.metadata or _NONE).get(KEY_LABEL, "")

    @property
    def received(self) -> int:
        """Give what was paid, in micro-units."""
        return from_minor_units(self.amount_received, self.currency.upper())

    def reply(self) -> Reply:
        """Tell how it stands as the answer to a charge."""
        match self.status:
            case "succeeded":
                return Reply(
                    Status.SUCCEEDED,
                    payment=self.id,
                    micros=self.received,
                    currency=self.currency.upper(),
                )
            case "processing":
                return Reply(Status.PENDING)
            case "requires_action":
                return Reply(Status.DECLINED, "authentication_required")
            case "requires_payment_method":
                return Reply(Status.DECLINED, (self.last_payment_error or PaymentError()).reason)
            case "canceled":
                return Reply(Status.DECLINED, "canceled")
            case _:
                # It was made and nothing came of it yet; its key still stands for it.
                return Reply(Status.NOT_FOUND)
