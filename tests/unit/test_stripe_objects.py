import pytest

from gateway.recharge.providers.charge import Reply, Status
from gateway.recharge.providers.stripe_objects import Intent

NOT_FOUND = Reply(Status.NOT_FOUND)


# https://docs.stripe.com/payments/paymentintents/lifecycle
@pytest.mark.parametrize(
    ("status", "reply"),
    [
        ("succeeded", Reply(Status.SUCCEEDED, "", "pi_1", 50_250_000, "EUR")),
        ("processing", Reply(Status.PENDING)),
        ("requires_payment_method", Reply(Status.DECLINED, "insufficient_funds")),
        ("requires_action", Reply(Status.DECLINED, "authentication_required")),
        ("canceled", Reply(Status.DECLINED, "canceled")),
        ("requires_confirmation", NOT_FOUND),
        ("requires_capture", NOT_FOUND),
        ("a status of tomorrow", NOT_FOUND),
    ],
)
def test_a_payment_intent_tells_by_its_status_how_the_charge_stands(
    status: str, reply: Reply
) -> None:
    told = {
        "id": "pi_1",
        "status": status,
        "currency": "eur",
        "amount_received": 5025,
        "metadata": None,
        "last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"},
    }
    assert Intent.model_validate(told).reply() == reply


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "declined"),
        ({}, "declined"),
        ({"code": "expired_card"}, "expired_card"),
        ({"code": "card_declined", "decline_code": None}, "card_declined"),
        ({"code": "card_declined", "decline_code": "lost_card"}, "lost_card"),
    ],
)
def test_a_decline_has_the_more_exact_reason(error: dict[str, str] | None, reason: str) -> None:
    told = {
        "id": "pi_1",
        "status": "requires_payment_method",
        "currency": "usd",
        "amount_received": 0,
        "last_payment_error": error,
    }
    assert Intent.model_validate(told).reply() == Reply(Status.DECLINED, reason)
