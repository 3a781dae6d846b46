"""Who signed a message, and when: as Standard Webhooks has it, and as Stripe does.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
https://docs.stripe.com/webhooks/signature
"""

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import stripe
from standardwebhooks import Webhook

TOLERANCE_SECONDS = 300

_SECONDS = re.compile(r"[0-9]{1,12}")


class NotAuthenticError(Exception):
    """The signature, or its timestamp, does not hold."""


def check_standard(
    signer: Webhook, body: bytes, headers: Mapping[str, str], now_seconds: float
) -> None:
    """Believe one of the signatures of a message, also beside those of other keys and versions.

    The library signs, but is not asked to verify: it knows no time but now, and refuses the whole
    list for one entry that it cannot read. Raises NotAuthenticError.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split(" ")
    if not message_id or not _SECONDS.fullmatch(timestamp):
        raise NotAuthenticError("no webhook-id, or no webhook-timestamp in seconds")
    _check_time(int(timestamp), now_seconds)
    try:
        signed_at = datetime.fromtimestamp(int(timestamp), UTC)
        expected = signer.sign(message_id, signed_at, body.decode()).encode()
    except UnicodeError as error:
        raise NotAuthenticError("not UTF-8") from error
    if not any(hmac.compare_digest(expected, _bytes(given)) for given in signatures):
        raise NotAuthenticError("no matching signature")


def check_stripe(secret: str, body: bytes, header: str, now_seconds: float) -> None:
    """Believe one of the v1 signatures of a Stripe-Signature. Raises NotAuthenticError.

    The client's own check of the time is not used: it lets messages from the future through.
    """
    try:
        stripe.WebhookSignature.verify_header(body, header, secret)
        signed_at = next(int(item[2:]) for item in header.split(",") if item.startswith("t="))
    except (stripe.SignatureVerificationError, TypeError, ValueError) as error:
        # A TypeError for what is not ASCII, a ValueError for what is not UTF-8.
        raise NotAuthenticError("no matching signature") from error
    _check_time(signed_at, now_seconds)


def _check_time(signed_at: int, now_seconds: float) -> None:
    if abs(now_seconds - signed_at) > TOLERANCE_SECONDS:
        raise NotAuthenticError(f"signed more than {TOLERANCE_SECONDS} s ago, or from now")


def _bytes(header: str) -> bytes:
    return header.encode(errors="surrogateescape")
