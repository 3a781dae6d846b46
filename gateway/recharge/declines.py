"""Which declines are for good (rule R4): the same method would be declined again.

What is not listed here passes, and is tried again after a pause.
"""

# https://docs.stripe.com/declines/codes: where the next step is another card, or the customer's.
# Those that the issuer may well lift, such as insufficient_funds, card_velocity_exceeded,
# do_not_honor, generic_decline, call_issuer or try_again_later, are not among them.
_STRIPE_DECLINE_CODES = frozenset(
    {
        "authentication_not_handled",
        "authentication_required",
        "card_not_supported",
        "currency_not_supported",
        "do_not_try_again",
        "expired_card",
        "fraudulent",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_pin",
        "incorrect_zip",
        "invalid_account",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "invalid_pin",
        "lost_card",
        "merchant_blacklist",
        "mobile_device_authentication_required",
        "new_account_information_available",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
    }
)
# https://docs.stripe.com/error-codes: what is wrong with the method or with what is asked for.
_STRIPE_ERROR_CODES = frozenset(
    {
        "account_closed",
        "amount_too_large",
        "amount_too_small",
        "bank_account_declined",
        "bank_account_unusable",
        "debit_not_authorized",
        "invalid_request_error",
        "parameter_invalid_integer",
        "payment_intent_authentication_failure",
        "payment_intent_invalid_parameter",
        "payment_method_unactivated",
        "payment_method_unexpected_state",
        "resource_missing",
    }
)
# What a provider of one's own may say in plain words, and what the gateway says itself.
_PLAIN_WORDS = frozenset(
    {
        "account_unknown",
        "amount_not_in_minor_units",
        "card_blocked",
        "card_expired",
        "card_lost",
        "card_stolen",
        "fraud",
        "method_expired",
        "method_removed",
        "method_revoked",
        "method_unknown",
    }
)
_LASTING = _STRIPE_DECLINE_CODES | _STRIPE_ERROR_CODES | _PLAIN_WORDS
_REASON_LENGTH_MAX = 100


def is_lasting(reason: str) -> bool:
    """Tell whether the same method would be declined again."""
    return reason in _LASTING


def as_reason(text: str | None) -> str:
    """Give what a provider says as a reason: one short line, and never none."""
    return " ".join((text or "").split())[:_REASON_LENGTH_MAX] or "declined"
