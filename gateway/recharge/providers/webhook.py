"""A payment provider behind a signed POST, as Standard Webhooks describes signatures.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus

import aiohttp
from pydantic import BaseModel
from standardwebhooks import Webhook

from gateway.money import format_amount

REPLY_SECONDS_MAX = 20
BODY_BYTES_MAX = 65_536


class Status(StrEnum):
    """What is known of a charge."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    DECLINED = "declined"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge that is asked for; ``key`` makes asking again harmless."""

    key: str
    account: str
    micros: int
    currency: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The provider's answer, or that there was none to rely on."""

    status: Status
    reason: str = ""


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
            }
        )
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
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=timeout
            ) as response:
                return await _reply(response)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return Reply(Status.UNKNOWN, type(error).__name__)


_STATUSES = {
    HTTPStatus.OK: Status.SUCCEEDED,
    HTTPStatus.ACCEPTED: Status.PENDING,
    HTTPStatus.PAYMENT_REQUIRED: Status.DECLINED,
}


class _Body(BaseModel):
    status: Status
    reason: str | None = None


async def _reply(response: aiohttp.ClientResponse) -> Reply:
    """Believe a status code only with the body that belongs to it. Raises ValueError."""
    body = _Body.model_validate_json(await response.content.read(BODY_BYTES_MAX))
    if _STATUSES.get(HTTPStatus(response.status)) is not body.status:
        return Reply(Status.UNKNOWN, f"status {response.status}")
    return Reply(body.status, body.reason or "")
