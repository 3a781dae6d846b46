import hmac
from datetime import UTC, datetime

import pytest
import stripe
from standardwebhooks import Webhook

from gateway.recharge.signatures import NotAuthenticError, check_standard, check_stripe

# https://github.com/standard-webhooks/standard-webhooks, libraries/python/tests/test_webhooks.py:
# test_sign_function, and the same in its other libraries.
SIGNER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(AT),
    "webhook-signature": SIGNATURE,
}
# There: test_multi_sig_payload_is_valid, and test_invalid_signature_raises_error.
OTHER_SIGNATURE = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
ONE_LETTER_OFF = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="
# The example of the specification: an asymmetric signature beside the symmetric one.
ASYMMETRIC = (
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)
# https://docs.svix.com/receiving/verifying-payloads/how-manual, of those who wrote the standard.
SVIX_SIGNER = "whsec_plJ3nmyCDGBKInavdOK15jsl"
SVIX_BODY = b'{"event_type":"ping","data":{"success":true}}'
SVIX_HEADERS = {
    "webhook-id": "msg_loFOjxBNrRLzqYUf",
    "webhook-timestamp": "1731705121",
    "webhook-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
}


def test_the_published_messages_are_accepted_at_their_time() -> None:
    check_standard(Webhook(SIGNER), BODY, HEADERS, AT)
    check_standard(Webhook(SVIX_SIGNER), SVIX_BODY, SVIX_HEADERS, 1731705121)


@pytest.mark.parametrize("seconds", [-300, -299.5, 0, 299.5, 300])
def test_a_message_holds_for_300_seconds_both_ways(seconds: float) -> None:
    check_standard(Webhook(SIGNER), BODY, HEADERS, AT + seconds)


@pytest.mark.parametrize("seconds", [-1e9, -301, -300.5, 300.5, 301, 1e9])
def test_a_message_of_another_time_is_refused(seconds: float) -> None:
    with pytest.raises(NotAuthenticError):
        check_standard(Webhook(SIGNER), BODY, HEADERS, AT + seconds)


@pytest.mark.parametrize(
    "signatures",
    [
        f"v1,{OTHER_SIGNATURE} v2,{OTHER_SIGNATURE} {SIGNATURE} v1,{OTHER_SIGNATURE}",
        f"{SIGNATURE} {ASYMMETRIC}",
        f"{ASYMMETRIC} {SIGNATURE}",
        f"v1, v1 v9,a,b,c {SIGNATURE}",
    ],
)
def test_one_signature_of_several_is_enough(signatures: str) -> None:
    check_standard(Webhook(SIGNER), BODY, HEADERS | {"webhook-signature": signatures}, AT)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": ONE_LETTER_OFF},
        {"webhook-signature": SIGNATURE.replace("v1", "v2")},
        {"webhook-signature": SIGNATURE.replace("v1,", "")},
        {"webhook-signature": SIGNATURE[:8]},
        {"webhook-signature": "v1,"},
        {"webhook-signature": ""},
        {"webhook-signature": ASYMMETRIC},
        {"webhook-signature": SIGNATURE + "\udce9"},
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(AT + 1)},
        {"webhook-timestamp": "hello"},
        {"webhook-timestamp": f"{AT}.0"},
        {"webhook-timestamp": ""},
    ],
)
def test_whatever_else_is_signed_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(NotAuthenticError):
        check_standard(Webhook(SIGNER), BODY, HEADERS | changed, AT)


@pytest.mark.parametrize("missing", sorted(HEADERS))
def test_a_message_without_one_of_its_headers_is_refused(missing: str) -> None:
    rest = {name: value for name, value in HEADERS.items() if name != missing}
    with pytest.raises(NotAuthenticError):
        check_standard(Webhook(SIGNER), BODY, rest, AT)


@pytest.mark.parametrize("body", [b"", BODY + b" ", b'{"test": 2432232315}', b"\xff"])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(NotAuthenticError):
        check_standard(Webhook(SIGNER), body, HEADERS, AT)


def test_another_secret_is_refused() -> None:
    with pytest.raises(NotAuthenticError):
        check_standard(Webhook(SVIX_SIGNER), BODY, HEADERS, AT)


def test_what_is_signed_here_is_what_is_published() -> None:
    at = datetime.fromtimestamp(AT, UTC)
    assert Webhook(SIGNER).sign(HEADERS["webhook-id"], at, BODY.decode()) == SIGNATURE


# https://github.com/stripe/stripe-python, tests/test_webhook.py: its payload, its secret, and each
# of the cases of TestWebhookSignature. Stripe publishes no signature with a secret.
STRIPE_SIGNER = "whsec_test_secret"
STRIPE_BODY = b"""{
  "id": "evt_test_webhook",
  "object": "event",
  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }
}"""
STRIPE_AT = 1492774577


def stripe_header(at: int = STRIPE_AT, scheme: str = "v1", secret: str = STRIPE_SIGNER) -> str:
    header = stripe.WebhookSignature.generate_signature_header(STRIPE_BODY.decode(), secret, at)
    return str(header).replace("v1=", f"{scheme}=")


def test_stripes_signature_is_the_hmac_that_it_documents() -> None:
    # https://docs.stripe.com/webhooks/signature#verify-manually
    signed = f"{STRIPE_AT}.".encode() + STRIPE_BODY
    expected = hmac.new(STRIPE_SIGNER.encode(), signed, "sha256").hexdigest()
    check_stripe(STRIPE_SIGNER, STRIPE_BODY, f"t={STRIPE_AT},v1={expected}", STRIPE_AT)


@pytest.mark.parametrize(
    "header",
    [
        stripe_header(),
        stripe_header() + ",v1=bad_signature",
        stripe_header().replace(",v1", ",v1=bad_signature,v1"),
        stripe_header() + ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39",
    ],
)
def test_stripes_message_is_accepted_for_one_of_its_signatures(header: str) -> None:
    check_stripe(STRIPE_SIGNER, STRIPE_BODY, header, STRIPE_AT)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "i'm not even a real signature header",
        "bad_header",
        stripe_header(scheme="v0"),
        f"t={STRIPE_AT},v1=bad_signature",
        f"t={STRIPE_AT},v1=\u00e9",
        f"t={STRIPE_AT},v1=\udce9",
        f"t={STRIPE_AT}",
        stripe_header().replace(f"t={STRIPE_AT}", "t=12345"),
        stripe_header().replace(f"t={STRIPE_AT}", "t=soon"),
        stripe_header().replace(f"t={STRIPE_AT},", ""),
        stripe_header(secret="whsec_other"),
    ],
)
def test_whatever_else_stripe_is_said_to_have_signed_is_refused(header: str) -> None:
    with pytest.raises(NotAuthenticError):
        check_stripe(STRIPE_SIGNER, STRIPE_BODY, header, STRIPE_AT)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_stripes_message_holds_for_300_seconds_both_ways(seconds: int) -> None:
    check_stripe(STRIPE_SIGNER, STRIPE_BODY, stripe_header(), STRIPE_AT + seconds)


@pytest.mark.parametrize("seconds", [-1e9, -301, 301, 1e9])
def test_stripes_message_of_another_time_is_refused(seconds: float) -> None:
    with pytest.raises(NotAuthenticError):
        check_stripe(STRIPE_SIGNER, STRIPE_BODY, stripe_header(), STRIPE_AT + seconds)


@pytest.mark.parametrize("body", [b"", STRIPE_BODY + b" ", b"\xff"])
def test_another_body_of_stripes_is_refused(body: bytes) -> None:
    with pytest.raises(NotAuthenticError):
        check_stripe(STRIPE_SIGNER, body, stripe_header(), STRIPE_AT)
