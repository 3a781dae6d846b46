"""A payment provider behind a signed POST, as Standard Webhooks describes signatures.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Literal

import aiohttp
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from standardwebhooks import Webhook

from gateway import names
from gateway.money import format_amount, is_positive, parse_amount
from gateway.recharge.declines import as_reason
from gateway.recharge.inbox import faults
from gateway.recharge.providers.charge import REPLY_SECONDS_MAX, Charge, Reply, Status

BODY_BYTES_MAX = 65_536

# Which answers belong to which status codes.
_ANSWERS = {
    ("POST", 200): (Status.SUCCEEDED,),
    ("POST", 202): (Status.PENDING,),
    ("POST", 402): (Status.DECLINED,),
    ("GET", 200): (Status.SUCCEEDED, Status.PENDING, Status.DECLINED),
    ("GET", 404): (Status.NOT_FOUND,),
}


class WebhookProvider:
    """Asks for charges at ``url``/charges."""

    def __init__(self, url: str, secret: str, session: aiohttp.ClientSession) -> None:
        """Use an open client session."""
        self._url = f"{url.rstrip('/')}/charges"
        self._signer = Webhook(secret)
        self._session = session

    async def charge(self, charge: Charge) -> Reply:
        """Ask for a charge; asking again with the same key never charges twice."""
        body = json.dumps(
            {
                "idempotency_key": charge.key,
                "account": charge.account,
                "amount": format_amount(charge.micros),
                "currency": charge.currency,
                "method": charge.method,
            }
        )
        return await self._asked("POST", self._url, charge, body)

    async def find(self, charge: Charge, since_ms: int) -> Reply:
        """Ask what became of a charge; the provider knows its key for ever."""
        del since_ms
        return await self._asked("GET", f"{self._url}/{charge.key}", charge, "")

    async def _asked(
        self, method: Literal["GET", "POST"], url: str, charge: Charge, body: str
    ) -> Reply:
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": charge.key,
            "webhook-id": charge.key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(charge.key, now, body),
        }
        timeout = aiohttp.ClientTimeout(total=REPLY_SECONDS_MAX)
        try:
            async with self._session.request(
                method,
                url,
                data=body or None,
                headers=headers,
                timeout=timeout,
                # What was signed for one address is not for another.
                allow_redirects=False,
            ) as response:
                told = _Body.model_validate_json(await _whole(response))
        except ValidationError as error:
            return Reply(Status.UNKNOWN, faults(error))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return Reply(Status.UNKNOWN, type(error).__name__)
        return _reply(charge, told, method, response.status)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Read a body to its end, which may come in pieces. Raises ValueError for one too long."""
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise ValueError("the body is too long")
    return body


class _Body(BaseModel):
    status: Status
    reason: str | None = None
    payment_id: Annotated[str, Field(pattern=f"^{names.REFERENCE.pattern}$")] | None = None
    amount: Annotated[str, AfterValidator(is_positive)] | None = None
    currency: Annotated[str, Field(pattern=f"^{names.CURRENCY.pattern}$")] | None = None


def _reply(charge: Charge, told: _Body, method: Literal["GET", "POST"], code: int) -> Reply:
    """Believe a status code only with the body that belongs to it."""
    if told.status not in _ANSWERS.get((method, code), ()):
        return Reply(Status.UNKNOWN, f"status {code}")
    if told.status is Status.DECLINED:
        return Reply(told.status, as_reason(told.reason))
    if told.status is not Status.SUCCEEDED:
        return Reply(told.status)
    if told.payment_id is None:
        return Reply(Status.UNKNOWN, "no payment_id")
    return Reply(
        told.status,
        payment=told.payment_id,
        micros=charge.micros if told.amount is None else parse_amount(told.amount),
        currency=told.currency or charge.currency,
    )
