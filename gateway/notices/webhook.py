"""Notices for programs: a POST, signed as Standard Webhooks describes.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
from datetime import UTC, datetime
from http import HTTPStatus

import aiohttp
from standardwebhooks import Webhook

from gateway.notices import delivery
from gateway.notices.delivery import Delivery, Result
from gateway.notices.notice import Notice, iso

# Of the answers that say that the request is wrong, those that another time may not.
_PASSING = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


class WebhookSender:
    """Posts notices to the URLs that want them."""

    def __init__(self, secret: str, session: aiohttp.ClientSession) -> None:
        """Sign with ``secret`` (``whsec_...``); use an open client session."""
        self._signer = Webhook(secret)
        self._session = session

    async def deliver(self, notice: Notice) -> Delivery:
        """Post a notice; its ``webhook-id`` is the same at each try."""
        body = json.dumps(
            {"type": notice.kind, "timestamp": iso(notice.at_ms), "data": notice.data}
        )
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notice.notice_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(notice.notice_id, now, body),
        }
        timeout = aiohttp.ClientTimeout(total=delivery.SECONDS_MAX)
        try:
            # A redirect would bring what is signed for one receiver to another.
            async with self._session.post(
                notice.to, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return Delivery(_result(response.status), f"HTTP {response.status}")
        except TimeoutError:
            return delivery.too_slow()
        except aiohttp.ClientError as error:
            return Delivery(Result.LATER, str(error) or type(error).__name__)


def _result(status: int) -> Result:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Result.SENT
    is_wrong = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return Result.DEAD if is_wrong and status not in _PASSING else Result.LATER
