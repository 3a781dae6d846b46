"""Stripe as the payment provider: cards that its customers left there, charged off-session.

https://docs.stripe.com/payments/save-and-reuse, https://docs.stripe.com/api/idempotent_requests
"""

import re
from collections.abc import Callable

import aiohttp
import stripe
import structlog
from pydantic import ValidationError
from stripe.params import PaymentIntentCreateParams, PaymentIntentListParams

from gateway.recharge.providers.charge import REPLY_SECONDS_MAX, Charge, Reply, Status
from gateway.recharge.providers.minor_units import NotInMinorUnitsError, to_minor_units
from gateway.recharge.providers.stripe_objects import (
    ACCOUNT_LABEL,
    KEY_LABEL,
    Intent,
    PaymentError,
)

_METHOD = re.compile(r"(cus_\w+)/((?:pm|card|src)_\w+)", re.ASCII)
# Between Stripe's clock and the store's.
_CLOCKS_APART_SECONDS = 3600
_LISTED_MAX = 1000
_PAGE = 100
# What a request may end in, beside an answer that it was read: connections, and odd bodies.
_FAILURES = (stripe.StripeError, aiohttp.ClientError, TimeoutError, ValidationError)

_log = structlog.get_logger()


class StripeUnreachableError(Exception):
    """Stripe gave no answer to rely on."""


class StripeProvider:
    """Asks Stripe for PaymentIntents, each with the recharge's key as its idempotency key."""

    def __init__(self, api_key: str, url: str, session: aiohttp.ClientSession) -> None:
        """Use an open client session; an empty ``url`` is Stripe's own."""
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": url.rstrip("/") or stripe.DEFAULT_API_BASE},
            # What to repeat, and when, is the recharger's to say.
            max_network_retries=0,
            http_client=stripe.AIOHTTPClient(
                session=session, timeout=aiohttp.ClientTimeout(total=REPLY_SECONDS_MAX)
            ),
        )

    async def charge(self, charge: Charge) -> Reply:
        """Ask for a charge; asking again with the same key within 24 hours never charges twice."""
        named = _METHOD.fullmatch(charge.method)
        if named is None:
            return Reply(Status.DECLINED, "method_unknown")
        try:
            amount = to_minor_units(charge.micros, charge.currency)
        except NotInMinorUnitsError:
            return Reply(Status.DECLINED, "amount_not_in_minor_units")
        asked: PaymentIntentCreateParams = {
            "amount": amount,
            "currency": charge.currency.lower(),
            "customer": named[1],
            "payment_method": named[2],
            "confirm": True,
            "off_session": True,
            "metadata": {ACCOUNT_LABEL: charge.account, KEY_LABEL: charge.key},
        }
        try:
            intent = await self._client.v1.payment_intents.create_async(
                asked, {"idempotency_key": charge.key}
            )
            return _read(intent).reply()
        except _FAILURES as error:
            return _refusal(error, charge)

    async def find(self, charge: Charge, since_ms: int) -> Reply:
        """Look for a charge among its customer's, by what it carries.

        They are listed, not searched for: Stripe's search lags behind.
        """
        named = _METHOD.fullmatch(charge.method)
        if named is None:
            return Reply(Status.NOT_FOUND)
        asked: PaymentIntentListParams = {
            "customer": named[1],
            "created": {"gte": since_ms // 1000 - _CLOCKS_APART_SECONDS},
            "limit": _PAGE,
        }
        try:
            page = await self._client.v1.payment_intents.list_async(asked)
            listed = 0
            async for found in page.auto_paging_iter():
                intent = _read(found)
                if (intent.account, intent.key) == (charge.account, charge.key):
                    return intent.reply()
                listed += 1
                if listed == _LISTED_MAX:
                    return Reply(Status.UNKNOWN, f"more than {_LISTED_MAX} charges of a customer")
        except _FAILURES as error:
            return Reply(Status.UNKNOWN, _logged(error, charge.key))
        return Reply(Status.NOT_FOUND)

    async def intent(self, payment: str) -> Intent:
        """Give a PaymentIntent. Raises StripeUnreachableError."""
        try:
            return _read(await self._client.v1.payment_intents.retrieve_async(payment))
        except _FAILURES as error:
            raise StripeUnreachableError(_logged(error, payment)) from error


def _read(found: stripe.PaymentIntent) -> Intent:
    return Intent.model_validate(found.to_dict())


def _refusal(error: Exception, charge: Charge) -> Reply:
    """Tell apart what was declined and what is not known.

    A request that Stripe finds wrong is not carried out; any other failure may hide a charge.
    """
    match error:
        case stripe.CardError():
            told = error.error.to_dict() if error.error else {}
            return Reply(Status.DECLINED, PaymentError.model_validate(told).reason)
        case stripe.InvalidRequestError():
            _logged(error, charge.key)
            return Reply(Status.DECLINED, error.code or "invalid_request_error")
        case _:
            return Reply(Status.UNKNOWN, _logged(error, charge.key))


def _logged(error: Exception, of: str) -> str:
    """Log a failure, loudly where it takes an admin to mend."""
    kind = type(error).__name__
    say: Callable[..., None] = _log.warning
    match error:
        case stripe.AuthenticationError() | stripe.PermissionError() | stripe.InvalidRequestError():
            say = _log.error
    say("stripe.failed", of=of, error=kind, message=str(error))
    return kind
