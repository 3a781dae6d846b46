import pytest

from gateway.recharge.declines import as_reason, is_lasting


@pytest.mark.parametrize(
    "reason",
    [
        # What the README names to a provider of one's own.
        "card_expired",
        "card_lost",
        "card_stolen",
        "card_blocked",
        "authentication_required",
        "fraud",
        "method_expired",
        "method_removed",
        "method_revoked",
        "method_unknown",
        "account_unknown",
        # What Stripe says, and what the gateway says before it asks Stripe.
        "expired_card",
        "stolen_card",
        "lost_card",
        "pickup_card",
        "resource_missing",
        "amount_not_in_minor_units",
    ],
)
def test_what_the_same_card_would_meet_again_is_for_good(reason: str) -> None:
    assert is_lasting(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "insufficient_funds",
        "card_declined",
        "generic_decline",
        "do_not_honor",
        "processing_error",
        "try_again_later",
        "no_answer",
        "whatever else it may be",
        "declined",
    ],
)
def test_whatever_else_is_declined_may_pass(reason: str) -> None:
    assert not is_lasting(reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("card_expired", "card_expired"),
        (None, "declined"),
        ("", "declined"),
        (" \n", "declined"),
        ("two\nlines\tof it ", "two lines of it"),
        ("x" * 1000, "x" * 100),
    ],
)
def test_a_reason_is_one_short_line(said: str | None, reason: str) -> None:
    assert as_reason(said) == reason
